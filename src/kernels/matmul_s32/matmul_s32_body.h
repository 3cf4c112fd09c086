/* SPDX-License-Identifier: Apache-2.0
 *
 * matmul_s32 over simd/vec_<isa>.h and the including file's add_products(): tiles of up to four
 * rows and two panels, whose sums live in registers. */
#include <string.h>

#include "kernels/matmul_s32/matmul_s32.h"

enum { ROWS = 4, WIDE = 2 };

static inline __attribute__((always_inline)) void tile(const mxdi_matmul_s32_args *p, int64_t i,
                                                       int64_t j, const int rows, const int panels)
{
    const int32_t *const b = p->b + j * p->pairs, *const a = p->a + i * p->a_row;
    vi32 sum[ROWS][WIDE];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < panels; v++)
            sum[r][v] = vi32_set1(0);
    for (int64_t k = 0; k < p->pairs; k++) {
        vi32 w[WIDE];
        for (int v = 0; v < panels; v++)
            w[v] = vi32_load(b + (v * p->pairs + k) * VF32_LANES);
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < panels; v++)
                sum[r][v] = add_products(sum[r][v], vi32_set1(a[r * p->a_row + k]), w[v]);
    }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < panels; v++) {
            int32_t *const c    = p->c + (i + r) * p->c_row + j + v * VF32_LANES;
            const int64_t  left = p->n - j - v * VF32_LANES;
            int32_t        part[VF32_LANES];
            if (left >= VF32_LANES) {
                vi32_store(c, sum[r][v]);
            } else {
                vi32_store(part, sum[r][v]);
                memcpy(c, part, (size_t)left * sizeof(part[0]));
            }
        }
}

static inline __attribute__((always_inline)) void columns(const mxdi_matmul_s32_args *p, int64_t j,
                                                          const int panels)
{
    int64_t i = 0;
    for (; i + 4 <= p->rows; i += 4)
        tile(p, i, j, 4, panels);
    if (p->rows - i == 3)
        tile(p, i, j, 3, panels);
    else if (p->rows - i == 2)
        tile(p, i, j, 2, panels);
    else if (p->rows - i == 1)
        tile(p, i, j, 1, panels);
}

static void run(const mxdi_matmul_s32_args *p)
{
    int64_t j = 0;
    for (; p->n - j > VF32_LANES; j += 2 * VF32_LANES)
        columns(p, j, 2);
    if (j < p->n)
        columns(p, j, 1);
}

const mxdi_matmul_s32 MXD_VARIANT(mxdi_matmul_s32) = { VARIANT, VF32_LANES, run };
