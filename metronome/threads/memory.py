"""Workers without threads: one that moves a job at a time, one that never waits.

Tests and the simulation decide with ``MemoryWorker`` when a job happens, and so reach
every interleaving; ``ImmediateWorker`` is for those to whom it does not matter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, execute, succeed

Result = TypeVar("Result")


class MemoryWorker:
    """A ``Worker`` whose jobs are done by ``step()`` and ``run_all()`` in the caller."""

    def __init__(self) -> None:
        self._jobs: deque[tuple[Callable[[], Any], Deferred[Any]]] = deque()
        self._stopped = False

    def do(self, job: Callable[[], Result]) -> Deferred[Result]:
        """Queue a job; the Deferred fires within the step that does it."""
        if self._stopped:
            raise RuntimeError("a job was handed in after stop()")
        return self._queue(job)

    def stop(self) -> Deferred[None]:
        """Fires in the step behind the last queued job."""
        self._stopped = True
        return self._queue(lambda: None)

    def step(self) -> bool:
        """Do the oldest job; whether there was one."""
        if not self._jobs:
            return False
        job, done = self._jobs.popleft()
        execute(job).addBoth(done.callback)
        return True

    def run_all(self) -> int:
        """Step until nothing is queued, also what the steps themselves queue; how many."""
        steps = 0
        while self.step():
            steps += 1
        return steps

    def waiting(self) -> int:
        """How many jobs are queued."""
        return len(self._jobs)

    def drop_all(self) -> int:
        """Forget what is queued, as a crash would; its Deferreds never fire."""
        dropped = len(self._jobs)
        self._jobs.clear()
        return dropped

    def _queue(self, job: Callable[[], Result]) -> Deferred[Result]:
        done: Deferred[Result] = Deferred()
        self._jobs.append((job, done))
        return done


class ImmediateWorker:
    """A ``Worker`` that has done the job when ``do`` returns."""

    def __init__(self) -> None:
        self._stopped = False

    def do(self, job: Callable[[], Result]) -> Deferred[Result]:
        """Do the job now; the Deferred has fired already."""
        if self._stopped:
            raise RuntimeError("a job was handed in after stop()")
        return execute(job)

    def stop(self) -> Deferred[None]:
        """Nothing is ever queued, so this has happened already."""
        self._stopped = True
        return succeed(None)
