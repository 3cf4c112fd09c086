/* SPDX-License-Identifier: Apache-2.0
 *
 * Batched products of activations by register tiles. An item is some rows of one product with a
 * share of its panels: each panel of B is packed into scratch, then the rows pass over it while it
 * is in L1 or L2. Tasks are equal numbers of items and do not depend on the number of threads.
 */
#include "kernels/matmul_f32/matmul_f32.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "kernels/matmul_f32/matmul_f32_ref.h"
#include "kernels/tile_f32/tile_f32.h"

enum {
    MAX_ITEM_ROWS  = 256,
    MIN_ITEM_TILES = 3,      /* in height: packing a panel costs as much as about two rows */
    GOOD_TASKS     = 64,     /* four for each of 16 threads */
    TASK_FLOPS     = 1000000 /* some microseconds */
};

typedef struct plan {
    int64_t products, chunks, shares; /* items = products * chunks * shares: of rows, of panels */
    int64_t items, tasks;
} plan;

static int64_t div_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

static int64_t words_of(const mxdi_matmul_f32 *op)
{
    return div_up(op->desc.k, op->tile->terms);
}

static plan make_plan(const mxdi_matmul_f32 *op, int64_t outer)
{
    const mxdi_matmul_f32_desc *d = &op->desc;
    plan                        p = { outer, 1, 1, 0, 0 };
    for (int i = 1; i < MXDI_MATMUL_BATCH; i++)
        p.products *= d->batch[i];
    if (p.products == 0 || d->m == 0 || d->n == 0)
        return p;
    const double flops = 2.0 * (double)p.products * (double)d->m * (double)d->n * (double)d->k;
    const double good  = flops / TASK_FLOPS < GOOD_TASKS ? 1.0 + flops / TASK_FLOPS : GOOD_TASKS;
    if (!op->tile) {
        p.chunks = d->m;
    } else {
        const int64_t panels = div_up(d->n, op->tile->full),
                      most   = d->m / (MIN_ITEM_TILES * op->tile->rows);
        p.chunks             = div_up(d->m, MAX_ITEM_ROWS);
        p.chunks             = clamp(div_up((int64_t)good, p.products * panels), p.chunks,
                         most > p.chunks ? most : p.chunks);
        p.shares             = clamp(div_up((int64_t)good, p.products * p.chunks), 1, panels);
    }
    p.items = p.products * p.chunks * p.shares;
    p.tasks = flops / TASK_FLOPS < (double)p.items ? clamp((int64_t)good, 1, p.items) : p.items;
    return p;
}

mxd_status mxdi_matmul_f32_init(mxdi_matmul_f32 *op, const mxdi_matmul_f32_desc *desc, uint32_t isa,
                                mxd_error *err)
{
    const mxdi_matmul_f32_desc *d = desc;
    if (d->m < 0 || d->n < 0 || d->k < 0 || d->k > INT32_MAX || d->n > INT32_MAX)
        return mxdi_fail(err, MXD_E_SHAPE,
                         "matmul_f32: expected sizes from 0 to 2^31 - 1, got %lld x %lld x %lld",
                         (long long)d->m, (long long)d->n, (long long)d->k);
    for (int i = 1; i < MXDI_MATMUL_BATCH; i++) {
        if (d->batch[i] < 0)
            return mxdi_fail(err, MXD_E_SHAPE,
                             "matmul_f32: expected batch dimensions >= 0, got %lld",
                             (long long)d->batch[i]);
    }
    if (d->a_row < d->k || d->b_row < (d->trans_b ? d->k : d->n) || d->c_row < d->n)
        return mxdi_fail(
            err, MXD_E_SHAPE,
            "matmul_f32: rows of %lld, %lld, %lld elements overlap in %lld x %lld x %lld",
            (long long)d->a_row, (long long)d->b_row, (long long)d->c_row, (long long)d->m,
            (long long)d->n, (long long)d->k);
    op->desc = *desc;
    op->tile = mxdi_tile_f32_select(isa, d->bf16);
    (void)snprintf(op->name, sizeof(op->name), "matmul_f32_%s", op->tile ? op->tile->name : "ref");
    return MXD_OK;
}

const char *mxdi_matmul_f32_name(const mxdi_matmul_f32 *op)
{
    return op->name;
}

/* Words between two prepared rows of a: an odd number of cache lines, so that tile rows spread over
 * L1's sets. */
static int64_t prepared_row(const mxdi_matmul_f32 *op)
{
    return (div_up(words_of(op), 16) | 1) * 16;
}

static size_t panel_words(const mxdi_matmul_f32 *op)
{
    return (size_t)words_of(op) * (size_t)op->tile->full;
}

/* The packed panel; behind it, with bf16, the prepared rows of a. */
size_t mxdi_matmul_f32_scratch(const mxdi_matmul_f32 *op)
{
    if (!op->tile)
        return 0;
    const int64_t rows = op->desc.m < MAX_ITEM_ROWS ? op->desc.m : MAX_ITEM_ROWS;
    size_t        n    = panel_words(op) * sizeof(float);
    if (op->desc.bf16)
        n += (size_t)rows * (size_t)prepared_row(op) * sizeof(float);
    return (n + 63) / 64 * 64;
}

size_t mxdi_matmul_f32_tasks(const mxdi_matmul_f32 *op, int64_t outer)
{
    return (size_t)make_plan(op, outer).tasks;
}

/* All rows of an item over the packed panel of lanes [n, n + used). */
static void run_panel(const mxdi_matmul_f32 *op, const float *a, int64_t a_row, const float *panel,
                      float *c, int64_t rows, int32_t used, bool narrow)
{
    static const _Alignas(64) float zeros[MXDI_TILE_F32_MAX_LANES];
    const struct mxdi_tile_f32     *tile  = op->tile;
    const int32_t                   lanes = narrow ? tile->narrow : tile->full;
    const int64_t                   tiles = div_up(rows, tile->rows);
    mxdi_tile_f32_args              args  = { .a_row = a_row,
                                              .a_k   = 1,
                                              .k     = words_of(op),
                                              .n_kx  = 1,
                                              .n_ky  = 1,
                                              .b     = panel,
                                              .init  = zeros,
                                              .c_row = op->desc.c_row,
                                              .alpha = op->desc.alpha,
                                              .lo    = -INFINITY,
                                              .hi    = INFINITY,
                                              .lanes = used,
                                              .finish =
                                    used == lanes ? MXDI_TILE_F32_SCALE : MXDI_TILE_F32_FULL };
    for (int64_t t = 0; t < tiles; t++) {
        const int64_t from = t * rows / tiles, m = (t + 1) * rows / tiles - from,
                      half = (m + 1) / 2;
        args.a             = a + from * a_row;
        args.a_half        = half * a_row;
        args.c             = c + from * args.c_row;
        args.c_half        = half * args.c_row;
        (narrow ? tile->narrow_fn : tile->full_fn)[m](&args);
    }
}

/* Rows [begin, end) of one product with the panels [p0, p1). */
static void run_item(const mxdi_matmul_f32 *op, const float *a, const float *b, float *c,
                     float *scratch, int64_t begin, int64_t end, int64_t p0, int64_t p1)
{
    const mxdi_matmul_f32_desc *d     = &op->desc;
    const int32_t               full  = op->tile->full;
    const float                *rows  = a + begin * d->a_row;
    int64_t                     a_row = d->a_row;
    if (d->bf16) {
        float *prepared = scratch + panel_words(op);
        a_row           = prepared_row(op);
        for (int64_t i = begin; i < end; i++)
            op->tile->prepare(prepared + (i - begin) * a_row, a + i * d->a_row, d->k);
        rows = prepared;
    }
    for (int64_t p = p0; p < p1; p++) {
        const int64_t n      = p * full;
        const int32_t used   = (int32_t)(d->n - n < full ? d->n - n : full);
        const bool    narrow = used <= op->tile->narrow;
        op->tile->pack(scratch, d->trans_b ? b + n * d->b_row : b + n, d->b_row, d->k,
                       narrow ? op->tile->narrow : full, used, d->trans_b, d->bf16);
        run_panel(op, rows, a_row, scratch, c + begin * d->c_row + n, end - begin, used, narrow);
    }
}

void mxdi_matmul_f32_run(const mxdi_matmul_f32 *op, const float *a, const float *b, float *c,
                         void *scratch, int64_t outer, size_t begin, size_t end)
{
    const mxdi_matmul_f32_desc *d = &op->desc;
    const plan                  p = make_plan(op, outer);
    if (p.tasks == 0)
        return;
    const int64_t last   = (int64_t)end * p.items / p.tasks,
                  panels = op->tile ? div_up(d->n, op->tile->full) : 1;
    for (int64_t i = (int64_t)begin * p.items / p.tasks; i < last; i++) {
        const int64_t share = i % p.shares, chunk = i / p.shares % p.chunks;
        const float  *ai = a, *bi = b;
        float        *ci   = c;
        int64_t       left = i / p.shares / p.chunks;
        for (int dim = MXDI_MATMUL_BATCH - 1; dim >= 0; dim--) {
            const int64_t n = dim ? d->batch[dim] : outer, at = left % n;
            left /= n;
            ai += at * d->a_batch[dim];
            bi += at * d->b_batch[dim];
            ci += at * d->c_batch[dim];
        }
        const int64_t r0 = chunk * d->m / p.chunks, r1 = (chunk + 1) * d->m / p.chunks;
        if (op->tile)
            run_item(op, ai, bi, ci, (float *)scratch, r0, r1, share * panels / p.shares,
                     (share + 1) * panels / p.shares);
        else
            mxdi_matmul_f32_ref(d, ai, bi, ci, r0, r1);
    }
}
