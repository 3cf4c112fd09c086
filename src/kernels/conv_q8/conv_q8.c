/* SPDX-License-Identifier: Apache-2.0
 *
 * Making integer convolutions, and what serves all variants alike. */
#include "base/error.h"
#include "kernels/conv_q8/conv_q8_op.h"

static const struct mxdi_conv_q8_kernel *const kernels[MXDI_Q8_COUNT] = {
#define MXD_Q8(variant, needs, weights) &mxdi_conv_q8_##variant,
#include "kernels/simd/q8.inc"
#undef MXD_Q8
};

static bool count_weights(size_t *n, const mxdi_conv_q8_desc *d)
{
    const int32_t c_in = d->groups > 0 ? d->x.channels / d->groups : 0; /* checked later */
    return mxdi_mul_size(n, (size_t)d->y.channels, (size_t)c_in) &&
           mxdi_mul_size(n, *n, (size_t)d->window.kh) && mxdi_mul_size(n, *n, (size_t)d->window.kw);
}

static mxd_status refuse_winograd(const mxdi_conv_q8 *op, mxd_error *err)
{
    const mxdi_window2d *w = &op->base.window;
    return mxdi_fail(
        err, MXD_E_UNSUPPORTED,
        "conv_q8: winograd: expected one group, 3x3, stride 1, dilation 1 and a vector "
        "unit, got %s, %d groups, %dx%d, stride %dx%d, dilation %dx%d",
        op->kernel->name, op->groups, w->kh, w->kw, w->sh, w->sw, w->dh, w->dw);
}

#if defined(__x86_64__)
enum { AMX_ROWS = 16, AMX_K4 = 8 }; /* outputs and k4s of a step from which tile registers win */

/* Steps of at least that many, in rows enough. */
static bool amx_pays(const mxdi_conv_q8 *op)
{
    const mxdi_q8_base *b    = &op->base;
    const int64_t       k4   = ((int64_t)op->c_in + 3) / 4;
    const bool          join = mxdi_blocked_pixel(&b->x) * b->window.dw == 4 * k4;
    return k4 * (join ? b->window.kw : 1) >= AMX_K4 &&
           (int64_t)b->y.block * b->y.h * b->y.w >= AMX_ROWS;
}
#endif

static const struct mxdi_conv_q8_kernel *best_kernel(const mxdi_conv_q8 *op, uint32_t isa)
{
#if defined(__x86_64__)
    if ((isa & MXDI_ISA_AMX) && op->base.row == MXDI_Q8_avx512vnni && amx_pays(op))
        return &mxdi_conv_q8_amx;
#else
    (void)isa;
#endif
    return kernels[op->base.row];
}

/* On failure the caller destroys `op`. */
static mxd_status fill(mxdi_conv_q8 *op, const mxdi_conv_q8_desc *desc, size_t n_weights,
                       uint32_t isa, const struct mxdi_conv_q8_kernel *kernel, mxd_error *err)
{
    op->groups       = desc->groups;
    op->c_in         = desc->x.channels / desc->groups;
    op->c_out        = desc->y.channels / desc->groups;
    op->kernel       = kernel ? kernel : best_kernel(op, isa);
    op->base.nothing = op->kernel->nothing;
    if (desc->algorithm == MXDI_CONV_Q8_WINOGRAD && !mxdi_conv_q8_winograd_fits(op))
        return refuse_winograd(op, err);
    const bool stem = mxdi_conv_q8_takes_stem(op, desc);
    if (!stem && (desc->algorithm == MXDI_CONV_Q8_STEM || desc->pooled))
        return mxdi_fail(err, MXD_E_UNSUPPORTED,
                         "conv_q8: stem: expected 1 or 2 input channels, a column stride of 1, few "
                         "outputs, multipliers >= 0 before a pool and a vector unit, got %s",
                         op->kernel->name);
    if (op->base.row == MXDI_Q8_ref) {
        op->plain = *desc;
        return mxdi_q8_base_keep(&op->base, &op->plain.w, n_weights, &op->plain.epilogue, err);
    }
    if (stem)
        return mxdi_conv_q8_stem_init(op, desc, err);
    MXD_TRY(mxdi_q8_base_spans(&op->base, err));
    MXD_TRY(mxdi_conv_q8_make_panels(op, &desc->epilogue, err));
    if (desc->algorithm == MXDI_CONV_Q8_WINOGRAD ||
        (desc->algorithm == MXDI_CONV_Q8_AUTO && mxdi_conv_q8_winograd_pays(op, desc->blocks)))
        MXD_TRY(mxdi_conv_q8_winograd_init(op, desc, err));
    if (op->winograd.n_panels == op->n_panels)
        return MXD_OK;
    if (op->winograd.n_panels == 0 && mxdi_conv_q8_gather_pays(op))
        mxdi_conv_q8_gather_init(op);
    MXD_TRY(mxdi_conv_q8_plan(op, err));
    return mxdi_conv_q8_pack(op, desc->w, desc->epilogue.bias, err);
}

mxd_status mxdi_conv_q8_create_with(mxdi_conv_q8 **out, const mxdi_conv_q8_desc *desc, uint32_t isa,
                                    const struct mxdi_conv_q8_kernel *kernel,
                                    const mxd_allocator *alloc, mxd_error *err)
{
    size_t n_weights;
    *out = NULL;
    if (!count_weights(&n_weights, desc))
        return mxdi_nomem(err);
    mxdi_conv_q8 *op = MXDI_ALLOC(alloc, mxdi_conv_q8, 1);
    if (!op)
        return mxdi_nomem(err);
    mxd_status st = mxdi_q8_base_init(&op->base, "conv_q8", desc, n_weights, isa, alloc, err);
    if (st == MXD_OK)
        st = fill(op, desc, n_weights, isa, kernel, err);
    if (st != MXD_OK) {
        mxdi_conv_q8_destroy(op);
        return st;
    }
    *out = op;
    return MXD_OK;
}

mxd_status mxdi_conv_q8_create(mxdi_conv_q8 **out, const mxdi_conv_q8_desc *desc, uint32_t isa,
                               const mxd_allocator *alloc, mxd_error *err)
{
    return mxdi_conv_q8_create_with(out, desc, isa, NULL, alloc, err);
}

void mxdi_conv_q8_destroy(mxdi_conv_q8 *op)
{
    if (!op)
        return;
    const mxd_allocator *alloc = op->base.arena.alloc;
    mxdi_arena_fini(&op->base.arena);
    mxdi_free(alloc, op);
}

const char *mxdi_conv_q8_name(const mxdi_conv_q8 *op)
{
    return op->stem.fn             ? op->stem.fn->name
           : op->winograd.n_panels ? op->winograd.fn->name
                                   : op->kernel->name;
}

size_t mxdi_conv_q8_bytes(const mxdi_conv_q8 *op)
{
    return sizeof(*op) + op->base.bytes;
}

size_t mxdi_conv_q8_scratch(const mxdi_conv_q8 *op)
{
    return op->scratch_bytes;
}

/* Those of Winograd's panels come first. */
size_t mxdi_conv_q8_tasks(const mxdi_conv_q8 *op, int64_t blocks)
{
    if (op->base.row == MXDI_Q8_ref)
        return (size_t)blocks * (size_t)op->base.y.h;
    if (blocks <= 0)
        return 0;
    if (op->stem.fn)
        return mxdi_conv_q8_stem_tasks(op, blocks);
    return mxdi_conv_q8_winograd_tasks(op, blocks) + mxdi_conv_q8_direct_tasks(op, blocks);
}

void mxdi_conv_q8_run(const mxdi_conv_q8 *op, const uint8_t *x, const uint8_t *r, void *y,
                      void *scratch, int64_t blocks, size_t begin, size_t end)
{
    if (begin >= end)
        return;
    if (op->base.row == MXDI_Q8_ref) {
        const size_t h = (size_t)op->base.y.h;
        for (size_t t = begin; t < end; t++)
            mxdi_conv_q8_run_ref(&op->plain, x, r, y, (int64_t)(t / h), (int32_t)(t % h));
        return;
    }
    const mxdi_conv_q8_io io = { x, r, y, scratch, blocks };
    if (op->stem.fn) {
        mxdi_conv_q8_stem_run(op, &io, begin, end);
        return;
    }
    const size_t first = mxdi_conv_q8_winograd_tasks(op, blocks); /* of direct panels */
    if (begin < first)
        mxdi_conv_q8_winograd_run(op, &io, begin, end < first ? end : first);
    if (end > first)
        mxdi_conv_q8_direct_run(op, &io, begin > first ? begin - first : 0, end - first);
}
