/* SPDX-License-Identifier: Apache-2.0
 *
 * The tiles of one instruction set over simd/f32_<isa>.h, which the including file has chosen, and
 * its weights(): the next word of x's k for one vector of columns, taken from the lowest bits of
 * *packed, which move on. Rows and vectors are unrolled; sums live in registers. */
#include "kernels/matmul_w4/matmul_w4_impl.h"

/* One word of every row. */
MXD_INLINE void step(vf32 acc[][MXDI_MATMUL_W4_BUNDLE], vi32 packed[MXDI_MATMUL_W4_BUNDLE],
                     const vf32 scale[MXDI_MATMUL_W4_BUNDLE], const float *x, int64_t x_row,
                     const int32_t bf16, const int rows, const int vectors)
{
    MXD_UNROLL
    for (int v = 0; v < vectors; v++) {
        const vword w = weights(&packed[v], scale[v], bf16);
        MXD_UNROLL
        for (int i = 0; i < rows; i++)
            acc[i][v] = word_step(word_broadcast(x + i * x_row), w, acc[i][v]);
    }
}

/* All k of one scale. */
MXD_INLINE void block(vf32 acc[][MXDI_MATMUL_W4_BUNDLE], const mxdi_matmul_w4_args *p,
                      const uint32_t *w, const float *s, const float *x, int64_t words,
                      const int32_t bf16, const int rows, const int vectors)
{
    enum { WORDS = MXDI_MATMUL_W4_GROUP / WORD_TERMS };
    vf32 scale[MXDI_MATMUL_W4_BUNDLE];
    vi32 packed[MXDI_MATMUL_W4_BUNDLE];
    MXD_UNROLL
    for (int v = 0; v < vectors; v++)
        scale[v] = vf32_load(s + v * VF32_LANES);
    for (; words > 0; words -= WORDS, w += p->step) {
        MXD_UNROLL
        for (int v = 0; v < vectors; v++) {
            packed[v] = vi32_load((const int32_t *)w + v * VF32_LANES);
            __builtin_prefetch(w + AHEAD * p->step + v * VF32_LANES);
        }
        if (words >= WORDS) {
            MXD_UNROLL
            for (int k = 0; k < WORDS; k++)
                step(acc, packed, scale, x + k, p->x_row, bf16, rows, vectors);
            x += WORDS;
        } else {
            for (int64_t k = 0; k < words; k++)
                step(acc, packed, scale, x + k, p->x_row, bf16, rows, vectors);
        }
    }
}

MXD_INLINE void finish(const mxdi_matmul_w4_args *p, vf32 acc[][MXDI_MATMUL_W4_BUNDLE],
                       const int rows, const int vectors)
{
    const vf32 lo = vf32_set1(p->lo), hi = vf32_set1(p->hi);
    for (int i = 0; i < rows; i++) {
        int64_t left = p->columns;
        for (int v = 0; v < vectors && left > 0; v++, left -= VF32_LANES) {
            const int64_t at   = i * p->y_row + v * VF32_LANES;
            const size_t  tail = left < VF32_LANES ? (size_t)left : 0;
            vf32          s    = p->round_bf16 ? vf32_round_bf16(acc[i][v]) : acc[i][v];
            if (p->r)
                s = vf32_add(s, vf32_load_k(p->r + at, tail));
            vf32_store_k(p->y + at, vf32_min(hi, vf32_max(lo, s)), tail);
        }
    }
}

MXD_INLINE void tile(const mxdi_matmul_w4_args *p, const int32_t bf16, const int rows,
                     const int vectors)
{
    const uint32_t *w = p->w;
    const float    *s = p->scale, *x = p->x;
    vf32            acc[MXDI_MATMUL_W4_ROWS][MXDI_MATMUL_W4_BUNDLE];
    MXD_UNROLL
    for (int v = 0; v < vectors; v++) {
        MXD_UNROLL
        for (int i = 0; i < rows; i++)
            acc[i][v] = vf32_load(p->bias + v * VF32_LANES);
    }
    for (int64_t k = 0; k < p->k; k += p->block, s += p->step) {
        const int64_t n = p->k - k < p->block ? p->k - k : p->block;
        block(acc, p, w, s, x, (n + WORD_TERMS - 1) / WORD_TERMS, bf16, rows, vectors);
        w += p->block / MXDI_MATMUL_W4_GROUP * p->step;
        x += p->block / WORD_TERMS;
    }
    finish(p, acc, rows, vectors);
}

#define TILE(rows, vectors)                                 \
    static void wide_##rows(const mxdi_matmul_w4_args *p)   \
    {                                                       \
        if (WORD_TERMS == 1 && p->bf16)                     \
            tile(p, 1, rows, vectors);                      \
        else                                                \
            tile(p, WORD_TERMS > 1, rows, vectors);         \
    }                                                       \
    static void single_##rows(const mxdi_matmul_w4_args *p) \
    {                                                       \
        tile(p, WORD_TERMS > 1 ? 1 : p->bf16, rows, 1);     \
    }
TILES(TILE)
#undef TILE

#define WIDE_ROW(rows, vectors)   [rows] = wide_##rows,
#define SINGLE_ROW(rows, vectors) [rows] = single_##rows,
#define COUNT_ROW(rows, vectors)  [rows] = vectors,
extern const struct mxdi_matmul_w4_tile MXD_VARIANT(mxdi_matmul_w4);
const struct mxdi_matmul_w4_tile        MXD_VARIANT(mxdi_matmul_w4) = {
           .name        = TILE_NAME,
           .needs       = TILE_NEEDS,
           .lanes       = VF32_LANES,
           .terms       = WORD_TERMS,
           .quick_rows  = QUICK_ROWS,
           .quick_bytes = QUICK_BYTES,
           .high_first  = HIGH_FIRST,
           .wide        = { TILES(WIDE_ROW) },
           .single      = { TILES(SINGLE_ROW) },
           .vectors     = { TILES(COUNT_ROW) },
           .prepare     = word_prepare,
};
