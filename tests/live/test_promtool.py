"""Prometheus' own checker reads the page of a real gateway that was sent awkward names."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.live.conftest import require
from tests.live.gateway import RunningGateway, eventually
from tests.live.tools import which

pytestmark = pytest.mark.live

AWKWARD = """\
app.hits:3|c|#http.code:200,le:5,stream:forged,quote:a"b\\c
app.hits:3|ms
app_hits:1|g
9lives:1|c
app.wait:10|ms|#__name__:x
app.wait_sum:1|g
x.total:1|c
y.bucket:1|g
who:a|s
metronome.received:1|c
last:1|g
"""


def test_promtool_reads_the_page(tmp_path: Path) -> None:
    """``promtool check metrics`` finds nothing that cannot be read (status 3 is taste)."""
    require(which("promtool"), "promtool (Debian package prometheus)")
    with RunningGateway(tmp_path / "data") as gateway:
        with socket.create_connection(("127.0.0.1", gateway.port("statsd", "tcp"))) as connection:
            connection.sendall(AWKWARD.encode())
        page = eventually(lambda: gateway.request("/metrics")[2].decode(), lambda text: "\nlast 1" in text)
        assert "\nlast 1" in page
        checked = subprocess.run(["promtool", "check", "metrics"], input=page, text=True, capture_output=True)
        assert checked.returncode in (0, 3), checked.stderr
        assert "error while linting" not in checked.stderr
        headers = {"Accept": "application/openmetrics-text; version=1.0.0"}
        status, answered, body = gateway.request("/metrics", headers=headers)
        assert status == 200
        assert answered["Content-Type"].startswith("application/openmetrics-text")
        assert len(list(text_string_to_metric_families(body.decode()))) > 10
