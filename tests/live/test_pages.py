"""Real Prometheus servers read every page, in every form that they ask for: pages of series whose names,
labels and values Hypothesis has made."""

from __future__ import annotations

import math
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from metronome.kernel import hash64
from metronome.model import Kind, Series, canonical_labels, series_key
from metronome.wire.records import Row
from tests.gateway.kit import PERIOD, START, START_MS
from tests.gateway.rule_kit import book
from tests.gateway.test_exposition import TickRow, World
from tests.live.conftest import require
from tests.live.prometheus import Labels, RunningPrometheus, debian, newest

pytestmark = pytest.mark.live

PAGES = 60
WAIT_SECONDS = 60
FORMS = ("PrometheusText0.0.4", "PrometheusText1.0.0", "OpenMetricsText1.0.0", "PrometheusProto")
RULES = """
[[rollup]]
match = "*"
kind = "timer"
by = ["*"]
prometheus = "{name}"
buckets = [-1, 0.5, 10]
native = true
"""

NAMES = st.text(alphabet='ab_.é9-:{" \\/💾', min_size=1, max_size=4) | st.text(min_size=1, max_size=5)
LABELS = st.dictionaries(
    st.sampled_from(["a", "a.b", "a_b", "le", "exported_le", "quantile", "stream", "__x", "é", '"', "9"])
    | st.text(min_size=1, max_size=3),
    st.sampled_from(["", "x", "\\", '"', "\n", "1.0"]) | st.text(max_size=3),
    max_size=3,
)
SERIES = st.tuples(
    NAMES,
    LABELS,
    st.sampled_from(Kind),
    st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**60), 2**60).map(float),
)
SENT = st.lists(st.tuples(st.sampled_from(["main", "shop"]), SERIES), min_size=1, max_size=12)


def tick(name: str, labels: dict[str, str], kind: Kind, n: float) -> TickRow:
    """A row as a tick brings it."""
    key = series_key(Series(name, canonical_labels(labels), kind))
    samples = [n, 2 * n] if kind is Kind.TIMER and abs(n) < 1e300 else []
    return TickRow(Row(key, hash64(key), kind, START_MS, PERIOD, 1, n, 1.0, n, n, 0.0, samples), "")


def worlds() -> list[World]:
    """Gateways that were sent all sorts of things; every other one has histograms."""
    made: list[World] = []

    @settings(max_examples=PAGES, database=None)
    @given(SENT)
    def make(sent: list[tuple[str, tuple[str, dict[str, str], Kind, float]]]) -> None:
        world = World()
        if len(made) % 2:
            world.exposition.use(book(RULES + RULES.replace('"*"\nkind', '"*"\nstream = "shop"\nkind')))
        for stream, series in sent:
            if "\0" not in series[0] + "".join(series[1]) + "".join(series[1].values()):
                world.kit.intake.ticks(stream, [], [tick(*series)], [], "tick")
        world.flush()
        # Prometheus takes no samples from years ago, and exemplars and beginnings have their times too.
        world.kit.clock.advance(time.time() - START)
        made.append(world)

    make()
    return made


@contextmanager
def served(made: list[World]) -> Iterator[tuple[str, set[str]]]:
    """The address of a server with ``/N`` for each, and the types that it has answered with."""
    answers: set[str] = set()

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            world = made[int(self.path.strip("/").partition("?")[0])]
            media_type, pieces = world.exposition.page(self.headers["Accept"])
            answers.add(media_type)
            body = b"".join(pieces)
            self.send_response(200)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is told."""

    server = HTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", answers
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def jobs(address: str, forms: tuple[str, ...], more: str = "") -> str:
    """YAML: every page in every form."""
    text = "scrape_configs:\n"
    for form in forms or ("default",):
        text += f"- job_name: {form}\n  honor_labels: true\n{more}"
        if forms:
            text += f"  scrape_protocols: [{form}]\n"
        text += "  static_configs:\n"
        for page in range(PAGES):
            text += f"  - targets: ['{address}']\n    labels: {{__metrics_path__: /{page}, page: '{page}'}}\n"
    return text


def stored(server: RunningPrometheus, job: str) -> dict[str, dict[Labels, float]]:
    """What the server has of each page: series, without what is the same for all, and their values."""
    found: dict[str, dict[Labels, float]] = {str(page): {} for page in range(PAGES)}
    own = "metronome_.+|up|scrape_.+|ALERTS.*"
    for series, value in server.query(f'{{job="{job}",page!="",__name__!~"{own}"}}').items():
        pairs = dict(series)
        page = pairs.pop("page")
        if not pairs["__name__"].endswith("_created"):
            found[page][frozenset(pair for pair in pairs.items() if pair[0] not in ("job", "instance"))] = (
                value
            )
    return found


def told(world: World, accept: str) -> dict[Labels, float]:
    """What prometheus_client reads on the page in OpenMetrics."""
    page = b"".join(world.exposition.page(accept)[1]).decode()
    found = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if not sample.name.startswith("metronome_") and not sample.name.endswith("_created"):
                pairs = {name: value for name, value in sample.labels.items() if value}
                place = frozenset({**pairs, "__name__": sample.name}.items())
                assert place not in found
                found[place] = sample.value
    return found


def differences(one: dict[Labels, float], other: dict[Labels, float]) -> list[str]:
    """What is in one of two only, or has another value."""
    return [
        f"{sorted(place)}: {one.get(place)} and {other.get(place)}"
        for place in one.keys() | other.keys()
        if place not in one
        or place not in other
        or not (one[place] == other[place] or (math.isnan(one[place]) and math.isnan(other[place])))
    ]


def wait_for_all(server: RunningPrometheus, job: str) -> None:
    """Every page was read, as its target says."""

    def states() -> dict[str, tuple[str, str]]:
        targets = server.ask("targets", state="active")["activeTargets"]
        return {
            one["labels"]["page"]: (one["health"], one["lastError"])
            for one in targets
            if one["labels"]["job"] == job
        }

    def read() -> bool:
        health = [one for one, _ in states().values()]
        return len(health) == PAGES and "unknown" not in health

    until = time.monotonic() + WAIT_SECONDS
    while not read() and time.monotonic() < until:
        time.sleep(0.2)
    assert {page: error for page, (health, error) in states().items() if health != "up"} == {}


def test_the_newest_reads_every_form(tmp_path: Path) -> None:
    """Text, OpenMetrics and protocol buffers say the same to it, under the names that were sent; and
    prometheus_client reads so too."""
    program = newest()
    require(program, "Prometheus 3, built by go")
    assert program is not None
    made = worlds()
    with served(made) as (address, answers):
        classic = "  always_scrape_classic_histograms: true\n"
        yaml = jobs(address, FORMS, classic)
        with RunningPrometheus(program, tmp_path / "new", interval="10s", settings=yaml) as server:
            for form in FORMS:
                wait_for_all(server, form)
            found = {form: stored(server, form) for form in FORMS}
    assert len(answers) == len(FORMS)
    accept = "application/openmetrics-text; version=1.0.0; escaping=allow-utf-8"
    for page, world in enumerate(made):
        wanted = told(world, accept)
        assert differences(wanted, found["OpenMetricsText1.0.0"][str(page)]) == []
        text = found["PrometheusText1.0.0"][str(page)]
        assert differences(wanted, {place: text[place] for place in wanted}) == []
        # Prometheus asks for names as they are in the newer forms only.
        plain = found["PrometheusText0.0.4"][str(page)]
        assert len(plain) == len(text)
        assert differences(plain, found["PrometheusProto"][str(page)]) == []


def test_debians_reads_every_page(tmp_path: Path) -> None:
    """An older server reads OpenMetrics, and with native histograms protocol buffers; its promtool
    finds nothing in text that cannot be read."""
    program = debian()
    require(program, "Prometheus and promtool, from Debian")
    assert program is not None
    made = worlds()
    with served(made) as (address, _):
        yaml = jobs(address, ())
        for flags in ((), ("--enable-feature=native-histograms",)):
            folder = tmp_path / f"old{len(flags)}"
            with RunningPrometheus(program, folder, interval="10s", settings=yaml, flags=flags) as server:
                wait_for_all(server, "default")
                if not flags:
                    found = stored(server, "default")
        for page, world in enumerate(made):
            assert differences(told(world, "application/openmetrics-text"), found[str(page)]) == []

    for world in made:
        text = b"".join(world.exposition.page("text/plain")[1])
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
        assert checked.returncode in (0, 3), checked.stderr
        assert b"error while linting" not in checked.stderr
