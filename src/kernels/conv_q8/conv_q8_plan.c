/* SPDX-License-Identifier: Apache-2.0
 *
 * What each rectangle of the output sees: lists of taps, and of quads where inputs are collected.
 */
#include "kernels/conv_q8/conv_q8_op.h"

#include "base/error.h"

static int32_t div_up(int32_t a, int32_t b)
{
    return (a + b - 1) / b;
}

/* Collecting: fewer k4s than one for each tap, and a run that fits its buffer. */
static void choose_form(mxdi_conv_q8 *op)
{
    const mxdi_window2d *win   = &op->base.window;
    const int32_t        rows  = op->kernel->rows;
    const int64_t        flat  = (int64_t)win->kh * win->kw * op->c_in;
    const int64_t        quads = (flat + 3) / 4;
    op->k4                     = div_up(op->c_in, 4);
    op->k4_step                = 4;
    if (op->c_in > MXDI_CONV_Q8_COLLECT_MAX || quads == (int64_t)win->kh * win->kw)
        return;
    const int64_t fit = MXDI_CONV_Q8_COLLECT / (int64_t)sizeof(uint32_t) / quads / rows * rows;
    if (fit == 0)
        return;
    op->k4           = (int32_t)quads;
    op->collect_rows = (int32_t)(fit < 16 * rows ? fit : 16 * rows);
}

/* Bytes of x from the first tap inside to tap (ky, kx). */
static int64_t tap_at(const mxdi_conv_q8 *op, const mxdi_span *y, const mxdi_span *x, int32_t ky,
                      int32_t kx)
{
    const mxdi_window2d *win = &op->base.window;
    return (int64_t)(ky - y->k_begin) * win->dh * mxdi_blocked_row(&op->base.x) +
           (int64_t)(kx - x->k_begin) * win->dw * mxdi_blocked_pixel(&op->base.x);
}

/* Taps at a constant distance in x that follow each other in the panel are one: those of a row of
 * the window, and then whole rows; all of a pattern have the same length. A tap of one k4 may be
 * anywhere; of several, the k4s are neighbours, and so they have to be for tile registers. */
static void plan_taps(mxdi_conv_q8 *op, mxdi_conv_q8_pattern *p, const mxdi_span *y,
                      const mxdi_span *x)
{
    const mxdi_window2d *win  = &op->base.window;
    mxdi_conv_q8_tap    *taps = op->taps + p->taps;
    const int64_t        tap  = op->k4_step * op->k4; /* bytes */
    const int32_t        kw = x->k_end - x->k_begin, kh = y->k_end - y->k_begin;
    const bool           row = kw == 1 || win->dw * mxdi_blocked_pixel(&op->base.x) == tap;
    const bool rows = row && kw == win->kw && win->dh * mxdi_blocked_row(&op->base.x) == kw * tap;
    if (kw == 0 || kh == 0)
        return;
    for (int32_t ky = y->k_begin; ky < (rows ? y->k_begin + 1 : y->k_end); ky++)
        for (int32_t kx = x->k_begin; kx < (row ? x->k_begin + 1 : x->k_end); kx++)
            taps[p->n_taps++] = (mxdi_conv_q8_tap){ tap_at(op, y, x, ky, kx),
                                                    ((int64_t)ky * win->kw + kx) * op->k4 };
    p->k4 = op->k4 * (row ? kw : 1) * (rows ? kh : 1);
}

/* Quads with at least one byte inside; each is a tap of one k4 in the collected run. */
static void plan_quads(mxdi_conv_q8 *op, mxdi_conv_q8_pattern *p, const mxdi_span *y,
                       const mxdi_span *x)
{
    const mxdi_window2d *win  = &op->base.window;
    const int64_t        flat = (int64_t)win->kh * win->kw * op->c_in;
    for (int32_t q = 0; q < op->k4; q++) {
        mxdi_conv_q8_quad quad = { { -1, -1, -1, -1 } };
        bool              any  = false;
        for (int64_t j = 0; j < 4 && q * 4 + j < flat; j++) {
            const int32_t tap = (int32_t)((q * 4 + j) / op->c_in),
                          c   = (int32_t)((q * 4 + j) % op->c_in);
            const int32_t ky = tap / win->kw, kx = tap % win->kw;
            if (ky < y->k_begin || ky >= y->k_end || kx < x->k_begin || kx >= x->k_end)
                continue;
            quad.a[j] = tap_at(op, y, x, ky, kx) + c;
            any       = true;
        }
        if (!any)
            continue;
        op->quads[p->quads + (size_t)p->n_taps] = quad;
        op->taps[p->taps + (size_t)p->n_taps] =
            (mxdi_conv_q8_tap){ 4 * (int64_t)p->n_taps * op->collect_rows, q };
        p->n_taps++;
    }
    p->k4 = 1;
}

mxd_status mxdi_conv_q8_plan(mxdi_conv_q8 *op, mxd_error *err)
{
    const mxdi_window2d *win = &op->base.window;
    choose_form(op);
    if (op->k4 == 1 && !op->collect_rows && !op->kernel->leave)
        op->k4_step = win->dw * mxdi_blocked_pixel(&op->base.x);
    const bool   collect = op->collect_rows > 0;
    const size_t most =
        collect ? (size_t)op->k4 : (size_t)win->kh * (size_t)win->kw; /* taps of a rectangle */
    size_t n_patterns, n_taps;
    if (!mxdi_mul_size(&n_patterns, (size_t)op->base.n_y, (size_t)op->base.n_x) ||
        !mxdi_mul_size(&n_taps, n_patterns, most))
        return mxdi_nomem(err);
    op->patterns = mxdi_q8_base_alloc(&op->base, n_patterns, sizeof(mxdi_conv_q8_pattern));
    op->taps     = mxdi_q8_base_alloc(&op->base, n_taps, sizeof(mxdi_conv_q8_tap));
    op->quads    = mxdi_q8_base_alloc(&op->base, collect ? n_taps : 0, sizeof(mxdi_conv_q8_quad));
    if (!op->patterns || !op->taps || !op->quads)
        return mxdi_nomem(err);
    for (size_t i = 0; i < n_patterns; i++) {
        const mxdi_span *y      = &op->base.spans_y[i / (size_t)op->base.n_x],
                        *x      = &op->base.spans_x[i % (size_t)op->base.n_x];
        mxdi_conv_q8_pattern *p = &op->patterns[i];
        p->taps = p->quads = i * most;
        p->first           = (int64_t)y->k_begin * win->dh * mxdi_blocked_row(&op->base.x) +
                   (int64_t)x->k_begin * win->dw * mxdi_blocked_pixel(&op->base.x);
        if (collect)
            plan_quads(op, p, y, x);
        else
            plan_taps(op, p, y, x);
    }
    return MXD_OK;
}
