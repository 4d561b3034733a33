"""The twins under the sanitizers, on 200,000 lines, and that a fault would be found."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

from tests.fuzz import sanitized
from tests.fuzz.conftest import INPUTS, Beside
from tests.kernel import lines
from tests.kernel.conftest import twin


def test_the_twins_agree_under_the_sanitizers(beside: Beside) -> None:
    """Every line is parsed and folded by both, and nothing touches what it must not."""
    said = f"{INPUTS} lines: the twins agree, and no sanitizer has spoken\n"
    assert beside.outcome() == (0, said, "")


def test_the_sanitizers_are_there(beside: Beside) -> None:
    """Their mark is in the module, and it does not load without them."""
    beside.outcome()
    (built,) = beside.folder.rglob("_fast*.so")
    assert b"__asan_init" in built.read_bytes()
    assert b"__ubsan_handle" in built.read_bytes()
    command = [sys.executable, "-m", "tests.fuzz", "--inside", "--inputs", "120", "--native", str(built)]
    done = subprocess.run(command, cwd=sanitized.ROOT, check=False, capture_output=True, timeout=60)
    assert done.returncode != 0
    assert b"ASan runtime" in done.stderr


def test_a_difference_is_told_with_its_seed() -> None:
    """A twin that lies is caught."""
    pure = twin("pure")
    liar = ModuleType("liar")
    vars(liar).update(vars(pure))
    liar.parse_statsd = lambda block, dialect: ([], [])  # type: ignore[attr-defined]
    assert lines.difference(pure, liar, 5, 60).startswith("seed 5, Dialect(")
