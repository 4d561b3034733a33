"""A store is found by the scheme of its URL."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from metronome.errors import ConfigError
from metronome.store import open_store, schemes_of, store_of
from metronome.store.duckdb import DuckdbStore
from metronome.store.memory import MemoryStore
from metronome.threads.memory import ImmediateWorker


def module(name: str, scheme: str | tuple[str, ...] | None) -> Any:
    made: Any = ModuleType(name)
    if scheme is not None:
        made.SCHEME = scheme
    made.open_store = lambda url, **context: (name, url, context)
    return made


def test_the_folder_is_walked() -> None:
    """Every module of the folder that names a scheme is a store."""
    assert isinstance(open_store("memory:"), MemoryStore)
    store = open_store("duckdb:", data_dir=Path("."), worker=ImmediateWorker(), further="ignored")
    assert isinstance(store, DuckdbStore)


@pytest.mark.parametrize("url", ["", "memory", "sqlite:x", "/var/lib/store", "MEMORY:"])
def test_other_urls_are_refused(url: str) -> None:
    """The error shows the URL and what would be right."""
    with pytest.raises(ConfigError, match=r"store = .*duckdb:, elasticsearch.*memory:"):
        open_store(url)


def test_a_module_may_serve_several_schemes() -> None:
    """A tuple names all of them; a module without a scheme is a helper."""
    modules = [module("a", ("x+http", "x+https")), module("helper", None), module("b", "y")]
    assert sorted(schemes_of(modules)) == ["x+http", "x+https", "y"]
    assert store_of("x+https://host", modules, {"data_dir": 1}) == ("a", "x+https://host", {"data_dir": 1})


def test_a_scheme_twice_is_an_error() -> None:
    """Two modules for one scheme are named."""
    with pytest.raises(ConfigError, match="a and b both have scheme 'x'"):
        schemes_of([module("a", ("w", "x")), module("b", "x")])
