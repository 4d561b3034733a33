"""What a question may see, so that every record counts once.

- *All that is applied.*  Searches find documents some seconds after they were written.  What this
  gateway has applied since the last refresh is refreshed before a question; so an answer always
  includes every record before the position that it names.
- *Nothing else of ours.*  Documents of a batch that is not applied yet are left out: the reader
  has them from the journal.
- *A part or what it was merged into.*  While a round of the ladder is under way there are both.
  The stream's ladder document says which of them count (``elastic_ladder.hidden``).  When it has
  changed while a question was asked, the question is asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from metronome.errors import StoreUnavailable
from metronome.store.elastic_client import Client
from metronome.store.elastic_ladder_state import hidden, ladder_id
from metronome.store.elastic_meta import NOTHING, Kept, Meta
from metronome.store.elastic_names import Names, listed
from metronome.store.elastic_query import Clause, unapplied
from metronome.store.elastic_search import Server
from metronome.store.elastic_write import Shared

Answer = TypeVar("Answer")
_TRIES: Final = 10


class _Changed(Exception):
    """The ladder has moved on."""


class View:
    """What one question sees."""

    def __init__(self, server: Server, names: Names, applied: dict[str, int], own: dict[str, int]):
        self.server = server
        self.names = names
        self.applied = applied
        self.unwanted: list[Clause] = unapplied(own)
        self.check: Callable[[], None] = _nothing

    @contextmanager
    def snapshot(self, index: str) -> Iterator[dict[str, str]]:
        """A point in time in which this view is true."""
        with self.server.snapshot(index) as pit:
            self.check()
            self.check = _nothing  # whatever happens from now on is not in it
            yield pit


class Views:
    """Makes views; for several threads at once."""

    def __init__(self, client: Client, server: Server, names: Names, meta: Meta, shared: Shared):
        self._client = client
        self._server = server
        self._names = names
        self._meta = meta
        self._shared = shared
        self._ladders: dict[str, Kept] = {}

    def ask(self, question: Callable[[View], Answer], stream: str = "") -> Answer:
        """Ask over a view; with a stream, one in which its ladder stands still."""
        for _ in range(_TRIES):
            view = self._view()
            if not stream:
                return question(view)
            ladder = self._ladders.get(stream, NOTHING)
            view.unwanted = [*view.unwanted, *hidden(ladder.content)]
            view.check = lambda was=ladder: self._check(stream, was)  # type: ignore[misc]
            try:
                answer = question(view)
                view.check()
            except _Changed:
                continue
            return answer
        raise StoreUnavailable("parts are merged faster than they can be read; try again")

    def refresh_all(self) -> None:
        """Have all documents be found but for those of indices that are red: they answer nobody until
        they are back, and a refresh would wait for that."""
        told = self._client.call(
            "GET", f"/_cluster/health/{self._names.prefix}-*", params={"level": "indices", "timeout": "1s"}
        )
        red = [name for name, index in told.get("indices", {}).items() if index["status"] == "red"]
        every = (self._names.points, self._names.ticks, self._names.ids)
        self.refresh(",".join([*every, *(f"-{name}" for name in sorted(red))]))

    def refresh(self, index: str) -> None:
        """Have all documents be found."""
        answer = self._client.call(
            "POST", f"/{index}/_refresh", params={"ignore_unavailable": True, "allow_no_indices": True}
        )
        if answer["_shards"]["failed"]:
            raise StoreUnavailable("some of the cluster's shards cannot answer")

    def _view(self) -> View:
        applied, own = self._shared.applied(), self._shared.own()
        touched = self._shared.take_touched()
        if touched:
            done = False
            try:
                self.refresh(listed(touched))
                done = True
            finally:
                if not done:
                    self._shared.touched(touched)
        return View(self._server, self._names, applied, own)

    def _check(self, stream: str, was: Kept) -> None:
        now = self._meta.get(ladder_id(stream))
        if now.mark != was.mark:
            self._ladders[stream] = now
            raise _Changed


def _nothing(*_: Any) -> None:
    return None
