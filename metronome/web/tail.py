"""``GET /tail``: what comes in over statsd and Graphite, as it comes in.

Server-Sent Events; the data of each is a JSON object as ``wire/explain.py`` tells it, with the
``source`` it came from: a sample, an event or a reject.  While somebody listens, datagrams are
read one by one, which is slower.

It never holds the gateway up: at most ``TAIL_LINES`` lines a second are shown, and none while
the listener is slow to read; ``{"skipped": N}`` says how many were left out.  Ticks are not shown
here, their senders are told at once.
"""

from __future__ import annotations

from typing import Any

import orjson
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import LoopingCall
from zope.interface import implementer

from metronome.kernel.interface import Dialect
from metronome.limits import TAIL_LINES
from metronome.web import auth
from metronome.web.endpoint import Answer, Asked, Endpoint, Web
from metronome.wire import explain


@implementer(IPushProducer)
class Tail:
    """Shows one listener what comes in to one stream."""

    def __init__(self, web: Web, asked: Asked, stream: str):
        self._web = web
        self._request: Any = asked.request
        self._stream = stream
        self._dialect = Dialect()
        self._left = TAIL_LINES
        self._skipped = 0
        self._paused = False
        self._persistent = bool(self._request.channel.persistent)
        self._ended: Deferred[Answer] = Deferred()
        self._second = LoopingCall(self._each_second)
        self._second.clock = web.gateway.clock

    def begin(self) -> Deferred[Answer]:
        """Begin to show; fires when the listener has gone, or the gateway stops."""
        headers = self._request.responseHeaders
        headers.setRawHeaders(b"Content-Type", [b"text/event-stream"])
        headers.setRawHeaders(b"Cache-Control", [b"no-store"])
        headers.setRawHeaders(b"X-Accel-Buffering", [b"no"])
        self._request.write(b": what comes in to this stream\n\n")
        self._request.registerProducer(self, True)
        self._request.notifyFinish().addErrback(lambda _: self._end())
        self._web.gateway.intake.tap(self.show)
        self._second.start(1.0, now=False)
        return self._ended

    def show(self, stream: str, source: str, block: bytes) -> None:
        """Lines have come in."""
        if stream != self._stream:
            return
        lines = [line for line in block.split(b"\n") if line]
        shown = 0 if self._paused else min(len(lines), self._left)
        self._skipped += len(lines) - shown
        self._left -= shown
        taken = b"\n".join(lines[:shown])
        is_graphite = source.startswith(("graphite", "pickle"))
        told = explain.graphite(taken, self._dialect) if is_graphite else self._statsd(taken)
        self._write([{**one, "source": source} for one in told])

    def pauseProducing(self) -> None:
        """The listener is slow."""
        self._paused = True

    def resumeProducing(self) -> None:
        """The listener has caught up."""
        self._paused = False

    def stopProducing(self) -> None:
        """The listener has gone."""
        self._end()

    def _statsd(self, block: bytes) -> list[explain.Told]:
        return explain.statsd(block, self._dialect, self._web.now)

    def _each_second(self) -> None:
        """Say what was left out, or only that we are still there."""
        self._left = TAIL_LINES
        if self._persistent and not self._request.channel.persistent:
            # The site closes its connections after the answers under way: this one is over.
            self._end()
            return
        if self._paused:
            return
        if self._skipped:
            self._write([{"skipped": self._skipped}])
            self._skipped = 0
        else:
            self._request.write(b": \n\n")

    def _write(self, told: list[explain.Told]) -> None:
        if told:
            self._request.write(b"".join(b"data: %b\n\n" % orjson.dumps(one) for one in told))

    def _end(self) -> None:
        if self._ended.called:
            return
        self._second.stop()
        self._web.gateway.intake.untap(self.show)
        if self._request.channel is not None:
            self._request.unregisterProducer()
        self._ended.callback(Answer(200))


def tail(web: Web, asked: Asked) -> Answer | Deferred[Answer]:
    """Show what comes in until the listener goes."""
    stream = auth.reader(web, asked).id
    if asked.request.method == b"HEAD":
        return Answer(200, media_type="text/event-stream")
    return Tail(web, asked, stream).begin()


ENDPOINT = Endpoint("tail", {"/tail": {"GET": tail}})
