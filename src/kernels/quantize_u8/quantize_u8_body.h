/* SPDX-License-Identifier: Apache-2.0
 *
 * quantize_u8 over the vectors of simd/vec_<variant>.h. */
#include "kernels/quantize_u8/quantize_u8.h"
#include "kernels/quantize_u8/quantize_u8_vec.h"

static void quantize(uint8_t *q, const float *x, size_t n, const mxdi_quantize_u8_params *p)
{
    const vf32           scale = vf32_set1(p->scale);
    const vi32           flip  = vi32_set1(p->flip);
    const struct vclampq c     = vclampq_make(p->zero_point, p->q_min, p->q_max);
    size_t               i     = 0;
    for (; i + VF32_LANES <= n; i += VF32_LANES)
        vi32_store_u8(q + i, vi32_xor(vclampq(vf32_div(vf32_load(x + i), scale), &c), flip));
    if (i < n) {
        const vf32 v = vf32_div(vf32_load_tail(x + i, n - i), scale);
        vi32_store_u8_tail(q + i, vi32_xor(vclampq(v, &c), flip), n - i);
    }
}

static void dequantize(float *x, const uint8_t *q, size_t n, const mxdi_quantize_u8_params *p)
{
    const vf32 scale      = vf32_set1(p->scale);
    const vi32 flip       = vi32_set1(p->flip);
    const vi32 zero_point = vi32_set1(p->zero_point);
    size_t     i          = 0;
    for (; i + VF32_LANES <= n; i += VF32_LANES) {
        const vi32 d = vi32_sub(vi32_xor(vi32_load_u8(q + i), flip), zero_point);
        vf32_store(x + i, vf32_mul(vf32_from_i32(d), scale));
    }
    if (i < n) {
        const vi32 d = vi32_sub(vi32_xor(vi32_load_u8_tail(q + i, n - i), flip), zero_point);
        vf32_store_tail(x + i, vf32_mul(vf32_from_i32(d), scale), n - i);
    }
}

const mxdi_quantize_u8 MXD_VARIANT(mxdi_quantize_u8) = { MXD_VARIANT_NAME("quantize_u8"), quantize,
                                                         dequantize };
