"""Which twin runs, and that both offer the whole interface."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections import Counter
from itertools import product
from types import ModuleType

import pytest

from metronome.kernel.interface import Dialect, Table
from metronome.model import Kind
from tests.kernel.helpers import rows


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


def test_a_name_is_what_its_dialect_says_however_many_there_are(kernel: ModuleType) -> None:
    """What is remembered of a name in one dialect, or as one kind, is not taken for another's."""
    switches = ("influx_tags", "librato_tags", "signalfx_tags", "graphite_tags", "dogstatsd_tags")
    dialects = [
        Dialect(**dict(zip(switches, values, strict=True))) for values in product((False, True), repeat=5)
    ]
    block = b"plain:1|c\nplain:2|g\nplain:3|ms\nplain:a|s\nwith_k_v:1|c\nwith,k=v:1|c\nwith;k=v:1|c"
    table = kernel.Table()
    for _ in range(3):
        for dialect in dialects:
            table.feed_statsd(block, dialect)
            table.feed_graphite(b"plain 4 1\nwith_k_v 5 1", 0.0, dialect)
    counted = {row["series"]: row["n"] for row in rows(table.flush(0, 10.0)) if row["kinds"] == Kind.COUNTER}
    alone: Counter[object] = Counter()
    for dialect in dialects:
        fresh = kernel.Table()
        fresh.feed_statsd(block, dialect)
        for row in rows(fresh.flush(0, 10.0)):
            if row["kinds"] == Kind.COUNTER:
                alone[row["series"]] += 3 * row["n"]
    assert counted == alone
    assert counted["plain", ()] == 96.0
