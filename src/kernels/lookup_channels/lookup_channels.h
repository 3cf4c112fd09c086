/* SPDX-License-Identifier: Apache-2.0
 *
 * LookupChannels of docs/graph-ops.md, into the blocked layout of kernels/layout.h: what a byte of
 * a picture becomes in each channel, for networks that are fed bytes.
 *
 * x: `images` dense pictures, (C, H, W) each, or (H, W, C) with channels_last; table (C, 256), its
 * entries as y is stored. The work is cut in lines as in pack_blocked.h: a call does lines [begin,
 * end), and calls on disjoint ranges may go in parallel. All of each line is written: lanes
 * [channels, pitch) and the unused images of the last block become zero. x and y do not overlap;
 * reads x and table exactly. All variants are equal. */
#ifndef MXDI_KERNELS_LOOKUP_CHANNELS_H
#define MXDI_KERNELS_LOOKUP_CHANNELS_H

#include <stdbool.h>

#include "kernels/layout.h"
#include "kernels/simd/vec.h"

typedef struct mxdi_lookup_channels {
    const char *name;
    void (*to_u8)(uint8_t *y, const uint8_t *x, const mxdi_blocked *l, int64_t images,
                  bool channels_last, const uint8_t *table, int64_t begin, int64_t end);
    void (*to_f32)(float *y, const uint8_t *x, const mxdi_blocked *l, int64_t images,
                   bool channels_last, const float *table, int64_t begin, int64_t end);
} mxdi_lookup_channels;

#define MXD_VEC(variant, needs) extern const mxdi_lookup_channels mxdi_lookup_channels_##variant;
#include "kernels/simd/vec.inc"
#undef MXD_VEC
extern const mxdi_lookup_channels *const mxdi_lookup_channels_variants[MXDI_VEC_COUNT];
const mxdi_lookup_channels              *mxdi_lookup_channels_select(uint32_t isa);
#endif
