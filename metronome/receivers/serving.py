"""A thread that receives by itself: see ``doc/decisions`` for why there is one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger
from twisted.python.failure import Failure

Serve = Callable[[int, int], None]
"""Reads the socket of the first descriptor until the second can be read."""


class ServingThread:
    """Runs ``serve`` for one socket."""

    log = Logger()

    def __init__(self, reactor: IReactorFromThreads, name: str, serve: Serve, fd: int):
        """Starts at once; ``name`` is the thread's, as debuggers show it."""
        self._reactor = reactor
        self._serve = serve
        self._fd = fd
        self._told, self._tell = os.pipe()
        self._ended: Deferred[None] = Deferred()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> Deferred[None]:
        """Have it read what has arrived and end; fires when it has.  To be called once."""
        os.write(self._tell, b".")
        return self._ended

    def _run(self) -> None:
        try:
            self._serve(self._fd, self._told)
        except OSError:
            self._reactor.callFromThread(self._failed, Failure())
        self._reactor.callFromThread(self._end)

    def _failed(self, failure: Failure) -> None:
        self.log.failure("the receiving thread {name} has failed", failure, name=self._thread.name)

    def _end(self) -> None:
        self._thread.join()
        os.close(self._told)
        os.close(self._tell)
        self._ended.callback(None)
