/* SPDX-License-Identifier: Apache-2.0
 *
 * Float matrix multiplication of two activations, batched: c[i] = alpha * (a[i] x b[i]);
 * attention's two products. B is packed panel by panel into the caller's scratch in every run.
 * (With constant weights, use conv_f32.) f32: every variant is bit-equal to `ref`: one fmaf chain
 * from 0 with k ascending, then one multiplication by alpha. The operator is a plain value in the
 * caller's storage; it owns nothing. Disjoint task ranges may go in parallel.
 */
#ifndef MXDI_KERNELS_MATMUL_F32_H
#define MXDI_KERNELS_MATMUL_F32_H

#include "mixdown/base.h"

enum { MXDI_MATMUL_BATCH = 4 };

/* Strides in elements. Rows of a, c, and of b as stored, are contiguous. A stride of 0 broadcasts a
 * or b. */
typedef struct mxdi_matmul_f32_desc {
    int64_t m, n, k; /* a (m, k), b (k, n), or (n, k) with trans_b; c (m, n); all >= 0 */
    int64_t a_row, b_row, c_row;
    int64_t batch[MXDI_MATMUL_BATCH]; /* leading dimensions, outermost first; unused: 1. batch[0] is
                                         run's `outer` */
    int64_t a_batch[MXDI_MATMUL_BATCH], b_batch[MXDI_MATMUL_BATCH], c_batch[MXDI_MATMUL_BATCH];
    int32_t trans_b;
    int32_t bf16; /* a and b are rounded to bf16 first; products are summed in f32 */
    float   alpha;
} mxdi_matmul_f32_desc;

typedef struct mxdi_matmul_f32 {
    mxdi_matmul_f32_desc        desc;
    const struct mxdi_tile_f32 *tile; /* NULL: ref */
    char                        name[32];
} mxdi_matmul_f32;

/* isa: flags of base/cpu.h; the best variant within them is taken. */
mxd_status mxdi_matmul_f32_init(mxdi_matmul_f32 *op, const mxdi_matmul_f32_desc *desc, uint32_t isa,
                                mxd_error *err);
const char *mxdi_matmul_f32_name(const mxdi_matmul_f32 *op); /* "matmul_f32_avx512" */
/* Bytes that each running thread needs, 64-byte aligned; may be 0. */
size_t mxdi_matmul_f32_scratch(const mxdi_matmul_f32 *op);
/* Independent pieces of work with batch[0] = outer; tasks [begin, end) write disjoint parts of c.
 */
size_t mxdi_matmul_f32_tasks(const mxdi_matmul_f32 *op, int64_t outer);
void   mxdi_matmul_f32_run(const mxdi_matmul_f32 *op, const float *a, const float *b, float *c,
                           void *scratch, int64_t outer, size_t begin, size_t end);
#endif
