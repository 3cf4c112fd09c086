/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of matmul_f32 in plain C: what every tile is compared with, and what runs where
 * there is none.
 */
#include "kernels/matmul_f32/matmul_f32_ref.h"

#include <math.h>

#include "base/half.h"

static float operand(const mxdi_matmul_f32_desc *d, float v)
{
    return d->bf16 ? mxdi_bf16_to_f32(mxdi_f32_to_bf16(v)) : v;
}

void mxdi_matmul_f32_ref(const mxdi_matmul_f32_desc *d, const float *a, const float *b, float *c,
                         int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i++) {
        for (int64_t j = 0; j < d->n; j++) {
            float sum = 0.0f;
            for (int64_t k = 0; k < d->k; k++)
                sum = fmaf(operand(d, a[i * d->a_row + k]),
                           operand(d, d->trans_b ? b[j * d->b_row + k] : b[k * d->b_row + j]), sum);
            c[i * d->c_row + j] = d->alpha * sum;
        }
    }
}
