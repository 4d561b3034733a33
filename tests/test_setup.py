"""What an installation holds, and that it needs no compiler."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
ASK = """
import json, sys
from distutils.core import run_setup
made = run_setup("setup.py", ["--quiet"], stop_after="init")
print(json.dumps({
    "packages": made.packages,
    "data": made.package_data,
    "optional": [one.optional for one in made.ext_modules or []],
    "scripts": made.entry_points["console_scripts"],
    "requires": made.install_requires,
}))
"""


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """What setup.py says."""
    command = [sys.executable, "-c", "import setuptools\n" + ASK]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_no_compiler_is_no_error(made: dict[str, Any]) -> None:
    """Each native extension may fail to build; the pure twin runs then."""
    assert all(made["optional"])


def test_every_package_and_the_plugin_are_installed(made: dict[str, Any]) -> None:
    """Every folder with an ``__init__.py``, and twistd's plugin beside Twisted's own."""
    folders = [path.parent.relative_to(ROOT) for path in (ROOT / "metronome").rglob("__init__.py")]
    assert set(made["packages"]) == {".".join(folder.parts) for folder in folders} | {"twisted.plugins"}
    assert made["scripts"] == ["metronome = metronome.cli:main"]


def test_every_file_of_the_store_and_the_dashboard_is_installed(made: dict[str, Any]) -> None:
    """Files that are no modules are named by a pattern."""
    for package, folder in (("metronome.store", "schema"), ("metronome.web", "static")):
        place = ROOT / package.replace(".", "/")
        matched = {path for pattern in made["data"][package] for path in place.glob(pattern)}
        assert {path for path in (place / folder).rglob("*") if path.is_file()} <= matched


def test_dependencies_have_ranges(made: dict[str, Any]) -> None:
    """Each with the version that it begins with."""
    assert all(">=" in requirement for requirement in made["requires"])
