/* SPDX-License-Identifier: Apache-2.0
 *
 * Gather and Where: what is moved depends on values at run time. */
#include "backends/cpu/cpu_lower.h"
#include "backends/cpu/cpu_move.h"
#include "base/dtype.h"

/* ---- Gather ---- */

/* y (outer, indices, inner) = x (outer, axis, inner) at the indices. */
struct gather {
    uint32_t  x, i, y;
    mxd_dtype index;
    int64_t   outer, axis;
    size_t    inner;
    bool      grows;
};

static size_t gather_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const struct gather *const g = op;
    return (size_t)(mxdi_cpu_grown(f, g->outer, g->grows) * mxdi_cpu_elements(f, g->i));
}

static void gather_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                       unsigned thread)
{
    const struct gather *const g = op;
    const size_t               n = (size_t)mxdi_cpu_elements(f, g->i);
    (void)thread;
    for (size_t t = begin; t < end; t++) {
        int64_t k = mxdi_load_s64(f->ptr[g->i], g->index, (int64_t)(t % n));
        k         = k < 0 ? k + g->axis : k;
        if (k < 0 || k >= g->axis) {
            atomic_store_explicit(f->fault, true, memory_order_relaxed);
            return;
        }
        memcpy((uint8_t *)f->ptr[g->y] + t * g->inner,
               (const uint8_t *)f->ptr[g->x] + (t / n * (size_t)g->axis + (size_t)k) * g->inner,
               g->inner);
    }
}

static const mxdi_cpu_kind gather_kind = { gather_tasks, gather_run, NULL };

/* One constant index: a slice of one element, in x's layout, without its axis. */
static mxd_status gather_one(mxdi_cpu_plan *p, const mxd_node *n, int64_t index, mxd_error *err)
{
    const mxd_value *const vx   = mxdi_cpu_in(p->g, n, 0);
    const int32_t          axis = mxdi_cpu_axis(n, vx, 0), added = mxdi_cpu_in(p->g, n, 1)->rank;
    const bool             blocked = axis > 0 && mxdi_cpu_is_blocked(p, n->in[0]);
    uint32_t               tx, ty;
    index = index < 0 ? index + vx->dim[axis] : index;
    if (index < 0 || index >= vx->dim[axis])
        return mxdi_fail(err, MXD_E_RANGE, "index %lld is outside the axis of %lld",
                         (long long)index, (long long)vx->dim[axis]);
    MXD_TRY(blocked ? mxdi_cpu_get_blocked(&tx, p, n->in[0], err)
                    : mxdi_cpu_get_plain(&tx, p, n->in[0], err));
    MXD_TRY(mxdi_cpu_make_plain(&ty, p, n->out[0], true, err));
    mxdi_cpu_view       x = mxdi_cpu_view_of(p, tx, vx);
    const mxdi_cpu_view y = mxdi_cpu_view_of(p, ty, mxdi_cpu_out(p->g, n, 0));
    mxdi_cpu_view_cut(&x, axis, index, 1, 1);
    mxdi_cpu_view moved = x;
    for (int32_t k = 0, from = 0; k < y.rank; k++) {
        if (k >= axis && k < axis + added) { /* the index's own axes have one element */
            moved.stride[k] = 0;
            continue;
        }
        from += from == axis;
        moved.stride[k] = x.stride[from++];
    }
    const mxdi_cpu_box box = mxdi_cpu_box_of(&y, &moved);
    return mxdi_cpu_emit_move(p, &box, 1, "gather", err);
}

mxd_status mxdi_cpu_lower_gather(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const vx = mxdi_cpu_in(p->g, n, 0), *const vi = mxdi_cpu_in(p->g, n, 1);
    const int32_t axis = mxdi_cpu_axis(n, vx, 0);
    if (vi->data && mxdi_cpu_count(vi) == 1)
        return gather_one(p, n, mxdi_load_s64(vi->data, vi->dtype, 0), err);
    struct gather *const op = MXDI_CPU_NEW_OP(p, struct gather);
    if (!op)
        return mxdi_nomem(err);
    *op = (struct gather){ .index = vi->dtype,
                           .outer = 1,
                           .axis  = vx->dim[axis],
                           .inner = mxd_dtype_bits(mxdi_cpu_stored(vx->dtype)) / 8,
                           .grows = vx->batch_axis == 0 && axis > 0 };
    for (int32_t k = 0; k < vx->rank; k++) {
        if (k < axis)
            op->outer *= vx->dim[k];
        else if (k > axis)
            op->inner *= (size_t)vx->dim[k];
    }
    MXD_TRY(mxdi_cpu_get_plain(&op->x, p, n->in[0], err));
    MXD_TRY(mxdi_cpu_get_plain(&op->i, p, n->in[1], err));
    MXD_TRY(mxdi_cpu_make_plain(&op->y, p, n->out[0], true, err));
    const uint32_t          in[] = { op->x, op->i };
    const mxdi_cpu_emission e    = { .kind     = &gather_kind,
                                     .op       = op,
                                     .in       = in,
                                     .n_in     = 2,
                                     .out      = &op->y,
                                     .n_out    = 1,
                                     .kernel   = "gather",
                                     .computed = "copy",
                                     .ns = 5.0 * (double)op->outer * (double)mxdi_cpu_count(vi) };
    return mxdi_cpu_emit(p, &e, err);
}

const char *mxdi_cpu_check_gather(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const x = mxdi_cpu_in(g, n, 0), *const i = mxdi_cpu_in(g, n, 1);
    const char *const why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    if (mxdi_cpu_stored(x->dtype) == MXD_NONE || (i->dtype != MXD_S64 && i->dtype != MXD_S32))
        return "no CPU kernel to gather this type: runs in the reference interpreter";
    if (x->batch_axis >= 0 && i->batch_axis >= 0 && g->max_batch > 1)
        return "picks by sample from a sample: runs in the reference interpreter";
    for (int64_t k = 0; i->data && k < mxdi_cpu_count(i); k++) {
        const int64_t at  = mxdi_load_s64(i->data, i->dtype, k),
                      dim = x->dim[mxdi_cpu_axis(n, x, 0)];
        if (at < -dim || at >= dim)
            return "an index is outside its axis";
    }
    const bool grown = x->batch_axis >= 0 && mxdi_cpu_axis(n, x, 0) == x->batch_axis;
    return grown && g->max_batch > 1 ? "picks among samples: runs in the reference interpreter"
                                     : NULL;
}

/* ---- Where ---- */

struct where {
    uint32_t c, a, b, y;
    size_t   size;
    int32_t  rank;
    bool     grows;
    int64_t  dim[MXD_MAX_RANK], cs[MXD_MAX_RANK], as[MXD_MAX_RANK], bs[MXD_MAX_RANK];
};

/* Elements of axis k on, at element offsets; y is written in order. */
static uint8_t *where_axis(const struct where *w, const mxdi_cpu_frame *f, int32_t k, uint8_t *y,
                           int64_t c, int64_t a, int64_t b)
{
    if (k == w->rank) {
        const bool           first = ((const uint8_t *)f->ptr[w->c])[c] != 0;
        const uint8_t *const from  = f->ptr[first ? w->a : w->b];
        memcpy(y, from + (size_t)(first ? a : b) * w->size, w->size);
        return y + w->size;
    }
    const int64_t n = k == 0 ? mxdi_cpu_grown(f, w->dim[0], w->grows) : w->dim[k];
    for (int64_t i = 0; i < n; i++)
        y = where_axis(w, f, k + 1, y, c + i * w->cs[k], a + i * w->as[k], b + i * w->bs[k]);
    return y;
}

static void where_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                      unsigned thread)
{
    const struct where *const w = op;
    (void)begin;
    (void)end;
    (void)thread;
    where_axis(w, f, 0, f->ptr[w->y], 0, 0, 0);
}

static const mxdi_cpu_kind where_kind = { NULL, where_run, NULL };

mxd_status mxdi_cpu_lower_where(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const y  = mxdi_cpu_out(p->g, n, 0);
    struct where *const    op = MXDI_CPU_NEW_OP(p, struct where);
    if (!op)
        return mxdi_nomem(err);
    *op = (struct where){ .size  = mxd_dtype_bits(mxdi_cpu_stored(y->dtype)) / 8,
                          .rank  = y->rank,
                          .grows = y->batch_axis == 0 };
    memcpy(op->dim, y->dim, sizeof(op->dim));
    mxdi_cpu_broadcast_strides(op->cs, mxdi_cpu_in(p->g, n, 0), y);
    mxdi_cpu_broadcast_strides(op->as, mxdi_cpu_in(p->g, n, 1), y);
    mxdi_cpu_broadcast_strides(op->bs, mxdi_cpu_in(p->g, n, 2), y);
    MXD_TRY(mxdi_cpu_get_plain(&op->c, p, n->in[0], err));
    MXD_TRY(mxdi_cpu_get_plain(&op->a, p, n->in[1], err));
    MXD_TRY(mxdi_cpu_get_plain(&op->b, p, n->in[2], err));
    MXD_TRY(mxdi_cpu_make_plain(&op->y, p, n->out[0], true, err));
    const uint32_t          in[] = { op->c, op->a, op->b };
    const mxdi_cpu_emission e    = { .kind     = &where_kind,
                                     .op       = op,
                                     .in       = in,
                                     .n_in     = 3,
                                     .out      = &op->y,
                                     .n_out    = 1,
                                     .kernel   = "where",
                                     .computed = "copy",
                                     .ns       = 3.0 * (double)mxdi_cpu_count(y) };
    return mxdi_cpu_emit(p, &e, err);
}

const char *mxdi_cpu_check_where(const mxd_graph_view *g, const mxd_node *n)
{
    const char *const why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    const mxd_dtype a = mxdi_cpu_in(g, n, 1)->dtype;
    return mxdi_cpu_in(g, n, 0)->dtype == MXD_BOOL && a == mxdi_cpu_in(g, n, 2)->dtype &&
                   mxd_dtype_bits(a) >= 8
               ? NULL
               : "no CPU kernel for Where of this type: runs in the reference interpreter";
}
