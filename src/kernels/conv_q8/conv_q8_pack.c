/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights into panels, and the vectors beside them: multipliers, and biases with the zero point of x folded in. */
#include <string.h>

#include "base/error.h"
#include "kernels/conv_q8/conv_q8_op.h"

/* Where a weight comes from: terms 4*k4 .. 4*k4 + 3 of one output channel's flat list, 0 where there is none. */
static int16_t term(const mxdi_conv_q8 *op, const int16_t *w, int64_t k)
{
    const int64_t taps = (int64_t)op->desc.window.kh * op->desc.window.kw;
    const int64_t row  = op->collect_rows ? op->c_in : 4 * (int64_t)op->k4; /* terms of a tap */
    const int64_t tap = k / row, c = k % row;
    return tap < taps && c < op->c_in ? w[c * taps + tap] : 0;
}

/* One output channel into lane `lane` of a panel of `vectors` vectors. */
static void pack_channel(const mxdi_conv_q8 *op, uint8_t *panel, int32_t vectors, int32_t lane, const int16_t *w,
                         int64_t n_k4)
{
    const struct mxdi_conv_q8_kernel *kernel = op->variant->kernel;
    const int64_t lanes = kernel->lanes, v = lane / lanes, l = lane % lanes;
    for (int64_t k = 0; k < n_k4; k++)
        for (int64_t j = 0; j < 4; j++) {
            const int16_t q  = term(op, w, 4 * k + j);
            const int64_t at = k * vectors + v; /* the vector */
            if (kernel->weight_bytes == 1)
                panel[(at * lanes + l) * 4 + j] = (uint8_t)q;
            else
                memcpy(panel + (((2 * at + j % 2) * lanes + l) * 2 + j / 2) * 2, &q, sizeof(q));
        }
}

/* Biases of one output channel for all rectangles. */
static void fold_bias(mxdi_conv_q8 *op, int32_t *bias, int32_t b, const int16_t *w, uint32_t *scratch)
{
    const mxdi_window2d *win     = &op->desc.window;
    const size_t         taps    = (size_t)win->kh * (size_t)win->kw;
    uint32_t            *prefix  = scratch + taps;
    uint32_t            *sums    = prefix + ((size_t)win->kh + 1) * ((size_t)win->kw + 1);
    const size_t         n_bias  = op->bias_step ? (size_t)op->n_y * (size_t)op->n_x : 1;
    for (size_t t = 0; t < taps; t++) {
        int64_t sum = 0;
        for (size_t c = 0; c < (size_t)op->c_in; c++)
            sum += w[c * taps + t];
        scratch[t] = (uint32_t)sum;
    }
    mxdi_window_sums(sums, prefix, scratch, win, op->spans_y, op->n_y, op->spans_x, op->n_x);
    for (size_t i = 0; i < n_bias; i++)
        bias[i * op->bias_step] = (int32_t)((uint32_t)b - (uint32_t)op->desc.x_zero_point * sums[i]);
}

/* Vectors of channels in panel `i` of a group. */
static int32_t vectors_in(const mxdi_conv_q8 *op, int32_t i)
{
    const int32_t lanes = op->variant->kernel->lanes;
    return op->c_out - 2 * lanes * i <= lanes ? 1 : 2;
}

/* f32 lanes behind the last channel are stored too, as far as there are any: stale bytes there might not be finite. */
static size_t channels_stored(const mxdi_conv_q8 *op, int32_t i, int32_t group)
{
    const int32_t lanes = op->variant->kernel->lanes, vectors = vectors_in(op, i);
    const bool    pads  = op->desc.epilogue.y_float && group == op->desc.groups - 1;
    const int64_t end   = pads ? op->desc.y.pitch - (int64_t)group * op->c_out : op->c_out;
    const int64_t room  = end - 2 * (int64_t)lanes * i;
    return (size_t)(room < vectors * lanes ? room : vectors * lanes);
}

/* Panels with their memory. */
static mxd_status make_panels(mxdi_conv_q8 *op, int64_t n_k4, mxd_error *err)
{
    const struct mxdi_conv_q8_kernel *kernel = op->variant->kernel;
    const int32_t lanes = kernel->lanes, per_group = (op->c_out - 1) / (2 * lanes) + 1;
    const size_t  rectangles = (size_t)op->n_y * (size_t)op->n_x;
    const bool    one_bias   = rectangles == 1 || op->desc.x_zero_point == 0;
    size_t        bytes, n_bias, n_lanes;
    op->n_panels = per_group * op->desc.groups; /* at most c_out of all groups */
    n_lanes      = (size_t)op->n_panels * 2 * (size_t)lanes;
    if (!mxdi_mul_size(&op->panel_bytes, (size_t)n_k4, (size_t)(8 * lanes * kernel->weight_bytes)) ||
        !mxdi_mul_size(&bytes, op->panel_bytes, (size_t)op->n_panels) ||
        !mxdi_mul_size(&n_bias, n_lanes, one_bias ? 1 : rectangles))
        return mxdi_nomem(err);
    const size_t unused = op->panel_bytes / 2 * (size_t)(2 - vectors_in(op, per_group - 1));
    op->w_bytes         = bytes - unused * (size_t)op->desc.groups;
    op->bias_step       = one_bias ? 0 : n_lanes;
    op->panels          = mxdi_conv_q8_alloc(op, (size_t)op->n_panels, sizeof(mxdi_conv_q8_panel));
    op->bias            = mxdi_conv_q8_alloc(op, n_bias, sizeof(int32_t));
    uint8_t *w          = mxdi_conv_q8_alloc(op, op->w_bytes, 1);
    float   *factors    = mxdi_conv_q8_alloc(op, n_lanes, 2 * sizeof(float));
    if (!op->panels || !op->bias || !w || !factors)
        return mxdi_nomem(err);
    for (int32_t p = 0; p < op->n_panels; p++) {
        const int32_t group = p / per_group, i = p % per_group;
        op->panels[p] = (mxdi_conv_q8_panel){ .w          = w,
                                              .m          = factors,
                                              .bias_float = factors + 2 * lanes,
                                              .lane       = (size_t)p * 2 * (size_t)lanes,
                                              .vectors    = vectors_in(op, i),
                                              .x          = group * op->c_in,
                                              .y          = group * op->c_out + 2 * lanes * i,
                                              .n          = channels_stored(op, i, group) };
        w += op->panel_bytes / 2 * (size_t)vectors_in(op, i);
        factors += 4 * lanes;
    }
    return MXD_OK;
}

mxd_status mxdi_conv_q8_pack(mxdi_conv_q8 *op, const int16_t *w, const mxdi_q8_epilogue *epilogue, mxd_error *err)
{
    const mxdi_window2d *win  = &op->desc.window;
    const size_t  taps = (size_t)win->kh * (size_t)win->kw;
    const int64_t n_k4 = op->collect_rows ? op->k4 : (int64_t)taps * op->k4;
    const int32_t wide = 2 * op->variant->kernel->lanes;
    size_t        n_scratch;
    MXD_TRY(make_panels(op, n_k4, err));
    n_scratch = (size_t)op->n_y * (size_t)op->n_x; /* counted by the plan, as are the others */
    n_scratch += taps + ((size_t)win->kh + 1) * ((size_t)win->kw + 1);
    uint32_t *scratch = MXDI_ALLOC(op->arena.alloc, uint32_t, n_scratch);
    if (!scratch)
        return mxdi_nomem(err);
    for (int32_t c = 0; c < op->desc.y.channels; c++) {
        const int32_t per_group = op->n_panels / op->desc.groups, in_group = c % op->c_out;
        const mxdi_conv_q8_panel *p = &op->panels[c / op->c_out * per_group + in_group / wide];
        const int32_t             lane = in_group % wide;
        const int16_t            *of_c = w + (size_t)c * (size_t)op->c_in * taps;
        pack_channel(op, (uint8_t *)p->w, p->vectors, lane, of_c, n_k4);
        ((float *)p->m)[lane]          = epilogue->m[c];
        ((float *)p->bias_float)[lane] = mxdi_post_q8_bias(epilogue, c);
        fold_bias(op, op->bias + p->lane + lane, epilogue->bias ? epilogue->bias[c] : 0, of_c, scratch);
    }
    mxdi_free(op->arena.alloc, scratch);
    return MXD_OK;
}
