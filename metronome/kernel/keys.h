/* Hashes of plaintext lines' keys: keys.c and md5.c.  The rules stand in keys.py. */
#ifndef METRONOME_KEYS_H
#define METRONOME_KEYS_H

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

enum hashing { HASH_MD5, HASH_FNV_32, HASH_FNV_64 };

/* The lines of `data` (their ends) and the hashes of their keys, as many as there are line feeds.
 * `room` has as many bytes as `data`.  -1 where a line has no path or no end. */
int mt_hash_lines(const char *data, size_t size, int hashing, char *room, int64_t *ends, uint64_t *hashes);

/* The first two bytes of the MD5, the first one high. */
uint32_t mt_md5_head(const char *data, size_t size);

#pragma GCC visibility pop

#endif
