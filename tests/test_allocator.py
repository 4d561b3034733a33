"""What the process asks of the C library's allocator."""

from __future__ import annotations

import subprocess
import sys

import pytest

from metronome.limits import MAPPED_BYTES

CHILD = """
import ctypes
from pathlib import Path
from metronome.allocator import give_back_large_pieces

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

if {settled}:
    assert give_back_large_pieces()
bytes(8 << 20)  # moves the border, where it moves
before = resident()
pieces, between = [], []
for _ in range(100):
    pieces.append(b"x" * {size})
    between.append(b"y" * 5000)
del pieces
print(resident() - before)
"""


@pytest.mark.parametrize(("settled", "kept"), [(True, False), (False, True)])
def test_what_is_freed_is_given_back(settled: bool, kept: bool) -> None:
    """Pieces such as a flush is made of are the system's again at once; by itself glibc keeps them."""
    child = CHILD.format(settled=settled, size=MAPPED_BYTES * 3)
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True)
    assert (int(done.stdout) > 10 << 20) is kept


HOLES = """
import ctypes
from pathlib import Path
from metronome.allocator import give_back_holes

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

pieces, between = [], []
for _ in range(1000):
    pieces.append(b"x" * 20_000)
    between.append(b"y" * 5000)
before = resident()
del pieces
kept = resident()
assert give_back_holes()
print(before - kept, kept - resident())
"""


def test_holes_are_given_back() -> None:
    """What was freed between pieces that stay takes no memory any more."""
    done = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True)
    by_itself, given_back = map(int, done.stdout.split())
    assert by_itself < 5_000_000
    assert given_back > 10_000_000
