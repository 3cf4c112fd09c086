/* SPDX-License-Identifier: Apache-2.0
 *
 * norm_f32 over the vectors of simd/vec_<variant>.h. Mean and variance take one pass: sums in
 * binary64 of d = x - x_0 and of d^2, x_0 the first element. The variance is what is left of the
 * squares after the mean's share, and as x_0 is one of the elements that share is at most n + 1
 * times what is left: norm_f32.h gives the error. */
#include <math.h>

#include "kernels/norm_f32/norm_f32.h"

/* One vector of f32 widened. */
struct vpair {
    vf64 lo, hi;
};

static inline struct vpair vpair_set1(double v)
{
    return (struct vpair){ vf64_set1(v), vf64_set1(v) };
}

static inline struct vpair vpair_distance(vf32 x, struct vpair first)
{
    return (struct vpair){ vf64_sub(vf64_lo_f32(x), first.lo), vf64_sub(vf64_hi_f32(x), first.hi) };
}

struct vmoments {
    struct vpair sum, squares;
};

static inline void vmoments_take(struct vmoments *m, vf32 x, struct vpair first)
{
    const struct vpair d = vpair_distance(x, first);
    m->sum.lo            = vf64_add(m->sum.lo, d.lo);
    m->sum.hi            = vf64_add(m->sum.hi, d.hi);
    m->squares.lo        = vf64_fma(d.lo, d.lo, m->squares.lo);
    m->squares.hi        = vf64_fma(d.hi, d.hi, m->squares.hi);
}

/* (x - mean) / sqrt(variance + epsilon) = d * inverse + offset. */
struct vnormal {
    struct vpair first, inverse, offset;
};

/* Variances below 0 by rounding are 0; NaN stays. */
static inline void solve(vf64 *inverse, vf64 *offset, vf64 sum, vf64 squares, double n,
                         double epsilon)
{
    const vf64 count    = vf64_set1(n);
    const vf64 mean     = vf64_div(sum, count);
    const vf64 spread   = vf64_sub(squares, vf64_mul(mean, sum));
    const vf64 variance = vf64_div(vf64_max(vf64_set1(0), spread), count);
    *inverse            = vf64_div(vf64_set1(1), vf64_sqrt(vf64_add(variance, vf64_set1(epsilon))));
    *offset             = vf64_sub(vf64_set1(0), vf64_mul(mean, *inverse));
}

static inline vf32 normal(vf32 x, const struct vnormal *m, vf32 scale, vf32 shift)
{
    const struct vpair d  = vpair_distance(x, m->first);
    const vf64         lo = vf64_fma(d.lo, m->inverse.lo, m->offset.lo);
    const vf64         hi = vf64_fma(d.hi, m->inverse.hi, m->offset.hi);
    return vf32_add(vf32_mul(vf32_from_f64(lo, hi), scale), shift);
}

static inline vf32 shift_at(const float *shift, int64_t c, size_t k)
{
    return shift ? vf32_load_k(shift + c, k) : vf32_set1(0);
}

static void layer_row(float *y, const float *x, const float *scale, const float *shift, int64_t n,
                      float epsilon)
{
    const struct vpair first = vpair_set1((double)x[0]);
    struct vmoments    m     = { vpair_set1(0), vpair_set1(0) };
    const size_t       rest  = (size_t)(n % VF32_LANES);
    const int64_t      full  = n - (int64_t)rest;
    for (int64_t i = 0; i < full; i += VF32_LANES)
        vmoments_take(&m, vf32_load(x + i), first);
    if (rest) /* the lanes behind are x_0, at distance 0 */
        vmoments_take(
            &m, vf32_select(vmask_first(rest), vf32_load_tail(x + full, rest), vf32_set1(x[0])),
            first);
    const vf64     sum     = vf64_set1(vf64_sum(vf64_add(m.sum.lo, m.sum.hi)));
    const vf64     squares = vf64_set1(vf64_sum(vf64_add(m.squares.lo, m.squares.hi)));
    struct vnormal v       = { .first = first };
    solve(&v.inverse.lo, &v.offset.lo, sum, squares, (double)n, (double)epsilon);
    v.inverse.hi = v.inverse.lo;
    v.offset.hi  = v.offset.lo;
    for (int64_t i = 0; i < full; i += VF32_LANES)
        vf32_store(y + i,
                   normal(vf32_load(x + i), &v, vf32_load(scale + i), shift_at(shift, i, 0)));
    if (rest)
        vf32_store_tail(y + full,
                        normal(vf32_load_tail(x + full, rest), &v,
                               vf32_load_tail(scale + full, rest), shift_at(shift, full, rest)),
                        rest);
}

static void layer(float *y, const float *x, const float *scale, const float *shift, int64_t rows,
                  int64_t n, int64_t x_stride, int64_t y_stride, float epsilon)
{
    for (int64_t r = 0; r < rows; r++)
        layer_row(y + r * y_stride, x + r * x_stride, scale, shift, n, epsilon);
}

/* All pixels of VF32_LANES channels, or of the first k if k is not 0; steps are elements between
 * pixels. */
static inline void instance_lanes(float *y, const float *x, vf32 scale, vf32 shift, int64_t n,
                                  int64_t y_step, int64_t x_step, float epsilon, size_t k)
{
    const vf32      x0 = vf32_load_k(x, k);
    struct vnormal  v  = { .first = { vf64_lo_f32(x0), vf64_hi_f32(x0) } };
    struct vmoments m  = { vpair_set1(0), vpair_set1(0) };
    for (int64_t i = 0; i < n; i++)
        vmoments_take(&m, vf32_load_k(x + i * x_step, k), v.first);
    solve(&v.inverse.lo, &v.offset.lo, m.sum.lo, m.squares.lo, (double)n, (double)epsilon);
    solve(&v.inverse.hi, &v.offset.hi, m.sum.hi, m.squares.hi, (double)n, (double)epsilon);
    for (int64_t i = 0; i < n; i++)
        vf32_store_k(y + i * y_step, normal(vf32_load_k(x + i * x_step, k), &v, scale, shift), k);
}

static void instance(float *y, const float *x, const float *scale, const float *shift,
                     const mxdi_blocked *ly, const mxdi_blocked *lx, int64_t blocks, float epsilon)
{
    const int64_t n = (int64_t)lx->h * lx->w, x_step = mxdi_blocked_pixel(lx),
                  y_step = mxdi_blocked_pixel(ly);
    for (int64_t image = 0; image < blocks * lx->block; image++) {
        const int64_t block = image / lx->block, b = image % lx->block;
        const float  *from = x + block * lx->block_stride + b * lx->pitch;
        float        *to   = y + block * ly->block_stride + b * ly->pitch;
        int64_t       c    = 0;
        for (; c + VF32_LANES <= lx->channels; c += VF32_LANES)
            instance_lanes(to + c, from + c, vf32_load(scale + c), shift_at(shift, c, 0), n, y_step,
                           x_step, epsilon, 0);
        if (c < lx->channels) {
            const size_t k = (size_t)(lx->channels - c);
            instance_lanes(to + c, from + c, vf32_load_tail(scale + c, k), shift_at(shift, c, k), n,
                           y_step, x_step, epsilon, k);
        }
    }
}

static void affine_run(float *y, const float *x, const float *scale, const float *shift, int64_t n)
{
    int64_t i = 0;
    for (; i + VF32_LANES <= n; i += VF32_LANES)
        vf32_store(y + i, vf32_add(vf32_mul(vf32_load(x + i), vf32_load(scale + i)),
                                   shift_at(shift, i, 0)));
    if (i < n) {
        const size_t k = (size_t)(n - i);
        const vf32   v = vf32_mul(vf32_load_tail(x + i, k), vf32_load_tail(scale + i, k));
        vf32_store_tail(y + i, vf32_add(v, shift_at(shift, i, k)), k);
    }
}

static void affine(float *y, const float *x, const float *scale, const float *shift,
                   const mxdi_blocked *ly, const mxdi_blocked *lx, int64_t blocks)
{
    const int64_t places = (int64_t)lx->h * lx->w * lx->block; /* images of pixels of a block */
    for (int64_t block = 0; block < blocks; block++)
        for (int64_t i = 0; i < places; i++)
            affine_run(y + block * ly->block_stride + i * ly->pitch,
                       x + block * lx->block_stride + i * lx->pitch, scale, shift, lx->channels);
}

const mxdi_norm_f32 MXD_VARIANT(mxdi_norm_f32) = { MXD_VARIANT_NAME("norm_f32"), layer, instance,
                                                   affine };
