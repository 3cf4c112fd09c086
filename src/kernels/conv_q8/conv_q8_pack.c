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

mxd_status mxdi_conv_q8_make_panels(mxdi_conv_q8 *op, const mxdi_q8_epilogue *epilogue,
                                    mxd_error *err)
{
    const int32_t lanes = op->kernel->lanes, wide = 2 * lanes;
    const int32_t per_group = (op->c_out - 1) / wide + 1;
    /* Stale bytes behind the channels need not be finite as f32. */
    const bool   is_f32 = op->base.post.kind == MXDI_POST_Q8_FLOAT;
    const size_t behind = is_f32 ? (size_t)(op->base.y.pitch - op->base.y.channels) : 0;
    op->n_panels        = per_group * op->groups; /* at most c_out of all groups */
    op->n_lanes         = (size_t)op->n_panels * (size_t)wide;
    op->panels = mxdi_q8_base_alloc(&op->base, (size_t)op->n_panels, sizeof(mxdi_conv_q8_panel));
    float *factors = mxdi_q8_base_alloc(&op->base, op->n_lanes, 2 * sizeof(float));
    if (!op->panels || !factors)
        return mxdi_nomem(err);
    for (int32_t i = 0; i < op->n_panels; i++, factors += 2 * wide) {
        const int32_t             group = i / per_group, at = i % per_group * wide;
        const int32_t             rest = op->c_out - at, vectors = rest <= lanes ? 1 : 2;
        mxdi_conv_q8_panel *const p = &op->panels[i];
        *p                          = (mxdi_conv_q8_panel){ .m          = factors,
                                                            .bias_float = factors + wide,
                                                            .lane       = (size_t)i * (size_t)wide,
                                                            .vectors    = vectors,
                                                            .x          = group * op->c_in,
                                                            .y          = group * op->c_out + at,
                                                            .n          = (size_t)(rest < wide ? rest : wide),
                                                            .pads       = i + 1 < op->n_panels ? 0 : behind };
        for (int32_t l = 0; l < (int32_t)p->n; l++) {
            p->m[l]          = epilogue->m[p->y + l];
            p->bias_float[l] = mxdi_post_q8_bias(epilogue, p->y + l);
        }
    }
    return MXD_OK;
}

/* Memory of weights and biases. */
static mxd_status make_room(mxdi_conv_q8 *op, int64_t n_k4, mxd_error *err)
{
    const size_t biases = mxdi_q8_base_biases(&op->base);
    const size_t half   = (size_t)(4 * op->kernel->lanes * op->kernel->weight_bytes);
    size_t       halves = 0, n_bias;
    for (int32_t i = op->winograd.n_panels; i < op->n_panels; i++)
        halves += (size_t)op->panels[i].vectors;
    if (!mxdi_mul_size(&op->panel_bytes, (size_t)n_k4, 2 * half) ||
        !mxdi_mul_size(&op->w_bytes, op->panel_bytes / 2, halves) ||
        !mxdi_mul_size(&n_bias, op->n_lanes, biases))
        return mxdi_nomem(err);
    op->bias_step    = biases > 1 ? op->n_lanes : 0;
    op->bias         = mxdi_q8_base_alloc(&op->base, n_bias, sizeof(int32_t));
    const uint8_t *w = mxdi_q8_base_alloc(&op->base, op->w_bytes, 1);
    if (!op->bias || !w)
        return mxdi_nomem(err);
    for (int32_t i = op->winograd.n_panels; i < op->n_panels; i++) {
        op->panels[i].w = w;
        w += op->panel_bytes / 2 * (size_t)op->panels[i].vectors;
    }
    return MXD_OK;
}

mxd_status mxdi_conv_q8_pack(mxdi_conv_q8 *op, const int16_t *w, const int32_t *bias,
                             mxd_error *err)
{
    const mxdi_window2d *win  = &op->base.window;
    const size_t         taps = (size_t)win->kh * (size_t)win->kw;
    const int64_t        n_k4 = op->collect_rows ? op->k4 : (int64_t)taps * op->k4;
    MXD_TRY(make_room(op, n_k4, err));
    uint32_t *scratch = MXDI_ALLOC(op->base.arena.alloc, uint32_t, mxdi_q8_base_scratch(&op->base));
    if (!scratch)
        return mxdi_nomem(err);
    for (int32_t i = op->winograd.n_panels; i < op->n_panels; i++) {
        const mxdi_conv_q8_panel *const p = &op->panels[i];
        for (int32_t l = 0; l < (int32_t)p->n; l++) {
            const int32_t  c    = p->y + l;
            const int16_t *of_c = w + (size_t)c * (size_t)op->c_in * taps;
            pack_channel(op, (uint8_t *)p->w, p->vectors, l, of_c, n_k4);
            mxdi_q8_base_fold(&op->base, op->bias + p->lane + l, op->bias_step, bias ? bias[c] : 0,
                              of_c, op->c_in, scratch);
        }
    }
    mxdi_free(op->base.arena.alloc, scratch);
    return MXD_OK;
}
