"""The dashboard's files: what is read, how it is answered, and that the page keeps its own policy."""

from __future__ import annotations

import gzip
import re
from pathlib import Path, PurePosixPath

import pytest

from metronome.web.page import FOLDER, FRONT, HEADERS, MEDIA_TYPES, POLICY, read_files

FILES = read_files()
OWN_SCRIPTS = sorted(path for path in FILES if path.endswith(".js") and not path.startswith("vendor/"))


def test_every_file_has_a_media_type_and_a_body() -> None:
    """Those of the page, its scripts and styles are what browsers insist on under nosniff."""
    assert FILES[FRONT].media_type == "text/html; charset=utf-8"
    assert FILES["main.js"].media_type == "text/javascript; charset=utf-8"
    assert FILES["dashboard.css"].media_type == "text/css; charset=utf-8"
    assert FILES["mark.svg"].media_type == "image/svg+xml"
    assert FILES["vendor/uplot/LICENSE"].media_type == "text/plain; charset=utf-8"
    assert all(file.plain for file in FILES.values())


@pytest.mark.parametrize("path", sorted(FILES))
def test_the_packed_body_is_the_plain_one(path: str) -> None:
    """Compressed where that saves something, else empty."""
    file = FILES[path]
    assert file.plain == (FOLDER / path).read_bytes()
    if file.packed:
        assert len(file.packed) < len(file.plain)
        assert gzip.decompress(file.packed) == file.plain


def test_tags_follow_the_content(tmp_path: Path) -> None:
    """The same content has the same tag wherever it is read; another content has another."""
    (tmp_path / "a.js").write_text("export const a = 1;\n")
    (tmp_path / "b.js").write_text("export const a = 1;\n")
    (tmp_path / "c.js").write_text("export const a = 2;\n")
    files = read_files(tmp_path)
    assert files["a.js"].tag == files["b.js"].tag != files["c.js"].tag
    assert re.fullmatch(r'W/"[0-9a-f]{20}"', files["a.js"].tag)


def test_a_file_that_would_not_shrink_is_not_packed(tmp_path: Path) -> None:
    """A header of gzip alone is 18 bytes."""
    (tmp_path / "tiny.css").write_text("i{}")
    assert read_files(tmp_path)["tiny.css"].packed == b""


def test_an_unknown_suffix_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    """Better at start than answered as something else; what editors leave is passed over."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / ".page.js.swp").write_bytes(b"\0")
    assert read_files(tmp_path) == {}
    (tmp_path / "deep" / "font.woff2").write_bytes(b"\0")
    with pytest.raises(ValueError, match=r"font\.woff2.*\.woff2"):
        read_files(tmp_path)


@pytest.mark.parametrize(
    "path", ["../page.py", "..", "", "/index.html", "vendor", "vendor/../index.html", "./index.html", "\0"]
)
def test_a_path_is_a_name_and_nothing_else(path: str) -> None:
    """Only the exact relative paths of the files are keys."""
    assert path not in FILES


def test_a_file_that_changes_after_the_start_changes_nothing(tmp_path: Path) -> None:
    """Bodies are held in memory."""
    (tmp_path / "a.css").write_text("a {}")
    files = read_files(tmp_path)
    (tmp_path / "a.css").write_text("b {}")
    assert files["a.css"].plain == b"a {}"


def test_the_policy_allows_the_own_address_alone() -> None:
    """No other source, nothing inline, no frames, no <base>."""
    rules = dict(rule.split(" ", 1) for rule in POLICY.split("; "))
    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert "unsafe" not in POLICY
    assert "http" not in POLICY
    assert HEADERS["X-Content-Type-Options"] == "nosniff"
    assert HEADERS["Referrer-Policy"] == "no-referrer"
    assert HEADERS["Cache-Control"] == "no-cache"


def test_the_page_has_no_inline_script_or_style() -> None:
    """The policy would stop them."""
    page = FILES[FRONT].plain.decode()
    assert re.search(r"<script(?![^>]*\bsrc=)", page) is None
    assert re.search(r"<style|\sstyle=|\son\w+=|javascript:", page) is None


@pytest.mark.parametrize(
    "path", [FRONT, *OWN_SCRIPTS, "dashboard.css", "board.css", "vendor/uplot/uPlot.min.css"]
)
def test_nothing_names_another_host(path: str) -> None:
    """No address with a host in anything of our own; the XML name space of SVG is a name."""
    text = FILES[path].plain.decode().replace("http://www.w3.org/2000/svg", "")
    assert re.search(r"https?:\s*//\w|[\"'(]//\w", text) is None


def test_everything_that_the_page_loads_is_there() -> None:
    """Files named in the page are under static/, imports beside the script that imports."""
    page = FILES[FRONT].plain.decode()
    loaded = re.findall(r'(?:src|href)="([^"#]+)"', page)
    assert "static/main.js" in loaded
    assert {path.removeprefix("static/") for path in loaded} <= FILES.keys()
    for script in OWN_SCRIPTS:
        for target in re.findall(r'from "([^"]+)"', FILES[script].plain.decode()):
            assert target.startswith("./")
            assert str(PurePosixPath(script).parent / target) in FILES


def test_every_script_is_used() -> None:
    """Each but the first is imported by another."""
    texts = " ".join(FILES[script].plain.decode() for script in OWN_SCRIPTS)
    assert [script for script in OWN_SCRIPTS if f'"./{script}"' not in texts] == ["main.js"]


def test_every_element_that_scripts_look_for_is_in_the_page() -> None:
    """``find("id")`` in a script stands for an id in the page."""
    page = FILES[FRONT].plain.decode()
    scripts = "".join(FILES[script].plain.decode() for script in OWN_SCRIPTS)
    wanted = set(re.findall(r'find\("([\w-]+)"\)', scripts))
    assert len(wanted) > 10
    assert wanted <= set(re.findall(r'\bid="([\w-]+)"', page))


def test_own_files_are_short() -> None:
    """A file holds one idea: at most 300 lines, vendored ones apart."""
    long = {path for path in FILES if "vendor" not in path and FILES[path].plain.count(b"\n") > 300}
    assert long == set()


def test_media_types_name_their_encoding() -> None:
    """Text is UTF-8 by header, so that no browser guesses."""
    assert all("charset=utf-8" in kind for kind in MEDIA_TYPES.values() if kind.startswith("text/"))
