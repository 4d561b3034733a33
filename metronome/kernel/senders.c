/* Who sends most: the senders of most datagrams, by the space-saving algorithm (Metwally,
 * Agrawal and El Abbadi, ICDT 2005).  A sender that is not kept takes the place of the one with
 * the fewest, and its count: so counts are never too low, and whoever sends more than one
 * datagram in SENDERS_KEPT is there. */
#include "kernel.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HINTS (sizeof ((table *)0)->sender_hints / sizeof(uint16_t))

int mt_same_address(const address *a, const address *b)
{
    size_t length = a->family == 6 ? 16 : a->family == 4 ? 4 : 0;
    return a->family == b->family && !memcmp(a->bytes, b->bytes, length);
}

static uint16_t *hint_of(table *t, const address *a)
{
    uint64_t low = 0, high = 0;
    if (a->family == 4) {
        memcpy(&low, a->bytes, 4);
    } else if (a->family == 6) {
        memcpy(&low, a->bytes, 8);
        memcpy(&high, a->bytes + 8, 8);
    }
    low = (low ^ (high * 0x9e3779b97f4a7c15ULL) ^ t->seed) * 0xd6e8feb86659fd93ULL;
    return &t->sender_hints[low >> 32 & (HINTS - 1)];
}

static uint32_t place_of(table *t, const address *a)
{
    uint32_t i, least = 0;
    for (i = 0; i < t->sender_count; i++) {
        if (mt_same_address(&t->senders[i].address, a))
            return i;
        if (t->senders[i].count < t->senders[least].count)
            least = i;
    }
    if (t->sender_count < SENDERS_KEPT) {
        least = t->sender_count++;
        t->senders[least].count = 0;
    }
    t->senders[least].address = *a;
    return least;
}

/* Count a datagram of the present sender. */
void mt_note_sender(table *t)
{
    uint16_t *hint = hint_of(t, &t->sender);
    if (!t->senders && !(t->senders = malloc(SENDERS_KEPT * sizeof *t->senders)))
        return;
    if (*hint >= t->sender_count || !mt_same_address(&t->senders[*hint].address, &t->sender))
        *hint = (uint16_t)place_of(t, &t->sender);
    t->senders[*hint].count++;
}

/* An address as it is shown; empty where it is not known. */
void mt_address_text(const address *a, char out[64])
{
    *out = 0;
    if (a->family == 1)
        strcpy(out, "unix");
    else if (a->family)
        inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->bytes, out, 64);
}
