/* SPDX-License-Identifier: Apache-2.0
 *
 * softmax_q8 over the vectors of simd/vec_<variant>.h, vectorised along the axis; rows with a
 * stride are copied out and back. What a byte becomes depends on it and on its row's maximum and
 * sum alone, so rows of 256 and more compute 256 results and look them up. */
#include "kernels/quantize_u8/quantize_u8_vec.h"
#include "kernels/softmax_q8/softmax_q8.h"

enum { VALUES = 256 };

struct vsoftmax {
    int32_t        e[VALUES]; /* E, which fits 32 bits */
    vf32           y_scale;
    struct vclampq c;
};

/* Quotients of exponentials and the row's sum, quantized. Both conversions to binary64 are exact
 * below 2^53. */
static inline vi32 quotient(vi32 e, vf64 sum, const struct vsoftmax *s)
{
    const vf64 lo = vf64_div(vf64_lo_i32(e), sum);
    const vf64 hi = vf64_div(vf64_hi_i32(e), sum);
    return vclampq(vf32_div(vf32_from_f64(lo, hi), s->y_scale), &s->c);
}

/* What each byte 0..max becomes; bytes above the maximum do not occur. */
static void results_of_row(uint8_t *result, uint8_t max, uint64_t sum, const struct vsoftmax *s)
{
    int32_t    e[VALUES] = { 0 };
    const vf64 total     = vf64_set1((double)sum);
    for (int q = 0; q <= max; q++)
        e[q] = s->e[max - q];
    for (int q = 0; q <= max; q += VF32_LANES)
        vi32_store_u8(result + q, quotient(vi32_load(e + q), total, s));
}

static void softmax_long(uint8_t *y, const uint8_t *x, const mxdi_axis *a, const struct vsoftmax *s)
{
    uint8_t  max = 0, result[VALUES];
    uint64_t sum = 0;
    for (int64_t k = 0; k < a->axis; k++)
        max = x[k * a->x_axis] > max ? x[k * a->x_axis] : max;
    for (int64_t k = 0; k < a->axis; k++)
        sum += (uint64_t)s->e[max - x[k * a->x_axis]];
    results_of_row(result, max, sum, s);
    for (int64_t k = 0; k < a->axis; k++)
        y[k * a->y_axis] = result[x[k * a->x_axis]];
}

static int32_t max_of_run(const uint8_t *x, size_t n)
{
    uint8_t bytes[VU8_LANES], max = 0;
    vu8     v = vu8_zero();
    size_t  i = 0;
    for (; i + VU8_LANES <= n; i += VU8_LANES)
        v = vu8_max(v, vu8_load(x + i));
    if (i < n)
        v = vu8_max(v, vu8_load_tail(x + i, n - i));
    vu8_store(bytes, v);
    for (int b = 0; b < VU8_LANES; b++)
        max = bytes[b] > max ? bytes[b] : max;
    return max;
}

/* n < VALUES neighbours; a lane's sum of at most 256 / VF32_LANES exponentials fits 32 bits. */
static void softmax_run(uint8_t *y, const uint8_t *x, size_t n, const struct vsoftmax *s)
{
    const vi32   top  = vi32_set1(max_of_run(x, n));
    const size_t full = n / VF32_LANES * VF32_LANES;
    int32_t      e[VALUES], lanes[VF32_LANES];
    vi32         sums = vi32_set1(0);
    uint64_t     sum  = 0;
    for (size_t i = 0; i < full; i += VF32_LANES) {
        const vi32 v = vi32_gather(s->e, vi32_sub(top, vi32_load_u8(x + i)));
        vi32_store(e + i, v);
        sums = vi32_add(sums, v);
    }
    vi32_store(lanes, sums);
    for (int i = 0; i < VF32_LANES; i++)
        sum += (uint64_t)lanes[i];
    if (full < n) { /* lanes of the tail that hold no element are kept out of the sum */
        vi32_store(e + full,
                   vi32_gather(s->e, vi32_sub(top, vi32_load_u8_tail(x + full, n - full))));
        for (size_t i = full; i < n; i++)
            sum += (uint64_t)e[i];
    }
    const vf64 total = vf64_set1((double)sum);
    for (size_t i = 0; i < full; i += VF32_LANES)
        vi32_store_u8(y + i, quotient(vi32_load(e + i), total, s));
    if (full < n)
        vi32_store_u8_tail(y + full, quotient(vi32_load(e + full), total, s), n - full);
}

static void softmax_row(uint8_t *y, const uint8_t *x, const mxdi_axis *a, const struct vsoftmax *s)
{
    uint8_t line[VALUES];
    if (a->axis >= VALUES) {
        softmax_long(y, x, a, s);
    } else if (a->x_axis == 1 && a->y_axis == 1) {
        softmax_run(y, x, (size_t)a->axis, s);
    } else {
        for (int64_t k = 0; k < a->axis; k++)
            line[k] = x[k * a->x_axis];
        softmax_run(line, line, (size_t)a->axis, s);
        for (int64_t k = 0; k < a->axis; k++)
            y[k * a->y_axis] = line[k];
    }
}

static void softmax(uint8_t *y, const uint8_t *x, const mxdi_axis *a,
                    const mxdi_softmax_q8_params *p)
{
    struct vsoftmax s;
    for (int d = 0; d < VALUES; d++)
        s.e[d] = (int32_t)p->table[d];
    s.y_scale = vf32_set1(p->y_scale);
    s.c       = vclampq_make(p->y_zero_point, p->q_min, p->q_max);
    for (int64_t o = 0; o < a->outer; o++)
        for (int64_t i = 0; i < a->inner; i++)
            softmax_row(y + o * a->y_outer + i, x + o * a->x_outer + i, a, &s);
}

const mxdi_softmax_q8 MXD_VARIANT(mxdi_softmax_q8) = { MXD_VARIANT_NAME("softmax_q8"), softmax };
