"""Reports that browsers send by themselves, as ticks.

*CSP*, the older way (``report-uri``, ``application/csp-report``): one object under
``csp-report`` whose names are written with dashes.

*Reporting API* (``application/reports+json``): an array of ``{type, age, url, user_agent,
body}``; ``age`` says how many ms before sending it happened.  ``csp-violation`` becomes a tick
of type ``csp`` with the same parameters as the older way gives, ``network-error`` one of type
``net``; other types keep their name.

The user agent is left out: it tells about the visitor and nothing about the fault.
"""

from __future__ import annotations

from typing import Any, Final

from metronome.limits import TICKS_PER_BODY
from metronome.wire.body import Items, Refused, excerpt

_NAMES: Final = {
    "blocked-uri": "blocked",
    "blockedURL": "blocked",
    "effective-directive": "directive",
    "effectiveDirective": "directive",
    "source-file": "source",
    "sourceFile": "source",
    "line-number": "line",
    "lineNumber": "line",
    "column-number": "col",
    "columnNumber": "col",
    "status-code": "status",
    "statusCode": "status",
    "status_code": "status",
    "script-sample": "sample",
}
"""Names in reports and the parameters they become; others stay as they are."""
_TYPES: Final = {"csp-violation": "csp", "network-error": "net"}
_LEFT_OUT: Final = frozenset(("document-uri", "documentURL", "original-policy", "originalPolicy"))
"""The page is the tick's ``url``; the policy is the site's own and long."""


def read(document: Any, now: int) -> Items:
    """The reports in a document, as items to be read like ticks; ``now`` in ms."""
    if isinstance(document, dict) and isinstance(document.get("csp-report"), dict):
        return Items([(0, _csp(document["csp-report"]))], [])
    if not isinstance(document, list):
        return Items([], [], "malformed")
    if len(document) > TICKS_PER_BODY:
        return Items([], [], "too_many")
    items, refused = [], []
    for index, report in enumerate(document):
        if isinstance(report, dict) and isinstance(report.get("body"), dict | None):
            items.append((index, _report(report, now)))
        else:
            refused.append(Refused(index, "not_an_object", "", excerpt(report)))
    return Items(items, refused)


def _csp(report: dict[str, Any]) -> dict[str, Any]:
    tick = _renamed(report)
    tick.setdefault("directive", tick.pop("violated-directive", None))  # its name before CSP 3
    return tick | {"type": "csp", "url": report.get("document-uri")}


def _report(report: dict[str, Any], now: int) -> dict[str, Any]:
    body = report.get("body") or {}
    kind = report.get("type")
    tick = _renamed(body)
    if kind == "network-error":
        tick["error"] = tick.pop("type", None)
    tick["type"] = _TYPES.get(kind, kind) if isinstance(kind, str) else kind
    tick["url"] = report.get("url") or body.get("documentURL")
    age = report.get("age")
    if isinstance(age, int | float) and not isinstance(age, bool) and 0 <= age <= now:
        tick["ts"] = now - age
    return tick


def _renamed(report: dict[str, Any]) -> dict[str, Any]:
    return {_NAMES.get(name, name): value for name, value in report.items() if name not in _LEFT_OUT}
