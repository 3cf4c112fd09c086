/* SPDX-License-Identifier: Apache-2.0
 *
 * Making, asking and running float convolutions; the work is in the other files of this folder.
 */
#include "kernels/conv_f32/conv_f32.h"

#include <stdio.h>

#include "base/error.h"
#include "kernels/conv_f32/conv_f32_impl.h"

static mxd_status check(const mxdi_conv_f32_desc *d, mxd_error *err)
{
    MXD_TRY(mxdi_window_check("conv_f32", &d->x, &d->y, &d->window, err));
    if (d->groups < 1 || d->x.channels % d->groups || d->y.channels % d->groups)
        return mxdi_fail(err, MXD_E_SHAPE,
                         "conv_f32: expected groups that divide %d and %d channels, got %d",
                         (int)d->x.channels, (int)d->y.channels, (int)d->groups);
    return MXD_OK;
}

static mxd_status make_spans(mxdi_conv_f32 *op, mxd_error *err)
{
    mxdi_window1d rows, cols;
    mxdi_window_axes(&rows, &cols, &op->desc.x, &op->desc.y, &op->desc.window);
    op->n_rows = mxdi_spans(NULL, &rows);
    op->n_cols = mxdi_spans(NULL, &cols);
    op->rows   = MXDI_ALLOC(op->alloc, mxdi_span, (size_t)op->n_rows);
    op->cols   = MXDI_ALLOC(op->alloc, mxdi_span, (size_t)op->n_cols);
    if (!op->rows || !op->cols)
        return mxdi_nomem(err);
    (void)mxdi_spans(op->rows, &rows);
    (void)mxdi_spans(op->cols, &cols);
    return MXD_OK;
}

static mxd_status refuse_winograd(const mxdi_conv_f32 *op, mxd_error *err)
{
    const mxdi_window2d *w = &op->desc.window;
    return mxdi_fail(
        err, MXD_E_UNSUPPORTED,
        "conv_f32: winograd: expected f32 with AVX2, not exact, one group, 3x3, "
        "stride 1, dilation 1, got %s%s%s, %d groups, %dx%d, stride %dx%d, dilation %dx%d",
        op->name, op->desc.bf16 ? " bf16" : "", op->desc.exact ? " exact" : "",
        (int)op->desc.groups, (int)w->kh, (int)w->kw, (int)w->sh, (int)w->sw, (int)w->dh,
        (int)w->dw);
}

/* (c_out, c_in, kh, kw) */
static mxdi_weight_view plain_view(const mxdi_conv_f32 *op)
{
    const int64_t kw = op->desc.window.kw, taps = op->desc.window.kh * kw, out = op->c_in * taps;
    return (mxdi_weight_view){ op->c_out * out, out, taps, 0, kw, 1 };
}

static mxd_status init(mxdi_conv_f32 *op, uint32_t isa, mxd_error *err)
{
    const mxdi_conv_f32_desc *d = &op->desc;
    op->tile                    = mxdi_tile_f32_select(isa, d->bf16);
    op->c_in                    = d->x.channels / d->groups;
    op->c_out                   = d->y.channels / d->groups;
    op->view                    = d->view ? *d->view : plain_view(op);
    (void)snprintf(op->name, sizeof(op->name), "conv_f32_%s", op->tile ? op->tile->name : "ref");
    if (!op->tile)
        return d->algorithm == MXDI_CONV_F32_WINOGRAD ? refuse_winograd(op, err)
                                                      : mxdi_conv_f32_pack_init(op, err);
    op->prepared = d->bf16 != 0;
    op->words    = (op->c_in + op->tile->terms - 1) / op->tile->terms;
    op->panels   = (op->c_out + op->tile->full - 1) / op->tile->full;
    MXD_TRY(make_spans(op, err));
    const bool fits = mxdi_conv_f32_winograd_fits(op, isa);
    if (d->algorithm == MXDI_CONV_F32_WINOGRAD && !fits)
        return refuse_winograd(op, err);
    if (fits && (d->algorithm == MXDI_CONV_F32_WINOGRAD ||
                 (d->algorithm == MXDI_CONV_F32_AUTO && mxdi_conv_f32_winograd_pays(op)))) {
        (void)snprintf(op->name, sizeof(op->name), "conv_f32_winograd_%s", op->tile->name);
        MXD_TRY(mxdi_conv_f32_winograd_init(op, isa, err));
        return mxdi_conv_f32_pack_init(op, err);
    }
    MXD_TRY(mxdi_conv_f32_pack_init(op, err));
    return mxdi_conv_f32_plan_init(op, err);
}

mxd_status mxdi_conv_f32_create(mxdi_conv_f32 **out, const mxdi_conv_f32_desc *desc, uint32_t isa,
                                const mxd_allocator *alloc, mxd_error *err)
{
    *out = NULL;
    MXD_TRY(check(desc, err));
    mxdi_conv_f32 *const op = MXDI_ALLOC(alloc, mxdi_conv_f32, 1);
    if (!op)
        return mxdi_nomem(err);
    op->alloc           = alloc;
    op->desc            = *desc;
    const mxd_status st = init(op, isa, err);
    op->desc.w = op->desc.bias = NULL;
    op->desc.view              = NULL;
    if (st != MXD_OK) {
        mxdi_conv_f32_destroy(op);
        return st;
    }
    mxdi_conv_f32_pack(op, desc->w, desc->bias);
    *out = op;
    return MXD_OK;
}

void mxdi_conv_f32_set_weights(mxdi_conv_f32 *op, const float *w, const float *bias)
{
    mxdi_conv_f32_pack(op, w, bias);
}

void mxdi_conv_f32_destroy(mxdi_conv_f32 *op)
{
    if (!op)
        return;
    mxdi_free(op->alloc, op->weights);
    mxdi_free(op->alloc, op->bias);
    mxdi_free(op->alloc, op->rows);
    mxdi_free(op->alloc, op->cols);
    mxdi_free(op->alloc, op);
}

const char *mxdi_conv_f32_name(const mxdi_conv_f32 *op)
{
    return op->name;
}

size_t mxdi_conv_f32_bytes(const mxdi_conv_f32 *op)
{
    return sizeof(*op) + op->weight_bytes + op->bias_bytes +
           ((size_t)op->n_rows + (size_t)op->n_cols) * sizeof(mxdi_span);
}

size_t mxdi_conv_f32_scratch(const mxdi_conv_f32 *op)
{
    return op->scratch_bytes;
}

size_t mxdi_conv_f32_tasks(const mxdi_conv_f32 *op, int64_t blocks)
{
    if (!op->tile)
        return (size_t)(blocks * op->desc.y.h);
    if (op->winograd.fn)
        return mxdi_conv_f32_winograd_tasks(op, blocks);
    const mxdi_conv_f32_plan plan = mxdi_conv_f32_plan_make(op, blocks);
    return (size_t)(plan.chunks * plan.shares);
}

void mxdi_conv_f32_run(const mxdi_conv_f32 *op, const float *x, const float *r, float *y,
                       void *scratch, int64_t blocks, size_t begin, size_t end)
{
    const mxdi_conv_f32_io io = { x, r, y, (float *)scratch, blocks };
    if (op->winograd.fn)
        mxdi_conv_f32_winograd_run(op, &io, begin, end);
    else if (op->tile)
        mxdi_conv_f32_direct(op, &io, begin, end);
    else
        mxdi_conv_f32_ref(op, &io, (int64_t)begin, (int64_t)end);
}
