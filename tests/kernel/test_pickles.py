"""Which pickles may be read: the twins agree on good ones, on spoilt ones, and on anything at all."""

from __future__ import annotations

import pickle
import random
from types import ModuleType

import pytest

from metronome.kernel import pickles
from tests.kernel.conftest import twin

LISTS = (
    [("a.b", (1_700_000_000, 1.5)), ("ä" * 300, (1.25, 2**40))],
    [["c", [None, True]], ("c", (-1, "N")), (b"bytes", (10**30, -(10**20)))],
    [],
    [("same", (0, 0))] * 300,
)
GOOD = [pickle.dumps(some, protocol) for some in LISTS for protocol in range(3, 6)]
GOOD += [pickle.dumps(some, protocol) for some in (LISTS[0], LISTS[3]) for protocol in range(3)]
EDGES = [
    (b"I-1\n.", True),
    (b"I-\n.", False),
    (b"L" + b"9" * 40 + b"L\n.", True),
    (b"L" + b"9" * 41 + b"L\n.", False),
    (b"F\n.", False),
    (b"F" + b"1" * 512 + b"\n.", True),
    (b"F" + b"1" * 513 + b"\n.", False),
    (b"V\n.", True),
    (b"Vno end.", False),
    (b"p123456\n.", True),
    (b"p1234567\n.", False),
    (b"g\n.", False),
    (b"r\0\0\x07\0.", True),
    (b"r\0\0\x08\0.", False),
    (b"\x95\xff\xff\xff\0\0\0\0\0.", True),
    (b"\x95\0\0\0\x01\0\0\0\0.", False),
    (b"\x8a\x10" + b"1" * 16 + b".", True),
    (b"\x8a\x11" + b"1" * 17 + b".", False),
    (b"X\x03\0\0\0abc.", True),
    (b"X\xff\xff\xff\xffabc.", False),
    (b"T\x02\0\0", False),
    (b"\x8c\x01a.", True),
    (b"\x8c\x01", False),
    (b"", False),
    (b"N", False),
    (b".", True),
    (b"}.", False),
    (b"cos\nsystem\n.", False),
]


@pytest.fixture(params=["pure", "native"])
def kernel(request: pytest.FixtureRequest) -> ModuleType:
    """Each twin in turn."""
    return pickles if request.param == "pure" else twin("native")


def test_what_numbers_and_texts_make_is_harmless(kernel: ModuleType) -> None:
    """In every protocol; cut anywhere it is not."""
    for data in GOOD:
        assert kernel.is_harmless(data)
        assert not kernel.is_harmless(data[:-1])


@pytest.mark.parametrize(("data", "harmless"), EDGES)
def test_bounds(kernel: ModuleType, data: bytes, harmless: bool) -> None:
    """The largest that is taken, and the next."""
    assert kernel.is_harmless(data) is harmless


@pytest.mark.parametrize("content", [{}, {1}, object, Exception("x"), bytearray(b"x"), 1j])
def test_anything_else_is_not(kernel: ModuleType, content: object) -> None:
    """Whatever it is packed in."""
    for protocol in range(6):
        assert not kernel.is_harmless(pickle.dumps([("a", (1, content))], protocol))


def test_the_twins_agree() -> None:
    """On pickles of which some bytes were changed, and on instructions in any order."""
    native, chance = twin("native"), random.Random(7)
    instructions = b"(\x85\x86\x87te]al)N\x88\x89q\x94rpJGKM\x8aILFX\x8cCUBThjgSV\x80\x95."
    found = set()
    for _ in range(20_000):
        data = bytearray(chance.choice(GOOD)[:400] if chance.random() < 0.5 else chance.randbytes(20))
        for _ in range(chance.randrange(4)):
            place = chance.randrange(len(data))
            data[place] = chance.choice(
                (chance.choice(instructions), 0, 10, 48, 45, 76, chance.randrange(256))
            )
        data += b"." * chance.randrange(2)
        answer = pickles.is_harmless(bytes(data))
        assert native.is_harmless(bytes(data)) is answer, bytes(data)
        found.add(answer)
    assert found == {True, False}
