/* SPDX-License-Identifier: Apache-2.0
 *
 * lookup_channels by whole pixels. The tables of a picture lie in L1, and three loads and a store
 * for a pixel are fewer instructions than sixteen shuffles for each of its channels, so the tables
 * are read one byte after the other, and a pixel of four lanes is stored as one word. */
#include <string.h>

#include "kernels/lookup_channels/lookup_channels.h"

enum { LANES = 4 /* of a pixel that is one word */ };

/* One row of one image: w pixels `from` bytes apart, their channels `step` bytes apart, to pixels
 * `to` elements apart. */
struct row {
    int64_t w, from, step, to;
};

/* Lanes of four bytes. */
static inline void words(uint8_t *y, const uint8_t *x, const uint8_t *table, int channels,
                         const struct row *r)
{
    for (int64_t i = 0; i < r->w; i++, x += r->from, y += r->to) {
        uint32_t word = 0;
        for (int c = 0; c < channels; c++)
            word |= (uint32_t)table[256 * c + x[c * r->step]] << 8 * c;
        memcpy(y, &word, LANES);
    }
}

static void word_row(uint8_t *y, const uint8_t *x, const uint8_t *table, int64_t channels,
                     const struct row *r)
{
    if (channels == 1)
        words(y, x, table, 1, r);
    else if (channels == 3 && r->step == 1)
        words(y, x, table, 3, &(struct row){ r->w, 3, 1, r->to });
    else
        words(y, x, table, (int)channels, r);
}

/* Elements of `size` bytes, `pitch` to a pixel. */
static inline void any_row(char *y, const uint8_t *x, const char *table, int64_t channels,
                           int64_t pitch, size_t size, const struct row *r)
{
    for (int64_t i = 0; i < r->w; i++, x += r->from, y += (size_t)r->to * size) {
        for (int64_t c = 0; c < channels; c++)
            memcpy(y + (size_t)c * size, table + (size_t)(256 * c + x[c * r->step]) * size, size);
        memset(y + (size_t)channels * size, 0, (size_t)(pitch - channels) * size);
    }
}

static void empty_row(char *y, int64_t pitch, size_t size, const struct row *r)
{
    for (int64_t i = 0; i < r->w; i++, y += (size_t)r->to * size)
        memset(y, 0, (size_t)pitch * size);
}

static inline void lookup(char *y, const uint8_t *x, const mxdi_blocked *l, int64_t images,
                          bool last, const char *table, size_t size, int64_t begin, int64_t end)
{
    const int64_t    c = l->channels, map = (int64_t)l->h * l->w;
    const struct row r = { l->w, last ? c : 1, last ? 1 : map, mxdi_blocked_pixel(l) };
    for (int64_t line = begin; line < end; line++) {
        const int64_t block = line / l->h, row = line % l->h;
        char *const   to = y + (size_t)(block * l->block_stride + row * mxdi_blocked_row(l)) * size;
        for (int64_t b = 0; b < l->block; b++) {
            const int64_t        image = block * l->block + b;
            char *const          at    = to + (size_t)(b * l->pitch) * size;
            const uint8_t *const from  = x + image * c * map + row * l->w * (last ? c : 1);
            if (image >= images)
                empty_row(at, l->pitch, size, &r);
            else if (size == 1 && l->pitch == LANES)
                word_row((uint8_t *)at, from, (const uint8_t *)table, c, &r);
            else
                any_row(at, from, table, c, l->pitch, size, &r);
        }
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
