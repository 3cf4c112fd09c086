/* SPDX-License-Identifier: Apache-2.0
 *
 * Making, asking and running gradients of weights; the work is in the other files of this folder.
 */
#include "kernels/conv_wgrad_f32/conv_wgrad_f32.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "kernels/conv_wgrad_f32/conv_wgrad_f32_impl.h"

enum { FINISH_ROWS = 512 }; /* of one task at most */

#define MXD_CONV_WGRAD_F32(variant) \
    extern const struct mxdi_conv_wgrad_f32_variant mxdi_conv_wgrad_f32_##variant;
#include "kernels/conv_wgrad_f32/conv_wgrad_f32.inc"
#undef MXD_CONV_WGRAD_F32

static const struct mxdi_conv_wgrad_f32_variant *const variants[] = {
#define MXD_CONV_WGRAD_F32(variant) &mxdi_conv_wgrad_f32_##variant,
#include "kernels/conv_wgrad_f32/conv_wgrad_f32.inc"
#undef MXD_CONV_WGRAD_F32
    NULL
};

static const struct mxdi_conv_wgrad_f32_variant *select_variant(uint32_t isa)
{
    const struct mxdi_conv_wgrad_f32_variant *best = NULL;
    for (size_t i = 0; variants[i]; i++) {
        if (!(variants[i]->needs & ~isa))
            best = variants[i];
    }
    return best;
}

static mxd_status refuse_winograd(const mxdi_conv_wgrad_f32 *op, mxd_error *err)
{
    const mxdi_window2d *w = &op->desc.window;
    return mxdi_fail(
        err, MXD_E_UNSUPPORTED,
        "conv_wgrad_f32: winograd: expected AVX2, one group, 3x3, stride 1, dilation 1, "
        "got %s, %d groups, %dx%d, stride %dx%d, dilation %dx%d",
        op->name, (int)op->desc.groups, (int)w->kh, (int)w->kw, (int)w->sh, (int)w->sw, (int)w->dh,
        (int)w->dw);
}

/* Groups, strips, panels, and the words of their sums; how they are computed. */
static mxd_status init(mxdi_conv_wgrad_f32 *op, uint32_t isa, mxd_error *err)
{
    const mxdi_conv_wgrad_f32_desc *d     = &op->desc;
    const int32_t                   c_in  = d->x.channels / d->groups;
    const int32_t                   c_out = d->y.channels / d->groups;
    size_t                          words;
    op->taps = (int64_t)d->window.kh * d->window.kw;
    (void)snprintf(op->name, sizeof(op->name), "%s",
                   op->variant ? op->variant->name : "conv_wgrad_f32_ref");
    if (!mxdi_mul_size(&words, (size_t)op->taps, (size_t)c_in) ||
        !mxdi_mul_size(&words, words, (size_t)d->y.channels) || words > SIZE_MAX / 1024 ||
        op->taps > INT32_MAX)
        return mxdi_fail(err, MXD_E_RANGE, "conv_wgrad_f32: weights (%d, %d, %d, %d) are too large",
                         (int)d->y.channels, (int)c_in, (int)d->window.kh, (int)d->window.kw);
    op->piece_words = (int64_t)words;
    if (!op->variant)
        return d->algorithm == MXDI_CONV_F32_WINOGRAD ? refuse_winograd(op, err) : MXD_OK;
    op->depthwise = d->groups > 1 && c_in == 1 && c_out == 1;
    op->groups    = op->depthwise ? 1 : d->groups;
    op->c_in      = c_in;
    op->c_out     = d->y.channels / op->groups;
    op->full      = op->depthwise ? op->variant->narrow : op->variant->full;
    op->panels    = (op->c_out + op->full - 1) / op->full;
    op->strips    = (op->c_in + op->variant->rows - 1) / op->variant->rows;
    op->unit      = op->depthwise                           ? 1
                    : op->panels < MXDI_CONV_WGRAD_F32_UNIT ? op->panels
                                                            : MXDI_CONV_WGRAD_F32_UNIT;
    op->group_lanes =
        (int64_t)(op->panels - 1) * op->full + mxdi_conv_wgrad_f32_lanes(op, op->panels - 1);
    op->piece_words = op->groups * op->group_lanes * op->c_in * op->taps;
    const bool fits = mxdi_conv_wgrad_f32_winograd_fits(op, isa);
    if (d->algorithm == MXDI_CONV_F32_WINOGRAD && !fits)
        return refuse_winograd(op, err);
    if (fits && d->algorithm != MXDI_CONV_F32_DIRECT &&
        (d->algorithm == MXDI_CONV_F32_WINOGRAD || mxdi_conv_wgrad_f32_winograd_pays(op))) {
        (void)snprintf(op->name, sizeof(op->name), "conv_wgrad_f32_winograd%s",
                       strrchr(op->variant->name, '_'));
        mxdi_conv_wgrad_f32_winograd_init(op, isa);
        return MXD_OK;
    }
    return mxdi_conv_wgrad_f32_plan_init(op, err);
}

mxd_status mxdi_conv_wgrad_f32_create(mxdi_conv_wgrad_f32           **out,
                                      const mxdi_conv_wgrad_f32_desc *desc, uint32_t isa,
                                      const mxd_allocator *alloc, mxd_error *err)
{
    *out = NULL;
    MXD_TRY(mxdi_window_check("conv_wgrad_f32", &desc->x, &desc->y, &desc->window, err));
    if (desc->groups < 1 || desc->x.channels % desc->groups || desc->y.channels % desc->groups)
        return mxdi_fail(err, MXD_E_SHAPE,
                         "conv_wgrad_f32: expected groups that divide %d and %d channels, got %d",
                         (int)desc->x.channels, (int)desc->y.channels, (int)desc->groups);
    mxdi_conv_wgrad_f32 *const op = MXDI_ALLOC(alloc, mxdi_conv_wgrad_f32, 1);
    if (!op)
        return mxdi_nomem(err);
    op->alloc           = alloc;
    op->desc            = *desc;
    op->variant         = select_variant(isa);
    const mxd_status st = init(op, isa, err);
    if (st != MXD_OK) {
        mxdi_conv_wgrad_f32_destroy(op);
        return st;
    }
    *out = op;
    return MXD_OK;
}

void mxdi_conv_wgrad_f32_destroy(mxdi_conv_wgrad_f32 *op)
{
    if (op)
        mxdi_free(op->alloc, op);
}

const char *mxdi_conv_wgrad_f32_name(const mxdi_conv_wgrad_f32 *op)
{
    return op->name;
}

size_t mxdi_conv_wgrad_f32_scratch(const mxdi_conv_wgrad_f32 *op)
{
    return op->scratch_bytes;
}

static int64_t pieces(const mxdi_conv_wgrad_f32 *op, int64_t blocks)
{
    return op->variant ? mxdi_conv_wgrad_f32_plan_make(op, blocks).pieces : 1;
}

size_t mxdi_conv_wgrad_f32_workspace(const mxdi_conv_wgrad_f32 *op, int64_t blocks)
{
    const size_t bytes = (size_t)(pieces(op, blocks) * op->piece_words) * sizeof(float);
    return (bytes + 63) / 64 * 64;
}

size_t mxdi_conv_wgrad_f32_tasks(const mxdi_conv_wgrad_f32 *op, int64_t blocks)
{
    if (!op->variant)
        return (size_t)op->desc.y.channels;
    const mxdi_conv_wgrad_f32_plan plan = mxdi_conv_wgrad_f32_plan_make(op, blocks);
    return (size_t)(plan.pieces * plan.units * plan.shares);
}

void mxdi_conv_wgrad_f32_run(const mxdi_conv_wgrad_f32 *op, const float *x, const float *dy,
                             void *workspace, void *scratch, int64_t blocks, size_t begin,
                             size_t end)
{
    if (op->variant)
        mxdi_conv_wgrad_f32_run_tasks(op, x, dy, workspace, scratch, blocks, begin, end);
    else
        mxdi_conv_wgrad_f32_ref(op, x, dy, workspace, blocks, (int64_t)begin, (int64_t)end);
}

/* Parts of one panel's rows. */
static int64_t finish_parts(const mxdi_conv_wgrad_f32 *op)
{
    return (op->c_in * op->taps + FINISH_ROWS - 1) / FINISH_ROWS;
}

size_t mxdi_conv_wgrad_f32_finish_tasks(const mxdi_conv_wgrad_f32 *op)
{
    return op->variant ? (size_t)(op->groups * op->panels * finish_parts(op)) : 1;
}

void mxdi_conv_wgrad_f32_finish(const mxdi_conv_wgrad_f32 *op, float *dw, const void *workspace,
                                int64_t blocks, size_t begin, size_t end)
{
    const float *const sums = workspace;
    if (!op->variant) {
        if (begin < end)
            memcpy(dw, sums, (size_t)op->piece_words * sizeof(*dw));
        return;
    }
    const int64_t n = pieces(op, blocks), parts = finish_parts(op), rows = op->c_in * op->taps;
    for (size_t i = begin; i < end; i++) {
        const int64_t part = (int64_t)i % parts, panel = (int64_t)i / parts;
        const int64_t g = panel / op->panels, from = part * rows / parts,
                      to    = (part + 1) * rows / parts;
        const int32_t p     = (int32_t)(panel % op->panels);
        const int32_t lanes = mxdi_conv_wgrad_f32_lanes(op, p), left = op->c_out - p * op->full;
        op->variant->finish(dw + (g * op->c_out + (int64_t)p * op->full) * rows + from, rows,
                            sums + (g * op->group_lanes + (int64_t)p * op->full) * rows +
                                from * lanes,
                            op->piece_words, n, lanes, left < lanes ? left : lanes, to - from);
    }
}
