/* Receiving the datagrams that wait at a socket, many in one system call. */
#define _GNU_SOURCE
#include "kernel.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Buffers are a little more than a datagram apart, so that their first lines do not all
 * compete for the same sets of the processor's caches. */
#define STRIDE (DATAGRAM_BYTES + 1 + 192)
#define DROPS_KEPT ((int)(sizeof ((table *)0)->drops / sizeof(dropped)))

#ifndef __linux__
struct mmsghdr {
    struct msghdr msg_hdr;
    unsigned int msg_len;
};
#endif

struct receiver {
    struct mmsghdr heads[BATCH];
    struct iovec parts[BATCH];
    struct sockaddr_in6 senders[BATCH]; /* the longest that is looked at */
    union {
        struct cmsghdr align;
        char bytes[2 * CMSG_SPACE(sizeof(uint32_t))];
    } control[BATCH];
    char *data;
};

void mt_receiver_free(receiver *r)
{
    if (r)
        free(r->data);
    free(r);
}

receiver *mt_receiver_new(void)
{
    receiver *r = calloc(1, sizeof *r);
    int i;
    if (!r || !(r->data = malloc((size_t)BATCH * STRIDE))) {
        free(r);
        return NULL;
    }
    for (i = 0; i < BATCH; i++) {
        r->parts[i].iov_base = r->data + (size_t)i * STRIDE;
        r->parts[i].iov_len = DATAGRAM_BYTES;
        r->heads[i].msg_hdr.msg_iov = &r->parts[i];
        r->heads[i].msg_hdr.msg_iovlen = 1;
        r->heads[i].msg_hdr.msg_name = &r->senders[i];
    }
    return r;
}

/* Receive what waits, at most `wanted` (of BATCH) messages; how many, or -1 as errno says. */
int mt_receive(receiver *r, int fd, unsigned int wanted)
{
    unsigned int i;
    for (i = 0; i < wanted; i++) {
        struct msghdr *head = &r->heads[i].msg_hdr;
        head->msg_namelen = sizeof r->senders[i];
        head->msg_control = r->control[i].bytes;
        head->msg_controllen = sizeof r->control[i].bytes;
        head->msg_flags = 0;
        r->senders[i].sin6_family = AF_UNSPEC;
    }
#ifdef __linux__
    return recvmmsg(fd, r->heads, wanted, MSG_DONTWAIT, NULL);
#else
    for (i = 0; i < wanted; i++) {
        ssize_t length = recvmsg(fd, &r->heads[i].msg_hdr, MSG_DONTWAIT);
        if (length < 0)
            return i ? (int)i : -1;
        r->heads[i].msg_len = (unsigned int)length;
    }
    return (int)wanted;
#endif
}

static void read_sender(const struct msghdr *head, address *out)
{
    const struct sockaddr *name = head->msg_name;
    out->family = 0;
    if (!head->msg_namelen || name->sa_family == AF_UNIX) {
        out->family = 1;
    } else if (name->sa_family == AF_INET) {
        out->family = 4;
        memcpy(out->bytes, &((const struct sockaddr_in *)head->msg_name)->sin_addr, 4);
    } else if (name->sa_family == AF_INET6) {
        out->family = 6;
        memcpy(out->bytes, &((const struct sockaddr_in6 *)head->msg_name)->sin6_addr, 16);
    }
}

/* What the kernel says beside the data: datagrams it dropped, or that it put several into one. */
static void read_control(struct msghdr *head, message *m)
{
    struct cmsghdr *c;
    for (c = CMSG_FIRSTHDR(head); c; c = CMSG_NXTHDR(head, c)) {
        int number;
        memcpy(&number, CMSG_DATA(c), sizeof number);
#ifdef SO_RXQ_OVFL
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
            m->has_drops = 1;
            m->drops = (uint32_t)number;
        }
#endif
        if (c->cmsg_level == LEVEL_UDP && c->cmsg_type == GRO_SEGMENT && number > 0)
            m->segment = (uint32_t)number;
    }
}

/* One of the messages that were received. */
void mt_read_message(receiver *r, int index, message *m)
{
    struct msghdr *head = &r->heads[index].msg_hdr;
    m->data = r->parts[index].iov_base;
    m->length = r->heads[index].msg_len < DATAGRAM_BYTES ? r->heads[index].msg_len : DATAGRAM_BYTES;
    m->truncated = (head->msg_flags & MSG_TRUNC) != 0;
    m->segment = 0;
    m->has_drops = 0;
    read_sender(head, &m->sender);
    if (head->msg_controllen)
        read_control(head, m);
}

/* The socket's counter of datagrams that the kernel dropped moved on. */
static void note_drops(table *t, int fd, uint32_t drops)
{
    int i;
    for (i = 0; i < t->drop_count && t->drops[i].fd != fd; i++)
        ;
    if (i == DROPS_KEPT)
        return;
    if (i == t->drop_count) {
        t->drops[i].fd = fd;
        t->drops[i].drops = 0;
        t->drop_count++;
    }
    t->lane->tally.kernel_drops += drops >= t->drops[i].drops ? drops - t->drops[i].drops : drops;
    t->drops[i].drops = drops;
}

static void feed_datagram(table *t, const char *data, size_t n, int truncated, int dialect)
{
    if (truncated) {
        size_t whole = n;
        while (whole && data[whole - 1] != '\n')
            whole--;
        mt_reject(t, WHY_TRUNCATED, data + whole, n - whole);
        n = whole;
    }
    mt_feed_statsd(t, data, n, dialect);
    t->lane->tally.datagrams++;
}

/* Parse and fold a message: one datagram, or several of one length. */
void mt_feed_message(table *t, int fd, const message *m, int dialect)
{
    uint32_t at = 0;
    if (m->has_drops)
        note_drops(t, fd, m->drops);
    t->sender = m->sender;
    while (m->segment && m->length - at > m->segment) {
        mt_note_sender(t);
        feed_datagram(t, m->data + at, m->segment, 0, dialect);
        at += m->segment;
    }
    mt_note_sender(t);
    feed_datagram(t, m->data + at, m->length - at, m->truncated, dialect);
}

/* Receive, parse and fold until nothing waits or `budget` were read; how many, or -errno. */
long mt_drain(table *t, int fd, long budget, int dialect)
{
    uint64_t before = t->lane->tally.datagrams;
    int got, i;
    if (!t->receiver && !(t->receiver = mt_receiver_new()))
        return -ENOMEM;
    for (;;) {
        long number = (long)(t->lane->tally.datagrams - before);
        unsigned int wanted = budget - number < BATCH ? (unsigned int)(budget - number) : BATCH;
        if (number >= budget)
            return number;
        got = mt_receive(t->receiver, fd, wanted);
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
            return number;
        if (got < 0)
            return number ? number : -errno;
        for (i = 0; i < got; i++) {
            message m;
            mt_read_message(t->receiver, i, &m);
            mt_feed_message(t, fd, &m, dialect);
        }
        t->sender.family = 0;
        if ((unsigned int)got < wanted)
            return (long)(t->lane->tally.datagrams - before);
    }
}
