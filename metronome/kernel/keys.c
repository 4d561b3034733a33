/* Hashes of plaintext lines' keys; keys.py has the words. */
#include "keys.h"

#include <string.h>

static int is_clean(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'
        || c == ':' || c == '#';
}

/* What a relay makes of a path; how long it is. */
static size_t cleaned(const char *path, size_t size, char *key)
{
    size_t n = 0, i;
    for (i = 0; i < size && path[i] != ';'; i++) {
        if (path[i] != '.')
            key[n++] = (char)(is_clean((unsigned char)path[i]) ? path[i] : '_');
        else if (n && key[n - 1] != '.')
            key[n++] = '.';
    }
    if (i == size && n && key[n - 1] == '.')
        n--;
    return n;
}

static uint64_t hashed(const char *key, size_t size, int hashing)
{
    const unsigned char *p = (const unsigned char *)key, *end = p + size;
    if (hashing == HASH_MD5)
        return mt_md5_head(key, size);
    if (hashing == HASH_FNV_32) {
        uint32_t found = 2166136261U;
        while (p < end)
            found = (found ^ *p++) * 16777619U;
        return found;
    }
    uint64_t found = 14695981039346656037ULL;
    while (p < end)
        found = (found ^ *p++) * 1099511628211ULL;
    return found;
}

int mt_hash_lines(const char *data, size_t size, int hashing, char *room, int64_t *ends, uint64_t *hashes)
{
    const char *p = data, *end = data + size;
    while (p < end) {
        const char *feed = memchr(p, '\n', (size_t)(end - p));
        const char *blank = feed ? memchr(p, ' ', (size_t)(feed - p)) : NULL;
        if (!blank)
            return -1;
        *hashes++ = hashed(room, cleaned(p, (size_t)(blank - p), room), hashing);
        p = feed + 1;
        *ends++ = p - data;
    }
    return 0;
}
