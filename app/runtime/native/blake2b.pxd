"""BLAKE2b (RFC 7693) with a digest of 8 bytes, of up to 128 bytes: the hashes of event ids (`recent_ids.hash_id`)."""

from libc.stdint cimport uint8_t


cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    static const uint64_t BLAKE2B_IV[8] = {
        0x6A09E667F3BCC908ULL, 0xBB67AE8584CAA73BULL, 0x3C6EF372FE94F82BULL, 0xA54FF53A5F1D36F1ULL,
        0x510E527FADE682D1ULL, 0x9B05688C2B3E6C1FULL, 0x1F83D9ABFB41BD6BULL, 0x5BE0CD19137E2179ULL,
    };
    static const uint8_t BLAKE2B_SIGMA[12][16] = {
        {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
        {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
        {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
        {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
        {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
        {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
        {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
        {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
        {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
        {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
        {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
        {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    };

    static inline uint64_t blake2b_turned(uint64_t word, int bits) {
        return word >> bits | word << (64 - bits);
    }

    #define BLAKE2B_MIX(a, b, c, d, x, y) \
        v[a] += v[b] + (x); v[d] = blake2b_turned(v[d] ^ v[a], 32); \
        v[c] += v[d];       v[b] = blake2b_turned(v[b] ^ v[c], 24); \
        v[a] += v[b] + (y); v[d] = blake2b_turned(v[d] ^ v[a], 16); \
        v[c] += v[d];       v[b] = blake2b_turned(v[b] ^ v[c], 63);

    static uint64_t blake2b_word(const uint8_t *at) {
        uint64_t word = 0;
        for (int i = 7; i >= 0; i--) word = word << 8 | at[i];
        return word;
    }

    static void blake2b_8(const uint8_t *text, size_t size, uint8_t *digest) {
        uint8_t block[128] = {0};
        uint64_t m[16], v[16], h = BLAKE2B_IV[0] ^ 0x01010000 ^ 8;
        memcpy(block, text, size);
        for (int i = 0; i < 16; i++) m[i] = blake2b_word(block + 8 * i);
        v[0] = h;
        for (int i = 1; i < 8; i++) v[i] = BLAKE2B_IV[i];
        for (int i = 0; i < 8; i++) v[8 + i] = BLAKE2B_IV[i];
        v[12] ^= size;
        v[14] = ~v[14];
        for (int i = 0; i < 12; i++) {
            const uint8_t *s = BLAKE2B_SIGMA[i];
            BLAKE2B_MIX(0, 4, 8, 12, m[s[0]], m[s[1]]);
            BLAKE2B_MIX(1, 5, 9, 13, m[s[2]], m[s[3]]);
            BLAKE2B_MIX(2, 6, 10, 14, m[s[4]], m[s[5]]);
            BLAKE2B_MIX(3, 7, 11, 15, m[s[6]], m[s[7]]);
            BLAKE2B_MIX(0, 5, 10, 15, m[s[8]], m[s[9]]);
            BLAKE2B_MIX(1, 6, 11, 12, m[s[10]], m[s[11]]);
            BLAKE2B_MIX(2, 7, 8, 13, m[s[12]], m[s[13]]);
            BLAKE2B_MIX(3, 4, 9, 14, m[s[14]], m[s[15]]);
        }
        h ^= v[0] ^ v[8];
        for (int i = 0; i < 8; i++) digest[i] = (uint8_t)(h >> 8 * i);
    }
    """
    void blake2b_8(const uint8_t *text, size_t size, uint8_t *digest) noexcept nogil
