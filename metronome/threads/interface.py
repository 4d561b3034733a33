"""What a worker promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred

Result = TypeVar("Result")


class Worker(Protocol):
    """Does jobs one after another, in the order they were handed in, off the reactor."""

    def do(self, job: Callable[[], Result]) -> Deferred[Result]:
        """Queue a job; the Deferred fires in the reactor with its result or its failure."""
        ...

    def stop(self) -> Deferred[None]:
        """Finish what is queued, then end; ``do`` afterwards is a programming error."""
        ...
