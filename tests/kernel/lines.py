"""Lines for the twins to disagree about: a valid skeleton with wild fields.

``python -m tests.fuzz`` compares the twins on as many as one wants.
"""

from __future__ import annotations

import random
import socket
from types import ModuleType
from typing import Any

from metronome.kernel.interface import Dialect, Mapped
from metronome.model import Labels
from tests.kernel.helpers import dumped

NAMES = [
    b"a",
    b"requests",
    b"a.b-c_d",
    b"a b",
    b"a/b",
    b"a.b.c",
    b"a.b.d",
    b"a.b.e.f",
    b"\xc3\xa9t\xc3\xa9",
    b"a,k=v",
    b"a;k=v;z=y",
    b"a#k=v,l=w",
]
NAMES += [
    b"[k=v]a",
    b"a.[k=v,l=w]b",
    b"a[",
    b"a]b[k=v",
    b"a,k=v;l=w",
    b"a[k=v],l=w",
    b"a,k",
    b"a,k=",
    b"a#b",
    b"x" * 201,
]
VALUES = [
    b"1",
    b"0",
    b"-1",
    b"+3",
    b"=4",
    b"=-5",
    b"0.1",
    b"1e3",
    b"123456789012345678",
    b"4.9e-324",
    b"1.7e308",
]
VALUES += [
    b"1:2:3",
    b"1::2",
    b":",
    b"",
    b"x",
    b"x:y",
    b"nan",
    b"-inf",
    b"1e999",
    b"1_0",
    b" 1",
    b"-5\t",
    b"  =7 ",
    b" ",
    b"9007199254740993",
    b"0x1f",
    b"0X20000000000003",
    b"0x",
    b"0x1g:0xA",
    b"0x" + b"f" * 256,
    b"1_000:0x_1.8p-3",
    b"0b1011:0o17",
    b"0x1.fffffffffffff7p1023",
    b"0x" + b"7f" * 70,
]
NUMERALS = b"0123456789abcdefxXpPeEoObB_+-."
TYPES = [b"c", b"ms", b"g", b"C", b"s", b"h", b"d", b"m", b"kv", b"q", b"", b"c ", b"\tC", b"g\t", b" "]
FIELDS = [
    b"@0.5",
    b"@0.5 ",
    b"@ 1",
    b"T 100\t",
    b"@1",
    b"@0.1",
    b"@3e-5",
    b"@0",
    b"@2",
    b"@",
    b"@1e-320",
    b"@0.99999999999999989",
    b"#a:b",
    b"#",
]
FIELDS += [
    b"#b,a:1,b:2",
    b"#:x,,#y",
    b"#k:",
    b"T100",
    b"T111.5",
    b"T1.5",
    b"T",
    b"T0",
    b"T1e300",
    b"c:x",
    b"e:",
    b"card:low",
    b"",
]
FIELDS += [
    b"x",
    b":",
    b":1",
    b":2|c",
    b"0.1",
    b"#1a\xc3\xa9:\xff\0",
    b"#" + b",".join(b"t%d" % n for n in range(33)),
]
EVENTS = [b"_e{1,1}:a|b", b"_e{2,1}:a|b", b"_e{", b"_sc|a|0", b"_sc|a|9", b"_e{1,1}:a|b|#x", b"_sc|a|0|m:x"]
PATHS = [
    b"a",
    b"a.b;k=v",
    b"a b",
    b'a{k="v"}',
    b'a{k="v w",l="x\\"y\\n\\\\"}',
    b"a;k",
    b"a;k=;=v",
    b"{",
    b"a{}",
    b'a{k="v',
    b"",
]
PATHS += [
    b'a{k="v" ,l="w"}',
    b"a\x01",
    b"\xff",
    b"a}",
    b"a;k=v{",
    b'a{k="}"}',
    b"a;1=2;1=3",
    b'a{="v"}',
    b'{k="v"}',
]
TIMES = [
    b"",
    b"100",
    b"1700000000",
    b"1700000010",
    b"1700000020",
    b"17000000x0",
    b"-1",
    b"N",
    b"n",
    b"1.0005",
    b"1.0015",
    b"0",
    b"-5",
    b"x",
    b"1e12",
    b"253402300799.9",
    b"nan",
]
BLANKS = [b" ", b"\t", b"  ", b" \t "]
NOISE = [bytes([byte]) for byte in b':|@#,;=[]{}"\\ \t\r\n+-.eTc0\0\xff\xc3'] + [
    b"\xe2\x82\xac",
    b"\xf0\x9f",
    b"_e{",
    b"9" * 30,
]
MAPPER_NAMES = ("a", "a.b.c", "requests", "a.b-c_d")


def mapper(name: str, kind: int, labels: Labels) -> Mapped | None:
    """Rules that drop, rename, label, scale and leave alone, by name and kind."""
    if name not in MAPPER_NAMES:
        return Mapped(name, labels, 3.0, False)
    if name == "requests" and kind != 2:
        return None
    factor = (1.0, 0.001, 1e300, 2.0)[MAPPER_NAMES.index(name)]
    return Mapped(f"m.{name}" if labels else "m", (*labels[1:], ("rule", str(int(kind)))), factor)


DIALECTS = [
    Dialect(),
    Dialect(gauge_delta=False, container_labels=True),
    Dialect(influx_tags=False, signalfx_tags=False),
    Dialect(librato_tags=False, graphite_tags=False, dogstatsd_tags=False, container_labels=True),
]


def numeral(rng: random.Random) -> bytes:
    """What may be a number in one of the languages that servers are written in."""
    head = rng.choice((b"", b"", b"0x", b"0X", b"0b", b"0o", b"-0x", b"+", b"0x_", b"1_"))
    digits = rng.choice((b"01", b"0123456789", b"0123456789abcdef", b"0F7_", NUMERALS))
    body = bytes(rng.choices(digits, k=rng.choice((1, 2, 5, 20, 40))))
    tail = rng.choice((b"", b"", b"p1", b"P-1074", b"p1_0", b"e3", b".8p0", b"_0", b"p+971"))
    return head + body + tail


def _wild(line: bytes, rng: random.Random) -> bytes:
    """Put noise into a line, take some of it out, or double a piece."""
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2))):
        at = rng.randint(0, len(line))
        end = min(len(line), at + rng.choice((0, 0, 1, 3)))
        middle = rng.choice((rng.choice(NOISE), line[at : at + 5] * 2))
        line = line[:at] + middle + line[end:]
    return line


def statsd_line(rng: random.Random) -> bytes:
    """A statsd line that is nearly good."""
    if rng.random() < 0.04:
        return _wild(rng.choice(EVENTS), rng)
    value = numeral(rng) if rng.random() < 0.1 else rng.choice(VALUES)
    line = rng.choice(NAMES) + b":" + value + b"|" + rng.choice(TYPES[: rng.choice((3, 4, 9, 15))])
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        line += b"|" + rng.choice(FIELDS)
    if rng.random() < 0.1:
        line += b":" + rng.choice(VALUES) + b"|" + rng.choice(TYPES)
    return _wild(line, rng)


def graphite_line(rng: random.Random) -> bytes:
    """A Graphite line that is nearly good."""
    parts = [rng.choice(PATHS), rng.choice(BLANKS), rng.choice(VALUES)]
    if rng.random() < 0.8:
        parts += [rng.choice(BLANKS), rng.choice(TIMES)]
    return _wild(b"".join(parts), rng)


def outcome(
    kernel: ModuleType, blocks: list[tuple[bytes, bytes]], dialect: Dialect, rng: random.Random
) -> Any:
    """Everything that a twin makes of blocks of statsd and Graphite lines."""
    table = kernel.Table(
        series_limit=40,
        timer_samples=3,
        set_members=2,
        prefix_limit=rng.choice((0, 2)),
        late=30.0,
        gauge_flushes=rng.choice((0, 0, 1, 2)),
    )
    if rng.random() < 0.5:
        table.begin(100_000)
    table.lane()
    mapped = rng.random() < 0.4
    if mapped:
        table.set_mapper(mapper)
    out: list[Any] = []
    for statsd, graphite in blocks:
        lane = rng.randint(0, 1)
        out.append(repr(kernel.parse_statsd(statsd, dialect)))
        out.append(repr(kernel.parse_graphite(graphite, dialect)))
        out.append(_fed(table, statsd, dialect, lane, rng))
        out.append(table.feed_graphite(graphite, 1.2345, dialect, lane))
        out.append((table.waiting, table.points_waiting, table.series))
        if mapped and rng.random() < 0.2:
            table.set_mapper(rng.choice((None, mapper)))
        if rng.random() < 0.3:
            out.append(_forgotten(table, rng))
        if rng.random() < 0.3:
            out.append(_merged(kernel, table, (statsd, graphite), dialect, lane))
        out.append(dumped(table.flush_points()))
        if rng.random() < 0.5:
            out.append(dumped(table.flush(1000, 10.0)))
            out.append(table.prune(rng.randint(0, 2)))
    out += [dumped(table.flush(1000, 10.0)), _books(table)]
    for lane in (0, 1):
        out += [table.rejects(lane), table.take_events(lane)]
    return out


def _fed(table: Any, block: bytes, dialect: Dialect, lane: int, rng: random.Random) -> Any:
    """Feed a block, or send it in a few datagrams through a socket."""
    if rng.random() < 0.7:
        return table.feed_statsd(block, dialect, lane)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        for _ in range(rng.randint(1, 3)):
            at = rng.randint(0, len(block))
            theirs.send(block[:at])
            block = block[at:]
        theirs.send(block)
        return table.drain(ours.fileno(), rng.randint(1, 5), dialect, lane), table.senders()


def _merged(kernel: ModuleType, table: Any, blocks: tuple[bytes, bytes], dialect: Dialect, lane: int) -> Any:
    """What another table folded, and what was taken in of it."""
    other = kernel.Table(timer_samples=2, set_members=1, relative_gauges=True, period=0.001)
    other.feed_statsd(blocks[0], dialect)
    other.feed_graphite(blocks[1], 1.0, dialect)
    parts = [other.flush(0, 1.0), other.flush_points()]
    return [dumped(part) for part in parts], [table.merge(part, lane) for part in parts], table.waiting


def _books(table: Any) -> Any:
    waiting, lanes = table.books()
    return waiting, [(lane, sorted(counts.items())) for lane, counts in lanes.items()]


def _forgotten(table: Any, rng: random.Random) -> Any:
    """What a look at the table and taking some of its series out shows."""
    shown, gauges, totals = table.snapshot(1000, 10.0), table.gauges(), table.totals()
    keys = [shown.key(row) for row in range(len(shown))] + [gauges.key(row) for row in range(len(gauges))]
    chosen = [*rng.sample(keys, len(keys) // 2), b"cnot known", b"gback"]
    return (
        *(dumped(columns) for columns in (shown, gauges, totals)),
        table.forget(chosen),
        table.restore_gauges(chosen, [float(number) for number in range(len(chosen))]),
        table.restore_totals(chosen, [float(number) for number in range(len(chosen))]),
        table.waiting,
        table.series,
        dumped(table.snapshot(0, 1.0)),
        dumped(table.gauges()),
        dumped(table.totals()),
        _books(table),
    )


def difference(pure: ModuleType, native: ModuleType, seed: int, lines: int) -> str:
    """What the twins disagree about in the blocks of one seed; empty where nothing."""
    rng = random.Random(seed)
    dialect = rng.choice(DIALECTS)
    blocks = [
        (
            b"\n".join(statsd_line(rng) for _ in range(lines // 6)),
            b"\r\n".join(graphite_line(rng) for _ in range(lines // 6)),
        )
        for _ in range(3)
    ]
    found = [outcome(kernel, blocks, dialect, random.Random(seed)) for kernel in (pure, native)]
    for one, other in zip(*found, strict=True):
        if one != other:
            return f"seed {seed}, {dialect}\npure:   {one}\nnative: {other}\nblocks: {blocks}"
    return ""
