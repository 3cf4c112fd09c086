/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of lookup_channels in plain C, element by element. */
#include "kernels/lookup_channels/lookup_channels.h"

/* Element of y, and of x (-1: none), of one lane of a pixel, and its channel. */
struct place {
    int64_t y, x, channel;
};

static struct place place_of(const mxdi_blocked *l, int64_t images, bool last, int64_t line,
                             int64_t column, int64_t lane)
{
    const int64_t block = line / l->h, row = line % l->h;
    const int64_t image = block * l->block + lane / l->pitch, c = lane % l->pitch;
    struct place  p = { .channel = c, .x = -1 };
    p.y =
        block * l->block_stride + row * mxdi_blocked_row(l) + column * mxdi_blocked_pixel(l) + lane;
    if (image < images && c < l->channels)
        p.x = last ? ((image * l->h + row) * l->w + column) * l->channels + c
                   : ((image * l->channels + c) * l->h + row) * l->w + column;
    return p;
}

#define FOR_EACH_LANE(l, begin, end)                        \
    for (int64_t line = (begin); line < (end); line++)      \
        for (int64_t column = 0; column < (l)->w; column++) \
            for (int64_t lane = 0; lane < mxdi_blocked_pixel(l); lane++)

static void to_u8(uint8_t *y, const uint8_t *x, const mxdi_blocked *l, int64_t images,
                  bool channels_last, const uint8_t *table, int64_t begin, int64_t end)
{
    FOR_EACH_LANE(l, begin, end)
    {
        const struct place p = place_of(l, images, channels_last, line, column, lane);
        y[p.y]               = (uint8_t)(p.x < 0 ? 0 : table[256 * p.channel + x[p.x]]);
    }
}

static void to_f32(float *y, const uint8_t *x, const mxdi_blocked *l, int64_t images,
                   bool channels_last, const float *table, int64_t begin, int64_t end)
{
    FOR_EACH_LANE(l, begin, end)
    {
        const struct place p = place_of(l, images, channels_last, line, column, lane);
        y[p.y]               = p.x < 0 ? 0 : table[256 * p.channel + x[p.x]];
    }
}

const mxdi_lookup_channels mxdi_lookup_channels_ref = { "lookup_channels_ref", to_u8, to_f32 };
