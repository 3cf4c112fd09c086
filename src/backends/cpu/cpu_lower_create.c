/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors from shapes or from a few numbers: Shape, Size, Range, ConstantOfShape. What the build
 * could work out is constant by now; these are left where the number of samples decides.
 */
#include "backends/cpu/cpu_lower.h"
#include "base/dtype.h"

struct create {
    uint32_t  x[3], y;
    mxd_value shape;     /* Shape, Size: of the input */
    int64_t   max_batch; /* that its dimensions are sized for */
    int32_t   first;     /* Shape: axis of y's first element */
    mxd_dtype dtype;     /* of y as stored */
    uint64_t  value;     /* ConstantOfShape: an element's bytes, first in memory */
};

static int64_t dim_now(const struct create *c, const mxdi_cpu_frame *f, int32_t axis)
{
    const int64_t d = c->shape.dim[axis];
    return axis == c->shape.batch_axis ? d / c->max_batch * f->batch : d;
}

static void shape_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                      unsigned thread)
{
    const struct create *const c = op;
    (void)begin;
    (void)end;
    (void)thread;
    for (int64_t i = 0; i < mxdi_cpu_elements(f, c->y); i++) {
        const int64_t d = dim_now(c, f, c->first + (int32_t)i);
        memcpy((uint8_t *)f->ptr[c->y] + i * 8, &d, sizeof(d));
    }
}

static void size_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                     unsigned thread)
{
    const struct create *const c = op;
    int64_t                    n = 1;
    (void)begin;
    (void)end;
    (void)thread;
    for (int32_t k = 0; k < c->shape.rank; k++)
        n *= dim_now(c, f, k);
    memcpy(f->ptr[c->y], &n, sizeof(n));
}

static void range_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                      unsigned thread)
{
    const struct create *const c = op;
    const void *const start = f->ptr[c->x[0]], *const delta = f->ptr[c->x[2]];
    const int64_t n = mxdi_cpu_elements(f, c->y);
    (void)begin;
    (void)end;
    (void)thread;
    for (int64_t i = 0; i < n; i++) {
        if (mxdi_dtype_is_float(c->dtype))
            mxdi_store_f64(f->ptr[c->y], c->dtype, i,
                           mxdi_load_f64(start, c->dtype, 0) +
                               (double)i * mxdi_load_f64(delta, c->dtype, 0));
        else
            mxdi_store_s64(f->ptr[c->y], c->dtype, i,
                           (int64_t)((uint64_t)mxdi_load_s64(start, c->dtype, 0) +
                                     (uint64_t)i * (uint64_t)mxdi_load_s64(delta, c->dtype, 0)));
    }
}

static void fill_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                     unsigned thread)
{
    const struct create *const c    = op;
    const size_t               size = mxd_dtype_bits(c->dtype) / 8;
    const int64_t              n    = mxdi_cpu_elements(f, c->y);
    (void)begin;
    (void)end;
    (void)thread;
    for (int64_t i = 0; i < n; i++)
        memcpy((uint8_t *)f->ptr[c->y] + (size_t)i * size, &c->value, size);
}

static const mxdi_cpu_kind shape_kind = { NULL, shape_run, NULL },
                           size_kind  = { NULL, size_run, NULL },
                           range_kind = { NULL, range_run, NULL },
                           fill_kind  = { NULL, fill_run, NULL };

static mxd_status emit(struct create *c, mxdi_cpu_plan *p, const mxd_node *n,
                       const mxdi_cpu_kind *kind, const char *kernel, mxd_error *err)
{
    c->dtype = mxdi_cpu_stored(mxdi_cpu_out(p->g, n, 0)->dtype);
    MXD_TRY(mxdi_cpu_make_plain(&c->y, p, n->out[0], true, err));
    const mxdi_cpu_emission e = { .kind     = kind,
                                  .op       = c,
                                  .in       = c->x,
                                  .n_in     = n->n_in,
                                  .out      = &c->y,
                                  .n_out    = 1,
                                  .kernel   = kernel,
                                  .computed = mxd_dtype_name(mxdi_cpu_out(p->g, n, 0)->dtype) };
    return mxdi_cpu_emit(p, &e, err);
}

/* Any tensor of a value: its shape alone is asked for. */
static uint32_t some_tensor(const mxdi_cpu_plan *p, uint32_t value)
{
    while (p->value[value].plain == MXD_NO_VALUE && p->value[value].blocked == MXD_NO_VALUE &&
           p->value[value].reshape_of != MXD_NO_VALUE)
        value = p->value[value].reshape_of;
    return p->value[value].plain != MXD_NO_VALUE ? p->value[value].plain : p->value[value].blocked;
}

mxd_status mxdi_cpu_lower_shape(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const x    = mxdi_cpu_in(p->g, n, 0);
    const int64_t          rank = x->rank, start = mxd_node_int(n, "start", 0);
    const bool             size = strcmp(n->op, "Size") == 0;
    struct create *const   c    = MXDI_CPU_NEW_OP(p, struct create);
    if (!c)
        return mxdi_nomem(err);
    const int64_t first = start < 0 ? start + rank : start;
    c->shape            = *x;
    c->max_batch        = p->program->max_batch;
    c->first            = (int32_t)(first < 0 ? 0 : first > rank ? rank : first);
    c->x[0]             = some_tensor(p, n->in[0]);
    if (c->x[0] == MXD_NO_VALUE)
        MXD_TRY(mxdi_cpu_get_plain(&c->x[0], p, n->in[0], err));
    return emit(c, p, n, size ? &size_kind : &shape_kind, size ? "size" : "shape", err);
}

mxd_status mxdi_cpu_lower_range(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    struct create *const c = MXDI_CPU_NEW_OP(p, struct create);
    if (!c)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < 3; k++)
        MXD_TRY(mxdi_cpu_get_plain(&c->x[k], p, n->in[k], err));
    return emit(c, p, n, &range_kind, "range", err);
}

mxd_status mxdi_cpu_lower_constant_of_shape(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_attr *const value = mxd_node_attr(n, "value", MXD_ATTR_TENSOR);
    const mxd_dtype       dtype = mxdi_cpu_out(p->g, n, 0)->dtype;
    struct create *const  c     = MXDI_CPU_NEW_OP(p, struct create);
    if (!c)
        return mxdi_nomem(err);
    if (value)
        memcpy(&c->value, value->tensor->data, mxd_dtype_bits(dtype) / 8);
    if (mxdi_cpu_shift(dtype))
        c->value ^= 0x80;
    MXD_TRY(mxdi_cpu_get_plain(&c->x[0], p, n->in[0], err));
    return emit(c, p, n, &fill_kind, "fill", err);
}

const char *mxdi_cpu_check_create(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const y     = mxdi_cpu_out(g, n, 0);
    const mxd_attr *const  value = mxd_node_attr(n, "value", MXD_ATTR_TENSOR);
    const char *const      why   = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    if (mxd_dtype_bits(y->dtype) < 8 || y->batch_axis > 0 ||
        (value && (value->tensor->dtype != y->dtype || !value->tensor->data)))
        return "no CPU kernel to make a tensor of this type: runs in the reference interpreter";
    return NULL;
}
