/* SPDX-License-Identifier: Apache-2.0
 *
 * stem_q8 over the vectors and products of simd/q8_<variant>.h. */
#include "kernels/post_q8/post_q8_vec.h"
#include "kernels/stem_q8/stem_q8.h"

enum {
    VECTORS   = MXDI_STEM_Q8_VECTORS,
    PIECE     = 16, /* bytes of 128 bits */
    PARTS     = PIECE / VF32_LANES,
    TAP_BYTES = 4 * VF32_LANES * Q8_WEIGHT_BYTES, /* weights of an output channel */
    OUTS      = Q8_ROWS / 2                       /* as many accumulators as in a tile of conv_q8 */
};

/* ---- inputs ---- */

static void plane(uint8_t *to, const uint8_t *x, int64_t pitch, int64_t n)
{
    if (pitch != 4 || n < PIECE) {
        for (int64_t i = 0; i < n; i++)
            to[i] = x[i * pitch];
        return;
    }
    for (int64_t i = 0; i < n; i += PIECE) {
        const int64_t at = i + PIECE <= n ? i : n - PIECE;
        vi32          v[PARTS];
        for (int64_t part = 0; part < PARTS; part++)
            v[part] = vi32_and(vu8_load(x + 4 * (at + part * VF32_LANES)), vi32_set1(0xFF));
        q128_store(to + at, q128_narrow(v));
    }
}

static void quads(uint32_t *to, const uint8_t *const rows[4], int64_t n)
{
    for (int64_t i = 0; i < n; i += VF32_LANES) {
        const vi32 v0 = vi32_load_u8(rows[0] + i), v1 = vi32_sll(vi32_load_u8(rows[1] + i), 8);
        const vi32 v2 = vi32_sll(vi32_load_u8(rows[2] + i), 16);
        const vi32 v3 = vi32_sll(vi32_load_u8(rows[3] + i), 24);
        vu8_store((uint8_t *)(to + i), vi32_xor(vi32_xor(v0, v1), vi32_xor(v2, v3)));
    }
}

/* ---- products ---- */

/* The vectors of sums of a channel. */
struct sums {
    vi32 v[VECTORS];
};

/* Sums of N channels; quads of vectors 1 and 3 are those of odd outputs. */
MXD_INLINE void multiply(const int N, struct sums acc[OUTS], const mxdi_stem_q8_tile *t,
                         const uint32_t *const x[VECTORS])
{
    const uint32_t *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3];
    const uint8_t  *w = t->w;
    MXD_UNROLL
    for (int o = 0; o < N; o++)
        MXD_UNROLL
    for (int v = 0; v < VECTORS; v++)
        acc[o].v[v] = vi32_set1(t->bias[o]);
    for (int32_t tap = 0; tap < t->n_taps; tap++, w += N * TAP_BYTES) {
        const int64_t  even = t->taps[tap].even, odd = t->taps[tap].odd;
        const q8_input in[VECTORS] = { q8_input_of(vu8_load((const uint8_t *)(x0 + even))),
                                       q8_input_of(vu8_load((const uint8_t *)(x1 + odd))),
                                       q8_input_of(vu8_load((const uint8_t *)(x2 + even))),
                                       q8_input_of(vu8_load((const uint8_t *)(x3 + odd))) };
        MXD_UNROLL
        for (int o = 0; o < N; o++) {
            const q8_weights b = q8_weights_load(w + o * TAP_BYTES);
            MXD_UNROLL
            for (int v = 0; v < VECTORS; v++)
                acc[o].v[v] = q8_dot(acc[o].v[v], in[v], b);
        }
    }
    MXD_UNROLL
    for (int o = 0; o < N; o++)
        MXD_UNROLL
    for (int v = 0; v < VECTORS; v++)
        MXD_OPAQUE(acc[o].v[v]);
}

/* Channel o: sums as floats to bytes of the stage. */
MXD_INLINE void finish(const mxdi_stem_q8_tile *t, const struct vpost *post, int o,
                       const vf32 sums[VECTORS])
{
    const vf32 m = vf32_set1(t->m[o]), bias = vf32_set1(t->bias_float[o]);
    vi32       q[VECTORS];
    MXD_UNROLL
    for (int v = 0; v < VECTORS; v++)
        q[v] = q8_rint(vf32_min(vf32_fma(sums[v], m, bias), post->hi));
    vu8_store(t->stage + o * VU8_LANES,
              q8_narrow(q[0], q[1], q[2], q[3], post->y_zero_point, post->q_min));
}

MXD_INLINE void group(const int N, const mxdi_stem_q8_tile *t)
{
    const struct vpost post = vpost_make(t->post);
    struct sums        acc[OUTS];
    multiply(N, acc, t, t->x);
    MXD_UNROLL
    for (int o = 0; o < N; o++) {
        vf32 sums[VECTORS];
        MXD_UNROLL
        for (int v = 0; v < VECTORS; v++)
            sums[v] = vf32_from_i32(acc[o].v[v]);
        finish(t, &post, o, sums);
    }
}

/* The same behind a pool: what follows the sums never falls where they rise, so their largest
 * serves. Conversion to float keeps the order, too. */
MXD_INLINE void group_pooled(const int N, const mxdi_stem_q8_tile *t)
{
    const struct vpost post = vpost_make(t->post);
    vf32               best[OUTS][VECTORS];
    for (int v = 0; v < VECTORS; v++) {
        const uint32_t *const x[VECTORS] = { t->x[v], t->x[v], t->x[v] + t->below,
                                             t->x[v] + t->below };
        struct sums           acc[OUTS];
        multiply(N, acc, t, x);
        MXD_UNROLL
        for (int o = 0; o < N; o++)
            best[o][v] = vf32_max(vf32_max(vf32_from_i32(acc[o].v[0]), vf32_from_i32(acc[o].v[1])),
                                  vf32_max(vf32_from_i32(acc[o].v[2]), vf32_from_i32(acc[o].v[3])));
    }
    for (int o = 0; o < N; o++)
        finish(t, &post, o, best[o]);
}

#define GROUP(N)                                      \
    static void group_##N(const mxdi_stem_q8_tile *t) \
    {                                                 \
        if (t->below)                                 \
            group_pooled(N < OUTS ? N : OUTS, t);     \
        else                                          \
            group(N < OUTS ? N : OUTS, t);            \
    }
GROUP(1)
GROUP(2)
GROUP(3)
GROUP(4)
GROUP(5)
GROUP(6)
#undef GROUP

static void tile(const mxdi_stem_q8_tile *t)
{
    static void (*const groups[])(const mxdi_stem_q8_tile *) = { group_1, group_2, group_3,
                                                                 group_4, group_5, group_6 };
    groups[t->n - 1](t);
}

/* ---- outputs ---- */

/* Bytes of 16 channels, from a line of outputs for each to a line of channels for each output:
 * output 4*i + k of vector v is piece i of out[v][k]. Both rounds interleave four vectors. */
MXD_INLINE void transpose(vu8 out[VECTORS][4], const uint8_t *stage)
{
    vi32 q[4][VECTORS];
    MXD_UNROLL
    for (int c = 0; c < 4; c++) /* channels c, c + 4, c + 8, c + 12 */
        q8_zip4(q[c], vu8_load(stage + c * VU8_LANES), vu8_load(stage + (c + 4) * VU8_LANES),
                vu8_load(stage + (c + 8) * VU8_LANES), vu8_load(stage + (c + 12) * VU8_LANES));
    MXD_UNROLL
    for (int v = 0; v < VECTORS; v++)
        q8_zip4(out[v], q[0][v], q[1][v], q[2][v], q[3][v]);
}

static void store(uint8_t *const y[VECTORS], int64_t step, const uint8_t *stage, int32_t n)
{
    for (int32_t c = 0; c < n; c += PIECE, stage += PIECE * VU8_LANES) {
        const size_t width = n - c < PIECE ? (size_t)(n - c) : PIECE;
        vu8          out[VECTORS][4];
        transpose(out, stage);
        for (int v = 0; v < VECTORS; v++)
            for (int k = 0; k < 4; k++) {
                uint8_t  bytes[VU8_LANES];
                uint8_t *to = y[v] + c + k * step;
                vu8_store(bytes, out[v][k]);
                for (int64_t i = 0; i < VU8_LANES / PIECE; i++, to += 4 * step) {
                    const q128 piece = q128_load(bytes + i * PIECE);
                    if (width == PIECE)
                        q128_store(to, piece);
                    else
                        q128_store_tail(to, piece, width);
                }
            }
    }
}

const struct mxdi_stem_q8 MXD_VARIANT(mxdi_stem_q8) = { .name  = MXD_VARIANT_NAME("conv_q8_stem"),
                                                        .outs  = OUTS,
                                                        .plane = plane,
                                                        .quads = quads,
                                                        .tile  = tile,
                                                        .store = store };
