"""What the kernel's tests share: short forms of samples, columns as plain values."""

from __future__ import annotations

from dataclasses import fields
from types import ModuleType
from typing import Any

from metronome.kernel.interface import Dialect
from metronome.model import Columns, Ragged, parse_key

UNION = Dialect()


def parsed(kernel: ModuleType, line: str | bytes, dialect: Dialect = UNION) -> Any:
    """The samples of a line as plain tuples, or the reason why it is refused.  Only of a running
    total it is said that it is one."""
    raw = line.encode() if isinstance(line, str) else line
    samples, rejects = kernel.parse_statsd(raw, dialect)
    if rejects:
        assert not samples
        assert [reject.excerpt for reject in rejects] == [raw[:160]]
        return rejects[0].reason
    return [tuple(sample if sample.total else sample[:-1]) for sample in samples]


def rows(columns: Columns) -> list[dict[str, Any]]:
    """Each row with its series' name, labels and whatever is not empty."""
    found = []
    for index in range(len(columns)):
        row: dict[str, Any] = {"series": parse_key(columns.key(index))[:2]}
        for field in fields(columns):
            array = getattr(columns, field.name)
            if field.name == "keys":
                continue
            if isinstance(array, Ragged):
                if len(array.row(index)):
                    row[field.name] = array.row(index).tolist()
            else:
                row[field.name] = array[index].item()
        found.append(row)
    return found


def dumped(columns: Columns) -> dict[str, Any]:
    """Columns as bytes and types, to be compared bit by bit."""
    out: dict[str, Any] = {}
    for field in fields(columns):
        value = getattr(columns, field.name)
        arrays = {"": value} if not isinstance(value, Ragged) else {".ends": value.ends, ".flat": value.flat}
        for suffix, array in arrays.items():
            out[field.name + suffix] = (array.dtype.str, array.tobytes())
    return out
