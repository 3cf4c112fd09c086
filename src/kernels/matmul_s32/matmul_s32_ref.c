/* SPDX-License-Identifier: Apache-2.0
 * The definition of matmul_s32 in plain C. */
#include "kernels/matmul_s32/matmul_s32.h"

enum { LANES = 4 };

static uint32_t low(int32_t word)
{
    return (uint32_t)(int32_t)(int16_t)(uint16_t)((uint32_t)word & 0xFFFFu);
}

static uint32_t high(int32_t word)
{
    return (uint32_t)(int32_t)(int16_t)(uint16_t)((uint32_t)word >> 16);
}

static void run(const mxdi_matmul_s32_args *p)
{
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t j = 0; j < p->n; j++) {
            const int32_t *const b   = p->b + j / LANES * LANES * p->pairs + j % LANES;
            const int32_t *const a   = p->a + i * p->a_row;
            uint32_t             sum = 0;
            for (int64_t k = 0; k < p->pairs; k++)
                sum += low(a[k]) * low(b[k * LANES]) + high(a[k]) * high(b[k * LANES]);
            p->c[i * p->c_row + j] = (int32_t)sum;
        }
}

const mxdi_matmul_s32 mxdi_matmul_s32_ref = { "ref", LANES, run };
