/* SPDX-License-Identifier: Apache-2.0
 *
 * reduce_f32 over the vectors of simd/vec_<variant>.h: along the axis when it is the last one, else
 * over the lanes beside it. */
#include <math.h>

#include "kernels/reduce_f32/reduce_f32.h"

/* One vector's worth of sums. */
struct vsum {
    vf64 lo, hi;
};

static inline struct vsum vsum_add(struct vsum s, vf32 v)
{
    return (struct vsum){ vf64_add(s.lo, vf64_lo_f32(v)), vf64_add(s.hi, vf64_hi_f32(v)) };
}

static inline struct vsum vsum_zero(void)
{
    return (struct vsum){ vf64_set1(0), vf64_set1(0) };
}

static float sum_run(const float *x, int64_t n, double divisor)
{
    struct vsum s = vsum_zero();
    int64_t     i = 0;
    for (; i + VF32_LANES <= n; i += VF32_LANES)
        s = vsum_add(s, vf32_load(x + i));
    if (i < n)
        s = vsum_add(s, vf32_load_tail(x + i, (size_t)(n - i)));
    return (float)((vf64_sum(s.lo) + vf64_sum(s.hi)) / divisor);
}

/* Lanes [i, i + VF32_LANES), or the first k of them if k is not 0. */
static inline void sum_lanes(float *y, const float *x, const mxdi_axis *a, size_t k, vf64 divisor)
{
    struct vsum s = vsum_zero();
    for (int64_t j = 0; j < a->axis; j++)
        s = vsum_add(s, vf32_load_k(x + j * a->x_axis, k));
    vf32_store_k(y, vf32_from_f64(vf64_div(s.lo, divisor), vf64_div(s.hi, divisor)), k);
}

static void sum_scaled(float *y, const float *x, const mxdi_axis *a, double divisor)
{
    const vf64 by = vf64_set1(divisor);
    for (int64_t o = 0; o < a->outer; o++) {
        float       *to   = y + o * a->y_outer;
        const float *from = x + o * a->x_outer;
        int64_t      i    = 0;
        if (a->inner == 1 && a->x_axis == 1) {
            to[0] = sum_run(from, a->axis, divisor);
            continue;
        }
        for (; i + VF32_LANES <= a->inner; i += VF32_LANES)
            sum_lanes(to + i, from + i, a, 0, by);
        if (i < a->inner)
            sum_lanes(to + i, from + i, a, (size_t)(a->inner - i), by);
    }
}

static void sum(float *y, const float *x, const mxdi_axis *a)
{
    sum_scaled(y, x, a, 1);
}

static void mean(float *y, const float *x, const mxdi_axis *a)
{
    sum_scaled(y, x, a, (double)a->axis);
}

/* One vector's worth of extremes: those of what is not NaN, and where NaN was. */
struct vbest {
    vf32  v;
    vmask nan;
};

typedef vf32 (*vextreme)(vf32 a, vf32 b);

/* vf32_max and vf32_min give their second operand where the first is NaN. */
static inline struct vbest vbest_take(struct vbest b, vf32 v, vextreme f)
{
    return (struct vbest){ f(v, b.v), vmask_or(b.nan, vf32_is_nan(v)) };
}

static inline float extreme_run(const float *x, int64_t n, float worst, vextreme f)
{
    struct vbest b = { vf32_set1(worst), vmask_none() };
    int64_t      i = 0;
    for (; i + VF32_LANES <= n; i += VF32_LANES)
        b = vbest_take(b, vf32_load(x + i), f);
    if (i < n) {
        const size_t k = (size_t)(n - i);
        b = vbest_take(b, vf32_select(vmask_first(k), vf32_load_tail(x + i, k), vf32_set1(worst)),
                       f);
    }
    if (vmask_any(b.nan))
        return NAN;
    float lane[VF32_LANES];
    vf32_store(lane, b.v);
    for (size_t j = 1; j < VF32_LANES; j++)
        if (worst < 0 ? lane[j] > lane[0] : lane[j] < lane[0])
            lane[0] = lane[j];
    return lane[0];
}

static inline void extreme_lanes(float *y, const float *x, const mxdi_axis *a, size_t k,
                                 float worst, vextreme f)
{
    struct vbest b = { vf32_set1(worst), vmask_none() };
    for (int64_t j = 0; j < a->axis; j++)
        b = vbest_take(b, vf32_load_k(x + j * a->x_axis, k), f);
    vf32_store_k(y, vf32_select(b.nan, vf32_set1(NAN), b.v), k);
}

/* worst: what every element is better than, or as good as. */
static inline void extreme(float *y, const float *x, const mxdi_axis *a, float worst, vextreme f)
{
    for (int64_t o = 0; o < a->outer; o++) {
        float       *to   = y + o * a->y_outer;
        const float *from = x + o * a->x_outer;
        int64_t      i    = 0;
        if (a->inner == 1 && a->x_axis == 1) {
            to[0] = extreme_run(from, a->axis, worst, f);
            continue;
        }
        for (; i + VF32_LANES <= a->inner; i += VF32_LANES)
            extreme_lanes(to + i, from + i, a, 0, worst, f);
        if (i < a->inner)
            extreme_lanes(to + i, from + i, a, (size_t)(a->inner - i), worst, f);
    }
}

static void max(float *y, const float *x, const mxdi_axis *a)
{
    extreme(y, x, a, -INFINITY, vf32_max);
}

static void min(float *y, const float *x, const mxdi_axis *a)
{
    extreme(y, x, a, INFINITY, vf32_min);
}

const mxdi_reduce_f32 MXD_VARIANT(mxdi_reduce_f32) = { MXD_VARIANT_NAME("reduce_f32"), sum, mean,
                                                       max, min };
