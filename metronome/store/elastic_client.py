"""The official clients behind one small seam: a method, a path, an answer.

Elasticsearch is spoken to with ``elasticsearch``, OpenSearch with ``opensearch-py``; both are
imported when a store of theirs is opened, not before.  What they have in common is that they
keep connections to several nodes, go on to the next node when one cannot be reached, and know
TLS, compression and passwords.  What they call their endpoints differs in places and moves with
their versions, so requests are made by path; the few that differ between the servers stand in
``elastic_search.py``.

Sniffing is off: behind a proxy or in a container the addresses that nodes tell of themselves
lead nowhere.

- An answer with a status of 400 or more is a ``Refusal``.
- No answer, or one that is none, is ``StoreUnavailable``: the same call may work later.
"""

from __future__ import annotations

import logging
import ssl
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson

from metronome.errors import ConfigError, MetronomeError, StoreUnavailable
from metronome.store.elastic_url import Cluster

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch
    from opensearchpy import OpenSearch

Params = Mapping[str, str | int | bool]

JSON: Final = "application/json"
LINES: Final = "application/x-ndjson"
CONNECTIONS: Final = 12
"""Kept alive to each node: as many as the store's threads ask at once."""
_QUIET: Final = ("elasticsearch", "elastic_transport", "elastic_transport.node", "opensearch", "urllib3")


class Refusal(MetronomeError):
    """The server answered, and did not do it."""

    def __init__(self, status: int, body: object):
        self.status = status
        self.body = body
        error = body.get("error") if isinstance(body, dict) else None
        cause = error if isinstance(error, dict) else {}
        self.kind: str = str(cause.get("type", ""))
        """The server's name for it: ``resource_already_exists_exception``."""
        self.reason = told(cause) or str(error or "")
        super().__init__(f"{status} {self.kind}: {self.reason}"[:500])


class Client(Protocol):
    """One cluster."""

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        params: Params | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Ask, and wait for the answer; what is given as bytes is sent as it is."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


def connect(cluster: Cluster) -> Client:
    """A client; nothing is sent yet.  ``ConfigError`` when its package or its CA file is missing."""
    context = _context(cluster)
    for name in _QUIET:
        # What fails is told by the store; a handler of their own keeps it off standard error.
        logging.getLogger(name).addHandler(logging.NullHandler())
    try:
        if cluster.product == "opensearch":
            return OpenSearchClient(cluster, context)
        return ElasticsearchClient(cluster, context)
    except ImportError as error:
        package = "opensearch-py" if cluster.product == "opensearch" else "elasticsearch"
        raise ConfigError(
            f"store: {cluster.product} needs the package {package}, which cannot be imported ({error})"
        ) from None


class ElasticsearchClient:
    """Over ``elasticsearch.Elasticsearch``."""

    def __init__(self, cluster: Cluster, context: ssl.SSLContext | None):
        from elasticsearch import Elasticsearch, ElasticsearchWarning, OrjsonSerializer

        # Servers warn of what will be deprecated; nobody who reads our log can change it.
        warnings.simplefilter("ignore", ElasticsearchWarning)
        options: dict[str, Any] = {"ssl_context": context} if context else {}
        if cluster.api_key:
            options["api_key"] = cluster.api_key
        elif cluster.user:
            options["basic_auth"] = (cluster.user, cluster.password)
        self._client: Elasticsearch = Elasticsearch(
            list(cluster.nodes),
            http_compress=cluster.compress,
            request_timeout=cluster.timeout,
            connections_per_node=CONNECTIONS,
            max_retries=len(cluster.nodes),
            retry_on_timeout=False,
            retry_on_status=(),
            serializers={JSON: OrjsonSerializer()},
            **options,
        ).options(ignore_status=range(300, 600))

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        params: Params | None = None,
        timeout: float | None = None,
    ) -> Any:
        """See ``Client.call``."""
        from elasticsearch import TransportError, UnsupportedProductError

        headers = {"accept": JSON}
        if body is not None:
            headers["content-type"] = LINES if isinstance(body, bytes) else JSON
        client = self._client if timeout is None else self._client.options(request_timeout=timeout)
        try:
            answer = client.perform_request(
                method, path, params=_texts(params), headers=headers, body=_encoded(body)
            )
        except UnsupportedProductError:
            raise ConfigError(
                "store: the server is no Elasticsearch; opensearch+http:// would be right for OpenSearch"
            ) from None
        except TransportError as error:
            raise StoreUnavailable(_no_answer(error)) from error
        return _checked(answer.meta.status, answer.body)

    def close(self) -> None:
        """See ``Client.close``."""
        self._client.close()


class OpenSearchClient:
    """Over ``opensearchpy.OpenSearch``."""

    def __init__(self, cluster: Cluster, context: ssl.SSLContext | None):
        from opensearchpy import OpenSearch

        options: dict[str, Any] = {"ssl_context": context, "use_ssl": True} if context else {}
        if cluster.api_key:
            options["headers"] = {"Authorization": f"ApiKey {cluster.api_key}"}
        elif cluster.user:
            options["http_auth"] = (cluster.user, cluster.password)
        self._timeout = cluster.timeout
        self._client: OpenSearch = OpenSearch(
            list(cluster.nodes),
            http_compress=cluster.compress,
            timeout=cluster.timeout,
            pool_maxsize=CONNECTIONS,
            max_retries=len(cluster.nodes),
            retry_on_timeout=False,
            retry_on_status=(),
            serializer=_serializer(),
            **options,
        )

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        params: Params | None = None,
        timeout: float | None = None,
    ) -> Any:
        """See ``Client.call``."""
        from opensearchpy import OpenSearchException, TransportError

        headers = {"accept": JSON}
        if body is not None:
            headers["content-type"] = LINES if isinstance(body, bytes) else JSON
        try:
            answer = self._client.transport.perform_request(
                method,
                path,
                params=_texts(params),
                headers=headers,
                body=_encoded(body),
                timeout=timeout or self._timeout,
            )
        except TransportError as error:
            if isinstance(error.status_code, int):
                return _checked(error.status_code, error.info)
            raise StoreUnavailable(_no_answer(error)) from error
        except OpenSearchException as error:
            raise StoreUnavailable(_no_answer(error)) from error
        return _checked(200, answer)

    def close(self) -> None:
        """See ``Client.close``."""
        self._client.close()


def told(cause: Mapping[str, Any]) -> str:
    """What an error of the server says, down to its innermost causes."""
    texts = []
    inner: Any = cause
    while isinstance(inner, dict):
        texts.append(str(inner.get("reason") or inner.get("type") or ""))
        failed = inner.get("failed_shards") or inner.get("root_cause")
        first = failed[0] if isinstance(failed, list) and failed else None
        inner = inner.get("caused_by") or (first or {}).get("reason")
    return ": ".join(dict.fromkeys(text for text in texts if text))


def _serializer() -> Any:
    """JSON for ``opensearch-py`` by orjson, as the other client has it."""
    from opensearchpy import JSONSerializer, SerializationError

    class Serializer(JSONSerializer):  # type: ignore[misc, unused-ignore]
        def loads(self, s: str) -> Any:
            try:
                return orjson.loads(s)
            except orjson.JSONDecodeError as error:
                raise SerializationError(str(error)) from error

    return Serializer()


def _encoded(body: object) -> bytes | None:
    return body if body is None or isinstance(body, bytes) else orjson.dumps(body)


def _texts(params: Params | None) -> dict[str, str]:
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in (params or {}).items()
    }


def _checked(status: int, body: object) -> Any:
    if status >= 400:
        raise Refusal(status, body)
    if status >= 300:
        raise StoreUnavailable(f"the server answered with a redirect ({status})")
    if body is not None and not isinstance(body, (dict, list)):
        raise StoreUnavailable("the server's answer is not JSON")
    return body


def _no_answer(error: Exception) -> str:
    """Why there was no answer, without the addresses and bodies that clients tell of."""
    name = type(error).__name__
    words = {
        "ConnectionTimeout": "the server did not answer in time",
        "ConnectionError": "the server cannot be reached",
        "TlsError": "the server's certificate was refused, or TLS failed otherwise",
        "SSLError": "the server's certificate was refused, or TLS failed otherwise",
        "SerializationError": "the server's answer cannot be read",
    }
    return words.get(name, f"the server gave no answer ({name})")


def _context(cluster: Cluster) -> ssl.SSLContext | None:
    if not cluster.secure:
        return None
    try:
        return ssl.create_default_context(cafile=cluster.ca or None)
    except OSError as error:
        raise ConfigError(f"store: the ca file '{cluster.ca}' cannot be used: {error}") from None
