"""statsd_exporter and Metronome with the same mapping file and the same load show the same.

What differs on purpose is in ``doc/mapping.md``: here counters' names and buckets' limits are read
alike, and no name without a rule is a timer.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from metronome.errors import ConfigError
from metronome.fold.mapping import load
from metronome.fold.rules import Book
from metronome.fold.shapes import Shapes
from tests.conformance.test_mapping import CASES
from tests.gateway.test_exposition import World
from tests.live.conftest import require
from tests.live.gateway import RunningGateway, eventually
from tests.live.statsd_exporter import RunningExporter, Sample, helps, program, samples, send

pytestmark = pytest.mark.live

RULES = r"""
defaults:
  summary_options:
    quantiles: [{quantile: 0.5, error: 0.01}, {quantile: 0.99, error: 0.001}]
  histogram_options: {buckets: [0.01, 0.05, 0.1, 1]}
mappings:
- {match: shop.*.*.requests, name: http_requests, help: requests of shops, labels: {app: $1, code: "${2}"}}
- {match: shop.secret.500.requests, name: never_reached}
- {match: shop.*.latency, name: "${1}_latency_seconds", observer_type: histogram}
- match: own.buckets
  name: own_buckets
  observer_type: histogram
  histogram_options: {buckets: [1, 2.5, 30]}
- {match: wait.*, name: wait_seconds, labels: {what: $1}}
- {match: size.*.kb, name: size_bytes, scale: 1024, labels: {what: $1}}
- {match: mixed.*, name: mixed_counter, match_metric_type: counter, labels: {which: $1}}
- {match: mixed.*, name: mixed_gauge, match_metric_type: gauge, labels: {which: $1}}
- {match: mixed.*, name: mixed_observer, match_metric_type: observer, labels: {which: $1}}
- {match: honor.*, name: honored, honor_labels: true, labels: {env: default, part: $1}}
- {match: rule.*, name: ruled, labels: {env: default, part: $1}}
- {match: short.*, name: short_lived, ttl: 3s, labels: {which: $1}}
- {match: debug.*, name: dropped, action: drop}
- match: '^queue\.(?P<queue>[a-z]+)\.(depth|age)$'
  match_type: regex
  name: queue_$2
  labels: {queue: $queue, all: $0}
- {match: '\.tail$', match_type: regex, name: any_tail, labels: {name: "$0"}}
"""

LOAD = """\
shop.web.200.requests:3|c
shop.web.500.requests:2|c|@0.5
shop.secret.500.requests:1|c
shop.web.200.requests:4|c|#zone:eu,app:forged
shop.web.latency:5|ms
shop.web.latency:50|ms
shop.web.latency:51|ms|@0.5
shop.web.latency:2000|ms
shop.app.latency:10|ms
own.buckets:2|h
own.buckets:2.5|h
own.buckets:100|d
size.disk.kb:10|g
size.disk.kb:+5|g
size.net.kb:3|c
mixed.a:7|c
mixed.a:8|g
mixed.a:9|ms
mixed.a:0.01|h
honor.x:1|c
honor.x:1|c|#env:sent,other:1
rule.x:1|c|#env:sent,other:1
rule.x,env=influx:1|c
rule.x#env=librato:1|c
rule.x[env=signalfx]:1|c
short.one:1|g
short.two:1|c
debug.this:1|c
debug.that:1|ms
queue.mail.depth:12|g
queue.mail.age:3|g
queue.mail.other:1|g
a.b.tail:1|c
plain.counter:5|c
plain.gauge:-3|g
plain.gauge:-4|g
tagged:1|c|#k:v
bad:x|c
worse
"""
LOAD += "".join(f"wait.{which}:{value}|ms\n" for value in range(1, 101) for which in ("mail", "print"))

OTHER_RULES = """
mappings:
- {match: shop.*.*.requests, name: http_requests, labels: {app: $1, code: "${2}"}}
- {match: new.*, name: brand_new, labels: {which: $1}}
- {match: queue.*.depth, name: depth_of_queues, labels: {queue: $1}}
"""


def alike(ours: dict[Sample, float], theirs: dict[Sample, float]) -> list[str]:
    """What two pages say otherwise, in sentences.  Quantiles may lie as far apart as their errors say."""
    said = [f"only here: {one}" for one in sorted(ours.keys() - theirs.keys())]
    said += [f"only there: {one}" for one in sorted(theirs.keys() - ours.keys())]
    for one in sorted(ours.keys() & theirs.keys()):
        quantile = dict(one.labels).get("quantile")
        far = 0.002 if quantile else 1e-9 * max(1.0, abs(theirs[one]))
        if not abs(ours[one] - theirs[one]) <= far:
            said.append(f"{one}: {ours[one]} here, {theirs[one]} there")
    return said


def differences(gateway: RunningGateway, exporter: RunningExporter) -> list[str]:
    """What is different on the two pages in the end."""

    def ask() -> list[str]:
        theirs = samples(exporter.page())
        if not theirs:
            return ["nothing is there yet"]
        return alike(samples(gateway.request("/metrics")[2].decode()), theirs)

    return eventually(ask, lambda said: not said, seconds=15)


def families(exporter: RunningExporter) -> set[str]:
    """What the exporter shows."""
    return {one.family for one in samples(exporter.page())}


def test_the_same_page(tmp_path: Path) -> None:
    """Families, labels and values; also when samples go on, series leave, and rules are read again."""
    require(program(), "statsd_exporter (go install)")
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES)
    with (
        RunningExporter(tmp_path, RULES) as exporter,
        RunningGateway(tmp_path / "data", mapping=str(rules), admin="") as gateway,
    ):
        assert gateway.process is not None
        ports = (exporter.port, gateway.port("statsd", "tcp"))
        for port in ports:
            send(port, LOAD)
        assert differences(gateway, exporter) == []
        page = samples(exporter.page())
        assert len(page) > 50
        assert helps(exporter.page())["http_requests"] == "requests of shops"
        assert helps(gateway.request("/metrics")[2].decode())["http_requests"] == "requests of shops"
        # Quantiles of the exporter are of ten minutes, ours of the last period: sent once only.
        again = [line for line in LOAD.splitlines(True) if not line.startswith(("wait.", "mixed."))]
        for port in ports:
            send(port, "".join(again))
        assert differences(gateway, exporter) == []
        assert not eventually(lambda: "short_lived" in families(exporter), lambda there: not there)
        assert differences(gateway, exporter) == []
        rules.write_text(OTHER_RULES)
        gateway.process.send_signal(signal.SIGHUP)
        exporter.reload(OTHER_RULES)
        assert eventually(lambda: "mapping rules were read again" in gateway.log, bool)
        time.sleep(0.5)
        for port in ports:
            send(port, "shop.web.200.requests:1|c\nnew.thing:1|c\nqueue.mail.depth:9|g\nsize.disk.kb:1|g\n")
        assert eventually(lambda: "depth_of_queues" in families(exporter), bool)
        assert differences(gateway, exporter) == []


TYPES = {"counter": ["c"], "gauge": ["g"], "observer": ["h", "ms"]}


def lines_of(case: dict[str, Any]) -> str:
    """A load for the names that a case asks for."""
    lines = []
    for look_up in case["lookups"]:
        for word in TYPES[look_up.get("metricType", "counter")]:
            lines += [f"{look_up['statsdMetric']}:{value}|{word}\n" for value in (3, 4)]
    return "".join(lines)


@pytest.mark.parametrize(
    "case", [case for case in CASES if not case["config_bad"]], ids=lambda case: str(case["name"])
)
def test_the_given_cases(case: dict[str, Any], tmp_path: Path) -> None:
    """Each mapping file of statsd_exporter's own tests, by the whole way from the line to the page."""
    require(program(), "statsd_exporter (go install)")
    mapping = load(case["config_yaml"])
    world = World()
    world.kit.intake.use_mapper(mapping.mapper())
    world.exposition.use(Book(shapes=Shapes(mapping)))
    with RunningExporter(tmp_path, case["config_yaml"]) as exporter:
        send(exporter.port, lines_of(case))
        world.send(lines_of(case))
        ours = samples(world.page())

        def ask() -> list[str]:
            return alike(ours, samples(exporter.page()))

        assert eventually(ask, lambda said: not said, seconds=3) == []


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["config_bad"]], ids=lambda case: str(case["name"])
)
def test_what_it_refuses_is_refused(case: dict[str, Any], tmp_path: Path) -> None:
    """It does not start, and neither does a gateway."""
    require(program(), "statsd_exporter (go install)")
    with pytest.raises(ConfigError):
        load(case["config_yaml"])
    exporter = RunningExporter(tmp_path, case["config_yaml"])
    with pytest.raises(RuntimeError, match="error loading config"), exporter:
        pass
