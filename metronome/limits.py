"""Every bound, with its reason and, where it helps, what others do.

A number that limits something stands here and nowhere else.  Sizes are bytes, times are
seconds, unless the name says otherwise.
"""

from __future__ import annotations

from typing import Final

# --- the model (contract.md section 2) ----------------------------------------------------
NAME_BYTES: Final = 200
"""Series and label names.  Graphite's file systems stop at 255 for a path element."""
LABEL_VALUE_BYTES: Final = 1024
"""Label values.  As Elasticsearch's usual ``ignore_above``; longer ones are rejected."""
LABELS_PER_SERIES: Final = 32
"""More than 30 labels is a mistake in the sender; Prometheus users live with 30."""

# --- statsd and Graphite lines -----------------------------------------------------------
LINE_BYTES: Final = 8192
"""Longest line on a stream transport; DogStatsD's default datagram buffer is 8,192."""
DATAGRAM_BYTES: Final = 65535
"""Longest UDP payload; a datagram that fills the buffer was cut and is counted."""
NUMBER_BYTES: Final = 512
"""Longest decimal that is read: the smallest double written out in full has 330 digits."""
SIGNATURES_KEPT: Final = 500_000
"""Signatures remembered against replay: 40 MB, and 25,000 datagrams a second over a drift of 10 s."""
SIGNED_DRIFT: Final = 10
"""How many seconds a signed datagram's time may be away from ours; hosts that keep time are closer."""
DATAGRAMS_PER_TURN: Final = 1024
"""Datagrams read in one turn of the reactor, so that a flood leaves time for flushes."""
RECEIVE_BUFFER: Final = 8 << 20
"""Receive buffer asked for: about 10,000 small datagrams (Linux counts 768 bytes for each),
more than arrive while a flush holds the reactor for 20 ms."""
PICKLE_BYTES: Final = 1 << 20
"""Longest frame of carbon's pickle form; carbon itself closes the connection above this."""
PICKLE_TEXT_BYTES: Final = 16 << 20
"""Text in one such frame, with what its memo repeats: a hostile megabyte could say gigabytes."""
WORKER_PATIENCE: Final = 0.2
"""Longest that a flush waits for workers, and at most a quarter of its period: what comes later
counts into the next period."""
WORKER_RETRY_FIRST: Final = 0.1
WORKER_RETRY_MOST: Final = 5.0
"""First and longest pause before a worker that died is started anew; it doubles in between."""
WORKER_STEADY: Final = 10.0
"""A worker that lived so long has not failed to start: the pause is the first one again."""
WORKER_STOP: Final = 1.5
"""How long workers have to hand over the rest at stop; within a step of ``STOP_SECONDS``."""
WORKERS_MOST: Final = 64
"""Worker processes; more than a machine's cores are of no use."""
BACKLOG_BYTES: Final = 32 << 20
"""Datagrams that a receiving thread holds while the table is busy: seconds of 100,000 small ones
a second, so that an unprivileged user's socket buffer of 212 kB does not matter."""
SENDERS_KEPT: Final = 256
"""Senders whose datagrams are counted: who sends more than one in 256 is always among them."""
EXCERPT_BYTES: Final = 160
"""How much of a rejected line is kept: enough to recognise the sender."""
REJECTS_KEPT: Final = 1000
"""Distinct rejected lines kept for the ledger and the console."""

# --- folding -----------------------------------------------------------------------------
TIMER_SAMPLES: Final = 1000
"""Samples of one timer and period kept exactly; beyond that the sketch (1 % error)."""
SET_MEMBERS: Final = 4096
"""Members of one set and period kept exactly; beyond that HyperLogLog, 1.6 % error."""
SKETCH_ERROR: Final = 0.01
"""Relative error of percentiles (DDSketch, VLDB 2019): gamma = 1.01 / 0.99."""
SKETCH_SMALLEST: Final = 1e-9
"""Magnitudes below count as zero, so that a sketch has at most 6,910 bins."""
SKETCH_LARGEST: Final = 1e21
"""Magnitudes above share the outermost bin; low and high stay exact."""
SKETCH_OFFSET: Final = 2000
"""Added to a bin's index so that the sign of the bin is the sign of its values."""
REGISTERS_POWER: Final = 12
"""2^12 HyperLogLog registers: standard error 1.04 / 64 = 1.6 %, below the promised 2 %."""
SERIES_PER_STREAM: Final = 1_000_000
"""Live series of a stream in one gateway; what comes for further ones shares a series."""
KEYS_BYTES: Final = 2_000_000_000
"""Of the names and labels of these; where one begins is said in 32 bits.  Beyond, as beyond the number."""
SERIES_PER_PREFIX: Final = 0
"""The same for series whose names begin with the same two elements; 0: no limit of their own."""
SAMPLE_PAST: Final = 3600
"""How far back a sample's own time may be; statsd clients that buffer give up before."""
SAMPLE_FUTURE: Final = 300
"""And how far ahead: clocks differ."""
LATE_PARTS: Final = 1 << 18
"""Series and past periods with such samples at once: 30 MB, written each second."""
POINTS_KEPT: Final = 1 << 21
"""Points with a time of their own that a table holds at most, should nobody take them out: 50 MB."""
POINTS_PER_PACK: Final = 4096
"""Points of one series in one row: 64 kB if they cannot be packed, so that records stay small."""
PACK_SPAN_MS: Final = 86_400_000
"""Time from the first to the last of them, so that what goes by time touches few rows in vain."""
FRAMES_KEPT: Final = 200_000
"""Line frames (all but the values) that the pure kernel remembers: about 80 MB."""
EVENTS_WAITING: Final = 10_000
EVENT_BYTES_WAITING: Final = 8 << 20
"""DogStatsD events and checks that a table holds until they are taken out."""

# --- the journal -------------------------------------------------------------------------
SEGMENT_BYTES: Final = 64 << 20
"""A segment is deleted whole once every consumer has passed it."""
JOURNAL_BYTES: Final = 4 << 30
"""Default budget of the journal: hours of a busy gateway while its store is away."""
RECORD_BYTES: Final = 16 << 20
"""Largest record; a length above it in a file is damage, not data."""
GROUP_WAIT: Final = 0.01
"""Longest time that the first waiting record waits for company before the fsync starts."""
GROUP_SHARE: Final = 0.25
"""And at most this share of what the last group took; see journal/company.py."""
GROUP_BYTES: Final = 8 << 20
"""How much one write and fsync takes at most; what waits beyond goes into the next."""
PROBE_BYTES: Final = 64 << 10
"""What must be writable again before a journal whose disk refused takes records."""
PROBE_SECONDS: Final = 1.0
"""How often that is tried."""
CURSOR_SECONDS: Final = 1.0
"""Longest time that a moved cursor is not on disk: what a consumer may see again."""
READ_BYTES: Final = 4 << 20
"""How much a consumer is given at once."""
RECENT_BYTES: Final = 16 << 20
"""Of what the journal has written, so much stays in memory for those who read along: a flush of
200,000 series, which three consumers would each read back and check."""
RECENT_SECONDS: Final = 1.0
"""And so long, twice that at most."""
RETRY_FIRST: Final = 0.25
RETRY_MOST: Final = 30.0
"""A consumer's first and longest pause between attempts; it doubles in between."""
IDLE_FLUSHES: Final = 360
"""Flushes after which an idle series is forgotten by the folding table: an hour at 10 s."""
PRUNE_FLUSHES: Final = 6
"""Idle series are looked for at every so many flushes: it takes a pass over all series."""
STORE_LINGER: Final = 0.5
"""Seconds that new records wait for company before the store is given them: a commit costs
milliseconds, however little is in it.  Reading does not wait, it joins the journal."""
DEAD_LETTER_BYTES: Final = 256 << 20
"""What the store refused for good and is kept aside; beyond it the newest are dropped and counted:
the first ones show how the trouble began, as Logstash keeps them."""
DEAD_LETTER_REASON: Final = 1000
"""Characters kept of what the store said of one."""
REPLAY_LETTERS: Final = 200
"""Letters that a replay puts in at once, and at most ``READ_BYTES`` of them: some hundred
milliseconds of the store, after which others have their turn."""
FLUSH_WAIT_BYTES: Final = 64 << 20
"""Flushed parts held in memory while the journal refuses; beyond that the oldest are shed."""
POINTS_WAITING: Final = 1_000_000
"""Points with their own time (Graphite) held before they are journalled at once."""
CHECKPOINT_INTERVAL: Final = 1.0
"""Seconds between checkpoints of the open period: what a kill -9 may cost of statsd samples."""
POINTS_INTERVAL: Final = 1.0
"""Longest that such points wait for the journal otherwise."""
ROWS_PER_RECORD: Final = 8192
"""Rows of parts in one record: about a megabyte, so that consumers work in small bites."""

# --- the converter -----------------------------------------------------------------------
CARBON_RESEND: Final = 60.0
"""What left so recently is sent again after a broken connection: Graphite has no acknowledgement,
and a carbon or relay that is killed loses what lay in its cache or queue."""
CARBON_WINDOW_BYTES: Final = 64 << 20
"""Compressed bytes kept for that, some 6 million lines; beyond it the oldest are let go."""
CARBON_WINDOW_MEMORY: Final = 1 << 20
"""Of these in memory; what is more is kept in files without a name."""
SPILL_FILE_BYTES: Final = 8 << 20
"""Of one such file: it goes when nothing in it is kept, so there should be some."""
CARBON_STEADY: Final = 5.0
"""A connection that lived so long was a good one: the pause before the next is the first one again."""
CARBON_SLOW: Final = 10.0
"""A carbon that takes nothing for so long is told of, and of equals another takes over."""
CARBON_STALL: Final = 300.0
"""A carbon that takes nothing for this long is dropped; a full cache pauses it for minutes."""
CARBON_PATIENCE: Final = 1.0
"""One of several equals that takes nothing for so long is passed over until it does."""
CARBON_AHEAD: Final = 4
"""Chunks that wait for one of several equals."""
CARBON_DATAGRAM_BYTES: Final = 1432
"""Largest UDP datagram of lines: what an Ethernet frame holds, as statsd's manual advises."""
CARBON_DATAGRAM_PAUSE: Final = 0.01
"""Seconds between two chunks of them: a receiver's buffer holds some hundred datagrams."""
CARBON_RESOLVE: Final = 300.0
"""How long datagrams go to the address that a name had."""
CARBON_GOODBYE: Final = 2.0
"""At stop, how long carbon has to take what was written; within ``STOP_SECONDS``."""
CARBON_CHUNK_LINES: Final = 500
"""Lines written at once: a millisecond of the reactor (four for timers) and 30 kB."""
WRITE_SAMPLES: Final = 2000
"""Samples of one request of remote write, as Prometheus itself sends them: a millisecond of the reactor."""
WRITE_BYTES: Final = 1 << 20
"""And about how many bytes before they are compressed; receivers take some MB."""
WRITE_METADATA: Final = 600
"""Seconds after which a receiver of 1.0 is told the types of families again."""
WRITE_OWN: Final = 15.0
"""Seconds between our own counters and gauges by remote write, where flushes are not more frequent: as
often as a Prometheus commonly scrapes."""
WRITE_OWN_BEHIND: Final = 1800.0
"""Seconds that a receiver may be behind for it to be told of now: a Prometheus that has a sample of now
refuses what is an hour older."""
WRITE_PATIENCE: Final = 30.0
"""Seconds that a receiver has for an answer; Prometheus gives it as long."""
WRITE_RETRY_AFTER: Final = 300.0
"""Longest that its ``Retry-After`` is heeded."""
WRITE_IN_FLIGHT: Final = 4
"""Requests of one flush that are under way at once."""
WRITE_IN_FLIGHT_MOST: Final = 64
"""What ``in-flight`` may ask for: each is a connection and a request in memory."""
WRITE_GOODBYE: Final = 1.5
"""At stop, how long a receiver has to be told that all series end; within a step of ``STOP_SECONDS``."""
TOTALS_INTERVAL: Final = 30.0
"""Seconds between images of remote write's totals: what stands behind them is folded once more
after a restart, and held in the journal."""
METRICS_STEP_ROWS: Final = 1024
"""Series brought up to date for ``/metrics`` in one turn of the reactor: some milliseconds."""
METRICS_CHUNK_LINES: Final = 2000
"""Samples of ``/metrics`` written in one turn of the reactor: one to two milliseconds."""
NATIVE_BUCKETS: Final = 160
"""Buckets of a native histogram on ``/metrics``, as in client libraries; more become coarser."""
EXEMPLARS_KEPT: Final = 10_000
"""Series and groups whose last exemplar is remembered, about 5 MB; exemplars are examples, not a record."""
TRACE_BYTES: Final = 48
"""Longest trace or span id that is kept: OpenMetrics has 128 characters for an exemplar's labels."""
METRICS_WINDOW: Final = 60.0
"""Quantiles on ``/metrics`` are those of the last period with samples, if it is this recent."""
IDLE_SERIES: Final = 250_000
"""Idle series whose value the converter repeats; beyond that the longest idle are forgotten."""
IDLE_SECONDS: Final = 86400
"""A series that is silent for a day is not repeated any more."""
ROLLUP_RULES: Final = 1000
"""Rollup rules of a gateway; each is asked once for every series."""
ROLLUP_GROUPS: Final = 1_000_000
"""Groups that one rule keeps unless it says fewer; the series of further ones share one group."""
ROLLUP_SERIES: Final = 1_000_000
"""Series of which an output remembers the rules: 12 MB.  When there are more it asks anew."""
ROLLUP_EVERY: Final = 3600
"""Longest period of a rule, seconds: the journal keeps its parts until it has been sent."""
ROLLUP_IDLE: Final = 3600
"""A group that got nothing for so long makes room, once there are many or the limit is reached."""
ROLLUP_STEP_ROWS: Final = 1024
"""Rows rolled up in one turn of the reactor: a millisecond, 20 when all series are new."""
LATE_PERIODS: Final = 5
"""Ended periods of a rule that late parts still amend, as carbon's MAX_AGGREGATION_INTERVALS."""
LATE_SECONDS: Final = 300
"""And no longer than this: what could be amended has to be read again after a restart."""
LATE_CELLS: Final = 2_000_000
"""Cells of ended periods kept for that, some 200 MB; beyond it the oldest period is let go."""
PILE_ROWS: Final = 32_768
"""Rows of a rollup's period that wait to be brought together: a few megabytes."""
PILE_GROUPS: Final = 8192
"""Groups that are brought together and given out in one turn of the reactor: some 10 ms."""

# --- top talkers and the admin console ----------------------------------------------------
TALKERS_WINDOW: Final = 300
"""Seconds over which top talkers are counted: long enough to be calm, short enough to be now."""
TALKERS_COUNTED: Final = 1000
"""Counters for series, and for senders: a count is wrong by at most a thousandth of the whole."""
PREFIXES_COUNTED: Final = 10_000
"""Name prefixes counted one by one; further ones are not told."""
TALKERS_LEARNT: Final = 8192
"""Series of a flush whose prefix is worked out: 10 ms; the others' turn comes with the next."""
TALKERS_TOLD: Final = 20
TALKERS_TOLD_MOST: Final = 1000
"""How many of each are told unless ``limit`` says otherwise, and what it may say."""
CONSOLE_LINE_BYTES: Final = 65_536
"""Longest command line; a list of names to delete may be long."""
CONSOLE_SERIES: Final = 50_000
"""Series that one answer of the console shows: some megabytes, half a second of the reactor."""
CONSOLE_PAUSE: Final = 0.2
"""A command without a line end counts when nothing follows it for so long."""

# --- HTTP --------------------------------------------------------------------------------
BODY_BYTES: Final = 1 << 20
"""Request body on the wire.  Snowplow and Sentry stop at 1 MB as well."""
INFLATED_BYTES: Final = 5 << 20
"""Request body after decompression."""
TICKS_PER_BODY: Final = 1000
"""Items in one body: a body of perf ticks, each of which makes a dozen points, holds the reactor
for a quarter of a second.  Logstash sends 125 at once, research/analytics.md 8.1 proposes 500."""
PARAMS_PER_TICK: Final = 64
"""Parameters of one tick; those beyond are cut off and the tick is marked."""
PARAM_NAME_BYTES: Final = 64
PARAM_VALUE_BYTES: Final = 1024
"""Parameter values; longer ones are truncated and the tick is marked."""
MESSAGE_BYTES: Final = 4096
STACK_BYTES: Final = 16384
ITEM_ID_BYTES: Final = 512
"""An item's id is usually host and path; Umami and Plausible keep 500 to 2,000."""
TICK_PAST: Final = 24 * 3600
TICK_FUTURE: Final = 5 * 60
"""How far an anonymous tick may be from its arrival (Matomo's rule)."""
PERIOD_SECONDS: Final = 366 * 86400
"""Longest period of a point that comes as a tick; a longer one is a mistake in units."""
DUPLICATE_WINDOW: Final = 24 * 3600
"""How long a deduplication id is remembered."""
DUPLICATE_IDS: Final = 2_000_000
"""Ids remembered; beyond that the oldest hour is forgotten early, which is counted."""
DUPLICATE_PAGE: Final = DUPLICATE_IDS // 16
"""Ids that a store is asked for at once when a run begins: some 20 MB of them."""
HTTP_CONNECTIONS: Final = 1024
HTTP_IDLE: Final = 60
"""A connection that is silent this long is closed; also bounds a request's arrival."""
HTTP_HEADERS: Final = 100
"""Header fields of one request; browsers send about 20."""
HTTP_HEADER_BYTES: Final = 16384
"""Request line and header fields together; most servers stop at 8 to 16 KiB."""
HTTP_BODIES_BYTES: Final = 64 << 20
"""Bodies that are arriving or being answered, all connections together; beyond that 503."""
HTTP_DISCARD_BYTES: Final = 8 << 20
HTTP_LINGER: Final = 5
"""After a refusal so much more is read and thrown away, for so long, before the connection
is cut: a client that is still sending would otherwise never see the answer."""
RETRY_AFTER: Final = 5
"""Seconds that a client is asked to wait when the gateway cannot take or answer now."""
OPEN_FILES: Final = 8192
"""Open files asked of the system: all connections of all receivers, segments and the store."""
STREAM_CONNECTIONS: Final = 1024
"""Connections of one TCP or Unix stream receiver."""
STREAM_READ_BYTES: Final = 120 << 10
"""Read at once from a connection that has so much: 2,000 lines.  Pieces of ``MAPPED_BYTES`` or more are new
pages each time; to get those takes longer than to read what is in them."""
STREAM_IDLE: Final = 3600
"""Statsd and carbon clients hold connections open and may be silent for long."""

ORIGINS_PER_STREAM: Final = 100
"""Web origins that a stream lists; globs cover subdomains."""
RETENTION_DAYS: Final = 36_500
"""Longest retention that can be asked for: a hundred years."""

# --- reading -----------------------------------------------------------------------------
SERIES_PER_ANSWER: Final = 100_000
POINTS_PER_ANSWER: Final = 2_000_000
"""Beyond these an answer is refused as too expensive rather than cut silently."""
BINS_PER_ANSWER: Final = 4 * POINTS_PER_ANSWER
"""Sketch bins, and as many set members, that a store's answer may carry: 100 MB of them."""
TAIL_LINES: Final = 1000
"""Lines a second that ``GET /tail`` shows a listener: more than a person reads, 20 ms of work."""
TOCK_ROWS: Final = 50
"""Default number of referers and formats in a tock, as research/analytics.md 8.2."""
TOCK_ROWS_MOST: Final = 10_000
"""What ``limit`` may ask for."""
COUNT_GROUPS: Final = 2 * TOCK_ROWS_MOST
"""Groups of one count of events; senders choose the texts, so there may be any number of them.
Twice what a tock shows, so that what waits in the journal changes nothing of what is shown."""
TOCK_DAYS: Final = 30
"""Days that a tock covers when nothing is asked for."""
DATES_PER_ANSWER: Final = 36_600
"""Dates that ``fill=1`` may write: a hundred years."""
STEPS_SHOWN: Final = 300
"""Steps of an answer whose step is not asked for: what a chart can show."""

# --- stores ------------------------------------------------------------------------------
STORE_READ_BYTES: Final = 16 << 20
"""What the store is given at once: a flush of 100,000 series.  In four batches it would take twice the
CPU time, for each has its transaction."""
STORE_LOG_BYTES: Final = 4 << 20
"""DuckDB's write-ahead log goes into the file beyond this; rows stay in memory until then.  A batch
that would be beyond it by itself goes into the file at once."""
STORE_MEETING: Final = 10
"""Seconds that a start waits for the store; then input is taken, and waits in the journal."""
STORE_MEMORY: Final = 512_000_000
"""What DuckDB may use for its blocks and its questions; its own default is 80 % of the machine."""
STORE_REST: Final = 60
"""Seconds after the last question from which DuckDB keeps nothing in memory of what is in its file."""
STORE_PATIENCE: Final = 15
"""A question to the embedded store that takes longer is called off: writing waits behind it."""
MERGE_ROWS: Final = 300_000
"""Rows of parts that one step of the down-sampling ladder merges: about a second's work."""

ELASTIC_TIMEOUT: Final = 30
"""One request to a cluster, unless the store's URL says otherwise; a bulk takes a second."""
ELASTIC_LABELS: Final = 200
ELASTIC_NUMBERS: Final = 100
"""Label names, and names of events' numbers, that are fields of one index; the cluster's own limit
for all fields is 1,000.  What comes beyond is found through ``label_pairs``."""
ELASTIC_MONTHLY_STEP: Final = 300
"""Parts merged into steps of so many seconds and more have an index a month: they are few."""
ELASTIC_PAGE: Final = 10_000
"""Documents and buckets asked for at once: what a server gives unless it is told otherwise."""
ELASTIC_CHUNK_DOCUMENTS: Final = 5000
ELASTIC_CHUNK_BYTES: Final = 8 << 20
"""Of one bulk request at most; fewer documents while the cluster is slow or refuses some."""
ELASTIC_CHUNK_LEAST: Final = 200
"""And at least, whatever it does."""
ELASTIC_IN_FLIGHT: Final = 4
"""Bulk requests on their way at once, at most: enough to keep a cluster busy while we make the next."""
ELASTIC_SLOW: Final = 3.0
"""Seconds; a bulk that takes longer is followed by smaller ones."""
ELASTIC_BUSY: Final = 30.0
"""Seconds that a batch goes on being sent while nothing of it is taken; then it waits as in an outage."""
ELASTIC_SETTLED: Final = 600
"""Seconds after which no request from before an applied position can still be on its way: parts up
to there may be merged."""
ELASTIC_BOOKS_KEPT: Final = 10_000
"""Days of streams' books that are remembered, so that they are not read anew for each batch."""
ELASTIC_DOCUMENTS: Final = 1_000_000
"""Parts that one answer may read one by one (gauges, percentiles, sets): ten seconds of it, and some
500 MB.  Counters and timers are folded by the cluster."""
ELASTIC_READERS: Final = 3
"""Questions to a cluster at once."""
ELASTIC_FIGURES: Final = 600.0
"""Seconds between two counts of what a cluster holds: each goes through all of it, for every gateway."""
ELASTIC_LOOK: Final = 10.0
"""Seconds after which whoever reads the store's figures has the cluster be looked at anew.  It has half
of that to answer, so that ``/ready`` does not hang where packets are lost."""
ELASTIC_MERGE_ROWS: Final = 50_000
ELASTIC_MERGE_SERIES: Final = 2000
"""Parts, and series, that one step of the ladder merges in a cluster: some seconds' work."""
ELASTIC_CLAIM: Final = 900
"""Seconds after which a gateway that was merging and went silent is taken for dead."""
ELASTIC_DELETED: Final = 10_000
"""Parts and events of a day that is not over which are deleted one by one; more wait for its end,
when the whole index goes."""
ELASTIC_EMPTY: Final = 86_400
"""Seconds after the end of its day or month at which an index that is empty is deleted: the ladder has
moved everything out of it, and every index costs the cluster memory."""
ELASTIC_NOTED: Final = 30 * 86_400
"""Seconds for which a gateway that is not heard of still has a say in how long streams are kept."""
ELASTIC_DAYS_BACK: Final = 400
ELASTIC_DAYS_AHEAD: Final = 31
"""Days before and behind today that have an index each; what is further away shares one.  Else a sender
whose clock or units are wrong could make more indices than a node takes (1,000 shards by default)."""
ELASTIC_SERIES_KEPT: Final = 100_000
"""Series whose part of a document is remembered, so that it is not made anew: some 40 MB."""

IMPORT_PATIENCE: Final = 300
"""How long an import waits for a store that is away before it says so and ends."""
VERIFY_DAYS: Final = 31
"""Days whose counts an import asks its target for at once."""
VERIFY_SECONDS: Final = 30
"""How long an import waits for what it wrote to be seen: clusters show it when they refresh."""
EXPORT_ROWS: Final = 20_000
"""Rows that a store hands out at once when all of it is moved elsewhere: some megabytes."""

# --- the process -------------------------------------------------------------------------
MAPPED_BYTES: Final = 128 << 10
"""Pieces of memory from this size on are given back to the system when they are freed (allocator.py)."""
HOLES_SECONDS: Final = 2.0
"""How often pages that nobody uses are looked for in the heaps: half a millisecond."""
COLLECT_SECONDS: Final = 10.0
"""How often Python looks through all objects for garbage that refers to itself: 15 ms or more."""
COLLECT_SHARE: Final = 0.001
"""Of the CPU's time that this may take; where a look takes longer there are fewer."""

# --- time --------------------------------------------------------------------------------
STOP_SECONDS: Final = 10
"""SIGTERM to exit."""
EARLIEST_MS: Final = 0
LATEST_MS: Final = 253_402_300_799_000
"""Times that are kept: 1970 to 9999."""
