"""How settings are read: raw values of a TOML file, an environment variable or an option.

A reader takes what stands in one of the three places (TOML has types, the other two are
text) and gives the value, or raises ``ValueError`` with one sentence: what is wrong and what
would be right.  The caller puts the key and the value in front.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Collection
from itertools import pairwise
from pathlib import Path
from typing import Final

from metronome import addresses
from metronome.addresses import Address
from metronome.fold.statsd import HistogramRule
from metronome.store.interface import Rung

Reader = Callable[[object], object]

CARBON_TRANSPORTS: Final = ("tcp", "pickle", "tls", "pickle+tls", "udp", "unix")
CARBON_PARAMETERS: Final = ("resend", "again", "ca", "cert", "key", "name")
"""Of an output's address: seconds that what was sent is kept for sending it again, and after which it
is sent a second time; PEM files of who is trusted and of our own certificate, and the server's name."""

_SIZES: Final = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
_SIZES_BINARY: Final = {"ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}
_SPANS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
GAUGE_SIGNS: Final = ("delta", "absolute")
FRAMINGS: Final = ("auto", "line", "length")
TAG_STYLES: Final = ("dogstatsd", "influx", "librato", "signalfx", "graphite")
_TRUE: Final = ("true", "yes", "on", "1")
_FALSE: Final = ("false", "no", "off", "0")


def text(raw: object) -> str:
    """Any text, also none."""
    if not isinstance(raw, str):
        raise ValueError("it is not a text; a text in quotes would be right")
    return raw


def path(raw: object) -> Path:
    """A path, made absolute so that a daemon that changes its folder still finds it."""
    if not text(raw):
        raise ValueError("it is empty; a path would be right")
    return Path(text(raw)).expanduser().absolute()


def optional_path(raw: object) -> Path | None:
    """A path, or the empty text for none."""
    return path(raw) if raw != "" else None


def flag(raw: object) -> bool:
    """Yes or no."""
    word = str(raw).lower() if isinstance(raw, (bool, str, int)) else ""
    if word not in _TRUE + _FALSE:
        raise ValueError("it is neither yes nor no; true or false would be right")
    return word in _TRUE


def number(least: float, most: float) -> Callable[[object], float]:
    """A finite number within bounds."""

    def read(raw: object) -> float:
        right = f"a number from {least:g} to {most:g} would be right"
        if isinstance(raw, bool) or not isinstance(raw, (int, float, str)):
            raise ValueError(f"it is not a number; {right}")
        try:
            value = float(raw)
        except (ValueError, OverflowError):
            raise ValueError(f"it is not a number; {right}") from None
        if not least <= value <= most:
            raise ValueError(f"it is out of bounds; {right}")
        return value

    return read


def whole(least: int, most: int) -> Callable[[object], int]:
    """A whole number within bounds."""
    bounded = number(least, most)

    def read(raw: object) -> int:
        value = bounded(raw)
        if not value.is_integer():
            raise ValueError(f"it is not a whole number; {math.floor(value)} would be right")
        return int(value)

    return read


def size(least: int) -> Callable[[object], int]:
    """Bytes: a number, or one with a unit such as ``512MB`` or ``4GiB``."""

    def read(raw: object) -> int:
        right = f"a size of at least {least} bytes such as 512MB or 4GiB would be right"
        units = {**_SIZES, **_SIZES_BINARY}
        value = _with_unit(raw, r"([0-9.]+)\s*([kmgt]?i?)b?", units)
        if value is None:
            raise ValueError(f"it is not a size; {right}")
        if value < least:
            raise ValueError(f"it is too small; {right}")
        return int(value)

    return read


def span(least: float) -> Callable[[object], float]:
    """Seconds: a number, or one with a unit such as ``90s``, ``15m``, ``12h``, ``30d``, ``2y``."""

    def read(raw: object) -> float:
        right = f"a time of at least {least:g} seconds such as 90s, 15m, 12h, 30d or 2y would be right"
        value = _with_unit(raw, r"([0-9.]+)\s*([smhdwy]?)", _SPANS)
        if value is None:
            raise ValueError(f"it is not a time; {right}")
        if value < least:
            raise ValueError(f"it is too short; {right}")
        return value

    return read


def _with_unit(raw: object, pattern: str, units: dict[str, int]) -> float | None:
    if isinstance(raw, bool) or not isinstance(raw, (int, float, str)):
        return None
    found = re.fullmatch(pattern, str(raw).strip().lower())
    if not found or found[1].count(".") > 1 or found[1] == "." or found[2] not in units:
        return None
    return float(found[1]) * units[found[2]]


def choice(*names: str) -> Callable[[object], str]:
    """One of a few words."""

    def read(raw: object) -> str:
        if raw not in names:
            raise ValueError(f"it is none of the choices; {' or '.join(names)} would be right")
        return str(raw)

    return read


def address(*transports: str, parameters: Collection[str] = ()) -> Callable[[object], Address]:
    """An address with one of these transports."""

    def read(raw: object) -> Address:
        found = addresses.parse(text(raw), transports, parameters)
        if found.transport == "tls" and not found.parameter("cert"):
            raise ValueError("it names no certificate; tls://host:port?cert=FILE&key=FILE would be right")
        if found.parameter("gauge_sign", "delta") not in GAUGE_SIGNS:
            raise ValueError(f"gauge_sign={' or '.join(GAUGE_SIGNS)} would be right")
        if found.parameter("framing", "auto") not in FRAMINGS:
            raise ValueError(f"framing={' or '.join(FRAMINGS)} would be right")
        for name in ("signed", "container_labels"):
            if found.parameter(name, "yes") not in ("yes", "no"):
                raise ValueError(f"{name}=yes or {name}=no would be right")
        tag_styles(found.parameter("tag_styles", "none"))
        if not re.fullmatch("0?[0-7]{3}", found.parameter("mode", "600")):
            raise ValueError("the mode is not three octal digits; mode=660 would be right")
        return found

    return read


def tag_styles(raw: str) -> tuple[str, ...]:
    """The styles of an address's ``tag_styles``, which are joined by ``+``; ``none`` for none."""
    styles = tuple(raw.replace("+", " ").split()) if raw != "none" else ()
    for style in styles if styles or raw == "none" else (raw,):
        if style not in TAG_STYLES:
            raise ValueError(f"tag_styles={'+'.join(TAG_STYLES)}, some of them or none would be right")
    return styles


def carbon(raw: object) -> Address:
    """Where a carbon listens, and how it is reached."""
    found = addresses.parse(text(raw), CARBON_TRANSPORTS, CARBON_PARAMETERS)
    secure = found.transport.endswith("tls")
    given = dict(found.parameters)
    if not found.path and not found.port:
        raise ValueError("the port carbon listens on would be right")
    for name in ("ca", "cert", "key", "name"):
        if name in given and not secure:
            raise ValueError(f"{name}= is for TLS; tls:// or pickle+tls:// would be right")
        if name in given and name != "name" and not os.access(given[name], os.R_OK):
            raise ValueError(f"{name}={given[name]} cannot be read; a PEM file would be right")
    for name in ("resend", "again"):
        if name in given and found.transport == "udp":
            raise ValueError(f"{name}= is for connections; what left over UDP is done")
        if name in given:
            try:
                span(0)(given[name])
            except ValueError as error:
                raise ValueError(f"{name}={given[name]}: {error}") from None
    return found


def store_url(raw: object) -> str:
    """A store's URL; whether there is such a store, the stores' folder knows."""
    if not re.match(r"[a-z][a-z0-9+]*:", text(raw)):
        raise ValueError("it has no scheme; duckdb: or duckdb:PATH or memory: would be right")
    return text(raw)


def histogram(raw: object) -> HistogramRule:
    """Bins of timers: ``TEXT:10:100:inf``; ascending upper limits for names with TEXT in them."""
    match, *limits = text(raw).split(":")
    try:
        bins = tuple(float(limit) for limit in limits)
    except ValueError:
        bins = ()
    if not bins or any(lower >= upper for lower, upper in pairwise(bins)) or math.isnan(sum(bins)):
        raise ValueError("it has no ascending limits; http:10:100:inf would be right")
    return HistogramRule(match, bins)


def rung(raw: object) -> Rung:
    """One rung of the ladder as carbon writes retentions: ``60s:30d``, step and how long."""
    step, colon, keep = text(raw).partition(":")
    if not colon:
        raise ValueError("it is no step and time; 60s:30d would be right")
    found = Rung(int(span(1)(step.strip())), int(span(1)(keep.strip())))
    if found.keep <= found.step:
        raise ValueError("it keeps less than one step; 60s:30d would be right")
    return found


def ladder(rungs: tuple[Rung, ...]) -> tuple[Rung, ...]:
    """Check that every rung is coarser and older than the one before, by a whole factor."""
    if not rungs:
        raise ValueError("it is empty; ['10s:2d', '60s:30d', '600s:2y'] would be right")
    for fine, coarse in pairwise(rungs):
        if coarse.step % fine.step or coarse.step <= fine.step or coarse.keep <= fine.keep:
            raise ValueError(
                f"{coarse.step}s:{coarse.keep}s does not follow {fine.step}s:{fine.keep}s; each rung has"
                " a step that is a multiple of the one before, and is kept longer"
            )
    return rungs
