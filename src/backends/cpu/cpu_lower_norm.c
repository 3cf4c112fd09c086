/* SPDX-License-Identifier: Apache-2.0
 *
 * LayerNormalization on rows; BatchNormalization and InstanceNormalization on blocked channels. */
#include <math.h>

#include "backends/cpu/cpu_lower.h"
#include "kernels/norm_f32/norm_f32.h"

/* ---- rows ---- */

struct layer {
    const mxdi_norm_f32 *k;
    uint32_t             x, y, scale, shift;
    int64_t              rows, n;
    bool                 grows;
    float                epsilon;
};

enum { LAYER_ROWS = 4 };

static size_t layer_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const struct layer *const l = op;
    return (size_t)((mxdi_cpu_grown(f, l->rows, l->grows) + LAYER_ROWS - 1) / LAYER_ROWS);
}

static void layer_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                      unsigned thread)
{
    const struct layer *const l = op;
    const int64_t rows = mxdi_cpu_grown(f, l->rows, l->grows), from = (int64_t)begin * LAYER_ROWS;
    const int64_t to = (int64_t)end * LAYER_ROWS < rows ? (int64_t)end * LAYER_ROWS : rows;
    (void)thread;
    l->k->layer((float *)f->ptr[l->y] + from * l->n, (const float *)f->ptr[l->x] + from * l->n,
                f->ptr[l->scale], l->shift == MXD_NO_VALUE ? NULL : f->ptr[l->shift], to - from,
                l->n, l->n, l->n, l->epsilon);
}

static const mxdi_cpu_kind layer_kind = { layer_tasks, layer_run, NULL };

mxd_status mxdi_cpu_lower_layer_norm(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const x    = mxdi_cpu_in(p->g, n, 0);
    struct layer *const    op   = MXDI_CPU_NEW_OP(p, struct layer);
    const int32_t          axis = mxdi_cpu_axis(n, x, -1);
    if (!op)
        return mxdi_nomem(err);
    *op = (struct layer){ .k       = mxdi_norm_f32_select(p->program->isa),
                          .shift   = MXD_NO_VALUE,
                          .rows    = 1,
                          .n       = 1,
                          .grows   = x->batch_axis == 0 && axis > 0,
                          .epsilon = mxd_node_float(n, "epsilon", 1e-5f) };
    for (int32_t k = 0; k < x->rank; k++)
        *(k < axis ? &op->rows : &op->n) *= x->dim[k];
    MXD_TRY(mxdi_cpu_get_plain(&op->x, p, n->in[0], err));
    MXD_TRY(mxdi_cpu_get_plain(&op->scale, p, n->in[1], err));
    if (mxdi_cpu_has_in(n, 2))
        MXD_TRY(mxdi_cpu_get_plain(&op->shift, p, n->in[2], err));
    MXD_TRY(mxdi_cpu_make_plain(&op->y, p, n->out[0], true, err));
    const uint32_t          in[] = { op->x, op->scale, op->shift };
    const mxdi_cpu_emission e    = { .kind     = &layer_kind,
                                     .op       = op,
                                     .in       = in,
                                     .n_in     = op->shift == MXD_NO_VALUE ? 2 : 3,
                                     .out      = &op->y,
                                     .n_out    = 1,
                                     .in_place = true,
                                     .computed = "f32",
                                     .kernel   = mxdi_cpu_kernel_name(p, "layer_norm", op->k->name) };
    return e.kernel ? mxdi_cpu_emit(p, &e, err) : mxdi_nomem(err);
}

const char *mxdi_cpu_check_layer_norm(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const x   = mxdi_cpu_in(g, n, 0);
    const char *const      why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    const int32_t axis  = mxdi_cpu_axis(n, x, -1);
    int64_t       count = 1;
    for (int32_t k = axis; k < x->rank; k++)
        count *= x->dim[k];
    for (uint32_t k = 0; k < n->n_in; k++) {
        const mxd_value *const v = mxdi_cpu_in(g, n, k);
        if (v && (v->dtype != MXD_F32 || (k > 0 && mxdi_cpu_count(v) != count)))
            return "no CPU kernel for LayerNormalization of this type or with broadcast scales: runs in the reference interpreter";
    }
    if (mxdi_cpu_has_out(n, 1) || mxdi_cpu_has_out(n, 2))
        return "mean and deviation are wanted too: runs in the reference interpreter";
    if (x->batch_axis > 0 || (x->batch_axis == 0 && axis == 0 && g->max_batch > 1))
        return "goes over the batch: runs in the reference interpreter";
    return NULL;
}

/* ---- channels ---- */

struct channel_norm {
    const mxdi_norm_f32 *k;
    uint32_t             x, y;
    const float         *scale, *shift;
    bool                 instance;
    float                epsilon;
};

static size_t channel_norm_tasks(const void *op, const mxdi_cpu_frame *f)
{
    return (size_t)mxdi_cpu_blocks(f, ((const struct channel_norm *)op)->y);
}

static void channel_norm_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                             unsigned thread)
{
    const struct channel_norm *const c = op;
    const mxdi_blocked *const lx = &f->tensor[c->x].l, *const ly = &f->tensor[c->y].l;
    const float *const x = (const float *)f->ptr[c->x] + (int64_t)begin * lx->block_stride;
    float *const       y = (float *)f->ptr[c->y] + (int64_t)begin * ly->block_stride;
    (void)thread;
    if (c->instance)
        c->k->instance(y, x, c->scale, c->shift, ly, lx, (int64_t)(end - begin), c->epsilon);
    else
        c->k->affine(y, x, c->scale, c->shift, ly, lx, (int64_t)(end - begin));
}

static const mxdi_cpu_kind channel_norm_kind = { channel_norm_tasks, channel_norm_run, NULL };

/* Batch normalization as scale and shift: y = x * s/sqrt(var + e) + (b - mean * s/sqrt(var + e)).
 */
static mxd_status batch_norm_vectors(float *scale, float *shift, mxdi_cpu_plan *p,
                                     const mxd_node *n, int64_t channels, mxd_error *err)
{
    const float *v[4];
    for (uint32_t k = 0; k < 4; k++) {
        MXD_TRY(mxdi_cpu_constant_f32(&v[k], p, n->in[1 + k], err));
        if (!v[k])
            return mxdi_fail(err, MXD_E_UNSUPPORTED, "constant parameters expected");
    }
    for (int64_t c = 0; c < channels; c++) {
        const double factor =
            (double)v[0][c] / sqrt((double)v[3][c] + (double)mxd_node_float(n, "epsilon", 1e-5f));
        scale[c] = (float)factor;
        shift[c] = (float)((double)v[1][c] - (double)v[2][c] * factor);
    }
    return MXD_OK;
}

static mxd_status instance_norm_vectors(float *scale, float *shift, mxdi_cpu_plan *p,
                                        const mxd_node *n, int64_t channels, mxd_error *err)
{
    const float *s, *b;
    MXD_TRY(mxdi_cpu_constant_f32(&s, p, n->in[1], err));
    MXD_TRY(mxdi_cpu_constant_f32(&b, p, n->in[2], err));
    if (!s || !b)
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "constant parameters expected");
    memcpy(scale, s, (size_t)channels * sizeof(float));
    memcpy(shift, b, (size_t)channels * sizeof(float));
    return MXD_OK;
}

mxd_status mxdi_cpu_lower_channel_norm(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const int64_t              channels = mxdi_cpu_in(p->g, n, 0)->dim[1];
    struct channel_norm *const op       = MXDI_CPU_NEW_OP(p, struct channel_norm);
    float *const               scale    = MXDI_NEW(&p->program->arena, float, (size_t)channels),
                 *const        shift    = MXDI_NEW(&p->program->arena, float, (size_t)channels);
    if (!op || !scale || !shift)
        return mxdi_nomem(err);
    *op = (struct channel_norm){ .k        = mxdi_norm_f32_select(p->program->isa),
                                 .scale    = scale,
                                 .shift    = shift,
                                 .instance = strcmp(n->op, "InstanceNormalization") == 0,
                                 .epsilon  = mxd_node_float(n, "epsilon", 1e-5f) };
    MXD_TRY(op->instance ? instance_norm_vectors(scale, shift, p, n, channels, err)
                         : batch_norm_vectors(scale, shift, p, n, channels, err));
    MXD_TRY(mxdi_cpu_get_blocked(&op->x, p, n->in[0], err));
    MXD_TRY(mxdi_cpu_make_blocked(&op->y, p, n->out[0], err));
    const mxdi_cpu_emission e = { .kind     = &channel_norm_kind,
                                  .op       = op,
                                  .in       = &op->x,
                                  .n_in     = 1,
                                  .out      = &op->y,
                                  .n_out    = 1,
                                  .in_place = true,
                                  .computed = "f32",
                                  .kernel   = mxdi_cpu_kernel_name(
                                        p, op->instance ? "instance_norm" : "affine", op->k->name) };
    return e.kernel ? mxdi_cpu_emit(p, &e, err) : mxdi_nomem(err);
}

const char *mxdi_cpu_check_channel_norm(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const x   = mxdi_cpu_in(g, n, 0);
    const char *const      why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    if (x->dtype != MXD_F32 || !mxdi_cpu_can_block(x))
        return "no CPU kernel to normalize this shape or type: runs in the reference interpreter";
    for (uint32_t k = 1; k < n->n_in; k++)
        if (!mxdi_cpu_is_fixed(g, n->in[k]) || mxdi_cpu_in(g, n, k)->dtype != MXD_F32)
            return "parameters are not constant f32: runs in the reference interpreter";
    if (mxdi_cpu_has_out(n, 1) || mxd_node_int(n, "training_mode", 0))
        return "statistics of the batch are wanted: runs in the reference interpreter";
    return NULL;
}
