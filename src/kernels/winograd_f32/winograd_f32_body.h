/* SPDX-License-Identifier: Apache-2.0
 *
 * Winograd's transforms of one instruction set over simd/f32_<isa>.h, which the including file has
 * chosen. */
#include <stdbool.h>

#include "kernels/winograd_f32/winograd_f32.h"

/* o = B^T d */
MXD_INLINE void input_6(vf32 o[6], const vf32 d[6])
{
    const vf32 m4 = vf32_set1(-4.0f), m5 = vf32_set1(-5.0f), p4 = vf32_set1(4.0f),
               p2 = vf32_set1(2.0f);
    const vf32 a = vf32_fma(m4, d[2], d[4]), b = vf32_fma(m4, d[1], d[3]);
    const vf32 c = vf32_sub(d[4], d[2]), e = vf32_sub(d[3], d[1]);
    o[0] = vf32_fma(p4, d[0], vf32_fma(m5, d[2], d[4]));
    o[1] = vf32_add(a, b);
    o[2] = vf32_sub(a, b);
    o[3] = vf32_fma(p2, e, c);
    o[4] = vf32_fnma(p2, e, c);
    o[5] = vf32_fma(p4, d[1], vf32_fma(m5, d[3], d[5]));
}

/* o = A^T m */
MXD_INLINE void output_4(vf32 o[4], const vf32 m[6])
{
    const vf32 p2 = vf32_set1(2.0f), p4 = vf32_set1(4.0f), p8 = vf32_set1(8.0f);
    const vf32 a = vf32_add(m[1], m[2]), b = vf32_sub(m[1], m[2]);
    const vf32 c = vf32_add(m[3], m[4]), d = vf32_sub(m[3], m[4]);
    o[0] = vf32_add(m[0], vf32_add(a, c));
    o[1] = vf32_fma(p2, d, b);
    o[2] = vf32_fma(p4, c, a);
    o[3] = vf32_add(vf32_fma(p8, d, b), m[5]);
}

/* One vector of channels. `inside`: all of d is in the image; `tail`: fewer channels than a vector
 * are left. */
MXD_INLINE void input_vector(const mxdi_winograd_f32_input *p, int32_t c, const bool inside,
                             const bool tail)
{
    vf32 w[6][6];
    MXD_UNROLL
    for (int j = 0; j < 6; j++) {
        vf32 d[6], o[6];
        MXD_UNROLL
        for (int i = 0; i < 6; i++) {
            const float *at = p->x + i * p->row + j * p->pixel + c;
            if (!inside && (i < p->y0 || i >= p->y1 || j < p->x0 || j >= p->x1))
                d[i] = vf32_zero();
            else
                d[i] = tail ? vf32_load_tail(at, (size_t)(p->channels - c)) : vf32_load(at);
        }
        input_6(o, d);
        MXD_UNROLL
        for (int i = 0; i < 6; i++)
            w[i][j] = o[i];
    }
    float *v = p->v + c;
    MXD_UNROLL
    for (int i = 0; i < 6; i++) {
        vf32 o[6];
        input_6(o, w[i]);
        MXD_UNROLL
        for (int j = 0; j < 6; j++, v += p->plane)
            vf32_store(v, o[j]);
    }
}

static void input(const mxdi_winograd_f32_input *p)
{
    const bool inside = p->y0 == 0 && p->y1 == 6 && p->x0 == 0 && p->x1 == 6;
    int32_t    c      = 0;
    if (inside) {
        for (; c + VF32_LANES <= p->channels; c += VF32_LANES)
            input_vector(p, c, true, false);
    }
    for (; c + VF32_LANES <= p->channels; c += VF32_LANES)
        input_vector(p, c, false, false);
    if (c < p->channels)
        input_vector(p, c, false, true);
}

/* o = A d */
MXD_INLINE void gradient_6(vf32 o[6], const vf32 d[4])
{
    const vf32 p2 = vf32_set1(2.0f), p4 = vf32_set1(4.0f);
    const vf32 a = vf32_add(d[0], d[2]), b = vf32_add(d[1], d[3]);
    const vf32 c = vf32_fma(p4, d[2], d[0]), e = vf32_fma(p4, d[3], d[1]);
    o[0] = d[0];
    o[1] = vf32_add(a, b);
    o[2] = vf32_sub(a, b);
    o[3] = vf32_fma(p2, e, c);
    o[4] = vf32_fnma(p2, e, c);
    o[5] = d[3];
}

MXD_INLINE void gradient_vector(const mxdi_winograd_f32_input *p, int32_t c, const bool inside,
                                const bool tail)
{
    vf32 w[6][4];
    MXD_UNROLL
    for (int j = 0; j < 4; j++) {
        vf32 d[4], o[6];
        MXD_UNROLL
        for (int i = 0; i < 4; i++) {
            const float *at = p->x + i * p->row + j * p->pixel + c;
            if (!inside && (i >= p->y1 || j >= p->x1))
                d[i] = vf32_zero();
            else
                d[i] = tail ? vf32_load_tail(at, (size_t)(p->channels - c)) : vf32_load(at);
        }
        gradient_6(o, d);
        MXD_UNROLL
        for (int i = 0; i < 6; i++)
            w[i][j] = o[i];
    }
    float *v = p->v + c;
    MXD_UNROLL
    for (int i = 0; i < 6; i++) {
        vf32 o[6];
        gradient_6(o, w[i]);
        MXD_UNROLL
        for (int j = 0; j < 6; j++, v += p->plane)
            vf32_store(v, o[j]);
    }
}

static void gradient(const mxdi_winograd_f32_input *p)
{
    int32_t c = 0;
    if (p->y1 == 4 && p->x1 == 4) {
        for (; c + VF32_LANES <= p->channels; c += VF32_LANES)
            gradient_vector(p, c, true, false);
    }
    for (; c + VF32_LANES <= p->channels; c += VF32_LANES)
        gradient_vector(p, c, false, false);
    if (c < p->channels)
        gradient_vector(p, c, false, true);
}

/* o = G^T u */
MXD_INLINE void sums_3(vf32 o[3], const vf32 u[6])
{
    const vf32 r4 = vf32_set1(1.0f / 4), r6 = vf32_set1(1.0f / 6), r12 = vf32_set1(1.0f / 12),
               r24 = vf32_set1(1.0f / 24);
    const vf32 a = vf32_add(u[1], u[2]), b = vf32_sub(u[2], u[1]);
    const vf32 c = vf32_add(u[3], u[4]), d = vf32_sub(u[3], u[4]);
    o[0] = vf32_fma(r24, c, vf32_fnma(r6, a, vf32_mul(r4, u[0])));
    o[1] = vf32_fma(r12, d, vf32_mul(r6, b));
    o[2] = vf32_fma(r6, vf32_sub(c, a), u[5]);
}

static void sums(const mxdi_winograd_f32_sums *p)
{
    for (int32_t n = 0; n < p->lanes; n += VF32_LANES) {
        vf32 w[3][6];
        MXD_UNROLL
        for (int j = 0; j < 6; j++) {
            vf32 u[6], o[3];
            MXD_UNROLL
            for (int i = 0; i < 6; i++)
                u[i] = vf32_load(p->u + (i * 6 + j) * p->plane + n);
            sums_3(o, u);
            MXD_UNROLL
            for (int i = 0; i < 3; i++)
                w[i][j] = o[i];
        }
        float *dw = p->dw + n;
        MXD_UNROLL
        for (int i = 0; i < 3; i++) {
            vf32 o[3];
            sums_3(o, w[i]);
            MXD_UNROLL
            for (int j = 0; j < 3; j++, dw += p->tap)
                vf32_store(dw, vf32_add(vf32_load(dw), o[j]));
        }
    }
}

MXD_INLINE void finish(const mxdi_winograd_f32_output *p, vf32 v, int64_t at, int32_t left)
{
    const bool tail = left < VF32_LANES;
    if (p->round_bf16)
        v = vf32_round_bf16(v);
    if (p->r)
        v = vf32_add(v, tail ? vf32_load_tail(p->r + at, (size_t)left) : vf32_load(p->r + at));
    v = vf32_min(vf32_set1(p->hi), vf32_max(vf32_set1(p->lo), v));
    if (tail)
        vf32_store_tail(p->y + at, v, (size_t)left);
    else
        vf32_store(p->y + at, v);
}

/* One vector of output channels. `simple`: the whole tile exists, all lanes, no residual and no
 * rounding. */
MXD_INLINE void output_vector(const mxdi_winograd_f32_output *p, int32_t c, const bool simple)
{
    vf32 w[4][6];
    MXD_UNROLL
    for (int j = 0; j < 6; j++) {
        vf32 m[6], o[4];
        MXD_UNROLL
        for (int i = 0; i < 6; i++)
            m[i] = vf32_load(p->m + (i * 6 + j) * p->plane + c);
        output_4(o, m);
        MXD_UNROLL
        for (int i = 0; i < 4; i++)
            w[i][j] = o[i];
    }
    const vf32 bias = vf32_load(p->bias + c), lo = vf32_set1(p->lo), hi = vf32_set1(p->hi);
    MXD_UNROLL
    for (int i = 0; i < 4; i++) {
        vf32 o[4];
        output_4(o, w[i]);
        MXD_UNROLL
        for (int j = 0; j < 4; j++) {
            const int64_t at = i * p->row + j * p->pixel + c;
            const vf32    v  = vf32_add(o[j], bias);
            if (simple)
                vf32_store(p->y + at, vf32_min(hi, vf32_max(lo, v)));
            else if (i < p->y1 && j < p->x1)
                finish(p, v, at, p->lanes - c);
        }
    }
}

static void output(const mxdi_winograd_f32_output *p)
{
    const bool simple = p->y1 == 4 && p->x1 == 4 && !p->r && !p->round_bf16;
    int32_t    c      = 0;
    if (simple) {
        for (; c + VF32_LANES <= p->lanes; c += VF32_LANES)
            output_vector(p, c, true);
    }
    for (; c < p->lanes; c += VF32_LANES)
        output_vector(p, c, false);
}

/* a[0]*g[0] + a[1]*g[1] + a[2]*g[2] as mxdi_winograd_f32_weights has it. */
MXD_INLINE vf64 filter_3(vf64 a, vf64 b, vf64 c, const double g[3])
{
    const vf64 ab = vf64_add(vf64_mul(vf64_set1(g[0]), a), vf64_mul(vf64_set1(g[1]), b));
    return vf64_add(ab, vf64_mul(vf64_set1(g[2]), c));
}

static void weights(const mxdi_winograd_f32_filter *p)
{
    for (int32_t n = 0; n < p->lanes; n += VF32_LANES) {
        vf64 lo[6][3], hi[6][3];
        MXD_UNROLL
        for (int j = 0; j < 3; j++) {
            const vf32 a = vf32_load(p->w + p->row[j] + n), b = vf32_load(p->w + p->row[3 + j] + n),
                       c = vf32_load(p->w + p->row[6 + j] + n);
            MXD_UNROLL
            for (int i = 0; i < 6; i++) {
                const double *g = mxdi_winograd_f32_g[i];
                lo[i][j]        = filter_3(vf64_lo_f32(a), vf64_lo_f32(b), vf64_lo_f32(c), g);
                hi[i][j]        = filter_3(vf64_hi_f32(a), vf64_hi_f32(b), vf64_hi_f32(c), g);
            }
        }
        float *u = p->u + n;
        for (int i = 0; i < 6; i++) {
            MXD_UNROLL
            for (int j = 0; j < 6; j++, u += p->plane) {
                const double *g = mxdi_winograd_f32_g[j];
                vf32_store(u, vf32_from_f64(filter_3(lo[i][0], lo[i][1], lo[i][2], g),
                                            filter_3(hi[i][0], hi[i][1], hi[i][2], g)));
            }
        }
    }
}

extern const struct mxdi_winograd_f32 MXD_VARIANT(mxdi_winograd_f32);
const struct mxdi_winograd_f32 MXD_VARIANT(mxdi_winograd_f32) = { WINOGRAD_NEEDS, input, output,
                                                                  gradient,       sums,  weights };
