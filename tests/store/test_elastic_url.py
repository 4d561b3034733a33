"""URLs of clusters, and secrets that never show."""

from __future__ import annotations

from pathlib import Path

import pytest

from metronome.errors import ConfigError
from metronome.store.elastic_url import masked, read_url


def test_a_short_url_has_defaults() -> None:
    """A host is enough."""
    cluster = read_url("elasticsearch+http://localhost")
    assert cluster.product == "elasticsearch"
    assert cluster.nodes == ("http://localhost:9200",)
    assert (cluster.prefix, cluster.timeout, cluster.compress) == ("metronome", 30, False)
    assert not cluster.secure


def test_a_long_url_has_everything() -> None:
    """Several hosts, a path, a user, and parameters."""
    cluster = read_url(
        "opensearch+https://me:p%40ss%3A@a:1,[::1]:2,c.d/es/?prefix=m-1&ca=/c.pem&compress=yes&timeout=5"
    )
    assert cluster.product == "opensearch"
    assert cluster.nodes == ("https://a:1/es", "https://[::1]:2/es", "https://c.d:9200/es")
    assert (cluster.user, cluster.password) == ("me", "p@ss:")
    assert (cluster.prefix, cluster.ca, cluster.compress, cluster.timeout) == ("m-1", "/c.pem", True, 5)


@pytest.mark.parametrize(
    ("url", "right"),
    [
        ("elasticsearch+http://", "http://host:9200"),
        ("elasticsearch+http://a b", "http://host:9200"),
        ("elasticsearch+http://a:99999", "http://host:9200"),
        ("elasticsearch+http://a,,b", "http://host:9200"),
        ("elasticsearch+http://a?prefix=Big", "prefix=metronome"),
        ("elasticsearch+http://a?color=red", "no parameter color"),
        ("elasticsearch+http://a?compress=maybe", "compress=yes"),
        ("elasticsearch+http://a?timeout=soon", "timeout=30"),
        ("elasticsearch+http://a?timeout=0", "timeout=30"),
        ("elasticsearch+http://a?ca=/c.pem", "elasticsearch+https://"),
    ],
)
def test_a_wrong_url_says_what_would_be_right(url: str, right: str) -> None:
    """And never repeats itself: there may be a password in it."""
    with pytest.raises(ConfigError) as caught:
        read_url(url.replace("://", "://me:hidden@") if "a" in url else url)
    assert right in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "user", "password", "key"),
    [("me:a:b\n", "me", "a:b", ""), ("ApiKey abc= \n", "", "", "abc=")],
)
def test_a_secret_may_come_from_a_file(tmp_path: Path, text: str, user: str, password: str, key: str) -> None:
    """User and password, or an API key."""
    file = tmp_path / "secret"
    file.write_text(text)
    cluster = read_url("elasticsearch+http://a", file)
    assert (cluster.user, cluster.password, cluster.api_key) == (user, password, key)
    with pytest.raises(ConfigError, match="one of them"):
        read_url("elasticsearch+http://me:x@a", file)


def test_a_secret_that_cannot_be_used_is_not_shown(tmp_path: Path) -> None:
    """Missing, not text, no colon."""
    file = tmp_path / "secret"
    for content, said in ((None, "No such file"), (b"\xff", "not text"), (b"hidden", "USER:PASSWORD")):
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(ConfigError) as caught:
            read_url("elasticsearch+http://a", file)
        assert said in str(caught.value)
        assert "hidden" not in str(caught.value)


def test_what_is_shown_has_no_secret() -> None:
    """Neither the value nor the masked URL."""
    url = "elasticsearch+http://me:hidden@a:9200?prefix=x"
    assert "hidden" not in f"{read_url(url)} {read_url(url)!r}"
    assert masked(url) == "elasticsearch+http://***@a:9200?prefix=x"
    assert masked("duckdb:/a@b") == "duckdb:/a@b"


@pytest.mark.parametrize("password", ["hid/den", "hid?den", "9?hidden", "hid@den/x", "hid#den"])
def test_a_password_that_was_not_quoted_is_not_shown(password: str) -> None:
    """The URL cannot be read then, or means something else; what is told of it shows nothing."""
    url = f"elasticsearch+http://me:{password}@a:9200"
    assert masked(url) == "elasticsearch+http://***@a:9200"
    try:
        told = repr(read_url(url))
    except ConfigError as error:
        told = str(error)
    assert "den" not in told
