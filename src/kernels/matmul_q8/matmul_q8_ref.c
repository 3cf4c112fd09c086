/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of matmul_q8 in plain C. */
#include "kernels/matmul_q8/matmul_q8_impl.h"

void mxdi_matmul_q8_rows_ref(const mxdi_matmul_q8 *op, const mxdi_matmul_q8_args *at, int64_t i,
                             int64_t end)
{
    const mxdi_matmul_q8_desc *const d    = &op->desc;
    const int64_t                    size = d->epilogue.y_float ? (int64_t)sizeof(float) : 1;
    for (; i < end; i++)
        for (int64_t j = 0; j < d->n; j++) {
            const int64_t at_y = i * d->y_row + j;
            uint32_t      acc  = d->epilogue.bias ? (uint32_t)d->epilogue.bias[j] : 0;
            for (int64_t k = 0; k < d->k; k++) {
                const int32_t a = at->a[i * d->a_row + k] - d->a_zero_point,
                              b = at->b[k * d->b_k + j * d->b_n] - d->b_zero_point[j];
                acc += (uint32_t)(a * b);
            }
            mxdi_post_q8_ref((uint8_t *)at->y + at_y * size, (int32_t)acc, (int32_t)j,
                             at->r ? at->r + at_y : NULL, &d->epilogue);
        }
}

const struct mxdi_matmul_q8_kernel mxdi_matmul_q8_ref = { .name = "matmul_q8_ref" };
