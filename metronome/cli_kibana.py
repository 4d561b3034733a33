"""``metronome kibana-import``: sends the saved objects to Kibana or OpenSearch Dashboards.

``POST /api/saved_objects/_import?overwrite=true`` takes a file of objects as a form's part and
wants a header against forged requests: ``kbn-xsrf`` or ``osd-xsrf``.  Which program it is, and
so which format it wants, is told by its answers' headers (``kbn-name``, ``osd-name``); Kibana
before 8.0 takes that of OpenSearch Dashboards, which was forked from it.
"""

from __future__ import annotations

import base64
import json
import re
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from metronome.errors import ConfigError
from metronome.kibana.dashboards import PREFIX, everything
from metronome.kibana.objects import FLAVOURS, KIBANA, OPENSEARCH, Flavour, ndjson

NAMES: Final = tuple(flavour.name for flavour in FLAVOURS)
_TIMEOUT: Final = 60.0
_BOUNDARY: Final = "metronome-saved-objects"
_KEY: Final = "ApiKey "
_FROM: Final = 8
"""The first major version of Kibana with a format of its own."""


class Place(NamedTuple):
    """Where the objects go.  ``space`` is a space of Kibana or a tenant of OpenSearch Dashboards;
    ``secret`` a file with ``USER:PASSWORD`` or ``ApiKey KEY``; ``ca`` a PEM file with authorities."""

    url: str
    space: str = ""
    secret: Path | None = None
    ca: str = ""
    flavour: str = ""
    prefix: str = PREFIX


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A POST that is redirected would arrive as a GET; somebody has to decide."""

    def redirect_request(self, *_: Any) -> None:
        return None


def send(place: Place) -> dict[str, Any]:
    """Send all objects; ``{"for", "version", "imported", "errors": [sentence]}``.

    ``ConfigError`` when nothing could be sent, without a secret in its text.
    """
    server = _Server(place)
    flavour, version = server.flavour()
    content = ndjson(everything(flavour, place.prefix))
    answer = server.post(flavour, content)
    errors = [_sentence(error) for error in answer.get("errors", ())]
    return {
        "for": flavour.name,
        "version": version,
        "imported": answer.get("successCount", 0),
        "errors": errors,
    }


class _Server:
    """Kibana or OpenSearch Dashboards."""

    def __init__(self, place: Place):
        try:
            parts = urlsplit(place.url)
            known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            known = False
        if not known or "@" in parts.path:  # of a password that was not quoted, say
            raise ConfigError("kibana-import: http://host:5601 or https://host:5601 would be right")
        self._url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
        self._place = place
        self._headers = _credentials(place, parts.username, parts.password)
        try:
            trust = ssl.create_default_context(cafile=place.ca or None)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"ca = '{place.ca}': {error}") from None
        self._opener = urllib.request.build_opener(
            _NoRedirect, urllib.request.HTTPSHandler(context=trust)
        )

    def flavour(self) -> tuple[Flavour, str]:
        """Which of the two it is, and its version; as told, where it was told."""
        if self._place.flavour:
            return next(one for one in FLAVOURS if one.name == self._place.flavour), ""
        headers, answer = self._ask("GET", "/api/status")
        version = str((answer.get("version") or {}).get("number", ""))
        if "osd-name" in headers:
            return OPENSEARCH, version
        if "kbn-name" in headers or "kbn-version" in headers:
            major = re.match(r"\d+", version)
            return (OPENSEARCH if major and int(major[0]) < _FROM else KIBANA), version
        raise ConfigError(
            f"{self._url} does not say whether it is Kibana or OpenSearch Dashboards; --for would help"
        )

    def post(self, flavour: Flavour, content: bytes) -> dict[str, Any]:
        """The answer to all objects."""
        path, headers = "", {"kbn-xsrf": "true", "osd-xsrf": "true"}
        if self._place.space and flavour is OPENSEARCH:
            headers["securitytenant"] = self._place.space
        elif self._place.space:
            path = f"/s/{quote(self._place.space, safe='')}"
        headers["Content-Type"] = f"multipart/form-data; boundary={_BOUNDARY}"
        body = (
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="metronome.ndjson"\r\n'
            "Content-Type: application/ndjson\r\n\r\n"
        ).encode()
        body += content + f"\r\n--{_BOUNDARY}--\r\n".encode()
        return self._ask("POST", f"{path}/api/saved_objects/_import?overwrite=true", body, headers)[1]

    def _ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[set[str], dict[str, Any]]:
        """The names of an answer's headers, in lower case, and its JSON."""
        request = urllib.request.Request(
            self._url + path, body, {**self._headers, **(headers or {})}, method=method
        )
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
                told = json.loads(answer.read())
                return {name.lower() for name in answer.headers}, told if isinstance(told, dict) else {}
        except urllib.error.HTTPError as error:
            with error:
                raise ConfigError(f"{self._url}{path}: {_refusal(error)}") from None
        except ValueError:
            raise ConfigError(f"{self._url}{path}: the answer is no JSON") from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise ConfigError(f"{self._url} does not answer: {reason}") from None


def _credentials(place: Place, user: str | None, password: str | None) -> dict[str, str]:
    if place.secret is not None:
        try:
            text = place.secret.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"secret = '{place.secret}': {error}") from None
        if text.startswith(_KEY):
            return {"Authorization": f"ApiKey {text.removeprefix(_KEY).strip()}"}
        if ":" not in text:
            raise ConfigError(f"secret = '{place.secret}': USER:PASSWORD or ApiKey KEY would be right")
        return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}
    if user is None:
        return {}
    text = f"{unquote(user)}:{unquote(password or '')}"
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def _refusal(error: urllib.error.HTTPError) -> str:
    """What an answer of the wrong status means."""
    if 300 <= error.code < 400:
        return f"it redirects to {error.headers.get('Location', 'nowhere')}; that address would be right"
    try:
        told = json.loads(error.read())
        message = told.get("message", "") if isinstance(told, dict) else ""
    except (ValueError, OSError):
        message = ""
    return f"{error.code} {message or error.reason}"


def _sentence(error: dict[str, Any]) -> str:
    """What is wrong with one object."""
    why = error.get("error") or {}
    text = str(why.get("message") or why.get("type") or "unknown")
    missing = ", ".join(f"{one.get('type')} {one.get('id')}" for one in why.get("references", ()))
    return f"{error.get('type')} {error.get('id')}: {text}" + (f": {missing}" if missing else "")
