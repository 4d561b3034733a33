"""What receivers stand on in their tests: an inlet that remembers, and a reactor in memory."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from metronome.addresses import parse
from metronome.gateway.telemetry import Telemetry
from metronome.options import RECEIVER_PARAMETERS
from metronome.receivers.interface import Given
from metronome.wire.worker import Frames


class RememberingInlet:
    """Keeps what it is fed; full while ``full`` is true."""

    source = "statsd_test"
    serves = False

    def __init__(self) -> None:
        self.blocks: list[tuple[bytes, str]] = []
        self.rejects: list[tuple[str, bytes]] = []
        self.dropped = 0
        self.full = False
        self.watched = False
        self._waiters: list[Deferred[None]] = []

    def statsd(self, block: bytes, sender: str = "") -> None:
        self.blocks.append((block, sender))

    graphite = statsd

    def drain(self, fd: int, budget: int) -> int:
        raise AssertionError("the tests here watch the input, so it is fed datagram by datagram")

    def reject(self, reason: str, excerpt: bytes, sender: str = "", number: int = 1) -> None:
        self.rejects += [(reason, excerpt)] * number

    def kernel_dropped(self, number: int) -> None:
        self.dropped += number

    def blocked(self) -> bool:
        return self.full

    def when_free(self) -> Deferred[None]:
        self._waiters.append(Deferred())
        return self._waiters[-1]

    def freed(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.callback(None)

    @property
    def text(self) -> bytes:
        """All blocks after one another."""
        return b"".join(block for block, _ in self.blocks)


def given(address: str, inlet: RememberingInlet, **over: Any) -> Given:
    """What a receiver is given, on a reactor in memory."""
    transports = ("udp", "tcp", "tls", "unix", "unixgram")
    made = Given(
        reactor=over.pop("reactor", None) or MemoryReactorClock(),
        address=parse(address, transports, RECEIVER_PARAMETERS),
        inlet=inlet,
        telemetry=Telemetry(),
        connections=2,
        idle=60.0,
    )
    return made._replace(**over)


def counted(telemetry: Telemetry, name: str) -> dict[str, float]:
    """A counter's values by reason, or by source where it has no reason."""
    families = {family.name: family for family in telemetry.families()}
    samples = families[name].samples if name in families else []
    return {labels.get("reason", labels.get("source", "")): value for labels, value in samples}


class FakeProcess:
    """A child process: what it was started with and told; it says and ends as a test likes."""

    def __init__(self, protocol: Any, command: list[str], descriptors: dict[int, str | int]):
        self.protocol = protocol
        self.command = command
        self.descriptors = descriptors
        self.signals: list[str] = []
        self.ended = False
        self._written = b""

    def writeToChild(self, descriptor: int, data: bytes) -> None:
        assert descriptor == 0
        self._written += data

    def signalProcess(self, signal: str) -> None:
        if self.ended:
            raise ProcessExitedAlready
        self.signals.append(signal)

    def told(self) -> list[tuple[int, bytes]]:
        """The frames that it was told."""
        return Frames().feed(self._written)

    def say(self, data: bytes) -> None:
        """It writes to its standard output."""
        self.protocol.childDataReceived(1, data)

    def end(self, reason: Failure) -> None:
        """It is gone."""
        self.ended = True
        self.protocol.processEnded(reason)


class ProcessReactor(MemoryReactorClock):
    """A reactor in memory that starts fake processes; none while ``refuse`` is true."""

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[FakeProcess] = []
        self.refuse = False

    def spawnProcess(
        self, protocol: Any, executable: str, args: list[str], env: object, childFDs: dict[int, str | int]
    ) -> FakeProcess:
        if self.refuse:
            raise OSError("no more processes")
        assert env is None, "a child has our environment"
        process = FakeProcess(protocol, args, childFDs)
        self.processes.append(process)
        protocol.makeConnection(process)
        return process


class ThreadedReactor(MemoryReactorClock):
    """A reactor in memory to which threads hand calls; they run when a test lets them."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()

    def callFromThread(self, function: Callable[..., object], *arguments: object) -> None:
        self._calls.put(lambda: function(*arguments))

    def settle(self) -> None:
        """Run what has been handed over."""
        while not self._calls.empty():
            self._calls.get()()

    def until(self, done: Deferred[Any]) -> None:
        """Run what threads hand over until a Deferred has fired."""
        while not done.called or done.paused:
            self._calls.get(timeout=20)()

    def until_readers(self, number: int) -> None:
        """Run what threads hand over until so many descriptors are read."""
        while len(self.getReaders()) != number:
            self._calls.get(timeout=20)()
