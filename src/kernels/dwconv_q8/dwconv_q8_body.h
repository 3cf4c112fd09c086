/* SPDX-License-Identifier: Apache-2.0
 *
 * The micro-kernels of dwconv_q8 over the vectors and products of simd/q8_<variant>.h. The plain epilogue is part of
 * every kernel; the others take the sums from a buffer, so that there is one of each. */
#include "kernels/dwconv_q8/dwconv_q8_op.h"
#include "kernels/post_q8/post_q8_vec.h"

enum {
    STEP_BYTES  = 4 * VF32_LANES * Q8_WEIGHT_BYTES, /* weights of one vector of sums for one column */
    MAX_OUTPUTS = 4
};

/* The sums of one output: 4 x lanes channels in the order of q8_zip4. */
struct sums {
    vi32 v[4];
};

/* One column of four kernel rows after the other. Rows outside stand on zeros and stay there. */
struct columns {
    const uint8_t *p[4];
    int64_t        step[4];
};

static _Alignas(64) const uint8_t zeros[VU8_LANES];

/* Rows 4*quad .. 4*quad + 3 at output `x` of the run. */
MXD_INLINE struct columns columns_at(const mxdi_dwconv_q8_run_args *run, const uint8_t *x, int32_t quad)
{
    struct columns c;
    for (int32_t j = 0; j < 4; j++) {
        const int32_t ky     = 4 * quad + j;
        const bool    inside = ky >= run->ky && ky < run->ky_end;
        c.p[j]               = inside ? x + (ky - run->ky) * run->x_ky : zeros;
        c.step[j]            = inside ? run->x_kx : 0;
    }
    return c;
}

/* The next column, interleaved. */
MXD_INLINE void columns_next(q8_input in[4], struct columns *c)
{
    vi32 q[4];
    q8_zip4(q, vu8_load(c->p[0]), vu8_load(c->p[1]), vu8_load(c->p[2]), vu8_load(c->p[3]));
    MXD_UNROLL
    for (int j = 0; j < 4; j++) {
        in[j] = q8_input_of(q[j]);
        c->p[j] += c->step[j];
    }
}

MXD_INLINE void add_column(struct sums *s, const q8_input in[4], const uint8_t *w)
{
    MXD_UNROLL
    for (int v = 0; v < 4; v++)
        s->v[v] = q8_dot(s->v[v], in[v], q8_weights_load(w + v * STEP_BYTES));
}

MXD_INLINE void start(struct sums *s, const int N, const mxdi_dwconv_q8_run_args *run)
{
    MXD_UNROLL
    for (int i = 0; i < N; i++)
        MXD_UNROLL
        for (int v = 0; v < 4; v++)
            s[i].v[v] = q8_load(run->bias + v * VF32_LANES);
}

/* N outputs, whose windows of KW columns are all inside and S apart. */
MXD_INLINE void sum_shape(struct sums *s, const int N, const int KW, const int S, const mxdi_dwconv_q8_run_args *run,
                          const uint8_t *x)
{
    start(s, N, run);
    for (int32_t quad = run->ky / 4; 4 * quad < run->ky_end; quad++) {
        const uint8_t *w       = run->w + (int64_t)quad * KW * 4 * STEP_BYTES;
        struct columns columns = columns_at(run, x, quad);
        MXD_UNROLL
        for (int c = 0; c < (N - 1) * S + KW; c++) {
            q8_input in[4];
            columns_next(in, &columns);
            MXD_UNROLL
            for (int i = 0; i < N; i++)
                if (c >= i * S && c < i * S + KW)
                    add_column(&s[i], in, w + (c - i * S) * 4 * STEP_BYTES);
        }
    }
}

/* One output of any window. */
MXD_INLINE void sum_any(struct sums *s, const mxdi_dwconv_q8_run_args *run, const uint8_t *x)
{
    start(s, 1, run);
    for (int32_t quad = run->ky / 4; 4 * quad < run->ky_end; quad++) {
        const uint8_t *w       = run->w + ((int64_t)quad * run->kw + run->kx) * 4 * STEP_BYTES;
        struct columns columns = columns_at(run, x, quad);
        for (int32_t kx = run->kx; kx < run->kx_end; kx++, w += 4 * STEP_BYTES) {
            q8_input in[4];
            columns_next(in, &columns);
            add_column(s, in, w);
        }
    }
}

/* The channels of output `at` as u8. */
MXD_INLINE void finish_u8(const mxdi_post_q8_kind kind, const struct vpost *post, const mxdi_dwconv_q8_run_args *run,
                          int64_t at, const struct sums *s)
{
    const size_t n = (size_t)(at + 1 < run->outputs ? run->n : run->n_last);
    uint8_t     *y = (uint8_t *)run->y + at * run->y_step;
    vi32         r[4], q[4];
    if (kind != MXDI_POST_Q8_PLAIN)
        q8_zip4(r, vu8_load(run->r + at * run->y_step), vu8_zero(), vu8_zero(), vu8_zero());
    MXD_UNROLL
    for (int v = 0; v < 4; v++) {
        const vf32 m = vf32_load(run->m + v * VF32_LANES), bias = vf32_load(run->bias_float + v * VF32_LANES);
        q[v] = vpost_steps(kind, post, s->v[v], m, bias, kind == MXDI_POST_Q8_PLAIN ? s->v[v] : r[v]);
    }
    const vu8 narrow = q8_narrow(q[0], q[1], q[2], q[3], post->y_zero_point, post->q_min);
    if (n == VU8_LANES)
        vu8_store(y, narrow);
    else
        vu8_store_tail(y, narrow, n);
}

static void finish_float(const struct vpost *post, const mxdi_dwconv_q8_run_args *run, int64_t at, const struct sums *s)
{
    const int32_t n = at + 1 < run->outputs ? run->n : run->n_last;
    float        *y = (float *)(void *)((uint8_t *)run->y + at * run->y_step);
    float         v[4 * VF32_LANES];
    for (int i = 0; i < 4; i++)
        vf32_store(v + i * VF32_LANES, vpost_float(post, s->v[i], vf32_load(run->m + i * VF32_LANES),
                                                   vf32_load(run->bias_float + i * VF32_LANES)));
    for (int32_t c = 0; c < n; c++)
        y[c] = v[mxdi_dwconv_q8_lane(c, VF32_LANES)];
}

/* Outputs [at, at + n) of all other kinds. */
static void finish_other(const mxdi_dwconv_q8_run_args *run, int64_t at, const struct sums *s, int32_t n)
{
    const struct vpost post = vpost_make(run->post);
    for (int32_t i = 0; i < n; i++)
        switch (run->post->kind) {
        case MXDI_POST_Q8_PLAIN:
            break;
        case MXDI_POST_Q8_RESIDUAL:
            finish_u8(MXDI_POST_Q8_RESIDUAL, &post, run, at + i, s + i);
            break;
        case MXDI_POST_Q8_MID:
            finish_u8(MXDI_POST_Q8_MID, &post, run, at + i, s + i);
            break;
        case MXDI_POST_Q8_MID_FIRST:
            finish_u8(MXDI_POST_Q8_MID_FIRST, &post, run, at + i, s + i);
            break;
        case MXDI_POST_Q8_FLOAT:
            finish_float(&post, run, at + i, s + i);
            break;
        }
}

/* N outputs from `at` on. */
MXD_INLINE void finish(const int N, const struct vpost *post, const mxdi_dwconv_q8_run_args *run, int64_t at,
                       struct sums *s)
{
    MXD_UNROLL
    for (int i = 0; i < N; i++)
        MXD_UNROLL
        for (int v = 0; v < 4; v++)
            MXD_OPAQUE(s[i].v[v]);
    if (run->post->kind != MXDI_POST_Q8_PLAIN) {
        struct sums buffer[MAX_OUTPUTS];
        MXD_UNROLL
        for (int i = 0; i < N; i++)
            buffer[i] = s[i];
        finish_other(run, at, buffer, N);
        return;
    }
    MXD_UNROLL
    for (int i = 0; i < N; i++)
        finish_u8(MXDI_POST_Q8_PLAIN, post, run, at + i, s + i);
}

static void run_any(const mxdi_dwconv_q8_run_args *run)
{
    const struct vpost post = vpost_make(run->post);
    for (int64_t i = 0; i < run->outputs; i++) {
        struct sums s[1];
        sum_any(s, run, run->x + i * run->x_step);
        finish(1, &post, run, i, s);
    }
}

MXD_INLINE void run_shape(const int KW, const int S, const mxdi_dwconv_q8_run_args *run)
{
    const struct vpost post = vpost_make(run->post);
    int64_t            i    = 0;
    for (; i + Q8_OUTPUTS <= run->outputs; i += Q8_OUTPUTS) {
        struct sums s[Q8_OUTPUTS];
        sum_shape(s, Q8_OUTPUTS, KW, S, run, run->x + i * run->x_step);
        finish(Q8_OUTPUTS, &post, run, i, s);
    }
    for (; i < run->outputs; i++) {
        struct sums s[1];
        sum_shape(s, 1, KW, S, run, run->x + i * run->x_step);
        finish(1, &post, run, i, s);
    }
}

#define MXD_DW(kw, sw)                                                    \
    static void run_##kw##_##sw(const mxdi_dwconv_q8_run_args *run) \
    {                                                                     \
        run_shape(kw, sw, run);                                           \
    }
MXDI_DWCONV_Q8_SHAPES(MXD_DW)
#undef MXD_DW

const struct mxdi_dwconv_q8_kernel MXD_VARIANT(mxdi_dwconv_q8_kernel) = {
    .lanes        = VF32_LANES,
    .weight_bytes = Q8_WEIGHT_BYTES,
    .any          = run_any,
#define MXD_DW(kw, sw) { kw, sw, run_##kw##_##sw },
    .shapes = { MXDI_DWCONV_Q8_SHAPES(MXD_DW) },
#undef MXD_DW
};
