/* SPDX-License-Identifier: Apache-2.0
 *
 * Batched integer products by register tiles. A task is some rows of one product: each panel of B
 * is packed into scratch, then the rows pass over it while it is in L1.
 */
#include "kernels/matmul_q8/matmul_q8_impl.h"

#include <string.h>

#include "base/error.h"

enum { MAX_TASK_ROWS = 252 }; /* packing a panel costs as much as about ten rows */

static const struct mxdi_matmul_q8_kernel *const kernels[MXDI_Q8_COUNT] = {
#define MXD_Q8(variant, needs, weights) &mxdi_matmul_q8_##variant,
#include "kernels/simd/q8.inc"
#undef MXD_Q8
};

static int64_t div_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Floats and integers behind the n that are copied; a bias of -0 is none (post_q8.h). */
static const void *padded(mxdi_arena *arena, const void *from, int64_t n)
{
    const size_t    room = (size_t)div_up(n, MXDI_MATMUL_Q8_MAX_PANEL) * MXDI_MATMUL_Q8_MAX_PANEL;
    uint32_t *const to   = mxdi_arena_alloc(arena, room, sizeof(*to), 64);
    if (to && from)
        memcpy(to, from, (size_t)n * sizeof(*to));
    return to;
}

static mxd_status keep_vectors(mxdi_matmul_q8 *op, mxdi_arena *arena, mxd_error *err)
{
    mxdi_matmul_q8_desc *const d = &op->desc;
    int32_t *const             z = MXDI_NEW(arena, int32_t, (size_t)d->n);
    float *const               f = MXDI_NEW(arena, float, (size_t)d->n);
    if (!z || !f)
        return mxdi_nomem(err);
    for (int64_t j = 0; j < d->n; j++) {
        if (d->b_zero_point[j] < 0 || d->b_zero_point[j] > 255)
            return mxdi_fail(err, MXD_E_RANGE,
                             "matmul_q8: expected zero points of B within 0..255, got %d",
                             d->b_zero_point[j]);
        z[j]        = 128 - d->b_zero_point[j];
        op->shifted = op->shifted || z[j] != 0;
        f[j]        = mxdi_post_q8_bias(&d->epilogue, (int32_t)j);
    }
    op->minus_z            = padded(arena, z, d->n);
    d->b_zero_point        = padded(arena, d->b_zero_point, d->n);
    d->epilogue.m          = padded(arena, d->epilogue.m, d->n);
    d->epilogue.bias       = padded(arena, d->epilogue.bias, d->n);
    d->epilogue.bias_float = padded(arena, f, d->n);
    return op->minus_z && d->b_zero_point && d->epilogue.m && d->epilogue.bias &&
                   d->epilogue.bias_float
               ? MXD_OK
               : mxdi_nomem(err);
}

mxd_status mxdi_matmul_q8_init(mxdi_matmul_q8 *op, const mxdi_matmul_q8_desc *desc, uint32_t isa,
                               mxdi_arena *arena, mxd_error *err)
{
    const mxdi_matmul_q8_desc *const d = desc;
    if (d->m < 0 || d->n < 1 || d->k < 1 || d->k > INT32_MAX || d->n > INT32_MAX)
        return mxdi_fail(err, MXD_E_SHAPE,
                         "matmul_q8: expected sizes from 1 to 2^31 - 1, got %lld x %lld x %lld",
                         (long long)d->m, (long long)d->n, (long long)d->k);
    if (d->a_row < d->k || d->y_row < d->n)
        return mxdi_fail(err, MXD_E_SHAPE,
                         "matmul_q8: rows of %lld, %lld elements overlap in %lld x %lld x %lld",
                         (long long)d->a_row, (long long)d->y_row, (long long)d->m, (long long)d->n,
                         (long long)d->k);
    if (d->a_zero_point < 0 || d->a_zero_point > 255)
        return mxdi_fail(err, MXD_E_RANGE,
                         "matmul_q8: expected a zero point of A within 0..255, got %d",
                         d->a_zero_point);
    *op =
        (mxdi_matmul_q8){ .desc = *d, .kernel = kernels[mxdi_q8_select(isa, INT8_MIN, INT8_MAX)] };
    MXD_TRY(mxdi_post_q8_init(&op->post, &d->epilogue, (int32_t)d->n, err));
    return keep_vectors(op, arena, err);
}

const char *mxdi_matmul_q8_name(const mxdi_matmul_q8 *op)
{
    return op->kernel->name;
}

static int64_t chunks_of(int64_t m)
{
    return div_up(m, MAX_TASK_ROWS);
}

size_t mxdi_matmul_q8_tasks(const mxdi_matmul_q8 *op, int64_t outer, int64_t m)
{
    int64_t n = outer * chunks_of(m);
    for (int k = 1; k < MXDI_MATMUL_Q8_BATCH; k++)
        n *= op->desc.batch[k];
    return (size_t)n;
}

/* ---- scratch: a panel, its biases, sums of rows of a, and rows of a when k is no multiple of 4
 * ---- */

static size_t panel_bytes(const mxdi_matmul_q8 *op)
{
    return (size_t)(div_up(op->desc.k, 4) * 4 * op->kernel->columns * op->kernel->weight_bytes);
}

static int64_t task_rows(const mxdi_matmul_q8 *op)
{
    return op->desc.m < MAX_TASK_ROWS ? op->desc.m : MAX_TASK_ROWS;
}

static size_t sums_bytes(const mxdi_matmul_q8 *op)
{
    return (size_t)div_up(task_rows(op), 16) * 64;
}

size_t mxdi_matmul_q8_scratch(const mxdi_matmul_q8 *op)
{
    const int64_t k4 = div_up(op->desc.k, 4);
    if (!op->kernel->columns)
        return 0;
    return panel_bytes(op) + MXDI_MATMUL_Q8_MAX_PANEL * sizeof(int32_t) + sums_bytes(op) +
           (op->desc.k % 4 ? (size_t)(task_rows(op) * k4 * 4) : 0);
}

static void sum_rows(int32_t *sums, const uint8_t *a, int64_t a_row, int64_t rows, int64_t k)
{
    for (int64_t i = 0; i < rows; i++, a += a_row) {
        uint32_t sum = 0;
        for (int64_t j = 0; j < k; j++)
            sum += a[j];
        sums[i] = (int32_t)sum;
    }
}

/* bias[j] + k*za*(zb - 128) - za * sum of b' */
static void fold_bias(int32_t *bias, const mxdi_matmul_q8 *op, int64_t column, int32_t columns)
{
    const uint32_t za = (uint32_t)op->desc.a_zero_point, k = (uint32_t)op->desc.k;
    const uint32_t less = za - (uint32_t)op->kernel->nothing; /* of what products take */
    for (int32_t j = 0; j < columns; j++)
        bias[j] = (int32_t)((uint32_t)op->desc.epilogue.bias[column + j] -
                            less * (uint32_t)bias[j] - za * k * (uint32_t)op->minus_z[column + j]);
}

/* `rows` rows of one product from row i on. */
static void run_rows(const mxdi_matmul_q8 *op, const mxdi_matmul_q8_args *at, int64_t i,
                     int64_t rows)
{
    const mxdi_matmul_q8_desc *const          d       = &op->desc;
    const struct mxdi_matmul_q8_kernel *const kernel  = op->kernel;
    const int32_t                             columns = kernel->columns;
    const int64_t  size = d->epilogue.y_float ? (int64_t)sizeof(float) : 1, k4 = div_up(d->k, 4);
    uint8_t *const w    = at->scratch;
    int32_t *const bias = (int32_t *)(void *)(w + panel_bytes(op)), *const sums =
                                                                        bias +
                                                                        MXDI_MATMUL_Q8_MAX_PANEL;
    uint8_t *const       copy = (uint8_t *)sums + sums_bytes(op);
    mxdi_matmul_q8_panel p    = { .a     = at->a + i * d->a_row,
                                  .a_row = d->a_row,
                                  .rows  = rows,
                                  .k4    = k4,
                                  .w     = w,
                                  .bias  = bias,
                                  .y_row = d->y_row * size,
                                  .post  = &op->post };
    if (op->shifted) {
        sum_rows(sums, p.a, d->a_row, rows, d->k);
        p.sums = sums;
    }
    if (d->k % 4) {
        for (int64_t k = 0; k < rows; k++)
            memcpy(copy + k * k4 * 4, p.a + k * d->a_row, (size_t)d->k);
        p.a     = copy;
        p.a_row = k4 * 4;
    }
    for (int64_t j = 0; j < d->n; j += columns) {
        const int64_t n = d->n - j < columns ? d->n - j : columns, y = i * d->y_row + j;
        const mxdi_matmul_q8_source from = { at->b + j * d->b_n, d->k, n, d->b_k, d->b_n };
        kernel->pack(w, bias, &from);
        fold_bias(bias, op, j, columns);
        p.minus_z    = op->minus_z + j;
        p.m          = d->epilogue.m + j;
        p.bias_float = d->epilogue.bias_float + j;
        p.y          = (uint8_t *)at->y + y * size;
        p.r          = at->r ? at->r + y : NULL;
        p.n          = (size_t)n;
        kernel->multiply(&p);
    }
}

/* The product with number `product`, batch[0] outermost. */
static mxdi_matmul_q8_args product_at(const mxdi_matmul_q8 *op, const mxdi_matmul_q8_args *args,
                                      int64_t product)
{
    const mxdi_matmul_q8_desc *const d = &op->desc;
    int64_t                          a = 0, b = 0, y = 0;
    for (int k = MXDI_MATMUL_Q8_BATCH - 1; k >= 0; k--) {
        const int64_t dim = k == 0 ? args->outer : d->batch[k], at = product % dim;
        a += at * d->a_batch[k];
        b += at * d->b_batch[k];
        y += at * d->y_batch[k];
        product /= dim;
    }
    mxdi_matmul_q8_args out = *args;
    out.a += a;
    out.b += b;
    out.r = args->r ? args->r + y : NULL;
    out.y = (uint8_t *)args->y + y * (d->epilogue.y_float ? (int64_t)sizeof(float) : 1);
    return out;
}

void mxdi_matmul_q8_run(const mxdi_matmul_q8 *op, const mxdi_matmul_q8_args *args, size_t begin,
                        size_t end)
{
    const int64_t chunks = chunks_of(args->m);
    for (int64_t t = (int64_t)begin; t < (int64_t)end; t++) {
        const mxdi_matmul_q8_args at = product_at(op, args, t / chunks);
        const int64_t             i = t % chunks * MAX_TASK_ROWS, left = args->m - i,
                      rows = left < MAX_TASK_ROWS ? left : MAX_TASK_ROWS;
        if (op->kernel->columns)
            run_rows(op, &at, i, rows);
        else
            mxdi_matmul_q8_rows_ref(op, &at, i, i + rows);
    }
}
