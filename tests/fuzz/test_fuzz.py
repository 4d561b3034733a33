"""The twins under the sanitizers, on 200,000 lines, and that a fault would be found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.fuzz import sanitized
from tests.kernel import lines
from tests.kernel.conftest import twin

INPUTS = 200_000


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The native twin with the sanitizers; where it cannot be built, the plain one says what that means."""
    twin("native")
    return sanitized.build(tmp_path_factory.mktemp("sanitized"))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The fuzzer in a process of its own that has the sanitizers."""
    command = [sys.executable, "-m", "tests.fuzz", "--inside", *arguments]
    return subprocess.run(
        command,
        cwd=sanitized.ROOT,
        env=sanitized.environment(),
        check=False,
        capture_output=True,
        text=True,
        timeout=1500,
    )


def test_the_twins_agree_under_the_sanitizers(built: Path) -> None:
    """Every line is parsed and folded by both, and nothing touches what it must not."""
    done = run("--inputs", str(INPUTS), "--seed", "1000000", "--native", str(built))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_sanitizers_are_there(built: Path) -> None:
    """Their mark is in the module, and it does not load without them."""
    assert b"__asan_init" in built.read_bytes()
    assert b"__ubsan_handle" in built.read_bytes()
    done = run("--inputs", "120", "--native", str(built.with_name("is-not-there.so")))
    assert done.returncode != 0


def test_a_difference_is_told_with_its_seed() -> None:
    """A twin that lies is caught."""
    pure = twin("pure")
    liar = ModuleType("liar")
    vars(liar).update(vars(pure))
    liar.parse_statsd = lambda block, dialect: ([], [])  # type: ignore[attr-defined]
    assert lines.difference(pure, liar, 5, 60).startswith("seed 5, Dialect(")
