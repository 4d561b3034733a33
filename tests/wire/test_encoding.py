from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Iterator

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from metronome.wire.encoding import MEMBERS, decode, takes_gzip, zipped

TEXT = b'{"type":"view"}' * 100


def raw_deflate(data: bytes) -> bytes:
    maker = zlib.compressobj(wbits=-15)
    return maker.compress(data) + maker.flush()


def streamed_zstd(data: bytes) -> bytes:
    """A frame that does not tell its content's size."""
    maker = zstandard.ZstdCompressor().compressobj()
    return maker.compress(data) + maker.flush()


GOOD = [
    ("", TEXT),
    ("identity", TEXT),
    ("gzip", gzip.compress(TEXT)),
    ("X-GZIP", gzip.compress(TEXT)),
    ("gzip", gzip.compress(TEXT[:500]) + gzip.compress(TEXT[500:])),
    ("gzip", gzip.compress(TEXT) + bytes(64)),
    ("deflate", zlib.compress(TEXT)),
    ("deflate", raw_deflate(TEXT)),
    ("zstd", zstandard.compress(TEXT)),
    ("zstd", streamed_zstd(TEXT)),
    ("zstd", zstandard.compress(TEXT[:500]) + zstandard.compress(TEXT[500:])),
    ("gzip, zstd", zstandard.compress(gzip.compress(TEXT))),
    ("identity, gzip", gzip.compress(TEXT)),
]


@pytest.mark.parametrize(("encoding", "body"), GOOD)
def test_good_bodies(encoding: str, body: bytes) -> None:
    """Every encoding gives the content back, in one piece or several."""
    assert decode(body, encoding, 1 << 20) == (TEXT, "")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "identity", ""])
def test_an_empty_body_needs_no_decoding(encoding: str) -> None:
    """Nothing is nothing in every encoding."""
    assert decode(b"", encoding, 10) == (b"", "")


BAD = [
    ("br", TEXT),
    ("gzip", TEXT),
    ("gzip", gzip.compress(TEXT)[:-1]),
    ("gzip", gzip.compress(TEXT) + b"more"),
    ("gzip", gzip.compress(b"") * (MEMBERS + 1)),
    ("deflate", TEXT),
    ("deflate", zlib.compress(TEXT)[:-3]),
    ("zstd", TEXT),
    ("zstd", zstandard.compress(TEXT)[:-1]),
    ("zstd", zstandard.compress(b"") * (MEMBERS + 1)),
    ("gzip,gzip,gzip", gzip.compress(gzip.compress(gzip.compress(TEXT)))),
]


@pytest.mark.parametrize(("encoding", "body"), BAD)
def test_bad_bodies(encoding: str, body: bytes) -> None:
    """Unknown, damaged, cut and overlong chains of encodings are refused."""
    assert decode(body, encoding, 1 << 20) == (b"", "bad_encoding")


BOMB = bytes(64 << 20)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(BOMB)),
        ("deflate", zlib.compress(BOMB)),
        ("zstd", zstandard.compress(BOMB)),
        ("gzip, gzip", gzip.compress(gzip.compress(BOMB))),
    ],
)
def test_a_bomb_is_too_large(encoding: str, body: bytes) -> None:
    """A small body that stands for a large one is refused at the limit."""
    assert decode(body, encoding, 1 << 20) == (b"", "too_large")


def test_the_limit_itself_is_allowed() -> None:
    """As many bytes as the limit pass, one more does not."""
    for name, make in (("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstandard.compress)):
        body = make(TEXT)
        assert decode(body, name, len(TEXT)) == (TEXT, "")
        assert decode(body, name, len(TEXT) - 1) == (b"", "too_large")


def test_a_window_of_more_than_8_mib_is_refused() -> None:
    """The memory that a zstd frame may ask for is bounded."""
    params = zstandard.ZstdCompressionParameters(window_log=25)
    maker = zstandard.ZstdCompressor(compression_params=params).compressobj()
    assert decode(maker.compress(TEXT) + maker.flush(), "zstd", 1 << 20) == (b"", "bad_encoding")


@given(st.sampled_from(["gzip", "deflate", "zstd"]), st.binary(max_size=40), st.integers(0, 60))
def test_damage_never_raises(encoding: str, noise: bytes, at: int) -> None:
    """Whatever bytes arrive, there is an answer with a known reason."""
    body = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.compress}[encoding](TEXT)
    _, reason = decode(body[:at] + noise + body[at:], encoding, 1 << 16)
    assert reason in ("", "bad_encoding", "too_large")


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("br;q=1.0, x-gzip", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, br", False),
        ("gzip;q=0.001", True),
        ("gzipped", False),
    ],
)
def test_who_takes_gzip(accepted: str, takes: bool) -> None:
    """By its name, unless with a weight of nothing."""
    assert takes_gzip(accepted) is takes


@given(st.lists(st.binary(max_size=200)))
def test_a_zipped_body(pieces: list[bytes]) -> None:
    """Is one member, and what went in comes out."""
    assert gzip.decompress(b"".join(zipped(pieces))) == b"".join(pieces)


def test_a_zipped_body_is_made_when_it_is_asked_for() -> None:
    """A large piece leaves at once, and a rest follows it; who closes it closes what it is made of."""
    made: list[object] = []

    def pieces() -> Iterator[bytes]:
        try:
            for number in range(3):
                made.append(number)
                yield random.Random(number).randbytes(100_000)
        finally:
            made.append("closed")

    body = zipped(pieces())
    assert len(next(body)) > 50_000
    assert (next(body), made) == (b"", [0])
    assert len(next(body)) > 50_000
    assert made == [0, 1]
    body.close()
    assert made == [0, 1, "closed"]
