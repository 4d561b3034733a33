"""Files of remote write's totals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metronome.gateway import image
from metronome.gateway.totals import Image


def state() -> image.State:
    series = [b'["counter","a",[],[]]', b'["gauge","b",[],[]]']
    numbers = np.array([1, 2])
    times = numbers * 10, numbers * 20, numbers * 30
    buckets = np.array([1, 1, 1]), np.array([-7, 0, 4001]), np.array([1.0, 2.0, 0.5])
    one = Image(series, numbers, *times, np.array([0.5, 1.5, np.inf]), *buckets)
    whole, real = numbers[:0], np.empty(0)
    none = Image([], whole, whole, whole, whole, real, whole, whole, real)
    streams = {"main": image.Kept(90, 1234, one), "empty": image.Kept(80, 0, none)}
    return image.State("me", 70, 95, {"a": ("counter", "say a")}, streams)


def test_an_image_is_read_back() -> None:
    """Everything that was put in comes out."""
    found = image.decode(image.encoder(state())())
    assert found[:4] == state()[:4]
    for name, kept in state().streams.items():
        assert found.streams[name][:2] == kept[:2]
        assert found.streams[name].image.series == kept.image.series
        for there, here in zip(found.streams[name].image[1:], kept.image[1:], strict=True):
            assert np.array_equal(there, here)


def test_an_image_is_of_the_moment_it_was_asked_for() -> None:
    """What changes before it is written is not in it."""
    now = state()
    encode = image.encoder(now)
    now.streams["main"].image.cells[0] = 99
    assert image.decode(encode()).streams["main"].image.cells[0] == 0.5


@pytest.mark.parametrize("position", [0, 7, 2**62])
def test_a_mark_is_read_back(position: int) -> None:
    """It is a number and its checksum."""
    assert image.decode_mark(image.encode_mark(position)) == position


def test_damage() -> None:
    """Any byte that is wrong or missing is noticed."""
    good = image.encoder(state())()
    for place in range(0, len(good), 7):
        for bad in (good[:place], good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]):
            with pytest.raises(ValueError, match="checksum"):
                image.decode(bad)
    mark = image.encode_mark(4711)
    for bad in (b"", mark[:-1], mark[1:], mark.replace(b"4", b"5"), b"x " + mark):
        with pytest.raises(ValueError, match="checksum"):
            image.decode_mark(bad)


def test_files_are_replaced_whole(tmp_path: Path) -> None:
    """The new file stands in the place of the old one, and nothing beside it."""
    file = tmp_path / "x.mark"
    image.replace(file, b"old")
    image.replace(file, b"new")
    assert file.read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["x.mark"]
    assert file.stat().st_mode & 0o777 == 0o600
