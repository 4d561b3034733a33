"""What statsd's admin console asks and changes, answered from a running gateway.

The form of the replies is ``wire/console.py``'s.  What differs from statsd:

- the tables are those of the open period.  A series that got nothing in it is shown as statsd
  shows it (0, no values, the last value) where an output repeats it, and else not at all.
- a series with labels is called ``name;label=value``, as statsd calls one with tags.
- a timer with so many values that they are kept as a sketch shows the sketch's values.
- a deleted series is forgotten: its samples of the open period, its gauge's value, and
  outputs repeat it no more.  What was sent and stored stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

from metronome.fold import sketch
from metronome.fold.columns import keys_of
from metronome.gateway.inlet import Inlet
from metronome.gateway.intake import Intake
from metronome.gateway.ledger import Ledger
from metronome.gateway.notes import Note
from metronome.gateway.readiness import Readiness
from metronome.gateway.telemetry import Telemetry
from metronome.limits import CONSOLE_SERIES, REJECTS_KEPT, TALKERS_TOLD
from metronome.model import KIND_CODES, Columns, Kind, parse_key
from metronome.wire import console
from metronome.wire.console import Many

_KINDS: Final = {word: Kind[word[:-1].upper()] for word in ("counters", "gauges", "timers", "sets")}
_DELETES: Final = {f"del{word}": kind for word, kind in _KINDS.items()}
_SHOWN_VALUES: Final = 101
_LOGIN: Final = re.compile(r"(?<=://)[^/@\s]*@")


class Repeating(Protocol):
    """An output that goes on telling of series that are idle."""

    def repeated(self, stream: str) -> Iterable[tuple[bytes, float]]: ...
    def forget(self, stream: str, keys: Iterable[bytes]) -> None: ...


class Reply(NamedTuple):
    """What is answered, and whether the connection is over."""

    text: str
    over: bool = False


class Console:
    """Answers command lines."""

    def __init__(
        self,
        intake: Intake,
        ledger: Ledger,
        telemetry: Telemetry,
        readiness: Readiness,
        outputs: Sequence[Repeating],
        settings: Sequence[tuple[str, object]],
        began: float,
    ):
        """``settings`` are dotted names and raw values; ``began`` in epoch seconds."""
        self._intake = intake
        self._ledger = ledger
        self._telemetry = telemetry
        self._readiness = readiness
        self._outputs = outputs
        self._settings = settings
        self._began = began

    def answer(self, inlet: Inlet, line: str) -> Reply:
        """The reply to one command line, about the inlet's stream."""
        stream = inlet.stream
        command, *words = line.strip().split(" ")
        if command == "quit":
            return Reply("", over=True)
        if command in _KINDS:
            return Reply(self._listing(stream, _KINDS[command]))
        if command in _DELETES:
            return Reply(self._delete(inlet, _DELETES[command], words))
        others: dict[str, Callable[[], str]] = {
            "help": lambda: console.HELP_ALL if words == ["all"] else console.HELP,
            "config": self._config,
            "health": lambda: self._health(words),
            "stats": lambda: self._stats(stream),
            "top": lambda: self._top(stream, words),
            "rejects": lambda: _noted(self._ledger.notes(stream), words),
            "unmapped": lambda: _noted(self._ledger.unmapped(stream), words),
        }
        return Reply(others[command]() if command in others else console.ERROR)

    # --- tables --------------------------------------------------------------------------

    def _listing(self, stream: str, kind: Kind) -> str:
        table: dict[str, float | Many] = {}
        for key, value in islice(self._values(stream, kind).items(), CONSOLE_SERIES):
            table[_name(key)] = value
        return console.listing(table)

    def _values(self, stream: str, kind: Kind) -> dict[bytes, float | Many]:
        """Every series of a kind that is live or repeated."""
        values: dict[bytes, float | Many] = {}
        for output in self._outputs:
            for key, last in output.repeated(stream):
                if key[0] == KIND_CODES[kind]:
                    values[key] = last if kind == Kind.GAUGE else _nothing(kind)
        table = self._intake.tables.get(stream)
        if table is None:
            return values
        columns = table.gauges() if kind == Kind.GAUGE else table.snapshot(0, 0.0)
        rows = np.flatnonzero(columns.kinds == kind)
        for key, row in zip(keys_of(columns, rows), rows.tolist(), strict=True):
            values[key] = _many(columns, row) if kind == Kind.TIMER else float(columns.n[row])
        return values

    def _delete(self, inlet: Inlet, kind: Kind, words: Sequence[str]) -> str:
        keys = {_name(key): key for key in self._values(inlet.stream, kind)}
        gone, reply = console.deletion(words, keys)
        doomed = [keys[name] for name in gone]
        inlet.forget(doomed)
        for output in self._outputs:
            output.forget(inlet.stream, doomed)
        return reply

    # --- the rest ------------------------------------------------------------------------

    def _health(self, words: Sequence[str]) -> str:
        wanted = words[0].lower() if words else ""
        if wanted in ("up", "down"):
            self._readiness.up = wanted == "up"
        return f"health: {self._readiness.word}\n"

    def _config(self) -> str:
        """As statsd dumps its own: a line a setting, ``table > key`` for nested ones."""
        pairs: list[tuple[str, object]] = []
        for name, raw in self._settings:
            shown = name.replace(".", " > ")
            if isinstance(raw, (list, tuple)):
                pairs += [(f"{shown} > {index}", _masked(item)) for index, item in enumerate(raw)]
            else:
                pairs.append((shown, _masked(raw)))
        return "\n" + console.lines(pairs)

    def _stats(self, stream: str) -> str:
        now = self._intake.now()
        heard = self._intake.last_heard(stream)
        total = self._telemetry.total
        table = self._intake.tables.get(stream)
        pairs = [
            ("uptime", round(now - self._began)),
            ("messages.last_msg_seen", round(now - (self._began if heard is None else heard))),
            ("messages.bad_lines_seen", round(total("metronome_rejected_total", stream=stream))),
            ("metronome.received", round(total("metronome_received_total", stream=stream))),
            ("metronome.stored", round(total("metronome_stored_total", stream=stream))),
            ("metronome.waiting", self._ledger.waiting(stream)),
            ("metronome.shed", round(total("metronome_shed_total", stream=stream))),
            ("metronome.series", 0 if table is None else table.series),
        ]
        return console.lines(pairs) + console.END

    def _top(self, stream: str, words: Sequence[str]) -> str:
        report = self._intake.talkers.report(stream, _number(words, TALKERS_TOLD))
        pairs: list[tuple[str, object]] = [
            (f"series {_shown(one)} samples", one["samples"]) for one in report["series"]
        ]
        for group, what in (("prefixes", "prefix"), ("senders", "sender")):
            for unit in ("samples", "series"):
                pairs += [(f"{what} {one[what]} {unit}", one[unit]) for one in report[group][unit]]
        return console.lines(pairs) + console.END


def _noted(notes: list[Note], words: Sequence[str]) -> str:
    """Lines that are kept, or the newest of them, and how often each came."""
    pairs = [
        (f"{note.count} {note.reason} {note.source} {note.sender or '-'}", repr(note.excerpt))
        for note in notes[: _number(words, REJECTS_KEPT)]
    ]
    return console.lines(pairs) + console.END


def _number(words: Sequence[str], default: int) -> int:
    """The number behind a command, where there is one."""
    return int(words[0]) if words and words[0].isdecimal() and len(words[0]) < 5 else default


def _name(key: bytes) -> str:
    series = parse_key(key)
    return series.name + "".join(f";{label}={value}" for label, value in series.labels)


def _shown(told: dict[str, Any]) -> str:
    labels = "".join(f";{label}={value}" for label, value in told["v"].items())
    return f"{told['name']}{labels} {told['kind']}"


def _nothing(kind: Kind) -> float | Many:
    return Many((), 0) if kind == Kind.TIMER else 0.0


def _many(columns: Columns, row: int) -> Many:
    """A timer's values as they were sent; those of a sketch in order of size."""
    samples = columns.samples.row(row)
    if len(samples):
        return Many(samples[:_SHOWN_VALUES].astype(np.float64).tolist(), len(samples))
    bins = columns.bins.row(row).astype(np.int16)
    counts = np.rint(columns.bin_counts.row(row).astype(np.float64)).astype(np.int64)
    within = np.minimum(counts, _SHOWN_VALUES)
    first = np.repeat(sketch.values_of(bins), within)[:_SHOWN_VALUES]
    return Many(first.tolist(), int(counts.sum()))


def _masked(raw: object) -> object:
    """A setting without what one signs in with: the console asks for no password."""
    if isinstance(raw, bool):
        return str(raw).lower()
    return _LOGIN.sub("***@", raw) if isinstance(raw, str) else raw
