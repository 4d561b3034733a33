"""The real worker: order, failures, the reactor's thread, and an end that is an end."""

from __future__ import annotations

import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from twisted.internet.defer import Deferred

from metronome.threads.thread import ThreadWorker


class Turns:
    """As much of a reactor as a worker needs: calls from threads, done by ``until``."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], Any]] = queue.SimpleQueue()

    def callFromThread(self, call: Callable[..., Any], *args: Any) -> None:
        self._calls.put(lambda: call(*args))

    def until(self, done: Deferred[Any]) -> None:
        while not done.called:
            self._calls.get(timeout=5)()


@pytest.fixture
def turns() -> Turns:
    return Turns()


@pytest.fixture
def worker(turns: Turns) -> Iterator[ThreadWorker]:
    worker = ThreadWorker(turns, "worker under test")
    yield worker
    turns.until(worker.stop())


def test_jobs_are_done_in_order_on_one_other_thread(turns: Turns, worker: ThreadWorker) -> None:
    """Ten jobs end in the order they came in, all on the same thread, not the caller's."""
    done: list[tuple[int, int]] = []
    for number in range(10):
        last = worker.do(lambda number=number: done.append((number, threading.get_ident())))
    turns.until(last)
    assert [number for number, _ in done] == list(range(10))
    assert len({thread for _, thread in done} - {threading.get_ident()}) == 1


def test_what_a_job_speaks_of_is_let_go_when_it_is_done(turns: Turns, worker: ThreadWorker) -> None:
    """An idle worker keeps nothing alive; a job's batch may be megabytes."""
    batch = np.zeros(1)
    seen = weakref.ref(batch)
    turns.until(worker.do(lambda batch=batch: None))
    del batch
    until = time.monotonic() + 5
    while seen() is not None and time.monotonic() < until:
        time.sleep(0.001)
    assert seen() is None


def test_a_result_comes_in_the_reactor(turns: Turns, worker: ThreadWorker) -> None:
    """The Deferred fires where callFromThread runs it, with what the job returned."""
    seen: list[tuple[int, int]] = []
    done = worker.do(lambda: 6 * 7)
    done.addCallback(lambda result: seen.append((result, threading.get_ident())))
    turns.until(done)
    assert seen == [(42, threading.get_ident())]


def test_a_failure_keeps_its_type_and_the_worker_goes_on(turns: Turns, worker: ThreadWorker) -> None:
    """A job that raises fails its own Deferred only."""
    caught: list[type] = []

    def job() -> None:
        raise OSError(28, "no room")

    first = worker.do(job)
    first.addErrback(lambda failure: caught.append(failure.type))
    second = worker.do(lambda: "next")
    turns.until(second)
    assert caught == [OSError]
    assert second.result == "next"


def test_stop_finishes_the_queue_and_joins() -> None:
    """Jobs queued before stop() are done before it fires; the thread is gone then."""
    turns = Turns()
    worker = ThreadWorker(turns, "the one that ends")
    done = [worker.do(lambda: time.sleep(0.005)) for _ in range(5)]
    first, second = worker.stop(), worker.stop()
    with pytest.raises(RuntimeError, match="the one that ends"):
        worker.do(lambda: None)
    turns.until(second)
    assert first.called
    assert all(each.called for each in done)
    assert "the one that ends" not in {thread.name for thread in threading.enumerate()}
    assert worker.stop().called
    with pytest.raises(RuntimeError):
        worker.do(lambda: None)
