/* MD5 (RFC 1321), for placements only: nothing here relies on its being hard to forge. */
#include "keys.h"

#include <string.h>

static const uint32_t SINES[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
}; /* the integer part of 2^32 |sin(i + 1)| */
static const unsigned char TURNS[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

static uint32_t word_at(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void block(uint32_t state[4], const unsigned char *data)
{
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], words[16];
    int i;
    for (i = 0; i < 16; i++)
        words[i] = word_at(data + 4 * i);
    for (i = 0; i < 64; i++) {
        int round = i / 16, turn = TURNS[round][i % 4], word;
        uint32_t mixed;
        if (round == 0)
            mixed = (b & c) | (~b & d), word = i;
        else if (round == 1)
            mixed = (d & b) | (~d & c), word = (5 * i + 1) % 16;
        else if (round == 2)
            mixed = b ^ c ^ d, word = (3 * i + 5) % 16;
        else
            mixed = c ^ (b | ~d), word = (7 * i) % 16;
        mixed += a + SINES[i] + words[word];
        a = d, d = c, c = b;
        b += mixed << turn | mixed >> (32 - turn);
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
}

uint32_t mt_md5_head(const char *data, size_t size)
{
    uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    unsigned char last[128] = {0};
    size_t done = size & ~(size_t)63, left = size - done, blocks = left < 56 ? 1 : 2, i;
    uint64_t bits = (uint64_t)size * 8;
    for (i = 0; i < done; i += 64)
        block(state, (const unsigned char *)data + i);
    memcpy(last, data + done, left);
    last[left] = 0x80;
    for (i = 0; i < 8; i++)
        last[64 * blocks - 8 + i] = (unsigned char)(bits >> 8 * i);
    for (i = 0; i < blocks; i++)
        block(state, last + 64 * i);
    return (state[0] & 0xff) << 8 | (state[0] >> 8 & 0xff);
}
