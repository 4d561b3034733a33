"""Content-Encoding: of request bodies gzip, deflate, zstd, and lists of them; of answers gzip.

What comes out is bounded before it is made, so that a small body cannot become a large
one in memory.  ``deflate`` is zlib's format (RFC 9110 section 8.4.1.2); the raw stream that
some clients send instead is understood as well.  A zstd frame may ask for a window of at
most 8 MiB, as RFC 8878 section 3.1.1.1.2 recommends to support.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Generator, Iterable, Iterator
from typing import Final

import zstandard

LAYERS: Final = 2
"""More encodings around one body than this are not something that a sender does."""
WINDOW_BYTES: Final = 8 << 20
MEMBERS: Final = 64
"""Gzip members or zstd frames in one body; each costs a copy of what follows it."""
ZIP_LEVEL: Final = 1
"""Of a page of metrics it leaves a quarter or less, at 6 ms a MB; the usual 6 a fifth, at 24."""
_NO_WEIGHT: Final = re.compile(r"q\s*=\s*0(?:\.0*)?")
_FEED: Final = 256
"""Bytes given to zstd at once: a block of 4 bytes can stand for 128 KiB."""


class _Refused(Exception):
    """Carries the reason out of the decoders."""


def decode(body: bytes, encoding: str, most: int) -> tuple[bytes, str]:
    """Undo a Content-Encoding.

    The content and an empty reason; or nothing and ``bad_encoding`` (unknown, damaged, cut
    short) or ``too_large`` (more than ``most`` bytes).
    """
    names = [name for name in (part.strip().lower() for part in encoding.split(",")) if name]
    layers = [name for name in names if name != "identity"]
    if len(layers) > LAYERS:
        return b"", "bad_encoding"
    try:
        for name in reversed(layers):
            body = _undo(body, name, most)
    except (_Refused, zlib.error, zstandard.ZstdError) as error:
        return b"", str(error) if isinstance(error, _Refused) else "bad_encoding"
    return body, ""


def takes_gzip(accepted: str) -> bool:
    """Whether a client's ``Accept-Encoding`` (RFC 9110 section 12.5.3) allows gzip by its name."""
    for part in accepted.lower().split(","):
        name, *parameters = (text.strip() for text in part.split(";"))
        if name in ("gzip", "x-gzip"):
            return not any(_NO_WEIGHT.fullmatch(parameter) for parameter in parameters)
    return False


def zipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """A body in pieces, compressed; what holds back the next piece of the body holds back ours.

    Behind each that is sent goes an empty one: compressed pieces are so small that many of them
    would be made before a connection asks for a rest.
    """
    packer = zlib.compressobj(ZIP_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    try:
        for piece in pieces:
            packed = packer.compress(piece)
            if packed:
                yield packed
            yield b""
        yield packer.flush()
    finally:
        if isinstance(pieces, Generator):
            pieces.close()


def _undo(body: bytes, name: str, most: int) -> bytes:
    if not body:
        return body
    if name in ("gzip", "x-gzip"):
        return _gzip(body, most)
    if name == "deflate":
        try:
            return _inflate(zlib.decompressobj(zlib.MAX_WBITS), body, most)[0]
        except zlib.error:
            return _inflate(zlib.decompressobj(-zlib.MAX_WBITS), body, most)[0]
    if name == "zstd":
        return _zstd(body, most)
    raise _Refused("bad_encoding")


def _gzip(body: bytes, most: int) -> bytes:
    """All members of a gzip file; zeros behind the last are padding."""
    out = b""
    for _ in range(MEMBERS):
        piece, body = _inflate(zlib.decompressobj(zlib.MAX_WBITS | 16), body, most - len(out))
        out += piece
        if not body.strip(b"\0"):
            return out
    raise _Refused("bad_encoding")


def _inflate(decoder: zlib._Decompress, body: bytes, most: int) -> tuple[bytes, bytes]:
    # One byte more than allowed is asked for: max_length 0 would mean no limit at all.
    out = decoder.decompress(body, most + 1)
    if len(out) > most:
        raise _Refused("too_large")
    if not decoder.eof:
        raise _Refused("bad_encoding")
    return out, decoder.unused_data


def _zstd(body: bytes, most: int) -> bytes:
    decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES)
    out = b""
    for _ in range(MEMBERS):
        piece, body = _frame(decompressor.decompressobj(), body, most - len(out))
        out += piece
        if not body:
            return out
    raise _Refused("bad_encoding")


def _frame(decoder: zstandard.ZstdDecompressionObj, body: bytes, most: int) -> tuple[bytes, bytes]:
    pieces, size = [], 0
    for begin in range(0, len(body), _FEED):
        piece = decoder.decompress(body[begin : begin + _FEED])
        pieces.append(piece)
        size += len(piece)
        if size > most:
            raise _Refused("too_large")
        if decoder.eof:
            return b"".join(pieces), decoder.unused_data + body[begin + _FEED :]
    raise _Refused("bad_encoding")
