/* The native twin of the kernel: what its files share.
 *
 * The rules stand in the pure twin's files; what is here does the same to every input, in
 * place and without allocating per line.  Nothing in here holds Python's lock, except that a
 * mapper is called through `mt_mapper`, which takes it.
 *
 * Sizes are bytes.  Functions that may run out of memory return WHY_MEMORY or -1 and leave the
 * table as it was.
 *
 * Who may call: functions that take a table want its lock held (`mt_lock`), but for `mt_serve`,
 * which is a thread of its own and takes it by itself.  Python's lock is never waited for by
 * who holds the table's in that thread, and the table's is never waited for by who holds
 * Python's; so neither can hold up the other for ever.
 */
#ifndef METRONOME_KERNEL_H
#define METRONOME_KERNEL_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "numbers are laid out as little-endian machines have them; elsewhere the pure twin runs"
#endif

#pragma GCC visibility push(hidden)

enum reason {
    WHY_OK,
    WHY_MALFORMED_LINE,
    WHY_BAD_NAME,
    WHY_BAD_VALUE,
    WHY_NOT_FINITE,
    WHY_BAD_TYPE,
    WHY_BAD_RATE,
    WHY_BAD_TIME,
    WHY_BAD_LABEL,
    WHY_TOO_MANY_LABELS,
    WHY_MIXED_TAG_STYLES,
    WHY_TRUNCATED,
    WHY_BAD_EVENT,
    WHY_MAPPING_DROP,
    WHY_TOO_MANY_SERIES,
    WHY_UNMAPPED, /* no refusal: no mapping rule takes the name */
    WHY_MEMORY, /* not the sender's fault: becomes MemoryError */
    WHY_LATER,  /* only a mapper knows, and this thread may not ask it */
    REASONS
};

enum kind { COUNTER, GAUGE, TIMER, SET };

/* What a type says beside the kind. */
enum type { T_PLAIN, T_TOTAL, T_VALUE, T_MILLISECONDS };

enum dialect {
    D_GAUGE_DELTA = 1,
    D_DOGSTATSD = 2,
    D_INFLUX = 4,
    D_LIBRATO = 8,
    D_SIGNALFX = 16,
    D_GRAPHITE = 32,
    D_CONTAINER = 64,
    D_PATH = 128 /* not a switch: the name is a Graphite path */
};

/* The same numbers as in limits.py; the face checks that they are. */
#define NAME_BYTES 200
#define LABEL_VALUE_BYTES 1024
#define LABELS_PER_SERIES 32
#define NUMBER_BYTES 512
#define EXCERPT_BYTES 160
#define REJECTS_KEPT 1000
#define REJECT_CHAINS 1024
#define POINTS_KEPT (1 << 21)
#define POINTS_PER_PACK 4096
#define PACK_SPAN_MS 86400000
#define PACK_HEAD 24
#define PACK_ROOM(count) (PACK_HEAD + 16 * (size_t)(count) + 8)
#define EVENTS_WAITING 10000
#define EVENT_BYTES_WAITING (8 << 20)
#define DATAGRAM_BYTES 65535
#define BACKLOG_BYTES (32 << 20)
#define SENDERS_KEPT 256
#define LATE_PARTS (1 << 18)
#define SAMPLE_FUTURE 300
#define OTHER_KEY_BYTES (NAME_BYTES + 32)
#define KEYS_BYTES 2000000000
/* What mt_intern answers instead of a place. */
#define NO_ROOM UINT32_MAX       /* the stream has as many series as it may */
#define NO_MEMORY (UINT32_MAX - 1)
#define CROWDED (UINT32_MAX - 2) /* the prefix has */
#define NO_PLACE(index) ((index) >= CROWDED)
#define LATEST_MS 253402300799000.0
#define REGISTERS 4096
#define SKETCH_OFFSET 2000
#define SKETCH_SMALLEST 1e-9
#define SKETCH_LARGEST 1e21
#define LARGEST 1.7976931348623157e308

typedef struct {
    const char *p;
    size_t n;
} slice;

typedef struct {
    char *p;
    size_t n, cap;
} buffer;

/* --- a line, read but not folded (statsd.c) --- */

typedef struct {
    double value;
    slice member; /* of a set, instead of the value */
    int delta;    /* of a gauge: a change */
    int total;    /* of a counter: how far it is */
} item;

/* Whether a mapping rule has made a series' name, or there are no rules. */
enum ruled { NO_RULES, RULED, UNRULED };

/* Where the samples of a raw name go, and what their values are multiplied by. */
typedef struct {
    double factor;
    uint32_t series;
    int ruled;
    uint32_t note, round; /* of an unmapped one: where it is kept, and since which taking out */
    uint64_t note_hash;
} spot;

typedef struct {
    slice values;
    double rate;
    size_t first, count; /* its items */
    int kind, type;
    spot spot; /* filled in when folded */
} group;

typedef struct {
    slice name, tags; /* tags.p is NULL where the line has none */
    slice origin[3];  /* container_id, external_data, cardinality */
    slice time_text;  /* p is NULL where there is none */
    double time;
    int timed;
    size_t groups, items;
} line;

typedef struct {
    slice path;
    double value;
    int64_t time_ms;
    int timed;
} graphite_line;

typedef struct {
    uint32_t name, name_len, value, value_len; /* offsets in scratch.text */
} label;

/* What a mapper makes of a name: `name NUL label NUL value ...`. */
typedef struct {
    buffer text;
    double factor;
    int ruled;
} mapped;

/* A mapper is given `name NUL label NUL value ...`; 0 where that is not wanted. */
typedef int (*mt_mapper)(void *context, const char *series, size_t n, int kind, mapped *out);

typedef struct {
    line line;
    group *groups;
    item *items;
    size_t group_cap, item_cap;
    buffer tags, text, key, raw;
    mapped mapped;
    label labels[LABELS_PER_SERIES];
    int label_count;
    mt_mapper mapper;
    void *mapper_context;
    int may_map; /* whether this thread may ask it */
} scratch;

/* --- the table (table.c, fold.c, flush.c) --- */

typedef struct {
    double n, d;
    void *side; /* gauge, timer or set state; a counter's last total, or NULL */
    uint32_t key_at; /* the keys stand one behind the other, in the order of their series */
    uint32_t count, used;
    uint16_t key_len;
    uint8_t kind, flags;
} series;

#define S_HELD 1  /* a gauge that has a value, a counter that has a total */
#define S_OTHER 2 /* it takes what finds no room (guard.c) */

typedef struct {
    double low, high;
} gauge;

typedef struct {
    double low, high, squares;
    double *samples, *weights; /* weights is NULL while all are 1 */
    uint32_t count, cap, weight_cap;
    double *bins; /* a window of them, NULL while samples are exact */
    int bin_first, bin_count;
} timer;

typedef struct {
    uint64_t *members; /* open addressing, 0 is empty */
    uint32_t count, cap;
    int has_zero;
    uint8_t *registers;
} set;

/* A value and its time: what of a point is packed. */
typedef struct {
    int64_t time_ms;
    double n;
} moment;

typedef struct {
    int64_t time_ms;
    double n;
    uint32_t series;
} point;

/* A point that is not to be packed: of a counter, or with a denominator. */
typedef struct {
    int64_t time_ms;
    double n, d;
    uint32_t series;
} odd_point;

typedef struct {
    int64_t start_ms, latest;
    double n, d, low, high;
    uint32_t series, count;
} late_part;

typedef struct {
    uint8_t family; /* 0 unknown, 1 a Unix socket, 4, 6 */
    uint8_t bytes[16];
} address;

/* A refused line, or one that no mapping rule takes.  Those of one sender and reason whose texts
 * begin with the same `key_length` bytes are one. */
typedef struct {
    uint64_t hash;
    address sender;
    uint32_t number;
    uint16_t next; /* in its chain, + 1 */
    uint8_t reason, length, key_length;
    char text[EXCERPT_BYTES];
} reject;

/* What came in by one way, which keeps its own books.  `changed`: since they were last read. */
typedef struct {
    uint64_t lines, samples, datagrams, bytes, events, kernel_drops, shed, forgotten, overflowed, unmapped;
    uint64_t rejected[REASONS];
} tally;

typedef struct {
    tally tally;
    int changed;
    reject *rejects;
    uint16_t *reject_chains; /* place + 1 */
    uint32_t reject_first, reject_count;
    uint32_t round; /* since when they are kept; another one for each lane and taking out */
    buffer events;
    uint32_t *event_ends;
    uint32_t event_count;
} lane;

typedef struct {
    address address;
    uint64_t count;
} talker;

typedef struct {
    int fd;
    uint32_t drops;
} dropped;

typedef struct receiver receiver; /* drain.c */

typedef struct {
    uint32_t series_limit, prefix_limit, timer_samples, set_members;
    int64_t period_ms, late_ms, early_ms;
    double ln_gamma;
    uint64_t seed;

    series *series;
    uint32_t count, cap;
    buffer keys; /* the arena */
    uint32_t *slots; /* index + 1 by the key's hash */
    uint32_t slot_mask;

    uint64_t *raw_slots; /* high half: hash, low half: what feed.c says; 0 is empty */
    uint32_t raw_mask, raw_count;
    uint16_t flavours[16]; /* of names whose slot says all */
    uint32_t flavour_count;
    buffer raw;
    spot *spots; /* of raw names that are not just a series */
    uint32_t spot_count, spot_cap;

    scratch scratch;
    point *points;
    size_t point_count, point_cap;
    odd_point *odds;
    size_t odd_count, odd_cap;
    uint32_t *row_of; /* by series, while points are taken out; else 0 */
    uint32_t row_cap;
    int64_t open_ms; /* when the open period began; 0 while nobody has said */
    late_part *lates;
    uint32_t late_count, late_cap;
    uint32_t *late_slots, late_mask; /* place + 1 */
    uint64_t late_samples;
    uint64_t *prefixes; /* pairs of hash and number; 0 is empty */
    uint32_t prefix_mask, prefix_count;
    uint64_t folded;
    uint32_t flushes;
    int failed; /* out of memory since last asked */
    int totals; /* whether any counter was sent as a running total */
    uint32_t gauge_flushes; /* after so many without a sample a gauge has no value; 0: it keeps it */
    int relative; /* gauges: changes since the last flush, told apart from values by d */

    lane **lanes;
    uint32_t lane_count, rounds;
    lane *lane;      /* whose books are kept just now */
    address sender;  /* who sent what is read just now */
    talker *senders;
    uint32_t sender_count;
    uint16_t sender_hints[1024];
    buffer later; /* lines that wait for somebody who may ask the mapper */

    receiver *receiver;
    dropped drops[64];
    int drop_count;

    pthread_mutex_t mutex;
    int wanted; /* how many wait for the mutex; a receiving thread lets them go first */
} table;

/* Rows taken out: how long the arrays are, and where they lie in one piece of memory. */
typedef struct {
    size_t rows, keys, samples, bins, hashes, registers, packs;
    int weighted;
} flush_sizes;

typedef struct {
    uint32_t *key_ends;
    char *keys;
    uint64_t *ids;
    uint8_t *kinds;
    int64_t *times;
    double *periods;
    uint32_t *counts;
    double *n, *d, *low, *high, *squares;
    uint32_t *sample_ends, *bin_ends, *hash_ends, *register_ends;
    double *samples, *weights;
    int16_t *bins;
    double *bin_counts;
    uint64_t *hashes;
    uint8_t *registers;
    uint32_t *pack_ends;
    char *packs;
} flush_arrays;

typedef struct {
    char *memory; /* to be freed; NULL where there was none */
    size_t bytes;
    flush_sizes sizes;
    flush_arrays arrays;
} harvest;

enum harvest_of { TAKE_OUT, LOOK_AT, GAUGE_VALUES, TOTAL_VALUES };

/* How far the flat arrays are filled. */
typedef struct {
    size_t keys, samples, bins, hashes, registers;
} row_places;

/* number.c */
int mt_number(const char *p, size_t n, double *out);
int mt_literal(const char *p, size_t n, double *out);
int mt_number_start(void);

/* text.c */
uint64_t mt_hash64(const void *data, size_t n);
void mt_hash_texts(const char *flat, const uint32_t *ends, size_t count, uint64_t *out);
int mt_reserve(buffer *b, size_t more);
size_t mt_clean(char *to, const char *p, size_t n);
size_t mt_sanitised(char *to, const char *p, size_t n);
size_t mt_without_control(char *text, size_t n);
size_t mt_label_name(char *to, const char *p, size_t n);

/* naming.c */
int mt_add_label(scratch *s, slice name, slice value);
int mt_add_pairs(scratch *s, slice section, char separator);
int mt_finish_key(scratch *s, size_t name_at, size_t name_len, int kind);
int mt_statsd_key(scratch *s, int kind, int dialect);
int mt_labels_reset(scratch *s, size_t input);
void mt_scratch_free(scratch *s);

/* pickle.c */
int mt_pickle_is_harmless(const char *p, size_t n);

/* statsd.c, graphite.c */
int mt_statsd_line(scratch *s, const char *p, size_t n, int dialect);
int mt_is_event(const char *p, size_t n);
int mt_event_is_good(const char *p, size_t n);
int mt_graphite_line(graphite_line *out, const char *p, size_t n);
int mt_graphite_key(scratch *s, slice path, int dialect);
uint64_t mt_feed_graphite(table *t, const char *block, size_t n, int64_t now_ms, int dialect);

/* table.c */
table *mt_table_new(uint32_t series_limit, uint32_t timer_samples, uint32_t set_members, double ln_gamma);
void mt_table_free(table *t);
uint32_t mt_find(const table *t, const char *key, size_t n);
uint32_t mt_intern(table *t, const char *key, size_t n);
uint32_t mt_intern_other(table *t, const char *key, size_t n, uint32_t instead);
int mt_restore_gauge(table *t, const char *key, size_t n, double value);
int mt_restore_total(table *t, const char *key, size_t n, double value);
int mt_rehash(table *t, uint32_t slots);
void mt_reslot(table *t);
void mt_forget_raw(table *t);
void mt_lock(table *t);
int mt_try_lock(table *t);
void mt_unlock(table *t);
int mt_lane_new(table *t);
void mt_use_lane(table *t, uint32_t number);

/* lane.c */
lane *mt_lane_make(void);
void mt_lane_free(lane *l);
void mt_reject(table *t, int reason, const char *p, size_t n);
void mt_note_unmapped(table *t, const char *p, size_t n, spot *where);
void mt_lane_take_rejects(lane *from, lane *out);
void mt_lane_take_events(lane *from, lane *out);
int mt_keep_event(table *t, const char *p, size_t n);

/* feed.c */
void mt_feed_later(table *t);
uint64_t mt_feed_statsd(table *t, const char *block, size_t n, int dialect);
int mt_next_line(const char **at, const char *end, slice *out);
void mt_bound_raw(table *t);
uint64_t mt_hash_path(const table *t, slice path, int dialect);
void mt_fetch_path(const table *t, uint64_t hash);
int mt_resolve_path(table *t, slice path, uint64_t hash, int dialect, uint32_t *index);

/* drain.c */
typedef struct {
    const char *data;
    uint32_t length, drops;
    uint32_t segment; /* how many bytes each datagram in it has; 0 where it is one */
    uint8_t truncated, has_drops;
    address sender;
} message;

long mt_drain(table *t, int fd, long budget, int dialect);
receiver *mt_receiver_new(void);
void mt_receiver_free(receiver *r);
int mt_receive(receiver *r, int fd, unsigned int wanted);
void mt_read_message(receiver *r, int index, message *m);
void mt_feed_message(table *t, int fd, const message *m, int dialect);
#define BATCH 64
#define LEVEL_UDP 17
#define GRO_SEGMENT 104 /* Linux' UDP_GRO: how long the datagrams are that came as one */

/* serve.c */
int mt_serve(table *t, const int *fds, int count, int stop_fd, int dialect, uint32_t lane);

/* senders.c */
void mt_note_sender(table *t);
void mt_address_text(const address *a, char out[64]);
int mt_same_address(const address *a, const address *b);

/* fold.c */
int mt_fold(table *t, series *s, const item *i, double rate);
int mt_set_total(table *t, series *s, double total);
int mt_sketch_bin(const table *t, double value);
void *mt_side_new(int kind);
void mt_side_free(int kind, void *side);
void mt_side_reset(int kind, void *side, int used);
double mt_set_size(const set *s);
uint32_t mt_set_members(const set *s, uint64_t *out);
int mt_bin_add(timer *m, int bin, double weight);
int mt_timer_to_bins(const table *t, timer *m);
int mt_timer_keep(const table *t, timer *m, double value, double weight);
int mt_set_join(const table *t, set *m, uint64_t hash);
int mt_set_to_registers(set *s);

/* flush.c */
int mt_harvest(table *t, int what, int64_t start_ms, double period, harvest *out);
int mt_lay_out(harvest *h);
void mt_put_ids(harvest *h);
void mt_put_head(const table *t, const series *s, const flush_arrays *a, size_t row, row_places *at);
void mt_put_late(const table *t, const flush_arrays *a, size_t row, const late_part *p, row_places *at);

/* points.c */
int mt_keep_any_point(table *t, uint32_t index, int64_t time_ms, double n, double d);
int mt_harvest_points(table *t, harvest *out);

/* packs.c */
size_t mt_pack(const moment *m, uint32_t count, char *out);
uint32_t mt_pack_fits(const moment *m, size_t count);
uint32_t mt_pack_span(const char *p, size_t n, int64_t *first, int64_t *last);
uint32_t mt_unpack(const char *p, size_t n, moment *out);

/* guard.c */
int mt_is_crowded(const table *t, const char *key, size_t n);
int mt_guard_add(table *t, const char *key, size_t n);
void mt_guard_recount(table *t);
size_t mt_other_key(const char *key, size_t n, int crowded, char out[OTHER_KEY_BYTES]);

/* late.c */
int mt_is_timely(const table *t, double seconds);
int mt_fold_late(table *t, uint32_t index, int64_t time_ms, double n, double d);
uint64_t mt_merge_late(table *t, uint32_t index, const flush_arrays *a, size_t row);
void mt_late_relay(table *t);

/* forget.c */
uint32_t mt_prune(table *t, uint32_t idle);
long mt_forget(table *t, const char *keys, size_t n);

/* merge.c */
uint64_t mt_merge(table *t, const flush_arrays *a, size_t rows);

#pragma GCC visibility pop

/* Whether a time says anything of the samples of a group. */
static inline int mt_has_time(const group *g)
{
    return g->kind == GAUGE || (g->kind == COUNTER && g->type != T_TOTAL);
}

static inline double mt_within(double value)
{
    return value > LARGEST ? LARGEST : value < -LARGEST ? -LARGEST : value;
}

/* Keep a gauge's value that has its own time; 0 where there is no room. */
static inline int mt_keep_point(table *t, uint32_t index, int64_t time_ms, double n)
{
    point p = {time_ms, n, index};
    if (t->point_count == t->point_cap || t->point_count + t->odd_count >= POINTS_KEPT)
        return mt_keep_any_point(t, index, time_ms, n, 1);
    t->points[t->point_count++] = p;
    return 1;
}

/* Move the extremes of a series that has `count` samples. */
static inline void mt_widen(double *low, double *high, uint32_t count, double value)
{
    if (!count || value < *low)
        *low = value;
    if (!count || value > *high)
        *high = value;
}

#endif
