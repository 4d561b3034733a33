"""Workers are started, asked, merged, and started anew when they die."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from metronome.addresses import parse
from metronome.kernel import Table
from metronome.kernel.interface import Dialect, Reject
from metronome.limits import WORKER_PATIENCE, WORKER_RETRY_FIRST, WORKER_STEADY, WORKER_STOP
from metronome.options import RECEIVER_PARAMETERS
from metronome.receivers.crew import Crew
from metronome.receivers.interface import Given
from metronome.wire import records
from metronome.wire import worker as wire
from tests.gateway.kit import Kit
from tests.receivers.fakes import FakeProcess, ProcessReactor

KILLED = Failure(ProcessTerminated(None, 9))
ENDED = Failure(ProcessDone(None))


class CrewTests(SynchronousTestCase):
    """Two workers on one address; their processes are fakes, the gateway's core is real."""

    def setUp(self) -> None:
        self.kit = Kit()
        self.reactor = ProcessReactor()
        self.crew = Crew(self.reactor, self.kit.telemetry, 2, 100, 10.0)
        inlet = self.kit.intake.inlet("statsd_udp", "main", Dialect())
        address = parse("udp://127.0.0.1:0", ("udp",), RECEIVER_PARAMETERS)
        self.listener = self.crew.listener(
            Given(self.reactor, address, inlet, self.kit.telemetry, 2, 60.0, None, self.crew)
        )
        self.listener.listen()
        self.addCleanup(self.listener.stop)
        self.crew.use_rules("mappings: []")
        self.crew.start()
        for process in self.reactor.processes:
            process.say(wire.number(wire.DONE, 0))

    @property
    def processes(self) -> list[FakeProcess]:
        """Every process that was started."""
        return self.reactor.processes

    def value(self, name: str) -> float:
        """One of our own numbers."""
        return self.kit.telemetry.value(name)

    def parts(self, block: bytes) -> bytes:
        """What a worker hands over that has folded these lines."""
        table = Table(relative_gauges=True)
        table.feed_statsd(block, Dialect())
        return wire.frame(wire.PARTS, records.encode_parts("main", table.flush(0, 1.0)))

    def folded(self) -> dict[bytes, float]:
        """What the gateway's own table holds."""
        columns = self.kit.intake.table("main").flush(0, 1.0)
        return {columns.key(row): n for row, n in enumerate(columns.n.tolist())}

    def test_each_gets_its_own_socket_and_the_settings(self) -> None:
        """Of every address one; the dialect, the limit of series and the rules."""
        sockets = [process.descriptors[3] for process in self.processes]
        self.assertEqual(sockets, [self.listener.fileno(0), self.listener.fileno(1)])
        what, content = self.processes[1].told()[0]
        self.assertEqual(what, wire.SETTINGS)
        expected = wire.Settings([wire.Place(3, "main", Dialect())], 100, "mappings: []")
        self.assertEqual(wire.read_settings(content), expected)
        self.assertEqual(self.value("metronome_workers"), 2)

    def test_what_they_hand_over_counts_as_if_it_came_in_here(self) -> None:
        """Samples, refused lines, events and datagrams, under the receiver's own name."""
        self.processes[0].say(self.parts(b"hits:1|c\nhits:2|c\nload:5|g"))
        self.processes[1].say(self.parts(b"hits:4|c\nload:+2|g"))
        fresh = {"lines": 6, "samples": 5, "datagrams": 2, "rejected:bad_value": 1}
        counted = wire.Counted("main", fresh, [Reject("bad_value", b"x:y|c")], [("10.0.0.1", 2)])
        self.processes[1].say(wire.counts(counted) + wire.of_stream(wire.EVENTS, "main", b"_e{1,1}:a|b"))
        self.assertEqual(self.kit.received(), 7)
        senders = self.kit.intake.talkers.report("main", 5)["senders"]["samples"]
        self.assertEqual(senders, [{"sender": "10.0.0.1", "samples": 5}])
        self.assertEqual(self.kit.ledger.notes("main")[0].excerpt, "x:y|c")
        self.assertEqual(self.kit.telemetry.value("metronome_datagrams_total", source="statsd_udp"), 2)
        self.kit.settle()
        self.assertEqual(self.kit.accounted(), 7)
        self.assertEqual(self.folded(), {b"chits": 7.0, b"gload": 7.0})

    def test_they_are_asked_each_second_but_not_twice(self) -> None:
        """One that has not answered yet has enough to do."""
        self.reactor.advance(1)
        self.processes[0].say(wire.number(wire.DONE, 1))
        self.reactor.advance(1)
        asked = [[content for what, content in p.told() if what == wire.TAKE] for p in self.processes]
        self.assertEqual(asked, [[b"1", b"2"], [b"1"]])

    def test_a_flush_waits_for_all_of_them(self) -> None:
        """Until the last one has answered this question, not an earlier one."""
        self.reactor.advance(1)
        gathered = self.crew.gather()
        for process in self.processes:
            process.say(wire.number(wire.DONE, 1))
        self.assertNoResult(gathered)
        self.processes[0].say(wire.number(wire.DONE, 2))
        self.assertNoResult(gathered)
        self.processes[1].say(self.parts(b"a:1|c") + wire.number(wire.DONE, 2))
        self.assertIsNone(self.successResultOf(gathered))
        self.assertEqual(self.folded(), {b"ca": 1.0})

    def test_a_flush_does_not_wait_for_ever(self) -> None:
        """Who is late is counted, and counts into the next period; who died is not waited for."""
        gathered = self.crew.gather()
        self.processes[0].say(wire.number(wire.DONE, 1))
        self.reactor.advance(WORKER_PATIENCE)
        self.assertIsNone(self.successResultOf(gathered))
        self.assertEqual(self.value("metronome_worker_late_total"), 1)
        self.processes[1].say(self.parts(b"late:1|c") + wire.number(wire.DONE, 1))
        gathered = self.crew.gather()
        self.processes[0].say(wire.number(wire.DONE, 2))
        self.processes[1].end(KILLED)
        self.assertIsNone(self.successResultOf(gathered))
        self.assertEqual(self.folded(), {b"clate": 1.0})

    def test_one_that_dies_is_started_anew(self) -> None:
        """On the same socket, later each time, and at once again after it has lived for a while."""
        pause = WORKER_RETRY_FIRST
        for number in range(3):
            self.processes[-1].end(KILLED)
            self.assertEqual(self.value("metronome_workers"), 1)
            self.reactor.advance(pause * 0.9)
            self.assertEqual(len(self.processes), 2 + number)
            self.reactor.advance(pause * 0.2)
            self.assertEqual(len(self.processes), 3 + number)
            self.assertEqual(self.processes[-1].descriptors, self.processes[1].descriptors)
            pause *= 2
        self.processes[-1].say(wire.number(wire.DONE, 0))
        self.reactor.advance(WORKER_STEADY + 1)
        self.processes[-1].end(KILLED)
        self.reactor.advance(WORKER_RETRY_FIRST)
        self.assertEqual(len(self.processes), 6)
        self.assertEqual(self.value("metronome_worker_restarts_total"), 4)

    def test_one_that_cannot_be_started_is_tried_again(self) -> None:
        """The machine may have processes to spare later."""
        self.reactor.refuse = True
        self.processes[0].end(KILLED)
        self.reactor.advance(WORKER_RETRY_FIRST)
        self.reactor.refuse = False
        self.reactor.advance(2 * WORKER_RETRY_FIRST)
        self.assertEqual(len(self.processes), 3)

    def test_one_that_talks_nonsense_is_killed(self) -> None:
        """An unknown frame, a stream that it was not given, a record that is none."""
        nonsense = [
            wire.frame(99),
            wire.of_stream(wire.SHOWN, "nowhere", b""),
            wire.frame(wire.PARTS, b"\0" * 20),
        ]
        for said in nonsense:
            self.processes[-1].say(said)
            self.assertEqual(self.processes[-1].signals, ["KILL"])
            self.processes[-1].end(KILLED)
            self.reactor.advance(5)
        self.assertEqual(len(self.processes), 5)

    def test_new_rules_go_to_all_of_them(self) -> None:
        """Those that are there, and those that come later."""
        self.crew.use_rules("mappings: [] # new")
        for process in self.processes:
            self.assertEqual(process.told()[-1], (wire.MAPPING, b"mappings: [] # new"))
        self.processes[0].end(KILLED)
        self.reactor.advance(WORKER_RETRY_FIRST)
        self.assertEqual(wire.read_settings(self.processes[2].told()[0][1]).mapping, "mappings: [] # new")

    def test_they_show_lines_while_somebody_watches(self) -> None:
        """Told when it begins and when it ends, within a second."""
        seen: list[bytes] = []

        def watch(stream: str, source: str, block: bytes) -> None:
            seen.append(block)

        self.kit.intake.tap(watch)
        self.reactor.advance(1)
        self.assertIn((wire.WATCH, b"true"), self.processes[0].told())
        self.processes[0].say(wire.of_stream(wire.SHOWN, "main", b"a:1|c"))
        self.assertEqual(seen, [b"a:1|c"])
        self.kit.intake.untap(watch)
        self.reactor.advance(1)
        watches = [content for what, content in self.processes[0].told() if what == wire.WATCH]
        self.assertEqual(watches, [b"true", b"false"])

    def test_at_the_end_everything_is_handed_over(self) -> None:
        """They are told to rest, what they say then counts, and none is started anew."""
        closed = self.crew.close()
        for process in self.processes:
            self.assertEqual(process.told()[-1], (wire.REST, b""))
            process.say(self.parts(b"rest:1|c"))
            self.assertNoResult(closed)
            process.end(ENDED)
        self.assertIsNone(self.successResultOf(closed))
        self.assertEqual(self.folded(), {b"crest": 2.0})
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.value("metronome_worker_restarts_total"), 0)

    def test_one_that_does_not_end_is_killed(self) -> None:
        """In time for the gateway's own end."""
        closed = self.crew.close()
        self.processes[0].end(ENDED)
        self.reactor.advance(WORKER_STOP)
        self.assertEqual([process.signals for process in self.processes], [[], ["KILL"]])
        self.processes[1].end(KILLED)
        self.assertIsNone(self.successResultOf(closed))

    def test_no_address_needs_no_workers(self) -> None:
        """Nothing is started, and there is nothing to wait for."""
        reactor = ProcessReactor()
        crew = Crew(reactor, self.kit.telemetry, 3, 100, 10.0)
        crew.start()
        done: list[Deferred[None]] = [crew.gather(), crew.close()]
        for one in done:
            self.assertIsNone(self.successResultOf(one))
        self.assertEqual((reactor.processes, reactor.getDelayedCalls()), ([], []))
