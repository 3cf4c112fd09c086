/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of weights for one instruction set over simd/f32_<isa>.h, which the including file has
 * chosen. All loops over rows and vectors are unrolled; the sums live in registers. */
#include "kernels/conv_wgrad_f32/conv_wgrad_f32_impl.h"

enum {
    NARROW = VF32_LANES,
    FULL   = 2 * VF32_LANES,
    ROWS   = TILE_ROWS < FULL ? TILE_ROWS : FULL,
    CHAINS = 8 /* sums in flight that a multiply-add's latency takes */
};

/* One output: every sum once. */
MXD_INLINE void step(vf32 acc[ROWS][2], const float *x, const float *y, const int rows,
                     const int vecs)
{
    vf32 lane[2];
    MXD_UNROLL
    for (int v = 0; v < vecs; v++)
        lane[v] = vf32_load(y + v * VF32_LANES);
    MXD_UNROLL
    for (int i = 0; i < rows; i++) {
        const vf32 row = vf32_set1(x[i]);
        MXD_UNROLL
        for (int v = 0; v < vecs; v++)
            acc[i][v] = vf32_fma(row, lane[v], acc[i][v]);
    }
}

/* A run of n outputs, dealt to `sets` sums in turn. */
MXD_INLINE void run(vf32 acc[4][ROWS][2], const float *x, const float *y, int64_t n, int64_t x_step,
                    int64_t y_step, const int rows, const int vecs, const int sets)
{
    for (; n >= sets; n -= sets) {
        MXD_UNROLL
        for (int s = 0; s < sets; s++, x += x_step, y += y_step)
            step(acc[s], x, y, rows, vecs);
    }
    if (sets > 1) {
        for (; n > 0; n--, x += x_step, y += y_step)
            step(acc[0], x, y, rows, vecs);
    }
}

MXD_INLINE void tile(const mxdi_conv_wgrad_f32_args *p, const int rows, const int vecs)
{
    const int          sets = rows * vecs >= CHAINS ? 1 : rows * vecs >= CHAINS / 2 ? 2 : 4;
    const mxdi_walk   *w    = &p->walk;
    const float *const x = p->x, *const y = p->y;
    vf32 acc[4][ROWS][2];
    MXD_UNROLL
    for (int s = 0; s < sets; s++) {
        MXD_UNROLL
        for (int i = 0; i < rows; i++) {
            MXD_UNROLL
            for (int v = 0; v < vecs; v++)
                acc[s][i][v] = vf32_zero();
        }
    }
    for (int64_t b = 0; b < w->n[2]; b++) {
        for (int64_t a = 0; a < w->n[1]; a++)
            run(acc, x + b * w->x[2] + a * w->x[1], y + b * w->y[2] + a * w->y[1], w->n[0], w->x[0],
                w->y[0], rows, vecs, sets);
    }
    MXD_UNROLL
    for (int i = 0; i < rows; i++) {
        MXD_UNROLL
        for (int v = 0; v < vecs; v++) {
            MXD_OPAQUE(acc[0][i][v]);
            MXD_UNROLL
            for (int s = 1; s < sets; s++)
                acc[0][i][v] = vf32_add(acc[0][i][v], acc[s][i][v]);
            float *const c = p->c + i * p->c_row + v * VF32_LANES;
            vf32_store(c, p->fresh ? acc[0][i][v] : vf32_add(vf32_load(c), acc[0][i][v]));
        }
    }
}

#define TILE(rows)                                               \
    static void full_##rows(const mxdi_conv_wgrad_f32_args *p)   \
    {                                                            \
        tile(p, rows, 2);                                        \
    }                                                            \
    static void narrow_##rows(const mxdi_conv_wgrad_f32_args *p) \
    {                                                            \
        tile(p, rows, 1);                                        \
    }
#define TILES_6(X)  X(1) X(2) X(3) X(4) X(5) X(6)
#define TILES_8(X)  TILES_6(X) X(7) X(8)
#define TILES_14(X) TILES_8(X) X(9) X(10) X(11) X(12) X(13) X(14)
TILES(TILE)
#undef TILE

static void depthwise(const mxdi_conv_wgrad_f32_args *p)
{
    const mxdi_walk *w = &p->walk;
    vf32             acc[CHAINS];
    MXD_UNROLL
    for (int s = 0; s < CHAINS; s++)
        acc[s] = vf32_zero();
    for (int64_t b = 0; b < w->n[2]; b++) {
        for (int64_t a = 0; a < w->n[1]; a++) {
            const float *x = p->x + b * w->x[2] + a * w->x[1];
            const float *y = p->y + b * w->y[2] + a * w->y[1];
            int64_t      n = w->n[0];
            for (; n >= CHAINS; n -= CHAINS) {
                MXD_UNROLL
                for (int s = 0; s < CHAINS; s++, x += w->x[0], y += w->y[0])
                    acc[s] = vf32_fma(vf32_load(x), vf32_load(y), acc[s]);
            }
            for (; n > 0; n--, x += w->x[0], y += w->y[0])
                acc[0] = vf32_fma(vf32_load(x), vf32_load(y), acc[0]);
        }
    }
    MXD_UNROLL
    for (int s = 1; s < CHAINS; s++)
        acc[0] = vf32_add(acc[0], acc[s]);
    vf32_store(p->c, vf32_add(vf32_load(p->c), acc[0]));
}

MXD_INLINE void pack_vectors(float *dst, const float *src, int64_t step, int64_t n, int32_t used,
                             const int vecs)
{
    const size_t tail = (size_t)used % VF32_LANES;
    if (used == vecs * VF32_LANES) {
        for (int64_t i = 0; i < n; i++, src += step) {
            MXD_UNROLL
            for (int v = 0; v < vecs; v++, dst += VF32_LANES)
                vf32_store(dst, vf32_load(src + v * VF32_LANES));
        }
        return;
    }
    for (int64_t i = 0; i < n; i++, src += step) {
        for (int v = 0; v < vecs; v++, dst += VF32_LANES) {
            const int32_t left = used - v * VF32_LANES;
            vf32_store(dst, left >= VF32_LANES ? vf32_load(src + v * VF32_LANES)
                            : left > 0         ? vf32_load_tail(src + v * VF32_LANES, tail)
                                               : vf32_zero());
        }
    }
}

static void pack(float *dst, int32_t width, const float *src, int64_t step, int64_t n, int32_t used)
{
    if (width == NARROW)
        pack_vectors(dst, src, step, n, used, 1);
    else
        pack_vectors(dst, src, step, n, used, 2);
}

static void finish(float *dst, int64_t dst_row, const float *src, int64_t piece, int64_t pieces,
                   int32_t lanes, int32_t used, int64_t n)
{
    enum { AT_ONCE = 8 };
    _Alignas(64) float sum[AT_ONCE * FULL];
    for (int64_t i = 0; i < n; i += AT_ONCE, src += AT_ONCE * lanes) {
        const int32_t rows = n - i < AT_ONCE ? (int32_t)(n - i) : AT_ONCE;
        for (int32_t k = 0; k < rows * lanes; k += VF32_LANES) {
            vf32 s = vf32_load(src + k);
            for (int64_t p = 1; p < pieces; p++)
                s = vf32_add(s, vf32_load(src + p * piece + k));
            vf32_store(sum + k, s);
        }
        int32_t j = 0;
        for (; rows == AT_ONCE && j + 8 <= used; j += 8)
            transpose_8x8(dst + j * dst_row + i, dst_row, sum + j, lanes);
        for (; j < used; j++) {
            for (int32_t k = 0; k < rows; k++)
                dst[j * dst_row + i + k] = sum[k * lanes + j];
        }
    }
}

#define FULL_ROW(rows)   [rows] = full_##rows,
#define NARROW_ROW(rows) [rows] = narrow_##rows,
extern const struct mxdi_conv_wgrad_f32_variant MXD_VARIANT(mxdi_conv_wgrad_f32);
const struct mxdi_conv_wgrad_f32_variant        MXD_VARIANT(mxdi_conv_wgrad_f32) = {
           .name      = MXD_VARIANT_NAME("conv_wgrad_f32"),
           .needs     = WGRAD_NEEDS,
           .rows      = ROWS,
           .full      = FULL,
           .narrow    = NARROW,
           .strip     = ROWS > NARROW ? FULL : NARROW,
           .full_fn   = { TILES(FULL_ROW) },
           .narrow_fn = { TILES(NARROW_ROW) },
           .depthwise = depthwise,
           .pack      = pack,
           .finish    = finish,
};
