"""The C core as Cython sees it; ``kernel.h`` says what things are."""

from libc.stdint cimport int16_t, int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "kernel.h" nogil:
    enum:
        WHY_OK, WHY_MALFORMED_LINE, WHY_BAD_NAME, WHY_BAD_VALUE, WHY_NOT_FINITE, WHY_BAD_TYPE, WHY_BAD_RATE
        WHY_BAD_TIME, WHY_BAD_LABEL, WHY_TOO_MANY_LABELS, WHY_MIXED_TAG_STYLES, WHY_TRUNCATED, WHY_BAD_EVENT
        WHY_MAPPING_DROP, WHY_TOO_MANY_SERIES, WHY_UNMAPPED, WHY_MEMORY, REASONS
        COUNTER, GAUGE, TIMER, SET
        NO_RULES, RULED, UNRULED
        D_GAUGE_DELTA, D_DOGSTATSD, D_INFLUX, D_LIBRATO, D_SIGNALFX, D_GRAPHITE, D_CONTAINER
        NAME_BYTES, LABEL_VALUE_BYTES, LABELS_PER_SERIES, NUMBER_BYTES, EXCERPT_BYTES, REJECTS_KEPT
        POINTS_KEPT, POINTS_PER_PACK, PACK_HEAD, PACK_SPAN_MS, EVENTS_WAITING, BACKLOG_BYTES, SENDERS_KEPT, LATE_PARTS, SAMPLE_FUTURE, EVENT_BYTES_WAITING, DATAGRAM_BYTES
        KEYS_BYTES
        SKETCH_OFFSET, REGISTERS
    double LATEST_MS, SKETCH_SMALLEST, SKETCH_LARGEST

    ctypedef struct slice "slice":
        const char *p
        size_t n

    ctypedef struct buffer:
        char *p
        size_t n

    ctypedef struct item:
        double value
        slice member
        int delta, total

    ctypedef struct group:
        double rate
        size_t first, count
        int kind, type

    ctypedef struct line:
        double time
        int timed
        size_t groups

    ctypedef struct mapped:
        buffer text
        double factor
        int ruled

    ctypedef int (*mt_mapper)(void *context, const char *series, size_t n, int kind, mapped *out) noexcept nogil

    ctypedef struct scratch:
        line line
        group *groups
        item *items
        buffer key
        mt_mapper mapper
        void *mapper_context

    ctypedef struct address:
        uint8_t family

    ctypedef struct reject:
        address sender
        uint32_t number
        uint8_t reason, length
        char *text

    ctypedef struct tally:
        uint64_t lines, samples, datagrams, bytes, events, kernel_drops, shed, forgotten, overflowed, unmapped
        uint64_t *rejected

    ctypedef struct lane:
        tally tally
        int changed
        reject *rejects
        uint32_t reject_first, reject_count
        buffer events
        uint32_t *event_ends
        uint32_t event_count

    ctypedef struct talker:
        address address
        uint64_t count

    ctypedef struct graphite_line:
        slice path
        double value
        int64_t time_ms
        int timed

    ctypedef struct table:
        uint32_t count, lane_count, sender_count
        scratch scratch
        size_t point_count, odd_count
        uint64_t folded, late_samples
        uint32_t prefix_limit, gauge_flushes
        int64_t period_ms, late_ms, early_ms, open_ms
        int failed, relative
        lane **lanes
        lane *lane
        talker *senders
        buffer later

    ctypedef struct flush_sizes:
        size_t rows, keys, samples, bins, hashes, registers, packs
        int weighted

    ctypedef struct flush_arrays:
        uint32_t *key_ends
        char *keys
        uint64_t *ids
        uint8_t *kinds
        int64_t *times
        double *periods
        uint32_t *counts
        double *n
        double *d
        double *low
        double *high
        double *squares
        uint32_t *sample_ends
        uint32_t *bin_ends
        uint32_t *hash_ends
        uint32_t *register_ends
        double *samples
        double *weights
        int16_t *bins
        double *bin_counts
        uint64_t *hashes
        uint8_t *registers
        uint32_t *pack_ends
        char *packs

    ctypedef struct moment:
        int64_t time_ms
        double n

    ctypedef struct harvest:
        char *memory
        size_t bytes
        flush_sizes sizes
        flush_arrays arrays

    enum:
        TAKE_OUT, LOOK_AT, GAUGE_VALUES, TOTAL_VALUES

    int mt_number_start()
    int mt_has_time(const group *g)
    uint64_t mt_hash64(const void *data, size_t n)
    int mt_reserve(buffer *b, size_t more)
    int mt_statsd_key(scratch *s, int kind, int dialect)
    void mt_scratch_free(scratch *s)
    int mt_statsd_line(scratch *s, const char *p, size_t n, int dialect)
    int mt_is_event(const char *p, size_t n)
    int mt_event_is_good(const char *p, size_t n)
    int mt_pickle_is_harmless(const char *p, size_t n)
    int mt_graphite_line(graphite_line *out, const char *p, size_t n)
    int mt_graphite_key(scratch *s, slice path, int dialect)
    table *mt_table_new(uint32_t series_limit, uint32_t timer_samples, uint32_t set_members, double ln_gamma)
    void mt_table_free(table *t)
    uint32_t mt_intern(table *t, const char *key, size_t n)
    int NO_PLACE(uint32_t index)
    void mt_forget_raw(table *t)
    int mt_keep_any_point(table *t, uint32_t index, int64_t time_ms, double n, double d)
    size_t mt_pack(const moment *m, uint32_t count, char *out)
    size_t PACK_ROOM(uint32_t count)
    uint32_t mt_pack_span(const char *p, size_t n, int64_t *first, int64_t *last)
    uint32_t mt_unpack(const char *p, size_t n, moment *out)
    void mt_reject(table *t, int reason, const char *p, size_t n)
    void mt_lock(table *t)
    int mt_try_lock(table *t)
    void mt_unlock(table *t)
    int mt_lane_new(table *t)
    void mt_use_lane(table *t, uint32_t number)
    lane *mt_lane_make()
    void mt_lane_free(lane *l)
    void mt_lane_take_rejects(lane *source, lane *out)
    void mt_lane_take_events(lane *source, lane *out)
    void mt_feed_later(table *t)
    int mt_restore_gauge(table *t, const char *key, size_t n, double value)
    int mt_restore_total(table *t, const char *key, size_t n, double value)
    long mt_forget(table *t, const char *keys, size_t n)
    int mt_serve(table *t, const int *fds, int count, int stop_fd, int dialect, uint32_t lane)
    void mt_address_text(const address *a, char *out)
    uint64_t mt_feed_statsd(table *t, const char *block, size_t n, int dialect)
    uint64_t mt_feed_graphite(table *t, const char *block, size_t n, int64_t now_ms, int dialect)
    int mt_next_line(const char **at, const char *end, slice *out)
    long mt_drain(table *t, int fd, long budget, int dialect)
    int mt_harvest(table *t, int what, int64_t start_ms, double period, harvest *out)
    void mt_put_ids(harvest *h)
    int mt_harvest_points(table *t, harvest *out)
    uint32_t mt_prune(table *t, uint32_t idle)
    uint64_t mt_merge(table *t, const flush_arrays *a, size_t rows)
