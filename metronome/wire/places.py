"""Places on the web as keys: ``host/path``.

The key of a page is its host in lower case without ``www.`` and port, and its path,
percent-decoded, without the ``/`` at the end; scheme, user, query and fragment are left
out (research/analytics.md sections 8.1 and 8.2).  It is the default id of an item and the
key of a referer.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

_REST = r"(?::\d*)?((?:/[^?#]*)?)(?=[?#]|$)"
_URL = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//(?:[^/?#]*@)?(\[[^\]/?#\0-\x20]*\]|[^/?#:\0-\x20]*)" + _REST
)
_BARE = re.compile(r"([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\.?|localhost)" + _REST)
_EXTENSION = re.compile(r"\.([A-Za-z0-9]{1,16})$")


def place(url: str) -> str:
    """The key of a URL, with or without a scheme; empty when it names no host."""
    text = url.strip()
    match = _URL.match(text) or _BARE.match(text)
    if match is None or not match[1]:
        return ""
    return _host(match[1]) + _path(match[2])


def page(url: str, base: str) -> str:
    """As :func:`place`; a path alone (``/a/b``) is on the host of the place ``base``."""
    if url.startswith("/") and not url.startswith("//"):
        return host_of(base) + _path(re.split("[?#]", url, maxsplit=1)[0])
    return place(url)


def host_of(key: str) -> str:
    """The host of a key, or of an item id that is written like one."""
    return _host(key.partition("/")[0])


def extension(url: str) -> str:
    """The lower-case extension of a file's name or of a URL's path; empty without one."""
    match = _URL.match(url.strip())
    path = match[2] if match else re.split("[?#]", url, maxsplit=1)[0]
    found = _EXTENSION.search(path.strip())
    return found[1].lower() if found else ""


def _host(text: str) -> str:
    return text.lower().rstrip(".").removeprefix("www.")


def _path(text: str) -> str:
    if "%" in text:
        text = unquote(text)
    return text.replace("\0", "\ufffd").rstrip("/")
