"""A question that takes too long is called off, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from threading import Event, Thread

import duckdb
import pytest
from twisted.internet.task import Clock

from metronome.errors import ClientError
from metronome.limits import STORE_PATIENCE
from metronome.model import Selection
from metronome.store import open_store
from metronome.store.duckdb_turn import Turn
from metronome.threads.memory import MemoryWorker
from tests.store.build import batch, counter, parts

FOR_EVER = "SELECT sum(a.x * b.x) FROM range(10000000) a(x), range(10000000) b(x)"


def test_a_running_question_is_interrupted() -> None:
    """DuckDB gives up soon, and the connection answers the next question."""
    turn, over, connection = Turn(), Event(), duckdb.connect()

    def call_off() -> None:
        while not over.wait(0.05):
            turn.call_off()

    def question() -> None:
        caller.start()
        connection.execute(FOR_EVER).fetchall()

    caller = Thread(target=call_off)
    with pytest.raises(duckdb.InterruptException):
        turn.take(connection, question)
    over.set()
    caller.join()
    assert connection.execute("SELECT 1").fetchall() == [(1,)]
    connection.close()


def test_a_question_that_is_over_cannot_be_called_off() -> None:
    """The interrupt does not meet whatever comes next."""
    turn, connection = Turn(), duckdb.connect()
    assert turn.take(connection, lambda: 5) == 5
    turn.call_off()
    assert connection.execute("SELECT sum(x) FROM range(100000) t(x)").fetchall() == [(4999950000,)]
    connection.close()


def test_a_question_called_off_before_its_turn_is_not_asked() -> None:
    """The client is told to come later."""
    turn, asked = Turn(), []
    turn.call_off()
    with duckdb.connect() as connection, pytest.raises(ClientError, match="overloaded") as caught:
        turn.take(connection, lambda: asked.append(1))
    assert (caught.value.status, caught.value.retry_after, asked) == (503, 5, [])


def test_the_store_loses_patience() -> None:
    """Questions wait so long and no longer; writes wait for ever; the clock is left clean."""
    clock, worker = Clock(), MemoryWorker()
    store = open_store("duckdb::memory:", data_dir=Path("."), worker=worker, clock=clock)
    store.start()
    results: list[object] = []
    store.write(batch("g", parts(counter("c", 0, 1)))).addBoth(results.append)
    store.find(Selection("main", "*")).addBoth(lambda failure: results.append(failure.value.reason))
    clock.advance(STORE_PATIENCE)
    store.find(Selection("main", "*")).addBoth(lambda found: results.append(len(found)))
    worker.run_all()
    assert results == [None, "overloaded", 1]
    assert clock.getDelayedCalls() == []
    store.stop()
    worker.run_all()
