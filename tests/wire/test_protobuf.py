"""Protocol buffers, written, and read back by the library of those who made them."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from metronome.wire import protobuf

WORDS = st.integers(-(2**63), 2**63 - 1)


def _message() -> Message:
    """An empty message with a field of each type, numbered from 1."""
    types = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="all.proto", syntax="proto3")
    message = file.message_type.add(name="All")
    one, many = types.LABEL_OPTIONAL, types.LABEL_REPEATED
    for name, kind, label in (
        ("int", types.TYPE_INT64, one),
        ("sint", types.TYPE_SINT64, one),
        ("double", types.TYPE_DOUBLE, one),
        ("string", types.TYPE_STRING, one),
        ("bytes", types.TYPE_BYTES, one),
        ("ints", types.TYPE_INT64, many),
        ("sints", types.TYPE_SINT64, many),
        ("doubles", types.TYPE_DOUBLE, many),
    ):
        message.field.add(name=name, number=len(message.field) + 1, type=kind, label=label)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("All"))()


@given(WORDS, WORDS, st.floats(allow_nan=False), st.text(), st.binary(), st.lists(WORDS), st.lists(WORDS))
def test_fields_are_read_back(
    whole: int, signed: int, double: float, text: str, data: bytes, many: list[int], signs: list[int]
) -> None:
    """Every type of field is read back as it was written, by another's decoder."""
    written = (
        protobuf.whole(1, whole)
        + protobuf.signed(2, signed)
        + protobuf.double(3, double)
        + protobuf.text(4, text)
        + protobuf.data(5, data)
        + protobuf.packed(6, many)
        + protobuf.packed_signed(7, signs)
        + protobuf.packed_doubles(8, np.array([double, 1.5]))
    )
    read = _message()
    read.ParseFromString(written)
    found = [getattr(read, field.name) for field in read.DESCRIPTOR.fields]
    found[5:] = map(list, found[5:])
    assert found == [whole, signed, double, text, data, many, signs, [double, 1.5]]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8001"),
        (150, "9601"),
        (2**32, "8080808010"),
        (2**64 - 1, "ffffffffffffffffff01"),
        (-1, "ffffffffffffffffff01"),
        (-(2**63), "80808080808080808001"),
    ],
)
def test_varints(value: int, written: str) -> None:
    """Seven bits a byte, the lowest first; negative numbers take all ten bytes."""
    assert protobuf.varint(value).hex() == written


@pytest.mark.parametrize(("value", "folded"), [(0, 0), (-1, 1), (1, 2), (-2, 3), (-(2**63), 2**64 - 1)])
def test_zigzag(value: int, folded: int) -> None:
    """Small magnitudes of either sign are small numbers."""
    assert protobuf.zigzag(value) == folded


@given(st.lists(WORDS, max_size=50))
def test_many_varints_at_once(values: list[int]) -> None:
    """An array is written as its numbers one by one are."""
    flat, lengths = protobuf.varints(np.array(values, np.int64))
    one_by_one = [protobuf.varint(value) for value in values]
    assert flat.tobytes() == b"".join(one_by_one)
    assert lengths.tolist() == [len(one) for one in one_by_one]


def test_signalling_bits_of_a_nan_survive() -> None:
    """The bits of a NaN mean something in Prometheus, so a double keeps them."""
    stale = struct.unpack("<d", (0x7FF0000000000002).to_bytes(8, "little"))[0]
    assert protobuf.double(1, stale).hex() == "09020000000000f07f"


def test_texts_that_are_no_utf8() -> None:
    """A lone surrogate is a question mark: a receiver would refuse the whole message."""
    assert protobuf.text(1, "a\ud800b") == b"\x0a\x03a?b"


def test_delimited() -> None:
    """A length stands in front of a message in a stream of them."""
    assert protobuf.delimited(b"x" * 200) == b"\xc8\x01" + b"x" * 200
