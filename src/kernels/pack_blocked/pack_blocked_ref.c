/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of pack_blocked in plain C, element by element. */
#include "kernels/pack_blocked/pack_blocked.h"

/* One lane of one pixel of a line: where it is, and which element of (N, C, H, W) it holds, -1 for
 * none. */
struct place {
    int64_t blocked, dense;
};

static struct place place_of(const mxdi_blocked *l, int64_t images, int64_t line, int64_t x,
                             int64_t lane)
{
    const int64_t block = line / l->h, row = line % l->h;
    const int64_t image = block * l->block + lane / l->pitch, c = lane % l->pitch;
    struct place  p;
    p.blocked =
        block * l->block_stride + row * mxdi_blocked_row(l) + x * mxdi_blocked_pixel(l) + lane;
    p.dense = image < images && c < l->channels
                  ? ((image * l->channels + c) * l->h + row) * l->w + x
                  : -1;
    return p;
}

#define FOR_EACH_LANE(l, begin, end)                   \
    for (int64_t line = (begin); line < (end); line++) \
        for (int64_t x = 0; x < (l)->w; x++)           \
            for (int64_t lane = 0; lane < mxdi_blocked_pixel(l); lane++)

static void pack_quantize(uint8_t *to, const float *from, const mxdi_blocked *l, int64_t images,
                          const mxdi_quantize_u8_params *q, int64_t begin, int64_t end)
{
    FOR_EACH_LANE(l, begin, end)
    {
        const struct place p = place_of(l, images, line, x, lane);
        to[p.blocked]        = 0;
        if (p.dense >= 0)
            mxdi_quantize_u8_ref.quantize(&to[p.blocked], &from[p.dense], 1, q);
    }
}

static void pack_f32(float *to, const float *from, const mxdi_blocked *l, int64_t images,
                     int64_t begin, int64_t end)
{
    FOR_EACH_LANE(l, begin, end)
    {
        const struct place p = place_of(l, images, line, x, lane);
        to[p.blocked]        = p.dense >= 0 ? from[p.dense] : 0;
    }
}

static void pack_u8(uint8_t *to, const uint8_t *from, const mxdi_blocked *l, int64_t images,
                    uint8_t flip, int64_t begin, int64_t end)
{
    FOR_EACH_LANE(l, begin, end)
    {
        const struct place p = place_of(l, images, line, x, lane);
        to[p.blocked]        = (uint8_t)(p.dense >= 0 ? from[p.dense] ^ flip : 0);
    }
}

static void unpack_dequantize(float *to, const uint8_t *from, const mxdi_blocked *l, int64_t images,
                              const mxdi_quantize_u8_params *q, int64_t begin, int64_t end)
{
    FOR_EACH_LANE(l, begin, end)
    {
        const struct place p = place_of(l, images, line, x, lane);
        if (p.dense >= 0)
            mxdi_quantize_u8_ref.dequantize(&to[p.dense], &from[p.blocked], 1, q);
    }
}

static void unpack_f32(float *to, const float *from, const mxdi_blocked *l, int64_t images,
                       int64_t begin, int64_t end)
{
    FOR_EACH_LANE(l, begin, end)
    {
        const struct place p = place_of(l, images, line, x, lane);
        if (p.dense >= 0)
            to[p.dense] = from[p.blocked];
    }
}

static void unpack_u8(uint8_t *to, const uint8_t *from, const mxdi_blocked *l, int64_t images,
                      uint8_t flip, int64_t begin, int64_t end)
{
    FOR_EACH_LANE(l, begin, end)
    {
        const struct place p = place_of(l, images, line, x, lane);
        if (p.dense >= 0)
            to[p.dense] = from[p.blocked] ^ flip;
    }
}

const mxdi_pack_blocked mxdi_pack_blocked_ref = {
    "pack_blocked_ref", pack_quantize, pack_f32, pack_u8, unpack_dequantize, unpack_f32, unpack_u8
};
