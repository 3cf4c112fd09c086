/* SPDX-License-Identifier: Apache-2.0
 *
 * add_q8 over the vectors of simd/vec_<variant>.h. */
#include "kernels/add_q8/add_q8.h"
#include "kernels/quantize_u8/quantize_u8_vec.h"

struct vadd {
    vi32           za, zb;
    vf32           ma, mb;
    struct vclampq c;
};

static inline vi32 add_vector(vi32 a, vi32 b, const struct vadd *v)
{
    const vf32 fb = vf32_mul(vf32_from_i32(vi32_sub(b, v->zb)), v->mb);
    return vclampq(vf32_fma(vf32_from_i32(vi32_sub(a, v->za)), v->ma, fb), &v->c);
}

static void add(uint8_t *y, const uint8_t *a, const uint8_t *b, size_t n,
                const mxdi_add_q8_params *p)
{
    const struct vadd v = { vi32_set1(p->a_zero_point), vi32_set1(p->b_zero_point),
                            vf32_set1(p->a_scale_ratio), vf32_set1(p->b_scale_ratio),
                            vclampq_make(p->y_zero_point, p->q_min, p->q_max) };
    size_t            i = 0;
    for (; i + VF32_LANES <= n; i += VF32_LANES)
        vi32_store_u8(y + i, add_vector(vi32_load_u8(a + i), vi32_load_u8(b + i), &v));
    if (i < n) {
        const size_t k = n - i;
        vi32_store_u8_tail(
            y + i, add_vector(vi32_load_u8_tail(a + i, k), vi32_load_u8_tail(b + i, k), &v), k);
    }
}

const mxdi_add_q8 MXD_VARIANT(mxdi_add_q8) = { MXD_VARIANT_NAME("add_q8"), add };
