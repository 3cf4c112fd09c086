/* SPDX-License-Identifier: Apache-2.0
 *
 * ArgMax, ArgMin and TopK: choosing along one axis. Elements are compared by an order-preserving
 * integer key, so that every type is compared exactly; equal elements stand in the order of their
 * index. NaN is larger than everything.
 */
#include "interp/interp_impl.h"

typedef struct entry {
    int64_t key, index;
} entry;

static int64_t key_of(const mxd_tensor *t, int64_t i)
{
    if (!mxdi_dtype_is_float(t->dtype))
        return mxdi_interp_get_int(t, i);
    const double v = mxdi_interp_get(t, i) + 0.0; /* -0 equals 0 */
    int64_t      bits;
    memcpy(&bits, &v, sizeof(bits));
    return isnan(v) ? INT64_MAX : bits < 0 ? bits ^ INT64_MAX : bits;
}

/* The tensor as (outer, length, inner) around `axis`. */
typedef struct lanes {
    int64_t outer, length, inner;
    int32_t axis;
} lanes;

static mxd_status lanes_of(const mxdi_interp_call *c, lanes *l, int64_t otherwise)
{
    const mxd_tensor *const x = &c->in[0];
    MXD_TRY(mxdi_interp_axis(c, mxd_node_int(c->node, "axis", otherwise), x->rank, &l->axis));
    l->outer  = mxdi_interp_product(x->dim, 0, l->axis);
    l->length = x->dim[l->axis];
    l->inner  = mxdi_interp_product(x->dim, l->axis + 1, x->rank);
    return MXD_OK;
}

mxd_status mxdi_interp_arg(const mxdi_interp_call *c)
{
    const mxd_tensor *const x       = &c->in[0];
    const bool              largest = strcmp(c->node->op, "ArgMax") == 0;
    const bool              last    = mxd_node_int(c->node, "select_last_index", 0) != 0;
    lanes                   l;
    MXD_TRY(lanes_of(c, &l, 0));
    MXD_TRY(mxdi_interp_want_dtype(c, &c->out[0], "output", MXD_S64));
    MXD_TRY(mxdi_interp_want_count(c, &c->out[0], "output", l.outer * l.inner));
    if (l.length == 0 && l.outer * l.inner > 0)
        return mxdi_fail(c->err, MXD_E_SHAPE, "input: axis %d has no elements", (int)l.axis);
    for (int64_t o = 0; o < l.outer * l.inner; o++) {
        const int64_t first = o / l.inner * l.length * l.inner + o % l.inner;
        int64_t       found = 0, best = key_of(x, first);
        for (int64_t k = 1; k < l.length; k++) {
            const int64_t key = key_of(x, first + k * l.inner);
            if ((largest ? key > best : key < best) || (last && key == best)) {
                found = k;
                best  = key;
            }
        }
        ((int64_t *)c->out[0].data)[o] = found;
    }
    return MXD_OK;
}

static bool before(const entry *a, const entry *b)
{
    return a->key != b->key ? a->key < b->key : a->index < b->index;
}

/* Move e[root] down a heap whose top is the last in order. */
static void sift(entry *e, int64_t root, int64_t n)
{
    for (int64_t child = 2 * root + 1; child < n; root = child, child = 2 * root + 1) {
        if (child + 1 < n && before(&e[child], &e[child + 1]))
            child++;
        if (!before(&e[root], &e[child]))
            return;
        const entry t = e[root];
        e[root]       = e[child];
        e[child]      = t;
    }
}

static void sort(entry *e, int64_t n)
{
    for (int64_t i = n / 2 - 1; i >= 0; i--)
        sift(e, i, n);
    for (int64_t end = n - 1; end > 0; end--) {
        const entry t = e[0];
        e[0]          = e[end];
        e[end]        = t;
        sift(e, 0, end);
    }
}

/* Values and indices of the k largest (smallest), in that order; so also when sorted = 0 leaves the
 * order open. */
mxd_status mxdi_interp_top_k(const mxdi_interp_call *c)
{
    const mxd_tensor *const x       = &c->in[0];
    const bool              largest = mxd_node_int(c->node, "largest", 1) != 0;
    lanes                   l;
    int64_t                 want[MXD_MAX_RANK];
    MXD_TRY(lanes_of(c, &l, -1));
    const int64_t n = c->out[0].rank == x->rank ? c->out[0].dim[l.axis] : 0;
    if (n > l.length)
        return mxdi_fail(c->err, MXD_E_RANGE, "k: expected at most %lld, got %lld",
                         (long long)l.length, (long long)n);
    memcpy(want, x->dim, sizeof(want));
    want[l.axis] = n;
    MXD_TRY(mxdi_interp_want_dtype(c, &c->out[0], "Values", x->dtype));
    MXD_TRY(mxdi_interp_want_shape(c, &c->out[0], "Values", want, x->rank));
    if (mxdi_interp_wanted(c, 1)) {
        MXD_TRY(mxdi_interp_want_dtype(c, &c->out[1], "Indices", MXD_S64));
        MXD_TRY(mxdi_interp_want_shape(c, &c->out[1], "Indices", want, x->rank));
    }
    entry *const e = mxdi_interp_alloc(c, l.length, sizeof(*e));
    if (!e)
        return mxdi_nomem(c->err);
    for (int64_t o = 0; o < l.outer * l.inner; o++) {
        const int64_t first = o / l.inner * l.length * l.inner + o % l.inner;
        const int64_t to    = o / l.inner * n * l.inner + o % l.inner;
        for (int64_t k = 0; k < l.length; k++) {
            const int64_t key = key_of(x, first + k * l.inner);
            e[k]              = (entry){ largest ? ~key : key, k };
        }
        sort(e, l.length);
        for (int64_t k = 0; k < n; k++) {
            mxdi_interp_move(&c->out[0], to + k * l.inner, x, first + e[k].index * l.inner);
            if (mxdi_interp_wanted(c, 1))
                ((int64_t *)c->out[1].data)[to + k * l.inner] = e[k].index;
        }
    }
    return MXD_OK;
}
