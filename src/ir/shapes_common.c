/* SPDX-License-Identifier: Apache-2.0
 *
 * What shape functions share (shapes.h): reading inputs and attributes, refusing, setting outputs.
 */
#include "ir/shapes.h"

#include <stdarg.h>
#include <stdio.h>

mxd_status mxdi_shape_refuse(mxd_error *err, mxd_status status, const mxd_node *node,
                             const char *format, ...)
{
    char    text[sizeof(((mxd_error *)0)->msg)];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return mxdi_fail(err, status, "%s '%s': %s", node->op, node->name, text);
}

mxdi_dims_text mxdi_dims(const int64_t *dim, int32_t rank)
{
    mxdi_dims_text out  = { "(" };
    size_t         used = 1;
    if (rank < 0)
        return (mxdi_dims_text){ "(unknown)" };
    for (int32_t k = 0; k < rank && used + 24 < sizeof(out.text); k++) {
        char size[24] = "?";
        if (dim[k] >= 0)
            (void)snprintf(size, sizeof(size), "%lld", (long long)dim[k]);
        const int n = snprintf(out.text + used, 24, "%s%s", k > 0 ? ", " : "", size);
        used += (size_t)n;
    }
    out.text[used] = ')';
    return out;
}

bool mxdi_shape_fits(mxd_dtype dtype, const int64_t *dim, int32_t rank)
{
    int64_t known[MXD_MAX_RANK], count = 0;
    size_t  bytes = 0;
    for (int32_t k = 0; k < rank; k++)
        known[k] = dim[k] < 0 ? 1 : dim[k];
    return mxdi_shape_count(&count, known, rank) && mxdi_dtype_bytes(&bytes, dtype, count) &&
           bytes <= MXDI_VALUE_BYTES_MAX;
}

/* ---- inputs ---- */

const mxd_value *mxdi_shape_in(const mxdi_graph *g, const mxd_node *node, uint32_t k)
{
    return k < node->n_in && node->in[k] != MXD_NO_VALUE ? &g->value[node->in[k]] : NULL;
}

mxd_status mxdi_shape_types(const mxdi_graph *g, const mxd_node *node, uint32_t k, uint32_t types,
                            mxd_error *err)
{
    const mxd_value *const v = mxdi_shape_in(g, node, k);
    if (!v || (types & (1u << v->dtype)))
        return MXD_OK;
    char   names[128] = "";
    size_t used       = 0;
    for (unsigned d = 0; d < MXD_DTYPE_COUNT && used + 12 < sizeof(names); d++)
        if (types & (1u << d))
            used += (size_t)snprintf(names + used, 12, " %s", mxd_dtype_name((mxd_dtype)d));
    return mxdi_shape_refuse(err, MXD_E_DTYPE, node, "input '%s': expected one of%s, got %s",
                             v->name, names, mxd_dtype_name(v->dtype));
}

mxd_status mxdi_shape_same_type(const mxdi_graph *g, const mxd_node *node, uint32_t a, uint32_t b,
                                mxd_error *err)
{
    const mxd_value *const x = mxdi_shape_in(g, node, a);
    const mxd_value *const y = mxdi_shape_in(g, node, b);
    if (!x || !y || x->dtype == y->dtype)
        return MXD_OK;
    return mxdi_shape_refuse(err, MXD_E_DTYPE, node, "expected inputs of one type, got %s and %s",
                             mxd_dtype_name(x->dtype), mxd_dtype_name(y->dtype));
}

mxd_status mxdi_shape_rank(const mxdi_graph *g, const mxd_node *node, uint32_t k, int32_t least,
                           int32_t most, mxd_error *err)
{
    const mxd_value *const v = mxdi_shape_in(g, node, k);
    if (!v || (v->rank >= least && v->rank <= most))
        return MXD_OK;
    if (least == most)
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "input '%s': expected rank %d, got %s",
                                 v->name, (int)least, mxdi_dims(v->dim, v->rank).text);
    return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "input '%s': expected rank %d to %d, got %s",
                             v->name, (int)least, (int)most, mxdi_dims(v->dim, v->rank).text);
}

bool mxdi_shape_agree(int64_t a, int64_t b)
{
    return a < 0 || b < 0 || a == b;
}

bool mxdi_shape_mul(int64_t *out, int64_t a, int64_t b)
{
    if (a >= 0 && b >= 0)
        return !__builtin_mul_overflow(a, b, out);
    *out = -1;
    return true;
}

mxd_status mxdi_shape_want(const mxdi_graph *g, const mxd_node *node, uint32_t k,
                           const int64_t *dim, int32_t rank, mxd_error *err)
{
    const mxd_value *const v = mxdi_shape_in(g, node, k);
    if (!v)
        return MXD_OK;
    bool same = v->rank == rank;
    for (int32_t d = 0; same && d < rank; d++)
        same = mxdi_shape_agree(v->dim[d], dim[d]);
    if (same)
        return MXD_OK;
    return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "input '%s': expected shape %s, got %s",
                             v->name, mxdi_dims(dim, rank).text, mxdi_dims(v->dim, v->rank).text);
}

mxd_status mxdi_shape_scalar(const mxdi_graph *g, const mxd_node *node, uint32_t k, mxd_error *err)
{
    const mxd_value *const v = mxdi_shape_in(g, node, k);
    if (!v || v->rank == 0 || (v->rank == 1 && mxdi_shape_agree(v->dim[0], 1)))
        return MXD_OK;
    return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "input '%s': expected one element, got %s",
                             v->name, mxdi_dims(v->dim, v->rank).text);
}

/* ---- integers that an attribute or a constant input gives ---- */

static mxd_status ints_of_input(mxdi_ints *out, const mxdi_graph *g, const mxd_node *node,
                                uint32_t k, mxd_error *err)
{
    const mxd_value *const v = &g->value[node->in[k]];
    MXD_TRY(mxdi_shape_types(g, node, k, MXDI_INDEX, err));
    MXD_TRY(mxdi_shape_rank(g, node, k, 0, 1, err));
    if (!v->data) {
        out->source = MXDI_DATA;
        return MXD_OK;
    }
    const int64_t n = v->rank == 0 ? 1 : v->dim[0];
    if (n > MXDI_INTS_MAX)
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node,
                                 "input '%s': expected at most %d numbers, got %lld", v->name,
                                 (int)MXDI_INTS_MAX, (long long)n);
    out->source = MXDI_KNOWN;
    out->n      = (uint32_t)n;
    for (uint32_t i = 0; i < out->n; i++)
        out->v[i] = mxdi_load_s64(v->data, v->dtype, i);
    return MXD_OK;
}

mxd_status mxdi_shape_ints(mxdi_ints *out, const mxdi_graph *g, const mxd_node *node,
                           const char *attr, uint32_t k, mxd_error *err)
{
    const mxd_attr *const a     = attr ? mxd_node_attr(node, attr, MXD_ATTR_INTS) : NULL;
    const bool            input = mxdi_shape_in(g, node, k) != NULL;
    *out                        = (mxdi_ints){ .source = MXDI_ABSENT };
    if (a && input)
        return mxdi_shape_refuse(err, MXD_E_INVAL, node,
                                 "'%s': expected an attribute or an input, got both", attr);
    if (input)
        return ints_of_input(out, g, node, k, err);
    if (!a)
        return MXD_OK;
    if (a->n > MXDI_INTS_MAX)
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "%s: expected at most %d numbers, got %u",
                                 attr, (int)MXDI_INTS_MAX, (unsigned)a->n);
    out->source = MXDI_KNOWN;
    out->n      = a->n;
    if (a->n > 0)
        memcpy(out->v, a->ints, a->n * sizeof(*a->ints));
    return MXD_OK;
}

mxd_status mxdi_shape_axis(int32_t *out, const mxd_node *node, int64_t axis, int32_t rank,
                           mxd_error *err)
{
    if (axis < -rank || axis >= rank)
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node,
                                 "axis: expected one in [%d, %d) of a value of rank %d, got %lld",
                                 (int)-rank, (int)rank, (int)rank, (long long)axis);
    *out = (int32_t)(axis < 0 ? axis + rank : axis);
    return MXD_OK;
}

mxd_status mxdi_shape_axes(mxdi_ints *out, const mxdi_graph *g, const mxd_node *node,
                           const char *attr, uint32_t k, int32_t rank, mxd_error *err)
{
    MXD_TRY(mxdi_shape_ints(out, g, node, attr, k, err));
    uint32_t seen = 0;
    for (uint32_t i = 0; i < out->n; i++) {
        int32_t axis = 0;
        MXD_TRY(mxdi_shape_axis(&axis, node, out->v[i], rank, err));
        if (seen & (1u << axis))
            return mxdi_shape_refuse(err, MXD_E_INVAL, node, "axes: %d is named twice", (int)axis);
        seen |= 1u << axis;
        out->v[i] = axis;
    }
    return MXD_OK;
}

mxd_status mxdi_shape_word(uint32_t *which, const mxd_node *node, const char *name,
                           const char *const *words, uint32_t n, mxd_error *err)
{
    const char *const got = mxd_node_string(node, name, words[0]);
    for (uint32_t k = 0; k < n; k++)
        if (strcmp(got, words[k]) == 0) {
            *which = k;
            return MXD_OK;
        }
    char   known[256] = "";
    size_t used       = 0;
    for (uint32_t k = 0; k < n && used + strlen(words[k]) + 2 < sizeof(known); k++)
        used += (size_t)snprintf(known + used, sizeof(known) - used, " %s", words[k]);
    return mxdi_shape_refuse(err, MXD_E_INVAL, node, "%s: expected one of%s, got '%s'", name, known,
                             got);
}

/* ---- outputs ---- */

static mxd_value *output(mxdi_graph *g, const mxd_node *node, uint32_t k)
{
    return k < node->n_out && node->out[k] != MXD_NO_VALUE ? &g->value[node->out[k]] : NULL;
}

mxd_status mxdi_shape_out(mxdi_graph *g, const mxd_node *node, uint32_t k, mxd_dtype dtype,
                          const int64_t *dim, int32_t rank, mxd_error *err)
{
    mxd_value *const v = output(g, node, k);
    if (!v)
        return MXD_OK;
    if (rank > MXD_MAX_RANK)
        return mxdi_shape_refuse(err, MXD_E_UNSUPPORTED, node,
                                 "output '%s': expected a rank of at most %d, got %d", v->name,
                                 (int)MXD_MAX_RANK, (int)rank);
    if (!mxdi_shape_fits(dtype, dim, rank))
        return mxdi_shape_refuse(
            err, MXD_E_RANGE, node, "output '%s': expected at most %zu bytes, got %s of %s",
            v->name, MXDI_VALUE_BYTES_MAX, mxd_dtype_name(dtype), mxdi_dims(dim, rank).text);
    v->dtype = dtype;
    v->rank  = rank;
    memset(v->dim, 0, sizeof(v->dim));
    for (int32_t d = 0; d < rank; d++)
        v->dim[d] = dim[d];
    return MXD_OK;
}

mxd_status mxdi_shape_out_like(mxdi_graph *g, const mxd_node *node, uint32_t k, const mxd_value *v,
                               mxd_error *err)
{
    return mxdi_shape_out(g, node, k, v->dtype, v->dim, v->rank, err);
}

mxd_status mxdi_shape_out_open(mxdi_graph *g, const mxd_node *node, uint32_t k, mxd_dtype dtype)
{
    mxd_value *const v = output(g, node, k);
    if (v) {
        v->dtype = dtype;
        v->rank  = -1;
    }
    return MXD_OK;
}

mxd_status mxdi_shape_given_type(mxd_dtype *out, const mxdi_graph *g, const mxd_node *node,
                                 uint32_t types, mxd_error *err)
{
    *out = g->value[node->out[0]].dtype;
    if (types & (1u << *out))
        return MXD_OK;
    return mxdi_shape_refuse(err, MXD_E_DTYPE, node,
                             "output '%s': has no type that it can have, %s",
                             g->value[node->out[0]].name, mxd_dtype_name(*out));
}
