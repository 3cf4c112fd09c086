/* SPDX-License-Identifier: Apache-2.0
 *
 * Making integer depthwise convolutions, and what serves all variants alike. */
#include "base/error.h"
#include "kernels/dwconv_q8/dwconv_q8_op.h"

static const struct mxdi_dwconv_q8_kernel *const kernels[MXDI_Q8_COUNT] = {
#define MXD_Q8(variant, needs, weights) &mxdi_dwconv_q8_##variant,
#include "kernels/simd/q8.inc"
#undef MXD_Q8
};

/* A depthwise convolution is one of as many groups as channels. */
static mxd_status check(mxdi_q8_base *base, const mxdi_dwconv_q8_desc *d, size_t n_weights,
                        uint32_t isa, const mxd_allocator *alloc, mxd_error *err)
{
    const mxdi_conv_q8_desc conv = { .x            = d->x,
                                     .y            = d->y,
                                     .window       = d->window,
                                     .groups       = d->x.channels,
                                     .w            = d->w,
                                     .x_zero_point = d->x_zero_point,
                                     .epilogue     = d->epilogue };
    if (d->x.channels != d->y.channels)
        return mxdi_fail(err, MXD_E_SHAPE, "dwconv_q8: expected %d channels for y like x, got %d",
                         d->x.channels, d->y.channels);
    return mxdi_q8_base_init(base, "dwconv_q8", &conv, n_weights, isa, alloc, err);
}

/* On failure the caller destroys `op`. */
static mxd_status fill(mxdi_dwconv_q8 *op, const mxdi_dwconv_q8_desc *desc, size_t n_weights,
                       mxd_error *err)
{
    op->kernel       = kernels[op->base.row];
    op->base.nothing = op->kernel->nothing;
    if (op->base.row != MXDI_Q8_ref)
        return mxdi_dwconv_q8_pack(op, desc->w, &desc->epilogue, err);
    op->plain = *desc;
    return mxdi_q8_base_keep(&op->base, &op->plain.w, n_weights, &op->plain.epilogue, err);
}

mxd_status mxdi_dwconv_q8_create(mxdi_dwconv_q8 **out, const mxdi_dwconv_q8_desc *desc,
                                 uint32_t isa, const mxd_allocator *alloc, mxd_error *err)
{
    size_t n;
    *out = NULL;
    if (!mxdi_mul_size(&n, (size_t)desc->y.channels, (size_t)desc->window.kh) ||
        !mxdi_mul_size(&n, n, (size_t)desc->window.kw))
        return mxdi_nomem(err);
    mxdi_dwconv_q8 *op = MXDI_ALLOC(alloc, mxdi_dwconv_q8, 1);
    if (!op)
        return mxdi_nomem(err);
    mxdi_arena_init(&op->base.arena, alloc);
    mxd_status st = check(&op->base, desc, n, isa, alloc, err);
    if (st == MXD_OK)
        st = fill(op, desc, n, err);
    if (st != MXD_OK) {
        mxdi_dwconv_q8_destroy(op);
        return st;
    }
    *out = op;
    return MXD_OK;
}

void mxdi_dwconv_q8_destroy(mxdi_dwconv_q8 *op)
{
    if (!op)
        return;
    const mxd_allocator *alloc = op->base.arena.alloc;
    mxdi_arena_fini(&op->base.arena);
    mxdi_free(alloc, op);
}

const char *mxdi_dwconv_q8_name(const mxdi_dwconv_q8 *op)
{
    return op->kernel->name;
}

size_t mxdi_dwconv_q8_bytes(const mxdi_dwconv_q8 *op)
{
    return sizeof(*op) + op->base.bytes;
}

size_t mxdi_dwconv_q8_tasks(const mxdi_dwconv_q8 *op, int64_t blocks)
{
    if (op->base.row == MXDI_Q8_ref)
        return (size_t)blocks * (size_t)op->base.y.h;
    return blocks > 0 ? mxdi_dwconv_q8_kernel_tasks(op, blocks) : 0;
}

void mxdi_dwconv_q8_run(const mxdi_dwconv_q8 *op, const uint8_t *x, const uint8_t *r, void *y,
                        int64_t blocks, size_t begin, size_t end)
{
    const size_t h = (size_t)op->base.y.h;
    if (begin >= end)
        return;
    if (op->base.row != MXDI_Q8_ref) {
        mxdi_dwconv_q8_kernel_run(op, x, r, y, blocks, begin, end);
        return;
    }
    for (size_t t = begin; t < end; t++)
        mxdi_dwconv_q8_run_ref(&op->plain, x, r, y, (int64_t)(t / h), (int32_t)(t % h));
}
