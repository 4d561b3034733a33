"""The real worker: one thread, jobs in order, results handed over to the reactor.

The thread is a daemon: a job that hangs (a disk that never answers) must not keep the
process from ending once the reactor has stopped.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import Deferred, execute
from twisted.internet.interfaces import IReactorFromThreads

Result = TypeVar("Result")


class ThreadWorker:
    """A ``Worker`` over one thread of its own, started at once.

    ``name`` is the thread's name, as debuggers and ``py-spy`` show it.
    """

    def __init__(self, reactor: IReactorFromThreads, name: str):
        self._reactor = reactor
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._stopping: list[Deferred[None]] = []
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def do(self, job: Callable[[], Result]) -> Deferred[Result]:
        """Queue a job; the Deferred fires in the reactor with its result or its failure."""
        if self._ended or self._stopping:
            raise RuntimeError(f"{self._thread.name}: a job was handed in after stop()")
        done: Deferred[Result] = Deferred()

        def work() -> None:
            # ``execute`` turns whatever the job raises into a Failure with its traceback;
            # the Deferred it returns has fired already and never leaves this thread.
            execute(job).addBoth(lambda result: self._reactor.callFromThread(done.callback, result))

        self._jobs.put(work)
        return done

    def stop(self) -> Deferred[None]:
        """Finish what is queued, end the thread and join it.  May be called again."""
        done: Deferred[None] = Deferred()
        if self._ended:
            done.callback(None)
            return done
        if not self._stopping:
            self._jobs.put(None)
        self._stopping.append(done)
        return done

    def _run(self) -> None:
        while (work := self._jobs.get()) is not None:
            work()
            del work  # and all that the job speaks of, which may be megabytes, before the next comes
        self._reactor.callFromThread(self._end)

    def _end(self) -> None:
        self._thread.join()
        self._ended = True
        stopping, self._stopping = self._stopping, []
        for done in stopping:
            done.callback(None)
