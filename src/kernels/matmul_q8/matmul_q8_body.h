/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels of matmul_q8 over the vectors and products of simd/q8_<variant>.h. */
#include "kernels/matmul_q8/matmul_q8_impl.h"
#include "kernels/post_q8/post_q8_vec.h"

enum {
    PANEL    = 2 * VF32_LANES,
    K4_BYTES = 4 * VF32_LANES * Q8_WEIGHT_BYTES /* one k4 of a vector of columns */
};

/* ---- packing ---- */

/* Bytes 4*k .. 4*k + 3 of `lanes` columns side by side in memory; 128 behind the last. */
MXD_INLINE vi32 widen_rows(const mxdi_matmul_q8_source *s, int64_t k, int64_t column)
{
    const uint8_t *const p = s->b + k * s->b_k + column;
    vi32                 v = vi32_load_u8(p);
    const vi32           z = vi32_set1(128);
    v                      = vi32_xor(v, vi32_sll(k + 1 < s->k ? vi32_load_u8(p + s->b_k) : z, 8));
    v = vi32_xor(v, vi32_sll(k + 2 < s->k ? vi32_load_u8(p + 2 * s->b_k) : z, 16));
    return vi32_xor(v, vi32_sll(k + 3 < s->k ? vi32_load_u8(p + 3 * s->b_k) : z, 24));
}

/* The same of columns that stand anywhere, of which `n` are there. */
MXD_INLINE vi32 gather_rows(const mxdi_matmul_q8_source *s, int64_t k, int64_t column)
{
    uint32_t      four[VF32_LANES];
    const int64_t left = s->n - column, n = left < VF32_LANES ? left : VF32_LANES;
    for (int64_t j = 0; j < VF32_LANES; j++)
        four[j] = 0x80808080u;
    for (int64_t j = 0; j < n; j++) {
        const uint8_t *const p = s->b + k * s->b_k + (column + j) * s->b_n;
        if (s->b_k == 1 && k + 4 <= s->k) {
            memcpy(&four[j], p, sizeof(four[j]));
            continue;
        }
        uint8_t bytes[4] = { 128, 128, 128, 128 };
        for (int64_t i = 0; i < 4 && k + i < s->k; i++)
            bytes[i] = p[i * s->b_k];
        memcpy(&four[j], bytes, sizeof(four[j]));
    }
    return vu8_load((const uint8_t *)four);
}

/* b' of one k4 of a vector of columns. */
MXD_INLINE void put_weights(uint8_t *w, vi32 bytes)
{
    if (Q8_WEIGHT_BYTES == 1) {
        vu8_store(w, vi32_xor(bytes, vi32_set1((int32_t)0x80808080u)));
        return;
    }
    const vi32 low = vi32_set1(0x00FF00FF), middle = q8_set1_s16(128);
    vu8_store(w, q16_sub(vi32_and(bytes, low), middle));
    vu8_store(w + K4_BYTES / 2, q16_sub(vi32_and(vi32_srl(bytes, 8), low), middle));
}

static void pack(uint8_t *w, int32_t *sums, const mxdi_matmul_q8_source *s)
{
    const q8_input ones   = q8_input_of(vi32_set1((int32_t)((Q8_NOTHING + 1) * 0x01010101u)));
    vi32           sum[2] = { vi32_set1(0), vi32_set1(0) };
    for (int64_t k = 0; k < s->k; k += 4)
        for (int64_t v = 0; v < 2; v++, w += K4_BYTES) {
            const int64_t column = v * VF32_LANES;
            const bool    dense  = s->b_n == 1 && column + VF32_LANES <= s->n;
            put_weights(w, dense ? widen_rows(s, k, column) : gather_rows(s, k, column));
            sum[v] = q8_dot(sum[v], ones, q8_weights_load(w));
        }
    q8_store(sums, sum[0]);
    q8_store(sums + VF32_LANES, sum[1]);
}

/* ---- products ---- */

/* The sums of a row. */
struct vrow {
    vi32 v[2];
};

/* Row i of a tile is p[i / 4] + (i % 4) rows, which four registers and two distances can address.
 */
MXD_INLINE const uint8_t *row_at(const uint8_t *const p[4], int i, int64_t row)
{
    return p[i / 4] + (i % 4) * row;
}

/* Rows [i, i + R) of the panel. */
MXD_INLINE void multiply_rows(const int R, struct vrow *out, const mxdi_matmul_q8_panel *t,
                              int64_t i)
{
    const int64_t  row  = t->a_row;
    const uint8_t *a    = t->a + i * row;
    const uint8_t *p[4] = { a, a + 4 * row, a + 8 * row, a + 12 * row }, *w = t->w;
    struct vrow    acc[MXDI_MATMUL_Q8_MAX_ROWS];
    MXD_UNROLL
    for (int r = 0; r < R; r++)
        MXD_UNROLL
    for (int v = 0; v < 2; v++) {
        const vi32 bias = q8_load(t->bias + v * VF32_LANES);
        acc[r].v[v]     = t->sums ? vi32_add(bias, q8_mul(vi32_set1(t->sums[i + r]),
                                                          vi32_load(t->minus_z + v * VF32_LANES)))
                                  : bias;
    }
    for (int64_t k = 0; k < t->k4; k++, w += 2 * K4_BYTES) {
        const q8_weights b[2] = { q8_weights_load(w), q8_weights_load(w + K4_BYTES) };
        MXD_UNROLL
        for (int r = 0; r < R; r++) {
            const q8_input x = q8_input_of(q8_spread(row_at(p, r, row)));
            acc[r].v[0]      = q8_dot(acc[r].v[0], x, b[0]);
            acc[r].v[1]      = q8_dot(acc[r].v[1], x, b[1]);
        }
        MXD_UNROLL
        for (int g = 0; g < (R + 3) / 4; g++)
            p[g] += 4;
    }
    MXD_UNROLL
    for (int r = 0; r < R; r++)
        out[r] = acc[r];
}

/* ---- what follows ---- */

MXD_INLINE void finish_bytes(const mxdi_post_q8_kind kind, const mxdi_matmul_q8_panel *t, int64_t i,
                             const struct vrow *acc, int64_t rows)
{
    const struct vpost post = vpost_make(t->post);
    for (int64_t r = 0; r < rows; r += 2) {
        const int64_t row[2] = { r, r + 1 < rows ? r + 1 : r };
        vi32          q[2][2];
        MXD_UNROLL
        for (int s = 0; s < 2; s++)
            MXD_UNROLL
        for (int v = 0; v < 2; v++) {
            const int lane  = v * VF32_LANES;
            vi32      given = vi32_set1(0);
            if (kind != MXDI_POST_Q8_PLAIN && (int64_t)t->n > lane) {
                const uint8_t *const given_at = t->r + (i + row[s]) * t->y_row + lane;
                const size_t         left     = t->n - (size_t)lane;
                given =
                    left < VF32_LANES ? vi32_load_u8_tail(given_at, left) : vi32_load_u8(given_at);
            }
            q[s][v] = vpost_steps(kind, &post, acc[row[s]].v[v], vf32_load(t->m + lane),
                                  vf32_load(t->bias_float + lane), given);
        }
        const vu8 narrow =
            q8_narrow(q[0][0], q[0][1], q[1][0], q[1][1], post.y_zero_point, post.q_min);
        q8_store_rows(t->y + (i + row[0]) * t->y_row, t->y + (i + row[1]) * t->y_row,
                      q8_rows(narrow), t->n);
    }
}

static void finish_float(const mxdi_matmul_q8_panel *t, int64_t i, const struct vrow *acc,
                         int64_t rows)
{
    const struct vpost post = vpost_make(t->post);
    for (int64_t r = 0; r < rows; r++) {
        float *const y = (float *)(void *)(t->y + (i + r) * t->y_row);
        for (size_t lane = 0; lane < t->n; lane += VF32_LANES) {
            const vf32 v = vpost_float(&post, acc[r].v[lane / VF32_LANES], vf32_load(t->m + lane),
                                       vf32_load(t->bias_float + lane));
            if (t->n - lane >= VF32_LANES)
                vf32_store(y + lane, v);
            else
                vf32_store_tail(y + lane, v, t->n - lane);
        }
    }
}

static void finish(const mxdi_matmul_q8_panel *t, int64_t i, const struct vrow *acc, int64_t rows)
{
    switch (t->post->kind) {
    case MXDI_POST_Q8_PLAIN:
        finish_bytes(MXDI_POST_Q8_PLAIN, t, i, acc, rows);
        break;
    case MXDI_POST_Q8_RESIDUAL:
        finish_bytes(MXDI_POST_Q8_RESIDUAL, t, i, acc, rows);
        break;
    case MXDI_POST_Q8_MID:
        finish_bytes(MXDI_POST_Q8_MID, t, i, acc, rows);
        break;
    case MXDI_POST_Q8_MID_FIRST:
        finish_bytes(MXDI_POST_Q8_MID_FIRST, t, i, acc, rows);
        break;
    case MXDI_POST_Q8_FLOAT:
        finish_float(t, i, acc, rows);
        break;
    }
}

#define TILE(R)                                                                      \
    static void tile_##R(struct vrow *out, const mxdi_matmul_q8_panel *t, int64_t i) \
    {                                                                                \
        multiply_rows(R, out, t, i);                                                 \
    }
Q8_EACH_ROWS(TILE)
#define ENTRY(R) [R] = tile_##R,

static void multiply(const mxdi_matmul_q8_panel *t)
{
    static void (*const tile[])(struct vrow *, const mxdi_matmul_q8_panel *,
                                int64_t) = { Q8_EACH_ROWS(ENTRY) };
    struct vrow acc[MXDI_MATMUL_Q8_MAX_ROWS];
    for (int64_t i = 0; i < t->rows; i += Q8_ROWS) {
        const int64_t rows = t->rows - i < Q8_ROWS ? t->rows - i : Q8_ROWS;
        tile[rows](acc, t, i);
        finish(t, i, acc, rows);
    }
}

const struct mxdi_matmul_q8_kernel MXD_VARIANT(mxdi_matmul_q8) = {
    .name         = MXD_VARIANT_NAME("matmul_q8"),
    .columns      = PANEL,
    .weight_bytes = Q8_WEIGHT_BYTES,
    .nothing      = Q8_NOTHING,
    .pack         = pack,
    .multiply     = multiply,
};
