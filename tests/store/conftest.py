"""Failures in the shared contract say what they compared."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    "tests.store.contract", "tests.store.contract_export", "tests.store.contract_keeping"
)
