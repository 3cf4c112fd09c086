/* SPDX-License-Identifier: Apache-2.0
 *
 * The tiles of conv_q8 on tile registers: panels are those of AVX-512 VNNI, whose k4s stand as the
 * registers want them, and so is what follows the sums. The including file has included amx.h. */
#include "kernels/conv_q8/conv_q8_op.h"

#define AMX_DOT amx_dot_u8s8
#include "kernels/simd/amx_product.h"

enum { ROW = 2 * AMX_VECTOR }; /* bytes of the sums of a row, also in narrow panels */

static int32_t top_of(int32_t rows)
{
    return rows < AMX_ROWS ? rows : AMX_ROWS;
}

/* The registers for tiles of `rows` rows and steps of `words` words, unless they have this shape
 * already. */
static void set_up(const mxdi_conv_q8_tile *t, int32_t rows, int32_t words)
{
    const int32_t wanted = rows << 8 | words;
    if (*t->set_up == wanted)
        return;
    const struct amx_shape shape = amx_shape_of(top_of(rows), rows - top_of(rows), words);
    amx_configure(&shape);
    *t->set_up = wanted;
}

/* sums = start + n steps of each tap from k4 `first` on. */
MXD_INLINE void pass(const bool two, const int V, const mxdi_conv_q8_tile *t, int64_t n,
                     int32_t words, int64_t first, const uint8_t *start, int64_t start_row,
                     uint8_t *sums)
{
    amx_start(two, V, start, start + AMX_ROWS * start_row, start_row);
    for (int32_t i = 0; i < t->n_taps; i++) {
        const uint8_t *a = t->a + t->taps[i].a + 4 * first;
        amx_multiply(two, V, n, words, a, a + AMX_ROWS * t->a_row, t->a_row,
                     t->w + (t->taps[i].k4 + first) * V * AMX_VECTOR);
    }
    amx_finish(two, V, sums, sums + AMX_ROWS * ROW, ROW);
}

MXD_INLINE void tile(const bool two, const int V, const mxdi_conv_q8_tile *t, int32_t rows)
{
    _Alignas(64) int32_t   sums[MXDI_CONV_Q8_MAX_ROWS * 2 * AMX_LANES];
    const struct amx_steps s = amx_steps_of(t->k4);
    set_up(t, rows, s.words);
    pass(two, V, t, s.n, s.words, 0, (const uint8_t *)t->bias, 0, (uint8_t *)sums);
    if (s.rest) {
        set_up(t, rows, s.rest);
        pass(two, V, t, 1, s.rest, s.n * s.words, (const uint8_t *)sums, ROW, (uint8_t *)sums);
    }
    mxdi_conv_q8_avx512vnni.finish[V - 1](t, sums, rows);
}

static void low_1(const mxdi_conv_q8_tile *t, int32_t rows)
{
    tile(false, 1, t, rows);
}

static void low_2(const mxdi_conv_q8_tile *t, int32_t rows)
{
    tile(false, 2, t, rows);
}

static void high_1(const mxdi_conv_q8_tile *t, int32_t rows)
{
    tile(true, 1, t, rows);
}

static void high_2(const mxdi_conv_q8_tile *t, int32_t rows)
{
    tile(true, 2, t, rows);
}

/* clang-format off */
#define EACH_ROWS(X) \
    X(low, 1) X(low, 2) X(low, 3) X(low, 4) X(low, 5) X(low, 6) X(low, 7) X(low, 8) \
    X(low, 9) X(low, 10) X(low, 11) X(low, 12) X(low, 13) X(low, 14) X(low, 15) X(low, 16) \
    X(high, 17) X(high, 18) X(high, 19) X(high, 20) X(high, 21) X(high, 22) X(high, 23) X(high, 24) \
    X(high, 25) X(high, 26) X(high, 27) X(high, 28) X(high, 29) X(high, 30) X(high, 31) X(high, 32)
/* clang-format on */
#define TILE(height, R)                                \
    static void tile_1x##R(const mxdi_conv_q8_tile *t) \
    {                                                  \
        height##_1(t, R);                              \
    }                                                  \
    static void tile_2x##R(const mxdi_conv_q8_tile *t) \
    {                                                  \
        height##_2(t, R);                              \
    }
EACH_ROWS(TILE)

static void collect(uint32_t *out, int64_t step, const uint8_t *a, int64_t a_row, int64_t rows,
                    const mxdi_conv_q8_quad *quads, int32_t n_quads)
{
    mxdi_conv_q8_avx512vnni.collect(out, step, a, a_row, rows, quads, n_quads);
}

static void leave(void)
{
    amx_release();
}

#define ENTRY_1(height, R) [R] = tile_1x##R,
#define ENTRY_2(height, R) [R] = tile_2x##R,
const struct mxdi_conv_q8_kernel AMX_VARIANT(mxdi_conv_q8) = {
    .name         = AMX_VARIANT_NAME("conv_q8"),
    .lanes        = AMX_LANES,
    .weight_bytes = 1,
    .rows         = MXDI_CONV_Q8_MAX_ROWS,
    .tile         = { { EACH_ROWS(ENTRY_1) }, { EACH_ROWS(ENTRY_2) } },
    .collect      = collect,
    .leave        = leave,
};
