/* SPDX-License-Identifier: Apache-2.0
 *
 * Making integer convolutions: checks, the choice of a variant, and who owns what. */
#include "kernels/conv_q8/conv_q8_op.h"

#include <string.h>

#include "base/error.h"

const struct mxdi_conv_q8_variant mxdi_conv_q8_variants[] = {
#define MXD_Q8(variant, needs) { "conv_q8_" #variant, needs, &mxdi_conv_q8_kernel_##variant },
#include "kernels/conv_q8/conv_q8.inc"
#undef MXD_Q8
};
const size_t mxdi_conv_q8_count = sizeof(mxdi_conv_q8_variants) / sizeof(mxdi_conv_q8_variants[0]);

/* The last variant within `isa` that can hold weights of `lo` .. `hi`. */
static const struct mxdi_conv_q8_variant *select_variant(uint32_t isa, int32_t lo, int32_t hi)
{
    const bool s8 = lo >= INT8_MIN && hi <= INT8_MAX;
    size_t     i  = mxdi_conv_q8_count - 1;
    while ((mxdi_conv_q8_variants[i].needs & ~isa) || (mxdi_conv_q8_variants[i].kernel->weight_bytes == 1 && !s8))
        i--; /* ends at `ref`, which needs nothing */
    return &mxdi_conv_q8_variants[i];
}

static mxd_status check_layout(const mxdi_blocked *l, const char *name, mxd_error *err)
{
    if (l->h < 1 || l->w < 1 || l->channels < 1 || (l->block != 1 && l->block != 8) || l->pitch < l->channels ||
        l->block_stride < mxdi_blocked_row(l) * l->h)
        return mxdi_fail(err, MXD_E_INVAL, "conv_q8: expected a layout of 1 or 8 images for %s, got %d of %dx%dx%d", name,
                         l->block, l->h, l->w, l->channels);
    return MXD_OK;
}

static mxd_status check(const mxdi_conv_q8_desc *d, mxd_error *err)
{
    const mxdi_window2d *w = &d->window;
    MXD_TRY(check_layout(&d->x, "x", err));
    MXD_TRY(check_layout(&d->y, "y", err));
    if (d->x.block != d->y.block)
        return mxdi_fail(err, MXD_E_INVAL, "conv_q8: expected y in blocks of %d like x, got %d", d->x.block, d->y.block);
    if (w->kh < 1 || w->kw < 1 || w->sh < 1 || w->sw < 1 || w->dh < 1 || w->dw < 1)
        return mxdi_fail(err, MXD_E_INVAL, "conv_q8: expected a positive window, got %dx%d by %dx%d, dilated %dx%d",
                         w->kh, w->kw, w->sh, w->sw, w->dh, w->dw);
    if (d->groups < 1 || d->x.channels % d->groups || d->y.channels % d->groups)
        return mxdi_fail(err, MXD_E_SHAPE, "conv_q8: expected %d and %d channels in whole groups, got %d groups",
                         d->x.channels, d->y.channels, d->groups);
    if (d->x_zero_point < 0 || d->x_zero_point > 255)
        return mxdi_fail(err, MXD_E_RANGE, "conv_q8: expected a zero point of 0..255 for x, got %d", d->x_zero_point);
    return MXD_OK;
}

/* How many weights there are, and between what they lie. */
static mxd_status weight_range(size_t *n, int32_t *lo, int32_t *hi, const mxdi_conv_q8_desc *d, mxd_error *err)
{
    if (!mxdi_mul_size(n, (size_t)d->y.channels, (size_t)(d->x.channels / d->groups)) ||
        !mxdi_mul_size(n, *n, (size_t)d->window.kh) || !mxdi_mul_size(n, *n, (size_t)d->window.kw))
        return mxdi_nomem(err);
    *lo = *hi = 0;
    for (size_t i = 0; i < *n; i++) {
        *lo = d->w[i] < *lo ? d->w[i] : *lo;
        *hi = d->w[i] > *hi ? d->w[i] : *hi;
    }
    if (*lo < -255 || *hi > 255)
        return mxdi_fail(err, MXD_E_RANGE, "conv_q8: expected weights within -255..255, got %d..%d", *lo, *hi);
    return MXD_OK;
}

void *mxdi_conv_q8_alloc(mxdi_conv_q8 *op, size_t count, size_t size)
{
    void *p = mxdi_arena_alloc(&op->arena, count, size, 64);
    if (p)
        op->bytes += count * size;
    return p;
}

/* A copy of an optional vector; false when out of memory. */
static bool keep(const void **p, mxdi_conv_q8 *op, size_t count, size_t size)
{
    if (!*p)
        return true;
    void *copy = mxdi_conv_q8_alloc(op, count, size);
    if (copy)
        memcpy(copy, *p, count * size);
    *p = copy;
    return copy != NULL;
}

/* What the plain definition reads. */
static mxd_status keep_plain(mxdi_conv_q8 *op, size_t n_weights, mxd_error *err)
{
    mxdi_q8_epilogue *e = &op->desc.epilogue;
    const size_t      n = (size_t)op->desc.y.channels;
    const void       *w = op->desc.w, *bias = e->bias, *bias_float = e->bias_float, *m = e->m;
    const bool        kept = keep(&w, op, n_weights, sizeof(int16_t)) && keep(&bias, op, n, sizeof(int32_t)) &&
                             keep(&bias_float, op, n, sizeof(float)) && keep(&m, op, n, sizeof(float));
    op->desc.w    = w;
    e->bias       = bias;
    e->bias_float = bias_float;
    e->m          = m;
    return kept ? MXD_OK : mxdi_nomem(err);
}

/* Everything behind the checks; on failure the caller destroys `op`. */
static mxd_status fill(mxdi_conv_q8 *op, const mxdi_conv_q8_desc *desc, uint32_t isa, mxd_error *err)
{
    size_t  n_weights = 0;
    int32_t lo = 0, hi = 0;
    op->desc  = *desc;
    op->c_in  = desc->x.channels / desc->groups;
    op->c_out = desc->y.channels / desc->groups;
    MXD_TRY(mxdi_post_q8_init(&op->post, &desc->epilogue, desc->y.channels, err));
    MXD_TRY(weight_range(&n_weights, &lo, &hi, desc, err));
    op->variant = select_variant(isa, lo, hi);
    if (op->variant->kernel->lanes == 0)
        return keep_plain(op, n_weights, err);
    MXD_TRY(mxdi_conv_q8_plan(op, err));
    MXD_TRY(mxdi_conv_q8_pack(op, desc->w, &desc->epilogue, err));
    op->desc.w        = NULL; /* the caller's, and not needed any more */
    op->desc.epilogue = (mxdi_q8_epilogue){ .y_float = desc->epilogue.y_float };
    return MXD_OK;
}

mxd_status mxdi_conv_q8_create(mxdi_conv_q8 **out, const mxdi_conv_q8_desc *desc, uint32_t isa,
                               const mxd_allocator *alloc, mxd_error *err)
{
    *out = NULL;
    MXD_TRY(check(desc, err));
    mxdi_conv_q8 *op = MXDI_ALLOC(alloc, mxdi_conv_q8, 1);
    if (!op)
        return mxdi_nomem(err);
    mxdi_arena_init(&op->arena, alloc);
    const mxd_status st = fill(op, desc, isa, err);
    if (st != MXD_OK) {
        mxdi_conv_q8_destroy(op);
        return st;
    }
    *out = op;
    return MXD_OK;
}

void mxdi_conv_q8_destroy(mxdi_conv_q8 *op)
{
    if (!op)
        return;
    const mxd_allocator *alloc = op->arena.alloc;
    mxdi_arena_fini(&op->arena);
    mxdi_free(alloc, op);
}

const char *mxdi_conv_q8_name(const mxdi_conv_q8 *op)
{
    return op->variant->name;
}

size_t mxdi_conv_q8_bytes(const mxdi_conv_q8 *op)
{
    return sizeof(*op) + op->bytes;
}

size_t mxdi_conv_q8_tasks(const mxdi_conv_q8 *op, int64_t blocks)
{
    if (op->variant->kernel->lanes == 0)
        return (size_t)blocks * (size_t)op->desc.y.h;
    return mxdi_conv_q8_kernel_tasks(op, blocks);
}

void mxdi_conv_q8_run(const mxdi_conv_q8 *op, const uint8_t *x, const uint8_t *r, void *y, int64_t blocks,
                      size_t begin, size_t end)
{
    if (op->variant->kernel->lanes != 0) {
        mxdi_conv_q8_kernel_run(op, x, r, y, blocks, begin, end);
        return;
    }
    const size_t h = (size_t)op->desc.y.h;
    for (size_t t = begin; t < end; t++)
        mxdi_conv_q8_ref(&op->desc, x, r, y, (int64_t)(t / h), (int32_t)(t % h));
}
