/* SPDX-License-Identifier: Apache-2.0
 *
 * The micro-kernels of dwconv_q8 over the vectors and products of simd/q8_<variant>.h. The quick
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

/* Or gcc computes the addresses of a whole group before it, and keeps vectors that may be loaded
 * again, both in memory. */
#define STEPPED(pointer) __asm__ volatile("" : "+r"(pointer))

/* Up to four kernel rows at one column. */
struct rows {
    const uint8_t *p[4];
    int64_t        step[4]; /* 0: stays */
};

/* Rows 4*quad .. 4*quad + 3 of those inside at `x`, which is where the first one inside begins; the
 * others stand on `else_`. */
MXD_INLINE struct rows rows_of(const mxdi_dwconv_q8_run_args *run, const uint8_t *x, int32_t quad,
                               const uint8_t *else_)
{
    struct rows r;
    MXD_UNROLL
    for (int32_t j = 0; j < 4; j++) {
        const int32_t ky     = 4 * quad + j;
        const bool    inside = ky >= run->ky && ky < run->ky_end;
        r.p[j]               = inside ? x + (ky - run->ky) * run->x_ky : else_;
        r.step[j]            = inside ? run->x_kx : 0;
    }
    return r;
}

/* So many columns on. */
MXD_INLINE void rows_move(const int R, struct rows *rows, int64_t columns)
{
    MXD_UNROLL
    for (int j = 0; j < R; j++)
        rows->p[j] += columns * rows->step[j];
}

/* A vector of row j, or where the column is not in the image of the zero point; and on. */
MXD_INLINE vu8 row_take(struct rows *rows, const int j, bool here, const uint8_t *outside)
{
    vu8 row = vu8_load(__builtin_expect(here, 1) ? rows->p[j] : outside);
    MXD_OPAQUE(row); /* one load, not one in each instruction that takes it */
    rows->p[j] += rows->step[j];
    STEPPED(rows->p[j]);
    return row;
}

MXD_INLINE void interleave(q8_input in[4], vu8 a, vu8 b, vu8 c, vu8 d)
{
    vi32 q[4];
    q8_zip4(q, a, b, c, d);
    MXD_UNROLL
    for (int j = 0; j < 4; j++)
        in[j] = q8_input_of(q[j]);
}

/* The bytes of the first R rows interleaved. */
MXD_INLINE void column_take(const int R, q8_input in[4], struct rows *rows, bool here,
                            const uint8_t *outside)
{
    vu8 row[4];
    MXD_UNROLL
    for (int j = 0; j < 4; j++)
        row[j] = j < R ? row_take(rows, j, here, outside) : vu8_set1(Q8_NOTHING);
    interleave(in, row[0], row[1], row[2], row[3]);
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

/* What the quick one needs: see mxdi_dwconv_q8.quick. */
struct quick {
    vf32 m[4];
    vi32 zero_point;
    vu8  q_min, q_max;
};

MXD_INLINE struct quick quick_make(const mxdi_dwconv_q8_run_args *run)
{
    const mxdi_post_q8 *const p = run->post;
    struct quick              q = { .zero_point = q8_set1_s16(p->y_zero_point),
                                    .q_min      = vu8_set1((uint8_t)p->q_min),
                                    .q_max = vu8_set1((uint8_t)((int32_t)p->hi + p->y_zero_point)) };
    for (int v = 0; v < 4; v++)
        q.m[v] = vf32_load(run->m + v * VF32_LANES);
    return q;
}

/* The lanes of an output that are stored; last: it may be the last one. */
MXD_INLINE void store_output(const mxdi_dwconv_q8_run_args *run, int64_t at, const bool last,
                             uint8_t *y, vu8 narrow)
{
    const size_t n = (size_t)(last && at + 1 == run->outputs ? run->n_last : run->n);
    if (__builtin_expect(n == VU8_LANES, 1))
        vu8_store(y, narrow);
    else
        vu8_store_tail(y, narrow, n);
}

MXD_INLINE vu8 finish_quick(const struct quick *quick, const struct sums *s)
{
    vi32 q[4];
    MXD_UNROLL
    for (int v = 0; v < 4; v++)
        q[v] = q8_rint(vf32_mul(vf32_from_i32(s->v[v]), quick->m[v]));
    return q8_narrow_any(q[0], q[1], q[2], q[3], quick->zero_point, quick->q_min, quick->q_max);
}

/* The channels of output `at` as u8. */
MXD_INLINE void finish_u8(const mxdi_post_q8_kind kind, const struct vpost *post,
                          const mxdi_dwconv_q8_run_args *run, int64_t at, const struct sums *s)
{
    vi32 r[4], q[4];
    if (kind != MXDI_POST_Q8_PLAIN)
        q8_zip4(r, vu8_load(run->r + at * run->y_step), vu8_zero(), vu8_zero(), vu8_zero());
    MXD_UNROLL
    for (int v = 0; v < 4; v++) {
        const vf32 m    = vf32_load(run->m + v * VF32_LANES),
                   bias = vf32_load(run->bias_float + v * VF32_LANES);
        q[v] =
            vpost_steps(kind, post, s->v[v], m, bias, kind == MXDI_POST_Q8_PLAIN ? s->v[v] : r[v]);
    }
    store_output(run, at, true, (uint8_t *)run->y + at * run->y_step,
                 q8_narrow(q[0], q[1], q[2], q[3], post->y_zero_point, post->q_min));
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
        finish_u8(MXDI_POST_Q8_PLAIN, &post, run, at, s);
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

/* N outputs from `at` on, at y. quick NULL: another epilogue. */
MXD_INLINE uint8_t *finish(const int N, const struct quick *quick,
                           const mxdi_dwconv_q8_run_args *run, const mxdi_dwconv_q8_run_args *args,
                           int64_t at, uint8_t *y, struct sums *s)
{
    MXD_UNROLL
    for (int i = 0; i < N; i++) {
        MXD_UNROLL
        for (int v = 0; v < 4; v++)
            MXD_OPAQUE(s[i].v[v]); /* or gcc copies sums within the loops above */
        if (quick) {
            store_output(run, at + i, i + 1 == N, y, finish_quick(quick, &s[i]));
            STEPPED(y);
        } else {
            const struct sums buffer = s[i];
            finish_other(args, at + i, &buffer);
        }
        y += run->y_step;
    }
    return y;
}

/* ---- any window ---- */

/* R: rows of the one quad that there is, or 0 for any number of quads. */
MXD_INLINE void run_each(const int R, const bool quick, const mxdi_dwconv_q8_run_args *args)
{
    const mxdi_dwconv_q8_run_args run   = *args;
    const struct quick            post  = quick_make(&run);
    const struct rows             first = rows_of(&run, run.x, 0, q8_nothing);
    for (int64_t i = 0; i < run.outputs; i++) {
        struct sums s;
        int32_t     quad = R ? 0 : run.ky / 4;
        start(&s, &run);
        do {
            const uint8_t *w    = run.w + ((int64_t)quad * run.kw + run.kx) * 4 * STEP_BYTES;
            struct rows    rows = first;
            if (R == 0)
                rows = rows_of(&run, run.x + i * run.x_step, quad, q8_nothing);
            MXD_UNROLL
            for (int j = 0; j < R; j++)
                rows.p[j] += rows.step[j] ? i * run.x_step : 0;
            for (int32_t kx = run.kx; kx < run.kx_end; kx++, w += 4 * STEP_BYTES) {
                q8_input in[4];
                column_take(R ? R : 4, in, &rows, true, NULL);
                add_column(&s, in, w);
            }
        } while (R == 0 && 4 * ++quad < run.ky_end);
        finish(1, quick ? &post : NULL, &run, args, i, (uint8_t *)run.y + i * run.y_step, &s);
    }
}

static void run_any(const mxdi_dwconv_q8_run_args *run)
{
    if (!run->quick)
        run_each(0, false, run);
    else if (run->ky_end <= 3)
        run_each(3, true, run);
    else
        run_each(0, true, run);
}

/* ---- windows of K columns, and as many rows at most, S columns apart ---- */

/* Quads of rows, and whether one row comes behind them. */
#define QUADS(K) (((K) + 2) / 4)
#define LONE(K)  ((K) % 4 == 1)

/* One vector of a row of outputs, and how far it has come. */
struct walk {
    const mxdi_dwconv_q8_run_args *args;
    mxdi_dwconv_q8_run_args        run;   /* a copy, of which some stays in registers */
    struct quick                   quick; /* where run.quick */
    struct rows                    quad[2];
    int64_t                        at;     /* outputs done */
    int64_t                        column; /* of x where the next window starts */
    uint8_t                       *y;
};

MXD_INLINE struct walk walk_of(const int K, const mxdi_dwconv_q8_run_args *args)
{
    struct walk w = { .args = args, .run = *args, .column = args->column, .y = args->y };
    MXD_UNROLL
    for (int q = 0; 4 * q < K; q++)
        w.quad[q] = rows_of(&w.run, w.run.x, q, w.run.outside);
    return w;
}

MXD_INLINE void walk_back(const int K, const int S, struct walk *w, int64_t outputs)
{
    w->at -= outputs;
    w->column -= outputs * S;
    w->y -= outputs * w->run.y_step;
    MXD_UNROLL
    for (int q = 0; 4 * q < K; q++)
        rows_move(K - 4 * q < 4 ? K - 4 * q : 4, &w->quad[q], -outputs * S);
}

/* Whether the column so many behind is in the image. inside: all are. */
MXD_INLINE bool column_is_here(const bool inside, const struct walk *w, int column)
{
    return inside || (uint64_t)(w->column + column) < (uint64_t)w->run.columns;
}

/* Rows 4*q .. 4*q + 3 to N outputs. */
MXD_INLINE void add_quad(const int N, const int K, const int S, const int q, const bool inside,
                         struct sums *s, struct walk *walk)
{
    const int      R    = K - 4 * q < 4 ? K - 4 * q : 4;
    const uint8_t *w    = walk->run.w + q * K * 4 * STEP_BYTES;
    struct rows    rows = walk->quad[q];
    MXD_UNROLL
    for (int c = 0; c < (N - 1) * S + K; c++) {
        q8_input in[4];
        column_take(R, in, &rows, column_is_here(inside, walk, c), walk->run.outside);
        STEPPED(w);
        add_columns(N, K, S, c, s, in, w);
    }
    rows_move(R, &rows, S - K);
    walk->quad[q] = rows;
}

/* The last row to N outputs: terms are four of its columns, whose weights lie for each distance of
 * a window from a multiple of four. */
MXD_INLINE void add_lone_row(const int N, const int K, const int S, const bool inside,
                             struct sums *s, struct walk *walk)
{
    const int      columns = (N - 1) * S + K;
    const uint8_t *w       = walk->run.w + ((K + 3) / 4) * K * 4 * STEP_BYTES;
    struct rows    rows    = walk->quad[QUADS(K)];
    MXD_UNROLL
    for (int q = 0; 4 * q < columns; q++) {
        q8_input in[4];
        vu8      row[4];
        MXD_UNROLL
        for (int j = 0; j < 4; j++) {
            const bool here = column_is_here(inside, walk, 4 * q + j);
            row[j]          = 4 * q + j < columns ? row_take(&rows, 0, here, walk->run.outside)
                                                  : vu8_set1(Q8_NOTHING);
        }
        interleave(in, row[0], row[1], row[2], row[3]);
        STEPPED(w);
        MXD_UNROLL
        for (int i = 0; i < N; i++) {
            const int begin = i * S / 4, end = (i * S + K - 1) / 4 + 1;
            const int from = i * S % 4 * MXDI_DWCONV_Q8_LONE_QUADS(K) + q - begin;
            if (q >= begin && q < end)
                add_column(&s[i], in, w + from * 4 * STEP_BYTES);
        }
    }
    rows_move(1, &rows, S - K);
    walk->quad[QUADS(K)] = rows;
}

/* The next N outputs. inside: no column is outside. */
MXD_INLINE void run_group(const int N, const int K, const int S, const bool inside,
                          const bool quick, struct walk *w)
{
    struct sums s[Q8_OUTPUTS];
    MXD_UNROLL
    for (int i = 0; i < N; i++)
        start(&s[i], &w->run);
    MXD_UNROLL
    for (int q = 0; q < QUADS(K); q++)
        add_quad(N, K, S, q, inside, s, w);
    if (LONE(K))
        add_lone_row(N, K, S, inside, s, w);
    w->y = finish(N, quick ? &w->quick : NULL, &w->run, w->args, w->at, w->y, s);
    w->at += N;
    w->column += N * S;
}

/* A few outputs at a time. At the end of a row some of them come again: nobody reads y meanwhile.
 */
MXD_INLINE void run_quick(const int K, const int S, const mxdi_dwconv_q8_run_args *args)
{
    enum { MANY = Q8_OUTPUTS, FEW = Q8_OUTPUTS / 2 };
    struct walk   w       = walk_of(K, args);
    const int64_t outputs = w.run.outputs;
    w.quick               = quick_make(&w.run);
    while (w.at < outputs) {
        const int64_t left = outputs - w.at;
        if (left > FEW && outputs >= MANY) {
            if (left < MANY)
                walk_back(K, S, &w, MANY - left);
            if (w.column >= 0 && w.column + (MANY - 1) * S + K <= w.run.columns)
                run_group(MANY, K, S, true, true, &w);
            else
                run_group(MANY, K, S, false, true, &w);
        } else if (outputs >= FEW) {
            if (left < FEW)
                walk_back(K, S, &w, FEW - left);
            run_group(FEW, K, S, false, true, &w);
        } else {
            run_group(1, K, S, false, true, &w);
        }
    }
}

/* y may be the residual, which must not be read again. */
MXD_INLINE void run_other(const int K, const int S, const mxdi_dwconv_q8_run_args *args)
{
    struct walk w = walk_of(K, args);
    while (w.at + Q8_OUTPUTS <= w.run.outputs)
        run_group(Q8_OUTPUTS, K, S, false, false, &w);
    while (w.at < w.run.outputs)
        run_group(1, K, S, false, false, &w);
}

MXD_INLINE void run_shape(const int K, const int S, const mxdi_dwconv_q8_run_args *run)
{
    if (run->quick)
        run_quick(K, S, run);
    else
        run_other(K, S, run);
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
