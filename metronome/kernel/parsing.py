"""Parsing without a table: what each line of a block says; the pure twin's."""

from __future__ import annotations

from metronome.kernel import graphite_grammar, statsd_grammar
from metronome.kernel.interface import Dialect, Reject, Sample
from metronome.kernel.naming import NameAndLabels, clean, statsd_series
from metronome.limits import EXCERPT_BYTES
from metronome.model import Kind


def lines_of(block: bytes) -> list[bytes]:
    """A block's lines without their ends; empty ones are none."""
    if b"\n" not in block:
        return [line] if (line := block.removesuffix(b"\r")) else []
    lines = [line.removesuffix(b"\r") for line in block.split(b"\n")]
    return [line for line in lines if line]


def parse_statsd(block: bytes, dialect: Dialect) -> tuple[list[Sample], list[Reject]]:
    """The samples and rejects of whole statsd lines.  Good events are in neither."""
    samples: list[Sample] = []
    rejects: list[Reject] = []
    for line in lines_of(block):
        found = _samples_of(line, dialect)
        if isinstance(found, str):
            rejects.append(Reject(found, line[:EXCERPT_BYTES]))
        else:
            samples += found
    return samples, rejects


def _samples_of(line: bytes, dialect: Dialect) -> list[Sample] | str:
    if statsd_grammar.is_event(line):
        return [] if statsd_grammar.event_is_good(line) else "bad_event"
    read = statsd_grammar.read_line(line, dialect)
    if isinstance(read, str):
        return read
    samples = []
    for group in read.groups:
        if not group.items:
            continue
        named = statsd_series(read.naming, group.kind, dialect, None)
        if isinstance(named, str):
            return named
        time = read.time if statsd_grammar.has_time(group.word) else None
        for item in group.items:
            value = clean(item.value) if isinstance(item.value, bytes) else item.value
            told = (value, group.rate, time, item.delta, item.total)
            samples.append(Sample(named.name, named.labels, int(group.kind), *told))
    return samples


def parse_graphite(block: bytes, dialect: Dialect) -> tuple[list[Sample], list[Reject]]:
    """The samples and rejects of whole Graphite lines; ``time`` is None where it means now."""
    samples: list[Sample] = []
    rejects: list[Reject] = []
    for line in lines_of(block):
        read = graphite_grammar.read_line(line)
        named: NameAndLabels | str = (
            read if isinstance(read, str) else graphite_grammar.graphite_series(read.path, dialect)
        )
        if isinstance(read, str) or isinstance(named, str):
            rejects.append(Reject(str(named), line[:EXCERPT_BYTES]))
            continue
        time = None if read.time_ms is None else read.time_ms / 1000
        samples.append(Sample(*named[:2], int(Kind.GAUGE), read.value, 1.0, time, False))
    return samples, rejects
