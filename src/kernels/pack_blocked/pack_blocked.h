/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the graph's layout (N, C, H, W), dense, and the blocked layout of kernels/layout.h, with
 * quantization on the way where asked: what enters and leaves the network.
 *
 * `images` is N, any number >= 1; l->channels is C. The work is cut in lines, line = block * l->h +
 * row, for ceil(N / l->block) * l->h lines in all; a call does lines [begin, end), and calls on
 * disjoint ranges may go in parallel. pack_* write all of each line: lanes [channels, pitch) and
 * the unused images of the last block become zero bytes. unpack_* read lanes [0, channels) of the N
 * images only, and write (N, C, H, W) exactly. Quantization is that of quantize_u8.h (flip on the
 * blocked side is never wanted there: p->flip must be 0 for pack_quantize and unpack_dequantize).
 * `flip` of pack_u8 and unpack_u8: every byte is xored with it (0x80 for s8). x and y do not
 * overlap. Every variant is bit-exact with `ref`. */
#ifndef MXDI_KERNELS_PACK_BLOCKED_H
#define MXDI_KERNELS_PACK_BLOCKED_H

#include "kernels/layout.h"
#include "kernels/quantize_u8/quantize_u8.h"

typedef struct mxdi_pack_blocked {
    const char *name;
    /* (N, C, H, W) -> blocked */
    void (*pack_quantize)(uint8_t *y, const float *x, const mxdi_blocked *l, int64_t images,
                          const mxdi_quantize_u8_params *p, int64_t begin, int64_t end);
    void (*pack_f32)(float *y, const float *x, const mxdi_blocked *l, int64_t images, int64_t begin,
                     int64_t end);
    void (*pack_u8)(uint8_t *y, const uint8_t *x, const mxdi_blocked *l, int64_t images,
                    uint8_t flip, int64_t begin, int64_t end);
    /* blocked -> (N, C, H, W) */
    void (*unpack_dequantize)(float *y, const uint8_t *x, const mxdi_blocked *l, int64_t images,
                              const mxdi_quantize_u8_params *p, int64_t begin, int64_t end);
    void (*unpack_f32)(float *y, const float *x, const mxdi_blocked *l, int64_t images,
                       int64_t begin, int64_t end);
    void (*unpack_u8)(uint8_t *y, const uint8_t *x, const mxdi_blocked *l, int64_t images,
                      uint8_t flip, int64_t begin, int64_t end);
} mxdi_pack_blocked;

#define MXD_VEC(variant, needs) extern const mxdi_pack_blocked mxdi_pack_blocked_##variant;
#include "kernels/simd/vec.inc"
#undef MXD_VEC
extern const mxdi_pack_blocked *const mxdi_pack_blocked_variants[MXDI_VEC_COUNT];
const mxdi_pack_blocked              *mxdi_pack_blocked_select(uint32_t isa);

static inline int64_t mxdi_pack_blocked_lines(const mxdi_blocked *l, int64_t images)
{
    return (images + l->block - 1) / l->block * l->h;
}
#endif
