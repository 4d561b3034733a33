"""The documentation and the commented settings name everything that the code offers."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

from metronome import clusters, config, errors, limits
from metronome.fold import rule_tables
from metronome.gateway.telemetry import CATALOGUE
from metronome.options import KEYS, RECEIVER_PARAMETERS
from metronome.values import CARBON_PARAMETERS
from metronome.web.router import found
from tests.doc_tables import DOC, TABLES, renewed

ROOT = DOC.parent
PAGES = sorted(DOC.rglob("*.md"))
EVERYTHING = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
SETTINGS = ROOT / "conf" / "metronome.toml"
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables_are_up_to_date(page: Path) -> None:
    """What the code knows better stands in the page as the code says; ``make doc`` writes it."""
    text = page.read_text(encoding="utf-8")
    assert text == renewed(text), "make doc"


def test_every_table_stands_somewhere() -> None:
    """Each in one page."""
    for name in TABLES:
        assert EVERYTHING.count(f"<!-- table: {name} -->") == 1, name


@pytest.mark.parametrize(
    "names",
    [
        [f"`--{key.name} {key.metavar}`" for key in KEYS if key.option],
        [f"`{key.name}`" for key in KEYS if not key.option],
        [f"`{reason}`" for reason in (*errors.REJECT_REASONS, *errors.SHED_REASONS)],
        [f"`{reason}`" for reason in (*errors.DIVERT_REASONS, *errors.REQUEST_REASONS)],
        [f"`{name}`" for name in CATALOGUE],
        [f"`{name}`" for name in vars(limits) if name.isupper()],
        [f"{parameter}=" for parameter in RECEIVER_PARAMETERS],
        [f"| `{key}` |" for key in rule_tables.KEYS],
        [f"`{key}`" for key in clusters.KEYS],
        [f"{parameter}=" for parameter in CARBON_PARAMETERS],
    ],
    ids=[
        *("options", "keys", "reasons", "other reasons", "metrics", "limits", "parameters", "rules"),
        *("clusters", "carbon's parameters"),
    ],
)
def test_everything_has_its_place(names: list[str]) -> None:
    """Every option, key, reason, self-metric, limit and parameter is named."""
    assert [name for name in names if name not in EVERYTHING] == []


def test_every_endpoint_is_documented() -> None:
    """Every route, as it is written in its file; ``:id*`` is written ``:id``, and what is served
    from a folder by the folder."""
    routes = [route.replace(":path*", "").replace("*", "") for one in found() for route in one.routes]
    text = EVERYTHING + (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [route for route in routes if not re.search(rf"(?<![\w:]){re.escape(route)}(?![\w:])", text)]
    assert missing == []


def test_links_lead_somewhere() -> None:
    """Links between pages name files that exist."""
    for page in [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def uncommented() -> str:
    """The settings file with every key taken in."""
    lines = SETTINGS.read_text(encoding="utf-8").splitlines()
    return "\n".join(re.sub(r"^#(?=[a-z-]+ = )", "", line) for line in lines)


def test_the_settings_file_has_every_key_with_its_default(tmp_path: Path) -> None:
    """With all keys taken in it means the same as without."""
    written = {}
    for name, value in tomllib.loads(uncommented()).items():
        inner = value.items() if isinstance(value, dict) else ()
        written |= {f"{name}.{key}": item for key, item in inner} if inner else {name: value}
    assert sorted(written) == sorted(key.name for key in KEYS if key.in_file)
    file = tmp_path / "all.toml"
    file.write_text(uncommented())
    with_all, without = config.load({"config": str(file)}, {}), config.load({}, {})
    for part in set(config.Config.__slots__) - {"config", "settings"}:
        assert getattr(with_all, part) == getattr(without, part), part
    assert tomllib.loads(SETTINGS.read_text(encoding="utf-8")) == {
        table: {} for table in ("dialect", "names", "prometheus", "retention", "limits")
    }


def test_what_is_imported_is_installed_and_explained() -> None:
    """Third-party modules are the runtime dependencies of setup.py, each with its reason."""
    with_twisted = {"OpenSSL": "pyOpenSSL", "service_identity": "service-identity"}
    packages = {**with_twisted, "yaml": "PyYAML", "zope": "twisted", "opensearchpy": "opensearch-py"}
    imported = set()
    for path in (ROOT / "metronome").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            imported |= {name.partition(".")[0] for name in names}
    outside = {
        "twisted",
        "zope",
        "numpy",
        "duckdb",
        "elasticsearch",
        "opensearchpy",
        "orjson",
        "zstandard",
        "yaml",
        "cramjam",
        *with_twisted,
    }
    known = outside | {"metronome"} | sys.stdlib_module_names
    assert imported - known == set()
    explained = (DOC / "dependencies.md").read_text(encoding="utf-8")
    declared = (ROOT / "setup.py").read_text(encoding="utf-8")
    for module in sorted(outside & imported):
        name = packages.get(module, module)
        assert name in explained, name
        assert name in declared or module in with_twisted, name
