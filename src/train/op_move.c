/* SPDX-License-Identifier: Apache-2.0
 *
 * What only moves values, in training: reshapes, slices, constant padding with zero, and
 * concatenation of channels. Integers stay integers.
 */
#include <math.h>

#include "base/dtype.h"
#include "train/tape.h"

/* ---- reshapes: images keep their elements in the order (C, H, W) ---- */

struct reshape {
    double *step;
}; /* (features) where x has a step for each channel */
struct move_job {
    const mxdi_train_value *x, *y;
    bool                    add, back;
};

static int64_t offset_of(const mxdi_blocked *l, int64_t k, int64_t image)
{
    const int64_t area = (int64_t)l->h * l->w;
    return (k % area) * mxdi_blocked_pixel(l) + image * l->pitch + k / area;
}

static void reshape_block(void *arg, int64_t block, unsigned thread)
{
    const struct move_job *const j = arg;
    const mxdi_blocked *const lx = &j->x->layout, *const ly = &j->y->layout;
    const int64_t n = (int64_t)lx->h * lx->w * lx->channels, x0 = block * lx->block_stride,
                  y0 = block * ly->block_stride;
    (void)thread;
    for (int64_t i = 0; i < MXDI_TRAIN_BLOCK; i++)
        for (int64_t k = 0; k < n; k++) {
            const int64_t x = x0 + offset_of(lx, k, i), y = y0 + offset_of(ly, k, i);
            if (!j->back)
                j->y->x[y] = j->x->x[x];
            else
                j->x->dx[x] = j->add ? j->x->dx[x] + j->y->dx[y] : j->y->dx[y];
        }
}

static mxd_status reshape_forward(mxdi_tape *t, mxdi_train_op *op, mxd_error *err)
{
    const struct reshape *const s    = op->state;
    struct move_job             j    = { &t->value[op->in[0]], &t->value[op->out], false, false };
    const int64_t               area = (int64_t)j.x->layout.h * j.x->layout.w;
    (void)err;
    for (int64_t k = 0; s->step && k < j.y->layout.channels; k++)
        s->step[k] = j.x->step[k / area];
    mxdi_tape_each_block(t, reshape_block, &j);
    return MXD_OK;
}

static mxd_status reshape_backward(mxdi_tape *t, mxdi_train_op *op, mxd_error *err)
{
    struct move_job j = { &t->value[op->in[0]], &t->value[op->out], op->add[0], true };
    (void)err;
    mxdi_tape_each_block(t, reshape_block, &j);
    return MXD_OK;
}

static const mxdi_train_kind reshape_kind = { "reshape",        NULL, reshape_forward,
                                              reshape_backward, NULL, NULL };

static void keep_meaning(mxdi_tape *t, uint32_t y, uint32_t x)
{
    t->value[y].step   = t->value[x].step;
    t->value[y].n_step = t->value[x].n_step;
    t->value[y].count  = t->value[x].count;
    t->value[y].half   = t->value[x].half;
    t->value[y].lo     = t->value[x].lo;
    t->value[y].hi     = t->value[x].hi;
    t->value[y].form   = mxdi_form_moved(t->value[x].form);
}

mxd_status mxdi_train_build_reshape(mxdi_tape *t, const mxd_node *node, mxd_error *err)
{
    uint32_t       x = node->in[0];
    const uint32_t y = node->out[0];
    mxdi_train_op *op;
    MXD_TRY(mxdi_tape_value(t, y, err));
    const mxdi_blocked l    = t->value[y].layout;
    const mxdi_blocked from = t->value[x].layout;
    if (l.h == from.h && l.w == from.w && l.channels == from.channels) {
        mxdi_tape_alias(t, y, x);
        t->value[y].form = mxdi_form_moved(t->value[x].form);
        return MXD_OK;
    }
    const bool flat = l.h == 1 && l.w == 1;
    if (t->value[x].step && t->value[x].n_step > 1 && !flat)
        MXD_TRY(mxdi_tape_real(&x, t, x, err));
    keep_meaning(t, y, x);
    MXD_TRY(
        mxdi_tape_add(&op, t, &reshape_kind, node->name, &x, 1, y, sizeof(struct reshape), err));
    op->reads_in = op->reads_out = false;
    if (t->value[x].step && t->value[x].n_step > 1) {
        struct reshape *const s = op->state;
        s->step                 = MXDI_NEW(&t->arena, double, (size_t)l.channels);
        if (!s->step)
            return mxdi_nomem(err);
        t->value[y].step   = s->step;
        t->value[y].n_step = l.channels;
    }
    return MXD_OK;
}

/* ---- Slice and Pad: y[c, h, w] = x[c*1 + c0, h*sh + h0, w*sw + w0], or 0 outside ---- */

struct box {
    int64_t c0, h0, w0, sh, sw;
};
struct box_job {
    const mxdi_train_value *x, *y;
    const struct box       *b;
    bool                    back;
};

static void box_block(void *arg, int64_t block, unsigned thread)
{
    const struct box_job *const j = arg;
    const mxdi_blocked *const lx = &j->x->layout, *const ly = &j->y->layout;
    (void)thread;
    for (int64_t h = 0; h < ly->h; h++)
        for (int64_t w = 0; w < ly->w; w++)
            for (int64_t i = 0; i < MXDI_TRAIN_BLOCK; i++) {
                const int64_t hx = h * j->b->sh + j->b->h0, wx = w * j->b->sw + j->b->w0;
                const bool    inside = hx >= 0 && hx < lx->h && wx >= 0 && wx < lx->w;
                const int64_t x      = block * lx->block_stride + hx * mxdi_blocked_row(lx) +
                                  wx * mxdi_blocked_pixel(lx) + i * lx->pitch + j->b->c0;
                const int64_t y = block * ly->block_stride + h * mxdi_blocked_row(ly) +
                                  w * mxdi_blocked_pixel(ly) + i * ly->pitch;
                for (int64_t c = 0; c < ly->channels; c++) {
                    const bool in = inside && c + j->b->c0 >= 0 && c + j->b->c0 < lx->channels;
                    if (!j->back)
                        j->y->x[y + c] = in ? j->x->x[x + c] : 0.0f;
                    else if (in)
                        j->x->dx[x + c] += j->y->dx[y + c];
                }
            }
}

static mxd_status box_forward(mxdi_tape *t, mxdi_train_op *op, mxd_error *err)
{
    struct box_job j = { &t->value[op->in[0]], &t->value[op->out], op->state, false };
    (void)err;
    mxdi_tape_each_block(t, box_block, &j);
    return MXD_OK;
}

static mxd_status box_backward(mxdi_tape *t, mxdi_train_op *op, mxd_error *err)
{
    struct box_job j = { &t->value[op->in[0]], &t->value[op->out], op->state, true };
    (void)err;
    if (!op->add[0]) /* what was not taken gets nothing */
        memset(j.x->dx, 0, (size_t)j.x->floats * sizeof(float));
    mxdi_tape_each_block(t, box_block, &j);
    return MXD_OK;
}

static const mxdi_train_kind box_kind = { "box", NULL, box_forward, box_backward, NULL, NULL };

/* Attribute `name` or constant input k, as int64; NULL: neither. */
static const int64_t *ints_of(const mxdi_tape *t, const mxd_node *node, const char *name,
                              uint32_t k, uint32_t *n)
{
    const int64_t *const a = mxd_node_ints(node, name, n);
    if (a || node->n_in <= k || node->in[k] == MXD_NO_VALUE)
        return a;
    const mxd_value *const v = &t->graph->value[node->in[k]];
    if (!v->data || v->dtype != MXD_S64)
        return NULL;
    *n = (uint32_t)(v->bytes / sizeof(int64_t));
    return v->data;
}

/* begin and step by axis of (N, C, H, W). */
static bool slice_box(int64_t begin[4], int64_t step[4], const mxdi_tape *t, const mxd_node *node)
{
    const mxd_value *const x = &t->graph->value[node->in[0]];
    uint32_t               n = 0, n_axes = 0, n_steps = 0;
    const int64_t *const   starts = ints_of(t, node, "starts", 1, &n);
    const int64_t *const   axes   = ints_of(t, node, "axes", 3, &n_axes);
    const int64_t *const   steps  = ints_of(t, node, "steps", 4, &n_steps);
    for (uint32_t k = 0; starts && k < n; k++) {
        int64_t axis = axes && k < n_axes ? axes[k] : k;
        axis         = axis < 0 ? axis + x->rank : axis;
        if (axis < 0 || axis > 3 || (steps && k < n_steps && steps[k] < 1))
            return false;
        step[axis]         = steps && k < n_steps ? steps[k] : 1;
        const int64_t from = starts[k] < 0 ? starts[k] + x->dim[axis] : starts[k];
        begin[axis]        = from < 0 ? 0 : from;
    }
    return starts && begin[0] == 0 && step[0] == 1 && step[1] == 1;
}

static bool pad_box(int64_t begin[4], const mxdi_tape *t, const mxd_node *node)
{
    uint32_t               n    = 0;
    const mxd_value *const x    = &t->graph->value[node->in[0]];
    const int64_t *const   pads = ints_of(t, node, "pads", 1, &n);
    const mxd_value *const fill =
        node->n_in > 2 && node->in[2] != MXD_NO_VALUE ? &t->graph->value[node->in[2]] : NULL;
    if (!pads || n != 2 * (uint32_t)x->rank || pads[0] || pads[x->rank] ||
        (node->n_in > 3 && node->in[3] != MXD_NO_VALUE) ||
        strcmp(mxd_node_string(node, "mode", "constant"), "constant") != 0 ||
        mxd_node_float(node, "value", 0.0f) != 0.0f)
        return false;
    if (fill && (!fill->data || fill->dtype != MXD_F32 || *(const float *)fill->data != 0.0f))
        return false;
    for (int32_t k = 0; k < x->rank; k++)
        begin[k] = -pads[k];
    return true;
}

mxd_status mxdi_train_build_move(mxdi_tape *t, const mxd_node *node, mxd_error *err)
{
    int64_t                begin[4] = { 0 }, step[4] = { 1, 1, 1, 1 };
    const mxd_value *const shape = &t->graph->value[node->in[0]];
    uint32_t               x     = node->in[0];
    const uint32_t         y     = node->out[0];
    mxdi_train_op         *op;
    if (shape->rank < 2 || shape->rank > 4 ||
        !(mxdi_node_is(node, "Pad") ? pad_box(begin, t, node) : slice_box(begin, step, t, node)))
        return mxdi_tape_refuse(
            node,
            "constant bounds with positive steps, and padding with 0, expected; not along the batch",
            err);
    if (t->value[x].step && t->value[x].n_step > 1)
        MXD_TRY(mxdi_tape_real(&x, t, x, err));
    MXD_TRY(mxdi_tape_value(t, y, err));
    keep_meaning(t, y, x);
    if (mxdi_node_is(node, "Pad"))
        t->value[y].form = mxdi_form_changed(t->value[x].form);
    MXD_TRY(mxdi_tape_add(&op, t, &box_kind, node->name, &x, 1, y, sizeof(struct box), err));
    op->reads_in = op->reads_out = false;
    const int h = shape->rank == 4 ? 2 : 3, w = shape->rank == 4 ? 3 : 2;
    *(struct box *)op->state = shape->rank == 4
                                   ? (struct box){ begin[1], begin[h], begin[w], step[h], step[w] }
                                   : (struct box){ begin[1], 0, begin[w], 1, step[w] };
    return MXD_OK;
}

/* ---- Concat of channels ---- */

struct concat_job {
    mxdi_tape           *t;
    const mxdi_train_op *op;
    bool                 back;
};

static void concat_block(void *arg, int64_t block, unsigned thread)
{
    const struct concat_job *const j    = arg;
    const mxdi_train_value *const  y    = &j->t->value[j->op->out];
    const mxdi_blocked *const      ly   = &y->layout;
    const int64_t                  rows = ly->block_stride / ly->pitch;
    int64_t                        at   = 0;
    (void)thread;
    for (uint32_t k = 0; k < j->op->n_in; k++) {
        const mxdi_train_value *const x  = &j->t->value[j->op->in[k]];
        const mxdi_blocked *const     lx = &x->layout;
        for (int64_t r = 0; r < rows && (!j->back || x->wants_grad); r++)
            for (int64_t c = 0; c < lx->channels; c++) {
                const int64_t from = block * lx->block_stride + r * lx->pitch + c,
                              to   = block * ly->block_stride + r * ly->pitch + at + c;
                if (!j->back)
                    y->x[to] = x->x[from];
                else
                    x->dx[from] = j->op->add[k] ? x->dx[from] + y->dx[to] : y->dx[to];
            }
        at += lx->channels;
    }
}

static mxd_status concat_forward(mxdi_tape *t, mxdi_train_op *op, mxd_error *err)
{
    struct concat_job j = { t, op, false };
    (void)err;
    mxdi_tape_each_block(t, concat_block, &j);
    return MXD_OK;
}

static mxd_status concat_backward(mxdi_tape *t, mxdi_train_op *op, mxd_error *err)
{
    struct concat_job j = { t, op, true };
    (void)err;
    mxdi_tape_each_block(t, concat_block, &j);
    return MXD_OK;
}

static const mxdi_train_kind concat_kind = { "concat",        NULL, concat_forward,
                                             concat_backward, NULL, NULL };

mxd_status mxdi_train_build_concat(mxdi_tape *t, const mxd_node *node, mxd_error *err)
{
    const int64_t   axis = mxd_node_int(node, "axis", 1);
    const uint32_t  y    = node->out[0];
    mxdi_train_op  *op;
    uint32_t *const in = MXDI_NEW(&t->arena, uint32_t, node->n_in);
    if (!in)
        return mxdi_nomem(err);
    if (axis != 1 && axis + t->graph->value[y].rank != 1)
        return mxdi_tape_refuse(node, "a concatenation of channels expected", err);
    bool same = true;
    for (uint32_t k = 0; k < node->n_in; k++) {
        const mxdi_train_value *const v = &t->value[node->in[k]], *const first =
                                                                      &t->value[node->in[0]];
        if (!v->floats)
            return mxdi_tape_refuse(node, "activations expected", err);
        same = same && v->step == first->step && v->n_step <= 1 && v->lo == first->lo &&
               v->hi == first->hi && v->count == first->count;
    }
    for (uint32_t k = 0; k < node->n_in; k++) {
        in[k] = node->in[k];
        if (!same)
            MXD_TRY(mxdi_tape_real(&in[k], t, in[k], err));
    }
    MXD_TRY(mxdi_tape_value(t, y, err));
    keep_meaning(t, y, in[0]);
    t->value[y].form = mxdi_form_changed(t->value[in[0]].form);
    MXD_TRY(mxdi_tape_add(&op, t, &concat_kind, node->name, in, node->n_in, y, 1, err));
    op->reads_in = op->reads_out = false;
    return MXD_OK;
}
