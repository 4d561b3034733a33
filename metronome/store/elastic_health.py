"""How the cluster is: for ``/ready``, for ``/metrics``, and whether it is one that we can talk to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from metronome.errors import ClientError, ConfigError
from metronome.limits import ELASTIC_FIGURES, ELASTIC_LOOK
from metronome.store.elastic_client import Client, Params, Refusal
from metronome.store.elastic_flow import Flow
from metronome.store.elastic_names import Names
from metronome.store.elastic_search import Server
from metronome.store.elastic_url import Cluster
from metronome.store.interface import Health

_LEAST: Final = {"elasticsearch": 8, "opensearch": 2}
_STREAMS: Final = 1000
"""Streams whose series are counted: the largest."""
_SERIES: Final = {"series": {"cardinality": {"field": "series", "precision_threshold": 10_000}}}
_FIGURES: Final = (
    *("bytes", "series", "parts"),
    *("bulk_requests_total", "bulk_refused_total", "bulk_documents", "bulk_window"),
)
_BLOCKS: Final = ("read_only_allow_delete", "read_only", "write")


class Watch:
    """Looks after one cluster."""

    def __init__(
        self,
        client: Client,
        server: Server,
        names: Names,
        seconds: Callable[[], float],
        fresh: Callable[[], object],
    ):
        """``fresh`` has everything that was applied be found."""
        self._fresh = fresh
        self._client = client
        self._server = server
        self._names = names
        self._seconds = seconds
        self._figures = dict.fromkeys(_FIGURES, 0.0)
        self._counted_at = -ELASTIC_FIGURES
        self._looked_at = -ELASTIC_LOOK
        self._state = Health("away", "not asked yet")

    # --- may we talk to it ---------------------------------------------------------------------

    def check_version(self, product: str) -> None:
        """``ConfigError`` when the server is another product, or of a version that the client's does
        not fit."""
        try:
            told = self._client.call("GET", "/")
        except Refusal as refusal:
            if refusal.status in (400, 406) and "media" in f"{refusal.kind} {refusal}".lower():
                raise ConfigError(_PAIRS) from None
            if refusal.status == 406 or "Content-Type" in str(refusal):
                raise ConfigError(_PAIRS) from None
            raise
        version = told.get("version", {})
        found = version.get("distribution", "elasticsearch")
        if found != product:
            raise ConfigError(f"store: the server is {found}; {found}+http:// would be right")
        number = str(version.get("number", "0"))
        if int(number.partition(".")[0]) < _LEAST[product]:
            right = f"{_LEAST[product]} or newer would be right"
            raise ConfigError(f"store: {product} {number} is too old; {right}")

    def check_policy(self, cluster: Cluster) -> None:
        """``ConfigError`` when the lifecycle policy that was asked for is not there."""
        if not cluster.policy:
            return
        kind, path = "ILM", f"/_ilm/policy/{quote(cluster.policy, safe='')}"
        if cluster.product == "opensearch":
            kind, path = "ISM", f"/_plugins/_ism/policies/{quote(cluster.policy, safe='')}"
        try:
            self._client.call("GET", path)
        except Refusal as refusal:
            if refusal.status in (400, 404, 405):
                raise ConfigError(f"store: the cluster has no {kind} policy {cluster.policy}") from None
            raise

    # --- how is it -------------------------------------------------------------------------------

    def look(self) -> Health:
        """Ask the cluster."""
        self._looked_at = self._seconds()
        path = f"/_cluster/health/{self._names.prefix}-*"
        health = self._client.call("GET", path, params={"timeout": "1s"}, timeout=ELASTIC_LOOK / 2)
        blocked = self._blocked()
        if health["status"] == "red":
            self._state = Health("degraded", "the cluster is red: some shards are missing")
        elif blocked:
            self._state = Health("degraded", f"{blocked} indices are read-only: a disk may be full")
        elif closed := self._closed():
            self._state = Health("degraded", f"{closed} indices are closed: answers lack what is in them")
        else:
            self._state = Health("ok")
        due = self._seconds() - self._counted_at >= ELASTIC_FIGURES or not self._seconds()
        if due and health["status"] != "red":  # then nobody can count
            self._counted_at = self._seconds()
            try:
                self._count()
            except ClientError:
                return self._state  # more than can be counted in time: the last figures stand
        return self._state

    def works(self) -> None:
        """It was written to."""
        if self._state.state == "away":
            self._state = Health("ok")

    def away(self, text: str) -> Health:
        """It cannot be asked, or written to."""
        self._state = Health("away", text)
        return self._state

    def _blocked(self) -> int:
        settings: dict[str, Any] = self._client.call(
            "GET",
            f"/{self._names.prefix}-*/_settings/index.blocks.*",
            params={"flat_settings": True, "allow_no_indices": True, "ignore_unavailable": True},
        )
        return sum(
            any(str(one["settings"].get(f"index.blocks.{block}", "")) == "true" for block in _BLOCKS)
            for one in settings.values()
        )

    def _closed(self) -> int:
        """How many indices somebody has closed: servers leave them out of answers without a word."""
        params: Params = {"expand_wildcards": "closed", "allow_no_indices": True, "ignore_unavailable": True}
        return len(self._client.call("GET", f"/{self._names.prefix}-*/_settings/index.uuid", params=params))

    @property
    def due(self) -> bool:
        """Whether the last look is so long ago that it is time for another."""
        return self._seconds() - self._looked_at >= ELASTIC_LOOK

    # --- figures ---------------------------------------------------------------------------------

    def figures(self) -> dict[str, float]:
        """For ``/metrics``."""
        up = {"ok": 1.0, "degraded": 0.5}.get(self._state.state, 0.0)
        return {**self._figures, "up": up}

    def sent(self, flow: Flow) -> None:
        """A batch has been sent, or has to wait."""
        self._figures.update(
            bulk_requests_total=float(flow.sent),
            bulk_refused_total=float(flow.refused),
            bulk_documents=float(flow.most),
            bulk_window=float(int(flow.window)),
        )

    def _count(self) -> None:
        self._fresh()
        stats = self._client.call(
            "GET",
            f"/{self._names.prefix}-*/_stats/store",
            params={"filter_path": "_all.primaries.store.size_in_bytes"},
        )
        self._figures["bytes"] = float(
            stats.get("_all", {}).get("primaries", {}).get("store", {}).get("size_in_bytes", 0)
        )
        body = {
            "size": 0,
            "track_total_hits": True,
            "aggs": {"streams": {"terms": {"field": "stream", "size": _STREAMS}, "aggs": _SERIES}},
        }
        answer = self._server.search(self._names.points, body)
        self._figures["parts"] = float(answer["hits"]["total"]["value"])
        streams = answer.get("aggregations", {}).get("streams", {}).get("buckets", [])
        self._figures["series"] = float(sum(stream["series"]["value"] for stream in streams))


_PAIRS: Final = (
    "store: the server does not understand the installed package elasticsearch: their major versions do not"
    " fit. elasticsearch 9 speaks to servers of version 9; for a server of version 8 install"
    " 'elasticsearch>=8.19,<9', which speaks to both"
)
