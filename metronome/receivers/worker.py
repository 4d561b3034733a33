"""One worker process as its gateway sees it, from its start to its end."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol, cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport, IReactorProcess
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from metronome.wire import worker as wire

FIRST_SOCKET = 3
"""Descriptors of a worker: 0 commands, 1 answers, 2 the gateway's standard error, then its sockets."""


class Owner(Protocol):
    """Who started it."""

    def heard(self, worker: Worker, what: int, content: bytes) -> None:
        """It said something.  ``ValueError`` where that makes no sense."""
        ...

    def ended(self, worker: Worker, reason: str) -> None:
        """It is gone, for this reason; everything that it said was heard."""
        ...


class Worker(ProcessProtocol):
    """Runs ``metronome.worker`` and talks to it."""

    def __init__(self, owner: Owner, place: int, began: float):
        """``place`` says which of each address's sockets it reads; it was started at ``began``."""
        self.place = place
        self.began = began
        self.listens = False
        self.asked = 0
        self.answered = 0
        self.watched = False
        self.gone: Deferred[None] = Deferred()
        self._owner = owner
        self._frames = wire.Frames()
        self._damage = ""

    def start(self, reactor: IReactorProcess, settings: wire.Settings, sockets: Sequence[int]) -> None:
        """Start the process; ``OSError`` where it cannot be."""
        command = [sys.executable, "-m", "metronome.worker"]
        descriptors: dict[int, str | int] = {0: "w", 1: "r", 2: 2}
        descriptors |= {FIRST_SOCKET + index: fd for index, fd in enumerate(sockets)}
        reactor.spawnProcess(self, sys.executable, command, env=None, childFDs=descriptors)
        self.say(wire.settings(settings))

    def say(self, frame: bytes) -> None:
        """Tell it something; nothing where it is gone."""
        cast("_Transport", self.transport).writeToChild(0, frame)

    def ask(self) -> None:
        """Ask for what it has."""
        self.asked += 1
        self.say(wire.number(wire.TAKE, self.asked))

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessExitedAlready):
            cast(IProcessTransport, self.transport).signalProcess("KILL")

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        if self._damage:
            return
        try:
            for what, content in self._frames.feed(data):
                if what == wire.DONE:
                    self.listens = True
                    self.answered = wire.read_number(content)
                self._owner.heard(self, what, content)
        except ValueError as error:
            self._damage = f"what it said makes no sense: {error}"
            self.kill()

    def processEnded(self, reason: Failure) -> None:
        self.listens = False
        self._owner.ended(self, self._damage or reason.getErrorMessage())
        self.gone.callback(None)


class _Transport(Protocol):
    """What is used of Twisted's process transport beyond its interface."""

    def writeToChild(self, childFD: int, data: bytes) -> None: ...
