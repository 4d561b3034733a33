"""Names of indices and documents: the one place that knows how they are put together.

::

    PREFIX-points-2026.01.31        parts as written, and merged into the first rung's steps
    PREFIX-points-60s-2026.01.31    parts merged into steps of 60 s
    PREFIX-points-600s-2026.01      steps of five minutes and more: by month
    PREFIX-ticks-2026.01.31         events
    PREFIX-points-far, -ticks-far   those of days that are far from when they were written
    PREFIX-ids-2026.01.31           deduplication ids, by the day they came
    PREFIX-meta                     what is applied, books, rounds of the ladder
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from metronome.limits import ELASTIC_MONTHLY_STEP
from metronome.model import I64

DAY_MS: Final = 86_400_000
_PERIOD: Final = re.compile(r"(\d{4})\.(\d\d)(?:\.(\d\d))?$")


class Names:
    """The names of one installation."""

    def __init__(self, prefix: str):
        self.prefix = prefix
        self.points = f"{prefix}-points-*"
        self.ticks = f"{prefix}-ticks-*"
        self.ids = f"{prefix}-ids-*"
        self.meta = f"{prefix}-meta"
        self.far_points = f"{prefix}-points-far"
        self.far_ticks = f"{prefix}-ticks-far"

    def of_points(self, day: int, step: int = 0) -> str:
        """The index of parts of a day since 1970, merged into steps of ``step`` seconds (0: those of
        the first rung or as written)."""
        coarse = f"{step}s-" if step else ""
        form = "%Y.%m" if step >= ELASTIC_MONTHLY_STEP else "%Y.%m.%d"
        return f"{self.prefix}-points-{coarse}{_date(day).strftime(form)}"

    def of_ticks(self, day: int) -> str:
        """The index of events of a day."""
        return f"{self.prefix}-ticks-{_date(day):%Y.%m.%d}"

    def of_ids(self, day: int) -> str:
        """The index of deduplication ids of a day."""
        return f"{self.prefix}-ids-{_date(day):%Y.%m.%d}"


def dated(index: str) -> bool:
    """Whether an index is of one day or month."""
    return _PERIOD.search(index) is not None


def ends_at(index: str) -> int:
    """The time (ms) at which the day or month of an index is over; far away for other names."""
    found = _PERIOD.search(index)
    if not found:
        return 1 << 62
    year, month = int(found[1]), int(found[2])
    if found[3]:
        return _ms(datetime(year, month, int(found[3]), tzinfo=UTC)) + DAY_MS
    return _ms(datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC))


def id_prefix(gateway: str, position: int) -> str:
    """What the ids of a record's documents begin with; the row follows."""
    return f"{gateway}.{position:x}."


def pair(name: str, value: str) -> str:
    """A label as it stands in ``label_pairs``."""
    return f"{pair_name(name)}={value}"


def pair_name(name: str) -> str:
    """A label's name as it stands there."""
    return name.replace("%", "%25").replace("=", "%3D")


def split_pair(text: str) -> tuple[str, str]:
    """The reverse of :func:`pair`."""
    name, _, value = text.partition("=")
    return name.replace("%3D", "=").replace("%25", "%"), value


def days_of(times: I64) -> list[int]:
    """The days since 1970 that these times (ms) are in, ascending."""
    days: set[int] = set((times // DAY_MS).tolist())
    return sorted(days)


def listed(indices: Iterable[str]) -> str:
    """Several indices as they stand in a path."""
    return ",".join(sorted(indices))


def _date(day: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp()) * 1000
