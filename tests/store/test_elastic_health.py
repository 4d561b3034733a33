"""How the cluster is, and whether it is one that we can talk to."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from metronome.errors import ClientError, ConfigError, StoreUnavailable
from metronome.limits import ELASTIC_LOOK
from metronome.store.elastic_client import Refusal
from metronome.store.elastic_health import Watch
from metronome.store.elastic_names import Names
from metronome.store.elastic_search import Server
from metronome.store.elastic_url import read_url
from metronome.store.interface import Health
from tests.store.build import RECORD, batch, counter, parts
from tests.store.cluster import FakeCluster, away
from tests.store.contract import ALL, StoreCase
from tests.store.test_elastic import opened

DAY = 86_400_000


class HealthTests(StoreCase, SynchronousTestCase):
    """What ``/ready`` and ``/metrics`` say."""

    def make_store(self) -> Any:
        self.cluster = FakeCluster()
        return opened(self.cluster)

    def test_red_read_only_and_away(self) -> None:
        """And well again."""
        self.write("g", parts(counter("c", 0, 1)))
        assert self.done(self.store.health()) == ("ok", "")
        self.cluster.status = "red"
        assert self.done(self.store.health())[0] == "degraded"
        assert "red" in self.done(self.store.health()).detail
        self.cluster.status = "yellow"
        settings = self.cluster.indices["metronome-points-1970.01.01"].settings
        settings["index.blocks.read_only_allow_delete"] = "true"
        health = self.done(self.store.health())
        assert (health.state, health.detail) == ("degraded", "1 indices are read-only: a disk may be full")
        assert self.store.statistics()["up"] == 0.5
        self.cluster.faults.append(away)
        assert self.done(self.store.health()) == ("away", "the server cannot be reached")
        assert self.store.statistics()["up"] == 0.0
        self.cluster.faults.clear()
        settings.clear()
        assert self.done(self.store.health()).state == "ok"
        self.cluster.shut.add("metronome-points-1970.01.01")
        health = self.done(self.store.health())
        assert health == ("degraded", "1 indices are closed: answers lack what is in them")

    def test_figures(self) -> None:
        """Of what is there, and of what was sent."""
        self.write("g", parts(counter("c", 0, 1), counter("d", 0, 1)))
        self.done(self.store.health())
        figures = self.store.statistics()
        assert (figures["parts"], figures["series"], figures["bulk_requests_total"]) == (2, 2, 1)
        assert figures["bytes"] > 100

    def test_a_red_index_keeps_nobody_from_writing_to_the_others(self) -> None:
        """A gateway starts and writes; it answers when all can answer."""
        self.write("g", parts(counter("c", 0, 1)), parts(counter("d", DAY, 1)))
        self.cluster.red.add("metronome-points-1970.01.01")
        self.cluster.status = "red"
        again = opened(self.cluster)
        self.done(again.start())
        self.done(again.write(batch("g", parts(counter("d", DAY, 2)), begin=2 * RECORD)))
        self.failureResultOf(again.fetch(ALL, DAY, ()), StoreUnavailable)
        assert self.done(again.health()).state == "degraded"
        assert again.statistics()["up"] == 0.5
        self.cluster.red.clear()
        self.cluster.call("POST", "/metronome-*/_refresh")  # as a shard does that has recovered
        fetched = self.done(again.fetch(ALL, DAY, ()))
        assert [group.n.tolist() for group in fetched.groups] == [[1.0, 3.0]]

    def test_whoever_reads_the_figures_has_the_cluster_looked_at(self) -> None:
        """Now and then; so they are true though nobody asks for the health."""
        clock = Clock()
        clock.advance(1000)
        self.store = opened(self.cluster, clock=clock)
        self.done(self.store.start())
        self.store.statistics()
        assert self.store.statistics()["up"] == 1.0
        self.cluster.status = "red"
        assert self.store.statistics()["up"] == 1.0
        clock.advance(ELASTIC_LOOK)
        self.store.statistics()
        assert self.store.statistics()["up"] == 0.5
        self.cluster.faults.append(away)
        clock.advance(ELASTIC_LOOK)
        self.store.statistics()
        assert self.store.statistics()["up"] == 0.0

    def test_a_cluster_that_holds_more_than_can_be_counted_is_well(self) -> None:
        """The count takes too long; nothing else is wrong with it."""
        late = ClientError("too_expensive", 413, "the answer takes longer than 15 s")
        self.write("g", parts(counter("c", 0, 1)))
        self.done(self.store.health())
        self.cluster.faults.append(lambda method, path: late if path.endswith("/_search") else None)
        assert self.done(self.store.health()) == ("ok", "")
        assert self.store.statistics()["parts"] == 1

    def test_a_batch_that_is_written_shows_that_it_is_there(self) -> None:
        """At once, and not at the next look."""
        self.cluster.faults.append(away)
        late = batch("g", parts(counter("c", 0, 1)))
        self.failureResultOf(self.store.write(late), StoreUnavailable)
        assert self.store.statistics()["up"] == 0.0
        self.cluster.faults.clear()
        self.done(self.store.write(late))
        assert self.store.statistics()["up"] == 1.0

    def test_another_server_that_answers_for_a_while_is_waited_for(self) -> None:
        """A proxy that leads elsewhere: nothing is lost by that."""
        wrong = ConfigError("store: the server is no Elasticsearch")
        self.cluster.faults.append(lambda method, path: wrong)
        late = batch("g", parts(counter("c", 0, 1)))
        failure = self.failureResultOf(self.store.write(late), StoreUnavailable)
        assert "no Elasticsearch" in str(failure.value)
        assert self.done(self.store.health()).state == "away"

    def test_a_cluster_that_is_away_at_the_start_is_met_later(self) -> None:
        """Everything waits; then it works, whoever asks first."""
        cluster = FakeCluster()
        cluster.faults.append(away)
        store = opened(cluster)
        self.failureResultOf(store.start(), StoreUnavailable)
        self.failureResultOf(store.applied(), StoreUnavailable)
        late = batch("g", parts(counter("c", 0, 1)))
        self.failureResultOf(store.write(late), StoreUnavailable)
        assert self.done(store.health()).state == "away"
        cluster.faults.clear()
        self.done(store.write(late))
        assert self.done(store.applied()) == {"g": late.end}

    def test_nobody_waits_for_the_start_to_hear_that_it_is_away(self) -> None:
        """Where packets are lost the start hangs; whoever asks meanwhile is told at once."""
        cluster = FakeCluster()
        store = opened(cluster)
        told: list[Health] = []

        def asked(method: str, path: str) -> Exception:
            told.append(self.done(store.health()))
            return StoreUnavailable("the server did not answer in time")

        cluster.faults.append(asked)
        self.failureResultOf(store.start(), StoreUnavailable)
        assert told == [Health("away", "it has not answered yet")]

    def test_a_wrong_server_at_the_start_is_an_error_of_the_settings(self) -> None:
        """One that turns up later is one to wait for: nothing is lost by that."""
        wrong = FakeCluster({"number": "3.8.0", "distribution": "opensearch"})
        self.failureResultOf(opened(wrong).start(), ConfigError)
        wrong.faults.append(away)
        store = opened(wrong)
        self.failureResultOf(store.start(), StoreUnavailable)
        wrong.faults.clear()
        failure = self.failureResultOf(store.applied(), StoreUnavailable)
        assert "opensearch+http" in str(failure.value)


def watch(cluster: FakeCluster, product: str = "elasticsearch") -> Watch:
    return Watch(cluster, Server(cluster, product), Names("m"), lambda: 0.0, lambda: None)


@pytest.mark.parametrize(
    ("version", "product", "said"),
    [
        ({"number": "3.8.0", "distribution": "opensearch"}, "elasticsearch", "opensearch+http"),
        ({"number": "9.5.3"}, "opensearch", "elasticsearch+http"),
        ({"number": "7.17.0"}, "elasticsearch", "too old"),
        ({"number": "1.3.0", "distribution": "opensearch"}, "opensearch", "too old"),
    ],
)
def test_servers_that_do_not_fit(version: dict[str, str], product: str, said: str) -> None:
    """Another product, or an old one."""
    with pytest.raises(ConfigError, match=said.replace("+", r"\+")):
        watch(FakeCluster(version)).check_version(product)


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(400, {"error": {"type": "media_type_header_exception", "reason": "Invalid media-type"}}),
        Refusal(406, {"error": "Content-Type header [application/vnd.elasticsearch+json] is not supported"}),
    ],
)
def test_a_client_of_another_major_is_told_which_pair_is_needed(refusal: Refusal) -> None:
    """Servers of version 8 do not understand clients of version 9."""
    cluster = FakeCluster()
    cluster.faults.append(lambda method, path: refusal)
    with pytest.raises(ConfigError, match="elasticsearch>=8"):
        watch(cluster).check_version("elasticsearch")


def test_a_policy_has_to_be_there() -> None:
    """Each server has its own kind."""
    with_policy = read_url("elasticsearch+http://a?policy=hot")
    with pytest.raises(ConfigError, match="no ILM policy hot"):
        watch(FakeCluster()).check_policy(with_policy)
    with pytest.raises(ConfigError, match="no ISM policy hot"):
        watch(FakeCluster()).check_policy(read_url("opensearch+http://a?policy=hot"))
    watch(FakeCluster()).check_policy(read_url("elasticsearch+http://a"))
