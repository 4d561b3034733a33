"""Commands that work on stores and files without a gateway: a reactor for as long as it takes."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any, TypeVar, cast

from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred
from twisted.internet.task import react

from metronome.assembly import make_store
from metronome.config import Config
from metronome.errors import ConfigError
from metronome.receivers.interface import IReactor
from metronome.store.interface import Store

Result = TypeVar("Result")


def run(work: Callable[[IReactor], Deferred[Result]]) -> Result:
    """Run the reactor until the work is done; its result, or its failure raised.

    ``KeyboardInterrupt`` when a signal ended it before.  A process can do this once.
    """
    results: list[Result] = []
    failures: list[BaseException] = []

    def begin(reactor: object) -> Deferred[Any]:
        done = maybeDeferred(work, cast(IReactor, reactor))
        return done.addCallbacks(results.append, lambda failure: failures.append(failure.value))

    with suppress(SystemExit):
        react(begin)
    for failure in failures:
        if isinstance(failure, OSError):
            raise ConfigError(f"{failure.filename or 'the disk'}: {failure.strerror}") from failure
        raise failure
    if not results:
        raise KeyboardInterrupt
    return results[0]


@inlineCallbacks
def with_store(
    config: Config, reactor: IReactor, work: Callable[[Store], Deferred[Result]], *, read_only: bool = False
) -> Generator[Deferred[Any], Any, Result]:
    """Do something with the store that the settings name, started before and stopped afterwards."""
    store = make_store(config, reactor, read_only=read_only)
    try:
        yield store.start()
        result: Result = yield work(store)
    finally:
        yield store.stop()
    return result
