"""Which form of the page of metrics a client gets: content negotiation.

Sources: RFC 9110 section 12.5.1 (``Accept``); "Content negotiation" of the Prometheus documentation;
the OpenMetrics 1.0 specification.  The rules:

- There are four forms: text 0.0.4, text 1.0.0 (the same, where names may be UTF-8), OpenMetrics
  1.0.0 (also as 0.0.1) and protocol buffers, delimited messages ``io.prometheus.client.MetricFamily``.
- The range with the highest ``q`` stands that names a form which we have; one with another version,
  message or encoding is passed over.  Of equal ones a named form comes before ``*/*``, and protocol
  buffers before OpenMetrics before text.
- ``*/*`` and ``text/*`` mean text 0.0.4, and so does whatever else nothing fits: a scrape never fails.
- A range's ``escaping`` says what becomes of names that the old syntax does not know:
  ``allow-utf-8``, ``underscores``, ``dots`` or ``values``; underscores if it does not say.  The answer's
  type names it if it was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import Final, NamedTuple

from metronome.kernel.families import Escaping

_ESCAPINGS: Final = {
    "underscores": Escaping.UNDERSCORES,
    "dots": Escaping.DOTS,
    "values": Escaping.VALUES,
    "allow-utf-8": Escaping.UTF8,
}
_QUALITY: Final = re.compile(r"[01](?:\.[0-9]{0,3})?")
_MESSAGE: Final = "io.prometheus.client.metricfamily"


class Form(Enum):
    """How the page is written; of equally welcome ones the last stands."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    TEXT_1 = "text/plain; version=1.0.0; charset=utf-8"
    OPEN_METRICS_0 = "application/openmetrics-text; version=0.0.1; charset=utf-8"
    OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"


class Wanted(NamedTuple):
    """What a client gets."""

    form: Form = Form.TEXT
    escaping: Escaping = Escaping.UNDERSCORES
    named: str = ""
    """The escaping's name, if it was asked for."""

    @property
    def media_type(self) -> str:
        """The type of the answer."""
        return f"{self.form.value}; escaping={self.named}" if self.named else self.form.value

    @property
    def open_metrics(self) -> bool:
        """Whether it is OpenMetrics."""
        return self.form in (Form.OPEN_METRICS, Form.OPEN_METRICS_0)


def wanted(accept: str | None) -> Wanted:
    """What to answer to an ``Accept`` header."""
    forms = list(Form)
    best, found = (0.0, False, -1), Wanted()
    for media, parameters in _ranges(accept or ""):
        form = _form(media, parameters)
        if form is None:
            continue
        rank = (_quality(parameters.get("q", "1")), "*" not in media, forms.index(form))
        if rank[0] > 0 and rank > best:
            named = parameters.get("escaping", "")
            named = named if named in _ESCAPINGS else ""
            best, found = rank, Wanted(form, _ESCAPINGS.get(named, Escaping.UNDERSCORES), named)
    return found


def _ranges(accept: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The ranges of a header: media type, and parameters by name, all in lower case."""
    for item in accept.lower().split(","):
        media, *parameters = (part.strip() for part in item.split(";"))
        pairs = (parameter.partition("=") for parameter in parameters)
        yield media, {name.strip(): value.strip().strip('"') for name, _, value in pairs}


def _form(media: str, parameters: dict[str, str]) -> Form | None:
    """What a range asks for."""
    version = parameters.get("version", "")
    if media in ("*/*", "text/*"):
        return Form.TEXT
    if media == "text/plain":
        return {"": Form.TEXT, "0.0.4": Form.TEXT, "1.0.0": Form.TEXT_1}.get(version)
    if media == "application/openmetrics-text":
        versions = {"": Form.OPEN_METRICS, "1.0.0": Form.OPEN_METRICS, "0.0.1": Form.OPEN_METRICS_0}
        return versions.get(version)
    if media == "application/vnd.google.protobuf":
        told = (parameters.get("proto", _MESSAGE), parameters.get("encoding", "delimited"))
        return Form.PROTOBUF if told == (_MESSAGE, "delimited") else None
    return None


def _quality(text: str) -> float:
    match = _QUALITY.fullmatch(text)
    return min(float(match[0]), 1.0) if match else 0.0
