/* SPDX-License-Identifier: Apache-2.0
 *
 * Depthwise kernels of one instruction set over simd/f32_<isa>.h, which the including file has
 * chosen: vectors of channels, up to eight outputs in registers so that a weight is loaded once for
 * all of them. */
#include "kernels/dwconv_f32/dwconv_f32_impl.h"

/* One tap: a weight of each channel, times the inputs of all outputs. With `tail` only `left`
 * channels are there. */
MXD_INLINE void tap(vf32 acc[MXDI_DWCONV_F32_MAX_ROWS], const float *x, int64_t row, const float *w,
                    const int rows, const bool bf16, const bool tail, int32_t left)
{
    const vf32   weight = vf32_load(w);
    const float *half   = x + 4 * row;
    MXD_UNROLL
    for (int i = 0; i < rows; i++) {
        const float *at = i < 4 ? x + i * row : half + (i - 4) * row;
        vf32         v  = tail ? vf32_load_tail(at, (size_t)left) : vf32_load(at);
        if (bf16)
            v = vf32_round_bf16(v);
        acc[i] = vf32_fma(v, weight, acc[i]);
    }
}

/* What follows the sum: rounding, residual, clamp. */
MXD_INLINE void finish(const mxdi_dwconv_f32_args *p, vf32 acc[MXDI_DWCONV_F32_MAX_ROWS],
                       const int rows, const bool tail, int32_t c)
{
    const vf32 lo = vf32_set1(p->lo), hi = vf32_set1(p->hi);
    MXD_UNROLL
    for (int i = 0; i < rows; i++) {
        const int64_t at = i * p->y_row + c;
        vf32          v  = acc[i];
        if (p->round_bf16)
            v = vf32_round_bf16(v);
        if (p->r)
            v = vf32_add(v, tail ? vf32_load_tail(p->r + at, (size_t)(p->channels - c))
                                 : vf32_load(p->r + at));
        v = vf32_min(hi, vf32_max(lo, v));
        if (tail && p->stored - c < VF32_LANES)
            vf32_store_tail(p->y + at, v, (size_t)(p->stored - c));
        else
            vf32_store(p->y + at, v);
    }
}

/* One vector of channels from c on; with `tail` fewer than a vector are there. */
MXD_INLINE void run_vector(const mxdi_dwconv_f32_args *p, const int rows, const bool bf16,
                           const bool tail, int32_t c)
{
    const int64_t s = p->x_row, dx = p->x_kx;
    const int32_t left = p->channels - c;
    const float  *w = p->w + c / VF32_LANES * p->w_vector, *x = p->x + c;
    vf32          acc[MXDI_DWCONV_F32_MAX_ROWS];
    MXD_UNROLL
    for (int i = 0; i < rows; i++)
        acc[i] = vf32_load(p->bias + c);
    for (int32_t ky = p->n_ky; ky > 0; ky--, x += p->x_ky, w += p->w_ky) {
        const float *at = x;
        int32_t      kx = p->n_kx;
        for (; kx >= 3;
             kx -= 3, at += 3 * dx, w += 3 * VF32_LANES) { /* 3 and 5 are the usual widths */
            tap(acc, at, s, w, rows, bf16, tail, left);
            tap(acc, at + dx, s, w + VF32_LANES, rows, bf16, tail, left);
            tap(acc, at + 2 * dx, s, w + 2 * VF32_LANES, rows, bf16, tail, left);
        }
        for (; kx > 0; kx--, at += dx, w += VF32_LANES)
            tap(acc, at, s, w, rows, bf16, tail, left);
    }
    if (!tail && !p->r && !p->round_bf16) {
        const vf32 lo = vf32_set1(p->lo), hi = vf32_set1(p->hi);
        float     *y = p->y + c;
        MXD_UNROLL
        for (int i = 0; i < rows; i++, y += p->y_row)
            vf32_store(y, vf32_min(hi, vf32_max(lo, acc[i])));
    } else {
        finish(p, acc, rows, tail, c);
    }
}

MXD_INLINE void run(const mxdi_dwconv_f32_args *p, const int rows, const bool bf16)
{
    int32_t c = 0;
    for (; c + VF32_LANES <= p->channels; c += VF32_LANES)
        run_vector(p, rows, bf16, false, c);
    if (c < p->channels)
        run_vector(p, rows, bf16, true, c);
}

#define ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define KERNEL(rows)                                       \
    static void f32_##rows(const mxdi_dwconv_f32_args *p)  \
    {                                                      \
        run(p, rows, false);                               \
    }                                                      \
    static void bf16_##rows(const mxdi_dwconv_f32_args *p) \
    {                                                      \
        run(p, rows, true);                                \
    }
ROWS(KERNEL)
#undef KERNEL

#define F32_ROW(rows)  [rows] = f32_##rows,
#define BF16_ROW(rows) [rows] = bf16_##rows,
extern const struct mxdi_dwconv_f32_variant MXD_VARIANT(mxdi_dwconv_f32);
const struct mxdi_dwconv_f32_variant        MXD_VARIANT(mxdi_dwconv_f32) = {
           .name  = MXD_VARIANT_NAME("dwconv_f32"),
           .needs = DWCONV_NEEDS,
           .lanes = VF32_LANES,
           .f32   = { ROWS(F32_ROW) },
           .bf16  = { ROWS(BF16_ROW) },
};
