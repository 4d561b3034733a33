"""Stores, one module each, found by their ``SCHEME``.

``SCHEME`` is the URL scheme of a store, or a tuple of several; the module's ``open_store``
is given the whole URL and the context: what the assembly has to offer, by name.  It takes
the names it needs and ignores the others.  The context holds ``data_dir`` (a ``Path``),
``worker`` (a ``threads.interface.Worker`` for the store alone), ``memory_limit`` (bytes) and
``read_only`` (it will only be asked: nothing is made or upgraded); for stores that are servers
``more_workers`` (further threads, by their names), ``clock``, ``gateway`` (the identity of the
journal), ``secret`` (a file) and ``templates`` (``keep`` or ``replace``).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from types import ModuleType

from metronome.errors import ConfigError
from metronome.store.elastic_url import masked
from metronome.store.interface import Store


def open_store(url: str, **context: object) -> Store:
    """The store that a URL names, not started yet.  ``ConfigError`` for a URL of no store."""
    return store_of(url, _modules(), context)


def store_of(url: str, modules: Iterable[ModuleType], context: dict[str, object]) -> Store:
    """:func:`open_store` over the given modules."""
    store: Store = _module_of(url, modules).open_store(url, **context)
    return store


def check_url(url: str) -> None:
    """``ConfigError`` for a URL of no store, or one that its store cannot read; opens nothing."""
    module = _module_of(url, _modules())
    if hasattr(module, "check_url"):
        module.check_url(url)


def schemes_of(modules: Iterable[ModuleType]) -> dict[str, ModuleType]:
    """Which module serves which scheme; two for one scheme are a mistake in the folder."""
    schemes: dict[str, ModuleType] = {}
    for module in modules:
        named = getattr(module, "SCHEME", ())
        for scheme in (named,) if isinstance(named, str) else named:
            if scheme in schemes:
                raise ConfigError(
                    f"stores: {schemes[scheme].__name__} and {module.__name__} both have scheme {scheme!r}"
                )
            schemes[scheme] = module
    return schemes


def _module_of(url: str, modules: Iterable[ModuleType]) -> ModuleType:
    schemes = schemes_of(modules)
    scheme, colon, _ = url.partition(":")
    if not colon or scheme not in schemes:
        known = ", ".join(f"{name}:" for name in sorted(schemes))
        raise ConfigError(f"store = {masked(url)!r}: a store's URL begins with one of {known}")
    return schemes[scheme]


def _modules() -> list[ModuleType]:
    names = [found.name for found in pkgutil.iter_modules(__path__)]
    return [importlib.import_module(f"{__name__}.{name}") for name in sorted(names)]
