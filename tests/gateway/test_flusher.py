"""Folded samples reach the journal on time, in order, and nothing is lost unseen."""

from __future__ import annotations

from random import Random

from twisted.internet.defer import Deferred

from metronome.gateway.flusher import Flusher
from metronome.kernel.interface import Dialect
from metronome.limits import FLUSH_WAIT_BYTES, POINTS_INTERVAL, PRUNE_FLUSHES
from metronome.model import Flushed, Parts, Record, Tally, parse_key
from tests.gateway.kit import PERIOD, START_MS, Kit


def waiting(kit: Kit) -> list[Record]:
    """Everything in the journal that no store has."""
    found: list[Record] = []
    kit.wait(kit.reader.waiting(found.extend))
    return found


def parts(kit: Kit) -> list[tuple[str, int, float]]:
    """Name, time and n of every part in the journal."""
    return [
        (parse_key(record.content.columns.key(row)).name, int(record.content.columns.times[row]), n)
        for record in waiting(kit)
        if isinstance(record.content, Parts)
        for row, n in enumerate(record.content.columns.n.tolist())
    ]


def marks(kit: Kit) -> list[Flushed]:
    return [record.content for record in waiting(kit) if isinstance(record.content, Flushed)]


def test_a_period_is_flushed_at_its_aligned_end() -> None:
    """Samples of a period become parts that begin where it began, and a mark ends it."""
    kit = Kit()
    kit.clock.advance(3)
    kit.flusher.start()
    inlet = kit.intake.inlet("udp", "main", Dialect())
    inlet.statsd(b"hits:1|c\nhits:2|c")
    kit.clock.advance(6.9)
    kit.settle()
    assert parts(kit) == []
    kit.clock.advance(0.2)
    kit.settle()
    assert parts(kit) == [("hits", START_MS, 3.0)]
    assert marks(kit) == [Flushed("main", START_MS, PERIOD)]
    inlet.statsd(b"hits:4|c")
    kit.clock.advance(PERIOD)
    kit.settle()
    assert parts(kit)[1:] == [("hits", START_MS + 10_000, 4.0)]
    assert kit.received() == kit.accounted() == 3


def test_points_with_their_own_time_come_out_sooner() -> None:
    """Graphite points are journalled every second, at the time that they carry."""
    kit = Kit()
    kit.flusher.start()
    kit.intake.inlet("graphite", "main", Dialect()).graphite(b"load 0.5 1600000000\n")
    kit.clock.advance(POINTS_INTERVAL)
    kit.settle()
    assert parts(kit) == [("load", 1_600_000_000_000, 0.5)]


MANY = 1000


def graphite(count: int, first: int = 0) -> bytes:
    """So many points of one path."""
    numbers = range(first, first + count)
    return b"".join(b"load %d %d\n" % (number, 1_600_000_000 + number) for number in numbers)


def test_many_points_are_journalled_at_once() -> None:
    """They do not wait for their second, and the sender does not either."""
    kit = Kit(points_waiting=MANY)
    kit.flusher.start()
    inlet = kit.intake.inlet("graphite", "main", Dialect())
    inlet.graphite(graphite(MANY - 1))
    kit.settle()
    assert kit.journal.synced_end == 0
    inlet.graphite(graphite(1, MANY))
    assert not inlet.blocked()
    kit.settle()
    assert sum(int(one.content.columns.counts.sum()) for one in waiting(kit)) == MANY
    assert kit.received() == kit.accounted() == MANY


def test_points_wait_while_the_journal_is_at_it() -> None:
    """What comes meanwhile goes when it has taken what came before; the sender waits."""
    kit = Kit(points_waiting=MANY)
    kit.flusher.start()
    inlet = kit.intake.inlet("graphite", "main", Dialect())
    for turn in (0, 1):
        inlet.graphite(graphite(MANY, turn * MANY))
        assert inlet.blocked() == bool(turn)
    free = inlet.when_free()
    kit.settle()
    assert free.called
    kit.clock.advance(POINTS_INTERVAL)
    kit.settle()
    assert not inlet.blocked()
    assert sum(int(one.content.columns.counts.sum()) for one in waiting(kit)) == 2 * MANY


def test_stopping_flushes_the_open_period_without_ending_it() -> None:
    """What was folded so far is kept; the next run ends the period."""
    kit = Kit()
    kit.flusher.start()
    kit.intake.inlet("udp", "main", Dialect()).statsd(b"hits:1|c")
    kit.clock.advance(4)
    kit.wait(kit.flusher.stop())
    assert parts(kit) == [("hits", START_MS, 1.0)]
    assert marks(kit) == []
    kit.clock.advance(100)
    kit.disk.crash(Random(3))
    again = Kit(kit.disk)
    assert parts(again) == [("hits", START_MS, 1.0)]


def test_what_the_journal_refuses_waits_and_keeps_its_order() -> None:
    """Flushes that the disk refuses are written, in order, once it takes them."""
    kit = Kit()
    kit.flusher.start()
    inlet = kit.intake.inlet("udp", "main", Dialect())
    kit.disk.broken = True
    for n in (b"1", b"2", b"3"):
        inlet.statsd(b"hits:" + n + b"|c")
        kit.clock.advance(PERIOD)
        kit.settle()
    assert inlet.blocked()
    assert kit.telemetry.value("metronome_flush_waiting_bytes") > 0
    assert kit.received() == kit.accounted() == 3
    kit.disk.broken = False
    for _ in range(3):
        kit.clock.advance(PERIOD)
        kit.settle()
    assert [n for _, _, n in parts(kit)] == [1.0, 2.0, 3.0]
    assert [mark.time for mark in marks(kit)][:3] == [START_MS, START_MS + 10_000, START_MS + 20_000]
    assert kit.telemetry.value("metronome_flush_waiting_bytes") == 0
    assert not inlet.blocked()
    assert kit.received() == kit.accounted() == 3


def test_beyond_the_bound_the_oldest_is_shed_by_name() -> None:
    """Memory is bounded: what gives way is counted with the reason of the refusal."""
    kit = Kit()
    kit.flusher.start()
    inlet = kit.intake.inlet("udp", "main", Dialect())
    kit.disk.broken = True
    for n in range(150):
        inlet.statsd(b"".join(b"s%d.%d.%b:1|c\n" % (n % 7, i, b"x" * 80) for i in range(6000)))
        kit.clock.advance(PERIOD)
    kit.settle()
    assert 0 < kit.telemetry.value("metronome_flush_waiting_bytes") <= FLUSH_WAIT_BYTES
    shed = kit.telemetry.value("metronome_shed_total", stream="main", source="", reason="journal_unwritable")
    assert 0 < shed < kit.received()
    assert kit.received() == kit.accounted() == 150 * 6000


def test_tallies_go_along_with_each_flush() -> None:
    """What was rejected is journalled with the next flush, once."""
    kit = Kit()
    kit.flusher.start()
    kit.intake.inlet("udp", "main", Dialect()).statsd(b"no value\nhits:1|c", "10.0.0.9")
    for _ in range(2):
        kit.clock.advance(PERIOD)
        kit.settle()
    told = [tally for record in waiting(kit) if isinstance(record.content, list) for tally in record.content]
    assert told == [Tally("main", "2023-11-14", "udp", "rejected", "malformed_line", 1)]
    (note,) = kit.ledger.notes("main")
    assert (note.sender, note.excerpt) == ("10.0.0.9", "no value")
    assert kit.received() == kit.accounted() == 2


def test_room_is_announced_to_receivers_that_wait() -> None:
    """A receiver that waits for room is called after a flush."""
    kit = Kit()
    kit.flusher.start()
    called: list[None] = []
    kit.intake.inlet("tcp", "main", Dialect()).when_free().addCallback(called.append)
    kit.clock.advance(POINTS_INTERVAL)
    kit.settle()
    assert called == [None]


def test_idle_series_are_forgotten_by_the_table() -> None:
    """Labels that come and go do not fill the table for ever."""
    kit = Kit()
    flusher = Flusher(kit.intake, kit.journal, kit.ledger, kit.telemetry, kit.clock, PERIOD, 2)
    flusher.start()
    inlet = kit.intake.inlet("udp", "main", Dialect())
    inlet.statsd(b"gone:1|c\nstays:1|c")
    for _ in range(PRUNE_FLUSHES):
        inlet.statsd(b"stays:1|c")
        kit.clock.advance(PERIOD)
    assert kit.telemetry.value("metronome_series", stream="main") == 1


def test_a_flush_waits_for_what_is_folded_elsewhere() -> None:
    """What is brought in before ``gather`` fires belongs to the period that ends; then the next begins."""
    kit = Kit()
    gathering: list[Deferred[None]] = []

    def gather() -> Deferred[None]:
        gathering.append(Deferred())
        return gathering[-1]

    flusher = Flusher(kit.intake, kit.journal, kit.ledger, kit.telemetry, kit.clock, PERIOD, gather=gather)
    flusher.start()
    inlet = kit.intake.inlet("udp", "main", Dialect())
    inlet.statsd(b"hits:1|c")
    kit.clock.advance(PERIOD)
    assert len(gathering) == 1
    assert flusher.open_period == START_MS
    inlet.statsd(b"hits:2|c")
    kit.clock.advance(0.2)
    gathering[0].callback(None)
    kit.settle()
    assert parts(kit) == [("hits", START_MS, 3.0)]
    assert flusher.open_period == START_MS + 10_000
    kit.clock.advance(PERIOD - 0.2)
    assert len(gathering) == 2
    kit.wait(flusher.stop())
    gathering[1].callback(None)
    kit.settle()
    assert len(marks(kit)) == 1


def test_what_waits_of_a_deleted_stream_is_forgotten() -> None:
    """While the journal is full parts, marks and tallies wait; those of others stay and stand in order."""
    kit = Kit()
    kit.journal.unavailable = lambda: "journal_full"  # type: ignore[method-assign]
    for stream in ("main", "shop"):
        kit.intake.inlet("udp", stream, Dialect()).statsd(b"hits:2|c\nbad")
        kit.ledger.filtered(stream, "udp", "duplicate", 1)
    kit.flusher.flush()
    kit.intake.clear("shop")
    del kit.journal.unavailable
    kit.flusher.flush()
    kit.settle()
    found = waiting(kit)
    tallies = [tally for record in found if isinstance(record.content, list) for tally in record.content]
    assert {tally.stream for tally in tallies} == {"main"}
    assert len(tallies) == 2
    assert [record.content.stream for record in found if isinstance(record.content, Parts)] == ["main"]
    assert kit.telemetry.value("metronome_diverted_total", stream="shop", reason="stream_deleted") == 1
    assert kit.telemetry.value("metronome_flush_waiting_bytes") == 0
    assert kit.ledger.waiting("shop") == 0
