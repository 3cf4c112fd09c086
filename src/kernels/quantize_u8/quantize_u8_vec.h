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
#endif
