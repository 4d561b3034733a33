"""An image of the page, as bytes and back."""

from __future__ import annotations

import numpy as np
import pytest

from metronome.gateway.beside import HISTOGRAM, SUMMARY, Manner
from metronome.gateway.shown_image import (
    Origin,
    Rows,
    columns_of,
    decode,
    encode_end,
    encode_origin,
    encode_rows,
    meaning_of,
    put,
    rows_of,
    taken,
)
from metronome.model import Kind
from tests.gateway.page_kit import Shown, key
from tests.gateway.page_kit import rows_of as some_rows

ORIGIN = Origin("journal", 7, {"main": 5}, 3, 1.5)
MANNER = Manner(HISTOGRAM, "", (), (1.0, 2.0), 3)


def filled(manner: Manner = MANNER) -> Shown:
    """A counter, a summary, a histogram, and one that waits."""
    shown = Shown()
    sheet = shown.sheet()
    sheet.manners.append(manner)
    keys = [key("c", Kind.COUNTER), key("s", Kind.TIMER), key("h", Kind.TIMER), key("c")]
    numbers, _ = sheet.numbers(some_rows(keys), 5.0, 3.0)
    sheet.of_manner(numbers, None)
    sheet.of_manner(numbers[2:3], 4)
    shown.board.hear(sheet, numbers[:3], 5.0)
    assert shown.board.hear(sheet, numbers[3:], 6.0) == 1
    sheet.n[:4] = [1.0, 2.0, 3.0, 4.0]
    if manner.type == HISTOGRAM:
        for number, at, beside in ((1, SUMMARY, [2.0, 5.0, 6.0, 7.0, 8.0]), (2, 4, [1.0, 0.0, 2.0])):
            values, places = sheet.beside(np.array([number]), at)
            values[places] = beside
        sheet.spread.add(np.array([2, 2]), np.array([4001, 0]), np.array([2.0, 1.0]))
    return shown


def kept(shown: Shown) -> Rows:
    """What is kept of them, through bytes."""
    sheet = shown.sheet()
    (numbers,) = sheet.kept()
    rows = rows_of(sheet, numbers, [meaning_of(manner) for manner in sheet.manners])
    origin, found = decode(memoryview(encode_origin(ORIGIN) + encode_rows(rows) + encode_end()))
    assert origin == ORIGIN
    assert isinstance(found, Rows)
    return found


def restored(rows: Rows, manner: Manner = MANNER) -> Shown:
    shown = Shown()
    sheet = shown.sheet()
    sheet.manners.append(manner)
    numbers, _ = sheet.numbers(columns_of(rows), 100.0, 100.0)
    sheet.of_manner(numbers, None)
    sheet.of_manner(numbers[rows.which == len(rows.meanings) - 1], 4)
    put(sheet, numbers, rows, 90.0, 100.0)
    shown.board.place_again(sheet, numbers[rows.shown])
    shown.board.place_again(sheet, numbers[~rows.shown])
    return shown


def test_everything_is_as_it_was() -> None:
    """Values, what stands beside, who is shown; silence while nothing ran is none."""
    before, after = filled(), restored(kept(filled()))
    assert sorted(after.lines()) == sorted(before.lines())
    assert len(after.lines()) == 1 + 6 + 5
    assert len(after.board) == 4
    sheet = after.sheet()
    assert sorted(sheet.seen[:4].tolist()) == [95, 95, 95, 96]
    assert sheet.born[:4].tolist() == [3, 3, 3, 3]
    numbers = sheet.roster.find(some_rows([key("h", Kind.TIMER)]).ids)
    assert [array.tolist() for array in sheet.spread.of(numbers)] == [[0, 0], [0, 4001], [1.0, 2.0]]


@pytest.mark.parametrize(
    "manner", [MANNER._replace(buckets=(1.0, 3.0)), MANNER._replace(schema=2), Manner(SUMMARY, "", (0.5,))]
)
def test_another_manner(manner: Manner) -> None:
    """What the numbers beside do not fit any more begins anew, and the rest goes on."""
    shown = restored(kept(filled()), manner)
    sheet = shown.sheet()
    number = int(sheet.roster.find(some_rows([key("h", Kind.TIMER)]).ids)[0])
    assert (sheet.n[number], sheet.born[number]) == (0, 100)
    assert len(sheet.spread.of(np.array([number]))[0]) == 0
    assert "s_count 2" in shown.lines()
    assert "c_total 1" in shown.lines()


def test_other_quantiles() -> None:
    """Sum and count go on; the quantiles are none until there is something new."""
    before = filled(Manner(SUMMARY, "", (0.5,)))
    values, places = before.sheet().beside(np.array([2]), 4)
    values[places] = [3.0, 9.0]
    shown = restored(kept(before), Manner(SUMMARY, "", (0.5, 0.6)))
    assert [line for line in shown.lines() if line.startswith("h")] == [
        'h{quantile="0.5"} NaN',
        'h{quantile="0.6"} NaN',
        "h_sum 3",
        "h_count 3",
    ]


def test_some_of_them() -> None:
    """With what stands beside them, and their buckets."""
    rows = kept(filled())
    for wanted in ([0, 2], [2], [], [0, 1, 2, 3]):
        some = taken(rows, np.array(wanted, np.int64))
        texts = [
            some.keys.flat[begin:end].tobytes()
            for begin, end in zip(some.keys.begins, some.keys.ends, strict=True)
        ]
        assert texts == [rows.keys.flat[rows.keys.begins[at] : rows.keys.ends[at]].tobytes() for at in wanted]
        assert some.n.tolist() == rows.n[wanted].tolist()
        widths = [rows.meanings[which].width for which in some.which]
        assert len(some.beside) == sum(widths)
        assert some.native[0].tolist() == ([wanted.index(2)] * 2 if 2 in wanted else [])
        assert len(columns_of(some)) == len(wanted)


def test_damage() -> None:
    """A torn or damaged image is none."""
    whole = encode_origin(ORIGIN) + encode_rows(kept(filled())) + encode_end()
    assert len(list(decode(memoryview(whole)))) == 2
    for wrong in (whole[:-1], whole[: len(encode_origin(ORIGIN))], b"", whole.replace(b"main", b"mail")):
        with pytest.raises(ValueError, match="damaged or not complete"):
            list(decode(memoryview(wrong)))
