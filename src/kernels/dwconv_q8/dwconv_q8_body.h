/* SPDX-License-Identifier: Apache-2.0
 *
 * The micro-kernels of dwconv_q8 over the vectors and products of simd/q8_<variant>.h. The plain
 * epilogue is part of every kernel; the others take the sums from a buffer, so that there is one of
 * each. */
#include "kernels/dwconv_q8/dwconv_q8_op.h"
#include "kernels/post_q8/post_q8_vec.h"

enum {
    STEP_BYTES = 4 * VF32_LANES * Q8_WEIGHT_BYTES
}; /* weights of one vector of sums for one column */

/* The sums of one output: 4 x lanes channels in the order of q8_zip4. */
struct sums {
    vi32 v[4];
};

/* Up to four kernel rows at one column. Rows outside stand on q8_nothing and stay there; columns
 * outside are read elsewhere. */
struct column {
    const uint8_t *p[4], *outside[4];
    int64_t        step[4];
    int64_t        at, columns;
};

/* Rows 4*quad .. 4*quad + 3 at `x`, which is column `at` of the first row inside. */
MXD_INLINE struct column column_at(const mxdi_dwconv_q8_run_args *run, const uint8_t *x, int64_t at,
                                   int32_t quad)
{
    struct column c = { .at = at, .columns = run->columns };
    for (int32_t j = 0; j < 4; j++) {
        const int32_t ky     = 4 * quad + j;
        const bool    inside = ky >= run->ky && ky < run->ky_end;
        c.p[j]               = inside ? x + (ky - run->ky) * run->x_ky : q8_nothing;
        c.step[j]            = inside ? run->x_kx : 0;
        c.outside[j]         = inside ? run->outside : q8_nothing;
        __asm__("" : "+r"(c.p[j])); /* or gcc makes a branch of each choice, all columns inside */
    }
    return c;
}

/* The bytes of its first R rows interleaved, and on to the next. inside: no column is outside. */
MXD_INLINE void column_take(const int R, const bool inside, q8_input in[4], struct column *c)
{
    const bool here = inside || (uint64_t)c->at < (uint64_t)c->columns;
    vu8        row[4];
    vi32       q[4];
    c->at++;
    MXD_UNROLL
    for (int j = 0; j < 4; j++) {
        row[j] = j < R ? vu8_load(__builtin_expect(here, 1) ? c->p[j] : c->outside[j])
                       : vu8_set1(Q8_NOTHING);
        MXD_OPAQUE(row[j]); /* one load, not one in each instruction that takes it */
    }
    q8_zip4(q, row[0], row[1], row[2], row[3]);
    MXD_UNROLL
    for (int j = 0; j < 4; j++)
        in[j] = q8_input_of(q[j]);
    MXD_UNROLL
    for (int j = 0; j < R; j++)
        c->p[j] += c->step[j];
}

MXD_INLINE void add_column(struct sums *s, const q8_input in[4], const uint8_t *w)
{
    MXD_UNROLL
    for (int v = 0; v < 4; v++)
        s->v[v] = q8_dot(s->v[v], in[v], q8_weights_load(w + v * STEP_BYTES));
}

/* A column goes to all of the N outputs, S columns apart, whose windows of KW columns see it: it is
 * column `c` of the window of the first. */
MXD_INLINE void add_columns(const int N, const int KW, const int S, const int c, struct sums *s,
                            const q8_input in[4], const uint8_t *w)
{
    MXD_UNROLL
    for (int i = 0; i < N; i++)
        if (c >= i * S && c < i * S + KW)
            add_column(&s[i], in, w + (c - i * S) * 4 * STEP_BYTES);
}

MXD_INLINE void start(struct sums *s, const mxdi_dwconv_q8_run_args *run)
{
    MXD_UNROLL
    for (int v = 0; v < 4; v++)
        s->v[v] = q8_load(run->bias + v * VF32_LANES);
}

/* ---- epilogues ---- */

/* The channels of output `at` as u8. */
MXD_INLINE void finish_u8(const mxdi_post_q8_kind kind, const struct vpost *post,
                          const mxdi_dwconv_q8_run_args *run, int64_t at, const struct sums *s)
{
    const size_t n = (size_t)(at + 1 < run->outputs ? run->n : run->n_last);
    uint8_t     *y = (uint8_t *)run->y + at * run->y_step;
    vi32         r[4], q[4];
    if (kind != MXDI_POST_Q8_PLAIN)
        q8_zip4(r, vu8_load(run->r + at * run->y_step), vu8_zero(), vu8_zero(), vu8_zero());
    MXD_UNROLL
    for (int v = 0; v < 4; v++) {
        const vf32 m    = vf32_load(run->m + v * VF32_LANES),
                   bias = vf32_load(run->bias_float + v * VF32_LANES);
        q[v] =
            vpost_steps(kind, post, s->v[v], m, bias, kind == MXDI_POST_Q8_PLAIN ? s->v[v] : r[v]);
    }
    const vu8 narrow = q8_narrow(q[0], q[1], q[2], q[3], post->y_zero_point, post->q_min);
    if (n == VU8_LANES)
        vu8_store(y, narrow);
    else
        vu8_store_tail(y, narrow, n);
}

static void finish_float(const struct vpost *post, const mxdi_dwconv_q8_run_args *run, int64_t at,
                         const struct sums *s)
{
    const int32_t n = at + 1 < run->outputs ? run->n : run->n_last;
    float        *y = (float *)(void *)((uint8_t *)run->y + at * run->y_step);
    float         v[4 * VF32_LANES];
    for (int i = 0; i < 4; i++)
        vf32_store(v + i * VF32_LANES,
                   vpost_float(post, s->v[i], vf32_load(run->m + i * VF32_LANES),
                               vf32_load(run->bias_float + i * VF32_LANES)));
    for (int32_t c = 0; c < n; c++)
        y[c] = v[mxdi_dwconv_q8_lane(c, VF32_LANES)];
}

static void finish_other(const mxdi_dwconv_q8_run_args *run, int64_t at, const struct sums *s)
{
    const struct vpost post = vpost_make(run->post);
    switch (run->post->kind) {
    case MXDI_POST_Q8_PLAIN:
        break;
    case MXDI_POST_Q8_RESIDUAL:
        finish_u8(MXDI_POST_Q8_RESIDUAL, &post, run, at, s);
        break;
    case MXDI_POST_Q8_MID:
        finish_u8(MXDI_POST_Q8_MID, &post, run, at, s);
        break;
    case MXDI_POST_Q8_MID_FIRST:
        finish_u8(MXDI_POST_Q8_MID_FIRST, &post, run, at, s);
        break;
    case MXDI_POST_Q8_FLOAT:
        finish_float(&post, run, at, s);
        break;
    }
}

/* `run` is a copy of `args` that stays in registers. */
MXD_INLINE void finish(const bool plain, const struct vpost *post,
                       const mxdi_dwconv_q8_run_args *run, const mxdi_dwconv_q8_run_args *args,
                       int64_t at, const struct sums *s)
{
    if (plain) {
        finish_u8(MXDI_POST_Q8_PLAIN, post, run, at, s);
    } else {
        const struct sums buffer = *s;
        finish_other(args, at, &buffer);
    }
}

/* ---- any window ---- */

/* R: rows of the one quad that there is, or 0 for any number of quads. */
MXD_INLINE void run_each(const int R, const bool plain, const mxdi_dwconv_q8_run_args *args)
{
    const mxdi_dwconv_q8_run_args run   = *args;
    const struct vpost            post  = vpost_make(run.post);
    const struct column           first = column_at(&run, run.x, 0, 0);
    for (int64_t i = 0; i < run.outputs; i++) {
        struct sums s;
        int32_t     quad = R ? 0 : run.ky / 4;
        start(&s, &run);
        do {
            const uint8_t *w      = run.w + ((int64_t)quad * run.kw + run.kx) * 4 * STEP_BYTES;
            struct column  column = first;
            if (R == 0)
                column = column_at(&run, run.x + i * run.x_step, 0, quad);
            MXD_UNROLL
            for (int j = 0; j < R; j++)
                column.p[j] += column.step[j] ? i * run.x_step : 0;
            for (int32_t kx = run.kx; kx < run.kx_end; kx++, w += 4 * STEP_BYTES) {
                q8_input in[4];
                column_take(R ? R : 4, true, in, &column);
                add_column(&s, in, w);
            }
        } while (R == 0 && 4 * ++quad < run.ky_end);
        finish(plain, &post, &run, args, i, &s);
    }
}

static void run_any(const mxdi_dwconv_q8_run_args *run)
{
    if (run->post->kind != MXDI_POST_Q8_PLAIN)
        run_each(0, false, run);
    else if (run->ky_end <= 3)
        run_each(3, true, run);
    else
        run_each(0, true, run);
}

/* ---- windows of KW columns, S columns apart ---- */

/* Three kernel rows at most, in one walk over the columns. With wider windows the sums in flight do
 * not fit. */
MXD_INLINE void run_slide(const int KW, const int S, const mxdi_dwconv_q8_run_args *args)
{
    enum { MOST = 8 };
    const int                     N      = (KW + S - 1) / S; /* outputs that see a column */
    const mxdi_dwconv_q8_run_args run    = *args;
    const struct vpost            post   = vpost_make(run.post);
    struct column                 column = column_at(&run, run.x, 0, 0);
    struct sums                   s[MOST];
    q8_input                      in[4];
    MXD_UNROLL
    for (int i = 0; i < N; i++)
        start(&s[i], &run);
    MXD_UNROLL
    for (int c = 0; c < KW - S; c++) {
        column_take(3, true, in, &column);
        add_columns(N, KW, S, c, s, in, run.w);
    }
    for (int64_t i = 0; i < run.outputs; i++) {
        start(&s[N - 1], &run);
        MXD_UNROLL
        for (int c = KW - S; c < KW; c++) {
            column_take(3, true, in, &column);
            add_columns(N, KW, S, c, s, in, run.w);
        }
        finish(true, &post, &run, args, i, &s[0]);
        MXD_UNROLL
        for (int k = 0; k + 1 < N; k++)
            s[k] = s[k + 1];
    }
}

/* N outputs from `at` on. inside: no column is outside. */
MXD_INLINE void run_group(const int N, const int KW, const int S, const bool inside,
                          const bool plain, const struct vpost *post,
                          const mxdi_dwconv_q8_run_args *run, const mxdi_dwconv_q8_run_args *args,
                          int64_t at)
{
    struct sums s[Q8_OUTPUTS];
    MXD_UNROLL
    for (int i = 0; i < N; i++)
        start(&s[i], run);
    for (int32_t quad = run->ky / 4; 4 * quad < run->ky_end; quad++) {
        const uint8_t *w = run->w + (int64_t)quad * KW * 4 * STEP_BYTES;
        struct column  column =
            column_at(run, run->x + at * run->x_step, run->column + at * S, quad);
        MXD_UNROLL
        for (int c = 0; c < (N - 1) * S + KW; c++) {
            q8_input in[4];
            column_take(4, inside, in, &column);
            add_columns(N, KW, S, c, s, in, w);
        }
    }
    MXD_UNROLL
    for (int i = 0; i < N; i++)
        finish(plain, post, run, args, at + i, &s[i]);
}

/* Any number of kernel rows, for a few outputs at a time. */
MXD_INLINE void run_groups(const int KW, const int S, const bool plain,
                           const mxdi_dwconv_q8_run_args *args)
{
    const mxdi_dwconv_q8_run_args run  = *args;
    const struct vpost            post = vpost_make(run.post);
    int64_t                       i    = 0;
    for (; i + Q8_OUTPUTS <= run.outputs; i += Q8_OUTPUTS) {
        const int64_t first = run.column + i * S, end = first + (Q8_OUTPUTS - 1) * S + KW;
        if (first >= 0 && end <= run.columns)
            run_group(Q8_OUTPUTS, KW, S, true, plain, &post, &run, args, i);
        else
            run_group(Q8_OUTPUTS, KW, S, false, plain, &post, &run, args, i);
    }
    for (; i < run.outputs; i++)
        run_group(1, KW, S, false, plain, &post, &run, args, i);
}

MXD_INLINE void run_shape(const int KW, const int S, const mxdi_dwconv_q8_run_args *run)
{
    if (run->post->kind != MXDI_POST_Q8_PLAIN)
        run_groups(KW, S, false, run);
    else if (KW == 3 && run->ky_end <= 3)
        run_slide(KW, S, run);
    else
        run_groups(KW, S, true, run);
}

#define MXD_DW(kw, sw)                                              \
    static void run_##kw##_##sw(const mxdi_dwconv_q8_run_args *run) \
    {                                                               \
        run_shape(kw, sw, run);                                     \
    }
MXDI_DWCONV_Q8_SHAPES(MXD_DW)
#undef MXD_DW

const struct mxdi_dwconv_q8_kernel MXD_VARIANT(mxdi_dwconv_q8) = {
    .name         = MXD_VARIANT_NAME("dwconv_q8"),
    .lanes        = VF32_LANES,
    .weight_bytes = Q8_WEIGHT_BYTES,
    .nothing      = Q8_NOTHING,
    .any          = run_any,
#define MXD_DW(kw, sw) { kw, sw, run_##kw##_##sw },
    .shapes = { MXDI_DWCONV_Q8_SHAPES(MXD_DW) },
#undef MXD_DW
};
