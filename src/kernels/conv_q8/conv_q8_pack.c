/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights into panels, and the vectors beside them: multipliers, and biases with the zero point of
 * x folded in. */
#include "base/error.h"
#include "kernels/conv_q8/conv_q8_op.h"

/* Where a weight comes from: terms 4*k4 .. 4*k4 + 3 of one output channel's flat list, 0 where
 * there is none. */
static int16_t term(const mxdi_conv_q8 *op, const int16_t *w, int64_t k)
{
    const int64_t taps = (int64_t)op->base.window.kh * op->base.window.kw;
    const int64_t row  = op->collect_rows ? op->c_in : 4 * (int64_t)op->k4; /* terms of a tap */
    const int64_t tap = k / row, c = k % row;
    return tap < taps && c < op->c_in ? w[c * taps + tap] : 0;
}

/* One output channel into lane `lane` of a panel of `vectors` vectors. */
static void pack_channel(const mxdi_conv_q8 *op, uint8_t *panel, int32_t vectors, int32_t lane,
                         const int16_t *w, int64_t n_k4)
{
    const struct mxdi_conv_q8_kernel *kernel = op->kernel;
    const int64_t                     lanes = kernel->lanes, v = lane / lanes, l = lane % lanes;
    for (int64_t k = 0; k < n_k4; k++)
        for (int64_t j = 0; j < 4; j++)
            mxdi_q8_put_weight(panel, kernel->weight_bytes, lanes, k * vectors + v, l, j,
                               term(op, w, 4 * k + j));
}

/* Vectors of channels in panel `i` of a group. */
static int32_t vectors_in(const mxdi_conv_q8 *op, int32_t i)
{
    const int32_t lanes = op->kernel->lanes;
    return op->c_out - 2 * lanes * i <= lanes ? 1 : 2;
}

/* Panels with their memory. */
static mxd_status make_panels(mxdi_conv_q8 *op, int64_t n_k4, mxd_error *err)
{
    const struct mxdi_conv_q8_kernel *kernel = op->kernel;
    const int32_t lanes = kernel->lanes, per_group = (op->c_out - 1) / (2 * lanes) + 1;
    const size_t  biases = mxdi_q8_base_biases(&op->base);
    size_t        bytes, n_bias, n_lanes;
    op->n_panels = per_group * op->groups; /* at most c_out of all groups */
    n_lanes      = (size_t)op->n_panels * 2 * (size_t)lanes;
    if (!mxdi_mul_size(&op->panel_bytes, (size_t)n_k4,
                       (size_t)(8 * lanes * kernel->weight_bytes)) ||
        !mxdi_mul_size(&bytes, op->panel_bytes, (size_t)op->n_panels) ||
        !mxdi_mul_size(&n_bias, n_lanes, biases))
        return mxdi_nomem(err);
    const size_t unused = op->panel_bytes / 2 * (size_t)(2 - vectors_in(op, per_group - 1));
    op->w_bytes         = bytes - unused * (size_t)op->groups;
    op->bias_step       = biases > 1 ? n_lanes : 0;
    op->panels = mxdi_q8_base_alloc(&op->base, (size_t)op->n_panels, sizeof(mxdi_conv_q8_panel));
    op->bias   = mxdi_q8_base_alloc(&op->base, n_bias, sizeof(int32_t));
    uint8_t *w = mxdi_q8_base_alloc(&op->base, op->w_bytes, 1);
    float   *factors = mxdi_q8_base_alloc(&op->base, n_lanes, 2 * sizeof(float));
    if (!op->panels || !op->bias || !w || !factors)
        return mxdi_nomem(err);
    /* Stale bytes behind the channels need not be finite as f32. */
    const bool   is_f32 = op->base.post.kind == MXDI_POST_Q8_FLOAT;
    const size_t behind = is_f32 ? (size_t)(op->base.y.pitch - op->base.y.channels) : 0;
    for (int32_t p = 0; p < op->n_panels; p++) {
        const int32_t group = p / per_group, i = p % per_group;
        const int32_t rest = op->c_out - 2 * lanes * i, most = lanes * vectors_in(op, i);
        op->panels[p] = (mxdi_conv_q8_panel){ .w          = w,
                                              .m          = factors,
                                              .bias_float = factors + 2 * lanes,
                                              .lane       = (size_t)p * 2 * (size_t)lanes,
                                              .vectors    = vectors_in(op, i),
                                              .x          = group * op->c_in,
                                              .y          = group * op->c_out + 2 * lanes * i,
                                              .n          = (size_t)(rest < most ? rest : most),
                                              .pads       = p + 1 < op->n_panels ? 0 : behind };
        w += op->panel_bytes / 2 * (size_t)vectors_in(op, i);
        factors += 4 * lanes;
    }
    return MXD_OK;
}

mxd_status mxdi_conv_q8_pack(mxdi_conv_q8 *op, const int16_t *w, const mxdi_q8_epilogue *epilogue,
                             mxd_error *err)
{
    const mxdi_window2d *win  = &op->base.window;
    const size_t         taps = (size_t)win->kh * (size_t)win->kw;
    const int64_t        n_k4 = op->collect_rows ? op->k4 : (int64_t)taps * op->k4;
    const int32_t        wide = 2 * op->kernel->lanes;
    MXD_TRY(make_panels(op, n_k4, err));
    uint32_t *scratch = MXDI_ALLOC(op->base.arena.alloc, uint32_t, mxdi_q8_base_scratch(&op->base));
    if (!scratch)
        return mxdi_nomem(err);
    for (int32_t c = 0; c < op->base.y.channels; c++) {
        const int32_t             per_group = op->n_panels / op->groups, in_group = c % op->c_out;
        const mxdi_conv_q8_panel *p    = &op->panels[c / op->c_out * per_group + in_group / wide];
        const int32_t             lane = in_group % wide;
        const int16_t            *of_c = w + (size_t)c * (size_t)op->c_in * taps;
        pack_channel(op, (uint8_t *)p->w, p->vectors, lane, of_c, n_k4);
        ((float *)p->m)[lane]          = epilogue->m[c];
        ((float *)p->bias_float)[lane] = mxdi_post_q8_bias(epilogue, c);
        mxdi_q8_base_fold(&op->base, op->bias + p->lane + lane, op->bias_step,
                          epilogue->bias ? epilogue->bias[c] : 0, of_c, op->c_in, scratch);
    }
    mxdi_free(op->base.arena.alloc, scratch);
    return MXD_OK;
}
