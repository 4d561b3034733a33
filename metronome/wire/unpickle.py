"""carbon's pickle form, read: frames of ``u32 length | pickle`` (big-endian), and never a class.

A frame is a list of ``(path, (time, value))``, as a tuple or a list, in any pickle protocol from
0 to 5.  It comes out as lines of Graphite plaintext, so that names, tags, times and the rules for
them are those of plaintext, and the kernel folds a whole frame in one go.

*Why it is safe.*  A pickle is a program for a machine that can import and call.  Before any of it is
run, the kernel walks over the frame from instruction to instruction (``kernel/pickles.py``); a frame
that holds anything but numbers, texts, tuples, lists and the memo's is refused unread.  What is
left cannot name anything to import; should that ever be wrong, the unpickler still refuses
every global.  Texts that the memo repeats may not add up to more than ``PICKLE_TEXT_BYTES``.

*Items.*  A bad one costs only itself.  Value and time are integers, floats, booleans or decimal
text; the time -1 (or the text ``N``) means now, as in plaintext.  A path is text or bytes of
UTF-8; blanks at its ends are cut off.  carbon reads the same, but for dates before 1970.
"""

from __future__ import annotations

import io
import math
import pickle
import re
from collections import Counter
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final

import orjson

from metronome.kernel import is_harmless
from metronome.limits import EXCERPT_BYTES, PICKLE_BYTES, PICKLE_TEXT_BYTES
from metronome.wire.framing import Frames, Refused, Taken

_DECIMAL: Final = re.compile(r"[0-9eE.+-]{1,512}")
_NOW: Final = ("N", "n")
_TUPLES: Final = {tuple, list}
_NUMBERS: Final = {int, float}
_BLANKS: Final = frozenset(" \t")
_FIRST: Final = itemgetter(0)


_DAMAGED: Final = (
    pickle.UnpicklingError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    AttributeError,
    OverflowError,
)
"""What reading a pickle raises that is none."""


class _Unpickler(pickle.Unpickler):
    """Refuses every class and function, should one ever get this far."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name} is not wanted")


class PickleFraming:
    """Takes the bytes of a connection, gives lines of Graphite plaintext."""

    def __init__(self, limit: int = PICKLE_BYTES):
        self._frames = Frames(limit, "big")

    def feed(self, chunk: bytes) -> Taken:
        """The lines of whole frames."""
        frames, refused, lost = self._frames.feed(chunk)
        blocks: list[bytes] = []
        for frame in frames:
            block, bad = lines_of(frame)
            blocks.append(block)
            refused += bad
        return Taken(b"".join(blocks), tuple(refused), lost)

    def end(self, proper: bool) -> Taken:
        """A frame that was not finished is refused."""
        return self._frames.end()


def lines_of(frame: bytes) -> tuple[bytes, list[Refused]]:
    """The points of one frame as lines, and what was refused of them."""
    content = _content(frame)
    if content is None:
        return b"", [Refused("bad_pickle", frame[:EXCERPT_BYTES])]
    block = _plain_lines(content) if content else b""
    return (block, []) if block else _checked_lines(content)


def _content(frame: bytes) -> Sequence[Any] | None:
    if not is_harmless(frame):
        return None
    file = io.BufferedReader(io.BytesIO(frame), len(frame))
    try:
        content = _Unpickler(file, encoding="utf-8", errors="replace").load()
    except _DAMAGED:
        return None
    return content if type(content) in _TUPLES else None


def _plain_lines(content: Sequence[Any]) -> bytes:
    """The lines, where every item is as it should be with numbers as numbers; else nothing.

    Written for speed: a handful of calls that each go over a whole column.
    """
    try:
        paths, pairs = zip(*content, strict=True)
        times, values = zip(*pairs, strict=True)
        if not {*map(type, pairs)} <= _TUPLES or not {*map(type, times)} | {*map(type, values)} <= _NUMBERS:
            return b""
        if sum(map(len, paths)) > PICKLE_TEXT_BYTES:
            return b""
        if "\n" in "".join(paths) or not _BLANKS.isdisjoint(map(_FIRST, paths)):
            return b""
        time_texts = orjson.dumps(times)[1:-1].decode()
        value_texts = orjson.dumps(values)[1:-1].decode()
    except (TypeError, ValueError, IndexError):
        return b""
    if "null" in time_texts or "null" in value_texts:
        return b""
    columns = zip(paths, value_texts.split(","), time_texts.split(","), strict=True)
    return "\n".join(map(" ".join, columns)).encode("utf-8", "surrogatepass") + b"\n"


def _checked_lines(content: Sequence[Any]) -> tuple[bytes, list[Refused]]:
    """The lines of the good items, and what is wrong with the others."""
    lines: list[bytes] = []
    firsts: dict[str, bytes] = {}
    numbers: Counter[str] = Counter()
    left = PICKLE_TEXT_BYTES
    for item in content:
        line = _line(item) if left > 0 else "too_large"
        left -= len(line)
        if isinstance(line, bytes):
            lines.append(line)
            continue
        numbers[line] += 1
        if line not in firsts:
            firsts[line] = _excerpt(item)
    return b"".join(lines), [Refused(reason, firsts[reason], number) for reason, number in numbers.items()]


def _line(item: Any) -> bytes | str:
    """One item as a line with its LF, or why it cannot be."""
    if type(item) not in _TUPLES or len(item) != 2:
        return "malformed_line"
    path, pair = item
    if type(pair) not in _TUPLES or len(pair) != 2:
        return "malformed_line"
    if isinstance(path, str):
        path = path.encode("utf-8", "surrogatepass")
    if not isinstance(path, bytes) or not path.strip(b" \t") or b"\n" in path:
        return "bad_name"
    time, value = (_number(part) for part in pair)
    if value is None or value in _NOW:
        return "bad_value"
    if value in ("nan", "inf"):
        return "not_finite"
    if time is None or time in ("nan", "inf"):
        return "bad_time"
    return b"%b %b %b\n" % (path, value.encode(), time.encode())


def _number(part: Any) -> str | None:
    """A number as decimal text, ``N``, ``nan`` or ``inf``; None when it is none."""
    if isinstance(part, bytes):
        part = part.decode("latin-1")
    if isinstance(part, str):
        text = part.strip()
        return text if _DECIMAL.fullmatch(text) or text in _NOW else None
    if isinstance(part, (int, float)):
        if math.isnan(part):
            return "nan"
        return str(part + 0) if math.isfinite(part) else "inf"
    return None


def _excerpt(item: Any) -> bytes:
    """What is shown of a bad item: its path, if it has one."""
    path = item[0] if type(item) in _TUPLES and item else item
    if isinstance(path, str):
        path = path[:EXCERPT_BYTES].encode("utf-8", "replace")
    return path[:EXCERPT_BYTES] if isinstance(path, bytes) else type(path).__name__.encode()
