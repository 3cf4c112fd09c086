/* SPDX-License-Identifier: Apache-2.0
 *
 * The tiles of one instruction set over simd/f32_<isa>.h, which the including file has chosen. All
 * loops over rows, vectors and panels are unrolled; the accumulators live in registers. */
#include <math.h>
#include <string.h>

#include "kernels/tile_f32/tile_f32.h"

enum {
    NARROW = VF32_LANES,
    FULL   = 2 * VF32_LANES,
    AHEAD  = 1024 /* words of B: some 32 steps are fetched ahead */
};

/* c = clamp(round(alpha * sum) + r) of any number of lanes, from sums put aside in memory. */
static void finish(const mxdi_tile_f32_args *p, const float *sum, int rows, int vecs)
{
    const vf32 lo = vf32_set1(p->lo), hi = vf32_set1(p->hi), alpha = vf32_set1(p->alpha);
    const int  half = (rows + 1) / 2;
    for (int i = 0; i < rows; i++) {
        const int64_t at = i < half ? i * p->c_row : p->c_half + (i - half) * p->c_row;
        for (int v = 0, n = p->lanes; v < vecs && n > 0; v++, n -= VF32_LANES) {
            const int64_t here = at + v * VF32_LANES;
            vf32          s    = vf32_mul(alpha, vf32_load(sum + (i * vecs + v) * VF32_LANES));
            if (p->round_bf16)
                s = vf32_round_bf16(s);
            if (n >= VF32_LANES) {
                if (p->r)
                    s = vf32_add(s, vf32_load(p->r + here));
                vf32_store(p->c + here, vf32_min(hi, vf32_max(lo, s)));
            } else {
                if (p->r)
                    s = vf32_add(s, vf32_load_tail(p->r + here, (size_t)n));
                vf32_store_tail(p->c + here, vf32_min(hi, vf32_max(lo, s)), (size_t)n);
            }
        }
    }
}

/* `finish` of any kind. */
static void finish_any(const mxdi_tile_f32_args *p, const float *sum, int rows, int vecs)
{
    mxdi_tile_f32_args q = *p;
    if (p->finish != MXDI_TILE_F32_FULL) {
        q.lanes      = vecs * VF32_LANES;
        q.r          = NULL;
        q.round_bf16 = 0;
    }
    if (p->finish == MXDI_TILE_F32_SCALE) {
        q.lo = -INFINITY;
        q.hi = INFINITY;
    } else if (p->finish == MXDI_TILE_F32_CLAMP) {
        q.alpha = 1.0f;
    }
    finish(&q, sum, rows, vecs);
}

/* Row i of seven at most: three strides in registers reach them all from one pointer. */
MXD_INLINE const float *row_at(const float *a, int i, int64_t s, int64_t s3, int64_t s5)
{
    switch (i) {
    case 0:
        return a;
    case 1:
        return a + s;
    case 2:
        return a + 2 * s;
    case 3:
        return a + s3;
    case 4:
        return a + 4 * s;
    case 5:
        return a + s5;
    default:
        return a + 2 * s3;
    }
}

/* One k step: every accumulator once. */
MXD_INLINE void step(vf32 acc[TILE_ROWS][8], const float *a0, const float *a1, int64_t s,
                     int64_t s3, int64_t s5, const float *b, int64_t b_panel, int64_t next,
                     const int rows, const int vecs, const int panels)
{
    const int half = (rows + 1) / 2, width = vecs * panels;
    vword     w[8];
    __builtin_prefetch(b + AHEAD);
    __builtin_prefetch(b + next);
    MXD_UNROLL
    for (int v = 0; v < width; v++)
        w[v] = word_load(b + v / vecs * b_panel + v % vecs * VF32_LANES);
    MXD_UNROLL
    for (int i = 0; i < rows; i++) {
        const vword x =
            word_broadcast(i < half ? row_at(a0, i, s, s3, s5) : row_at(a1, i - half, s, s3, s5));
        MXD_UNROLL
        for (int v = 0; v < width; v++)
            acc[i][v] = word_step(x, w[v], acc[i][v]);
    }
}

MXD_INLINE void store_clamped(const mxdi_tile_f32_args *p, vf32 acc[TILE_ROWS][8], const int rows,
                              const int width)
{
    const vf32 lo = vf32_set1(p->lo), hi = vf32_set1(p->hi);
    const int  half = (rows + 1) / 2;
    float     *c    = p->c;
    MXD_UNROLL
    for (int i = 0; i < rows; i++) {
        if (i == half)
            c = p->c + p->c_half;
        MXD_UNROLL
        for (int v = 0; v < width; v++)
            vf32_store(c + v * VF32_LANES, vf32_min(hi, vf32_max(lo, acc[i][v])));
        c += p->c_row;
    }
}

MXD_INLINE void store_scaled(const mxdi_tile_f32_args *p, vf32 acc[TILE_ROWS][8], const int rows,
                             const int width)
{
    const vf32 alpha = vf32_set1(p->alpha);
    const int  half  = (rows + 1) / 2;
    float     *c     = p->c;
    MXD_UNROLL
    for (int i = 0; i < rows; i++) {
        if (i == half)
            c = p->c + p->c_half;
        MXD_UNROLL
        for (int v = 0; v < width; v++)
            vf32_store(c + v * VF32_LANES, vf32_mul(alpha, acc[i][v]));
        c += p->c_row;
    }
}

MXD_INLINE void tile(const mxdi_tile_f32_args *p, const int rows, const int vecs, const int panels)
{
    const int     width = vecs * panels;
    const int64_t s = p->a_row, s3 = 3 * s, s5 = 5 * s, half = p->a_half, k = p->k,
                  b_panel = p->b_panel, next = p->b_next ? p->b_next : AHEAD + VF32_LANES;
    int64_t      a_k = p->a_k;
    const float *a = p->a, *b = p->b;
    vf32         acc[TILE_ROWS][8];
    MXD_UNROLL
    for (int i = 0; i < rows; i++) {
        MXD_UNROLL
        for (int v = 0; v < width; v++)
            acc[i][v] = vf32_load(p->init + v * VF32_LANES);
    }
    for (int64_t ky = p->n_ky; ky > 0; ky--, a += p->a_ky, b += p->b_ky) {
        const float *ax = a;
        for (int64_t kx = p->n_kx; kx > 0; kx--, ax += p->a_kx) {
            const float *a0 = ax, *a1 = ax + half;
            for (int64_t i = k; i > 0; i--, a0 += a_k, a1 += a_k, b += vecs * VF32_LANES) {
                step(acc, a0, a1, s, s3, s5, b, b_panel, next, rows, vecs, panels);
                __asm__("" : "+r"(a_k)); /* else gcc doubles the code for a_k = 1 */
            }
        }
    }
    MXD_UNROLL
    for (int i = 0; i < rows; i++) {
        MXD_UNROLL
        for (int v = 0; v < width; v++)
            MXD_OPAQUE(acc[i][v]);
    }
    if (p->finish == MXDI_TILE_F32_CLAMP) {
        store_clamped(p, acc, rows, width);
    } else if (p->finish == MXDI_TILE_F32_SCALE) {
        store_scaled(p, acc, rows, width);
    } else {
        _Alignas(64) float sum[TILE_ROWS * 8 * VF32_LANES];
        MXD_UNROLL
        for (int i = 0; i < rows; i++) {
            MXD_UNROLL
            for (int v = 0; v < width; v++)
                vf32_store(sum + (i * width + v) * VF32_LANES, acc[i][v]);
        }
        finish(p, sum, rows, width);
    }
}

#define TILE(rows)                                         \
    static void full_##rows(const mxdi_tile_f32_args *p)   \
    {                                                      \
        tile(p, rows, 2, 1);                               \
    }                                                      \
    static void narrow_##rows(const mxdi_tile_f32_args *p) \
    {                                                      \
        tile(p, rows, 1, 1);                               \
    }
#define TILES_6(X)  X(1) X(2) X(3) X(4) X(5) X(6)
#define TILES_12(X) TILES_6(X) X(7) X(8) X(9) X(10) X(11) X(12)
#define TILES_14(X) TILES_12(X) X(13) X(14)
TILES(TILE)
#undef TILE

#define WIDE(rows, panels)                               \
    static void wide_##rows(const mxdi_tile_f32_args *p) \
    {                                                    \
        tile(p, rows, 2, panels);                        \
    }
WIDE(1, 4)
WIDE(2, 2)
WIDE(3, 2)
#undef WIDE

/* dst[i*lanes + n] = src[n*row + i] for i < k and n < used. */
static void transpose(float *dst, int32_t lanes, const float *src, int64_t row, int64_t k,
                      int32_t used)
{
    int32_t n = 0;
    for (; n + 8 <= used; n += 8) {
        int64_t i = 0;
        for (; i + 8 <= k; i += 8)
            transpose_8x8(dst + i * lanes + n, lanes, src + n * row + i, row);
        for (; i < k; i++) {
            for (int32_t j = n; j < n + 8; j++)
                dst[i * lanes + j] = src[j * row + i];
        }
    }
    for (int64_t i = 0; i < k; i++) {
        for (int32_t j = n; j < used; j++)
            dst[i * lanes + j] = src[j * row + i];
    }
}

static void pack(float *dst, const float *src, int64_t row, int64_t k, int32_t lanes, int32_t used,
                 int32_t transposed, int32_t bf16)
{
    const int64_t words = (k + WORD_TERMS - 1) / WORD_TERMS;
    if (used < lanes)
        memset(dst, 0, (size_t)(words * lanes) * sizeof(*dst));
    if (!transposed) {
        for (int64_t i = 0; i < words; i++)
            word_pack(dst + i * lanes, src + i * WORD_TERMS * row, row, k - i * WORD_TERMS, used,
                      bf16);
    } else if (!bf16 && WORD_TERMS == 1) {
        transpose(dst, lanes, src, row, k, used);
    } else {
        enum { PIECE = 64 }; /* words of each row rounded at a time */
        _Alignas(64) float rounded[FULL * PIECE];
        for (int64_t i = 0; i < words; i += PIECE) {
            const int64_t from = i * WORD_TERMS,
                          to   = from + PIECE * WORD_TERMS < k ? from + PIECE * WORD_TERMS : k;
            for (int32_t n = 0; n < used; n++)
                word_prepare(rounded + n * PIECE, src + n * row + from, to - from);
            transpose(dst + i * lanes, lanes, rounded, PIECE,
                      (to - from + WORD_TERMS - 1) / WORD_TERMS, used);
        }
    }
}

#define FULL_ROW(rows)   [rows] = full_##rows,
#define NARROW_ROW(rows) [rows] = narrow_##rows,
extern const struct mxdi_tile_f32 MXD_VARIANT(mxdi_tile_f32);
const struct mxdi_tile_f32        MXD_VARIANT(mxdi_tile_f32) = {
           .name        = TILE_NAME,
           .needs       = TILE_NEEDS,
           .terms       = WORD_TERMS,
           .rows        = TILE_ROWS,
           .full        = FULL,
           .narrow      = NARROW,
           .full_fn     = { TILES(FULL_ROW) },
           .narrow_fn   = { TILES(NARROW_ROW) },
           .wide_fn     = { NULL, wide_1, wide_2, wide_3 },
           .wide_panels = { 0, 4, 2, 2 },
           .prepare     = word_prepare,
           .pack        = pack,
           .finish      = finish_any,
};
