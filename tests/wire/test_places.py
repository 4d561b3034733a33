from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.wire.places import extension, host_of, page, place

PLACES = [
    ("https://www.arcgis.com/", "arcgis.com"),
    ("https://www.washingtonpost.com/articles/dc-news/?utm=1#top", "washingtonpost.com/articles/dc-news"),
    ("HTTP://WWW.Example.COM./A/b//", "example.com/A/b"),
    ("//example.com/x", "example.com/x"),
    ("https://user:pa@ss@example.com:8443/x", "example.com/x"),
    ("http://localhost:3000/a", "localhost/a"),
    ("http://[::1]:80/a", "[::1]/a"),
    ("https://example.com/caf%C3%A9%20x", "example.com/café x"),
    ("https://example.com/a%00b", "example.com/a\ufffdb"),
    ("https://example.com?x=1", "example.com"),
    ("https://example.com#x", "example.com"),
    ("android-app://com.example.mail/", "com.example.mail"),
    ("example.com/path", "example.com/path"),
    ("example.com", "example.com"),
    ("newsletter", ""),
    ("two words.com are", ""),
    ("/only/a/path", ""),
    ("about:blank", ""),
    ("data:text/html,hi", ""),
    ("file:///home/x", ""),
    ("null", ""),
    ("", ""),
]


@pytest.mark.parametrize(("url", "key"), PLACES)
def test_places(url: str, key: str) -> None:
    """A place is host without www and path without the last slash, and nothing else."""
    assert place(url) == key


def test_a_path_alone_is_on_the_page_host() -> None:
    """A relative page takes its host from the browser's headers, if they tell."""
    assert page("/a/b/?q=1", "example.com/elsewhere") == "example.com/a/b"
    assert page("/a/b", "") == "/a/b"
    assert page("https://other.org/", "example.com") == "other.org"


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://example.com/data/roads.KML?x=1.csv", "kml"),
        ("archive.tar.gz", "gz"),
        ("data.csv#row", "csv"),
        ("https://example.com", ""),
        ("https://example.com/download", ""),
        ("a.b/c", ""),
        ("", ""),
    ],
)
def test_extensions(url: str, found: str) -> None:
    """The extension is that of the path's last part; a host has none."""
    assert extension(url) == found


@given(st.text(max_size=60))
def test_a_place_is_its_own_place(text: str) -> None:
    """No text breaks it, and what it gives has a host and no www, NUL or last slash."""
    key = place("http://" + text)
    assert "\0" not in key
    assert not key.endswith("/")
    assert bool(key) == bool(host_of(key)) or key == ""
