"""Rollups of every kind are exact: what a real carbon has written and a real Prometheus answers is worked
out anew from the samples that were sent."""

from __future__ import annotations

import json
import math
import random
import socket
import time
from pathlib import Path

import pytest

from tests.live.carbon import RunningCarbon, environment
from tests.live.conftest import require
from tests.live.gateway import RunningGateway, eventually
from tests.live.prometheus import RunningPrometheus, debian

pytestmark = pytest.mark.live

PERIOD = 3
OVERS = ("sum", "mean", "min", "max", "last")
HOSTS = 12
RULES = "".join(
    f'[[rollup]]\nmatch = "load"\nkind = "gauge"\nby = ["dc"]\nover = "{over}"\nevery = {PERIOD}\n'
    f'graphite = "load.{{dc}}.{over}"\nbare = true\nprometheus = "load_{over}"\n'
    for over in OVERS
) + (
    f'[[rollup]]\nmatch = "*"\nby = ["dc"]\nevery = {PERIOD}\n'
    'stats = ["n", "d", "count", "rate", "mean", "min", "max", "sum", "std", "p50", "p95", "distinct"]\n'
    'graphite = "all.{name}.{dc}"\nprometheus = "all_{name}"\n'
)


def quantile(values: list[float], q: float) -> float:
    """The sample at that rank."""
    return sorted(values)[math.ceil(q * len(values)) - 1]


class Sent:
    """A period's samples of many hosts in two places, and what they come to."""

    def __init__(self) -> None:
        chance = random.Random(11)
        lines: list[str] = []
        self.ticks: list[dict[str, object]] = []
        self.carbon: dict[str, float] = {}
        self.prometheus: dict[tuple[str, str], float] = {}
        self.loads: dict[str, list[float]] = {}
        """The gauges: of one flush they are equally late, so the last is any of them."""
        for dc in ("a", "b"):
            hits, loads, waits, who, sales = 0, [], [], set(), []
            for host in range(HOSTS):
                tags = f"|#dc:{dc},host:h{host}\n"
                for _ in range(5):
                    number, rate = chance.randrange(1, 99), chance.choice((1.0, 0.5, 0.25))
                    hits += round(number / rate)
                    lines.append(f"hits:{number}|c|@{rate}{tags}")
                loads.append(chance.randrange(-400, 400) / 8)
                # First 0: what is below it begins with a sign, which would be a change.
                lines += [f"load:0|g{tags}", f"load:{loads[-1]}|g{tags}"]
                some = [chance.randrange(1, 9000) / 8 for _ in range(chance.randrange(1, 60))]
                waits += some
                lines.append("wait:" + ":".join(map(str, some)) + f"|ms{tags}")
                members = [f"u{chance.randrange(60)}" for _ in range(9)]
                who |= set(members)
                lines += [f"who:{member}|s{tags}" for member in members]
                sales.append((chance.randrange(1, 50), chance.randrange(50, 90)))
                labels = {"dc": dc, "host": f"h{host}"}
                self.ticks.append(
                    {"name": "sales", "n": sales[-1][0], "d": sales[-1][1], "p": PERIOD, "v": labels}
                )
            self._reckon(dc, hits, loads, waits, who, sales)
        self.lines = "".join(lines)

    def _reckon(
        self,
        dc: str,
        hits: int,
        loads: list[float],
        waits: list[float],
        who: set[str],
        sales: list[tuple[int, int]],
    ) -> None:
        self.loads[dc] = loads
        of_gauges = (sum(loads), sum(loads) / HOSTS, min(loads), max(loads))
        for over, value in zip(OVERS[:-1], of_gauges, strict=True):
            self.carbon[f"load.{dc}.{over}"] = self.prometheus[f"load_{over}", dc] = value
        mean = sum(waits) / len(waits)
        std = math.sqrt(sum((value - mean) ** 2 for value in waits) / len(waits))
        timer = {"count": len(waits), "mean": mean, "min": min(waits), "max": max(waits), "sum": sum(waits)}
        timer |= {"p50": quantile(waits, 0.5), "p95": quantile(waits, 0.95), "std": std}
        n, d = (sum(column) for column in zip(*sales, strict=True))
        self.carbon |= {f"all.wait.{dc}.{stat}": value for stat, value in timer.items()}
        self.carbon |= {
            f"all.hits.{dc}.n": hits,
            f"all.hits.{dc}.rate": hits / PERIOD,
            f"all.who.{dc}.distinct": len(who),
            f"all.sales.{dc}.n": n,
            f"all.sales.{dc}.d": d,
            f"all.sales.{dc}.mean": n / d,
        }
        self.prometheus |= {
            ("all_hits_total", dc): hits,
            ("all_sales_total", dc): n,
            ("all_who", dc): len(who),
            ("all_wait_count", dc): len(waits),
            ("all_wait_sum", dc): sum(waits),
        }


def test_every_kind(tmp_path: Path) -> None:
    """Counters sum, gauges do as their rule says, percentiles are of all hosts' samples, sets unite,
    and a ratio's mean is the sum of n over the sum of d."""
    python, program = environment(), debian()
    require(python and program, "carbon and whisper from PyPI, Debian's Prometheus")
    assert python is not None
    assert program is not None
    (tmp_path / "metronome.toml").write_text(RULES)
    sent = Sent()
    with RunningCarbon(python, tmp_path / "carbon", step=PERIOD) as carbon:
        options = {"config": str(tmp_path / "metronome.toml"), "flush_interval": str(PERIOD)}
        out = f"tcp://127.0.0.1:{carbon.line_port}"
        with RunningGateway(tmp_path / "var", graphite_out=out, **options) as gateway:
            place = {"metronome": (f"127.0.0.1:{gateway.port('http', 'tcp')}", gateway.token)}
            with RunningPrometheus(program, tmp_path / "prometheus", scrapes=place) as server:
                # What a rule does not know the whole of it does not give out: the second period is whole.
                began = (time.time() // PERIOD + 2) * PERIOD
                time.sleep(began + 0.3 - time.time())
                with socket.create_connection(("127.0.0.1", gateway.port("statsd", "tcp"))) as connection:
                    connection.sendall(sent.lines.encode())
                for item in sent.ticks:
                    item["ts"] = began
                assert gateway.request("/tick", json.dumps(sent.ticks).encode())[0] == 204
                assert time.time() < began + PERIOD, "this machine is too busy for the test"
                moment = int(began) + PERIOD
                found = eventually(
                    lambda: {path: dict(points).get(moment) for path, points in carbon.values().items()},
                    lambda values: all(values.get(path) is not None for path in sent.carbon),
                )
                for path, value in sent.carbon.items():
                    inexact = path.endswith((".p50", ".p95"))
                    assert found.get(path) == pytest.approx(value, rel=0.0101 if inexact else 1e-9), path
                for dc, loads in sent.loads.items():
                    last = found[f"load.{dc}.last"]
                    assert last in loads
                    sent.prometheus["load_last", dc] = last
                for (name, dc), value in sent.prometheus.items():
                    asked = f'{name}{{dc="{dc}"}}'
                    answer = eventually(lambda asked=asked: server.query(asked), bool)
                    assert list(answer.values()) == pytest.approx([value]), asked
