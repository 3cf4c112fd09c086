/* SPDX-License-Identifier: Apache-2.0
 *
 * mean_q8 over the vectors of simd/vec_<variant>.h. The sum of the bytes is taken first and n zero
 * points subtracted at the end: in integers that is the same. */
#include "kernels/mean_q8/mean_q8.h"
#include "kernels/quantize_u8/quantize_u8_vec.h"

struct vmean {
    vi32           zeros; /* n * x_zero_point */
    vf32           m;
    struct vclampq c;
};

static inline vi32 requantize(vi32 sum, const struct vmean *v)
{
    return vclampq(vf32_mul(vf32_from_i32(vi32_sub(sum, v->zeros)), v->m), &v->c);
}

/* Neighbouring bytes are summed: the axis is the last one. */
static void mean_run(uint8_t *y, const uint8_t *x, size_t n, const struct vmean *v)
{
    vu8    sums = vu8_zero();
    size_t i    = 0;
    for (; i + VU8_LANES <= n; i += VU8_LANES)
        sums = vu8_add_sums(sums, vu8_load(x + i));
    if (i < n)
        sums = vu8_add_sums(sums, vu8_load_tail(x + i, n - i));
    vi32_store_u8_tail(y, requantize(vi32_set1((int32_t)vu8_total(sums)), v), 1);
}

/* Lanes of neighbours, each summed along the axis. */
static void mean_lanes(uint8_t *y, const uint8_t *x, const mxdi_axis *a, const struct vmean *v)
{
    int64_t i = 0;
    for (; i + VF32_LANES <= a->inner; i += VF32_LANES) {
        vi32 sum = vi32_set1(0);
        for (int64_t k = 0; k < a->axis; k++)
            sum = vi32_add(sum, vi32_load_u8(x + k * a->x_axis + i));
        vi32_store_u8(y + i, requantize(sum, v));
    }
    if (i < a->inner) {
        const size_t rest = (size_t)(a->inner - i);
        vi32         sum  = vi32_set1(0);
        for (int64_t k = 0; k < a->axis; k++)
            sum = vi32_add(sum, vi32_load_u8_tail(x + k * a->x_axis + i, rest));
        vi32_store_u8_tail(y + i, requantize(sum, v), rest);
    }
}

static void mean(uint8_t *y, const uint8_t *x, const mxdi_axis *a, const mxdi_mean_q8_params *p)
{
    const struct vmean v = { vi32_set1((int32_t)a->axis * p->x_zero_point), vf32_set1(p->m),
                             vclampq_make(p->y_zero_point, p->q_min, p->q_max) };
    for (int64_t o = 0; o < a->outer; o++)
        if (a->inner == 1 && a->x_axis == 1)
            mean_run(y + o * a->y_outer, x + o * a->x_outer, (size_t)a->axis, &v);
        else
            mean_lanes(y + o * a->y_outer, x + o * a->x_outer, a, &v);
}

const mxdi_mean_q8 MXD_VARIANT(mxdi_mean_q8) = { MXD_VARIANT_NAME("mean_q8"), mean };
