"""Real clusters answer as the store in memory does, whatever was written, merged and forgotten."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.live.search import empty, store_of
from tests.store.test_same_answers import check, scripts, several_questions

pytestmark = pytest.mark.live

few = settings(
    max_examples=max(settings().max_examples // 10, 10),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@few
@given(scripts, several_questions)
def test_elasticsearch_answers_as_memory(elasticsearch: Any, script: list[Any], asked: list[Any]) -> None:
    """Any script leaves both with the same answers to any question."""
    empty(elasticsearch)
    check(store_of(elasticsearch), script, asked)


@few
@given(scripts, several_questions)
def test_opensearch_answers_as_memory(opensearch: Any, script: list[Any], asked: list[Any]) -> None:
    """Any script leaves both with the same answers to any question."""
    empty(opensearch)
    check(store_of(opensearch), script, asked)
