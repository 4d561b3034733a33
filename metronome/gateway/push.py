"""Sends requests of remote write to one receiver, until each is taken or refused for good.

Sources: "Prometheus Remote-Write Specification" 1.0 and 2.0.  The rules that the sender obeys:

- 2xx: the request is taken.  5xx, 429 and a broken connection: the same request is sent again,
  after a pause that doubles up to a bound and is scattered by chance, so that gateways that
  wait for one receiver do not come all at once; ``Retry-After`` makes it longer.
- Any other answer refuses the request for good.  It is counted by its status and passed over,
  because sending it again would hold up all that comes after it.
- A receiver of 2.0 says in ``X-Prometheus-Remote-Write-Samples-Written`` how many samples it has
  written, and in ``…-Histograms-Written`` how many native histograms.  What it leaves out of a
  request that it took is counted.
- Asked to find out by itself, the sender begins with 2.0.  Status 415 means that the receiver
  knows 1.0 only; so does a 2xx without that header, because a receiver of 1.0 that does not
  look at the content type reads nothing out of a request of 2.0.  Either way the request
  is written anew as 1.0, and so are all that follow.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple

from twisted.internet.defer import CancelledError, Deferred, inlineCallbacks, succeed
from twisted.internet.error import ConnectError, ConnectingCancelledError, ConnectionClosed, DNSLookupError
from twisted.internet.interfaces import IConsumer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import RequestTransmissionFailed, ResponseFailed
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from metronome.errors import DestinationUnavailable
from metronome.gateway.telemetry import Telemetry
from metronome.limits import (
    EXCERPT_BYTES,
    RETRY_FIRST,
    RETRY_MOST,
    WRITE_PATIENCE,
    WRITE_RETRY_AFTER,
)
from metronome.wire import remote_write as wire

AUTO: Final = 0
"""Instead of a protocol: 2, or 1 where that is what the receiver knows."""
WRITTEN: Final = "X-Prometheus-Remote-Write-Samples-Written"
HISTOGRAMS_WRITTEN: Final = "X-Prometheus-Remote-Write-Histograms-Written"

Write = Callable[[int], tuple[bytes, int]]
"""Writes a request in a protocol (1 or 2): its bytes, not compressed, and how many samples it has."""

_LATER: Final = (
    *(ConnectError, ConnectionClosed, ConnectingCancelledError, DNSLookupError, OSError),
    *(ResponseFailed, RequestTransmissionFailed, CancelledError),
)


class Answer(NamedTuple):
    """What came of one attempt; status 0 is none at all."""

    status: int
    headers: Headers
    text: str


class Sender:
    """Sends to one receiver."""

    log = Logger()

    def __init__(
        self,
        name: str,
        url: str,
        agent: IAgent,
        clock: IReactorTime,
        telemetry: Telemetry,
        *,
        headers: dict[str, str],
        version: int,
        chance: Callable[[], float],
    ):
        """``name`` is the destination on ``/metrics``; ``headers`` go with every request;
        ``version`` is 1, 2 or ``AUTO``; ``chance()`` gives 0 to 1."""
        self.trouble = ""
        """Why the last attempt failed; empty while all is well."""
        self.troubled: Callable[[str], None] = lambda text: None
        """Told whenever that changes."""
        self.version = version or 2
        self._auto = not version
        self._name = name
        self._url = url.encode()
        self._agent = agent
        self._clock = clock
        self._telemetry = telemetry
        self._headers = {**headers, "Content-Encoding": "snappy"}
        self._chance = chance
        self._stopped = False
        self._pending: set[Deferred[Any]] = set()
        telemetry.gauge("metronome_remote_write_version", lambda: self.version, destination=name)

    @inlineCallbacks
    def send(
        self, write: Write, *, tries: int = 1 << 62, matters: bool = True
    ) -> Generator[Deferred[Any], Any, None]:
        """Send a request until it is taken or refused for good.  ``matters``: samples that are
        refused are lost, and counted.

        Fails with ``DestinationUnavailable`` when the sender is stopped, or after so many tries.
        """
        written, body, samples = 0, b"", 0
        pause = RETRY_FIRST
        while not self._stopped and tries:
            version = self.version
            if written != version:
                request, samples = write(version)
                written, body = version, wire.compressed(request)
            answer: Answer = yield self._post(version, body)
            self._telemetry.count(
                "metronome_remote_write_requests_total",
                destination=self._name,
                status=str(answer.status or "none"),
            )
            if self._auto and version == 2 and self._knows_1_only(answer, samples):
                self.log.info("{name} takes remote write 1.0", name=self._name)
                self.version = 1
            elif not _is_for_later(answer):
                self._settled(version, answer, samples, matters)
                return
            else:
                tries -= 1
                self._wait_told(answer)
                if tries:
                    yield self._sleep(max(pause * (0.5 + self._chance()), self._asked_for(answer)))
                pause = min(pause * 2, RETRY_MOST)
        raise DestinationUnavailable(f"{self._name}: {self.trouble or 'stopped'}")

    def stop(self) -> None:
        """Give up what is under way."""
        self._stopped = True
        for pending in list(self._pending):
            pending.cancel()

    def resume(self) -> None:
        """Send again after a stop."""
        self._stopped = False

    # --- one attempt ---------------------------------------------------------------------

    def _post(self, version: int, body: bytes) -> Deferred[Answer]:
        headers = {
            **self._headers,
            "Content-Type": wire.CONTENT_TYPES[version],
            "X-Prometheus-Remote-Write-Version": wire.VERSIONS[version],
        }
        sent = Headers({name: [value] for name, value in headers.items()})
        asked: Deferred[Any] = self._agent.request(b"POST", self._url, sent, Body(body))
        self._pending.add(asked)
        call = self._clock.callLater(WRITE_PATIENCE, asked.cancel)

        def over(result: Any) -> Any:
            self._pending.discard(asked)
            if call.active():
                call.cancel()
            return result

        return asked.addCallback(_read).addBoth(over).addErrback(_no_answer)

    def _knows_1_only(self, answer: Answer, samples: int) -> bool:
        taken = 200 <= answer.status < 300
        return answer.status == 415 or (taken and samples > 0 and not answer.headers.hasHeader(WRITTEN))

    def _settled(self, version: int, answer: Answer, samples: int, matters: bool) -> None:
        """Count what became of a request."""
        taken = 200 <= answer.status < 300
        written = samples if taken else 0
        if version == 2:
            told = [answer.headers.getRawHeaders(name, ["0"])[-1] for name in (WRITTEN, HISTOGRAMS_WRITTEN)]
            written = min(sum(int(text) for text in told if text.isdecimal()), samples)
        self._count("metronome_remote_write_sent_total", written)
        if taken:
            self._count("metronome_remote_write_unwritten_total", samples - written)
            self._goes_on()
        if taken or not matters:
            return
        status = str(answer.status)
        self._count("metronome_remote_write_rejected_total", samples - written, status=status)
        text = f"status {status}: {answer.text}"
        if text != self.trouble:
            self.log.warn("{name} refuses samples: {text}", name=self._name, text=text)
        self._tell(text)

    def _count(self, name: str, by: float, **labels: str) -> None:
        if by:
            self._telemetry.count(name, by, destination=self._name, **labels)

    # --- later ---------------------------------------------------------------------------

    def _wait_told(self, answer: Answer) -> None:
        self._telemetry.count("metronome_remote_write_retries_total", destination=self._name)
        text = f"status {answer.status}: {answer.text}" if answer.status else answer.text
        if not self.trouble:
            self.log.warn("{name} has to wait: {text}", name=self._name, text=text)
        self._tell(text)

    def _goes_on(self) -> None:
        if self.trouble:
            self.log.info("{name} takes samples again", name=self._name)
            self._tell("")

    def _tell(self, text: str) -> None:
        self.trouble = text
        self.troubled(text)

    def _asked_for(self, answer: Answer) -> float:
        """Seconds that the receiver asks for."""
        (text,) = (answer.headers.getRawHeaders("Retry-After") or [""])[:1]
        if text.isdecimal():
            return float(min(int(text), WRITE_RETRY_AFTER))
        try:
            seconds = parsedate_to_datetime(text).timestamp() - self._clock.seconds()
        except ValueError:
            return 0.0
        return min(max(seconds, 0.0), WRITE_RETRY_AFTER)

    def _sleep(self, seconds: float) -> Deferred[None]:
        if self._stopped:
            return succeed(None)
        sleep: Deferred[None] = Deferred(lambda sleep: sleep.callback(None))
        self._pending.add(sleep)
        call = self._clock.callLater(seconds, sleep.callback, None)

        def over(_: None) -> None:
            self._pending.discard(sleep)
            if call.active():
                call.cancel()

        return sleep.addCallback(over)


@implementer(IBodyProducer)
class Body:
    """The bytes of a request."""

    def __init__(self, body: bytes):
        self.length = len(body)
        self._body = body

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Hand over everything at once: requests are bounded."""
        consumer.write(self._body)
        return succeed(None)

    def stopProducing(self) -> None:
        """Nothing is under way."""

    def pauseProducing(self) -> None:
        """Nothing is under way."""

    def resumeProducing(self) -> None:
        """Nothing is under way."""


class _Text(Protocol):
    """Reads an answer to its end, so that the connection can be used again, and keeps its begin."""

    def __init__(self) -> None:
        self.done: Deferred[str] = Deferred(self._give_up)
        self._kept = b""

    def dataReceived(self, data: bytes) -> None:
        self._kept += data[: EXCERPT_BYTES - len(self._kept)]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.done.called:
            self.done.callback(" ".join(self._kept.decode(errors="replace").split()))

    def _give_up(self, _: object) -> None:
        if self.transport is not None:
            self.transport.loseConnection()


def _read(response: IResponse) -> Deferred[Answer]:
    text = _Text()
    response.deliverBody(text)
    return text.done.addCallback(lambda found: Answer(response.code, response.headers, found))


def _no_answer(failure: Failure) -> Answer:
    failure.trap(*_LATER)
    return Answer(0, Headers(), _cause(failure))


def _cause(failure: Failure) -> str:
    """What stands behind a failure that wraps others."""
    reasons = getattr(failure.value, "reasons", None)
    return _cause(reasons[0]) if reasons else failure.getErrorMessage() or type(failure.value).__name__


def _is_for_later(answer: Answer) -> bool:
    return answer.status in (0, 429) or answer.status >= 500
