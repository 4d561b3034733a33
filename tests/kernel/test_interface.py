"""Which twin runs, and that both offer the whole interface."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from types import ModuleType

import pytest

from metronome.kernel.interface import Table


@pytest.mark.parametrize(
    ("forced", "allowed"), [("1", {"pure"}), ("", {"pure", "native"}), ("0", {"pure", "native"})]
)
def test_the_environment_chooses_the_twin(forced: str, allowed: set[str]) -> None:
    """``METRONOME_PURE`` forces the pure twin; without it the native one runs where it was built."""
    program = "from metronome.kernel import TWIN, Table; print(TWIN, Table.__module__)"
    environment = {**os.environ, "METRONOME_PURE": forced}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    name, module = done.stdout.split()
    assert name in allowed
    assert module == {"pure": "metronome.kernel._pure", "native": "metronome.kernel._fast"}[name]


def test_a_twin_has_every_member(kernel: ModuleType) -> None:
    """Every public name of the protocol is there, and says what it does."""
    for name, _ in inspect.getmembers(
        Table, lambda member: inspect.isfunction(member) or isinstance(member, property)
    ):
        if not name.startswith("_"):
            assert getattr(kernel.Table, name).__doc__
