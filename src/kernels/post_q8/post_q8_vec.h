/* SPDX-License-Identifier: Apache-2.0
 *
 * The integer epilogue on one vector of accumulators. Include after a simd/q8_<variant>.h. */
#ifndef MXDI_KERNELS_POST_Q8_VEC_H
#define MXDI_KERNELS_POST_Q8_VEC_H

#include "kernels/post_q8/post_q8.h"

/* mxdi_post_q8 spread out. */
struct vpost {
    vf32 lo, hi, mid_lo, mid_hi, y_ratio, r_ratio;
    vi32 y_zero_point, r_zero_point; /* the first in lanes of 16 bits */
    vu8  q_min;
};

MXD_INLINE struct vpost vpost_make(const mxdi_post_q8 *p)
{
    return (struct vpost){ .lo           = vf32_set1(p->lo),
                           .hi           = vf32_set1(p->hi),
                           .mid_lo       = vf32_set1(p->mid_lo),
                           .mid_hi       = vf32_set1(p->mid_hi),
                           .y_ratio      = vf32_set1(p->y_ratio),
                           .r_ratio      = vf32_set1(p->r_ratio),
                           .y_zero_point = q8_set1_s16(p->y_zero_point),
                           .r_zero_point = vi32_set1(p->r_zero_point),
                           .q_min        = vu8_set1((uint8_t)p->q_min) };
}

/* The value before the last rounding. bias: -0 for none. r: the stored residual where `kind` has
 * one. */
MXD_INLINE vf32 vpost_value(const mxdi_post_q8_kind kind, const struct vpost *p, vi32 acc, vf32 m,
                            vf32 bias, vi32 r)
{
    const vf32 v = vf32_fma(vf32_from_i32(acc), m, bias);
    if (kind == MXDI_POST_Q8_PLAIN || kind == MXDI_POST_Q8_FLOAT)
        return v;
    const vf32 qr = vf32_from_i32(vi32_sub(r, p->r_zero_point));
    if (kind == MXDI_POST_Q8_RESIDUAL)
        return vf32_fma(qr, p->r_ratio, v);
    const vf32 q1 = vf32_rint(vf32_min(vf32_max(v, p->mid_lo), p->mid_hi));
    if (kind == MXDI_POST_Q8_MID)
        return vf32_fma(q1, p->y_ratio, vf32_mul(qr, p->r_ratio));
    return vf32_fma(qr, p->r_ratio, vf32_mul(q1, p->y_ratio));
}

/* Steps from the zero point, for q8_narrow. Only the upper end has to be clamped as a float:
 * q8_narrow saturates whatever is below, even the -2^31 that a value out of range converts to. */
MXD_INLINE vi32 vpost_steps(const mxdi_post_q8_kind kind, const struct vpost *p, vi32 acc, vf32 m,
                            vf32 bias, vi32 r)
{
    return q8_rint(vf32_min(vpost_value(kind, p, acc, m, bias, r), p->hi));
}

MXD_INLINE vf32 vpost_float(const struct vpost *p, vi32 acc, vf32 m, vf32 bias)
{
    return vf32_min(vf32_max(vpost_value(MXDI_POST_Q8_FLOAT, p, acc, m, bias, acc), p->lo), p->hi);
}
#endif
