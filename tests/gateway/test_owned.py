"""What the journal holds of streams that were deleted is nobody's."""

from __future__ import annotations

from typing import Any, cast

from metronome.gateway.owned import every, owned
from metronome.kernel.interface import Dialect
from metronome.model import Events, EventSelection, Flushed, Record, Tally
from tests.gateway.kit import Kit, view


def old(stream: str, position: int) -> bool:
    """Stream shop begins at 100; main has always been, another was deleted."""
    return stream == "main" or (stream == "shop" and position >= 100)


class MainAlone:
    """A registry of one stream."""

    def owns(self, stream: str, position: int) -> bool:
        return stream == "main"

    def born(self, stream: str) -> int:
        return 0


def test_records_before_a_stream_began_are_left_out() -> None:
    """Also marks, and of tallies those that are nobody's."""
    tallies = [Tally(stream, "2023-11-14", "udp", "shed", "idle", 1) for stream in ("main", "shop", "gone")]
    contents = [Events("shop", []), Flushed("shop", 0, 10.0), Events("main", []), Events("gone", []), tallies]
    records = [Record(position, content) for position in (99, 100) for content in contents]
    assert owned(records, every) == records
    assert owned(records, old) == [
        Record(99, Events("main", [])),
        Record(99, tallies[:1]),
        Record(100, Events("shop", [])),
        Record(100, Flushed("shop", 0, 10.0)),
        Record(100, Events("main", [])),
        Record(100, tallies[:2]),
    ]


def test_what_is_nobodys_is_neither_shown_nor_stored_and_is_counted() -> None:
    """Of this run and of a former one; the books balance."""
    kit = Kit()
    for stream in ("main", "gone"):
        kit.wait(kit.intake.ticks(stream, [view("a")], [], [], "http"))
    again = Kit(kit.disk, kit.store)
    again.streams = cast(Any, MainAlone())
    again.wait(again.intake.ticks("gone", [view("b")], [], [], "http"))
    assert again.wait(again.reader.events(EventSelection("gone"))) == []
    assert len(again.wait(again.reader.events(EventSelection("main")))) == 1
    again.consumer.start()
    again.settle()
    assert again.wait(again.store.events(EventSelection("gone"))) == []
    diverted = {"stream": "gone", "reason": "stream_deleted"}
    assert again.telemetry.value("metronome_diverted_total", **diverted) == 2
    assert again.accounted("gone") == 2
    assert again.received() == 3
    assert again.ledger.untold("gone") == []


def test_a_table_is_cleared_and_dropped_unless_it_is_fed() -> None:
    """Samples, points and gauges' values go; a receiver feeds the same table on."""
    kit = Kit()
    kit.intake.table("idle").restore_gauges([b"gdepth\0"], [4.0])
    inlet = kit.intake.inlet("udp", "shop", Dialect())
    inlet.statsd(b"hits:3|c\ndepth:4|g\nhits:9|c|T1700000000")
    assert kit.accounted("shop") == 3
    for stream in ("idle", "shop", "none"):
        kit.intake.clear(stream)
    assert list(kit.intake.tables) == ["shop"]
    table = kit.intake.table("shop")
    assert (table.waiting, table.points_waiting, table.series) == (0, 0, 0)
    assert kit.telemetry.value("metronome_diverted_total", stream="shop", reason="stream_deleted") == 3
    inlet.statsd(b"depth:+1|g")
    assert table.snapshot(0, 10.0).n.tolist() == [1.0]
    assert kit.received() == kit.accounted("shop") == 4
