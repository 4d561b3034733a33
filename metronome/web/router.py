"""From a path to a view: the endpoints of this folder, and which of them a request means."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import NamedTuple
from urllib.parse import unquote

from metronome import web
from metronome.errors import ClientError
from metronome.web.endpoint import Endpoint, View

_PART = re.compile(r":(\w+)(\*?)")


def found() -> list[Endpoint]:
    """Every endpoint of this folder, by the name of its file."""
    endpoints = []
    for module in sorted(pkgutil.iter_modules(web.__path__), key=lambda module: module.name):
        endpoint = getattr(import_module(f"{web.__name__}.{module.name}"), "ENDPOINT", None)
        if endpoint is not None:
            assert isinstance(endpoint, Endpoint), f"ENDPOINT of {module.name} is no Endpoint"
            endpoints.append(endpoint)
    return endpoints


class Match(NamedTuple):
    """What a path means: an endpoint's name, its views, the named parts of the path."""

    name: str
    views: Mapping[str, View]
    parts: dict[str, str]

    def view(self, method: str) -> View:
        """The view of a method; ``ClientError`` method_not_allowed."""
        found = self.views.get("GET" if method == "HEAD" else method)
        if found is None:
            raise ClientError("method_not_allowed", 405, f"use {', '.join(self.allowed)}")
        return found

    @property
    def allowed(self) -> list[str]:
        """The methods that this path knows."""
        return sorted({*self.views, *(["HEAD"] if "GET" in self.views else []), "OPTIONS"})


class Router:
    """All routes; plain paths are looked up, the others tried in order."""

    def __init__(self, endpoints: Sequence[Endpoint]):
        """Two endpoints with one path are a programming error, reported at start."""
        self._plain: dict[str, Match] = {}
        self._patterns: list[tuple[re.Pattern[str], str, Mapping[str, View]]] = []
        paths = set()
        for endpoint in endpoints:
            for path, views in endpoint.routes.items():
                assert path not in paths, f"{endpoint.name}: another endpoint serves {path}"
                paths.add(path)
                if ":" in path:
                    self._patterns.append((_pattern(path), endpoint.name, views))
                else:
                    self._plain[path] = Match(endpoint.name, views, {})

    def match(self, path: str) -> Match | None:
        """What a path, percent-encoded as it came, means."""
        plain = self._plain.get(path)
        if plain is not None:
            return plain
        for pattern, name, views in self._patterns:
            match = pattern.fullmatch(path)
            if match:
                parts = {part: unquote(text) for part, text in match.groupdict().items()}
                return Match(name, views, parts)
        return None


def _pattern(path: str) -> re.Pattern[str]:
    out, end = "", 0
    for part in _PART.finditer(path):
        out += re.escape(path[end : part.start()]) + f"(?P<{part[1]}>{'.+' if part[2] else '[^/]+'})"
        end = part.end()
    return re.compile(out + re.escape(path[end:]), re.DOTALL)
