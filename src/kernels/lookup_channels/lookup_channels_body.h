/* SPDX-License-Identifier: Apache-2.0
 *
 * lookup_channels by whole pixels, which stand in a row through all lines of a block.
 *
 * Pictures of one and of three channels in words of four lanes go strip after strip: the channels
 * are taken apart, looked up by the vectors of lookup8, laid beside each other, and the words
 * beside those of the block's other images. All else is read and written element by element. */
#include <string.h>

#include "kernels/lookup8/lookup8.h"
#include "kernels/lookup_channels/lookup_channels.h"

enum {
    LANES  = 4, /* of a pixel that is one word */
    PIECE  = 16,
    IMAGES = 8, /* of a block at most */
    STRIP  = 256,
    BYTES  = 256
};

/* n pixels of one image `from` bytes apart, their channels `step` bytes apart, to pixels `to`
 * elements apart. */
struct span {
    int64_t n, from, step, to;
};

static inline int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* n rows become one of n columns. */
static inline void interleave(q128 *v, int n)
{
    for (int round = 1; round < n; round *= 2) {
        q128 next[IMAGES];
        for (int i = 0; i < n / 2; i++) {
            next[2 * i]     = q128_zip_lo_u8(v[i], v[i + n / 2]);
            next[2 * i + 1] = q128_zip_hi_u8(v[i], v[i + n / 2]);
        }
        for (int i = 0; i < n; i++)
            v[i] = next[i];
    }
}

/* ---- one channel ---- */

/* n pixels of `block` images, 1 or IMAGES, as words behind each other. */
static inline void store_bytes(uint8_t *y, uint8_t (*x)[STRIP], int block, int64_t n)
{
    for (int64_t at = 0; at < n; at += PIECE) {
        int32_t  last[IMAGES * PIECE];
        int32_t *to = n - at < PIECE ? last : (int32_t *)(void *)(y + at * block * LANES);
        q128     v[IMAGES];
        for (int b = 0; b < block; b++)
            v[b] = q128_load(x[b] + at);
        interleave(v, block);
        for (int b = 0; b < block; b++)
            for (int part = 0; part < PIECE / VF32_LANES; part++)
                vi32_store(to + b * PIECE + part * VF32_LANES, vi32_widen(v[b], part));
        if (n - at < PIECE)
            memcpy(y + at * block * LANES, last, (size_t)((n - at) * block * LANES));
    }
}

/* The first `images` images, which are `image` bytes apart; the others of the block are 0. */
static void one_channel(uint8_t *y, const uint8_t *x, int64_t image, int64_t images, int64_t block,
                        const uint8_t *table, const struct span *s)
{
    uint8_t strip[IMAGES][STRIP];
    for (int64_t b = images; b < block; b++)
        memset(strip[b], 0, sizeof(strip[b]));
    for (int64_t at = 0; at < s->n; at += STRIP) {
        const int64_t k = least(s->n - at, STRIP);
        for (int64_t b = 0; b < images; b++)
            MXD_VARIANT(mxdi_lookup8).lookup(strip[b], x + b * image + at, (size_t)k, table);
        if (block == 1)
            store_bytes(y + at * LANES, strip, 1, k);
        else
            store_bytes(y + at * IMAGES * LANES, strip, IMAGES, k);
    }
}

/* ---- three channels ---- */

/* n pixels of three bytes, channel by channel. */
static inline void split(uint8_t (*to)[STRIP], const uint8_t *x, int64_t n)
{
    for (int64_t at = 0; at < n; at += PIECE) {
        uint8_t last[3 * PIECE] = { 0 };
        q128    v[3];
        if (n - at < PIECE)
            memcpy(last, x + 3 * at, (size_t)(3 * (n - at)));
        q128_split3(v, n - at < PIECE ? last : x + 3 * at);
        for (int c = 0; c < 3; c++)
            q128_store(to[c] + at, v[c]);
    }
}

/* Words of k <= STRIP pixels; whole pieces are written. */
static void look_up_three(uint8_t *y, const uint8_t *x, const uint8_t *table, int64_t k,
                          const struct span *s)
{
    uint8_t strip[3][STRIP];
    if (s->step == 1)
        split(strip, x, k);
    for (int64_t c = 0; c < 3; c++)
        MXD_VARIANT(mxdi_lookup8)
            .lookup(strip[c], s->step == 1 ? strip[c] : x + c * s->step, (size_t)k,
                    table + BYTES * c);
    for (int64_t at = 0; at < k; at += PIECE) {
        q128 v[LANES] = { q128_load(strip[0] + at), q128_load(strip[1] + at),
                          q128_load(strip[2] + at), q128_zero() };
        interleave(v, LANES);
        for (int i = 0; i < LANES; i++)
            q128_store(y + at * LANES + i * PIECE, v[i]);
    }
}

/* n pixels of IMAGES images as words beside each other. */
static inline void store_words(uint8_t *y, uint8_t (*x)[STRIP * LANES], int64_t n)
{
    for (int64_t at = 0; at < n; at += 4)
        for (int half = 0; half < IMAGES; half += 4) {
            const int64_t i = at * LANES;
            const q128    a = q128_load(x[half] + i), b = q128_load(x[half + 1] + i);
            const q128    c = q128_load(x[half + 2] + i), d = q128_load(x[half + 3] + i);
            const q128    ac[2] = { q128_zip_lo_f32(a, c), q128_zip_hi_f32(a, c) };
            const q128    bd[2] = { q128_zip_lo_f32(b, d), q128_zip_hi_f32(b, d) };
            for (int64_t px = 0; px < 4 && at + px < n; px++)
                q128_store(y + ((at + px) * IMAGES + half) * LANES,
                           px % 2 ? q128_zip_hi_f32(ac[px / 2], bd[px / 2])
                                  : q128_zip_lo_f32(ac[px / 2], bd[px / 2]));
        }
}

static void three_channels(uint8_t *y, const uint8_t *x, int64_t image, int64_t images,
                           int64_t block, const uint8_t *table, const struct span *s)
{
    uint8_t words[IMAGES][STRIP * LANES];
    for (int64_t b = images; b < block; b++)
        memset(words[b], 0, sizeof(words[b]));
    for (int64_t at = 0; at < s->n; at += STRIP) {
        const int64_t k      = least(s->n - at, STRIP);
        const bool    direct = block == 1 && k % PIECE == 0;
        for (int64_t b = 0; b < images; b++)
            look_up_three(direct ? y + at * LANES : words[b], x + b * image + at * s->from, table,
                          k, s);
        if (block > 1)
            store_words(y + at * IMAGES * LANES, words, k);
        else if (!direct)
            memcpy(y + at * LANES, words, (size_t)(k * LANES));
    }
}

/* ---- elements of `size` bytes, `pitch` to a pixel ---- */

static inline void any(char *y, const uint8_t *x, const char *table, int64_t channels,
                       int64_t pitch, size_t size, const struct span *s)
{
    for (int64_t i = 0; i < s->n; i++, x += s->from, y += (size_t)s->to * size) {
        for (int64_t c = 0; c < channels; c++)
            memcpy(y + (size_t)c * size, table + (size_t)(BYTES * c + x[c * s->step]) * size, size);
        memset(y + (size_t)channels * size, 0, (size_t)(pitch - channels) * size);
    }
}

static void empty(char *y, int64_t pitch, size_t size, const struct span *s)
{
    for (int64_t i = 0; i < s->n; i++, y += (size_t)s->to * size)
        memset(y, 0, (size_t)pitch * size);
}

/* ---- blocks ---- */

static inline void lookup(char *y, const uint8_t *x, const mxdi_blocked *l, int64_t images,
                          bool last, const char *table, size_t size, int64_t begin, int64_t end)
{
    const int64_t c = l->channels, map = (int64_t)l->h * l->w, block = l->block;
    const bool    words = size == 1 && l->pitch == LANES && (block == 1 || block == IMAGES);
    while (begin < end) {
        const int64_t first = begin / l->h * block, row = begin % l->h;
        const int64_t rows = least(l->h - row, end - begin), there = least(images - first, block);
        const struct span    s    = { rows * l->w, last ? c : 1, last ? 1 : map, block * l->pitch };
        const uint8_t *const from = x + first * c * map + row * l->w * s.from;
        char *const          to =
            y + (size_t)(begin / l->h * l->block_stride + row * mxdi_blocked_row(l)) * size;
        if (words && (c == 1 || c == 3))
            (c == 1 ? one_channel : three_channels)((uint8_t *)to, from, c * map, there, block,
                                                    (const uint8_t *)table, &s);
        else
            for (int64_t b = 0; b < block; b++) {
                char *const at = to + (size_t)(b * l->pitch) * size;
                if (b < there)
                    any(at, from + b * c * map, table, c, l->pitch, size, &s);
                else
                    empty(at, l->pitch, size, &s);
            }
        begin += rows;
    }
}

static void to_u8(uint8_t *y, const uint8_t *x, const mxdi_blocked *l, int64_t images,
                  bool channels_last, const uint8_t *table, int64_t begin, int64_t end)
{
    lookup((char *)y, x, l, images, channels_last, (const char *)table, sizeof(*y), begin, end);
}

static void to_f32(float *y, const uint8_t *x, const mxdi_blocked *l, int64_t images,
                   bool channels_last, const float *table, int64_t begin, int64_t end)
{
    lookup((char *)y, x, l, images, channels_last, (const char *)table, sizeof(*y), begin, end);
}

const mxdi_lookup_channels MXD_VARIANT(mxdi_lookup_channels) = {
    MXD_VARIANT_NAME("lookup_channels"), to_u8, to_f32
};
