/* SPDX-License-Identifier: Apache-2.0
 *
 * Making and running products with 4-bit weights: packing, and the cut into tasks, one bundle of
 * columns each. Rows of x are copied together first where they are not together or are to be
 * rounded.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "base/error.h"
#include "kernels/matmul_w4/matmul_w4_impl.h"

enum { MEMORY_BYTES = 16 << 20 }; /* weights of that size do not stay in a cache */

#define MXD_MATMUL_W4(variant, needs_) \
    extern const struct mxdi_matmul_w4_tile mxdi_matmul_w4_##variant;
#include "kernels/matmul_w4/matmul_w4.inc"
#undef MXD_MATMUL_W4

static const struct mxdi_matmul_w4_tile *const tiles[] = {
#define MXD_MATMUL_W4(variant, needs_) &mxdi_matmul_w4_##variant,
#include "kernels/matmul_w4/matmul_w4.inc"
#undef MXD_MATMUL_W4
    NULL /* where there are none */
};

/* The best one; of those that add pairs only with bf16. */
static const struct mxdi_matmul_w4_tile *select_tile(uint32_t isa, bool bf16)
{
    for (size_t i = sizeof(tiles) / sizeof(tiles[0]) - 1; i > 0; i--)
        if (!(tiles[i - 1]->needs & ~isa) && (bf16 || tiles[i - 1]->terms == 1))
            return tiles[i - 1];
    return NULL;
}

bool mxdi_matmul_w4_pays(int64_t rows, int64_t k, int64_t n, bool bf16, uint32_t isa)
{
    const struct mxdi_matmul_w4_tile *const tile = select_tile(isa, bf16);
    const int64_t bytes = k * n * (tile && tile->terms > 1 ? 2 : 4); /* of conv_f32's panels */
    if (rows > MXDI_MATMUL_W4_ROWS)
        return false;
    if (tile && !bf16 && rows <= tile->quick_rows && bytes >= tile->quick_bytes)
        return true;
    const bool slow = tile && bf16 && tile->terms == 1; /* rounding by integer arithmetic */
    return bytes >= MEMORY_BYTES && (!slow || rows <= 2);
}

static int64_t div_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t groups_of(const mxdi_matmul_w4 *op)
{
    return div_up(op->k, MXDI_MATMUL_W4_GROUP);
}

/* Vectors of bundle b, and the number of those before it. */
static int64_t width_of(const mxdi_matmul_w4 *op, int64_t b)
{
    const int64_t left = op->vectors - b * MXDI_MATMUL_W4_BUNDLE;
    return left < MXDI_MATMUL_W4_BUNDLE ? left : MXDI_MATMUL_W4_BUNDLE;
}

/* ---- making ---- */

static mxd_status check(const mxdi_matmul_w4_desc *d, mxd_error *err)
{
    if (d->taps < 1 || d->c_in < 1 || d->n < 1 || d->c_in > INT32_MAX / d->taps || d->n > INT32_MAX)
        return mxdi_fail(err, MXD_E_SHAPE,
                         "matmul_w4: %lld x %lld x %lld: sizes from 1 to 2^31 - 1 expected",
                         (long long)d->taps, (long long)d->c_in, (long long)d->n);
    const int64_t k = d->taps * d->c_in, blocks = d->block ? div_up(k, d->block) : 1;
    if (d->block < 0 || d->block % MXDI_MATMUL_W4_GROUP)
        return mxdi_fail(err, MXD_E_UNSUPPORTED,
                         "matmul_w4: blocks of a multiple of 8 expected, got %d", d->block);
    if (d->bf16 && d->taps > 1 && d->c_in % 2)
        return mxdi_fail(err, MXD_E_UNSUPPORTED,
                         "matmul_w4: taps of an even number of channels expected, got %lld",
                         (long long)d->c_in);
    for (int64_t i = 0; i < d->n * blocks; i++)
        if (!(d->scale[i] > (d->bf16 ? 0x1p-120f : 0.0f)) || isinf(d->scale[i]))
            return mxdi_fail(err, MXD_E_UNSUPPORTED, "matmul_w4: scale %lld is %g", (long long)i,
                             (double)d->scale[i]);
    return MXD_OK;
}

/* Weights and scales of one column, lane `lane` of vector v of a bundle. */
static void pack_column(mxdi_matmul_w4 *op, int64_t column, int64_t bundle, int64_t v, int64_t lane)
{
    const int64_t width = width_of(op, bundle), lanes = op->tile->lanes,
                  before = bundle * MXDI_MATMUL_W4_BUNDLE * lanes, at = v * lanes + lane;
    uint32_t *const     w = op->packed + before * groups_of(op) + at;
    float *const        s = op->scale + before * op->blocks + at;
    const int8_t *const q = op->desc.w + column * op->k;
    for (int64_t k = 0; k < op->k; k++) {
        const int64_t within = k % MXDI_MATMUL_W4_GROUP;
        w[k / MXDI_MATMUL_W4_GROUP * width * lanes] |=
            ((uint32_t)q[k] & 15) << 4 * (op->tile->high_first ? MXDI_MATMUL_W4_GROUP - 1 - within
                                                               : within);
    }
    for (int64_t b = 0; b < op->blocks; b++)
        s[b * width * lanes] = op->desc.scale[column * op->blocks + b];
    op->bias[before + at] = op->desc.bias ? op->desc.bias[column] : 0.0f;
}

static bool pack(mxdi_matmul_w4 *op)
{
    const size_t columns = (size_t)op->vectors * (size_t)op->tile->lanes;
    op->packed           = MXDI_ALLOC(op->alloc, uint32_t, columns * (size_t)groups_of(op));
    op->scale            = MXDI_ALLOC(op->alloc, float, columns *(size_t)op->blocks);
    op->bias             = MXDI_ALLOC(op->alloc, float, columns);
    if (!op->packed || !op->scale || !op->bias)
        return false;
    for (int64_t c = 0; c < op->desc.n; c++) {
        const int64_t v = c / op->tile->lanes;
        pack_column(op, c, v / MXDI_MATMUL_W4_BUNDLE, v % MXDI_MATMUL_W4_BUNDLE,
                    c % op->tile->lanes);
    }
    op->bytes = columns * (4 * (size_t)groups_of(op) + 4 * (size_t)op->blocks + 4);
    return true;
}

/* What the plain C definition reads. */
static bool keep_plain(mxdi_matmul_w4 *op)
{
    const mxdi_matmul_w4_desc *d = &op->desc;
    const size_t n = (size_t)d->n, weights = n * (size_t)op->k, scales = n * (size_t)op->blocks;
    op->plain = MXDI_ALLOC(op->alloc, int8_t, weights);
    op->scale = MXDI_ALLOC(op->alloc, float, scales);
    op->bias  = MXDI_ALLOC(op->alloc, float, n);
    if (!op->plain || !op->scale || !op->bias)
        return false;
    memcpy(op->plain, d->w, weights);
    memcpy(op->scale, d->scale, scales * sizeof(float));
    if (d->bias)
        memcpy(op->bias, d->bias, n * sizeof(float));
    op->bytes = weights + (scales + n) * sizeof(float);
    return true;
}

mxd_status mxdi_matmul_w4_create(mxdi_matmul_w4 **out, const mxdi_matmul_w4_desc *desc,
                                 uint32_t isa, const mxd_allocator *alloc, mxd_error *err)
{
    *out = NULL;
    MXD_TRY(check(desc, err));
    mxdi_matmul_w4 *const op = MXDI_ALLOC(alloc, mxdi_matmul_w4, 1);
    if (!op)
        return mxdi_nomem(err);
    op->alloc  = alloc;
    op->desc   = *desc;
    op->tile   = select_tile(isa, desc->bf16 != 0);
    op->k      = desc->taps * desc->c_in;
    op->blocks = desc->block ? div_up(op->k, desc->block) : 1;
    if (op->tile) {
        op->vectors = div_up(desc->n, op->tile->lanes);
        op->bundles = div_up(op->vectors, MXDI_MATMUL_W4_BUNDLE);
    }
    (void)snprintf(op->name, sizeof(op->name), "matmul_w4_%s", op->tile ? op->tile->name : "ref");
    const bool made = op->tile ? pack(op) : keep_plain(op);
    op->desc.w      = NULL;
    op->desc.scale = op->desc.bias = NULL;
    if (!made) {
        mxdi_matmul_w4_destroy(op);
        return mxdi_nomem(err);
    }
    *out = op;
    return MXD_OK;
}

void mxdi_matmul_w4_destroy(mxdi_matmul_w4 *op)
{
    if (!op)
        return;
    mxdi_free(op->alloc, op->packed);
    mxdi_free(op->alloc, op->scale);
    mxdi_free(op->alloc, op->bias);
    mxdi_free(op->alloc, op->plain);
    mxdi_free(op->alloc, op);
}

const char *mxdi_matmul_w4_name(const mxdi_matmul_w4 *op)
{
    return op->name;
}

size_t mxdi_matmul_w4_bytes(const mxdi_matmul_w4 *op)
{
    return sizeof(*op) + op->bytes;
}

/* ---- running ---- */

static bool is_together(const mxdi_matmul_w4 *op)
{
    return op->desc.taps == 1 && !op->desc.bf16;
}

/* Words of one prepared row, whole cache lines. */
static int64_t row_words(const mxdi_matmul_w4 *op)
{
    return div_up(div_up(op->k, op->tile->terms), 16) * 16;
}

size_t mxdi_matmul_w4_scratch(const mxdi_matmul_w4 *op)
{
    return !op->tile || is_together(op)
               ? 0
               : MXDI_MATMUL_W4_ROWS * (size_t)row_words(op) * sizeof(float);
}

size_t mxdi_matmul_w4_tasks(const mxdi_matmul_w4 *op)
{
    return (size_t)(op->tile ? op->bundles : op->desc.n);
}

static void prepare(const mxdi_matmul_w4 *op, float *to, const float *x, int64_t rows)
{
    const mxdi_matmul_w4_desc *d = &op->desc;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t t = 0; t < d->taps; t++) {
            float *const       at   = to + i * row_words(op) + t * d->c_in / op->tile->terms;
            const float *const from = x + i * d->x_row + t * d->x_tap;
            if (d->bf16)
                op->tile->prepare(at, from, d->c_in);
            else
                memcpy(at, from, (size_t)d->c_in * sizeof(*at));
        }
}

static void run_bundle(const mxdi_matmul_w4 *op, mxdi_matmul_w4_args args, const float *r, float *y,
                       int64_t rows, int64_t bundle)
{
    const struct mxdi_matmul_w4_tile *tile  = op->tile;
    const int64_t                     width = width_of(op, bundle), lanes = tile->lanes,
                  first = bundle * MXDI_MATMUL_W4_BUNDLE * lanes;
    args.step           = width * lanes;
    for (int64_t v = 0, taken; v < width; v += taken) {
        const bool    wide = v + tile->vectors[rows] <= width;
        const int64_t at   = first + v * lanes;
        taken              = wide ? tile->vectors[rows] : 1;
        args.w             = op->packed + first * groups_of(op) + v * lanes;
        args.scale         = op->scale + first * op->blocks + v * lanes;
        args.bias          = op->bias + at;
        args.y             = y + at;
        args.r             = op->desc.residual ? r + at : NULL;
        args.columns       = op->desc.n - at < taken * lanes ? op->desc.n - at : taken * lanes;
        (wide ? tile->wide : tile->single)[rows](&args);
    }
}

void mxdi_matmul_w4_run(const mxdi_matmul_w4 *op, const float *x, const float *r, float *y,
                        void *scratch, int64_t rows, size_t begin, size_t end)
{
    const mxdi_matmul_w4_desc *d = &op->desc;
    if (!op->tile) {
        mxdi_matmul_w4_ref(op, x, r, y, rows, (int64_t)begin, (int64_t)end);
        return;
    }
    mxdi_matmul_w4_args args = {
        .x     = x,
        .x_row = d->x_row,
        .k     = op->k,
        .block = d->block ? d->block : div_up(op->k, MXDI_MATMUL_W4_GROUP) * MXDI_MATMUL_W4_GROUP,
        .y_row = d->y_row,
        .lo    = d->y_min,
        .hi    = d->y_max,
        .round_bf16 = d->round_bf16,
        .bf16       = d->bf16
    };
    if (!is_together(op)) {
        prepare(op, scratch, x, rows);
        args.x     = scratch;
        args.x_row = row_words(op);
    }
    for (size_t b = begin; b < end; b++)
        run_bundle(op, args, r, y, rows, (int64_t)b);
}
