"""The native twin held to the pure one, and to its memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metronome import limits
from tests.kernel import lines
from tests.kernel.conftest import twin
from tests.kernel.helpers import UNION, dumped

CORPUS = Path(__file__).parent / "corpus.txt"


def test_the_compiled_bounds_are_those_of_the_house(native: ModuleType) -> None:
    """The C core's numbers are compiled in; they must not drift from ``limits.py``."""
    assert {name: getattr(limits, name) for name in native.BOUNDS} == native.BOUNDS


@given(st.integers(0, 1 << 32))
@settings(max_examples=150)
def test_the_twins_agree(seed: int) -> None:
    """Parsing, folding, flushing, pruning and rejects are the same, bit by bit."""
    assert not lines.difference(twin("pure"), twin("native"), seed, 60)


@given(
    head=st.sampled_from(lines.NAMES),
    wild=st.binary(max_size=40),
    place=st.sampled_from(["name", "value", "type", "field", "tags", "path", "time"]),
)
@settings(max_examples=400)
def test_the_twins_agree_on_one_wild_field(head: bytes, wild: bytes, place: str) -> None:
    """A good line in which one field is any bytes at all."""
    line = {
        "name": head + wild + b":1|c",
        "value": head + b":" + wild + b"|g",
        "type": head + b":1|" + wild,
        "field": head + b":1|c|" + wild,
        "tags": b"a:1|c|#" + wild + b"|@0.5",
        "path": head + wild + b" 1 2",
        "time": head + b" 1 " + wild,
    }[place]
    pure, native = twin("pure"), twin("native")
    assert repr(native.parse_statsd(line, UNION)) == repr(pure.parse_statsd(line, UNION))
    assert repr(native.parse_graphite(line, UNION)) == repr(pure.parse_graphite(line, UNION))


@pytest.mark.parametrize("text", CORPUS.read_text(encoding="ascii").splitlines())
def test_past_differences_stay_settled(native: ModuleType, text: str) -> None:
    """Inputs that once told the twins apart, or are known to be hard, one a line (escaped)."""
    line = text.encode("ascii").decode("unicode_escape").encode("latin-1")
    pure = twin("pure")
    for dialect in lines.DIALECTS:
        assert repr(native.parse_statsd(line, dialect)) == repr(pure.parse_statsd(line, dialect))
        assert repr(native.parse_graphite(line, dialect)) == repr(pure.parse_graphite(line, dialect))
        tables = [kernel.Table(timer_samples=2, set_members=1) for kernel in (pure, native)]
        for table in tables:
            table.feed_statsd(line, dialect)
            table.feed_graphite(line, 0.0, dialect)
        assert dumped(tables[0].flush(0, 1.0)) == dumped(tables[1].flush(0, 1.0))
        assert dumped(tables[0].flush_points()) == dumped(tables[1].flush_points())


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_sketches_are_the_same_at_every_edge(values: list[float]) -> None:
    """Any doubles fall into the same bins in both twins."""
    block = ("a:" + ":".join(map(repr, values)) + "|ms").encode()
    columns = []
    for name in ("pure", "native"):
        table = twin(name).Table(timer_samples=0)
        table.feed_statsd(block, UNION)
        columns.append(dumped(table.flush(0, 10.0)))
    assert columns[0] == columns[1]


LEAK = """
import gc, resource
from metronome.kernel import TWIN, Table, parse_graphite, parse_statsd
from metronome.kernel.interface import Dialect, Mapped

D = Dialect()
lines = b"n%d:%d|c\\nt%d:%d:2|ms|@0.5\\ng%d:+1|g|#k:v\\ns%d:m%d|s\\nx|y\\nc:1|c|T5\\n_sc|a|0"
statsd = b"\\n".join(lines % ((i,) * 7) for i in range(300))
graphite = b"\\n".join(b"p.q%d;k=v 1 2" % i for i in range(300))

def work(rounds):
    for _ in range(rounds):
        table = Table(timer_samples=5, set_members=2)
        table.set_mapper(lambda name, kind, labels: Mapped(name, (("k", "v"),), 2.0, name != "g7"))
        for _ in range(4):
            table.feed_statsd(statsd, D)
            table.feed_graphite(graphite, 1.0, D)
            table.flush(0, 10.0)
            table.flush_points()
            table.prune(1)
            table.take_events()
            table.rejects()
            table.counts()
        parse_statsd(statsd, D)
        parse_graphite(graphite, D)

assert TWIN == "native"
work(20)
gc.collect()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
work(80)
gc.collect()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_nothing_leaks(native: ModuleType) -> None:
    """Tables of every kind come and go, and memory does not grow (kilobytes, in a process of its own)."""
    environment = {**os.environ, "METRONOME_PURE": ""}
    done = subprocess.run(
        [sys.executable, "-c", LEAK], capture_output=True, text=True, check=True, timeout=120, env=environment
    )
    assert int(done.stdout) < 2000


MEMORY = """
import resource
from metronome.kernel import Table
from metronome.kernel.interface import Dialect

D, table, number = Dialect(), Table(), 300_000
table.feed_statsd(b"warm:1|c", D)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for begin in range(0, number, 1000):
    names = (b"bench.app.host.requests.m%06d:1|c" % i for i in range(begin, begin + 1000))
    table.feed_statsd(b"\\n".join(names), D)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 // number)
"""


def test_a_live_counter_costs_little(native: ModuleType) -> None:
    """At most 300 bytes a series, all told."""
    environment = {**os.environ, "METRONOME_PURE": ""}
    done = subprocess.run(
        [sys.executable, "-c", MEMORY],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env=environment,
    )
    assert int(done.stdout) <= 300
