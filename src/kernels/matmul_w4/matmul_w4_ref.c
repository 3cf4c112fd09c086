/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of matmul_w4 in plain C: what every tile is compared with, and what runs where
 * there is none.
 */
#include <math.h>

#include "base/half.h"
#include "kernels/matmul_w4/matmul_w4_impl.h"

static float to_bf16(float v)
{
    return mxdi_bf16_to_f32(mxdi_f32_to_bf16(v));
}

static float product(const mxdi_matmul_w4 *op, const float *x, int64_t column)
{
    const mxdi_matmul_w4_desc *d     = &op->desc;
    const int8_t              *q     = op->plain + column * op->k;
    const float               *scale = op->scale + column * op->blocks;
    float                      acc   = op->bias[column];
    for (int64_t k = 0; k < op->k; k++) {
        const float v = x[k / d->c_in * d->x_tap + k % d->c_in];
        const float w = (float)q[k] * scale[d->block ? k / d->block : 0];
        acc           = d->bf16 ? fmaf(to_bf16(v), to_bf16(w), acc) : fmaf(v, w, acc);
    }
    return d->round_bf16 ? to_bf16(acc) : acc;
}

void mxdi_matmul_w4_ref(const mxdi_matmul_w4 *op, const float *x, const float *r, float *y,
                        int64_t rows, int64_t begin, int64_t end)
{
    const mxdi_matmul_w4_desc *d = &op->desc;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t c = begin; c < end; c++) {
            float v = product(op, x + i * d->x_row, c);
            if (d->residual)
                v += r[i * d->y_row + c];
            v                   = d->y_min > v ? d->y_min : v; /* NaN passes both */
            y[i * d->y_row + c] = d->y_max < v ? d->y_max : v;
        }
}
