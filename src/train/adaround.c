/* SPDX-License-Identifier: Apache-2.0
 *
 * AdaRound of one layer: moments of its columns while they come, then the roundings of all
 * channels, in pieces of some channels and one block of inputs each, over the threads.
 */
#include "train/adaround.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cpu.h"
#include "train/adaround_impl.h"

enum {
    SLICE = 50, /* iterations between two looks at progress */
    LEAST = 200,
    MOST  = 1000,
    BAND  = 1 << 23 /* weights that are worked on at once */
};
/* Multiplications that a layer may cost in all; iterations follow, within [LEAST, MOST]. */
static const double budget = 1e11;

typedef struct adaround {
    const mxdi_rounding_layer *layer;
    mxdi_pool                 *pool;
    const mxd_allocator       *alloc;
    mxdi_adaround_kernels      kernels;
    int64_t                    blocks, block; /* block * blocks >= k */
    double                    *sum;           /* (groups, blocks, block, block) of x^ x^' */
    float                     *target;        /* (groups * rows, k): sums, then r */
    float                     *gram, *weight; /* as sum; (blocks, groups * rows) */
    /* while solving a band, (rows of the band, k) */
    int64_t            first_piece, first_row;
    float             *base, *step;
    mxdi_adaround_soft soft;
    uint8_t           *up;
    size_t             room_bytes;
    uint8_t           *room; /* (threads, room_bytes) */
    int32_t            from, to, iterations;
} adaround;

/* ---- opening ---- */

static void close_state(void *state)
{
    adaround *const a = state;
    if (!a)
        return;
    void *const owned[] = { a->sum,    a->target,  a->gram,    a->weight, a->base, a->step,
                            a->soft.v, a->soft.m1, a->soft.m2, a->up,     a->room };
    for (size_t k = 0; k < sizeof(owned) / sizeof(owned[0]); k++)
        mxdi_free(a->alloc, owned[k]);
    mxdi_free(a->alloc, a);
}

static mxd_status open_state(void **state, const mxdi_rounding_layer *layer, mxdi_pool *pool,
                             const mxd_allocator *alloc, mxd_error *err)
{
    adaround *const a = MXDI_ALLOC(alloc, adaround, 1);
    *state            = NULL;
    if (!a)
        return mxdi_nomem(err);
    a->layer   = layer;
    a->pool    = pool;
    a->alloc   = alloc;
    a->kernels = (mxdi_adaround_kernels){ mxdi_unary_f32_select(mxdi_cpu_isa()), mxdi_cpu_isa() };
    a->blocks  = (layer->k + MXDI_ADAROUND_BLOCK - 1) / MXDI_ADAROUND_BLOCK;
    a->block   = (layer->k + a->blocks - 1) / a->blocks;
    const size_t grams = (size_t)(layer->groups * a->blocks), gram = (size_t)(a->block * a->block);
    a->sum  = mxdi_alloc(alloc, grams, gram * sizeof(double));
    a->gram = mxdi_alloc(alloc, grams, gram * sizeof(float));
    a->target =
        mxdi_alloc(alloc, (size_t)(layer->groups * layer->rows), (size_t)layer->k * sizeof(float));
    a->weight = MXDI_ALLOC(alloc, float, grams *(size_t)layer->rows);
    if (!a->sum || !a->gram || !a->target || !a->weight) {
        close_state(a);
        return mxdi_nomem(err);
    }
    *state = a;
    return MXD_OK;
}

/* Inputs of block b. */
static int64_t block_size(const adaround *a, int64_t b)
{
    const int64_t left = a->layer->k - b * a->block;
    return left < a->block ? left : a->block;
}

/* ---- moments ---- */

typedef struct multiplication {
    mxdi_matmul_f32 op;
    const float    *a, *b;
    float          *c;
    uint8_t        *scratch;
    size_t          scratch_bytes;
} multiplication;

static void multiply_tasks(void *arg, size_t begin, size_t end, unsigned thread)
{
    const multiplication *const m = arg;
    mxdi_matmul_f32_run(&m->op, m->a, m->b, m->c, m->scratch + thread * m->scratch_bytes, 1, begin,
                        end);
}

/* c (m, n) = a (m, k) b, b (k, n), or (n, k) transposed; rows as long as they are wide but a's. */
static mxd_status multiply(const adaround *s, float *c, const float *a, int64_t a_row,
                           const float *b, bool trans_b, int64_t m, int64_t n, int64_t k,
                           mxd_error *err)
{
    multiplication             j    = { .a = a, .b = b, .c = c };
    const mxdi_matmul_f32_desc desc = { .m       = m,
                                        .n       = n,
                                        .k       = k,
                                        .a_row   = a_row,
                                        .b_row   = trans_b ? k : n,
                                        .c_row   = n,
                                        .batch   = { 1, 1, 1, 1 },
                                        .trans_b = trans_b,
                                        .alpha   = 1.0f };
    MXD_TRY(mxdi_matmul_f32_init(&j.op, &desc, s->kernels.isa, err));
    j.scratch_bytes = mxdi_matmul_f32_scratch(&j.op);
    j.scratch       = mxdi_alloc(s->alloc, mxdi_pool_threads(s->pool), j.scratch_bytes + 64);
    if (!j.scratch)
        return mxdi_nomem(err);
    mxdi_parallel_for(s->pool, multiply_tasks, &j, mxdi_matmul_f32_tasks(&j.op, 1));
    mxdi_free(s->alloc, j.scratch);
    return MXD_OK;
}

static mxd_status add_moments(adaround *a, int64_t group, const float *x, const float *off,
                              int64_t n, float *buffer, mxd_error *err)
{
    const mxdi_rounding_layer *const l = a->layer;
    float *const we = buffer, *const moments = buffer + l->rows * n;
    for (int64_t b = 0; b < a->blocks; b++) {
        const int64_t      k   = block_size(a, b);
        const float *const xb  = x + b * a->block * n;
        double *const      sum = a->sum + (group * a->blocks + b) * a->block * a->block;
        MXD_TRY(multiply(a, moments, xb, n, xb, true, k, k, n, err));
        for (int64_t i = 0; i < k * k; i++)
            sum[i] += (double)moments[i];
    }
    const int64_t first = group * l->rows * l->k;
    MXD_TRY(multiply(a, we, l->w + first, l->k, off, false, l->rows, n, l->k, err));
    MXD_TRY(multiply(a, moments, we, n, x, true, l->rows, l->k, n, err));
    for (int64_t i = 0; i < l->rows * l->k; i++)
        a->target[first + i] += moments[i];
    return MXD_OK;
}

static mxd_status add_columns(void *state, int64_t group, const float *x, const float *off,
                              int64_t n, mxd_error *err)
{
    adaround *const a       = state;
    const int64_t   moments = a->layer->rows * a->layer->k > a->block * a->block
                                  ? a->layer->rows * a->layer->k
                                  : a->block * a->block;
    float *const    buffer  = MXDI_ALLOC(a->alloc, float, (size_t)(a->layer->rows * n + moments));
    if (!buffer)
        return mxdi_nomem(err);
    const mxd_status st = add_moments(a, group, x, off, n, buffer, err);
    mxdi_free(a->alloc, buffer);
    return st;
}

/* ---- solving ---- */

/* Sums become moments, about the mean where a bias is free to take it up; a hundredth of the mean
 * of the diagonal is added to it, so that inputs which hardly vary in these samples do not count as
 * if they never did. */
static void finish_moments(adaround *a, int64_t group, const mxdi_rounding_means *means)
{
    const mxdi_rounding_layer *const l   = a->layer;
    const double                     n   = (double)(means->columns > 0 ? means->columns : 1);
    const double                     out = l->free_mean ? 1.0 : 0.0;
    const double *const mu = means->x + group * l->k, *const off = means->off + group * l->k;
    for (int64_t b = 0; b < a->blocks; b++) {
        const int64_t k = block_size(a, b), at = (group * a->blocks + b) * a->block * a->block;
        const double *const m     = mu + b * a->block;
        double              trace = 0.0;
        for (int64_t i = 0; i < k; i++) {
            for (int64_t j = 0; j < k; j++)
                a->gram[at + i * k + j] = (float)(a->sum[at + i * k + j] / n - out * m[i] * m[j]);
            trace += (double)a->gram[at + i * k + i];
        }
        for (int64_t i = 0; i < k; i++)
            a->gram[at + i * k + i] += (float)(0.01 * trace / (double)k);
    }
    for (int64_t r = group * l->rows; r < (group + 1) * l->rows; r++) {
        double mean = 0.0; /* of w e */
        for (int64_t i = 0; i < l->k; i++)
            mean += (double)l->w[r * l->k + i] * off[i];
        for (int64_t i = r * l->k; i < (r + 1) * l->k; i++)
            a->target[i] = (float)((double)a->target[i] / n - out * mu[i - r * l->k] * mean);
    }
}

static float down_of(const mxdi_rounding_layer *l, int64_t at)
{
    const float most = (float)l->q_max;
    return fminf(fmaxf(floorf(l->w[at] / l->scale[at]), -most), most);
}

static int64_t chunks_of(const adaround *a)
{
    return (a->layer->rows + MXDI_ADAROUND_ROWS - 1) / MXDI_ADAROUND_ROWS;
}

/* First row of a piece of rows: each group is cut into chunks. The end of the last one, too. */
static int64_t row_of(const adaround *a, int64_t rows_piece)
{
    const int64_t group = rows_piece / chunks_of(a), chunk = rows_piece % chunks_of(a);
    return group * a->layer->rows + chunk * MXDI_ADAROUND_ROWS;
}

/* Piece `piece` of the band: some rows of one group, and one block of their inputs. */
static mxdi_adaround_case case_of(const adaround *a, int64_t piece, mxdi_adaround_soft *soft,
                                  uint8_t **up)
{
    const mxdi_rounding_layer *const l = a->layer;
    const int64_t rows_piece = a->first_piece + piece / a->blocks, b = piece % a->blocks;
    const int64_t group = rows_piece / chunks_of(a), row = row_of(a, rows_piece);
    const int64_t left = (group + 1) * l->rows - row;
    const int64_t at   = (row - a->first_row) * l->k + b * a->block;
    *soft              = (mxdi_adaround_soft){ a->soft.v + at, a->soft.m1 + at, a->soft.m2 + at };
    *up                = a->up + at;
    return (mxdi_adaround_case){ .rows   = left < MXDI_ADAROUND_ROWS ? left : MXDI_ADAROUND_ROWS,
                                 .k      = block_size(a, b),
                                 .stride = l->k,
                                 .gram   = a->gram + (group * a->blocks + b) * a->block * a->block,
                                 .base   = a->base + at,
                                 .step   = a->step + at,
                                 .target = a->target + row * l->k + b * a->block,
                                 .w      = l->w + row * l->k + b * a->block,
                                 .weight = a->weight + b * l->groups * l->rows + row };
}

static void iterate_pieces(void *arg, size_t begin, size_t end, unsigned thread)
{
    adaround *const a = arg;
    for (size_t p = begin; p < end; p++) {
        mxdi_adaround_soft       soft;
        uint8_t                 *up;
        const mxdi_adaround_case c    = case_of(a, (int64_t)p, &soft, &up);
        void *const              room = a->room + thread * a->room_bytes;
        if (a->from == 0)
            mxdi_adaround_start(&soft, &c, &a->kernels, room);
        mxdi_adaround_iterate(&soft, &c, a->from, a->to, a->iterations, &a->kernels, room);
        if (a->to == a->iterations)
            mxdi_adaround_finish(up, &soft, &c, &a->kernels, room);
    }
}

/* Where a band ends that begins with piece `first` of rows: at least one. */
static int64_t band_end(const adaround *a, int64_t first, int64_t pieces)
{
    int64_t end = first + 1;
    while (end < pieces && (row_of(a, end + 1) - row_of(a, first)) * a->layer->k <= BAND)
        end++;
    return end;
}

static mxd_status make_room(adaround *a, int64_t rows, mxd_error *err)
{
    const size_t n = (size_t)rows, row = (size_t)a->layer->k * sizeof(float);
    a->room_bytes = (mxdi_adaround_room(a->block, &a->kernels) + 63) / 64 * 64;
    a->base       = mxdi_alloc(a->alloc, n, row);
    a->step       = mxdi_alloc(a->alloc, n, row);
    a->soft.v     = mxdi_alloc(a->alloc, n, row);
    a->soft.m1    = mxdi_alloc(a->alloc, n, row);
    a->soft.m2    = mxdi_alloc(a->alloc, n, row);
    a->up         = mxdi_alloc(a->alloc, n, (size_t)a->layer->k);
    a->room       = mxdi_alloc(a->alloc, mxdi_pool_threads(a->pool), a->room_bytes);
    const bool ok = a->base && a->step && a->soft.v && a->soft.m1 && a->soft.m2 && a->up && a->room;
    return ok ? MXD_OK : mxdi_nomem(err);
}

/* Pieces of rows [first, end) from q to q. */
static mxd_status solve_band(adaround *a, int8_t *q, int64_t first, int64_t end, int64_t pieces,
                             const mxdi_progress *progress, mxd_error *err)
{
    const mxdi_rounding_layer *const l    = a->layer;
    const float                      most = (float)l->q_max;
    a->first_piece                        = first;
    a->first_row                          = row_of(a, first);
    const int64_t at = a->first_row * l->k, n = (row_of(a, end) - a->first_row) * l->k;
    for (int64_t i = 0; i < n; i++) {
        const float down = down_of(l, at + i), high = fminf(down + 1.0f, most);
        a->base[i] = l->scale[at + i] * down - l->w[at + i];
        a->step[i] = l->scale[at + i] * (high - down);
        a->up[i]   = (float)q[at + i] > down;
    }
    for (a->from = 0; a->from < a->iterations; a->from = a->to) {
        const int32_t left = a->iterations - a->from;
        a->to              = a->from + (left < SLICE ? left : SLICE);
        mxdi_parallel_for(a->pool, iterate_pieces, a, (size_t)((end - first) * a->blocks));
        const double share = (double)a->to / (double)a->iterations;
        if (mxdi_progress_stops(progress,
                                ((double)first + share * (double)(end - first)) / (double)pieces))
            return mxdi_fail(err, MXD_E_CANCELLED, "interrupted");
    }
    for (int64_t i = 0; i < n; i++)
        q[at + i] = (int8_t)fminf(down_of(l, at + i) + (float)a->up[i], most);
    return MXD_OK;
}

static mxd_status solve_layer(void *state, int8_t *q, const mxdi_rounding_means *means,
                              const mxdi_progress *progress, mxd_error *err)
{
    adaround *const                  a      = state;
    const mxdi_rounding_layer *const l      = a->layer;
    const int64_t                    pieces = l->groups * chunks_of(a);
    const double cost = (double)(l->groups * l->rows) * (double)l->k * (double)a->block;
    const double fit  = budget / cost;
    int64_t      most = 0; /* rows of a band */
    a->iterations     = fit < LEAST ? LEAST : fit > MOST ? MOST : (int32_t)fit;
    for (int64_t first = 0, end; first < pieces; first = end) {
        end                = band_end(a, first, pieces);
        const int64_t rows = row_of(a, end) - row_of(a, first);
        most               = rows > most ? rows : most;
    }
    MXD_TRY(make_room(a, most, err));
    for (int64_t g = 0; g < l->groups; g++)
        finish_moments(a, g, means);
    for (int64_t first = 0, end; first < pieces; first = end) {
        end = band_end(a, first, pieces);
        MXD_TRY(solve_band(a, q, first, end, pieces, progress, err));
    }
    return MXD_OK;
}

const mxdi_rounding mxdi_adaround = { open_state, add_columns, solve_layer, close_state };
