/* Receiving the datagrams that wait at a socket, many in one system call. */
#define _GNU_SOURCE
#include "kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#define BATCH 64
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
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(uint32_t))];
    } control[BATCH];
    char *data;
};

void mt_receiver_free(receiver *r)
{
    if (r)
        free(r->data);
    free(r);
}

static receiver *receiver_new(void)
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
    }
    return r;
}

static int receive(receiver *r, int fd, unsigned int wanted)
{
    unsigned int i;
    for (i = 0; i < wanted; i++) {
        r->heads[i].msg_hdr.msg_control = r->control[i].bytes;
        r->heads[i].msg_hdr.msg_controllen = sizeof r->control[i].bytes;
        r->heads[i].msg_hdr.msg_flags = 0;
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

/* Note the socket's counter of datagrams that the kernel dropped, where it sends one along. */
static void note_drops(table *t, int fd, struct msghdr *head)
{
#ifdef SO_RXQ_OVFL
    struct cmsghdr *c;
    for (c = CMSG_FIRSTHDR(head); c; c = CMSG_NXTHDR(head, c)) {
        uint32_t drops;
        int i;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL)
            continue;
        memcpy(&drops, CMSG_DATA(c), sizeof drops);
        for (i = 0; i < t->drop_count && t->drops[i].fd != fd; i++)
            ;
        if (i == DROPS_KEPT)
            return;
        if (i == t->drop_count) {
            t->drops[i].fd = fd;
            t->drops[i].drops = 0;
            t->drop_count++;
        }
        t->kernel_drops += drops >= t->drops[i].drops ? drops - t->drops[i].drops : drops;
        t->drops[i].drops = drops;
    }
#else
    (void)t, (void)fd, (void)head;
#endif
}

static void take(table *t, int fd, struct mmsghdr *head, int dialect)
{
    const char *data = head->msg_hdr.msg_iov->iov_base;
    size_t n = head->msg_len;
    note_drops(t, fd, &head->msg_hdr);
    if (head->msg_hdr.msg_flags & MSG_TRUNC) {
        size_t whole = n < DATAGRAM_BYTES ? n : DATAGRAM_BYTES, length = whole;
        while (whole && data[whole - 1] != '\n')
            whole--;
        mt_reject(t, WHY_TRUNCATED, data + whole, length - whole);
        n = whole;
    }
    mt_feed_statsd(t, data, n, dialect);
    t->datagrams++;
}

/* Receive, parse and fold until nothing waits or `budget` were read; how many, or -errno. */
long mt_drain(table *t, int fd, long budget, int dialect)
{
    long number = 0;
    int got, i;
    if (!t->receiver && !(t->receiver = receiver_new()))
        return -ENOMEM;
    while (number < budget) {
        unsigned int wanted = budget - number < BATCH ? (unsigned int)(budget - number) : BATCH;
        got = receive(t->receiver, fd, wanted);
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
            return number;
        if (got < 0)
            return number ? number : -errno;
        for (i = 0; i < got; i++)
            take(t, fd, &t->receiver->heads[i], dialect);
        number += got;
        if ((unsigned int)got < wanted)
            return number;
    }
    return number;
}
