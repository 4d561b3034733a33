"""Rollup rules live: a real carbon's whisper files and Prometheus' own checker hold what an
independent count of what was sent says."""

from __future__ import annotations

import json
import random
import signal
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.live.carbon import RunningCarbon, environment
from tests.live.conftest import require
from tests.live.gateway import RunningGateway, eventually
from tests.live.tools import which

pytestmark = pytest.mark.live

RULES = """
[[rollup]]
match = "shop.*"
by = ["code"]
every = 2
stats = ["count", "mean", "p95", "max", "distinct", "last"]
graphite = "roll.{name}.{code}"

[[rollup]]
match = "shop.hits"
by = ["code"]
prometheus = "shop_hits"

[[rollup]]
match = "shop.wait"
prometheus = "shop_wait"
buckets = [10, 100]
"""


def send(gateway: RunningGateway, text: str) -> None:
    """Lines of statsd over TCP, so that none is lost before the gateway."""
    with socket.create_connection(("127.0.0.1", gateway.port("statsd", "tcp"))) as connection:
        connection.sendall(text.encode())


def samples(gateway: RunningGateway) -> dict[str, float]:
    """Lines of the page that are no comments."""
    lines = gateway.request("/metrics")[2].decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def test_whisper_holds_the_rollups(tmp_path: Path) -> None:
    """Hosts folded away, sums, percentiles and sets over all of them, late ticks, and a gateway
    that is killed in between: every total is exact, and no period is sent in part."""
    python = environment()
    require(python, "carbon and whisper from PyPI")
    assert python is not None
    config = tmp_path / "metronome.toml"
    config.write_text(RULES)
    draw = random.Random(6)
    hits: Counter[str] = Counter()
    late: Counter[int] = Counter()
    with RunningCarbon(python, tmp_path / "carbon", step=2) as carbon:
        address = f"tcp://127.0.0.1:{carbon.line_port}"
        options = {"graphite_out": address, "config": str(config)}
        with RunningGateway(tmp_path / "data", **options) as gateway:
            for turn in range(40):
                code, host = draw.choice(["200", "5/00"]), draw.randrange(5)
                hits[code] += turn
                send(
                    gateway,
                    f"shop.hits:{turn}|c|#code:{code},host:{host}\n"
                    f"shop.wait:{20 + host}|ms|#code:{code},host:{host}\n"
                    f"shop.who:u{turn}|s|#code:{code},host:{host}\n",
                )
                if turn % 8 == 7:
                    moment = int(time.time()) - 5
                    hits["200"] += 1000
                    late[moment // 2 * 2 + 2] += 1000
                    tick = {"name": "shop.hits", "n": 1000, "ts": moment, "v": {"code": "200"}}
                    assert gateway.request("/tick", json.dumps(tick).encode())[0] == 204
                if turn == 22:
                    time.sleep(1.5)
                    gateway.kill()
                    gateway.start()
                time.sleep(0.12)
            for code, path in (("200", "200"), ("5/00", "5_00")):
                wanted = hits[code]
                total = eventually(
                    lambda path=path: carbon.total(f"roll.shop.hits.{path}.count"),
                    lambda total, wanted=wanted: total >= wanted,
                    30,
                )
                assert total == wanted
            found = carbon.values()
            assert all(dict(found["roll.shop.hits.200.count"])[moment] >= n for moment, n in late.items())
            for path in ("200", "5_00"):
                p95s = [value for _, value in found[f"roll.shop.wait.{path}.p95"]]
                tops = [value for _, value in found[f"roll.shop.wait.{path}.max"]]
                assert all(0.98 * top - 5 <= p95 <= top for p95, top in zip(p95s, tops, strict=True))
            who = sum(carbon.total(f"roll.shop.who.{path}.distinct") for path in ("200", "5_00"))
            assert who == 40
            assert not any(path.startswith("stats.") for path in found)


def test_the_page_has_the_rules_families(tmp_path: Path) -> None:
    """promtool reads it; SIGHUP changes what is on it, and a bad file changes nothing."""
    require(which("promtool"), "promtool (Debian package prometheus)")
    config = tmp_path / "metronome.toml"
    config.write_text(RULES)
    with RunningGateway(tmp_path / "data", config=str(config)) as gateway:
        assert gateway.process is not None
        send(gateway, "".join(f"shop.hits:{n}|c|#code:a.b,host:h{n}\nshop.wait:{n}|ms\n" for n in range(50)))
        name = 'shop_hits_total{code="a.b"}'
        page = eventually(
            lambda: samples(gateway),
            lambda page: page.get(name) == sum(range(50)) and page.get("shop_wait_count") == 50,
        )
        assert page[name] == sum(range(50))
        assert page['shop_wait_bucket{le="10.0"}'] == 11
        assert page['shop_wait_bucket{le="+Inf"}'] == page["shop_wait_count"] == 50
        assert not any(one.startswith("shop_who") for one in page)
        text = gateway.request("/metrics")[2].decode()
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
        assert checked.returncode in (0, 3), checked.stderr
        assert "error while linting" not in checked.stderr

        config.write_text(RULES + '[[rollup]]\nmatch = "x"\n')
        gateway.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: "rollup 4: it has no output" in gateway.log, bool)
        cluster = '[[graphite-cluster]]\nname = "c"\npolicy = "any_of"\nmembers = ["127.0.0.1:1"]\n'
        config.write_text(RULES.replace("shop_wait", "shop_delay") + cluster)
        gateway.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: "rollup rules were read again" in gateway.log, bool)
        assert eventually(lambda: "other values for graphite-cluster: SIGHUP" in gateway.log, bool)
        send(gateway, "shop.hits:1|c|#code:a.b\nshop.wait:5|ms\n")
        page = eventually(lambda: samples(gateway), lambda page: "shop_delay_count" in page)
        assert page[name] == sum(range(50)) + 1
        assert page["shop_delay_count"] == 1
        assert "shop_wait_count" not in page
