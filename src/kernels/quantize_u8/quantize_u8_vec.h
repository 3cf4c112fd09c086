/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantization of one vector, for the families that quantize on their way. Include after a
 * simd/vec_<variant>.h. */
#ifndef MXDI_KERNELS_QUANTIZE_U8_VEC_H
#define MXDI_KERNELS_QUANTIZE_U8_VEC_H

/* clampq of docs/graph-ops.md with its range and zero point spread out. */
struct vclampq {
    vf32 lo, hi;
    vi32 zero_point;
};

static inline struct vclampq vclampq_make(int32_t zero_point, int32_t q_min, int32_t q_max)
{
    return (struct vclampq){ vf32_set1((float)(q_min - zero_point)),
                             vf32_set1((float)(q_max - zero_point)), vi32_set1(zero_point) };
}

/* Clamping to integers before rounding gives what clamping afterwards does; max and min let NaN
 * through. */
static inline vi32 vclampq(vf32 v, const struct vclampq *c)
{
    return vi32_add(vi32_rint_f32(vf32_min(c->hi, vf32_max(c->lo, v))), c->zero_point);
}

/* A divisor, and what dividing by it takes without the slow instruction. */
struct vdivisor {
    vf32 scale, inverse, most;
    bool fast;
};

static inline struct vdivisor vdivisor_make(float scale)
{
    const bool fast = scale >= 0x1p-60f && scale <= 0x1p60f;
    return (struct vdivisor){ vf32_set1(scale), vf32_set1(1.0f / scale), vf32_set1(0x1p10f * scale),
                              fast };
}

/* v / scale as vclampq sees it. Quotients beyond +-1024 are clamped anyway; from the others two
 * steps take the error of the product below 2^-25 units of the last place, and nothing that two
 * floats have as a quotient is that close to the middle between floats. Quotients too small for the
 * steps to be exact become 0 in any case. */
static inline vf32 vdivide(vf32 v, const struct vdivisor *d)
{
    if (!d->fast)
        return vf32_div(v, d->scale);
    const vf32 a = vf32_min(d->most, vf32_max(vf32_neg(d->most), v)); /* NaN stays */
    vf32       q = vf32_mul(a, d->inverse);
    q            = vf32_fma(vf32_fnma(q, d->scale, a), d->inverse, q);
    return vf32_fma(vf32_fnma(q, d->scale, a), d->inverse, q);
}
#endif
