/* SPDX-License-Identifier: Apache-2.0
 *
 * Reductions along axes and what normalizes along one: ReduceMean and its like, QReduceMean,
 * Softmax, QSoftmax. Axes that are not neighbours are moved behind the others first. */
#include "backends/cpu/cpu_emit.h"
#include "backends/cpu/cpu_lower.h"
#include "backends/cpu/cpu_move.h"
#include "base/dtype.h"
#include "kernels/mean_q8/mean_q8.h"
#include "kernels/reduce_f32/reduce_f32.h"
#include "kernels/softmax_f32/softmax_f32.h"
#include "kernels/softmax_q8/softmax_q8.h"

/* ---- one axis of a plain tensor ---- */

typedef void (*axis_fn)(float *y, const float *x, const mxdi_axis *a);

struct along {
    uint32_t               x, y;
    bool                   grows, keeps; /* outer grows with the batch; y has the axis too */
    int64_t                outer, axis, inner;
    uint8_t                size;
    axis_fn                f32;
    const mxdi_mean_q8    *mean;
    mxdi_mean_q8_params    mean_params;
    const mxdi_softmax_q8 *softmax;
    mxdi_softmax_q8_params softmax_params;
};

enum { ALONG_INNER = 64 };

static size_t along_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const struct along *const a     = op;
    const int64_t             outer = mxdi_cpu_grown(f, a->outer, a->grows);
    return (size_t)(outer > 1 ? outer : (a->inner + ALONG_INNER - 1) / ALONG_INNER);
}

static void along_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                      unsigned thread)
{
    const struct along *const a     = op;
    const int64_t             outer = mxdi_cpu_grown(f, a->outer, a->grows);
    mxdi_axis                 v     = mxdi_axis_dense(outer, a->axis, a->inner);
    int64_t                   x = 0, y = 0;
    (void)thread;
    if (!a->keeps) {
        v.y_outer = a->inner;
        v.y_axis  = 0;
    }
    if (outer > 1) {
        v.outer = (int64_t)(end - begin);
        x       = (int64_t)begin * v.x_outer;
        y       = (int64_t)begin * v.y_outer;
    } else {
        const int64_t to = (int64_t)end * ALONG_INNER;
        x = y   = (int64_t)begin * ALONG_INNER;
        v.inner = (to < a->inner ? to : a->inner) - x;
    }
    const uint8_t *const from = (const uint8_t *)f->ptr[a->x] + x * a->size;
    uint8_t *const       into = (uint8_t *)f->ptr[a->y] + y * a->size;
    if (a->mean)
        a->mean->mean(into, from, &v, &a->mean_params);
    else if (a->softmax)
        a->softmax->softmax(into, from, &v, &a->softmax_params);
    else
        a->f32((float *)(void *)into, (const float *)(const void *)from, &v);
}

static const mxdi_cpu_kind along_kind = { along_tasks, along_run, NULL };

static mxd_status emit_along(mxdi_cpu_plan *p, struct along *op, const char *family,
                             const char *variant, mxd_error *err)
{
    op->size                  = (uint8_t)(mxd_dtype_bits(p->program->tensor[op->x].dtype) / 8);
    const mxdi_cpu_emission e = { .kind     = &along_kind,
                                  .op       = op,
                                  .in       = &op->x,
                                  .n_in     = 1,
                                  .out      = &op->y,
                                  .n_out    = 1,
                                  .in_place = op->keeps,
                                  .computed = op->size == 1 ? "u8" : "f32",
                                  .kernel   = mxdi_cpu_kernel_name(p, family, variant),
                                  .ns = (double)op->outer * (double)op->axis * (double)op->inner /
                                        4 };
    return e.kernel ? mxdi_cpu_emit(p, &e, err) : mxdi_nomem(err);
}

/* outer, axis, inner of [first, last) of v's axes. */
static void fold_axes(struct along *op, const mxd_value *v, int32_t first, int32_t last)
{
    op->outer = op->axis = op->inner = 1;
    for (int32_t k = 0; k < v->rank; k++)
        *(k < first ? &op->outer : k < last ? &op->axis : &op->inner) *= v->dim[k];
    op->grows = v->batch_axis == 0 && first > 0;
}

/* ---- reductions ---- */

/* reduced[k] for each axis of x; returns how many. */
static int32_t reduced_axes(bool *reduced, const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const x = mxdi_cpu_in(g, n, 0), *const in = mxdi_cpu_in(g, n, 1);
    uint32_t             count;
    const int64_t *const attr   = mxd_node_ints(n, "axes", &count);
    int32_t              total  = 0;
    const bool           listed = attr || (in && mxdi_cpu_count(in) > 0);
    for (int32_t k = 0; k < x->rank; k++)
        reduced[k] = !listed && !mxd_node_int(n, "noop_with_empty_axes", 0);
    if (listed && !attr)
        count = (uint32_t)mxdi_cpu_count(in);
    for (uint32_t i = 0; listed && i < count; i++) {
        const int64_t axis = attr ? attr[i] : mxdi_load_s64(in->data, in->dtype, i);
        reduced[axis < 0 ? axis + x->rank : axis] = true;
    }
    for (int32_t k = 0; k < x->rank; k++)
        total += reduced[k];
    return total;
}

/* Whether the reduced axes are neighbours: [*first, *last). */
static bool neighbours(int32_t *first, int32_t *last, const bool *reduced, int32_t rank)
{
    *first = 0;
    while (*first < rank && !reduced[*first])
        ++*first;
    *last = *first;
    while (*last < rank && reduced[*last])
        ++*last;
    for (int32_t k = *last; k < rank; k++)
        if (reduced[k])
            return false;
    return true;
}

/* x with the reduced axes behind the others, as (outer, axis, 1). */
static mxd_status gather_axes(uint32_t *out, struct along *op, mxdi_cpu_plan *p, uint32_t x,
                              const mxd_value *v, const bool *reduced, mxd_error *err)
{
    MXD_TRY(mxdi_cpu_temporary(out, p, x, err));
    const mxdi_cpu_view from = mxdi_cpu_view_of(p, x, v);
    mxdi_cpu_view       to = { .tensor = *out, .rank = v->rank, .grows = from.grows }, moved = from;
    int32_t             at = 0;
    op->outer = op->axis = op->inner = 1;
    for (int32_t pass = 0; pass < 2; pass++)
        for (int32_t k = 0; k < v->rank; k++)
            if (reduced[k] == (pass == 1)) {
                moved.dim[at] = to.dim[at] = v->dim[k];
                moved.stride[at++]         = from.stride[k];
                *(pass ? &op->axis : &op->outer) *= v->dim[k];
            }
    int64_t stride = 1;
    for (int32_t k = v->rank - 1; k >= 0; k--) {
        to.stride[k] = stride;
        stride *= to.dim[k];
    }
    op->grows              = v->batch_axis == 0;
    const mxdi_cpu_box box = mxdi_cpu_box_of(&to, &moved);
    return mxdi_cpu_emit_move(p, &box, 1, "transpose", err);
}

static mxd_status reduce(mxdi_cpu_plan *p, const mxd_node *n, struct along *op, const bool *reduced,
                         const char *family, const char *variant, mxd_error *err)
{
    const mxd_value *const x = mxdi_cpu_in(p->g, n, 0);
    int32_t                first, last;
    uint32_t               plain;
    MXD_TRY(mxdi_cpu_get_plain(&plain, p, n->in[0], err));
    if (neighbours(&first, &last, reduced, x->rank)) {
        op->x = plain;
        fold_axes(op, x, first, last);
    } else {
        MXD_TRY(gather_axes(&op->x, op, p, plain, x, reduced, err));
    }
    MXD_TRY(mxdi_cpu_make_plain(&op->y, p, n->out[0], true, err));
    return emit_along(p, op, family, variant, err);
}

/* The reduction is one of all pixels of a blocked image, or could be. */
static bool over_pixels(const mxdi_cpu_plan *p, const mxd_node *n, const bool *reduced,
                        int32_t total)
{
    const mxd_value *const x = mxdi_cpu_in(p->g, n, 0), *const y = mxdi_cpu_out(p->g, n, 0);
    return x->rank > 2 && total == x->rank - 2 && !reduced[0] && !reduced[1] &&
           mxdi_cpu_is_blocked(p, n->in[0]) && mxdi_cpu_can_block(y);
}

/* In binary64, rounded once: rare enough for plain C. */
static void product(float *y, const float *x, const mxdi_axis *a)
{
    for (int64_t o = 0; o < a->outer; o++)
        for (int64_t i = 0; i < a->inner; i++) {
            double all = 1.0;
            for (int64_t k = 0; k < a->axis; k++)
                all *= (double)x[o * a->x_outer + k * a->x_axis + i];
            y[o * a->y_outer + i] = (float)all;
        }
}

mxd_status mxdi_cpu_lower_reduce(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxdi_reduce_f32 *const k = mxdi_reduce_f32_select(p->program->isa);
    bool                         reduced[MXD_MAX_RANK];
    const int32_t                total = reduced_axes(reduced, p->g, n);
    const bool mean = strcmp(n->op, "ReduceMean") == 0, max = strcmp(n->op, "ReduceMax") == 0;
    if (total == 0) {
        p->value[n->out[0]].reshape_of = n->in[0];
        return MXD_OK;
    }
    if ((mean || max) && over_pixels(p, n, reduced, total))
        return mxdi_cpu_emit_global(p, n, NULL, err);
    struct along *const op = MXDI_CPU_NEW_OP(p, struct along);
    if (!op)
        return mxdi_nomem(err);
    op->f32 = mean ? k->mean : max ? k->max : strcmp(n->op, "ReduceMin") == 0 ? k->min : k->sum;
    if (strcmp(n->op, "ReduceProd") == 0)
        op->f32 = product;
    return reduce(p, n, op, reduced, "reduce", k->name, err);
}

const char *mxdi_cpu_check_reduce(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const x = mxdi_cpu_in(g, n, 0);
    bool                   reduced[MXD_MAX_RANK];
    const mxd_value *const axes = mxdi_cpu_in(g, n, 1);
    const char *const      why  = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    if (axes && !axes->data)
        return "axes are not constant: runs in the reference interpreter";
    if (x->dtype != MXD_F32)
        return "no CPU kernel to reduce this type: runs in the reference interpreter";
    reduced_axes(reduced, g, n);
    if (x->batch_axis > 0 || (x->batch_axis == 0 && reduced[0] && g->max_batch > 1))
        return "reduces over the batch: runs in the reference interpreter";
    return NULL;
}

mxd_status mxdi_cpu_lower_qreduce(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const int32_t             shift  = mxdi_cpu_shift(mxdi_cpu_out(p->g, n, 0)->dtype);
    const mxdi_mean_q8_params params = {
        .m            = mxd_node_float(n, "m", 0.0f),
        .x_zero_point = (int32_t)mxd_node_int(n, "x_zero_point", 0) +
                        mxdi_cpu_shift(mxdi_cpu_in(p->g, n, 0)->dtype),
        .y_zero_point = (int32_t)mxd_node_int(n, "y_zero_point", 0) + shift,
        .q_min        = (int32_t)mxd_node_int(n, "q_min", -shift) + shift,
        .q_max        = (int32_t)mxd_node_int(n, "q_max", 255 - shift) + shift
    };
    bool          reduced[MXD_MAX_RANK];
    const int32_t total = reduced_axes(reduced, p->g, n);
    if (over_pixels(p, n, reduced, total))
        return mxdi_cpu_emit_global(p, n, &params, err);
    struct along *const op = MXDI_CPU_NEW_OP(p, struct along);
    if (!op)
        return mxdi_nomem(err);
    op->mean        = mxdi_mean_q8_select(p->program->isa);
    op->mean_params = params;
    return reduce(p, n, op, reduced, "mean_q8", op->mean->name, err);
}

/* ---- softmax ---- */

mxd_status mxdi_cpu_lower_softmax(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const        x    = mxdi_cpu_in(p->g, n, 0);
    const mxdi_softmax_f32 *const k    = mxdi_softmax_f32_select(p->program->isa);
    const bool                    flat = n->version < 13, log = strcmp(n->op, "LogSoftmax") == 0;
    const int32_t                 axis = mxdi_cpu_axis(n, x, flat ? 1 : -1);
    struct along *const           op   = MXDI_CPU_NEW_OP(p, struct along);
    if (!op)
        return mxdi_nomem(err);
    op->keeps = true;
    op->f32   = log ? k->log_softmax : k->softmax;
    fold_axes(op, x, axis, flat ? x->rank : axis + 1);
    MXD_TRY(mxdi_cpu_get_plain(&op->x, p, n->in[0], err));
    MXD_TRY(mxdi_cpu_make_plain(&op->y, p, n->out[0], true, err));
    return emit_along(p, op, log ? "log_softmax" : "softmax_f32", k->name, err);
}

const char *mxdi_cpu_check_softmax(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const x   = mxdi_cpu_in(g, n, 0);
    const char *const      why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    if (x->dtype != MXD_F32 || x->rank < 1)
        return "no CPU kernel for Softmax of this type: runs in the reference interpreter";
    if (x->batch_axis > 0 ||
        (x->batch_axis == 0 && mxdi_cpu_axis(n, x, n->version < 13 ? 1 : -1) == 0 &&
         g->max_batch > 1))
        return "goes over the batch: runs in the reference interpreter";
    return NULL;
}

mxd_status mxdi_cpu_lower_qsoftmax(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const x = mxdi_cpu_in(p->g, n, 0), *const table = mxdi_cpu_in(p->g, n, 1);
    const int32_t shift    = mxdi_cpu_shift(mxdi_cpu_out(p->g, n, 0)->dtype),
                  axis     = mxdi_cpu_axis(n, x, -1);
    struct along *const op = MXDI_CPU_NEW_OP(p, struct along);
    if (!op)
        return mxdi_nomem(err);
    if (!table || !table->data || table->dtype != MXD_S64 || mxdi_cpu_count(table) != 256)
        return mxdi_fail(err, MXD_E_INVAL, "a constant table of 256 expected");
    op->keeps   = true;
    op->softmax = mxdi_softmax_q8_select(p->program->isa);
    op->softmax_params =
        (mxdi_softmax_q8_params){ .table   = table->data,
                                  .y_scale = mxd_node_float(n, "y_scale", 1.0f),
                                  .y_zero_point =
                                      (int32_t)mxd_node_int(n, "y_zero_point", 0) + shift,
                                  .q_min = (int32_t)mxd_node_int(n, "q_min", -shift) + shift,
                                  .q_max = (int32_t)mxd_node_int(n, "q_max", 255 - shift) + shift };
    fold_axes(op, x, axis, axis + 1);
    MXD_TRY(mxdi_cpu_get_plain(&op->x, p, n->in[0], err));
    MXD_TRY(mxdi_cpu_make_plain(&op->y, p, n->out[0], true, err));
    return emit_along(p, op, "softmax_q8", op->softmax->name, err);
}
