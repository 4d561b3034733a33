"""The dashboard's files: ``GET /`` and ``GET /static/…``.

They are read once, when the gateway starts, and answered from memory: a request's path is a
key of a dictionary and never touches the file system, so nothing outside the folder can be
reached, and a file that changes later changes nothing.

The page may load only what comes from its own address, and runs no script and no style that
stands inside markup (Content Security Policy, W3C).  So a series' name that was made to look
like markup stays text even if the page had a mistake.  Answers carry an entity tag
(RFC 9110, section 8.8.3) and ``no-cache``: a browser asks each time and is told 304, so that
page and scripts are of the same version right after an upgrade.
"""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Final, NamedTuple

FOLDER: Final = Path(__file__).parent / "static"
FRONT: Final = "index.html"

MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    "": "text/plain; charset=utf-8",
}
"""By suffix; licences have none."""

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
"""Only what comes from the page's own address; forms are sent by script, frames by nobody."""

HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}
"""What every file is answered with."""


class File(NamedTuple):
    """One file as it is answered."""

    media_type: str
    tag: str
    """Entity tag.  Weak, because the plain and the packed body share it."""
    plain: bytes
    packed: bytes
    """Compressed with gzip; empty where that saves nothing."""


def read_files(folder: Path = FOLDER) -> dict[str, File]:
    """All files under the folder by their path in it, with ``/`` between the parts; none whose
    name begins with a dot, which editors and file managers leave behind.

    ``ValueError`` for a file whose media type is not known: it would be answered wrongly.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")
    return {path.relative_to(folder).as_posix(): _read(path) for path in paths}


def _read(path: Path) -> File:
    media_type = MEDIA_TYPES.get(path.suffix)
    if media_type is None:
        raise ValueError(f"{path.name}: no media type is known for {path.suffix}")
    plain = path.read_bytes()
    packed = gzip.compress(plain, mtime=0)
    tag = f'W/"{hashlib.sha256(plain).hexdigest()[:20]}"'
    return File(media_type, tag, plain, packed if len(packed) < len(plain) else b"")
