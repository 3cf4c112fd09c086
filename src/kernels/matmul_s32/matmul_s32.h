/* SPDX-License-Identifier: Apache-2.0
 *
 * Products of integers with zero points that only a run knows: MatMulInteger and ConvInteger.
 *
 *     c[i][j] = sum over k of a[i][k] * b[k][j], int32 modulo 2^32
 *
 * a and b are differences q - z, of at most 16 bits, two neighbouring k in one word, the lower k in
 * the low half; an odd last k is paired with 0. b is packed in panels of `lanes` columns:
 * [panel][pair][lanes]. Every variant is bit-exact with `ref`; reads whole panels, writes exactly
 * rows * n elements.
 */
#ifndef MXDI_KERNELS_MATMUL_S32_H
#define MXDI_KERNELS_MATMUL_S32_H

#include "kernels/simd/vec.h"

typedef struct mxdi_matmul_s32_args {
    const int32_t *a; /* (rows, pairs) */
    const int32_t *b; /* panels */
    int32_t       *c;
    int64_t        a_row, c_row; /* words, elements */
    int64_t        rows, pairs, n;
} mxdi_matmul_s32_args;

typedef struct mxdi_matmul_s32 {
    const char *name;
    int32_t     lanes;
    void (*run)(const mxdi_matmul_s32_args *args);
} mxdi_matmul_s32;

#define MXD_VEC(variant, needs) extern const mxdi_matmul_s32 mxdi_matmul_s32_##variant;
#include "kernels/simd/vec.inc"
#undef MXD_VEC
extern const mxdi_matmul_s32 *const mxdi_matmul_s32_variants[MXDI_VEC_COUNT];
const mxdi_matmul_s32              *mxdi_matmul_s32_select(uint32_t isa);

/* Two differences as a word. */
static inline int32_t mxdi_pair_s16(int32_t low, int32_t high)
{
    return (int32_t)((uint32_t)low & 0xFFFFu) | (int32_t)((uint32_t)high << 16);
}
#endif
