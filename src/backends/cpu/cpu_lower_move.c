/* SPDX-License-Identifier: Apache-2.0
 *
 * Ops that move elements. Reshapes are other names for the same memory and cost nothing until a
 * layout must change; Slice, Split, Concat, Pad and DepthToSpace work on blocked tensors as on
 * plain ones. */
#include "backends/cpu/cpu_lower.h"
#include "backends/cpu/cpu_move.h"
#include "backends/cpu/cpu_through.h"
#include "base/dtype.h"

static const char not_constant[] = "parameters are not constant: runs in the reference interpreter";
static const char over_batch[] =
    "moves elements between samples: runs in the reference interpreter";

static int64_t wrap(int64_t axis, int32_t rank)
{
    return axis < 0 ? axis + rank : axis;
}

static const char *check_types(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const x = mxdi_cpu_in(g, n, 0), *const y = mxdi_cpu_out(g, n, 0);
    const char *const why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    if (mxd_dtype_bits(mxdi_cpu_stored(x->dtype)) < 8 || (y && y->dtype != x->dtype))
        return "no CPU kernel to move this type: runs in the reference interpreter";
    return NULL;
}

/* x and y of node n, both blocked or both plain, as views. */
static mxd_status view_in(mxdi_cpu_view *x, mxdi_cpu_plan *p, uint32_t value, bool blocked,
                          mxd_error *err)
{
    uint32_t t;
    MXD_TRY(blocked ? mxdi_cpu_get_blocked(&t, p, value, err)
                    : mxdi_cpu_get_plain(&t, p, value, err));
    *x = mxdi_cpu_view_of(p, t, &p->g->value[value]);
    return MXD_OK;
}

static mxd_status view_out(mxdi_cpu_view *y, mxdi_cpu_plan *p, uint32_t value, bool blocked,
                           mxd_error *err)
{
    uint32_t t;
    MXD_TRY(blocked ? mxdi_cpu_make_blocked(&t, p, value, err)
                    : mxdi_cpu_make_plain(&t, p, value, true, err));
    *y = mxdi_cpu_view_of(p, t, &p->g->value[value]);
    return MXD_OK;
}

static mxd_status move_one(mxdi_cpu_plan *p, const mxdi_cpu_view *y, const mxdi_cpu_view *x,
                           const char *kernel, mxd_error *err)
{
    const mxdi_cpu_box box = mxdi_cpu_box_of(y, x);
    return mxdi_cpu_emit_move(p, &box, 1, kernel, err);
}

/* ---- the same elements ---- */

mxd_status mxdi_cpu_lower_reshape(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    mxdi_cpu_state *const x = &p->value[n->in[0]], *const y = &p->value[n->out[0]];
    const mxd_value *const vx = mxdi_cpu_in(p->g, n, 0), *const vy = mxdi_cpu_out(p->g, n, 0);
    (void)err;
    y->reshape_of = n->in[0];
    if (mxdi_cpu_same_shape(vx, vy) && vx->batch_axis == vy->batch_axis) {
        y->blocked = x->blocked;
        if (x->blocked == MXD_NO_VALUE && x->reshape_of != MXD_NO_VALUE)
            y->reshape_of = x->reshape_of;
    }
    return MXD_OK;
}

const char *mxdi_cpu_check_reshape(const mxd_graph_view *g, const mxd_node *n)
{
    const char *const why = check_types(g, n);
    if (why)
        return why;
    if (mxdi_cpu_has_out(n, 1))
        return "Dropout's mask is wanted: runs in the reference interpreter";
    const mxd_value *const training = strcmp(n->op, "Dropout") == 0 ? mxdi_cpu_in(g, n, 2) : NULL;
    if (training && (!training->data || mxdi_load_s64(training->data, training->dtype, 0)))
        return "Dropout in training: runs in the reference interpreter";
    const mxd_value *const x = mxdi_cpu_in(g, n, 0), *const y = mxdi_cpu_out(g, n, 0);
    return (x->batch_axis >= 0) == (y->batch_axis >= 0) || x->data ? NULL : over_batch;
}

/* ---- Transpose ---- */

mxd_status mxdi_cpu_lower_transpose(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    uint32_t             count;
    const int64_t *const perm = mxd_node_ints(n, "perm", &count);
    const int32_t        rank = mxdi_cpu_in(p->g, n, 0)->rank;
    mxdi_cpu_view        x, y;
    if (mxdi_cpu_is_through(p, n))
        return MXD_OK;
    const bool first = perm && rank && perm[0] == 0;
    MXD_TRY(view_in(&x, p, n->in[0], first && mxdi_cpu_is_blocked(p, n->in[0]), err));
    MXD_TRY(view_out(&y, p, n->out[0], false, err));
    mxdi_cpu_view moved = x;
    for (int32_t k = 0; k < rank; k++) {
        const int64_t from = perm ? perm[k] : rank - 1 - k;
        moved.dim[k]       = x.dim[from];
        moved.stride[k]    = x.stride[from];
    }
    return move_one(p, &y, &moved, "transpose", err);
}

const char *mxdi_cpu_check_transpose(const mxd_graph_view *g, const mxd_node *n)
{
    return check_types(g, n);
}

/* ---- Slice, Split, Concat ---- */

/* Integers of attribute `name` or constant input k; false: they are given but not constant. */
static bool ints_of(const int64_t **attr, const mxd_value **in, uint32_t *n,
                    const mxd_graph_view *g, const mxd_node *node, const char *name, uint32_t k)
{
    *attr = mxd_node_ints(node, name, n);
    *in   = *attr ? NULL : mxdi_cpu_in(g, node, k);
    if (*in)
        *n = (uint32_t)mxdi_cpu_count(*in);
    return !*in || (*in)->data;
}

static int64_t int_at(const int64_t *attr, const mxd_value *in, uint32_t i)
{
    return attr ? attr[i] : mxdi_load_s64(in->data, in->dtype, i);
}

struct cut {
    int64_t first, step;
};

/* What Slice takes of each axis; false: its parameters are not constant. */
static bool slice_cuts(struct cut *cut, const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const x = mxdi_cpu_in(g, n, 0);
    const int64_t         *starts, *axes, *steps;
    const mxd_value       *starts_in, *axes_in, *steps_in;
    uint32_t               n_starts, n_axes, n_steps;
    const bool             attributes = n->version < 10;
    if (!ints_of(&starts, &starts_in, &n_starts, g, n, "starts", attributes ? 9 : 1) ||
        !ints_of(&axes, &axes_in, &n_axes, g, n, "axes", attributes ? 9 : 3) ||
        !ints_of(&steps, &steps_in, &n_steps, g, n, "steps", attributes ? 9 : 4) ||
        (!starts && !starts_in))
        return false;
    for (int32_t k = 0; k < x->rank; k++)
        cut[k] = (struct cut){ 0, 1 };
    for (uint32_t i = 0; i < n_starts; i++) {
        const int64_t axis = wrap(axes || axes_in ? int_at(axes, axes_in, i) : i, x->rank);
        const int64_t step = steps || steps_in ? int_at(steps, steps_in, i) : 1, dim = x->dim[axis],
                      top = step > 0 ? dim : dim - 1;
        int64_t first     = int_at(starts, starts_in, i);
        first             = first < 0 ? first + dim : first;
        cut[axis]         = (struct cut){ first < 0 ? 0 : first > top ? top : first, step };
    }
    return true;
}

mxd_status mxdi_cpu_lower_slice(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const vy = mxdi_cpu_out(p->g, n, 0), *const vx = mxdi_cpu_in(p->g, n, 0);
    struct cut    cut[MXD_MAX_RANK];
    mxdi_cpu_view x, y;
    if (!slice_cuts(cut, p->g, n))
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "%s", not_constant);
    const bool blocked = mxdi_cpu_is_blocked(p, n->in[0]) && mxdi_cpu_can_block(vy) &&
                         vx->dim[0] == vy->dim[0] && cut[0].step == 1;
    MXD_TRY(view_in(&x, p, n->in[0], blocked, err));
    MXD_TRY(view_out(&y, p, n->out[0], blocked, err));
    for (int32_t k = 0; k < x.rank; k++)
        mxdi_cpu_view_cut(&x, k, cut[k].first, vy->dim[k], cut[k].step);
    return move_one(p, &y, &x, "slice", err);
}

const char *mxdi_cpu_check_slice(const mxd_graph_view *g, const mxd_node *n)
{
    struct cut        cut[MXD_MAX_RANK];
    const char *const why = check_types(g, n);
    if (why)
        return why;
    if (!slice_cuts(cut, g, n))
        return not_constant;
    const mxd_value *const x = mxdi_cpu_in(g, n, 0), *const y = mxdi_cpu_out(g, n, 0);
    const int32_t b = x->batch_axis;
    return b >= 0 && (x->dim[b] != y->dim[b] || cut[b].step != 1) ? over_batch : NULL;
}

mxd_status mxdi_cpu_lower_split(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const int32_t rank = mxdi_cpu_in(p->g, n, 0)->rank,
                  axis = (int32_t)wrap(mxd_node_int(n, "axis", 0), rank);
    const bool blocked = mxdi_cpu_is_blocked(p, n->in[0]) && axis > 0;
    int64_t    first   = 0;
    for (uint32_t k = 0; k < n->n_out; k++) {
        const mxd_value *const vy = mxdi_cpu_out(p->g, n, k);
        mxdi_cpu_view          x, y;
        if (!vy)
            return mxdi_fail(err, MXD_E_UNSUPPORTED, "an output is left out");
        MXD_TRY(view_in(&x, p, n->in[0], blocked && mxdi_cpu_can_block(vy), err));
        MXD_TRY(view_out(&y, p, n->out[k], blocked && mxdi_cpu_can_block(vy), err));
        mxdi_cpu_view_cut(&x, axis, first, vy->dim[axis], 1);
        first += vy->dim[axis];
        MXD_TRY(move_one(p, &y, &x, "split", err));
    }
    return MXD_OK;
}

const char *mxdi_cpu_check_split(const mxd_graph_view *g, const mxd_node *n)
{
    const char *const why = check_types(g, n);
    if (why)
        return why;
    for (uint32_t k = 0; k < n->n_out; k++)
        if (!mxdi_cpu_has_out(n, k))
            return "an output is left out: runs in the reference interpreter";
    const mxd_value *const x = mxdi_cpu_in(g, n, 0);
    return x->batch_axis >= 0 && wrap(mxd_node_int(n, "axis", 0), x->rank) == x->batch_axis
               ? over_batch
               : NULL;
}

mxd_status mxdi_cpu_lower_concat(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const vy   = mxdi_cpu_out(p->g, n, 0);
    const int32_t          axis = (int32_t)wrap(mxd_node_int(n, "axis", 0), vy->rank);
    mxdi_cpu_box *const    box  = MXDI_NEW(&p->scratch, mxdi_cpu_box, n->n_in);
    bool                   any = false, all = mxdi_cpu_can_block(vy) && axis > 0;
    int64_t                first   = 0;
    uint32_t               n_boxes = 0;
    mxdi_cpu_view          y;
    if (!box)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < n->n_in; k++) {
        any = any || mxdi_cpu_is_blocked(p, n->in[k]);
        all = all && mxdi_cpu_can_block(mxdi_cpu_in(p->g, n, k)) &&
              mxdi_cpu_in(p->g, n, k)->batch_axis == vy->batch_axis;
    }
    const bool blocked = any && all;
    if (blocked && p->value[n->out[0]].blocked != MXD_NO_VALUE) /* an input is there already */
        y = mxdi_cpu_view_of(p, p->value[n->out[0]].blocked, vy);
    else
        MXD_TRY(view_out(&y, p, n->out[0], blocked, err));
    for (uint32_t k = 0; k < n->n_in; k++) {
        const int64_t channels = mxdi_cpu_in(p->g, n, k)->dim[axis];
        if (p->value[n->in[k]].inside != n->out[0]) {
            mxdi_cpu_view x, part = y;
            MXD_TRY(view_in(&x, p, n->in[k], blocked, err));
            mxdi_cpu_view_cut(&part, axis, first, channels, 1);
            box[n_boxes++] = mxdi_cpu_box_of(&part, &x);
        }
        first += channels;
    }
    return n_boxes ? mxdi_cpu_emit_move(p, box, n_boxes, "concat", err) : MXD_OK;
}

const char *mxdi_cpu_check_concat(const mxd_graph_view *g, const mxd_node *n)
{
    const char *const why = check_types(g, n);
    if (why)
        return why;
    const mxd_value *const y = mxdi_cpu_out(g, n, 0);
    for (uint32_t k = 0; k < n->n_in; k++)
        if (mxdi_cpu_in(g, n, k)->dtype != y->dtype || mxdi_cpu_in(g, n, k)->rank != y->rank ||
            (mxdi_cpu_in(g, n, k)->batch_axis != y->batch_axis && g->max_batch > 1 &&
             !mxdi_cpu_in(g, n, k)->data))
            return "inputs of several types: runs in the reference interpreter";
    return y->batch_axis >= 0 && wrap(mxd_node_int(n, "axis", 0), y->rank) == y->batch_axis
               ? over_batch
               : NULL;
}

/* ---- Pad ---- */

/* Elements put before and behind each axis; false: not constant, or some are taken away. */
static bool pads_of(int64_t *before, int64_t *after, const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const x = mxdi_cpu_in(g, n, 0), *const axes = mxdi_cpu_in(g, n, 3);
    const int64_t   *attr;
    const mxd_value *in;
    uint32_t         count;
    if (!ints_of(&attr, &in, &count, g, n, n->version < 2 ? "paddings" : "pads", 1) ||
        (!attr && !in) || (axes && !axes->data))
        return false;
    memset(before, 0, (size_t)x->rank * sizeof(before[0]));
    memset(after, 0, (size_t)x->rank * sizeof(after[0]));
    for (uint32_t i = 0; i < count / 2; i++) {
        const int64_t axis = wrap(axes ? mxdi_load_s64(axes->data, axes->dtype, i) : i, x->rank);
        before[axis]       = int_at(attr, in, i);
        after[axis]        = int_at(attr, in, count / 2 + i);
        if (before[axis] < 0 || after[axis] < 0)
            return false;
    }
    return true;
}

static uint64_t fill_value(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const x = mxdi_cpu_in(g, n, 0), *const v = mxdi_cpu_in(g, n, 2);
    uint64_t bytes = 0;
    if (v)
        memcpy(&bytes, v->data, mxd_dtype_bits(v->dtype) / 8);
    else
        mxdi_store_f64(&bytes, x->dtype, 0, (double)mxd_node_float(n, "value", 0.0f));
    if (mxdi_cpu_shift(x->dtype))
        bytes ^= 0x80;
    return bytes;
}

mxd_status mxdi_cpu_lower_pad(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    int64_t       before[MXD_MAX_RANK], after[MXD_MAX_RANK];
    mxdi_cpu_box  box[2 * MXD_MAX_RANK + 1];
    uint32_t      n_boxes = 0;
    mxdi_cpu_view x, y;
    if (!pads_of(before, after, p->g, n))
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "%s", not_constant);
    const bool blocked = mxdi_cpu_is_blocked(p, n->in[0]) &&
                         mxdi_cpu_can_block(mxdi_cpu_out(p->g, n, 0)) && before[0] + after[0] == 0;
    MXD_TRY(view_in(&x, p, n->in[0], blocked, err));
    MXD_TRY(view_out(&y, p, n->out[0], blocked, err));
    const mxdi_cpu_view nothing = { .tensor = MXD_NO_VALUE };
    const uint64_t      value   = fill_value(p->g, n);
    for (int32_t k = 0; k < x.rank;
         k++) { /* the border of axis k, inside those of the axes before it */
        for (int32_t side = 0; side < 2; side++) {
            const int64_t width = side ? after[k] : before[k];
            mxdi_cpu_view part  = y;
            if (width == 0)
                continue;
            for (int32_t i = 0; i < k; i++)
                mxdi_cpu_view_cut(&part, i, before[i], x.dim[i], 1);
            mxdi_cpu_view_cut(&part, k, side ? before[k] + x.dim[k] : 0, width, 1);
            box[n_boxes]         = mxdi_cpu_box_of(&part, &nothing);
            box[n_boxes++].value = value;
        }
    }
    for (int32_t k = 0; k < x.rank; k++)
        mxdi_cpu_view_cut(&y, k, before[k], x.dim[k], 1);
    box[n_boxes++] = mxdi_cpu_box_of(&y, &x);
    return mxdi_cpu_emit_move(p, box, n_boxes, "pad", err);
}

const char *mxdi_cpu_check_pad(const mxd_graph_view *g, const mxd_node *n)
{
    int64_t           before[MXD_MAX_RANK], after[MXD_MAX_RANK];
    const char *const why = check_types(g, n);
    if (why)
        return why;
    if (strcmp(mxd_node_string(n, "mode", "constant"), "constant") != 0)
        return "no CPU kernel for this mode of Pad: runs in the reference interpreter";
    const mxd_value *const x = mxdi_cpu_in(g, n, 0), *const v = mxdi_cpu_in(g, n, 2);
    if (!pads_of(before, after, g, n) || (v && (!v->data || mxd_dtype_bits(v->dtype) < 8)))
        return not_constant;
    return x->batch_axis >= 0 && before[x->batch_axis] + after[x->batch_axis] ? over_batch : NULL;
}

/* ---- Expand ---- */

mxd_status mxdi_cpu_lower_expand(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const vx = mxdi_cpu_in(p->g, n, 0), *const vy = mxdi_cpu_out(p->g, n, 0);
    mxdi_cpu_view x, y, wide = { 0 };
    MXD_TRY(view_in(&x, p, n->in[0], false, err));
    MXD_TRY(view_out(&y, p, n->out[0], false, err));
    wide.tensor = x.tensor;
    for (int32_t k = vy->rank - 1, d = vx->rank - 1; d >= 0; k--, d--)
        wide.stride[k] = vx->dim[d] == 1 ? 0 : x.stride[d];
    return move_one(p, &y, &wide, "expand", err);
}

const char *mxdi_cpu_check_expand(const mxd_graph_view *g, const mxd_node *n)
{
    return check_types(g, n);
}

/* ---- Tile ---- */

/* Repeats of each axis follow from the sizes; a repeated axis becomes two, of which x steps along
 * one. */
mxd_status mxdi_cpu_lower_tile(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const vx = mxdi_cpu_in(p->g, n, 0), *const vy = mxdi_cpu_out(p->g, n, 0);
    mxdi_cpu_view x, y, from = { 0 }, to = { 0 };
    MXD_TRY(view_in(&x, p, n->in[0], false, err));
    MXD_TRY(view_out(&y, p, n->out[0], false, err));
    from.tensor = x.tensor;
    to.tensor   = y.tensor;
    to.grows    = y.grows;
    for (int32_t k = 0; k < vx->rank; k++) {
        const int64_t times = vy->dim[k] / vx->dim[k];
        if (times > 1) {
            to.dim[to.rank]      = times;
            to.stride[to.rank++] = vx->dim[k] * y.stride[k];
        }
        from.stride[to.rank] = x.stride[k];
        to.dim[to.rank]      = vx->dim[k];
        to.stride[to.rank++] = y.stride[k];
    }
    return move_one(p, &to, &from, "tile", err);
}

const char *mxdi_cpu_check_tile(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const x = mxdi_cpu_in(g, n, 0), *const y = mxdi_cpu_out(g, n, 0);
    const char *const why  = check_types(g, n);
    int32_t           axes = x->rank;
    if (why)
        return why;
    for (int32_t k = 0; k < x->rank; k++)
        axes += y->dim[k] > x->dim[k];
    if (axes > MXDI_BOX_RANK)
        return "no CPU kernel to repeat so many axes: runs in the reference interpreter";
    return x->batch_axis != y->batch_axis || x->batch_axis > 0 ||
                   (x->batch_axis == 0 && x->dim[0] != y->dim[0])
               ? over_batch
               : NULL;
}

/* ---- DepthToSpace, SpaceToDepth ---- */

mxd_status mxdi_cpu_lower_depth_space(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const bool to_space = strcmp(n->op, "DepthToSpace") == 0;
    const bool crd      = to_space && strcmp(mxd_node_string(n, "mode", "DCR"), "CRD") == 0;
    const bool blocked =
        mxdi_cpu_is_blocked(p, n->in[0]) && mxdi_cpu_can_block(mxdi_cpu_out(p->g, n, 0));
    const int64_t b = mxd_node_int(n, "blocksize", 1);
    mxdi_cpu_view x, y;
    MXD_TRY(view_in(&x, p, n->in[0], blocked, err));
    MXD_TRY(view_out(&y, p, n->out[0], blocked, err));
    mxdi_cpu_view deep = to_space ? x : y,
                  flat = to_space ? y : x; /* axes N, C', H, b, W, b of both */
    const int64_t c = flat.dim[1], h = deep.dim[2], w = deep.dim[3];
    const int64_t dims[] = { x.dim[0], c, h, b, w, b };
    const int64_t sd[]   = { deep.stride[0], crd ? deep.stride[1] * b * b : deep.stride[1],
                             deep.stride[2], crd ? deep.stride[1] * b : deep.stride[1] * b * c,
                             deep.stride[3], crd ? deep.stride[1] : deep.stride[1] * c };
    const int64_t sf[]   = { flat.stride[0], flat.stride[1],     flat.stride[2] * b,
                             flat.stride[2], flat.stride[3] * b, flat.stride[3] };
    for (int32_t k = 0; k < 6; k++) {
        deep.dim[k] = flat.dim[k] = dims[k];
        deep.stride[k]            = sd[k];
        flat.stride[k]            = sf[k];
    }
    deep.rank = flat.rank = 6;
    return to_space ? move_one(p, &flat, &deep, "depth_to_space", err)
                    : move_one(p, &deep, &flat, "space_to_depth", err);
}

const char *mxdi_cpu_check_depth_space(const mxd_graph_view *g, const mxd_node *n)
{
    return check_types(g, n);
}
