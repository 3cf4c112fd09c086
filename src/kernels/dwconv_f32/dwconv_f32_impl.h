/* SPDX-License-Identifier: Apache-2.0
 *
 * The operator behind dwconv_f32.h, and the contract of its vector kernels.
 */
#ifndef MXDI_KERNELS_DWCONV_F32_IMPL_H
#define MXDI_KERNELS_DWCONV_F32_IMPL_H

#include <stdbool.h>

#include "base/cpu.h"
#include "kernels/dwconv_f32/dwconv_f32.h"
#include "kernels/window.h"

enum { MXDI_DWCONV_F32_MAX_ROWS = 8 };

/* A run of equally spaced outputs with the same taps, all channels of each. */
typedef struct mxdi_dwconv_f32_args {
    const float *x;
    int64_t      x_row, x_kx, x_ky;
    int32_t      n_kx, n_ky; /* each >= 0 */
    const float
           *w; /* the first tap of [channels / lanes][tap][lanes], the last one padded with 0 */
    int64_t w_vector,
        w_ky;          /* between vectors of channels; skipped behind the n_kx taps of one ky */
    const float *bias; /* padded with 0 */
    float       *y;
    int64_t      y_row;
    const float *r;                /* y's strides, or NULL */
    float        lo, hi;           /* NaN passes */
    int32_t      channels, stored; /* read from x and r; written to y, >= channels */
    int32_t      round_bf16;
} mxdi_dwconv_f32_args;

typedef void (*mxdi_dwconv_f32_fn)(const mxdi_dwconv_f32_args *args);

struct mxdi_dwconv_f32_variant {
    const char *name; /* "dwconv_f32_avx2" */
    uint32_t    needs;
    int32_t     lanes;
    mxdi_dwconv_f32_fn
        f32[MXDI_DWCONV_F32_MAX_ROWS + 1]; /* by the number of outputs; [0] is NULL */
    mxdi_dwconv_f32_fn bf16[MXDI_DWCONV_F32_MAX_ROWS + 1]; /* x is rounded to bf16 */
};

/* Slowest first, NULL at the end; `ref` is no row, it is what is taken where there is none. */
extern const struct mxdi_dwconv_f32_variant *const mxdi_dwconv_f32_variants[];

struct mxdi_dwconv_f32 {
    const mxd_allocator                  *alloc;
    mxdi_dwconv_f32_desc                  desc; /* w, view and bias are not kept */
    mxdi_weight_view                      view;
    const struct mxdi_dwconv_f32_variant *variant; /* NULL: ref */
    float                                *w, *bias;
    size_t                                bytes;
    mxdi_span                            *rows, *cols;
    int32_t                               n_rows, n_cols;
};

/* Output rows [begin, end) of all blocks. */
void mxdi_dwconv_f32_ref(const mxdi_dwconv_f32 *op, const float *x, const float *r, float *y,
                         int64_t begin, int64_t end);
#endif
