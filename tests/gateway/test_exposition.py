"""The page of metrics: what is on it, and that nothing can break it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from metronome.gateway.exposition import Exposition
from metronome.gateway.intake import TickRow
from metronome.gateway.telemetry import CATALOGUE, START
from metronome.kernel import hash64
from metronome.kernel.interface import Dialect
from metronome.limits import METRICS_CHUNK_LINES, METRICS_WINDOW
from metronome.model import Kind, Series, canonical_labels, series_key
from metronome.wire import prometheus_text as text
from metronome.wire.records import Row
from tests.gateway.kit import PERIOD, START_MS, Kit, counter
from tests.gateway.rule_kit import book

OPEN_METRICS = "application/openmetrics-text"
TTL = 300.0


class World:
    """A gateway's core with the page."""

    def __init__(self) -> None:
        self.kit = Kit()
        self.exposition = Exposition(self.kit.journal, self.kit.clock, self.kit.telemetry, TTL)
        self.inlet = self.kit.intake.inlet("statsd", "main", Dialect())
        self.exposition.start()

    def send(self, lines: str) -> None:
        self.inlet.statsd(lines.encode())
        self.flush()

    def flush(self) -> None:
        self.kit.flusher.flush()
        self.kit.settle()

    def page(self, accept: str = "") -> str:
        return b"".join(self.exposition.page(accept)[1]).decode()

    def samples(self, accept: str = "") -> dict[str, float]:
        """Samples of the page but for our own, as ``name{labels}`` to value."""
        parse: Callable[[str], Iterator] = parse_open_metrics if accept else parse_text
        return {
            f"{sample.name}{sample.labels or ''}": sample.value
            for family in parse(self.page(accept))
            for sample in family.samples
            if not sample.name.startswith("metronome_") and not sample.name.endswith("_created")
        }

    def clashes(self) -> float:
        return self.kit.telemetry.value("metronome_metrics_clashes_total")


def test_every_kind() -> None:
    """Counters and timers add up, gauges and sets have their last value."""
    world = World()
    world.send("app.hits:3|c\nload:7|g\nwho:a|s\nwho:b|s\nwait:10|ms\nwait:30|ms\nwait:20|ms")
    world.send("app.hits:2|c\nload:-2|g\nwho:c|s\nwait:40|ms")
    for accept in ("", OPEN_METRICS):
        assert world.samples(accept) == {
            "app_hits_total": 5,
            "load": 5,
            "who": 1,
            "wait_sum": 100,
            "wait_count": 4,
            "wait{'quantile': '0.5'}": 40,
            "wait{'quantile': '0.9'}": 40,
            "wait{'quantile': '0.95'}": 40,
            "wait{'quantile': '0.99'}": 40,
        }
    assert "# HELP app_hits_total app.hits (counter)\n# TYPE app_hits_total counter\n" in world.page()
    assert "# TYPE app_hits counter\n" in world.page(OPEN_METRICS)


def test_own_counters_come_first() -> None:
    """Our own families are on the page, and it says what it is."""
    world = World()
    world.send("a:1|c")
    media_type, chunks = world.exposition.page(OPEN_METRICS)
    assert media_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    page = b"".join(chunks).decode()
    assert page.startswith("# HELP metronome_")
    assert 'metronome_received_total{source="statsd",stream="main"} 1\n' in page
    assert "metronome_metrics_series 1\n" in page
    assert world.exposition.page(None)[0] == "text/plain; version=0.0.4; charset=utf-8"


def test_own_counters_say_when_they_began() -> None:
    """In OpenMetrics; that is when the process started."""
    world = World()
    world.kit.telemetry.gauge(START, lambda: 1000.5)
    world.send("a:1|c")
    page = world.page(OPEN_METRICS)
    assert 'metronome_received_created{source="statsd",stream="main"} 1000.5\n' in page
    assert list(parse_open_metrics(page))
    assert "metronome_received_created" not in world.page()


def test_our_own_names_do_not_clash() -> None:
    """The catalogue of our own counters and gauges fits on one page."""
    names = [
        text.family_name(name, kind) + suffix
        for name, (kind, _, _) in CATALOGUE.items()
        for suffix in text.SUFFIXES[kind]
    ]
    assert len(names) == len(set(names))


def test_labels_and_streams() -> None:
    """Labels stay; a stream other than main is a label, which no sender can forge."""
    world = World()
    world.kit.intake.inlet("statsd", "shop", Dialect()).statsd(b"hits:1|c|#code:200,stream:main,le:5")
    world.send("hits:2|c|#http.code:404,stream:x")
    assert world.samples() == {
        "hits_total{'code': '200', 'exported_le': '5', 'exported_stream': 'main', 'stream': 'shop'}": 1,
        "hits_total{'exported_stream': 'x', 'http_code': '404'}": 2,
    }


def test_parts_of_one_period_add_up() -> None:
    """Ticks and samples of one series are one series, and quantiles are of all of them."""
    world = World()
    world.kit.intake.ticks("main", [], [counter("hits", 4.0), counter("hits", 3.0)], [], "tick")
    world.send("hits:1|c")
    assert world.samples() == {"hits_total": 8}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a:1|c", "a:1|ms"),
        ("a:1|ms", "a:1|g"),
        ("a:1|g", "a:1|c"),
        ("a:1|g", "a:1|s"),
        ("a.b:1|c", "a_b:1|c"),
        ("a.b:1|ms", "a_b_sum:1|g"),
        ("a.b:1|c", "a_b_total:1|g"),
        ("a_count:1|g", "a:1|ms"),
        ("a:1|c", "a.total:1|c"),
        ("a:1|c|#x.y:1", "a:1|c|#x_y:1"),
        ("a:1|c|#le:1,f:2", "a:1|c|#exported_le:1,f:2"),
        ("b:1|g", "metronome.received:1|c\nb:1|g"),
        ("b:1|g", "metronome.flush.seconds:1|ms\nb:1|g"),
    ],
)
def test_clashes(first: str, second: str) -> None:
    """Of two that cannot be on one page the first stays; the other is counted once."""
    world = World()
    world.send(first)
    before = world.samples().keys()
    for _ in range(3):
        world.send(second)
    assert world.samples().keys() == before
    assert world.samples(OPEN_METRICS).keys() == before
    assert world.clashes() == 1


def test_the_later_takes_over() -> None:
    """When the first is no longer shown, the one that it kept off comes on the page."""
    world = World()
    world.send("a:1|c")
    world.send("a:5|g")
    world.kit.clock.advance(TTL)
    world.send("a:6|g")
    world.send("a:7|g")
    assert world.samples() == {"a": 7}


def test_idle_series_expire() -> None:
    """A series that is idle for the time to live leaves the page, with its family."""
    world = World()
    world.send("a:1|c\nb:1|c")
    world.kit.clock.advance(TTL - 1)
    world.send("b:1|c")
    assert world.samples() == {"a_total": 1, "b_total": 2}
    world.kit.clock.advance(1)
    world.send("b:1|c")
    assert world.samples() == {"b_total": 3}
    assert "a_total" not in world.page()
    assert world.kit.telemetry.value("metronome_metrics_series") == 1


def test_quantiles_grow_old() -> None:
    """Quantiles of long ago are none; what adds up stays."""
    world = World()
    world.send("wait:10|ms")
    world.kit.clock.advance(METRICS_WINDOW + 1)
    page = world.page()
    assert 'wait{quantile="0.5"} NaN\n' in page
    assert "wait_sum 10\n" in page


def test_counters_do_not_go_down() -> None:
    """A negative count is left out and counted; zero is not negative."""
    world = World()
    world.send("a:5|c")
    world.send("a:-3|c\nb:0|c")
    assert world.samples() == {"a_total": 5, "b_total": 0}
    assert world.kit.telemetry.value("metronome_metrics_negative_total") == 1


def test_it_begins_at_the_end_of_the_journal() -> None:
    """What was counted by a former run is not counted again."""
    kit = Kit()
    kit.wait(kit.intake.ticks("main", [], [counter("hits", 4.0)], [], "tick"))
    world = World()
    world.kit = kit
    world.exposition = Exposition(kit.journal, kit.clock, kit.telemetry, TTL)
    world.exposition.start()
    kit.intake.inlet("statsd", "main", Dialect()).statsd(b"hits:1|c")
    world.flush()
    assert world.samples() == {"hits_total": 1}


def test_large_pages_come_in_chunks() -> None:
    """A page is written piece by piece, and may change while it is."""
    world = World()
    for number in range(2 * METRICS_CHUNK_LINES):
        world.inlet.statsd(b"c%d:1|c" % number)
    world.flush()
    _, chunks = world.exposition.page(OPEN_METRICS)
    chunks = iter(chunks)
    first = next(chunks)
    assert len(first) < 400_000
    world.kit.clock.advance(TTL)
    world.send("later:1|c")
    rest = b"".join(chunks)
    families = list(parse_open_metrics((first + rest).decode()))
    assert len({family.name for family in families}) == len(families)


def test_stopping() -> None:
    """Stopping ends the consumer."""
    world = World()
    world.kit.wait(world.exposition.stop())
    world.send("a:1|c")
    assert world.samples() == {}


NAMES = st.text(alphabet='ab_.é9-:{" ', min_size=1, max_size=4)
SERIES = st.tuples(
    NAMES,
    st.dictionaries(
        st.sampled_from(["a", "a.b", "a_b", "le", "exported_le", "quantile", "stream", "__x", "é"]),
        st.text(max_size=3),
        max_size=3,
    ),
    st.sampled_from(Kind),
    st.floats(allow_nan=False, allow_infinity=False),
)


def tick(name: str, labels: dict[str, str], kind: Kind, n: float) -> TickRow:
    key = series_key(Series(name, canonical_labels(labels), kind))
    samples = [n] if kind is Kind.TIMER else []
    return TickRow(Row(key, hash64(key), kind, START_MS, PERIOD, 1, n, 1.0, n, n, 0.0, samples), "")


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["main", "shop"]), SERIES), max_size=12))
def test_nothing_breaks_the_page(sent: list[tuple[str, tuple]]) -> None:
    """Whatever is sent, both formats can be read, with no series twice."""
    world = World()
    for stream, series in sent:
        world.kit.intake.ticks(stream, [], [tick(*series)], [], "tick")
        world.flush()
    for parse, accept in ((parse_text, ""), (parse_open_metrics, OPEN_METRICS)):
        seen = [
            (sample.name, tuple(sorted(sample.labels.items())))
            for family in parse(world.page(accept))
            for sample in family.samples
        ]
        assert len(seen) == len(set(seen))


RULES = """
[[rollup]]
match = "http.*"
by = ["status"]
prometheus = "http_requests"
[[rollup]]
match = "wait.*"
by = ["host"]
prometheus = "{name}"
stats = ["p50"]
[[rollup]]
match = "slow"
by = ["host"]
prometheus = "slow"
buckets = [10, 100]
[[rollup]]
match = "load"
prometheus = "load"
over = "mean"
every = 20
"""


def with_rules(toml: str = RULES, *sets: str) -> World:
    world = World()
    world.exposition.use(book(toml, *sets))
    return world


def test_rules_make_families() -> None:
    """Labels that are kept are labels, all others are folded away; timers are summaries or, with
    buckets, histograms."""
    world = with_rules()
    world.send(
        "http.a:1|c|#status:200,host:x\nhttp.b:2|c|#status:200,host:y\nhttp.a:4|c\nother:1|c\n"
        "wait.db:10|ms|#host:x\nslow:5|ms|#host:x\nslow:10|ms|#host:x\nslow:11:1000|ms|#host:x"
    )
    world.send("http.a:1|c|#status:200,host:z\nwait.db:30|ms|#host:x,pid:3\nslow:50|ms|@0.5|#host:x")
    for accept in ("", OPEN_METRICS):
        assert world.samples(accept) == {
            "http_requests_total{'status': '200'}": 4,
            "http_requests_total{'status': ''}": 4,
            "wait_db{'host': 'x', 'quantile': '0.5'}": pytest.approx(30, 0.01),
            "wait_db_sum{'host': 'x'}": 40,
            "wait_db_count{'host': 'x'}": 2,
            "slow_bucket{'host': 'x', 'le': '10.0'}": 2,
            "slow_bucket{'host': 'x', 'le': '100.0'}": 5,
            "slow_bucket{'host': 'x', 'le': '+Inf'}": 6,
            "slow_sum{'host': 'x'}": 1126,
            "slow_count{'host': 'x'}": 6,
        }
    assert "# HELP http_requests_total http.* by status (counter)\n" in world.page()


def test_gauges_are_those_of_the_rules_period() -> None:
    """The latest of each series in the period, as the rule has them become one."""
    world = with_rules()
    world.kit.flusher.start()
    shown = []
    for lines in (
        "load:1|g|#host:a\nload:3|g|#host:b",
        "load:5|g|#host:a",
        "load:7|g|#host:a",
        "load:9|g|#host:b",
    ):
        world.inlet.statsd(lines.encode())
        world.kit.clock.advance(PERIOD - world.kit.clock.seconds() % PERIOD)
        world.kit.settle()
        shown.append(world.samples()["load"])
    assert shown == [2, 5, 5, 8]


def test_every_series_beside_rules() -> None:
    """The set ``prometheus`` shows them too, but what a rule drops."""
    world = with_rules(RULES + '[[rollup]]\nmatch = "debug.*"\ndrop = true\n', "prometheus")
    world.send("http.a:1|c|#status:200\ndebug.x:1|c\nother:1|c")
    assert world.samples() == {
        "http_requests_total{'status': '200'}": 1,
        "http_a_total{'status': '200'}": 1,
        "other_total": 1,
    }


def test_late_parts_count_and_nothing_goes_down() -> None:
    """A part of a former period adds to the counter; a negative count is left out."""
    world = with_rules()
    world.send("http.a:3|c")
    world.kit.clock.advance(100)
    world.kit.intake.ticks("main", [], [counter("http.a", 4.0, time=START_MS)], [], "tick")
    world.send("")
    assert world.samples() == {"http_requests_total{'status': ''}": 7}
    world.send("http.a:-2|c")
    assert world.samples() == {"http_requests_total{'status': ''}": 7}
    assert world.kit.telemetry.value("metronome_metrics_negative_total") == 1


def test_rules_read_again() -> None:
    """Those that stay count on; what is gone leaves the page at once."""
    world = with_rules()
    world.send("http.a:3|c\nwait.x:1|ms")
    world.exposition.use(book(RULES.replace("wait.*", "nothing")))
    assert world.samples() == {"http_requests_total{'status': ''}": 3}
    world.send("http.a:1|c\nwait.x:1|ms")
    assert world.samples() == {"http_requests_total{'status': ''}": 4}
    world.exposition.use(book(""))
    world.send("http.a:1|c")
    assert world.samples() == {"http_a_total": 1}
    world.exposition.use(book(RULES))
    assert world.samples() == {}


def test_exemplars() -> None:
    """A tick's trace stands beside its series, and beside the groups that its series is in."""
    world = with_rules(RULES.replace('"slow"\nbuckets', '"slower"\nbuckets'), "prometheus")
    world.send("http.a:1|c|#status:200\nslow:5|ms|#host:x")
    trace = (("trace_id", "abc"),)
    for one in (counter("http.a", 2.0, status="200"), tick("slow", {"host": "x"}, Kind.TIMER, 50.0)):
        world.exposition.trace("main", one.row, 7.5, trace)
    lines = [line for line in world.page(OPEN_METRICS).splitlines() if " # {" in line]
    assert lines == [
        'http_a_total{status="200"} 1 # {trace_id="abc"} 2 7.5',
        'http_requests_total{status="200"} 1 # {trace_id="abc"} 2 7.5',
        'slower_bucket{host="x",le="100.0"} 1 # {trace_id="abc"} 50 7.5',
    ]
    assert list(parse_open_metrics(world.page(OPEN_METRICS)))
