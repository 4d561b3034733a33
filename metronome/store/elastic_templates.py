"""Templates of the daily indices: installed, brought up to date, and never taken from a user.

Each kind of index has a component template and an index template of one name, versioned.  A
template that is missing is made; an older one of ours is replaced; one that somebody has changed
is left alone and told of, unless the operator says ``replace``.  Whether it was changed is told
by a digest that stands in its ``_meta``.

``PREFIX-custom`` is an empty component template, made once, for what a user wants otherwise:
shards, replicas, codec, lifecycle.  It comes last, so it wins, and it is never touched again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from metronome.errors import ConfigError
from metronome.store.elastic_client import Client, Refusal
from metronome.store.elastic_names import Names

SCHEMA: Final = Path(__file__).parent / "schema"
KINDS: Final = ("points", "ticks", "ids")
PRIORITY: Final = 200
"""Above that of templates for ``*``."""
_SAID: Final = ("template", "index_patterns", "composed_of", "priority")
_COMPONENT: Final = "_component_template"
_INDEX: Final = "_index_template"


class Templates:
    """The templates of one installation."""

    def __init__(self, client: Client, names: Names, policy: str = "", replace: bool = False):
        """``policy`` is the lifecycle policy to name in them."""
        self._client = client
        self._names = names
        self._policy = policy
        self._replace = replace

    def install(self) -> list[str]:
        """Bring them up to date; what had to be left alone, in a sentence each."""
        prefix = self._names.prefix
        custom = f"{prefix}-custom"
        if self._found(_COMPONENT, custom) is None:
            self._client.call("PUT", f"/{_COMPONENT}/{custom}", {"template": {}, "_meta": {"for": "you"}})
        notes = []
        for kind in KINDS:
            name = f"{prefix}-{kind}"
            schema = schema_of(kind)
            settings = schema["settings"]
            if self._policy and kind != "ids":
                settings["index"]["lifecycle"] = {"name": self._policy}
            component = {"template": {"settings": settings, "mappings": schema["mappings"]}}
            index = {
                "index_patterns": [f"{name}-*"],
                "composed_of": [name, custom],
                "priority": PRIORITY,
            }
            for place, body in ((_COMPONENT, component), (_INDEX, index)):
                notes += self._install_one(place, name, body, schema["version"])
        return notes

    def _install_one(self, place: str, name: str, body: dict[str, Any], version: int) -> list[str]:
        found = self._found(place, name)
        if found is not None:
            said = digest(found)
            changed = (found.get("_meta") or {}).get("digest") != said
            if changed and not self._replace:
                return [f"the template {name} was changed, and stays as it is; --store-templates=replace"]
            newer = int(found.get("version", 0)) > version
            if not changed and (newer or said == digest(body)):
                return []  # a newer Metronome may write to this cluster as well
        told = {**body, "version": version, "_meta": {"managed_by": "metronome", "digest": digest(body)}}
        try:
            self._client.call("PUT", f"/{place}/{name}", told)
        except Refusal as refusal:
            if refusal.status != 400:
                raise
            raise ConfigError(f"store: the cluster refuses the template {name}: {refusal.reason}") from None
        return []

    def _found(self, place: str, name: str) -> dict[str, Any] | None:
        try:
            answer = self._client.call("GET", f"/{place}/{name}")
        except Refusal as refusal:
            if refusal.status == 404:
                return None
            raise
        key = place.removeprefix("_")
        found: dict[str, Any] = answer[f"{key}s"][0][key]
        return found


def schema_of(kind: str) -> dict[str, Any]:
    """Settings and mappings of a kind of index."""
    schema: dict[str, Any] = orjson.loads((SCHEMA / f"elastic_{kind}.json").read_bytes())
    return schema


def digest(template: Mapping[str, Any]) -> str:
    """A digest of what a template says: of what is sent as of what the server has."""
    said = {name: template[name] for name in _SAID if name in template}
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
