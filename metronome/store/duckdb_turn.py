"""A question's turn at the database, which the reactor can call off.

All work waits for the job in hand, so a question must not go on for ever.  DuckDB can be
interrupted from another thread; what has to be made sure is that the interrupt meets the
question it is meant for, and not the job behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from metronome.errors import ClientError
from metronome.store.duckdb_file import Connection

Result = TypeVar("Result")


class Turn:
    """One question: taken on the worker's thread, called off from the reactor's."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._connection: Connection | None = None
        self._off = False

    def take(self, connection: Connection, question: Callable[[], Result]) -> Result:
        """Ask; DuckDB's ``InterruptException`` when it is called off on the way, and
        ``ClientError`` when it was before its turn came."""
        with self._lock:
            if self._off:
                raise ClientError("overloaded", 503, "the store was busy for too long", retry_after=5)
            self._connection = connection
        try:
            return question()
        finally:
            # Not while call_off is at it: behind this the next job begins.
            with self._lock:
                self._connection = None

    def call_off(self) -> None:
        """End the question as soon as DuckDB notices; nothing when it is over."""
        with self._lock:
            self._off = True
            if self._connection is not None:
                self._connection.interrupt()
