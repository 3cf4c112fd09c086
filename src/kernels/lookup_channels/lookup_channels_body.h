/* SPDX-License-Identifier: Apache-2.0
 *
 * lookup_channels by whole pixels, which stand in a row through all lines of a block.
 *
 * One channel in words of four lanes is looked up by the vectors of lookup8, strip after strip, and
 * its bytes are then laid beside those of the block's other images and widened. Several channels
 * are read one byte after the other and stored as one word: their tables lie in L1, and three loads
 * for a pixel are fewer instructions than sixteen shuffles for each of its channels. */
#include <string.h>

#include "kernels/lookup8/lookup8.h"
#include "kernels/lookup_channels/lookup_channels.h"

enum { LANES = 4 /* of a pixel that is one word */, PIECE = 16, IMAGES = 8, STRIP = 512 };

/* n pixels of one image `from` bytes apart, their channels `step` bytes apart, to pixels `to`
 * elements apart. */
struct span {
    int64_t n, from, step, to;
};

/* ---- one channel in words ---- */

/* Eight rows become one of eight columns. */
static inline void interleave(q128 *v)
{
    for (int round = 1; round < IMAGES; round *= 2) {
        q128 next[IMAGES];
        for (int i = 0; i < IMAGES / 2; i++) {
            next[2 * i]     = q128_zip_lo_u8(v[i], v[i + IMAGES / 2]);
            next[2 * i + 1] = q128_zip_hi_u8(v[i], v[i + IMAGES / 2]);
        }
        memcpy(v, next, sizeof(next));
    }
}

/* n pixels of `block` images, 1 or IMAGES, as words behind each other. */
static inline void store_strip(uint8_t *y, uint8_t (*x)[STRIP], int block, int64_t n)
{
    for (int64_t at = 0; at < n; at += PIECE) {
        int32_t  last[IMAGES * PIECE];
        int32_t *to = n - at < PIECE ? last : (int32_t *)(void *)(y + at * block * LANES);
        q128     v[IMAGES];
        for (int b = 0; b < block; b++)
            v[b] = q128_load(x[b] + at);
        if (block == IMAGES)
            interleave(v);
        for (int b = 0; b < block; b++)
            for (int part = 0; part < PIECE / VF32_LANES; part++)
                vi32_store(to + b * PIECE + part * VF32_LANES, vi32_widen(v[b], part));
        if (n - at < PIECE)
            memcpy(y + at * block * LANES, last, (size_t)((n - at) * block * LANES));
    }
}

/* n pixels from x on of the first `images` images, which are `image` bytes apart; the others are 0.
 */
static void one_channel(uint8_t *y, const uint8_t *x, int64_t image, int64_t images, int64_t block,
                        int64_t n, const uint8_t *table)
{
    uint8_t strip[IMAGES][STRIP];
    memset(strip, 0, sizeof(strip));
    for (int64_t at = 0; at < n; at += STRIP) {
        const int64_t k = n - at < STRIP ? n - at : STRIP;
        for (int64_t b = 0; b < block && b < images; b++)
            MXD_VARIANT(mxdi_lookup8).lookup(strip[b], x + b * image + at, (size_t)k, table);
        if (block == 1)
            store_strip(y + at * LANES, strip, 1, k);
        else
            store_strip(y + at * IMAGES * LANES, strip, IMAGES, k);
    }
}

/* ---- several channels ---- */

static inline void words(uint8_t *y, const uint8_t *x, const uint8_t *table, int channels,
                         const struct span *s)
{
    for (int64_t i = 0; i < s->n; i++, x += s->from, y += s->to) {
        uint32_t word = 0;
        for (int c = 0; c < channels; c++)
            word |= (uint32_t)table[256 * c + x[c * s->step]] << 8 * c;
        memcpy(y, &word, LANES);
    }
}

/* Elements of `size` bytes, `pitch` to a pixel. */
static inline void any(char *y, const uint8_t *x, const char *table, int64_t channels,
                       int64_t pitch, size_t size, const struct span *s)
{
    for (int64_t i = 0; i < s->n; i++, x += s->from, y += (size_t)s->to * size) {
        for (int64_t c = 0; c < channels; c++)
            memcpy(y + (size_t)c * size, table + (size_t)(256 * c + x[c * s->step]) * size, size);
        memset(y + (size_t)channels * size, 0, (size_t)(pitch - channels) * size);
    }
}

static void empty(char *y, int64_t pitch, size_t size, const struct span *s)
{
    for (int64_t i = 0; i < s->n; i++, y += (size_t)s->to * size)
        memset(y, 0, (size_t)pitch * size);
}

static inline void one_image(char *y, const uint8_t *x, const char *table, int64_t channels,
                             int64_t pitch, size_t size, const struct span *s)
{
    if (size > 1 || pitch != LANES)
        any(y, x, table, channels, pitch, size, s);
    else if (channels == 3 && s->step == 1)
        words((uint8_t *)y, x, (const uint8_t *)table, 3, &(struct span){ s->n, 3, 1, s->to });
    else
        words((uint8_t *)y, x, (const uint8_t *)table, (int)channels, s);
}

/* ---- blocks ---- */

static inline void lookup(char *y, const uint8_t *x, const mxdi_blocked *l, int64_t images,
                          bool last, const char *table, size_t size, int64_t begin, int64_t end)
{
    const int64_t c = l->channels, map = (int64_t)l->h * l->w, block = l->block;
    while (begin < end) {
        const int64_t        first = begin / l->h * block, row = begin % l->h;
        const int64_t        rows = l->h - row < end - begin ? l->h - row : end - begin;
        const struct span    s    = { rows * l->w, last ? c : 1, last ? 1 : map, block * l->pitch };
        const uint8_t *const from = x + first * c * map + row * l->w * s.from;
        char *const          to =
            y + (size_t)(begin / l->h * l->block_stride + row * mxdi_blocked_row(l)) * size;
        if (c == 1 && size == 1 && l->pitch == LANES && (block == 1 || block == IMAGES))
            one_channel((uint8_t *)to, from, map, images - first, block, s.n,
                        (const uint8_t *)table);
        else
            for (int64_t b = 0; b < block; b++) {
                char *const at = to + (size_t)(b * l->pitch) * size;
                if (first + b < images)
                    one_image(at, from + b * c * map, table, c, l->pitch, size, &s);
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
