"""The two kinds of error, theirs and ours, and the closed list of reasons.

*Theirs*: :class:`ClientError` carries a reason and the status that fits it; the web layer
turns it into an answer in one place (``web/respond.py``).  *The world's*:
:class:`StoreUnavailable` and :class:`JournalUnavailable` mean "later": the same work is
tried again, and a client that can wait is told 503.  *Ours* are plain exceptions: a bug.

A reason is a short name that appears in answers, in the books, on ``/metrics`` and in
``doc/reasons.md``.  Codecs return reasons; they never raise on input.
"""

from __future__ import annotations

from typing import Final

REJECT_REASONS: Final[dict[str, str]] = {
    # statsd and Graphite lines
    "malformed_line": "no name, no value or no type where the protocol wants one",
    "bad_name": "the name is empty, too long or holds control characters",
    "bad_value": "the value is not a decimal number",
    "not_finite": "the value is NaN or infinite, or too large for a double",
    "bad_type": "the type is none of those the protocol knows",
    "bad_rate": "the sample rate is not a number in (0, 1]",
    "bad_time": "the timestamp is not a number in the range that is kept, or too far from now",
    "bad_label": "a label name or value breaks the model's rules",
    "too_many_labels": "more labels than a series may have",
    "mixed_tag_styles": "one line uses two styles of tags",
    "line_too_long": "the line is longer than the limit; it was skipped up to its end",
    "unfinished_line": "the connection broke in the middle of the line or frame",
    "frame_too_long": "the frame is longer than the limit; it was skipped up to its end",
    "bad_pickle": "the pickle is no list of (path, (time, value)), or holds more than numbers, texts, lists",
    "bad_signature": "the datagram has no signature, or not one made with the secret",
    "too_old": "the signed datagram is older than may be, or came before the last ones that are remembered",
    "too_new": "the signed datagram's time is further ahead of ours than may be",
    "replayed": "a datagram with the same signature has been taken already",
    "truncated": "the datagram was larger than the buffer and lost its end",
    "bad_event": "the DogStatsD event or service check is malformed",
    "disabled": "the line uses something that is switched off for this receiver",
    "mapping_drop": "a mapping rule says that this name is not wanted",
    "too_many_series": "the stream has as many series as it may; the point has no series",
    "forgotten": "the series was deleted on the admin console before its samples were flushed",
    # ticks
    "malformed": "the body or item cannot be read as JSON or form data",
    "not_an_object": "the item is not a flat object",
    "bad_param": "a reserved parameter has a value that cannot be used",
    "too_large": "the body, item or parameter is larger than the limit",
    "too_many": "more items in one body than the limit",
    "bad_encoding": "the content encoding is unknown or the compressed body is damaged",
    "unsupported_type": "the content type is not one that ticks come in",
    "duplicate": "an event with the same deduplication id was counted in the last 24 h",
    "bad_key": "the write key is not the stream's",
    "bad_origin": "the stream does not take ticks from this origin",
    "unknown_stream": "there is no such stream",
}
"""Why input is refused.  Keys are stable; the text is what the documentation says."""

NOTE_REASONS: Final[dict[str, str]] = {
    "unmapped": "no mapping rule takes the name; the samples count under the name as sent",
}
"""Why good input is shown to its owner.  Keys are stable."""

SHED_REASONS: Final[dict[str, str]] = {
    "journal_full": "the journal is at its byte budget",
    "journal_unwritable": "the disk refuses writes",
    "queue_full": "a bounded queue inside the gateway is full",
    "too_many_connections": "more connections than the receiver holds",
    "idle": "the connection was silent for too long and was closed",
    "kernel": "the kernel dropped the datagram: its socket buffer was full",
}
"""Why good input is refused for load.  Keys are stable."""

DIVERT_REASONS: Final[dict[str, str]] = {
    "store_rejected": "the store will never take it; it is in dead-letters.ndjson",
    "dead_letters_full": "the store will never take it, and dead-letters.ndjson is full; it is dropped",
    "stream_deleted": "its stream was deleted while it waited; it is dropped",
}
"""Why what had been admitted was not stored.  Keys are stable."""

REQUEST_REASONS: Final[dict[str, str]] = {
    "unauthorized": "no token, or not one that reads this stream",
    "forbidden": "the token is good, but not for this",
    "not_found": "no such thing",
    "bad_request": "a parameter is missing or cannot be used",
    "method_not_allowed": "the resource does not know this method",
    "conflict": "something of this name exists",
    "timeout": "the request took too long to arrive",
    "overloaded": "the gateway cannot take this now; try again later",
    "store_unavailable": "the store is away; try again later",
    "too_expensive": "the answer would be larger than the limit",
    "internal": "the gateway failed; the log has the trace",
}
"""Why a request is refused, beside the reasons above."""


class MetronomeError(Exception):
    """Base of the errors that are part of an interface."""


class ClientError(MetronomeError):
    """The other side did wrong.

    ``reason`` is in one of the closed lists, ``status`` the HTTP status that fits,
    ``detail`` a sentence for a person.  ``retry_after`` in seconds makes it a "later".
    """

    def __init__(self, reason: str, status: int, detail: str = "", retry_after: int = 0):
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.status = status
        self.detail = detail
        self.retry_after = retry_after


class ConfigError(MetronomeError):
    """A setting is wrong.  The text names the key, the value and what would be right."""


class JournalUnavailable(MetronomeError):
    """The journal cannot take records now; ``reason`` is in ``SHED_REASONS``."""

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class StoreUnavailable(MetronomeError):
    """The store cannot answer now; trying the same call again later may work."""


class DestinationUnavailable(MetronomeError):
    """A destination of the converter cannot be reached now; the batch waits."""


class StoreRejected(MetronomeError):
    """The store will never take these records of a batch; it has applied nothing of it yet.

    ``items`` are ``(record, text)``: what is refused and why.  Once that is put aside, the
    batch is to be written without them.
    """

    def __init__(self, items: list[tuple[object, str]]):
        super().__init__(f"{len(items)} records refused, the first: {items[0][1] if items else ''}")
        self.items = items
