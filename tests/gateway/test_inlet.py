"""An inlet keeps the books of what it feeds, and shows it to whoever watches."""

from __future__ import annotations

import os
import socket
import threading

from metronome.kernel import Table
from metronome.kernel.interface import Dialect
from metronome.model import EventSelection
from tests.gateway.kit import Kit


def test_each_source_has_its_own_numbers() -> None:
    """Two receivers that feed one table are told apart in the books."""
    kit = Kit()
    udp = kit.intake.inlet("udp", "main", Dialect())
    tcp = kit.intake.inlet("tcp", "main", Dialect())
    udp.statsd(b"a:1|c\nb:2|g\nbad")
    tcp.statsd(b"a:1|c")
    tcp.reject("line_too_long", b"aaaa", "10.0.0.1")
    tcp.shed("too_many_connections", 1)
    value = kit.telemetry.value
    assert value("metronome_received_total", stream="main", source="udp") == 3
    assert value("metronome_received_total", stream="main", source="tcp") == 3
    assert value("metronome_lines_total", source="udp") == 3
    rejected = {"stream": "main", "source": "udp", "reason": "malformed_line"}
    assert value("metronome_rejected_total", **rejected) == 1
    assert kit.received() == kit.accounted() == 6


def test_datagrams_are_drained_and_counted() -> None:
    """Everything that waits in the socket is folded in one call."""
    kit = Kit()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.setblocking(False)
        for n in range(5):
            theirs.send(b"hits:%d|c" % n)
        inlet = kit.intake.inlet("unixgram", "main", Dialect())
        assert inlet.drain(ours.fileno(), 100) == 5
        assert inlet.drain(ours.fileno(), 100) == 0
    assert kit.telemetry.value("metronome_datagrams_total", source="unixgram") == 5
    assert kit.received() == kit.accounted() == 5


def test_events_in_datagrams_become_events() -> None:
    """A DogStatsD event among samples is journalled and readable; a bad one is rejected."""
    kit = Kit()
    inlet = kit.intake.inlet("udp", "main", Dialect())
    inlet.statsd(b"_e{6,4}:deploy|done|#env:prod\nhits:1|c\n_sc|db|7", "10.0.0.1")
    kit.settle()
    (event,) = kit.wait(kit.reader.events(EventSelection("main")))
    assert event["labels"] == {"title": "deploy", "env": "prod"}
    assert [note.reason for note in kit.ledger.notes("main")] == ["bad_event"]
    assert kit.received() == kit.accounted() == 3


def test_watchers_see_blocks_until_they_leave() -> None:
    """A tap is shown every block of lines while it is there."""
    kit = Kit()
    inlet = kit.intake.inlet("udp", "main", Dialect())
    seen: list[tuple[str, str, bytes]] = []

    def watch(stream: str, source: str, block: bytes) -> None:
        seen.append((stream, source, block))

    assert not inlet.watched
    kit.intake.tap(watch)
    assert inlet.watched
    inlet.statsd(b"a:1|c")
    inlet.graphite(b"b 2 3\n")
    kit.intake.untap(watch)
    inlet.statsd(b"c:1|c")
    assert seen == [("main", "udp", b"a:1|c"), ("main", "udp", b"b 2 3\n")]


def test_drops_of_the_kernel_stand_outside_the_books() -> None:
    """Nobody knows what was in them: they are counted as datagrams."""
    kit = Kit()
    kit.intake.inlet("udp", "main", Dialect()).kernel_dropped(3)
    assert kit.telemetry.value("metronome_datagrams_dropped_total", source="udp", reason="kernel") == 3
    assert kit.received() == kit.accounted() == 0


def test_what_another_process_folded_is_received_when_it_is_merged() -> None:
    """Samples count as they come in with the parts, refused lines as they are told, events are taken."""
    kit = Kit()
    inlet = kit.intake.inlet("udp", "main", Dialect())
    elsewhere = Table(relative_gauges=True)
    elsewhere.feed_statsd(b"hits:1|c\nhits:2|c\nload:+3|g\nbad", inlet.dialect)
    inlet.statsd(b"load:10|g")
    inlet.merge(elsewhere.flush(0, 1.0))
    inlet.counted(elsewhere.counts(), elsewhere.rejects(), [])
    inlet.events([b"_e{6,4}:deploy|done"])
    kit.settle()
    value = kit.telemetry.value
    assert value("metronome_received_total", stream="main", source="udp") == 6
    assert value("metronome_lines_total", source="udp") == 5
    assert [(note.reason, note.excerpt) for note in kit.ledger.notes("main")] == [("malformed_line", "bad")]
    assert len(kit.wait(kit.reader.events(EventSelection("main")))) == 1
    assert kit.received() == kit.accounted() == 6
    columns = kit.intake.table("main").flush(0, 1.0)
    assert dict(zip(map(columns.key, range(2)), columns.n.tolist(), strict=True)) == {
        b"gload": 13.0,
        b"chits": 3.0,
    }


def test_lines_from_another_process_are_shown_to_watchers_only() -> None:
    """Nothing is made of them, because that process has folded them."""
    kit = Kit()
    inlet = kit.intake.inlet("udp", "main", Dialect())
    seen: list[bytes] = []
    inlet.show(b"a:1|c")
    kit.intake.tap(lambda stream, source, block: seen.append(block))
    inlet.show(b"b:1|c")
    assert seen == [b"b:1|c"]
    assert kit.received() == 0


def test_the_books_balance_while_a_thread_receives() -> None:
    """At every instant: what came in since they were last kept is on neither side."""
    kit = Kit()
    inlet = kit.intake.inlet("udp", "main", Dialect())
    other = kit.intake.inlet("tcp", "main", Dialect())
    if not inlet.serves:
        return
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    told, tell = os.pipe()
    with ours, theirs:
        thread = threading.Thread(target=inlet.serve, args=(ours.fileno(), told))
        thread.start()
        for number in range(2000):
            theirs.send(b"hits:1|c\nbad\nt:5|ms")
            if number % 7 == 0:
                other.statsd(b"hits:1|c\nworse", "10.0.0.1")
            if number % 100 == 0:
                kit.flusher.flush()
            assert kit.received() == kit.accounted()
        os.write(tell, b".")
        thread.join()
    os.close(told)
    os.close(tell)
    inlet.settle()
    value = kit.telemetry.value
    assert value("metronome_received_total", stream="main", source="udp") == 6000
    assert value("metronome_received_total", stream="main", source="tcp") == 2 * 286
    assert value("metronome_datagrams_total", source="udp") == 2000
    assert kit.received() == kit.accounted() == 6000 + 2 * 286
    notes = {(note.source, note.sender, note.excerpt) for note in kit.ledger.notes("main")}
    assert notes == {("udp", "unix", "bad"), ("tcp", "10.0.0.1", "worse")}


def test_what_a_busy_table_had_no_room_for_is_in_the_books() -> None:
    """Lines that were shed arrived all the same."""
    kit = Kit()
    inlet = kit.intake.inlet("udp", "main", Dialect())
    inlet.counted({"shed:queue_full": 5, "lines": 5}, [], [])
    shed = {"stream": "main", "source": "udp", "reason": "queue_full"}
    assert kit.telemetry.value("metronome_shed_total", **shed) == 5
    assert kit.received() == kit.accounted() == 5
