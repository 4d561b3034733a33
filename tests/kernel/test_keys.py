"""Hashes of lines' keys, over both twins."""

from __future__ import annotations

import hashlib
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.kernel import keys
from metronome.kernel.keys import Hashing, hash_keys, keys_of
from tests.kernel.conftest import twin

NAMES = ("pure", "native")


def of(name: str) -> ModuleType:
    return keys if name == "pure" else twin("native")


@pytest.fixture(params=NAMES)
def kernel(request: pytest.FixtureRequest) -> ModuleType:
    """Each twin in turn."""
    return of(request.param)


CASES = [
    (b"a.b", b"a.b"),
    (b"..a...b.", b"a.b"),
    (b"a/b@c.d+e", b"a_b_c.d_e"),
    (b"gr\xc3\xb6n", b"gr__n"),
    (b"hits;code=200;app=sh.op", b"hits"),
    (b"hits.;code=200", b"hits."),
    (b".;a=b", b""),
    (b"a=b", b"a_b"),
    (b"", b""),
    (b"x_y:z#1-2", b"x_y:z#1-2"),
]


def test_the_key_of_a_path(kernel: ModuleType) -> None:
    """A relay cleans the path first, and asks for a tagged one by its name alone."""
    data = b"".join(path + b" 1 2\n" for path, _ in CASES)
    ends, hashes = kernel.hash_lines(data, Hashing.FNV_64)
    assert [data[end - 5 : end] for end in ends.tolist()] == [b" 1 2\n"] * len(CASES)
    assert hashes.tolist() == hash_keys([key for _, key in CASES], Hashing.FNV_64).tolist()


def test_published_hashes(kernel: ModuleType) -> None:
    """FNV-1a's test vectors of its authors, and three of RFC 1321."""
    data = b"a 1 2\nfoobar 1 2\n"
    assert kernel.hash_lines(data, Hashing.FNV_32).hashes.tolist() == [0xE40C292C, 0xBF9CF968]
    assert kernel.hash_lines(data, Hashing.FNV_64).hashes.tolist() == [0xAF63DC4C8601EC8C, 0x85944171F73967E8]
    words = [b"a", b"abc", b"abcdefghijklmnopqrstuvwxyz"]
    lines = b"".join(word + b" 1 2\n" for word in words)
    assert kernel.hash_lines(lines, Hashing.MD5).hashes.tolist() == [0x0CC1, 0x9001, 0xC3FC]


@pytest.mark.parametrize("length", [1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1000])
def test_md5_of_every_length(kernel: ModuleType, length: int) -> None:
    """Where a message is filled up to whole blocks."""
    path = (b"stats.counters.x-" * 60)[:length].rstrip(b".") or b"s"
    wanted = int.from_bytes(hashlib.md5(path).digest()[:2], "big")
    assert kernel.hash_lines(path + b" 1 2\n", Hashing.MD5).hashes.tolist() == [wanted]


@given(st.lists(st.text("ab.;=@-é", min_size=1, max_size=12), max_size=20), st.sampled_from(list(Hashing)))
def test_twins_agree(paths: list[str], hashing: Hashing) -> None:
    """To the bit, whatever is in the paths."""
    data = b"".join(path.encode() + b" 0.5 17\n" for path in paths)
    pure, native = (of(name).hash_lines(data, hashing) for name in NAMES)
    assert pure.ends.tolist() == native.ends.tolist()
    assert pure.hashes.tolist() == native.hashes.tolist()
    assert pure.hashes.tolist() == hash_keys(keys_of([path.encode() for path in paths]), hashing).tolist()
    assert (pure.ends.dtype, pure.hashes.dtype) == (native.ends.dtype, native.hashes.dtype)


@pytest.mark.parametrize("data", [b"a 1 2", b"a 1 2\nb 1 2", b"a\n", b"\n"])
def test_what_is_no_line(kernel: ModuleType, data: bytes) -> None:
    """Somebody who hands in half a line has made a mistake."""
    with pytest.raises(ValueError, match="no path or no end"):
        kernel.hash_lines(data, Hashing.MD5)


def test_nothing(kernel: ModuleType) -> None:
    """No lines, no hashes."""
    ends, hashes = kernel.hash_lines(b"", Hashing.FNV_32)
    assert (len(ends), len(hashes)) == (0, 0)
