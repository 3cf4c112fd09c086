/* SPDX-License-Identifier: Apache-2.0
 *
 * softmax_f32 over the vectors of simd/vec_<variant>.h: along the axis when it is the last one,
 * else over the lanes beside it. Exponentials are summed in binary64. */
#include <math.h>

#include "kernels/simd/vec_math.h"
#include "kernels/softmax_f32/softmax_f32.h"

/* One vector's worth of sums. */
struct vsum {
    vf64 lo, hi;
};

static inline struct vsum vsum_add(struct vsum s, vf32 v)
{
    return (struct vsum){ vf64_add(s.lo, vf64_lo_f32(v)), vf64_add(s.hi, vf64_hi_f32(v)) };
}

static float max_of_run(const float *x, size_t n)
{
    float  lane[VF32_LANES], max = -INFINITY;
    vf32   v = vf32_set1(-INFINITY);
    size_t i = 0;
    for (; i + VF32_LANES <= n; i += VF32_LANES)
        v = vf32_max(vf32_load(x + i), v);
    vf32_store(lane, v);
    for (size_t j = 0; j < VF32_LANES; j++)
        max = lane[j] > max ? lane[j] : max;
    for (; i < n; i++)
        max = x[i] > max ? x[i] : max;
    return max;
}

/* exp(x - max) of n neighbours, stored where y is not NULL, and their sum. */
static inline double exp_run(float *y, const float *x, size_t n, vf32 max)
{
    struct vsum s = { vf64_set1(0), vf64_set1(0) };
    size_t      i = 0;
    for (; i + VF32_LANES <= n; i += VF32_LANES) {
        const vf32 e = vf32_exp(vf32_sub(vf32_load(x + i), max));
        s            = vsum_add(s, e);
        if (y)
            vf32_store(y + i, e);
    }
    if (i < n) {
        const vf32 e = vf32_exp(vf32_sub(vf32_load_tail(x + i, n - i), max));
        s            = vsum_add(s, vf32_select(vmask_first(n - i), e, vf32_set1(0)));
        if (y)
            vf32_store_tail(y + i, e, n - i);
    }
    return vf64_sum(s.lo) + vf64_sum(s.hi);
}

static void softmax_run(float *y, const float *x, size_t n)
{
    const vf32 max = vf32_set1(max_of_run(x, n));
    const vf32 by  = vf32_set1((float)(1 / exp_run(y, x, n, max)));
    size_t     i   = 0;
    for (; i + VF32_LANES <= n; i += VF32_LANES)
        vf32_store(y + i, vf32_mul(vf32_load(y + i), by));
    if (i < n)
        vf32_store_tail(y + i, vf32_mul(vf32_load_tail(y + i, n - i), by), n - i);
}

static void log_softmax_run(float *y, const float *x, size_t n)
{
    const vf32 max = vf32_set1(max_of_run(x, n));
    const vf32 by  = vf32_set1((float)log(exp_run(NULL, x, n, max)));
    size_t     i   = 0;
    for (; i + VF32_LANES <= n; i += VF32_LANES)
        vf32_store(y + i, vf32_sub(vf32_sub(vf32_load(x + i), max), by));
    if (i < n)
        vf32_store_tail(y + i, vf32_sub(vf32_sub(vf32_load_tail(x + i, n - i), max), by), n - i);
}

/* Rows of VF32_LANES neighbouring lanes, or of the first k if k is not 0. */
static inline void softmax_lanes(float *y, const float *x, const mxdi_axis *a, size_t k)
{
    vf32        max = vf32_set1(-INFINITY);
    struct vsum s   = { vf64_set1(0), vf64_set1(0) };
    for (int64_t j = 0; j < a->axis; j++)
        max = vf32_max(vf32_load_k(x + j * a->x_axis, k), max);
    for (int64_t j = 0; j < a->axis; j++) {
        const vf32 e = vf32_exp(vf32_sub(vf32_load_k(x + j * a->x_axis, k), max));
        s            = vsum_add(s, e);
        vf32_store_k(y + j * a->y_axis, e, k);
    }
    const vf64 one = vf64_set1(1);
    const vf32 by  = vf32_from_f64(vf64_div(one, s.lo), vf64_div(one, s.hi));
    for (int64_t j = 0; j < a->axis; j++)
        vf32_store_k(y + j * a->y_axis, vf32_mul(vf32_load_k(y + j * a->y_axis, k), by), k);
}

static inline void log_softmax_lanes(float *y, const float *x, const mxdi_axis *a, size_t k)
{
    vf32        max = vf32_set1(-INFINITY);
    struct vsum s   = { vf64_set1(0), vf64_set1(0) };
    for (int64_t j = 0; j < a->axis; j++)
        max = vf32_max(vf32_load_k(x + j * a->x_axis, k), max);
    for (int64_t j = 0; j < a->axis; j++)
        s = vsum_add(s, vf32_exp(vf32_sub(vf32_load_k(x + j * a->x_axis, k), max)));
    const vf32 by = vf32_log(vf32_from_f64(s.lo, s.hi));
    for (int64_t j = 0; j < a->axis; j++)
        vf32_store_k(y + j * a->y_axis,
                     vf32_sub(vf32_sub(vf32_load_k(x + j * a->x_axis, k), max), by), k);
}

typedef void (*run_fn)(float *y, const float *x, size_t n);
typedef void (*lanes_fn)(float *y, const float *x, const mxdi_axis *a, size_t k);

static inline void rows(float *y, const float *x, const mxdi_axis *a, run_fn run, lanes_fn lanes)
{
    for (int64_t o = 0; o < a->outer; o++) {
        float       *to   = y + o * a->y_outer;
        const float *from = x + o * a->x_outer;
        int64_t      i    = 0;
        if (a->inner == 1 && a->x_axis == 1 && a->y_axis == 1) {
            run(to, from, (size_t)a->axis);
            continue;
        }
        for (; i + VF32_LANES <= a->inner; i += VF32_LANES)
            lanes(to + i, from + i, a, 0);
        if (i < a->inner)
            lanes(to + i, from + i, a, (size_t)(a->inner - i));
    }
}

static void softmax(float *y, const float *x, const mxdi_axis *a)
{
    rows(y, x, a, softmax_run, softmax_lanes);
}

static void log_softmax(float *y, const float *x, const mxdi_axis *a)
{
    rows(y, x, a, log_softmax_run, log_softmax_lanes);
}

const mxdi_softmax_f32 MXD_VARIANT(mxdi_softmax_f32) = { MXD_VARIANT_NAME("softmax_f32"), softmax,
                                                         log_softmax };
