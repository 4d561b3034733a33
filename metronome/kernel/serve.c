/* A receiving thread: reads sockets until it is told to stop, whatever the rest of the process does.
 *
 * It never takes Python's lock.  While somebody else has the table (a flush) or waits for it,
 * what is received is put into a backlog, so that the socket's own buffer, which an
 * unprivileged user cannot make large, does not overflow.  The backlog is folded in bites:
 * between two of them the sockets are read again.  What does not fit is shed and counted.
 */
#define _GNU_SOURCE
#include "kernel.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define SOCKETS 64
#define BITE (256 << 10)       /* of the backlog, folded at once: a millisecond or two */
#define RETRY_MS 1             /* when the table is asked for again while nothing comes in */
#define NAP_NS 200000          /* a tenth of what the smallest usual socket buffer takes to fill */
#define LOOK_ROUNDS 16         /* batches of a busy socket between looks at the others */
#define LAST_ROUNDS 1024       /* batches read after the stop: more than any receive buffer holds */

typedef struct {
    uint32_t length, segment, drops;
    int fd;
    uint8_t truncated, has_drops;
    address sender;
} head; /* the data follows, up to a multiple of eight */

typedef struct {
    table *table;
    receiver *receiver;
    buffer backlog;
    size_t done; /* of the backlog */
    uint64_t shed;
    int dialect;
    uint32_t lane;
    struct pollfd polls[SOCKETS + 1]; /* the last is what stops it */
    int count;
    unsigned int rounds;
    int flowing; /* something came in when last looked */
} server;

static size_t padded(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

static uint64_t lines_in(const char *p, size_t n)
{
    const char *end = p + n;
    uint64_t lines = n && end[-1] != '\n';
    while (p < end && (p = memchr(p, '\n', (size_t)(end - p)))) {
        lines++;
        p++;
    }
    return lines;
}

/* The lines of a message, which may be several datagrams. */
static uint64_t lines_of(const message *m)
{
    uint64_t lines = 0;
    uint32_t at = 0;
    while (m->segment && m->length - at > m->segment) {
        lines += lines_in(m->data + at, m->segment);
        at += m->segment;
    }
    return lines + lines_in(m->data + at, m->length - at);
}

/* Put a message behind the others; where there is no room its lines count as shed. */
static void put_off(server *s, int fd, const message *m)
{
    head h;
    size_t need = sizeof h + padded(m->length);
    if (s->done && s->done >= s->backlog.n / 2) {
        s->backlog.n -= s->done;
        memmove(s->backlog.p, s->backlog.p + s->done, s->backlog.n);
        s->done = 0;
    }
    if (s->backlog.n + need > BACKLOG_BYTES || mt_reserve(&s->backlog, need) < 0) {
        s->shed += lines_of(m);
        return;
    }
    memset(&h, 0, sizeof h);
    h.length = m->length;
    h.segment = m->segment;
    h.drops = m->drops;
    h.fd = fd;
    h.truncated = m->truncated;
    h.has_drops = m->has_drops;
    h.sender = m->sender;
    memcpy(s->backlog.p + s->backlog.n, &h, sizeof h);
    memcpy(s->backlog.p + s->backlog.n + sizeof h, m->data, m->length);
    s->backlog.n += need;
}

static void fold_backlog(server *s, size_t most)
{
    size_t stop = s->backlog.n - s->done > most ? s->done + most : s->backlog.n;
    while (s->done < stop) {
        head h;
        message m;
        memcpy(&h, s->backlog.p + s->done, sizeof h);
        m.data = s->backlog.p + s->done + sizeof h;
        m.length = h.length;
        m.segment = h.segment;
        m.drops = h.drops;
        m.truncated = h.truncated;
        m.has_drops = h.has_drops;
        m.sender = h.sender;
        mt_feed_message(s->table, h.fd, &m, s->dialect);
        s->done += sizeof h + padded(h.length);
    }
    if (s->done == s->backlog.n)
        s->done = s->backlog.n = 0;
}

/* The table is ours: this lane's books, and no mapper. */
static void begin(server *s)
{
    mt_use_lane(s->table, s->lane);
    s->table->scratch.may_map = 0;
    s->table->lane->tally.shed += s->shed;
    s->shed = 0;
}

static void end(server *s)
{
    s->table->sender.family = 0;
    s->table->scratch.may_map = 1;
    mt_unlock(s->table);
}

static int try_begin(server *s)
{
    if (__atomic_load_n(&s->table->wanted, __ATOMIC_RELAXED) || !mt_try_lock(s->table))
        return 0;
    begin(s);
    return 1;
}

static void take(server *s, int fd, int got)
{
    message m;
    int i, ours = s->done == s->backlog.n && try_begin(s);
    for (i = 0; i < got; i++) {
        mt_read_message(s->receiver, i, &m);
        if (ours)
            mt_feed_message(s->table, fd, &m, s->dialect);
        else
            put_off(s, fd, &m);
    }
    if (ours)
        end(s);
}

static int passes(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == ENOMEM || error == ENOBUFS;
}

/* Read one batch of each socket that has something; 0, or -errno. */
static int read_sockets(server *s)
{
    int i;
    for (i = 0; i < s->count; i++) {
        int got;
        if (!s->polls[i].revents)
            continue;
        got = mt_receive(s->receiver, s->polls[i].fd, BATCH);
        if (got < 0 && !passes(errno))
            return -errno;
        if (got > 0) {
            take(s, s->polls[i].fd, got);
            s->flowing = 1;
        }
        if (got < BATCH)
            s->polls[i].revents = 0;
    }
    return 0;
}

static int is_any_ready(const server *s)
{
    int i;
    for (i = 0; i < s->count; i++)
        if (s->polls[i].revents)
            return 1;
    return 0;
}

static void suppose_ready(server *s)
{
    int i;
    for (i = 0; i < s->count; i++)
        s->polls[i].revents = POLLIN;
}

/* Wait until something comes in; only look where something is known to wait.  While datagrams
 * flow, a nap lets some more arrive: being woken for each would cost more than reading it. */
static int look(server *s)
{
    static const struct timespec nap = {0, NAP_NS};
    int ready = is_any_ready(s);
    if (ready && ++s->rounds % LOOK_ROUNDS)
        return 0;
    if (!ready && s->flowing && ++s->rounds % LOOK_ROUNDS) {
        s->flowing = 0;
        nanosleep(&nap, NULL);
        suppose_ready(s);
        return 0;
    }
    if (poll(s->polls, (nfds_t)s->count + 1, ready ? 0 : s->backlog.n ? RETRY_MS : -1) < 0)
        return errno == EINTR ? 0 : -errno;
    return 0;
}

static int serve_until_told(server *s)
{
    int result;
    while (!s->polls[s->count].revents) {
        if ((result = look(s)) || (result = read_sockets(s)))
            return result;
        if (s->backlog.n && try_begin(s)) {
            fold_backlog(s, BITE);
            end(s);
        }
    }
    return 0;
}

/* Read what has arrived. */
static int read_last(server *s)
{
    int i, result = 0;
    suppose_ready(s);
    for (i = 0; i < LAST_ROUNDS && !result && is_any_ready(s); i++)
        result = read_sockets(s);
    return result;
}

/* Have the kernel hand over datagrams of one sender and length as one, where it knows how. */
static void let_join(const server *s, int on)
{
#ifdef __linux__
    int i;
    for (i = 0; i < s->count; i++)
        (void)setsockopt(s->polls[i].fd, LEVEL_UDP, GRO_SEGMENT, &on, sizeof on);
#else
    (void)s, (void)on;
#endif
}

/* Read these sockets until `stop_fd` can be read, and then what has arrived; 0 or -errno. */
int mt_serve(table *t, const int *fds, int count, int stop_fd, int dialect, uint32_t lane)
{
    server s;
    int i, result;
    if (count > SOCKETS)
        return -EINVAL;
    memset(&s, 0, sizeof s);
    s.table = t;
    s.dialect = dialect;
    s.lane = lane;
    s.count = count;
    if (!(s.receiver = mt_receiver_new()))
        return -ENOMEM;
    for (i = 0; i <= count; i++) {
        s.polls[i].fd = i < count ? fds[i] : stop_fd;
        s.polls[i].events = POLLIN;
    }
    let_join(&s, 1);
    result = serve_until_told(&s);
    let_join(&s, 0); /* whoever reads this socket next knows nothing of it */
    if (!result)
        result = read_last(&s);
    mt_lock(t);
    begin(&s);
    fold_backlog(&s, BACKLOG_BYTES);
    end(&s);
    mt_receiver_free(s.receiver);
    free(s.backlog.p);
    return result;
}
