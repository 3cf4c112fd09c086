/* SPDX-License-Identifier: Apache-2.0
 *
 * ArgMax, ArgMin, TopK and Trilu: plain loops over rows of a plain tensor. */
#include <math.h>

#include "backends/cpu/cpu_lower.h"
#include "base/dtype.h"

/* (outer, axis, inner) of x, as bytes, s32, s64 or f32. */
struct rows {
    int64_t   outer, axis, inner;
    bool      grows;
    mxd_dtype dtype;
};

static struct rows rows_of(const mxd_value *x, int32_t axis)
{
    struct rows r = { 1, x->dim[axis], 1, x->batch_axis == 0 && axis > 0,
                      mxdi_cpu_stored(x->dtype) };
    for (int32_t k = 0; k < x->rank; k++)
        if (k != axis)
            *(k < axis ? &r.outer : &r.inner) *= x->dim[k];
    return r;
}

static bool selectable(const mxd_graph_view *g, const mxd_node *n, int32_t axis)
{
    const mxd_value *const x = mxdi_cpu_in(g, n, 0);
    const mxd_dtype        d = x->dtype;
    return (d == MXD_F32 || d == MXD_S32 || d == MXD_U8 || d == MXD_S8) && axis >= 0 &&
           axis < x->rank &&
           !(x->batch_axis >= 0 && g->max_batch > 1 && (x->batch_axis > 0 || axis == 0));
}

static const char not_selectable[] =
    "no CPU kernel to select from this type or over the batch: runs in the reference interpreter";

/* a is before b: larger (or smaller), NaN before everything. */
static bool before(double a, double b, bool largest)
{
    return isnan(a) ? !isnan(b) : largest ? a > b : a < b;
}

/* ---- ArgMax, ArgMin ---- */

struct arg {
    struct rows r;
    uint32_t    x, y;
    bool        largest, last;
};

static void arg_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                    unsigned thread)
{
    const struct arg *const a = op;
    const int64_t           n = mxdi_cpu_grown(f, a->r.outer, a->r.grows) * a->r.inner;
    (void)begin;
    (void)end;
    (void)thread;
    for (int64_t i = 0; i < n; i++) {
        const int64_t first = i / a->r.inner * a->r.axis * a->r.inner + i % a->r.inner;
        int64_t       best  = 0;
        double        most  = mxdi_load_f64(f->ptr[a->x], a->r.dtype, first);
        for (int64_t k = 1; k < a->r.axis; k++) {
            const double v = mxdi_load_f64(f->ptr[a->x], a->r.dtype, first + k * a->r.inner);
            if (a->last ? !before(most, v, a->largest) : before(v, most, a->largest)) {
                best = k;
                most = v;
            }
        }
        ((int64_t *)f->ptr[a->y])[i] = best;
    }
}

static const mxdi_cpu_kind arg_kind = { NULL, arg_run, NULL };

mxd_status mxdi_cpu_lower_arg(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const x  = mxdi_cpu_in(p->g, n, 0);
    struct arg *const      op = MXDI_CPU_NEW_OP(p, struct arg);
    if (!op)
        return mxdi_nomem(err);
    *op = (struct arg){ .r       = rows_of(x, mxdi_cpu_axis(n, x, 0)),
                        .largest = strcmp(n->op, "ArgMax") == 0,
                        .last    = mxd_node_int(n, "select_last_index", 0) != 0 };
    MXD_TRY(mxdi_cpu_get_plain(&op->x, p, n->in[0], err));
    MXD_TRY(mxdi_cpu_make_plain(&op->y, p, n->out[0], true, err));
    const mxdi_cpu_emission e = { .kind     = &arg_kind,
                                  .op       = op,
                                  .in       = &op->x,
                                  .n_in     = 1,
                                  .out      = &op->y,
                                  .n_out    = 1,
                                  .kernel   = "arg",
                                  .computed = "s64",
                                  .ns       = 3.0 * (double)mxdi_cpu_count(x) };
    return mxdi_cpu_emit(p, &e, err);
}

const char *mxdi_cpu_check_arg(const mxd_graph_view *g, const mxd_node *n)
{
    const char *const why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    return selectable(g, n, mxdi_cpu_axis(n, mxdi_cpu_in(g, n, 0), 0)) ? NULL : not_selectable;
}

/* ---- TopK ---- */

struct top_k {
    struct rows r;
    uint32_t    x, y, i;
    int64_t     k;
    bool        largest;
};

/* Insertion into the k best so far; equal values keep the order of their indices. */
static void top_row(const struct top_k *t, const void *x, int64_t first, int64_t *index,
                    int64_t step)
{
    for (int64_t a = 0, n = 0; a < t->r.axis; a++) {
        const double v  = mxdi_load_f64(x, t->r.dtype, first + a * t->r.inner);
        int64_t      at = n;
        while (at > 0 &&
               before(v, mxdi_load_f64(x, t->r.dtype, first + index[(at - 1) * step] * t->r.inner),
                      t->largest))
            at--;
        if (at == t->k)
            continue;
        n = n < t->k ? n + 1 : n;
        for (int64_t k = n - 1; k > at; k--)
            index[k * step] = index[(k - 1) * step];
        index[at * step] = a;
    }
}

static void top_k_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                      unsigned thread)
{
    const struct top_k *const t    = op;
    const int64_t             n    = mxdi_cpu_grown(f, t->r.outer, t->r.grows) * t->r.inner;
    const size_t              size = mxd_dtype_bits(t->r.dtype) / 8;
    (void)begin;
    (void)end;
    (void)thread;
    for (int64_t i = 0; i < n; i++) {
        const int64_t  from  = i / t->r.inner * t->r.axis * t->r.inner + i % t->r.inner;
        const int64_t  to    = i / t->r.inner * t->k * t->r.inner + i % t->r.inner;
        int64_t *const index = (int64_t *)f->ptr[t->i] + to;
        top_row(t, f->ptr[t->x], from, index, t->r.inner);
        for (int64_t k = 0; k < t->k; k++)
            memcpy((uint8_t *)f->ptr[t->y] + (size_t)(to + k * t->r.inner) * size,
                   (const uint8_t *)f->ptr[t->x] +
                       (size_t)(from + index[k * t->r.inner] * t->r.inner) * size,
                   size);
    }
}

static const mxdi_cpu_kind top_k_kind = { NULL, top_k_run, NULL };

mxd_status mxdi_cpu_lower_top_k(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const x    = mxdi_cpu_in(p->g, n, 0);
    const int32_t          axis = mxdi_cpu_axis(n, x, -1);
    struct top_k *const    op   = MXDI_CPU_NEW_OP(p, struct top_k);
    if (!op)
        return mxdi_nomem(err);
    *op = (struct top_k){ .r       = rows_of(x, axis),
                          .k       = mxdi_cpu_out(p->g, n, 0)->dim[axis],
                          .largest = mxd_node_int(n, "largest", 1) != 0 };
    MXD_TRY(mxdi_cpu_get_plain(&op->x, p, n->in[0], err));
    MXD_TRY(mxdi_cpu_make_plain(&op->y, p, n->out[0], true, err));
    MXD_TRY(mxdi_cpu_make_plain(&op->i, p, n->out[1], true, err));
    const uint32_t          out[] = { op->y, op->i };
    const mxdi_cpu_emission e     = { .kind     = &top_k_kind,
                                      .op       = op,
                                      .in       = &op->x,
                                      .n_in     = 1,
                                      .out      = out,
                                      .n_out    = 2,
                                      .kernel   = "top_k",
                                      .computed = mxd_dtype_name(x->dtype),
                                      .ns       = 5.0 * (double)mxdi_cpu_count(x) };
    return mxdi_cpu_emit(p, &e, err);
}

const char *mxdi_cpu_check_top_k(const mxd_graph_view *g, const mxd_node *n)
{
    const char *const why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    if (!mxdi_cpu_has_out(n, 0) || !mxdi_cpu_has_out(n, 1))
        return "an output is left out: runs in the reference interpreter";
    return selectable(g, n, mxdi_cpu_axis(n, mxdi_cpu_in(g, n, 0), -1)) ? NULL : not_selectable;
}

/* ---- Trilu ---- */

struct trilu {
    uint32_t x, y;
    size_t   size;
    int64_t  rows, columns, k, matrices;
    bool     upper, grows;
    uint8_t  zero;
};

static void trilu_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                      unsigned thread)
{
    const struct trilu *const t = op;
    const int64_t             n = mxdi_cpu_grown(f, t->matrices, t->grows) * t->rows;
    (void)begin;
    (void)end;
    (void)thread;
    for (int64_t i = 0; i < n; i++) {
        uint8_t *const       y = (uint8_t *)f->ptr[t->y] + (size_t)(i * t->columns) * t->size;
        const uint8_t *const x = (const uint8_t *)f->ptr[t->x] + (size_t)(i * t->columns) * t->size;
        int64_t cut    = i % t->rows + t->k + (t->upper ? 0 : 1); /* first of the upper part */
        cut            = cut < 0 ? 0 : cut > t->columns ? t->columns : cut;
        const size_t a = (size_t)cut * t->size, all = (size_t)t->columns * t->size;
        if (t->upper) {
            memset(y, t->zero, a);
            memcpy(y + a, x + a, all - a);
        } else {
            memcpy(y, x, a);
            memset(y + a, t->zero, all - a);
        }
    }
}

static const mxdi_cpu_kind trilu_kind = { NULL, trilu_run, NULL };

mxd_status mxdi_cpu_lower_trilu(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const x = mxdi_cpu_in(p->g, n, 0), *const k = mxdi_cpu_in(p->g, n, 1);
    struct trilu *const op = MXDI_CPU_NEW_OP(p, struct trilu);
    if (!op)
        return mxdi_nomem(err);
    *op          = (struct trilu){ .size    = mxd_dtype_bits(mxdi_cpu_stored(x->dtype)) / 8,
                                   .rows    = x->dim[x->rank - 2],
                                   .columns = x->dim[x->rank - 1],
                                   .k       = k ? mxdi_load_s64(k->data, k->dtype, 0) : 0,
                                   .upper   = mxd_node_int(n, "upper", 1) != 0,
                                   .grows   = x->batch_axis == 0,
                                   .zero    = (uint8_t)mxdi_cpu_shift(x->dtype) };
    op->matrices = mxdi_cpu_count(x) / op->rows / op->columns;
    MXD_TRY(mxdi_cpu_get_plain(&op->x, p, n->in[0], err));
    MXD_TRY(mxdi_cpu_make_plain(&op->y, p, n->out[0], true, err));
    const mxdi_cpu_emission e = { .kind     = &trilu_kind,
                                  .op       = op,
                                  .in       = &op->x,
                                  .n_in     = 1,
                                  .out      = &op->y,
                                  .n_out    = 1,
                                  .kernel   = "trilu",
                                  .computed = "copy" };
    return mxdi_cpu_emit(p, &e, err);
}

const char *mxdi_cpu_check_trilu(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const x = mxdi_cpu_in(g, n, 0), *const k = mxdi_cpu_in(g, n, 1);
    const char *const why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    if ((k && !k->data) || mxd_dtype_bits(x->dtype) < 8 || x->rank < 2 ||
        (x->batch_axis >= x->rank - 2 && g->max_batch > 1))
        return "the diagonal is not constant, or the batch is inside the matrices: runs in the reference interpreter";
    return NULL;
}
