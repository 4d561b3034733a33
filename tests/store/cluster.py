"""A cluster in memory: the few requests that the store makes, as both servers answer them.

Searches see what was refreshed; documents by id are seen as they are.  What a server would do
with many shards, analysis and scoring is left out, because nobody asks for it.
"""

from __future__ import annotations

import copy
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from fnmatch import fnmatchcase
from itertools import count
from typing import Any, NamedTuple
from urllib.parse import unquote

import orjson

from metronome.errors import StoreUnavailable
from metronome.store.elastic_client import Refusal

Fault = Callable[[str, str], Exception | None]


class Doc(NamedTuple):
    source: dict[str, Any]
    seq: int


class Index:
    """One index: what is there, and what searches see of it."""

    def __init__(self, mappings: dict[str, Any], settings: dict[str, Any]) -> None:
        self.mappings = mappings
        self.settings = settings
        self.uuid = ""
        self.docs: dict[str, Doc] = {}
        self.seen: dict[str, Doc] = {}

    @property
    def properties(self) -> dict[str, Any]:
        return dict(self.mappings.get("properties", {}))


class FakeCluster:
    """A ``Client``."""

    def __init__(self, version: dict[str, Any] | None = None) -> None:
        self.version = version or {"number": "9.5.3"}
        self.indices: dict[str, Index] = {}
        self.templates: dict[str, dict[str, Any]] = defaultdict(dict)
        self.calls: list[tuple[str, str]] = []
        self.faults: list[Fault] = []
        """Each is shown every request; an exception that it gives is raised before it is done."""
        self.refusals: dict[str, tuple[int, str]] = {}
        """Ids of documents that cannot be created, with status and kind of the error."""
        self.status = "green"
        self.red: set[str] = set()
        """Indices whose shards are missing: they answer nobody, and a refresh waits for them in vain."""
        self.shut: set[str] = set()
        """Indices that were closed."""
        self.closed = False
        self.managed: list[tuple[str, str]] = []
        """Indices that were given to a policy of ISM."""
        self.read: list[str] = []
        """Ids of the documents that searches gave."""
        self._seq = count()
        self._pits: dict[str, list[Any]] = {}

    def call(
        self, method: str, path: str, body: Any = None, *, params: Any = None, timeout: float | None = None
    ) -> Any:
        self.calls.append((method, path))
        for fault in self.faults:
            if error := fault(method, path):
                raise error
        params = params or {}
        names, _, rest = path.lstrip("/").partition("/")
        if names.startswith("_") or not names:
            return self._cluster(method, names, unquote(rest), body)
        if rest.startswith("_doc/"):
            return self._document(method, names, unquote(rest[5:]), body, params)
        if params.get("expand_wildcards") == "closed":
            return {name: {} for name in self.shut}
        if rest:
            return getattr(self, "do" + rest.partition("/")[0])(method, names, rest, body)
        return self._index(method, names, body)

    def close(self) -> None:
        self.closed = True

    # --- the cluster and its templates -------------------------------------------------------

    def _cluster(self, method: str, what: str, name: str, body: Any) -> Any:
        if not what:
            return {"version": self.version}
        if what in ("_component_template", "_index_template"):
            return self._template(method, what, name, body)
        if what == "_cluster":
            told = {one: {"status": "red" if one in self.red else "green"} for one in self.indices}
            return {"status": self.status, "indices": told}
        if what == "_bulk":
            return self.do_bulk(method, "", "", body)
        if what == "_plugins" and name.startswith("_ism/add/"):
            self.managed.append((name.rpartition("/")[2], body["policy_id"]))
            return {"updated_indices": 1, "failures": False, "failed_indices": []}
        if what == "_mget":
            docs = [(self.indices[one["_index"]].docs, one["_id"]) for one in body["docs"]]
            return {"docs": [_shown(one, docs[one]) if one in docs else {} for docs, one in docs]}
        if what == "_search" and not name:
            return self._searched(self._pits[body["pit"]["id"]], body)
        if what in ("_pit", "_search"):
            self._pits.pop(body.get("id") or body.get("pit_id"))
            return {}
        raise Refusal(400, {"error": {"type": "illegal_argument_exception", "reason": f"no handler {what}"}})

    def _template(self, method: str, what: str, name: str, body: Any) -> Any:
        if method == "PUT":
            self.templates[what][name] = copy.deepcopy(body)
            return {}
        if name not in self.templates[what]:
            raise Refusal(404, {"error": {"type": "resource_not_found_exception"}})
        key = what.removeprefix("_")
        return {f"{key}s": [{"name": name, key: copy.deepcopy(self.templates[what][name])}]}

    # --- indices -----------------------------------------------------------------------------

    def _matching(self, names: str) -> dict[str, Index]:
        wanted = names.split(",")
        return {
            name: index
            for name, index in sorted(self.indices.items())
            if any(fnmatchcase(name, one) for one in wanted) and f"-{name}" not in wanted
        }

    def _index(self, method: str, name: str, body: Any) -> Any:
        if method == "PUT":
            if name in self.indices:
                raise Refusal(400, {"error": {"type": "resource_already_exists_exception"}})
            self._made(name, body)
        elif name not in self.indices:
            raise Refusal(404, {"error": {"type": "index_not_found_exception"}})
        else:
            del self.indices[name]
        return {}

    def _made(self, name: str, body: Any = None) -> Index:
        if name not in self.indices:
            said = body or {"mappings": {}}
            for template in self.templates["_index_template"].values():
                if any(fnmatchcase(name, pattern) for pattern in template["index_patterns"]):
                    component = self.templates["_component_template"][template["composed_of"][0]]
                    said = component["template"]
            self.indices[name] = Index(copy.deepcopy(said["mappings"]), {})
            self.indices[name].uuid = f"uuid {next(self._seq)}"
        return self.indices[name]

    def do_mapping(self, method: str, names: str, rest: str, body: Any) -> Any:
        if names not in self.indices:
            raise Refusal(404, {"error": {"type": "index_not_found_exception"}})
        index = self.indices[names]
        if method == "GET":
            return {names: {"mappings": index.mappings}}
        for field, more in body["properties"].items():
            inner = index.mappings.setdefault("properties", {}).setdefault(field, {})
            inner.setdefault("properties", {}).update(more["properties"])
        return {}

    def do_settings(self, method: str, names: str, rest: str, body: Any) -> Any:
        if method == "PUT":
            if names not in self.indices:
                raise Refusal(404, {"error": {"type": "index_not_found_exception"}})
            self.indices[names].settings.update(body)
            return {}
        return {
            name: {"settings": {**index.settings, "index.uuid": index.uuid}}
            for name, index in self._matching(names).items()
        }

    def do_stats(self, method: str, names: str, rest: str, body: Any) -> Any:
        size = sum(
            len(orjson.dumps(d.source)) for i in self._matching(names).values() for d in i.docs.values()
        )
        return {"_all": {"primaries": {"store": {"size_in_bytes": size}}}}

    def do_refresh(self, method: str, names: str, rest: str, body: Any) -> Any:
        if self.red & set(self._matching(names)):
            raise StoreUnavailable("the server did not answer in time")
        for index in self._matching(names).values():
            index.seen = dict(index.docs)
        return {"_shards": {"failed": 0}}

    # --- documents ---------------------------------------------------------------------------

    def _document(self, method: str, name: str, identity: str, body: Any, params: Any) -> Any:
        if method == "GET" and name not in self.indices:
            raise Refusal(404, {"error": {"type": "index_not_found_exception"}})
        docs = self._made(name).docs
        found = docs.get(identity)
        if method == "GET":
            if found is None:
                raise Refusal(404, {"found": False})
            return _shown(identity, found)
        if "version" in params:
            conflict = found is not None and found.source["applied"] > int(params["version"])
        elif params.get("op_type") == "create":
            conflict = found is not None
        else:
            conflict = found is None or found.seq != params["if_seq_no"]
        if conflict:
            raise Refusal(409, {"error": {"type": "version_conflict_engine_exception"}})
        docs[identity] = Doc(orjson.loads(orjson.dumps(body)), next(self._seq))
        return {}

    def do_mget(self, method: str, names: str, rest: str, body: Any) -> Any:
        docs = self.indices[names].docs
        return {
            "docs": [
                {**_shown(one, docs[one]), "found": True} if one in docs else {"found": False}
                for one in body["ids"]
            ]
        }

    def do_bulk(self, method: str, names: str, rest: str, body: bytes) -> Any:
        lines = iter(body.decode().rstrip("\n").split("\n"))
        items = []
        for line in lines:
            ((verb, action),) = orjson.loads(line).items()
            source = None if verb == "delete" else orjson.loads(next(lines))
            items.append({verb: self._bulk_item(verb, action.get("_index", names), action, source)})
        return {"errors": any("error" in next(iter(item.values())) for item in items), "items": items}

    def _bulk_item(self, verb: str, name: str, action: dict[str, Any], source: Any) -> dict[str, Any]:
        index, identity = self._made(name), action["_id"]
        docs, found = index.docs, index.docs.get(identity)
        if index.settings.get("index.blocks.write"):
            return {"status": 403, "error": {"type": "cluster_block_exception", "reason": "blocked"}}
        if verb == "delete":
            return {"status": 200 if docs.pop(identity, None) else 404, "result": "deleted"}
        if identity in self.refusals:
            status, kind = self.refusals[identity]
            return {"status": status, "error": {"type": kind, "reason": "no"}}
        if (verb == "create" and found) or (
            verb == "index" and (not found or found.seq != action["if_seq_no"])
        ):
            return {"status": 409, "error": {"type": "version_conflict_engine_exception"}}
        docs[identity] = Doc(source, next(self._seq))
        return {"status": 201, "_seq_no": docs[identity].seq, "_primary_term": 1}

    # --- searching ---------------------------------------------------------------------------

    def _hits(self, names: str) -> list[Any]:
        return [
            (name, identity, doc, index.properties)
            for name, index in self._matching(names).items()
            for identity, doc in index.seen.items()
        ]

    def do_pit(self, method: str, names: str, rest: str, body: Any) -> Any:
        pit = f"pit {next(self._seq)}"
        self._pits[pit] = self._hits(names)
        return {"id": pit, "pit_id": pit, "_shards": {"failed": 0}}

    def do_count(self, method: str, names: str, rest: str, body: Any) -> Any:
        number = sum(matches(doc.source, body["query"], known) for _, _, doc, known in self._hits(names))
        return {"count": number, "_shards": {"failed": 0}}

    def do_search(self, method: str, names: str, rest: str, body: Any) -> Any:
        if self.red & set(self._matching(names)):
            raise Refusal(503, {"error": {"type": "search_phase_execution_exception"}})
        if rest.endswith("point_in_time"):
            return self.do_pit(method, names, rest, body)
        return self._searched(self._hits(names), body)

    def _searched(self, hits: list[Any], body: Any) -> Any:
        query = body.get("query", {"match_all": {}})
        found = [hit for hit in hits if "ids" not in query and matches(hit[2].source, query, hit[3])]
        if "ids" in query:
            found = [hit for hit in hits if hit[1] in query["ids"]["values"]]
        aggregations = {name: aggregated(found, what) for name, what in body.get("aggs", {}).items()}
        total = {"value": len(found), "relation": "eq"}
        shown = []
        for name, identity, doc, known in found if body.get("size") else []:
            own = {"_index": name, "_id": identity}
            sort = [_sort_value(doc, key, known, own) for key in body.get("sort", [])]
            shown.append((name, identity, doc, sort))
        orders = [_order(key) for key in body.get("sort", [])]
        for at in reversed(range(len(orders))):
            shown.sort(key=lambda hit: _ordered(hit[3][at]), reverse=orders[at] == "desc")
        if "search_after" in body:
            shown = [hit for hit in shown if _behind(hit[3], body["search_after"], orders)]
        answer = [
            {"_index": name, "_id": identity, "sort": sort, **_fields(doc, body)}
            for name, identity, doc, sort in shown[: body.get("size", 10)]
        ]
        self.read += [hit["_id"] for hit in answer]
        return {
            "timed_out": False,
            "_shards": {"failed": 0},
            "hits": {"total": total, "hits": answer},
            "aggregations": aggregations,
        }


def busy(times: int) -> Fault:
    """Refuse so many bulk requests, as a server does whose queue is full."""
    left = iter(range(times))
    return lambda method, path: (
        Refusal(429, {"error": {"type": "es_rejected_execution_exception"}})
        if path.endswith("_bulk") and next(left, None) is not None
        else None
    )


def away(method: str, path: str) -> Exception | None:
    """Nobody answers."""
    return StoreUnavailable("the server cannot be reached")


def _shown(identity: str, doc: Doc) -> dict[str, Any]:
    return {"_id": identity, "_source": copy.deepcopy(doc.source), "_seq_no": doc.seq, "_primary_term": 1}


def milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def values(source: dict[str, Any], field: str) -> list[Any]:
    """The values of a field; of a date as ms."""
    if field in ("@timestamp", "received") and field in source:
        return [milliseconds(source[field])]
    head, _, tail = field.partition(".")
    found: Any = source.get(head)
    if tail:
        found = (found or {}).get(tail)
    return found if isinstance(found, list) else [] if found is None else [found]


def indexed(source: dict[str, Any], field: str, known: dict[str, Any]) -> list[Any]:
    """The same, empty for what the mapping has no field for."""
    head, _, tail = field.partition(".")
    if tail and tail not in known.get(head, {}).get("properties", {}):
        return []
    return values(source, field)


def matches(source: dict[str, Any], query: Any, known: dict[str, Any]) -> bool:
    ((kind, what),) = query.items()
    if kind == "match_all":
        return True
    if kind == "bool":
        return (
            all(matches(source, one, known) for one in what.get("filter", []))
            and not any(matches(source, one, known) for one in what.get("must_not", []))
            and ("should" not in what or any(matches(source, one, known) for one in what["should"]))
        )
    if kind == "exists":
        return bool(indexed(source, what["field"], known))
    ((field, wanted),) = what.items()
    found = indexed(source, field, known)
    if kind == "term":
        return wanted in found
    if kind == "terms" and field == "@timestamp":
        return any(one in {milliseconds(text) for text in wanted} for one in found)
    if kind == "terms":
        return any(one in wanted for one in found)
    if kind == "prefix":
        return any(one.startswith(wanted) for one in found)
    if kind == "regexp":
        return any(re.fullmatch(wanted["value"], one, re.DOTALL) for one in found)
    assert kind == "range", kind
    tests = {"gte": "__ge__", "gt": "__gt__", "lt": "__lt__", "lte": "__le__"}
    bounds = [(name, bound) for name, bound in wanted.items() if name in tests]
    return any(all(getattr(one, tests[name])(bound) for name, bound in bounds) for one in found)


def aggregated(hits: list[Any], what: dict[str, Any]) -> Any:
    if "composite" in what:
        return _composite(hits, what["composite"], what.get("aggs", {}))
    if "terms" in what:
        return {"buckets": list(_terms(hits, what["terms"]["field"], what.get("aggs", {})))}
    ((kind, how),) = what.items()
    found = [one for _, _, doc, known in hits for one in indexed(doc.source, how["field"], known)]
    if kind == "cardinality":
        return {"value": len(set(found))}
    if kind == "sum":
        return {"value": float(sum(found))}
    return {"value": float({"min": min, "max": max}[kind](found)) if found else None}


def _terms(hits: list[Any], field: str, aggregations: Any) -> Iterator[dict[str, Any]]:
    groups: dict[Any, list[Any]] = defaultdict(list)
    for hit in hits:
        for key in [hit[0]] if field == "_index" else indexed(hit[2].source, field, hit[3]):
            groups[key].append(hit)
    for key, some in groups.items():
        more = {name: aggregated(some, what) for name, what in aggregations.items()}
        yield {"key": key, "doc_count": len(some), **more}


def _composite(hits: list[Any], how: Any, aggregations: Any) -> Any:
    sources = [next(iter(source.items())) for source in how["sources"]]
    groups: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
    for hit in hits:
        key = [_composite_value(hit, next(iter(source.items()))) for _, source in sources]
        if _MISSING not in key:
            groups[tuple(key)].append(hit)
    keys = sorted(groups, key=lambda key: [_ordered(one) for one in key])
    if "after" in how:
        after = [_ordered(how["after"][name]) for name, _ in sources]
        keys = [key for key in keys if [_ordered(one) for one in key] > after]
    found = [
        {
            "key": {name: value for (name, _), value in zip(sources, key, strict=True)},
            "doc_count": len(groups[key]),
            **{name: aggregated(groups[key], inner) for name, inner in aggregations.items()},
        }
        for key in keys[: how["size"]]
    ]
    return {"buckets": found, **({"after_key": found[-1]["key"]} if found else {})}


_MISSING = object()


def _composite_value(hit: Any, source: tuple[str, Any]) -> Any:
    kind, how = source
    found = indexed(hit[2].source, how["field"], hit[3])
    if not found:
        return None if how.get("missing_bucket") else _MISSING
    if kind == "date_histogram":
        step = int(how["fixed_interval"].removesuffix("ms"))
        return found[0] // step * step
    return found[0]


def _ordered(value: Any) -> tuple[int, Any]:
    return (0, 0) if value is None else (1, value)


def _sort_value(doc: Doc, key: Any, known: dict[str, Any], own: dict[str, str]) -> Any:
    field = key if isinstance(key, str) else next(iter(key))
    if field in own:
        return own[field]
    if field in ("_doc", "_shard_doc"):
        return doc.seq
    found = indexed(doc.source, field, known)
    return found[0] if found else None


def _order(key: Any) -> str:
    how = next(iter(key.values())) if isinstance(key, dict) else "asc"
    return str(how["order"] if isinstance(how, dict) else how)


def _behind(sort: list[Any], after: list[Any], orders: list[str]) -> bool:
    for one, other, order in zip(sort, after, orders, strict=True):
        if one != other:
            return (_ordered(one) > _ordered(other)) == (order == "asc")
    return False


def _fields(doc: Doc, body: Any) -> dict[str, Any]:
    wanted, shown = body.get("_source", True), {}
    if wanted:
        shown["_source"] = {k: v for k, v in doc.source.items() if wanted is True or k in wanted}
    if "docvalue_fields" in body:
        names = [one if isinstance(one, str) else one["field"] for one in body["docvalue_fields"]]
        shown["fields"] = dict(doc_values(doc, names))
    return shown


def doc_values(doc: Doc, names: list[str]) -> Iterator[tuple[str, list[Any]]]:
    for name in names:
        if found := values(doc.source, name):
            yield name, [str(one) for one in found] if name == "@timestamp" else found
