/* SPDX-License-Identifier: Apache-2.0
 *
 * DynamicQuantizeLinear: one step finds the range of all elements, another quantizes by it. */
#include <math.h>

#include "backends/cpu/cpu_lower.h"
#include "kernels/quantize_u8/quantize_u8.h"
#include "kernels/reduce_f32/reduce_f32.h"

enum { GRAIN = 16384 };

struct dynamic {
    const mxdi_reduce_f32  *reduce;
    const mxdi_quantize_u8 *quantize;
    uint32_t                x, y, scale, zero_point;
};

/* The smallest and largest of n values and *lo, *hi; NaN is neither. */
static void widen(const struct dynamic *d, float *lo, float *hi, const float *x, int64_t n)
{
    const mxdi_axis all = mxdi_axis_dense(1, n, 1);
    float           least, most;
    d->reduce->min(&least, x, &all);
    d->reduce->max(&most, x, &all);
    if (!isnan(least)) {
        *lo = least < *lo ? least : *lo;
        *hi = most > *hi ? most : *hi;
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        *lo = x[i] < *lo ? x[i] : *lo;
        *hi = x[i] > *hi ? x[i] : *hi;
    }
}

/* The range with 0 on 0..255; a point has the scale 1/255. */
static void range_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                      unsigned thread)
{
    const struct dynamic *const d  = op;
    const float *const          x  = f->ptr[d->x];
    const int64_t               n  = mxdi_cpu_elements(f, d->x);
    float                       lo = 0.0f, hi = 0.0f;
    (void)begin;
    (void)end;
    (void)thread;
    for (int64_t i = 0; i < n; i += GRAIN)
        widen(d, &lo, &hi, x + i, n - i < GRAIN ? n - i : GRAIN);
    const float s = (lo == hi ? 1.0f : hi - lo) / 255.0f, z = rintf(0.0f - lo / s);
    *(float *)f->ptr[d->scale]        = s;
    *(uint8_t *)f->ptr[d->zero_point] = (uint8_t)(z > 255.0f ? 255.0f : z > 0.0f ? z : 0.0f);
}

static size_t quantize_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const struct dynamic *const d = op;
    mxdi_cpu_spans              s;
    mxdi_cpu_spans_of(&s, f, &d->y, 1);
    return mxdi_cpu_pieces(&s, GRAIN);
}

static void quantize_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                         unsigned thread)
{
    const struct dynamic *const   d = op;
    const mxdi_quantize_u8_params q = { .scale      = *(const float *)f->ptr[d->scale],
                                        .zero_point = *(const uint8_t *)f->ptr[d->zero_point],
                                        .q_max      = 255 };
    mxdi_cpu_spans                s;
    (void)thread;
    mxdi_cpu_spans_of(&s, f, &d->y, 1);
    for (size_t i = begin; i < end; i++) {
        const mxdi_cpu_piece piece = mxdi_cpu_piece_at(&s, GRAIN, i);
        d->quantize->quantize((uint8_t *)f->ptr[d->y] + piece.at,
                              (const float *)f->ptr[d->x] + piece.at, (size_t)piece.n, &q);
    }
}

static const mxdi_cpu_kind range_kind    = { NULL, range_run, NULL },
                           quantize_kind = { quantize_tasks, quantize_run, NULL };

/* Output k, or a tensor of its own where nobody wants it. */
static mxd_status scalar(uint32_t *out, mxdi_cpu_plan *p, const mxd_node *n, uint32_t k,
                         mxd_dtype dtype, mxd_error *err)
{
    if (mxdi_cpu_has_out(n, k))
        return mxdi_cpu_make_plain(out, p, n->out[k], true, err);
    const mxdi_cpu_tensor t = { .dtype = dtype, .home = MXDI_CPU_ARENA, .root = MXD_NO_VALUE };
    MXD_TRY(mxdi_cpu_add_tensor(out, p, &t, err));
    return mxdi_cpu_reserve(p, *out, mxd_dtype_bits(dtype) / 8, err);
}

mxd_status mxdi_cpu_lower_dynamic_quantize(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    struct dynamic *const op = MXDI_CPU_NEW_OP(p, struct dynamic);
    if (!op)
        return mxdi_nomem(err);
    op->reduce   = mxdi_reduce_f32_select(p->program->isa);
    op->quantize = mxdi_quantize_u8_select(p->program->isa);
    MXD_TRY(mxdi_cpu_get_plain(&op->x, p, n->in[0], err));
    MXD_TRY(scalar(&op->scale, p, n, 1, MXD_F32, err));
    MXD_TRY(scalar(&op->zero_point, p, n, 2, MXD_U8, err));
    const uint32_t          found[] = { op->scale, op->zero_point };
    const mxdi_cpu_emission range   = { .kind     = &range_kind,
                                        .op       = op,
                                        .in       = &op->x,
                                        .n_in     = 1,
                                        .out      = found,
                                        .n_out    = 2,
                                        .computed = "f32",
                                        .kernel =
                                            mxdi_cpu_kernel_name(p, "range_f32", op->reduce->name) };
    if (!range.kernel)
        return mxdi_nomem(err);
    MXD_TRY(mxdi_cpu_emit(p, &range, err));
    if (!mxdi_cpu_has_out(n, 0))
        return MXD_OK;
    MXD_TRY(mxdi_cpu_make_plain(&op->y, p, n->out[0], true, err));
    const uint32_t          in[] = { op->x, op->scale, op->zero_point };
    const mxdi_cpu_emission e    = { .kind     = &quantize_kind,
                                     .op       = op,
                                     .in       = in,
                                     .n_in     = 3,
                                     .out      = &op->y,
                                     .n_out    = 1,
                                     .computed = "u8",
                                     .kernel =
                                         mxdi_cpu_kernel_name(p, "quantize", op->quantize->name) };
    return e.kernel ? mxdi_cpu_emit(p, &e, err) : mxdi_nomem(err);
}

const char *mxdi_cpu_check_dynamic_quantize(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const x   = mxdi_cpu_in(g, n, 0);
    const char *const      why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    if (x->batch_axis > 0)
        return "the batch is not the first axis: runs in the reference interpreter";
    return x->dtype == MXD_F32
               ? NULL
               : "no CPU kernel to quantize this type: runs in the reference interpreter";
}
