/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles of 32 rows x 32 lanes of bf16 pairs on tile registers: the two halves of a tile are those
 * of the registers. Panels are those of AVX-512 with BF16, which also does what follows the sums,
 * and tiles of a few rows. The including file has included amx.h. */
#include <string.h>

#include "kernels/tile_f32/tile_f32.h"

#define AMX_DOT amx_dot_bf16
#include "kernels/simd/amx_product.h"

enum { WORD = 4 }; /* bytes */

extern const struct mxdi_tile_f32 mxdi_tile_f32_avx512bf16;

/* Words of A that do not stand side by side are collected. */
enum { COLLECT = AMX_WORDS * WORD };

static void collect(uint8_t *to, const float *a, const mxdi_tile_f32_args *p, int32_t rows,
                    int32_t words)
{
    for (int32_t i = 0; i < rows; i++, a += p->a_row, to += COLLECT)
        for (int32_t k = 0; k < words; k++)
            memcpy(to + k * WORD, a + k * p->a_k, WORD);
}

/* n steps of a tap whose words have gaps between them. */
MXD_INLINE void multiply_apart(const bool two, const int V, const mxdi_tile_f32_args *p, int64_t n,
                               int32_t words, int32_t rows, const float *a, const float *b)
{
    _Alignas(64) uint8_t top[AMX_ROWS * COLLECT], bottom[AMX_ROWS * COLLECT];
    for (; n > 0; n--, a += words * p->a_k, b += (int64_t)words * V * AMX_LANES) {
        collect(top, a, p, two ? (rows + 1) / 2 : rows, words);
        if (two)
            collect(bottom, a + p->a_half, p, rows / 2, words);
        amx_multiply(two, V, 1, words, top, bottom, COLLECT, (const uint8_t *)b);
    }
}

/* sums = start + n steps of each tap from word `first` on. */
MXD_INLINE void pass(const bool two, const int V, const mxdi_tile_f32_args *p, int32_t rows,
                     int64_t n, int32_t words, int64_t first, const uint8_t *start,
                     int64_t start_row, uint8_t *sums)
{
    const int32_t          top   = two ? (rows + 1) / 2 : rows;
    const struct amx_shape shape = amx_shape_of(top, rows - top, words);
    const int64_t          row = V * AMX_VECTOR, lanes = V * AMX_LANES;
    const float           *a = p->a + first * p->a_k, *b = p->b + first * lanes;
    amx_configure(&shape);
    amx_start(two, V, start, start + top * start_row, start_row);
    for (int64_t ky = p->n_ky; ky > 0; ky--, a += p->a_ky, b += p->b_ky) {
        const float *ax = a;
        for (int64_t kx = p->n_kx; kx > 0; kx--, ax += p->a_kx, b += p->k * lanes) {
            if (p->a_k == 1)
                amx_multiply(two, V, n, words, (const uint8_t *)ax,
                             (const uint8_t *)(ax + p->a_half), p->a_row * WORD,
                             (const uint8_t *)b);
            else
                multiply_apart(two, V, p, n, words, rows, ax, b);
        }
    }
    amx_finish(two, V, sums, sums + top * row, row);
}

MXD_INLINE void tile(const bool two, const int V, const mxdi_tile_f32_args *p, int32_t rows)
{
    _Alignas(64) float     sums[MXDI_TILE_F32_MAX_ROWS * 2 * AMX_LANES];
    const struct amx_steps s = amx_steps_of(p->k);
    pass(two, V, p, rows, s.n, s.words, 0, (const uint8_t *)p->init, 0, (uint8_t *)sums);
    if (s.rest)
        pass(two, V, p, rows, 1, s.rest, s.n * s.words, (const uint8_t *)sums, V * AMX_VECTOR,
             (uint8_t *)sums);
    amx_release();
    mxdi_tile_f32_avx512bf16.finish(p, sums, rows, V);
}

/* Rows at one distance that fit one register. */
static bool is_low(const mxdi_tile_f32_args *p, int32_t rows)
{
    return rows <= AMX_ROWS && p->a_half == (rows + 1) / 2 * p->a_row;
}

static void tile_1(const mxdi_tile_f32_args *p, int32_t rows)
{
    if (is_low(p, rows))
        tile(false, 1, p, rows);
    else
        tile(true, 1, p, rows);
}

static void tile_2(const mxdi_tile_f32_args *p, int32_t rows)
{
    if (is_low(p, rows))
        tile(false, 2, p, rows);
    else
        tile(true, 2, p, rows);
}

#define EACH_FEW(X) X(1) X(2) X(3)
/* clang-format off */
#define EACH_MORE(X) \
    X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19) \
    X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31) X(32)
/* clang-format on */
#define TILE_FEW(R)                                     \
    static void full_##R(const mxdi_tile_f32_args *p)   \
    {                                                   \
        mxdi_tile_f32_avx512bf16.full_fn[R](p);         \
    }                                                   \
    static void narrow_##R(const mxdi_tile_f32_args *p) \
    {                                                   \
        mxdi_tile_f32_avx512bf16.narrow_fn[R](p);       \
    }                                                   \
    static void wide_##R(const mxdi_tile_f32_args *p)   \
    {                                                   \
        mxdi_tile_f32_avx512bf16.wide_fn[R](p);         \
    }
#define TILE_MORE(R)                                    \
    static void full_##R(const mxdi_tile_f32_args *p)   \
    {                                                   \
        tile_2(p, R);                                   \
    }                                                   \
    static void narrow_##R(const mxdi_tile_f32_args *p) \
    {                                                   \
        tile_1(p, R);                                   \
    }
EACH_FEW(TILE_FEW)
EACH_MORE(TILE_MORE)

static void prepare(float *dst, const float *src, int64_t n)
{
    mxdi_tile_f32_avx512bf16.prepare(dst, src, n);
}

static void pack(float *dst, const float *src, int64_t row, int64_t k, int32_t lanes, int32_t used,
                 int32_t transposed, int32_t bf16)
{
    mxdi_tile_f32_avx512bf16.pack(dst, src, row, k, lanes, used, transposed, bf16);
}

static void finish(const mxdi_tile_f32_args *args, const float *sum, int rows, int vecs)
{
    mxdi_tile_f32_avx512bf16.finish(args, sum, rows, vecs);
}

#define FULL_ROW(R)   [R] = full_##R,
#define NARROW_ROW(R) [R] = narrow_##R,
extern const struct mxdi_tile_f32 AMX_VARIANT(mxdi_tile_f32);
const struct mxdi_tile_f32        AMX_VARIANT(mxdi_tile_f32) = {
           .name        = AMX_TILE_NAME,
           .needs       = MXDI_ISA_AVX512 | MXDI_ISA_AVX512BF16 | MXDI_ISA_AMX,
           .terms       = 2,
           .rows        = MXDI_TILE_F32_MAX_ROWS,
           .full        = 2 * AMX_LANES,
           .narrow      = AMX_LANES,
           .full_fn     = { EACH_FEW(FULL_ROW) EACH_MORE(FULL_ROW) },
           .narrow_fn   = { EACH_FEW(NARROW_ROW) EACH_MORE(NARROW_ROW) },
           .wide_fn     = { NULL, wide_1, wide_2, wide_3 },
           .wide_panels = { 0, 4, 2, 2 },
           .prepare     = prepare,
           .pack        = pack,
           .finish      = finish,
};
