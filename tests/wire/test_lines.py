"""Lines come out the same however the stream was cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.limits import EXCERPT_BYTES
from metronome.wire.lines import LineSplitter

LIMIT = 10


def split(chunks: list[bytes]) -> tuple[bytes, list[bytes], bytes]:
    """Everything that comes out of a stream of chunks."""
    splitter = LineSplitter(LIMIT)
    block, refused = b"", []
    for chunk in chunks:
        lines, bad = splitter.feed(chunk)
        block += lines
        refused += bad
    return block, refused, splitter.rest()


def expected(stream: bytes) -> tuple[bytes, int, bytes]:
    """The same by definition: whole lines that fit, how many do not, what is left."""
    *lines, rest = stream.split(b"\n")
    plain = [line.removesuffix(b"\r") for line in lines]
    good = b"".join(line + b"\n" for line in plain if len(line) <= LIMIT)
    long = sum(len(line) > LIMIT for line in plain)
    rest = rest.removesuffix(b"\r")
    return (good, long, rest) if len(rest) <= LIMIT else (good, long + 1, b"")


STREAMS = [
    b"",
    b"\n",
    b"a:1|c\n",
    b"a:1|c\r\nb:2|c\r\n",
    b"a:1|c\nb:2",
    b"a" * 10 + b"\n",
    b"a" * 10 + b"\r\n",
    b"a" * 11 + b"\nb:1|c\n",
    b"a" * 11 + b"\r\nb:1|c\n",
    b"ok\n" + b"a" * 60 + b"\nb:1|c\n" + b"c" * 11 + b"\n" + b"d" * 10 + b"\nrest",
    b"a" * 500,
    b"a" * 10 + b"\r",
    b"a" * 10 + b"\rb\nc\n",
    b"\r\n\r\n\n",
]


@pytest.mark.parametrize("stream", STREAMS)
def test_a_cut_at_any_byte_changes_nothing(stream: bytes) -> None:
    """One chunk, two chunks cut anywhere, or single bytes: the same lines and refusals."""
    good, long, rest = expected(stream)
    cuts = [[stream[:at], stream[at:]] for at in range(len(stream) + 1)]
    for chunks in [[stream], [bytes([byte]) for byte in stream], *cuts]:
        block, refused, left = split(chunks)
        assert (block, len(refused), left) == (good, long, rest), chunks


PIECES = [b"\n", b"\r\n", b"\r", b"x", b"y" * 9, b"z" * 10, b"w" * 11, b"v" * 40]


@given(
    st.lists(st.sampled_from(PIECES)).flatmap(
        lambda pieces: st.tuples(st.just(b"".join(pieces)), st.lists(st.integers(0, 200), max_size=6))
    )
)
def test_any_stream_in_any_chunks(case: tuple[bytes, list[int]]) -> None:
    """Against the definition, for streams made around the limit."""
    stream, cuts = case
    edges = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    chunks = [stream[a:b] for a, b in pairwise(edges)]
    block, refused, rest = split(chunks)
    assert (block, len(refused), rest) == expected(stream)


def test_an_excerpt_is_the_beginning_of_the_line() -> None:
    """Enough to recognise the sender, and no more."""
    _, refused, _ = split([b"ok\n" + b"ab" * 200 + b"\nok\n"])
    assert refused == [(b"ab" * 200)[:EXCERPT_BYTES]]
    _, refused, _ = split([b"x" * 15 + b"\nok\n"])
    assert refused == [b"x" * 15]
