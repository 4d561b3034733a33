"""Our own counters and gauges, for ``/metrics``.

Every name stands in ``CATALOGUE`` with its type, label names and meaning, and in ``ADVICE`` with what
to do when it moves; that is what ``doc/metrics.md`` prints.  A name that is not in them is a
programming error, so that nothing is exported undocumented.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

START: Final = "metronome_start_time_seconds"
"""Also when our counters began to count."""
CATALOGUE: Final[dict[str, tuple[str, tuple[str, ...], str]]] = {
    "metronome_info": ("gauge", ("version", "kernel"), "1; the version and which kernel twin runs"),
    START: ("gauge", (), "when the process started, epoch seconds"),
    "metronome_received_total": (
        "counter",
        ("stream", "source"),
        "samples, points and events that arrived, whatever became of them",
    ),
    "metronome_stored_total": ("counter", ("stream",), "of those: the store has them"),
    "metronome_rejected_total": ("counter", ("stream", "source", "reason"), "bad input refused"),
    "metronome_filtered_total": ("counter", ("stream", "source", "reason"), "classed and set aside"),
    "metronome_shed_total": ("counter", ("stream", "source", "reason"), "good input refused for load"),
    "metronome_diverted_total": ("counter", ("stream", "reason"), "refused by the store, kept aside"),
    "metronome_dead_letter_bytes": ("gauge", (), "bytes of what the store refused and is kept aside"),
    "metronome_waiting": ("gauge", ("stream",), "accepted and on the way to the store"),
    "metronome_series": ("gauge", ("stream",), "series known to the folding table"),
    "metronome_lines_total": ("counter", ("source",), "lines and datagrams' lines read"),
    "metronome_datagrams_total": ("counter", ("source",), "datagrams read"),
    "metronome_overflowed_total": (
        "counter",
        ("source",),
        "samples for series beyond a limit, folded into one labelled `_other_`",
    ),
    "metronome_unmapped_total": (
        "counter",
        ("source",),
        "lines whose name no mapping rule takes; they count under the name as sent",
    ),
    "metronome_datagrams_dropped_total": (
        "counter",
        ("source", "reason"),
        "datagrams lost before they were read; reason kernel: the socket buffer was full",
    ),
    "metronome_workers": ("gauge", (), "worker processes that receive; 0: the gateway does by itself"),
    "metronome_worker_restarts_total": ("counter", (), "workers that died and were started anew"),
    "metronome_worker_late_total": (
        "counter",
        (),
        "times that a worker had not handed over when a period was flushed; it counts into the next",
    ),
    "metronome_connections": ("gauge", ("source",), "open connections of a receiver"),
    "metronome_connections_accepted_total": ("counter", ("source",), "connections accepted by a receiver"),
    "metronome_connections_closed_total": (
        "counter",
        ("source", "reason"),
        "connections that a receiver closed by itself: idle, too_many_connections, unreadable",
    ),
    "metronome_flush_seconds": ("gauge", (), "how long the last flush held the reactor"),
    "metronome_flushes_total": ("counter", (), "flushes done"),
    "metronome_flush_waiting_bytes": ("gauge", (), "flushed parts that the journal would not take yet"),
    "metronome_journal_bytes": ("gauge", (), "bytes of the journal on disk"),
    "metronome_journal_budget_bytes": ("gauge", (), "bytes that the journal may hold"),
    "metronome_journal_segments": ("gauge", (), "segment files of the journal"),
    "metronome_journal_appended_records_total": ("counter", (), "records appended and synced"),
    "metronome_journal_appended_bytes_total": ("counter", (), "bytes appended and synced"),
    "metronome_journal_syncs_total": ("counter", (), "fsyncs of the journal"),
    "metronome_journal_refused_total": ("counter", (), "appends refused: journal full or disk refusing"),
    "metronome_journal_torn_bytes_total": ("counter", (), "bytes of a torn tail cut off at start"),
    "metronome_journal_damaged_records_total": ("counter", (), "damaged places skipped when reading"),
    "metronome_journal_damaged_bytes_total": ("counter", (), "bytes of those places"),
    "metronome_journal_unwritable": ("gauge", (), "1 while the journal cannot be written"),
    "metronome_consumer_lag_bytes": (
        "gauge",
        ("consumer",),
        "bytes of the journal that a consumer has still to do",
    ),
    "metronome_consumer_retries_total": ("counter", ("consumer",), "batches tried again"),
    "metronome_consumer_records_total": ("counter", ("consumer",), "records done"),
    "metronome_undecodable_records_total": (
        "counter",
        (),
        "journal records that could not be read; skipped",
    ),
    "metronome_store_bytes": ("gauge", (), "bytes of the store on disk, where known"),
    "metronome_store_parts": ("gauge", (), "parts in the store, where known"),
    "metronome_store_series": ("gauge", (), "series in the store, where known"),
    "metronome_store_up": (
        "gauge",
        (),
        "a cluster: 1 while it is well, 0.5 while it is red or read-only, else 0",
    ),
    "metronome_store_bulk_requests_total": ("counter", (), "bulk requests sent to a cluster"),
    "metronome_store_bulk_refused_total": (
        "counter",
        (),
        "of those: some of it was refused for now and had to be sent again",
    ),
    "metronome_store_bulk_documents": ("gauge", (), "documents that the next bulk request may have"),
    "metronome_store_bulk_window": ("gauge", (), "bulk requests that may be on their way at once"),
    "metronome_duplicate_ids": ("gauge", (), "deduplication ids remembered"),
    "metronome_duplicate_ids_forgotten_total": (
        "counter",
        (),
        "deduplication ids forgotten before their 24 h because there were too many",
    ),
    "metronome_http_requests_total": ("counter", ("endpoint", "status"), "HTTP requests answered"),
    "metronome_graphite_sent_total": (
        "counter",
        ("destination",),
        "lines sent to carbon, those sent again not counted",
    ),
    "metronome_graphite_sent_bytes_total": ("counter", ("destination",), "bytes written to carbon"),
    "metronome_graphite_resent_total": ("counter", ("destination",), "lines sent to carbon again"),
    "metronome_graphite_window_bytes": (
        "gauge",
        ("destination",),
        "bytes kept, compressed, to be sent again should the connection break",
    ),
    "metronome_graphite_let_go_total": (
        "counter",
        ("destination",),
        "lines not kept as long as they should have been, because there were too many",
    ),
    "metronome_graphite_connected": ("gauge", ("destination",), "1 while connected to carbon"),
    "metronome_graphite_reconnects_total": ("counter", ("destination",), "connections to carbon made anew"),
    "metronome_graphite_stalled": ("gauge", ("destination",), "1 while carbon takes nothing"),
    "metronome_graphite_stalls_total": ("counter", ("destination",), "times that carbon took nothing"),
    "metronome_graphite_lag_seconds": (
        "gauge",
        ("destination",),
        "since when carbon has not got what there is; 0 while it has all",
    ),
    "metronome_graphite_skipped_total": (
        "counter",
        ("destination", "reason"),
        "values that cannot be sent to carbon",
    ),
    "metronome_remote_write_sent_total": (
        "counter",
        ("destination",),
        "samples that a receiver of remote write has taken",
    ),
    "metronome_remote_write_rejected_total": (
        "counter",
        ("destination", "status"),
        "samples that it has refused for good, by the status of its answer",
    ),
    "metronome_remote_write_unwritten_total": (
        "counter",
        ("destination",),
        "samples of requests that it took and, as it says, has not written",
    ),
    "metronome_remote_write_requests_total": (
        "counter",
        ("destination", "status"),
        "requests by the status of the answer; `none` where there was no answer",
    ),
    "metronome_remote_write_retries_total": ("counter", ("destination",), "requests that are sent again"),
    "metronome_remote_write_left_out_total": (
        "counter",
        ("destination", "reason"),
        "not sent: series with a clash of names, negative counts of counters",
    ),
    "metronome_remote_write_series": ("gauge", ("destination",), "series that are sent"),
    "metronome_remote_write_lag_seconds": (
        "gauge",
        ("destination",),
        "how long ago the last flush ended that the receiver has",
    ),
    "metronome_remote_write_version": ("gauge", ("destination",), "protocol that is spoken: 1 or 2"),
    "metronome_rollup_groups": ("gauge", ("output",), "groups that the rollup rules of an output keep"),
    "metronome_rollup_left_out_total": (
        "counter",
        ("output", "reason"),
        "left out of rollups: rows late or early, new series over_limit, groups with a clash of names",
    ),
    "metronome_metrics_clashes_total": (
        "counter",
        (),
        "series left out of /metrics because their name clashes with another's",
    ),
    "metronome_metrics_negative_total": (
        "counter",
        (),
        "negative counts left out of /metrics, where a counter cannot go down",
    ),
    "metronome_metrics_series": ("gauge", (), "series shown on /metrics"),
}
"""name -> (type, label names, meaning)."""

ADVICE: Final[dict[str, str]] = {
    "metronome_info": (
        'Nothing to do. `kernel="pure"` means that the native kernel was not built: build it (`make '
        "dev`), folding is slower without."
    ),
    "metronome_start_time_seconds": (
        "A change is a restart. Several in an hour: look into the log for what ends the process."
    ),
    "metronome_received_total": (
        "Falls to nothing: the senders, or the way from them, are gone. Rises by a multiple: `/top.json` "
        "names who."
    ),
    "metronome_stored_total": (
        "Stays behind `metronome_received_total`: see `metronome_waiting` and "
        '`metronome_consumer_lag_bytes{consumer="store"}`.'
    ),
    "metronome_rejected_total": (
        "`/ledger.json` and the console's `rejects` have samples of the lines and who sent them; correct "
        "the sender. The reasons are in reasons.md."
    ),
    "metronome_filtered_total": (
        "Expected: what is classed and set aside, such as repeats. A jump tells of a client that sends "
        "everything twice."
    ),
    "metronome_shed_total": (
        "Good data was lost. `journal_full`: a consumer is away, see its lag, or raise `limits.journal`. "
        "`kernel`: see `metronome_datagrams_dropped_total`. Else the limit that the reason names."
    ),
    "metronome_diverted_total": (
        "The store has refused records for good; they are dead letters. Correct what it says in the log, "
        "then `metronome replay`."
    ),
    "metronome_dead_letter_bytes": "Above 0: there is something for `metronome replay`.",
    "metronome_waiting": "Grows: the store is slow or away. Compare it with `metronome_store_*` and the log.",
    "metronome_series": (
        "Grows without end: a label has too many values. `/top.json` names the prefixes; `limits.series-"
        "per-prefix` bounds them."
    ),
    "metronome_lines_total": "Load; compare it with CPU use before adding `--workers`.",
    "metronome_datagrams_total": (
        "Load. Many datagrams with one line each: let clients pack them (`max_packet_size`, `maxBufferSize`)."
    ),
    "metronome_overflowed_total": (
        "A series limit is reached and detail is lost: take the label away at its source, or raise "
        "`limits.series`."
    ),
    "metronome_unmapped_total": (
        "Names that no rule of `--mapping` takes: write rules for those that `/ledger.json` and the console's"
        " `unmapped` list."
    ),
    "metronome_datagrams_dropped_total": (
        "Samples were lost unseen. Raise `net.core.rmem_max`, add `--workers`, pack datagrams, or send "
        "over TCP or a Unix socket."
    ),
    "metronome_workers": "Below what `--workers` says: some have died, see their restarts.",
    "metronome_worker_restarts_total": (
        "A worker has died: the log has its last words. Samples of its open second are lost."
    ),
    "metronome_worker_late_total": (
        "The machine is short of CPU at flushes: fewer workers than cores, or longer `flush-interval`."
    ),
    "metronome_connections": (
        "Near `limits.connections`: clients open connections and do not close them, or there are more "
        "clients than was thought of."
    ),
    "metronome_connections_accepted_total": (
        "A high rate: clients connect anew for every line; let them keep connections."
    ),
    "metronome_connections_closed_total": (
        "`too_many_connections`: raise `limits.connections`. `idle`: nothing, or raise `limits.idle`. "
        "`unreadable`: something else speaks to this port."
    ),
    "metronome_flush_seconds": (
        "Above 0.1: too many series for one gateway, or the machine is short of CPU. Datagrams wait in "
        "the socket buffer meanwhile."
    ),
    "metronome_flushes_total": "Stands still: the process hangs; take a stack of it and restart it.",
    "metronome_flush_waiting_bytes": (
        "Above 0: the journal refuses. Act before 64 MiB are reached; then the oldest are shed."
    ),
    "metronome_journal_bytes": "Grows towards the budget: a consumer does not follow; its lag says which.",
    "metronome_journal_budget_bytes": "Nothing to do: `limits.journal`.",
    "metronome_journal_segments": "As `metronome_journal_bytes`.",
    "metronome_journal_appended_records_total": "Load.",
    "metronome_journal_appended_bytes_total": "Load of the disk.",
    "metronome_journal_syncs_total": (
        "Far below one a second under load of ticks: the disk is slow to sync, and so are answers to "
        "`POST /tick`."
    ),
    "metronome_journal_refused_total": (
        "Input was refused or shed: free the disk, or bring back the consumer that holds the journal."
    ),
    "metronome_journal_torn_bytes_total": (
        "Expected after a loss of power: what was cut had not been acknowledged."
    ),
    "metronome_journal_damaged_records_total": (
        "The disk has lost or changed data: check it and replace it. What could be read was."
    ),
    "metronome_journal_damaged_bytes_total": "As `metronome_journal_damaged_records_total`.",
    "metronome_journal_unwritable": (
        "1: free the disk, or make it writable again. Until then `/ready` is 503 and senders are told to "
        "wait."
    ),
    "metronome_consumer_lag_bytes": (
        "Grows for a consumer: what it sends to is away or too slow, see the log. At the journal's "
        "budget, input is refused."
    ),
    "metronome_consumer_retries_total": (
        "Something does not take what it is given; the log says what and why. Nothing is lost."
    ),
    "metronome_consumer_records_total": (
        "Stands still while its lag grows: the consumer waits for a store or destination."
    ),
    "metronome_undecodable_records_total": (
        "Records of a newer version are in the journal, or it is damaged: go back to the version that "
        "wrote them."
    ),
    "metronome_store_bytes": (
        "Grows faster than was planned: shorten `retention.points`, or keep fewer labels."
    ),
    "metronome_store_parts": "Grows without end: the ladder does not merge; the log of the keeper says why.",
    "metronome_store_series": "As `metronome_series`, over the time that is kept.",
    "metronome_store_up": (
        "0.5: shards are missing, or a disk is full and indices are read-only. 0: the cluster cannot be "
        "reached, or wants another password; `/ready` says which. Nothing is lost while the journal has room."
    ),
    "metronome_store_bulk_requests_total": "Load.",
    "metronome_store_bulk_refused_total": (
        "Grows with the requests: the cluster is busy; give it more nodes, or larger flush intervals."
    ),
    "metronome_store_bulk_documents": "Falls: the cluster is slow or refuses writes.",
    "metronome_store_bulk_window": "1: the cluster is slow or refuses writes.",
    "metronome_duplicate_ids": "Load: ticks with an id in the last 24 hours.",
    "metronome_duplicate_ids_forgotten_total": (
        "More ticks with ids come in 24 hours than are remembered: a repeat that comes late may count twice."
    ),
    "metronome_http_requests_total": (
        "A rise of `401`, `403`: wrong keys or tokens. `429`, `503`: the gateway is overloaded or cannot "
        "write. `500`: a mistake of ours, the log has its trace."
    ),
    "metronome_graphite_sent_total": "Falls to nothing: carbon is away, or nothing is received.",
    "metronome_graphite_sent_bytes_total": "Load of the network.",
    "metronome_graphite_resent_total": (
        "A connection broke and the last minute was sent again; the values are the same. Often: see why "
        "it breaks."
    ),
    "metronome_graphite_window_bytes": (
        "Near 64 MiB: more is sent in the time of `graphite-resend` than can be kept; shorten it."
    ),
    "metronome_graphite_let_go_total": (
        "A connection that breaks now may lose values: shorten `graphite-resend`."
    ),
    "metronome_graphite_connected": (
        "0: carbon is away or cannot be reached. What is to be sent waits in the journal."
    ),
    "metronome_graphite_reconnects_total": (
        "Often: carbon restarts, or something between closes idle connections."
    ),
    "metronome_graphite_stalled": "1: carbon has stopped reading; its cache is full or its disk too slow.",
    "metronome_graphite_stalls_total": (
        "Often: carbon is too slow for what is sent; give it a faster disk, more caches, or send less."
    ),
    "metronome_graphite_lag_seconds": (
        "Grows: carbon is away or too slow. After `limits.journal` is full, input is refused."
    ),
    "metronome_graphite_skipped_total": "Values that are infinite or no numbers: correct the sender.",
    "metronome_remote_write_sent_total": "Falls to nothing: the receiver is away; see the lag.",
    "metronome_remote_write_rejected_total": (
        "Samples are lost to this receiver. `400`: they come too late for it "
        "(`out_of_order_time_window`), or another sends the same series. `401`, `403`: its secret. `404`:"
        " its path. `413`: its limits."
    ),
    "metronome_remote_write_unwritten_total": (
        "The receiver takes requests and leaves samples out: its log says why."
    ),
    "metronome_remote_write_requests_total": (
        "`none`: it cannot be reached. `429`, `5xx`: it is overloaded or broken; requests are sent again."
    ),
    "metronome_remote_write_retries_total": (
        "The receiver was away or overloaded. Nothing is lost while the journal has room."
    ),
    "metronome_remote_write_left_out_total": (
        "`clash`: two series would be one to Prometheus; give one another name by `--mapping`. "
        "`negative`: a counter is counted down; make it a gauge."
    ),
    "metronome_remote_write_series": "Grows without end: as `metronome_series`.",
    "metronome_remote_write_lag_seconds": (
        "Above some flush intervals: the receiver is away or too slow. Beyond an hour a Prometheus "
        "refuses what comes late."
    ),
    "metronome_remote_write_version": (
        "1 where 2 was expected: the receiver is old, or does not say what it has written."
    ),
    "metronome_rollup_groups": "Grows without end: a label in `by` has too many values; `limit` bounds them.",
    "metronome_rollup_left_out_total": (
        "`late`: parts older than 5 periods; look at clocks and senders' buffers. `early`: a clock is "
        "ahead. `over_limit`: raise `limit` or drop a label. `clash`: two rules write one path."
    ),
    "metronome_metrics_clashes_total": "As `metronome_remote_write_left_out_total` with `clash`.",
    "metronome_metrics_negative_total": "As `metronome_remote_write_left_out_total` with `negative`.",
    "metronome_metrics_series": (
        "Grows without end: as `metronome_series`. Above 100,000, let rules fold labels away before "
        "Prometheus scrapes."
    ),
}
"""name -> what to do when it moves; of every metric of the catalogue, in its order."""


class Family(NamedTuple):
    """One self-metric with its present values."""

    name: str
    type: str
    help: str
    samples: list[tuple[dict[str, str], float]]


class Telemetry:
    """Holds counters that parts add to, and gauges that are read when asked."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[tuple[str, ...], float]] = {}
        self._reads: dict[str, dict[tuple[str, ...], Callable[[], float]]] = {}

    def count(self, name: str, by: float = 1, **labels: str) -> None:
        """Add to a counter."""
        values = self._counts.setdefault(name, {})
        key = self._key(name, "counter", labels)
        values[key] = values.get(key, 0) + by

    def gauge(self, name: str, read: Callable[[], float], **labels: str) -> None:
        """Have a value read whenever the families are asked for.

        Also for counters that another part keeps itself.  A second read for the same
        labels replaces the first.
        """
        self._reads.setdefault(name, {})[self._key(name, CATALOGUE[name][0], labels)] = read

    def forget(self, name: str, **labels: str) -> None:
        """Stop reading a value whose owner is gone."""
        self._reads.get(name, {}).pop(self._key(name, CATALOGUE[name][0], labels), None)

    def value(self, name: str, **labels: str) -> float:
        """The present value; 0 for what was never counted."""
        key = self._key(name, CATALOGUE[name][0], labels)
        read = self._reads.get(name, {}).get(key)
        return read() if read else self._counts.get(name, {}).get(key, 0)

    def total(self, name: str, **labels: str) -> float:
        """The present values that have these labels, added up over all others."""
        _, label_names, _ = CATALOGUE[name]
        wanted = [(label_names.index(label), text) for label, text in labels.items()]
        keys = {*self._counts.get(name, {}), *self._reads.get(name, {})}
        return sum(
            self.value(name, **dict(zip(label_names, key, strict=True)))
            for key in keys
            if all(key[index] == text for index, text in wanted)
        )

    def families(self) -> list[Family]:
        """Everything that has a value, in the order of the catalogue; counters without labels
        have one from the start."""
        found = []
        for name, (kind, label_names, meaning) in CATALOGUE.items():
            values = dict(self._counts.get(name, {}))
            values.update({key: read() for key, read in self._reads.get(name, {}).items()})
            if kind == "counter" and not label_names:
                values.setdefault((), 0.0)  # there before it counts: the first one is seen to be one
            samples = [(dict(zip(label_names, key, strict=True)), value) for key, value in values.items()]
            if samples:
                found.append(Family(name, kind, meaning, samples))
        return found

    @staticmethod
    def _key(name: str, kind: str, labels: dict[str, str]) -> tuple[str, ...]:
        known, label_names, _ = CATALOGUE[name]
        assert known == kind, f"{name} is a {known}"
        assert labels.keys() == set(label_names), f"{name} wants the labels {label_names}"
        return tuple(labels[label] for label in label_names)
