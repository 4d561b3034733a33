"""Remote write from the journal: what a receiver that is as strict as a Prometheus gets of it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from metronome.fold.mapping import load
from metronome.fold.rules import Book
from metronome.fold.shapes import Shapes
from metronome.gateway.exposition import Exposition
from metronome.gateway.own_series import OwnSeries
from metronome.gateway.push import AUTO, Sender
from metronome.gateway.remote_write import RemoteWrite
from metronome.journal.memory_disk import MemoryDisk
from metronome.kernel.interface import Dialect
from metronome.limits import METRICS_WINDOW, TOTALS_INTERVAL, WRITE_OWN_BEHIND
from metronome.threads.memory import ImmediateWorker
from tests.gateway.kit import PERIOD, START, START_MS, Kit, counter
from tests.gateway.rule_kit import book
from tests.remote_write import Receiver, stale

TTL = 300.0
STEP = round(PERIOD * 1000)


class World:
    """Runs of a gateway, one after the other, over one disk, one folder and one receiver."""

    def __init__(self, folder: Path, rules: Book | None = None, version: int = AUTO, in_flight: int = 4):
        self.folder = folder
        self.own = False
        self.disk = MemoryDisk()
        self.rules = rules or Book()
        self.version = version
        self.in_flight = in_flight
        self.receiver: Receiver | None = None
        self.samples: dict = {}
        self.begin(START)

    def begin(self, now: float) -> None:
        self.kit = kit = Kit(self.disk, now=now)
        kit.journal.pin(0)  # so that tests can read what was written
        receiver = Receiver(kit.clock)
        if self.receiver is not None:
            receiver.samples, receiver.told = self.receiver.samples, self.receiver.told
            receiver.natives = self.receiver.natives
        self.receiver = receiver
        sender = Sender(
            "there",
            "http://there/write",
            receiver,
            kit.clock,
            kit.telemetry,
            headers={},
            version=self.version,
            chance=lambda: 0.5,
        )
        self.output = RemoteWrite(
            "there",
            sender,
            kit.journal,
            kit.clock,
            kit.telemetry,
            ImmediateWorker(),
            file=self.folder / "remote-write",
            ttl=TTL,
            in_flight=self.in_flight,
            own=OwnSeries(sender, kit.telemetry, kit.clock, PERIOD) if self.own else None,
        )
        self.output.use(self.rules)
        self.output.start()
        self.inlet = kit.intake.inlet("statsd", "main", Dialect())
        kit.flusher.start()

    def send(self, lines: str, periods: int = 1) -> int:
        """Lines of statsd, and the periods that end after them; the last end, ms."""
        if lines:
            self.inlet.statsd(lines.encode())
        for _ in range(periods):
            self.kit.clock.advance(self.kit.flusher.open_period / 1000 + PERIOD - self.kit.clock.seconds())
            self.kit.settle()
        return self.kit.flusher.open_period

    def stop(self) -> None:
        """SIGTERM."""
        self.kit.wait(self.kit.flusher.stop())
        self.kit.settle()
        self.kit.wait(self.output.stop())
        self.kit.wait(self.kit.journal.stop())

    def again(self, later: float = 0.0) -> None:
        """The next run; what this one did not stop is as if it had been killed."""
        self.begin(self.kit.clock.seconds() + later)

    def values(self, name: str, **labels: str) -> list[tuple[int, float]]:
        assert self.receiver is not None
        return self.receiver.values(name, **labels)

    def value(self, name: str) -> float:
        return self.kit.telemetry.total(f"metronome_remote_write_{name}_total")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_every_kind(world: World) -> None:
    """Each flush sends what a scrape at its end would see, with that time."""
    first = world.send("app.hits:3|c\nload:7|g\nwho:a|s\nwho:b|s\nwait:10|ms\nwait:30|ms\nwait:20|ms")
    second = world.send("app.hits:2|c\nload:-2|g\nwho:c|s\nwait:40|ms")
    assert first == START_MS + STEP
    assert world.values("app_hits_total") == [(first - STEP + 1, 0), (first, 3), (second, 5)]
    assert world.values("load") == [(first, 7), (second, 5)]
    assert world.values("who") == [(first, 2), (second, 1)]
    assert world.values("wait_sum") == [(first - STEP + 1, 0), (first, 60), (second, 100)]
    assert world.values("wait_count") == [(first - STEP + 1, 0), (first, 3), (second, 4)]
    assert world.values("wait", quantile="0.5") == [(first, 20), (second, 40)]
    assert len(world.receiver.samples) == 9
    assert world.value("sent") == 9 + 3 + 9
    assert world.kit.telemetry.value("metronome_remote_write_series", destination="there") == 4


def test_types_and_starts(world: World) -> None:
    """2.0 says of each sample what it is of, and since when it counts."""
    world.send("app.hits:3|c\nload:7|g\nwait:10|ms")
    told = {dict(labels)["__name__"]: what for labels, what in world.receiver.told.items()}
    assert told["app_hits_total"] == (1, "app.hits (counter)", "", START_MS + 1)
    assert told["load"] == (2, "load (gauge)", "", 0)
    assert told["wait_sum"] == (5, "wait (timer)", "", START_MS + 1)


def test_protocol_1(tmp_path: Path) -> None:
    """1.0 has the same samples, and says what families are now and then."""
    world = World(tmp_path, version=1)
    world.send("app.hits:3|c\nload:7|g", 3)
    assert world.values("app_hits_total")[-1] == (START_MS + 3 * STEP, 3)
    assert world.receiver.metadata == [
        (1, "app_hits_total", "app.hits (counter)"),
        (2, "load", "load (gauge)"),
    ]


def test_idle_series_are_sent_until_they_end(world: World) -> None:
    """A series that is not heard of keeps its value, loses its quantiles, and ends after the ttl."""
    heard = world.send("hits:3|c\nwait:10|ms")
    world.send("", round(TTL / PERIOD) + 2)
    hits = world.values("hits_total")
    assert [value for _, value in hits[:-1]] == [0] + [3] * round(TTL / PERIOD)
    assert hits[-1][0] == heard + TTL * 1000
    assert stale(hits[-1][1])
    times = dict(world.values("wait", quantile="0.5"))
    assert times[heard + METRICS_WINDOW * 1000] == 10
    assert math.isnan(times[heard + METRICS_WINDOW * 1000 + STEP])
    assert not stale(times[heard + METRICS_WINDOW * 1000 + STEP])
    assert world.output.series == 0
    back = world.send("hits:4|c")
    assert world.values("hits_total")[-2:] == [(back - STEP + 1, 0), (back, 4)]


def test_late_parts_count_when_they_come(world: World) -> None:
    """A counter that comes late raises the total of the flush in which it arrives."""
    world.send("hits:1|c", 3)
    late = counter("hits", 5.0, time=START_MS)
    world.kit.intake.ticks("main", [], [late], [], "tick")
    stamp = world.send("")
    assert world.values("hits_total")[-2:] == [(stamp - STEP, 1), (stamp, 6)]


def test_negative_counts_are_left_out(world: World) -> None:
    """A counter never goes down."""
    world.send("hits:5|c")
    stamp = world.send("hits:-3|c")
    assert world.values("hits_total")[-1] == (stamp, 5)
    assert world.value("left_out") == 1


def test_clashes(world: World) -> None:
    """Of two series that would be one to Prometheus the first is sent; the other is counted once, and
    comes in when the first has ended."""
    world.send("a:1|c")
    world.send("a:7|ms", 2)
    assert world.values("a_sum") == []
    assert world.value("left_out") == 1
    for _ in range(round(TTL / PERIOD)):
        world.send("a:7|ms")
    assert world.values("a_count")[-1][1] > 0
    assert stale(world.values("a_total")[-1][1])


def test_streams(world: World) -> None:
    """A stream other than main is a label; one that only ticks go to ends its periods with main's."""
    shop = world.kit.intake.inlet("statsd", "shop", Dialect())
    shop.statsd(b"hits:2|c")
    world.kit.intake.ticks("blog", [], [counter("hits", 4.0)], [], "tick")
    first = world.send("hits:1|c")
    shop.statsd(b"hits:3|c")
    second = world.send("")
    assert [value for _, value in world.values("hits_total")] == [0, 1, 1]
    assert world.values("hits_total", stream="shop")[-2:] == [(first, 2), (second, 5)]
    assert world.values("hits_total", stream="blog")[-1][1] == 4


def test_many_series_go_in_several_requests(tmp_path: Path) -> None:
    """Requests are bounded, and several of one flush are under way at once."""
    world = World(tmp_path, in_flight=3)
    lines = "\n".join(f"hits:1|c|#host:{number}" for number in range(5000))
    world.send(lines)
    assert len(world.receiver.requests) == 2 * 3  # where they begin, and the values
    stamp = world.send(lines)
    assert len(world.receiver.requests) == 3 * 3
    assert world.receiver.most == 3
    assert world.values("hits_total", host="4999") == [(START_MS + 1, 0), (stamp - STEP, 1), (stamp, 2)]
    assert len(world.receiver.samples) == 5000


RULES = """
[[rollup]]
match = "req"
by = ["code"]
prometheus = "requests"

[[rollup]]
match = "wait"
prometheus = "wait_ms"
buckets = [10, 20]

[[rollup]]
match = "took"
prometheus = "took"
stats = ["p50"]

[[rollup]]
match = "load"
prometheus = "load_{name}"
over = "max"
every = 30

[[rollup]]
match = "who"
prometheus = "people"
every = 30
"""


def test_rules(tmp_path: Path) -> None:
    """Groups of rules are sent as they stand on the page; series as they are only if asked for."""
    world = World(tmp_path, book(RULES))
    world.send("req:1|c|#code:200,host:a\nreq:2|c|#code:200,host:b\nreq:1|c|#code:500\nother:1|c")
    stamp = world.send("wait:10|ms\nwait:15|ms\nwait:99|ms\ntook:5|ms\nload:3|g|#a:1\nload:9|g|#a:2")
    assert world.values("requests_total", code="200")[-1] == (stamp, 3)
    assert world.values("requests_total", code="500")[-1] == (stamp, 1)
    assert world.values("other_total") == []
    buckets = {le: world.values("wait_ms_bucket", le=le)[-1][1] for le in ("10.0", "20.0", "+Inf")}
    assert buckets == {"10.0": 1, "20.0": 2, "+Inf": 3}
    assert world.values("wait_ms_sum") == [(stamp - STEP + 1, 0), (stamp, 124)]
    assert world.values("wait_ms_count")[-1] == (stamp, 3)
    assert world.values("took", quantile="0.5")[-1][1] == pytest.approx(5, rel=0.01)
    assert world.values("load_load") == []
    ends = world.send("", 2)
    assert world.values("load_load") == [(ends, 9)]


NATIVE = """
[[rollup]]
match = "wait"
by = ["route"]
prometheus = "wait_ms"
buckets = [10, 20]
native = true
"""


def test_native_histograms(tmp_path: Path) -> None:
    """In 2.0 they go beside the classic buckets, begin empty, go on after a kill, and end with the marker."""
    world = World(tmp_path, book(NATIVE), version=2)
    labels = (("__name__", "wait_ms"), ("route", "a"))
    first = world.send("wait:8|ms|#route:a\nwait:0|ms|#route:a\nwait:-8|ms|#route:a")
    world.again()
    second = world.send("wait:8|ms|#route:a\nwait:16|ms|#route:a")
    (_, begun), *told = world.receiver.natives[labels]
    assert (begun.count, begun.sum, begun.above) == (0, 0, ())
    assert [(time, one.count, one.zero, one.sum) for time, one in told] == [
        (first, 3, 1, 0),
        (second, 5, 1, 24),
    ]
    assert [one.schema for _, one in told] == [3, 3]
    assert told[-1][1].above == ((24, 2), (32, 1))  # 2 ** (24 / 8) = 8
    assert told[-1][1].below == ((24, 1),)
    assert told[-1][1].start == START_MS + 1
    assert world.values("wait_ms_bucket", le="10.0", route="a")[-1] == (second, 4)
    world.output.use(book(NATIVE.replace("native = true", "")))
    stamp = world.send("wait:8|ms|#route:a")
    time, last = world.receiver.natives[labels][-1]
    assert (time, stale(last.sum)) == (stamp, True)
    assert world.value("unwritten") == world.value("rejected") == 0


def test_native_histograms_of_mapping_rules(tmp_path: Path) -> None:
    """Series as they are have them where a mapping rule makes them histograms; 1.0 has only the classic."""
    rules = "mappings:\n- {match: w, name: w, observer_type: histogram, histogram_options: {buckets: [5]}}"
    for version in (1, 2):
        folder = tmp_path / str(version)
        folder.mkdir()
        world = World(folder, Book()._replace(shapes=Shapes(load(rules))), version=version)
        stamp = world.send("w:3|ms\nw:9|ms")
        assert world.values("w_bucket", le="5.0")[-1] == (stamp, 1)
        found = world.receiver.natives.get((("__name__", "w"),), [])
        assert [one.count for _, one in found] == ([] if version == 1 else [0, 2])


def test_a_rule_that_is_gone(tmp_path: Path) -> None:
    """Its series end with the next flush; those of rules that stay go on."""
    world = World(tmp_path, book(RULES))
    world.send("req:1|c|#code:200\ntook:5|ms")
    world.output.use(book(RULES.replace('match = "took"', 'match = "nothing"')))
    stamp = world.send("req:1|c|#code:200\ntook:5|ms")
    assert world.values("requests_total", code="200")[-1] == (stamp, 2)
    assert world.values("took_count")[-1][0] == stamp
    assert stale(world.values("took_count")[-1][1])


def test_a_receiver_that_was_never_there(world: World) -> None:
    """That it has nothing shows from the start, so that somebody can be told."""
    world.receiver.away = True
    for _ in range(5):
        world.send("hits:1|c")
    assert world.output.lag == pytest.approx(5 * PERIOD, abs=1)


def test_a_receiver_that_is_away(world: World) -> None:
    """It gets every flush when it is back, in order and with its own time."""
    world.send("hits:1|c")
    world.receiver.away = True
    for _ in range(5):
        world.send("hits:1|c")
    assert len(world.values("hits_total")) == 2
    assert "refused" in world.output.consumer.troubled or world.output.consumer.troubled
    assert world.output.lag == pytest.approx(5 * PERIOD, abs=1)
    world.receiver.away = False
    for _ in range(40):
        world.kit.clock.advance(0.9)
        world.kit.settle()
    values = world.values("hits_total")
    assert values[: 1 + 6] == [
        (START_MS + 1, 0),
        *((START_MS + n * STEP, n) for n in range(1, 7)),
    ]
    assert world.output.consumer.troubled == ""
    assert world.receiver.refused == []


@pytest.mark.parametrize("stopped", [True, False])
@pytest.mark.parametrize("rules", ["", RULES])
def test_counters_go_on_after_a_restart(tmp_path: Path, stopped: bool, rules: str) -> None:
    """Whether it was stopped or killed: totals go on, nothing is sent twice, nothing is left out."""
    world = World(tmp_path, book(rules, "prometheus"))
    sent = 0
    for run in range(4):
        for _ in range(3 + run):
            world.send("hits:2|c\nreq:1|c|#code:200\nwait:15|ms\nload:4|g\nwho:a|s")
            sent += 1
        if stopped:
            world.stop()
        world.again(later=4.0)
    stamp = world.send("hits:2|c")
    sent += 1
    hits = [one for one in world.values("hits_total") if not stale(one[1])]
    assert [value for _, value in hits] == [0, *(2 * number for number in range(1, sent + 1))]
    assert hits[-1][0] == stamp
    assert world.receiver.refused == []
    ends = [time for time, value in world.values("hits_total") if stale(value)]
    assert len(ends) == (4 if stopped else 0)
    if rules:
        assert world.values("wait_ms_count")[-1][1] == sent - 1
        assert world.values("requests_total", code="200")[-1][1] == sent - 1


def test_killed_between_sending_and_remembering(world: World) -> None:
    """A flush whose mark was not written is sent again as it was; the receiver has it once."""
    world.send("hits:1|c", 2)
    mark = world.folder / "remote-write.mark"
    before = mark.read_bytes()
    world.send("hits:1|c\nwait:3|ms\nload:1|g")
    mark.write_bytes(before)
    world.again()
    stamp = world.send("hits:1|c")
    assert [value for _, value in world.values("hits_total")] == [0, 1, 1, 2, 3]
    assert world.values("hits_total")[-1][0] == stamp
    assert world.receiver.refused == []


def test_killed_while_the_receiver_is_away(world: World) -> None:
    """What was folded and not sent is sent by the next run."""
    world.send("hits:1|c")
    world.receiver.away = True
    world.send("hits:1|c", 3)
    world.again()
    world.send("hits:1|c")
    assert [value for _, value in world.values("hits_total")] == [0, 1, 2, 2, 2, 3]
    assert [time for time, _ in world.values("hits_total")[1:]] == [START_MS + n * STEP for n in range(1, 6)]


def test_killed_while_it_reads_again(world: World) -> None:
    """An image that is written on the way to where the last run was says how far it has come."""
    world.send("")
    world.again()
    world.send("", 2)  # the last image of this run knows no series yet
    world.send("hits:1|c")
    world.again()
    world.send("")  # reads again from there on, and writes an image at the first flush
    world.again()
    world.send("hits:1|c")
    assert [value for _, value in world.values("hits_total")][-3:] == [1, 1, 2]


@pytest.mark.parametrize("name", ["remote-write.image", "remote-write.mark"])
def test_damaged_files(world: World, name: str) -> None:
    """A file that cannot be used is as none: what the receiver has already it has once."""
    world.send("hits:1|c", 3)
    (world.folder / name).write_bytes(b"nonsense")
    world.again()
    world.send("hits:1|c")
    values = [value for _, value in world.values("hits_total")]
    assert values[:4] == [0, 1, 1, 1]
    assert values[-1] in ((1, 2) if name.endswith("image") else (2,))


def test_another_journal(world: World) -> None:
    """Where the journal is a new one, totals go on, so that counters do."""
    world.send("hits:5|c")
    world.stop()
    world.disk = MemoryDisk()
    world.begin(world.kit.clock.seconds())
    world.kit.journal.identity = "another"
    world.again()
    world.send("hits:1|c")
    assert world.values("hits_total")[-1][1] == 6


def test_periods_of_rules_survive_a_kill(tmp_path: Path) -> None:
    """What a rule's long period had before the end of the run is in its value after it."""
    world = World(tmp_path, book(RULES))
    world.send("who:z|s", 4)
    world.send("who:a|s")
    world.send("who:b|s")
    world.again()
    ends = world.send("who:c|s")
    assert ends % 30_000 == 0
    assert world.values("people")[-1] == (ends, 3)


def test_periods_of_rules_go_on_where_nothing_was_there_yet(tmp_path: Path) -> None:
    """An image without a series says all the same when the period under way began."""
    world = World(tmp_path, book(RULES))
    first = world.send("")
    assert first % 30_000 == 0
    world.again()
    world.receiver.away = True
    world.send("who:a|s")  # the flush that is read again in front of it makes an image
    world.again()
    world.send("", 4)
    assert world.values("people")[0] == (first + 3 * STEP, 1)


def test_images_let_the_cursor_follow(world: World) -> None:
    """The journal is held from the last image on, not for ever."""
    world.send("hits:1|c")
    early = world.kit.journal.cursor(world.output.consumer.name)
    world.send("hits:1|c", round(TOTALS_INTERVAL / PERIOD) + 2)
    assert world.kit.journal.cursor(world.output.consumer.name) > early


def test_our_own_series(world: World) -> None:
    """They are sent while the gateway runs, and end when it stops, also where there is more to be sent
    of others."""
    world.own = True
    world.stop()
    world.again()
    world.send("hits:1|c", 2)
    world.inlet.statsd(b"hits:1|c")
    world.kit.flusher.flush()
    assert len(world.values("metronome_flushes_total")) > 1
    world.stop()
    assert stale(world.values("metronome_flushes_total")[-1][1])
    assert world.receiver.refused == []


def test_our_own_series_wait_for_what_is_old(world: World) -> None:
    """A receiver that was away for two hours is told of now when it has got nearly all of them."""
    world.own = True
    world.stop()
    world.again()
    world.send("hits:1|c")
    world.receiver.away = True
    for _ in range(8):
        world.send("hits:1|c", round(900 / PERIOD))
    world.receiver.away = False
    before = len(world.values("metronome_flushes_total"))
    for _ in range(20_000):
        world.kit.clock.advance(0.01)
        if len(world.values("metronome_flushes_total")) > before:
            break
    own, got = world.values("metronome_flushes_total")[-1][0], world.values("hits_total")[-1][0]
    assert 0 < own - got <= WRITE_OWN_BEHIND * 1000
    assert got > START_MS + 4_500_000
    assert world.value("rejected") == 0


def test_a_clock_that_is_put_back(world: World) -> None:
    """No sample is older than the one before it: what comes meanwhile is sent once time goes on."""
    world.send("hits:1|c", 3)
    world.again(later=-25.0)
    for _ in range(5):
        world.send("hits:1|c")
    values = world.values("hits_total")
    assert [time for time, _ in values] == sorted({time for time, _ in values})
    assert values[-1][1] == 6
    assert world.receiver.refused == []


def test_goodbye_is_not_said_out_of_turn(world: World) -> None:
    """Where the receiver has not got everything, series do not end at a stop: that would come before
    what is still to be sent."""
    world.send("hits:1|c")
    world.receiver.away = True
    world.send("hits:1|c", 2)
    world.receiver.away = False
    world.receiver.plan = [503] * 3
    world.stop()
    world.again()
    world.send("")
    values = world.values("hits_total")
    assert not any(stale(value) for _, value in values)
    assert [value for _, value in values] == [0, 1, 2, 2, 2]


AWKWARD = """\
app.hits:3|c|#http.code:200,le:5,stream:forged,quote:a"b\\c
9lives:1|c|#__name__:x
größe:4|g|#größe:5,a.b:1,a_b:2
app.wait:10|ms|#empty:,host:a
app.wait:30|ms|@0.5|#host:a
who:a|s
x.total:1|c
debug.x:1|c
"""


@pytest.mark.parametrize("rules", ["", RULES])
def test_the_same_as_the_page(tmp_path: Path, rules: str) -> None:
    """What is sent has the names, labels and values that a Prometheus finds on the page."""
    world = World(tmp_path, book(rules, "prometheus"))
    exposition = Exposition(world.kit.journal, world.kit.clock, world.kit.telemetry, TTL)
    exposition.use(book(rules, "prometheus"))
    exposition.start()
    for _ in range(4):
        world.send(AWKWARD + "req:1|c|#code:200\nwait:15|ms\ntook:5|ms\nload:3|g\nwho:b|s")
    page = b"".join(exposition.page("")[1]).decode()
    shown = {
        (("__name__", sample.name), *sorted((k, v) for k, v in sample.labels.items() if v)): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if not sample.name.startswith("metronome_")
    }
    sent = {
        (("__name__", dict(labels)["__name__"]), *(pair for pair in labels if pair[0] != "__name__")): values[
            -1
        ][1]
        for labels, values in world.receiver.samples.items()
    }
    assert sent == shown


def test_the_cursor_follows_though_nothing_comes(world: World) -> None:
    """A full journal takes no mark, and gets room only if the cursor goes on without one."""
    name = world.output.consumer.name
    begin = world.kit.journal.cursor(name)
    stamp = world.send("hits:1|c\nload:1|g")
    assert world.kit.journal.cursor(name) == begin
    world.kit.wait(world.kit.flusher.stop())
    for _ in range(2):
        world.kit.clock.advance(TOTALS_INTERVAL)
        world.kit.settle()
    assert world.kit.journal.cursor(name) > begin
    world.again()
    assert world.send("hits:4|c") > stamp
    assert [value for _, value in world.values("hits_total")] == [0, 1, 5]
