"""Addresses: one grammar, written back as read, and errors that say what is right."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.addresses import Address, parse

ALL = ("udp", "tcp", "tls", "unix", "unixgram")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("udp://127.0.0.1:8125", Address("udp", "127.0.0.1", 8125)),
        ("TCP://LocalHost:0", Address("tcp", "localhost", 0)),
        ("tcp://[::1]:2003", Address("tcp", "::1", 2003)),
        ("tcp://[0:0:0:0:0:0:0:1]:2003", Address("tcp", "::1", 2003)),
        ("udp://:8125", Address("udp", "0.0.0.0", 8125)),
        ("udp://[::]:65535", Address("udp", "::", 65535)),
        ("unix:///run/a%20b.sock", Address("unix", path="/run/a b.sock")),
        ("unixgram:///m?mode=660", Address("unixgram", path="/m", parameters=(("mode", "660"),))),
        (
            "tls://h.example:443?cert=/a/b.pem&key=/c%26d",
            Address("tls", "h.example", 443, parameters=(("cert", "/a/b.pem"), ("key", "/c&d"))),
        ),
    ],
)
def test_an_address_is_read_and_written_back(text: str, expected: Address) -> None:
    """What is read is what was meant, and its text form reads as the same."""
    found = parse(text, ALL, ("cert", "key", "mode"))
    assert found == expected
    assert parse(str(found), ALL, ("cert", "key", "mode")) == expected


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("127.0.0.1:8125", "it has no transport; udp://127.0.0.1:8125 or"),
        ("http://a:1", "http:// is not taken here"),
        ("udp://127.0.0.1", "it has no port; udp://127.0.0.1:8125 would be right"),
        ("udp://", "it has no port; udp://127.0.0.1:8125"),
        ("udp://[::1]", "it has no port"),
        ("udp://a:", "nothing is not a port"),
        ("udp://a:70000", "70000 is not a port; a number from 0 to 65535"),
        ("udp://a:-1", "-1 is not a port"),
        ("udp://a:٣", "is not a port"),
        ("udp://a:" + "9" * 5000, "is not a port"),
        ("udp://::1:8125", "an IPv6 address stands in brackets; [::1]"),
        ("udp://[::g]:1", "[::g] is not an IPv6 address"),
        ("udp://1.2.3:1", "1.2.3 is not an IPv4 address"),
        ("udp://a b:1", "a b is not a host"),
        ("udp://user@host:1", "is not a host"),
        ("unix://relative/path", "an absolute path must follow"),
        ("unix:///", "an absolute path must follow"),
        ("unix:///" + "x" * 200, "at most 103 bytes"),
        ("udp://a:1?color=red", "there is no parameter color; cert would be right"),
        ("udp://a:1?cert", "NAME=VALUE pairs"),
    ],
)
def test_a_wrong_address_says_what_would_be_right(text: str, right: str) -> None:
    """The sentence names the mistake and the remedy."""
    with pytest.raises(ValueError, match=re.escape(right)):
        parse(text, ALL, ("cert",))


@given(
    st.builds(
        "{}://{}{}{}".format,
        st.sampled_from([*ALL, "x", ""]),
        st.sampled_from(["127.0.0.1", "[::1]", "host", "/path"]) | st.text(max_size=20),
        st.sampled_from([":0", ":8125", ""]) | st.text(max_size=8),
        st.sampled_from(["", "?cert=/a"]) | st.text(max_size=8),
    )
)
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever stands there, it is an address that reads back as itself or a ValueError."""
    try:
        found = parse(text, ALL, ("cert",))
    except ValueError:
        return
    assert parse(str(found), ALL, ("cert",)) == found
