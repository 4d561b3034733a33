"""What every test shares: Hypothesis profiles, and contracts whose failures say what they compared."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# Here, because tests of other folders use them before those of the stores are read.
pytest.register_assert_rewrite(
    "tests.store.contract",
    "tests.store.contract_export",
    "tests.store.contract_keeping",
    "tests.store.contract_packs",
)

_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("ci", derandomize=True, max_examples=100, **_COMMON)
settings.register_profile("nightly", max_examples=5000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
