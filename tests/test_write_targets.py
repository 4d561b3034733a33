"""Where remote write goes, as users write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from metronome.config import load
from metronome.errors import ConfigError
from metronome.write_targets import PARAMETERS, WriteTarget, check_targets, headers_of, parse

URL = "http://prometheus:9090/api/v1/write"


@pytest.mark.parametrize(
    ("text", "url", "name"),
    [
        (URL, URL, "prometheus:9090/api/v1/write"),
        ("https://m.example/push?a=1#version=2", "https://m.example/push?a=1", "m.example/push"),
        ("http://[::1]:9/", "http://[::1]:9/", "[::1]:9/"),
    ],
)
def test_urls(text: str, url: str, name: str) -> None:
    """The URL is what stands before #; its place is the name."""
    target = parse(text)
    assert (target.url, target.name, str(target)) == (url, name, text)


def test_parameters() -> None:
    """What stands behind # says how, and is not sent."""
    target = parse(f"{URL}#version=1&in_flight=7&user=me&password-file=/p")
    assert (target.version, target.in_flight, target.parameter("user")) == (1, 7, "me")
    assert target.path("password-file") == Path("/p")
    assert [parse(f"{URL}{behind}").own for behind in ("", "#own=yes", "#own=no")] == [True, True, False]
    assert parse(f"{URL}#labels=job:metronome,at:[::1]").labels == (("job", "metronome"), ("at", "[::1]"))
    assert (parse(URL).version, parse(URL).labels) == (0, ())
    assert parse(f"{URL}#version=auto").version == 0


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (7, "not a text"),
        ("prometheus:9090", "URL of http"),
        ("http:///x", "URL of http"),
        ("http://a:b/", "not a URL"),
        ("http://a:0/", "URL of http"),
        ("http://me:secret@a/", "password-file"),
        ("http://a/ b", "blanks"),
        ("http://a/#x", "NAME=VALUE"),
        ("http://a/#verison=1", "there is no parameter verison"),
        ("http://a/#version=", "version is empty"),
        ("http://a/#version=3", "version=auto"),
        ("http://a/#names=dots", "names=underscores"),
        ("http://a/#own=off", "own=yes or own=no would be right"),
        ("http://a/#labels=job", "labels=NAME:VALUE"),
        ("http://a/#labels=__name__:x", "labels=NAME:VALUE"),
        ("http://a/#labels=a.b:x", "labels=NAME:VALUE"),
        ("http://a/#in-flight=0", "from 1 to 64"),
        ("http://a/#in-flight=many", "from 1 to 64"),
        ("http://a/#user=me", "password-file"),
        ("http://a/#password-env=P", "user with"),
        ("http://a/#token-file=/t&token-env=T", "either"),
        ("http://a/#user=me&token-file=/t", "either"),
        ("http://a/#ca=/x", "https"),
    ],
)
def test_what_is_refused(text: object, right: str) -> None:
    """The text says what would be right."""
    with pytest.raises(ValueError, match=right):
        parse(text)


def test_headers(tmp_path: Path) -> None:
    """Secrets come from files or the environment, further headers from a file."""
    (tmp_path / "token").write_text(" abc\n")
    (tmp_path / "more").write_text("X-Scope-OrgID: shop \n\nX-A:b c\n")
    target = parse(f"{URL}#token-file={tmp_path}/token&headers-file={tmp_path}/more")
    assert headers_of(target, {}) == {
        "X-Scope-OrgID": "shop",
        "X-A": "b c",
        "Authorization": "Bearer abc",
    }
    assert headers_of(parse(f"{URL}#token-env=T"), {"T": "x"}) == {"Authorization": "Bearer x"}
    basic = headers_of(parse(f"{URL}#user=me&password-env=P"), {"P": "s:ü"})
    assert basic == {"Authorization": "Basic bWU6czrDvA=="}
    assert headers_of(parse(URL), {}) == {}


@pytest.mark.parametrize(
    ("behind", "text"),
    [
        ("token-file={0}/none", "No such file"),
        ("token-file={0}/empty", "is empty; the token"),
        ("token-env=NOT_THERE", "NOT_THERE is empty"),
        ("headers-file={0}/bad", "no header that can be set"),
        ("headers-file={0}/ours", "no header that can be set"),
        ("token-file={0}/binary", "UTF-8"),
    ],
)
def test_secrets_that_cannot_be_read(tmp_path: Path, behind: str, text: str) -> None:
    """The error names the setting, and not what is in the file."""
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "bad").write_text("X-A: ok\nno header\n")
    (tmp_path / "ours").write_text("Content-Type: text/plain\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=text) as raised:
        headers_of(parse(f"{URL}#" + behind.format(tmp_path)), {})
    assert str(raised.value).startswith("remote-write = http://prometheus")


def test_one_place_once() -> None:
    """Two outputs to one place are a mistake, whatever else is different."""
    with pytest.raises(ConfigError, match="goes there already"):
        check_targets((parse(URL), parse(URL + "?a=1#version=1")))
    check_targets((parse(URL), parse(URL + "/other")))


def test_the_setting() -> None:
    """It is an option, a variable and a key like any other."""
    config = load({"remote-write": [URL, "https://b/#version=1"]}, {})
    assert config.remote_write == (WriteTarget(URL), WriteTarget("https://b/", (("version", "1"),)))
    with pytest.raises(ConfigError, match=r"remote-write = .*version=auto"):
        load({}, {"METRONOME_REMOTE_WRITE": URL + "#version=9"})
    with pytest.raises(ConfigError, match="goes there already"):
        load({"remote-write": [URL, URL]}, {})


def test_parameters_are_documented() -> None:
    """Each has its meaning in the documentation."""
    page = (Path(__file__).parent.parent / "doc/remote-write.md").read_text()
    for name, meaning in PARAMETERS.items():
        assert f"| `{name}` | {meaning} |" in page
