/* SPDX-License-Identifier: Apache-2.0
 *
 * ConvTranspose as a convolution: the input is spread, stride - 1 zeros between its pixels, and
 * convolved at stride 1 with the weights turned around (ONNX ConvTranspose-11: the gradient of
 * Conv). */
#include "backends/cpu/cpu_lower.h"
#include "backends/cpu/cpu_move.h"

/* Stride-free window of the equivalent convolution, and how far the input is spread. */
struct spread {
    mxdi_window2d window;
    int64_t       sh, sw;
};

static struct spread spread_of(const mxd_node *n, const mxd_value *x, const mxd_value *w,
                               const mxd_value *y)
{
    mxdi_cpu_window given = mxdi_cpu_window_of(n, x, y, w->dim + 2);
    struct spread   s     = { given.w, given.w.sh, given.w.sw };
    uint32_t        count;
    /* pads follow from the output's size where it is given or auto_pad asks: total = (in-1)*s +
     * (k-1)*d + 1 + extra - out */
    const bool        fixed = mxd_node_ints(n, "output_shape", &count) != NULL;
    const char *const pad   = mxd_node_string(n, "auto_pad", "NOTSET");
    const int64_t    *extra = mxd_node_ints(n, "output_padding", &count);
    for (int32_t k = 0; k < x->rank - 2 && (fixed || strncmp(pad, "SAME", 4) == 0); k++) {
        const bool    rows = x->rank == 4 && k == 0;
        const int64_t in = x->dim[2 + k], out = y->dim[2 + k], stride = rows ? s.sh : s.sw;
        const int64_t reach =
            (int64_t)((rows ? s.window.kh : s.window.kw) - 1) * (rows ? s.window.dh : s.window.dw) +
            1;
        int64_t total = (in - 1) * stride + reach + (extra ? extra[k] : 0) - out;
        total         = total > 0 ? total : 0;
        *(rows ? &s.window.ph : &s.window.pw) =
            (int32_t)(strcmp(pad, "SAME_UPPER") == 0 ? total / 2 : total - total / 2);
    }
    s.window.ph = (s.window.kh - 1) * s.window.dh - s.window.ph;
    s.window.pw = (s.window.kw - 1) * s.window.dw - s.window.pw;
    s.window.sh = s.window.sw = 1;
    return s;
}

/* (C_in, C_out/g, kh, kw) to (C_out, C_in/g, kh, kw), turned around. */
static mxd_status turn_weights(const float **out, mxdi_cpu_plan *p, const float *w,
                               const mxd_value *v, int64_t groups, mxd_error *err)
{
    const int64_t c_in = v->dim[0] / groups, c_out = v->dim[1],
                  taps = mxdi_cpu_count(v) / v->dim[0] / v->dim[1];
    float *const to = mxdi_arena_alloc(&p->scratch, (size_t)mxdi_cpu_count(v), sizeof(float), 64);
    if (!to)
        return mxdi_nomem(err);
    for (int64_t g = 0; g < groups; g++)
        for (int64_t i = 0; i < c_in; i++)
            for (int64_t o = 0; o < c_out; o++)
                for (int64_t t = 0; t < taps; t++)
                    to[((g * c_out + o) * c_in + i) * taps + taps - 1 - t] =
                        w[((g * c_in + i) * c_out + o) * taps + t];
    *out = to;
    return MXD_OK;
}

/* y: x's pixels at every sh-th row and sw-th column, the rows and columns between them zero; all
 * boxes disjoint. */
static mxd_status emit_spread(mxdi_cpu_plan *p, const mxdi_cpu_view *y, const mxdi_cpu_view *x,
                              const struct spread *s, mxd_error *err)
{
    const mxdi_cpu_view nothing = { .tensor = MXD_NO_VALUE };
    const int32_t       column = y->rank - 1, row = y->rank == 4 ? 2 : -1;
    mxdi_cpu_box *const box  = MXDI_NEW(&p->scratch, mxdi_cpu_box, (size_t)(s->sh + s->sw));
    uint32_t            n    = 0;
    mxdi_cpu_view       rows = *y;
    if (!box)
        return mxdi_nomem(err);
    for (int64_t k = 1; row > 0 && k < s->sh && x->dim[row] > 1; k++) {
        mxdi_cpu_view between = *y;
        mxdi_cpu_view_cut(&between, row, k, x->dim[row] - 1, s->sh);
        box[n++] = mxdi_cpu_box_of(&between, &nothing);
    }
    if (row > 0)
        mxdi_cpu_view_cut(&rows, row, 0, x->dim[row], s->sh);
    for (int64_t k = 1; k < s->sw && x->dim[column] > 1; k++) {
        mxdi_cpu_view between = rows;
        mxdi_cpu_view_cut(&between, column, k, x->dim[column] - 1, s->sw);
        box[n++] = mxdi_cpu_box_of(&between, &nothing);
    }
    mxdi_cpu_view_cut(&rows, column, 0, x->dim[column], s->sw);
    box[n++] = mxdi_cpu_box_of(&rows, x);
    return mxdi_cpu_emit_move(p, box, n, "spread", err);
}

/* x with zeros between its pixels, as a tensor of its own. */
static mxd_status spread_input(uint32_t *out, mxdi_cpu_plan *p, uint32_t x, const mxd_value *v,
                               const struct spread *s, mxd_error *err)
{
    const mxdi_cpu_tensor *const from = &p->program->tensor[x];
    mxdi_cpu_tensor              t    = { .dtype   = MXD_F32,
                                          .blocked = true,
                                          .scaled  = from->scaled,
                                          .images  = from->images,
                                          .root    = MXD_NO_VALUE };
    mxd_value                    wide = *v;
    if (v->rank == 4)
        wide.dim[2] = (v->dim[2] - 1) * s->sh + 1;
    wide.dim[v->rank - 1] = (v->dim[v->rank - 1] - 1) * s->sw + 1;
    MXD_TRY(mxdi_cpu_layout_of(&t.l, &wide, p->program->max_batch, err));
    t.bytes = (size_t)((t.images + t.l.block - 1) / t.l.block * t.l.block_stride) * sizeof(float);
    MXD_TRY(mxdi_cpu_add_tensor(out, p, &t, err));
    const mxdi_cpu_view view = mxdi_cpu_view_of(p, x, v), all = mxdi_cpu_view_of(p, *out, &wide);
    return emit_spread(p, &all, &view, s, err);
}

mxd_status mxdi_cpu_lower_conv_transpose(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const vx = mxdi_cpu_in(p->g, n, 0), *const vw = mxdi_cpu_in(p->g, n, 1),
                           *const vy   = mxdi_cpu_out(p->g, n, 0);
    const struct spread           s    = spread_of(n, vx, vw, vy);
    const mxd_node                bare = { .name = n->name, .op = n->op, .domain = n->domain };
    const float                  *w, *bias = NULL;
    mxdi_cpu_product              c = { .r      = MXD_NO_VALUE,
                                        .window = s.window,
                                        .groups = (int32_t)mxd_node_int(n, "group", 1) };
    MXD_TRY(mxdi_cpu_constant_f32(&w, p, n->in[1], err));
    if (mxdi_cpu_has_in(n, 2))
        MXD_TRY(mxdi_cpu_constant_f32(&bias, p, n->in[2], err));
    if (!w || (mxdi_cpu_has_in(n, 2) && !bias))
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "weights and bias must be constant");
    MXD_TRY(turn_weights(&w, p, w, vw, c.groups, err));
    MXD_TRY(mxdi_cpu_get_blocked(&c.x, p, n->in[0], err));
    if (s.sh > 1 || s.sw > 1)
        MXD_TRY(spread_input(&c.x, p, c.x, vx, &s, err));
    MXD_TRY(mxdi_cpu_make_blocked(&c.y, p, n->out[0], err));
    return mxdi_cpu_emit_product_f32(p, &bare, &c, w, bias, err);
}

const char *mxdi_cpu_check_conv_transpose(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const x = mxdi_cpu_in(g, n, 0), *const w = mxdi_cpu_in(g, n, 1),
                           *const y   = mxdi_cpu_out(g, n, 0);
    const char *const             why = mxdi_cpu_check_conv(g, n);
    if (why)
        return why;
    const struct spread s = spread_of(n, x, w, y);
    if (x->dtype != MXD_F32 || s.window.ph < 0 || s.window.pw < 0)
        return "no CPU kernel for this form of ConvTranspose: runs in the reference interpreter";
    return NULL;
}
