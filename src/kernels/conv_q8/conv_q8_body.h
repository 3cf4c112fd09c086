/* SPDX-License-Identifier: Apache-2.0
 *
 * The micro-kernels of conv_q8 over the vectors and products of simd/q8_<variant>.h. The plain
 * epilogue is part of every tile. The others take the accumulators from a buffer, so that one of
 * each serves tiles of all sizes: that costs 4 % at 64 input channels of a 1x1 window, and nothing
 * that can be measured from 256 on. */
#include "kernels/conv_q8/conv_q8_op.h"
#include "kernels/post_q8/post_q8_vec.h"

enum {
    K4_BYTES = 4 * VF32_LANES * Q8_WEIGHT_BYTES, /* one k4 of a vector of channels */
    FEW      = 4 /* rows: tiles of fewer only read weights, and have no time to ask */
};

/* Row i of a tile is p[i / 4] + (i % 4) rows, which four registers and two distances can address.
 */
MXD_INLINE const uint8_t *row_at(const uint8_t *const p[4], int i, int64_t row)
{
    return p[i / 4] + (i % 4) * row;
}

/* The accumulators of a row; the second is unused in a narrow panel. */
struct vrow {
    vi32 v[2];
};

/* acc[0] (R, V*lanes) = bias + sum over taps and k4s. S partial sums of each keep the multipliers
 * busy when there are few rows: a product waits for the one before it. */
MXD_INLINE void multiply(const int R, const int V, const int S, const mxdi_conv_q8_tile *t,
                         struct vrow acc[4][MXDI_CONV_Q8_MAX_ROWS])
{
    const int64_t  row = t->a_row, step = t->a_step;
    const uint8_t *next0 = t->next[0], *next1 = t->next[1];
    MXD_UNROLL
    for (int i = 0; i < R; i++)
        MXD_UNROLL
    for (int v = 0; v < V; v++) {
        acc[0][i].v[v] = q8_load(t->bias + v * VF32_LANES);
        MXD_UNROLL
        for (int s = 1; s < S; s++)
            acc[s][i].v[v] = vi32_set1(0);
    }
    for (int32_t tap = 0; tap < t->n_taps; tap++) {
        const uint8_t *a    = t->a + t->taps[tap].a;
        const uint8_t *w    = t->w + t->taps[tap].k4 * (V * K4_BYTES);
        const uint8_t *p[4] = { a, a + 4 * row, a + 8 * row, a + 12 * row };
        int32_t        k    = t->k4;
        if (t->ahead) {
            next0 = w + t->ahead;
            next1 = next0 + 64;
        }
        for (; k >= S; k -= S) {
            MXD_UNROLL
            for (int s = 0; s < S; s++) {
                q8_weights b[2];
                MXD_UNROLL
                for (int v = 0; v < V; v++)
                    b[v] = q8_weights_load(w + (s * V + v) * K4_BYTES);
                if (R >= FEW) {
                    __builtin_prefetch(next0);
                    __builtin_prefetch(next1);
                    next0 += t->next_step[0];
                    next1 += t->next_step[1];
                }
                MXD_UNROLL
                for (int i = 0; i < R; i++) {
                    const q8_input x = q8_input_of(q8_spread(row_at(p, i, row)));
                    MXD_UNROLL
                    for (int v = 0; v < V; v++)
                        acc[s][i].v[v] = q8_dot(acc[s][i].v[v], x, b[v]);
                }
                MXD_UNROLL
                for (int g = 0; g < (R + 3) / 4; g++)
                    p[g] += step;
            }
            w += S * V * K4_BYTES;
        }
        for (; S > 1 && k > 0; k--) {
            MXD_UNROLL
            for (int i = 0; i < R; i++) {
                const q8_input x = q8_input_of(q8_spread(row_at(p, i, row)));
                MXD_UNROLL
                for (int v = 0; v < V; v++)
                    acc[0][i].v[v] = q8_dot(acc[0][i].v[v], x, q8_weights_load(w + v * K4_BYTES));
            }
            MXD_UNROLL
            for (int g = 0; g < (R + 3) / 4; g++)
                p[g] += step;
            w += V * K4_BYTES;
        }
    }
    MXD_UNROLL
    for (int i = 0; i < R; i++)
        MXD_UNROLL
    for (int v = 0; v < V; v++) {
        vi32 sum = acc[0][i].v[v];
        MXD_UNROLL
        for (int s = 1; s < S; s++)
            sum = vi32_add(sum, acc[s][i].v[v]);
        MXD_OPAQUE(sum);
        acc[0][i].v[v] = sum;
    }
}

/* Asks for the outputs and residuals of the rows behind those of the tile. */
MXD_INLINE void ask_behind(const int R, const mxdi_conv_q8_tile *t)
{
    const int64_t  row = t->y_row;
    const uint8_t *y = (const uint8_t *)t->y + R * row, *r = t->r + R * row;
    MXD_UNROLL
    for (int i = 0; i < R; i++) {
        __builtin_prefetch(y + i * row);
        __builtin_prefetch(r + i * row);
    }
}

/* What the rows of a tile have in common behind the accumulators. */
struct finish {
    struct vpost   post;
    vf32           m[2], bias[2];
    uint8_t       *y;
    const uint8_t *r;
    int64_t        row;
    size_t         n;
};

MXD_INLINE struct finish finish_make(const int V, const mxdi_conv_q8_tile *t)
{
    struct finish f = {
        .post = vpost_make(t->post), .y = t->y, .r = t->r, .row = t->y_row, .n = t->n
    };
    MXD_UNROLL
    for (int v = 0; v < V; v++) {
        f.m[v]    = vf32_load(t->m + v * VF32_LANES);
        f.bias[v] = vf32_load(t->bias_float + v * VF32_LANES);
    }
    return f;
}

/* Rows i and j to u8; both may be the same. */
MXD_INLINE void finish_rows(const mxdi_post_q8_kind kind, const int V, const struct finish *f,
                            int64_t i, int64_t j, const struct vrow *acc_i,
                            const struct vrow *acc_j)
{
    const int64_t at[2]   = { i * f->row, j * f->row };
    vi32          q[2][2] = { { vi32_set1(0), vi32_set1(0) }, { vi32_set1(0), vi32_set1(0) } };
    MXD_UNROLL
    for (int v = 0; v < V; v++)
        MXD_UNROLL
    for (int k = 0; k < 2; k++) {
        const vi32 sum = k ? acc_j->v[v] : acc_i->v[v];
        const vi32 r =
            kind == MXDI_POST_Q8_PLAIN ? sum : vi32_load_u8(f->r + at[k] + v * VF32_LANES);
        q[k][v] = vpost_steps(kind, &f->post, sum, f->m[v], f->bias[v], r);
    }
    const vu8 narrow =
        q8_narrow(q[0][0], q[0][1], q[1][0], q[1][1], f->post.y_zero_point, f->post.q_min);
    q8_store_rows(f->y + at[0], f->y + at[1], q8_rows(narrow), f->n);
}

/* All rows from registers: R is a constant. */
MXD_INLINE void finish_plain(const int R, const int V, const mxdi_conv_q8_tile *t,
                             const struct vrow *acc)
{
    const struct finish f = finish_make(V, t);
    MXD_UNROLL
    for (int i = 0; i < R; i += 2) {
        const int j = i + 1 < R ? i + 1 : i;
        finish_rows(MXDI_POST_Q8_PLAIN, V, &f, i, j, &acc[i], &acc[j]);
    }
}

/* All rows from memory. */
MXD_INLINE void finish_rows_of(const mxdi_post_q8_kind kind, const int V,
                               const mxdi_conv_q8_tile *t, const struct vrow *acc, int32_t rows)
{
    const struct finish f = finish_make(V, t);
    for (int32_t i = 0; i < rows; i += 2) {
        const int32_t j = i + 1 < rows ? i + 1 : i;
        finish_rows(kind, V, &f, i, j, &acc[i], &acc[j]);
    }
}

static void finish_float(const mxdi_conv_q8_tile *t, const struct vrow *acc, int32_t rows)
{
    const struct vpost post = vpost_make(t->post);
    for (int32_t i = 0; i < rows; i++) {
        float *y = (float *)(void *)((uint8_t *)t->y + i * t->y_row);
        for (size_t lane = 0; lane < t->n; lane += VF32_LANES) {
            const vf32 m = vf32_load(t->m + lane), bias = vf32_load(t->bias_float + lane);
            const vf32 v = vpost_float(&post, acc[i].v[lane / VF32_LANES], m, bias);
            if (t->n - lane >= VF32_LANES)
                vf32_store(y + lane, v);
            else
                vf32_store_tail(y + lane, v, t->n - lane);
        }
        memset(y + t->n, 0, t->pads * sizeof(float));
    }
}

MXD_INLINE void finish_any(const int V, const mxdi_conv_q8_tile *t, const struct vrow *acc,
                           int32_t rows)
{
    switch (t->post->kind) {
    case MXDI_POST_Q8_PLAIN:
        finish_rows_of(MXDI_POST_Q8_PLAIN, V, t, acc, rows);
        break;
    case MXDI_POST_Q8_RESIDUAL:
        finish_rows_of(MXDI_POST_Q8_RESIDUAL, V, t, acc, rows);
        break;
    case MXDI_POST_Q8_MID:
        finish_rows_of(MXDI_POST_Q8_MID, V, t, acc, rows);
        break;
    case MXDI_POST_Q8_MID_FIRST:
        finish_rows_of(MXDI_POST_Q8_MID_FIRST, V, t, acc, rows);
        break;
    case MXDI_POST_Q8_FLOAT:
        finish_float(t, acc, rows);
        break;
    }
}

static void finish_1(const mxdi_conv_q8_tile *t, const int32_t *sums, int32_t rows)
{
    finish_any(1, t, (const struct vrow *)(const void *)sums, rows);
}

static void finish_2(const mxdi_conv_q8_tile *t, const int32_t *sums, int32_t rows)
{
    finish_any(2, t, (const struct vrow *)(const void *)sums, rows);
}

MXD_INLINE void tile(const int R, const int V, const mxdi_conv_q8_tile *t)
{
    const int   chains = R * V, partial_sums = chains >= Q8_CHAINS ? 1 : chains >= 4 ? 2 : 4;
    struct vrow acc[4][MXDI_CONV_Q8_MAX_ROWS];
    if (R >= FEW && t->far)
        ask_behind(R, t);
    multiply(R, V, partial_sums, t, acc);
    if (t->post->kind == MXDI_POST_Q8_PLAIN) {
        finish_plain(R, V, t, acc[0]);
        return;
    }
    struct vrow buffer[MXDI_CONV_Q8_MAX_ROWS];
    MXD_UNROLL
    for (int i = 0; i < R; i++)
        MXD_UNROLL
    for (int v = 0; v < V; v++)
        buffer[i].v[v] = acc[0][i].v[v];
    (V == 1 ? finish_1 : finish_2)(t, (const int32_t *)(const void *)buffer, R);
}

#define TILE(V, R)                                         \
    static void tile_##V##x##R(const mxdi_conv_q8_tile *t) \
    {                                                      \
        tile(R, V, t);                                     \
    }
#define TILE_1(R) TILE(1, R)
#define TILE_2(R) TILE(2, R)
Q8_EACH_ROWS(TILE_1)
Q8_EACH_ROWS(TILE_2)

/* The lowest byte of VF32_LANES rows, a_row (1 or 4) bytes apart, where `keep` says so. */
MXD_INLINE vi32 collect_bytes(const uint8_t *p, const int64_t a_row, uint32_t keep)
{
    const vi32 v = a_row == 1 ? vi32_load_u8(p) : vu8_load(p);
    return vi32_and(v, vi32_set1((int32_t)keep));
}

/* Rows side by side; up to VF32_LANES - 1 too many. `none` has the bytes that are not kept. */
MXD_INLINE void collect_dense(uint32_t *out, const uint8_t *const p[4], const uint32_t keep[4],
                              uint32_t none, const int64_t a_row, int64_t rows)
{
    for (int64_t i = 0; i < rows; i += VF32_LANES) {
        const int64_t at = i * a_row;
        const vi32    v  = vi32_set1((int32_t)none);
        const vi32    v0 = vi32_xor(v, collect_bytes(p[0] + at, a_row, keep[0]));
        const vi32    v1 = vi32_sll(collect_bytes(p[1] + at, a_row, keep[1]), 8);
        const vi32    v2 = vi32_sll(collect_bytes(p[2] + at, a_row, keep[2]), 16);
        const vi32    v3 = vi32_sll(collect_bytes(p[3] + at, a_row, keep[3]), 24);
        vu8_store((uint8_t *)(out + i), vi32_xor(vi32_xor(v0, v1), vi32_xor(v2, v3)));
    }
}

static void collect_apart(uint32_t *out, const uint8_t *const p[4], const uint32_t keep[4],
                          uint32_t none, int64_t a_row, int64_t rows)
{
    for (int64_t i = 0; i < rows; i++) {
        const int64_t at = i * a_row;
        out[i]           = none | (p[0][at] & keep[0]) | (p[1][at] & keep[1]) << 8 |
                 (p[2][at] & keep[2]) << 16 | (p[3][at] & keep[3]) << 24;
    }
}

static void collect(uint32_t *out, int64_t step, const uint8_t *a, int64_t a_row, int64_t rows,
                    const mxdi_conv_q8_quad *quads, int32_t n_quads)
{
    for (int32_t q = 0; q < n_quads; q++, out += step) {
        const uint8_t *p[4];
        uint32_t       keep[4], none = 0;
        for (int j = 0; j < 4; j++) {
            const int64_t at = quads[q].a[j];
            p[j]             = a + (at < 0 ? 0 : at);
            keep[j]          = at < 0 ? 0 : 0xFF;
            none |= (at < 0 ? (uint32_t)Q8_NOTHING : 0) << 8 * j;
        }
        if (a_row == 4)
            collect_dense(out, p, keep, none, 4, rows);
        else if (a_row == 1)
            collect_dense(out, p, keep, none, 1, rows);
        else
            collect_apart(out, p, keep, none, a_row, rows);
    }
}

#define ENTRY_1(R) [R] = tile_1x##R,
#define ENTRY_2(R) [R] = tile_2x##R,
const struct mxdi_conv_q8_kernel MXD_VARIANT(mxdi_conv_q8) = {
    .name         = MXD_VARIANT_NAME("conv_q8"),
    .lanes        = VF32_LANES,
    .weight_bytes = Q8_WEIGHT_BYTES,
    .nothing      = Q8_NOTHING,
    .rows         = Q8_ROWS,
    .tile         = { { Q8_EACH_ROWS(ENTRY_1) }, { Q8_EACH_ROWS(ENTRY_2) } },
    .collect      = collect,
    .finish       = { finish_1, finish_2 },
};
