"""A destination: what it is sent, by way of the journal, while it comes and goes."""

from __future__ import annotations

import pytest
from twisted.internet.protocol import connectionDone

from metronome.fold.rules import Book
from metronome.fold.statsd import Naming
from metronome.gateway.carbon import Carbon
from metronome.gateway.converter import ENCODINGS, Lines
from metronome.gateway.graphite_out import GraphiteOut
from metronome.gateway.idle import Spans
from metronome.gateway.rollup_lines import RuleLines
from metronome.kernel.interface import Dialect
from metronome.limits import CARBON_RESEND, CURSOR_SECONDS, RETRY_MOST
from tests.gateway.carbon_kit import Endpoint, Line
from tests.gateway.kit import PERIOD, START, START_MS, Kit, counter

NAME = "carbon:2003"
EVERYTHING = Book()
STAMP = int(START + PERIOD)


class World:
    """A gateway's core with one destination."""

    def __init__(self, kit: Kit | None = None, book: Book = EVERYTHING, **options: object):
        self.kit = kit or Kit()
        self.endpoint = Endpoint()
        self.skipped: list[str] = []
        kit = self.kit
        lines = Lines(
            "main",
            Naming(thresholds=(), calculated=("count", "sum")),
            ENCODINGS["tcp"],
            RuleLines(f"graphite:{NAME}", kit.telemetry),
            skipped=self.skipped.append,
            **options,
        )
        lines.use(book)
        self.out = GraphiteOut(
            NAME,
            NAME,
            lambda back: Carbon(NAME, self.endpoint, kit.clock, kit.telemetry, back),
            lines,
            kit.journal,
            kit.clock,
            kit.telemetry,
        )
        self.inlet = kit.intake.inlet("statsd", "main", Dialect())
        kit.flusher.start()
        self.out.start()

    def accept(self) -> Line:
        self.line, self.protocol = self.endpoint.accept()
        return self.line

    def next_flush(self) -> list[str]:
        """What carbon gets from now to shortly after the next instant."""
        self.to_instant()
        return self.received()

    def to_instant(self) -> None:
        kit = self.kit
        kit.clock.advance(PERIOD - kit.clock.seconds() % PERIOD)

    def received(self) -> list[str]:
        self.line.sent = b""
        quiet = 0
        while quiet < 50:
            self.kit.clock.advance(0.001)
            quiet = 0 if self.line.take() else quiet + 1
        return self.line.sent.decode().splitlines()


def connected(**options: object) -> World:
    world = World(**options)
    world.accept()
    return world


def values(lines: list[str]) -> dict[str, str]:
    """Path to value; the self-metric numStats apart."""
    pairs = (line.split() for line in lines)
    return {path: value for path, value, _ in pairs if not path.endswith("numStats")}


def test_what_statsd_would_send() -> None:
    """Each kind has statsd's names and numbers, at the end of the period."""
    world = connected()
    world.inlet.statsd(
        b"hits:3|c\nhits:1|c|@0.5\nload:0.5|g\nload:+1|g\nwait:10|ms\nwait:30|ms\nwho:a|s\nwho:b|s"
    )
    world.inlet.statsd(b"pages:2|c|#code:200,app:shop")
    assert sorted(world.next_flush()) == [
        f"stats.counters.hits.count 5 {STAMP}",
        f"stats.counters.hits.rate 0.5 {STAMP}",
        f"stats.counters.pages.count;app=shop;code=200 2 {STAMP}",
        f"stats.counters.pages.rate;app=shop;code=200 0.2 {STAMP}",
        f"stats.gauges.load 1.5 {STAMP}",
        f"stats.sets.who.count 2 {STAMP}",
        f"stats.statsd.numStats 5 {STAMP}",
        f"stats.timers.wait.count 2 {STAMP}",
        f"stats.timers.wait.sum 40 {STAMP}",
    ]


def test_idle_series_are_repeated() -> None:
    """Counters, timers and sets go on as 0, gauges with their last value; counted in numStats."""
    world = connected()
    world.inlet.statsd(b"hits:3|c\nload:7|g\nwait:10|ms\nwho:a|s")
    world.next_flush()
    world.inlet.statsd(b"other:1|c")
    lines = world.next_flush()
    assert values(lines) == {
        "stats.counters.other.count": "1",
        "stats.counters.other.rate": "0.1",
        "stats.counters.hits.count": "0",
        "stats.counters.hits.rate": "0",
        "stats.gauges.load": "7",
        "stats.timers.wait.count": "0",
        "stats.sets.who.count": "0",
    }
    assert f"stats.statsd.numStats 5 {STAMP + 10}" in lines
    assert values(world.next_flush())["stats.gauges.load"] == "7"


def test_idle_series_can_be_left_out() -> None:
    """With statsd's deleteIdleStats only what was heard of is sent."""
    world = connected(idle=Spans(0, 0, 0, 0))
    world.inlet.statsd(b"hits:3|c\nload:7|g")
    world.next_flush()
    assert world.next_flush() == [f"stats.statsd.numStats 0 {STAMP + 10}"]


def test_points_with_their_own_time_keep_their_path_and_time() -> None:
    """Graphite lines go through at once, unfolded."""
    world = connected()
    world.inlet.graphite(b"servers.web1.cpu 12.5 1699999000\nservers.web1.cpu;dc=fra 1 1699999001\n")
    world.kit.clock.advance(1)
    assert sorted(world.received()) == [
        "servers.web1.cpu 12.5 1699999000",
        "servers.web1.cpu;dc=fra 1 1699999001",
    ]


def test_parts_of_one_period_add_up() -> None:
    """Ticks and samples of one series in one period are one value."""
    world = connected()
    world.inlet.statsd(b"hits:3|c")
    ticks = [counter("hits", 4.0, time=START_MS + 5000), counter("hits", 1.0, time=START_MS - 1)]
    world.kit.intake.ticks("main", [], ticks, [], "tick")
    assert values(world.next_flush())["stats.counters.hits.count"] == "8"


def test_late_parts_keep_their_own_time() -> None:
    """A part of another time does not count into the flush that it arrives in."""
    world = connected()
    late, early = START_MS - 3600_000, START_MS + 3600_000
    ticks = [counter("hits", n, time=time) for n, time in ((4.0, late), (2.0, late), (1.0, early))]
    world.kit.intake.ticks("main", [], ticks, [], "tick")
    assert sorted(world.next_flush()) == [
        f"stats.counters.hits.count 1 {early // 1000 + 10}",
        f"stats.counters.hits.count 6 {late // 1000 + 10}",
        f"stats.counters.hits.rate 0.1 {early // 1000 + 10}",
        f"stats.counters.hits.rate 0.6 {late // 1000 + 10}",
        f"stats.statsd.numStats 0 {STAMP}",
    ]


def test_other_streams_are_not_sent() -> None:
    """A destination has one stream; what belongs to others is theirs."""
    world = connected()
    world.kit.intake.inlet("statsd", "other", Dialect()).statsd(b"secret:1|c\npoint:1|g")
    world.kit.intake.ticks("other", [], [counter("secret", 1.0)], [], "tick")
    assert values(world.next_flush()) == {}


def test_an_hour_away() -> None:
    """While carbon is away nothing is lost, and afterwards everything comes in order."""
    world = World()
    for number in range(1, 361):
        world.inlet.statsd(b"hits:%d|c" % number)
        world.to_instant()
        world.kit.settle()
        if world.endpoint.attempts:
            world.endpoint.refuse()
    assert "refused" in world.out.consumer.troubled
    world.kit.clock.advance(RETRY_MOST)
    world.accept()
    lines = [line for line in world.received() if ".count " in line]
    assert lines[:360] == [
        f"stats.counters.hits.count {number} {STAMP + 10 * (number - 1)}" for number in range(1, 361)
    ]
    assert world.out.consumer.troubled == ""


def test_a_break_in_the_middle() -> None:
    """A connection that breaks while a flush is on its way costs no line of it."""
    world = connected()
    world.inlet.statsd(b"\n".join(b"c%d:%d|c" % (number, number) for number in range(2000)))
    world.kit.clock.advance(PERIOD)
    world.kit.settle()
    world.line.take()
    world.line.take()
    sent = values(world.line.sent.decode().splitlines())
    assert 0 < len(sent) < 4000
    world.protocol.connectionLost(connectionDone)
    world.kit.clock.advance(0.25)
    world.accept()
    world.kit.clock.advance(0.5)
    again = values(world.received())
    assert {f"stats.counters.c{number}.count": str(number) for number in range(2000)}.items() <= again.items()


def restarted(world: World) -> World:
    """The next run over the same disk, after a kill: nothing was stopped or saved by hand."""
    world.kit.settle()
    kit = Kit(world.kit.disk, world.kit.store)
    kit.clock.advance(world.kit.clock.seconds() - kit.clock.seconds())
    again = World(kit)
    again.accept()
    return again


def test_killed_between_parts_and_mark() -> None:
    """Parts of an unfinished flush are folded again after a restart, none twice."""
    world = connected()
    world.kit.intake.ticks("main", [], [counter("hits", 4.0)], [], "tick")
    world.received()
    world.kit.intake.ticks("main", [], [counter("hits", 2.0)], [], "tick")
    world.received()
    world = restarted(world)
    world.inlet.statsd(b"hits:1|c")
    assert values(world.next_flush())["stats.counters.hits.count"] == "7"


def test_killed_before_carbon_has_confirmed() -> None:
    """What may not have reached carbon is sent again, with the same values and times."""
    world = connected()
    world.inlet.statsd(b"hits:3|c")
    first = world.next_flush()
    world = restarted(world)
    assert world.received() == first


def test_the_cursor_follows_what_is_confirmed() -> None:
    """A restart sends again what carbon has not had for long, and nothing else."""
    world = connected()
    flushes = 2 + int(CARBON_RESEND / PERIOD)
    for number in range(1, flushes + 1):
        world.inlet.statsd(b"hits:%d|c" % number)
        world.next_flush()
    world.kit.clock.advance(CURSOR_SECONDS)
    world = restarted(world)
    again = [line.split()[1] for line in world.received() if ".hits.count " in line]
    assert again == [str(number) for number in range(3, flushes + 1)]


def test_the_cursor_follows_though_nothing_comes() -> None:
    """A full journal takes nothing more, and gets room only if the cursor goes on all the same."""
    world = connected()
    world.inlet.statsd(b"hits:3|c")
    world.next_flush()
    name, end = world.out.consumer.name, world.kit.journal.synced_end
    world.kit.flusher.stop()
    assert world.kit.journal.cursor(name) < end
    world.kit.clock.pump([1.0] * (int(CARBON_RESEND) + 2))
    assert world.kit.journal.cursor(name) == end


def test_stopping_ends_the_consumer() -> None:
    """Stopping while carbon is away or deaf ends at once, and leaves no call behind."""
    world = World()
    world.inlet.statsd(b"hits:3|c")
    world.kit.clock.advance(PERIOD)
    stopped = world.out.stop()
    world.kit.wait(stopped)
    assert not world.out.consumer.troubled.startswith("unknown")


def test_how_far_behind_a_destination_is() -> None:
    """Seconds since the end of the last period that it has; 0 while it has all there is."""
    world = connected()
    world.inlet.statsd(b"hits:1|c")
    world.next_flush()
    lag = {"name": "metronome_graphite_lag_seconds", "destination": NAME}
    assert world.kit.telemetry.value(**lag) == 0
    assert world.out.trouble == ""
    world.protocol.connectionLost(connectionDone)
    for _ in range(3):
        world.to_instant()
        if world.endpoint.attempts:
            world.endpoint.refuse()
        world.kit.settle()
    assert world.kit.telemetry.value(**lag) == pytest.approx(30, abs=1)
    assert "refused" in world.out.trouble
    world.kit.clock.advance(RETRY_MOST)
    world.accept()
    world.received()
    assert world.kit.telemetry.value(**lag) == 0
    assert world.out.trouble == ""
