"""Live tests want real servers, clients and a browser.  Where one is missing they are left out,
loudly; with ``METRONOME_REQUIRE_LIVE=1`` (CI) that is a failure."""

from __future__ import annotations

import os
from typing import Any

import pytest

LEFT_OUT = "LEFT OUT: needs "


def require(condition: object, what: str) -> None:
    """Go on where the condition holds; else leave the test out, or fail where it must run."""
    if condition:
        return
    if os.environ.get("METRONOME_REQUIRE_LIVE", "") not in ("", "0"):
        pytest.fail(f"this test must run here, and needs {what}", pytrace=False)
    pytest.skip(LEFT_OUT + what)


@pytest.fixture(scope="session")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A node of Elasticsearch and one of OpenSearch, for all tests."""
    from tests.live import search

    yield from search.serving(tmp_path_factory)


@pytest.fixture
def elasticsearch(clusters: Any) -> Any:
    """The node of Elasticsearch, empty."""
    return clusters.empty("elasticsearch")


@pytest.fixture
def opensearch(clusters: Any) -> Any:
    """The node of OpenSearch, empty."""
    return clusters.empty("opensearch")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Name what was left out at the end, where it is seen."""
    for report in terminalreporter.stats.get("skipped", []):
        reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if LEFT_OUT in reason:
            terminalreporter.write_line(f"{report.nodeid}: {reason.removeprefix('Skipped: ')}", red=True)
