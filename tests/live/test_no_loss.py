"""A gateway with much else to do loses no datagram; ``python -m tests.bench lossless`` is the full load."""

from __future__ import annotations

import pytest

from metronome.kernel import TWIN
from tests.bench import lossless
from tests.live.conftest import require
from tests.live.tools import which

pytestmark = pytest.mark.live


def test_flushes_collections_and_slow_answers_cost_no_datagram() -> None:
    """Each is counted in the store, while series are flushed, garbage is collected and much is asked for.
    Where the system allows no large buffer, what it dropped is known."""
    require(which("cc"), "a C compiler")
    require(TWIN == "native", "the native kernel")
    found = lossless.outcome(rate=20_000, seconds=3.0, series=10_000, objects=300_000)
    assert found.sent >= 50_000
    assert found.counted + found.dropped == found.sent
    assert found.shed == 0
    assert found.dropped == 0 or not found.widened
    assert found.flushes >= 2
    assert found.collections >= 2
    assert found.requests >= 1
