/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers for the open dimensions of network inputs: from bindings first, then the batch, then from
 * other inputs by the symbol's name. What is left is told to the user with the option that helps.
 */
#include "passes/bind_inputs.h"

#include "base/text.h"
#include "ir/ops.h"

#include <stdio.h>

/* Dimensions that have no number yet are -1 in the values while this runs. */
static void open_symbols(mxdi_graph *g)
{
    for (uint32_t s = 0; s < g->n_symbols; s++)
        for (uint32_t k = 0; k < g->n_inputs; k++)
            if (g->symbol[s].value == g->input[k] && g->symbol[s].axis < g->value[g->input[k]].rank)
                g->value[g->input[k]].dim[g->symbol[s].axis] = -1;
}

/* The symbol of an input's dimension; "" when it has none. */
static const char *symbol_at(const mxdi_graph *g, uint32_t value, int32_t axis)
{
    for (uint32_t s = 0; s < g->n_symbols; s++)
        if (g->symbol[s].value == value && g->symbol[s].axis == axis)
            return g->symbol[s].name;
    return "";
}

/* One dimension gets a number, and so do all of its name. */
static mxd_status set_dim(mxdi_graph *g, uint32_t value, int32_t axis, int64_t size, mxd_error *err)
{
    mxd_value *const  v    = &g->value[value];
    const char *const name = symbol_at(g, value, axis);
    if (v->dim[axis] >= 0 && v->dim[axis] != size)
        return mxdi_fail(err, MXD_E_SHAPE, "input '%s': dimension %d: expected %lld, got %lld",
                         v->name, (int)axis, (long long)v->dim[axis], (long long)size);
    v->dim[axis] = size;
    if (!*name)
        return MXD_OK;
    for (uint32_t s = 0; s < g->n_symbols; s++) {
        mxd_value *const other = &g->value[g->symbol[s].value];
        if (strcmp(g->symbol[s].name, name) != 0 || g->symbol[s].axis >= other->rank)
            continue;
        if (other->dim[g->symbol[s].axis] < 0)
            other->dim[g->symbol[s].axis] = size;
    }
    return MXD_OK;
}

static mxd_status apply_binding(mxdi_graph *g, const mxdi_shape_binding *b, mxd_error *err)
{
    uint32_t k = 0;
    while (k < g->n_inputs && strcmp(g->value[g->input[k]].name, b->name) != 0)
        k++;
    if (k == g->n_inputs)
        return mxdi_fail(err, MXD_E_USAGE,
                         "shape of '%s': the network has no such input; one is '%s'", b->name,
                         g->n_inputs > 0 ? g->value[g->input[0]].name : "");
    mxd_value *const v = &g->value[g->input[k]];
    if (b->rank < 0 || b->rank > MXD_MAX_RANK || (v->rank >= 0 && v->rank != b->rank))
        return mxdi_fail(err, MXD_E_SHAPE, "input '%s': expected %d dimensions, got %d", v->name,
                         (int)v->rank, (int)b->rank);
    for (int32_t d = 0; d < b->rank && v->rank < 0; d++)
        v->dim[d] = -1;
    v->rank = b->rank;
    for (int32_t d = 0; d < b->rank; d++) {
        if (b->dim[d] == 0 && v->dim[d] == 0)
            continue; /* the network itself says that nothing is there */
        if (b->dim[d] == 0 || b->dim[d] < -1)
            return mxdi_fail(err, b->dim[d] ? MXD_E_SHAPE : MXD_E_UNSUPPORTED,
                             "input '%s': dimension %d: expected 1 or more, got %lld", v->name,
                             (int)d, (long long)b->dim[d]);
        if (b->dim[d] > 0)
            MXD_TRY(set_dim(g, g->input[k], d, b->dim[d], err));
    }
    return MXD_OK;
}

/* "input 'x': dimension 2 ('H') is open; give --shape x=1x3xHxW" */
static mxd_status refuse_open(const mxdi_graph *g, uint32_t value, int32_t axis, mxd_error *err)
{
    const mxd_value *const v        = &g->value[value];
    const char *const      symbol   = symbol_at(g, value, axis);
    char                   all[256] = "";
    size_t                 used     = 0;
    for (int32_t d = 0; d < v->rank && used + 48 < sizeof(all); d++) {
        const char *const name = symbol_at(g, value, d);
        const char *const gap  = d > 0 ? "x" : "";
        const int n = v->dim[d] >= 0 ? snprintf(all + used, 40, "%s%lld", gap, (long long)v->dim[d])
                                     : snprintf(all + used, 40, "%s%.32s", gap, *name ? name : "?");
        used += n < 40 ? (size_t)n : 39;
    }
    return mxdi_fail(err, MXD_E_SHAPE,
                     "input '%s': dimension %d ('%s') is open; give --shape %s=%s", v->name,
                     (int)axis, symbol, v->name, all);
}

static mxd_status check_inputs(const mxdi_graph *g, mxd_error *err)
{
    for (uint32_t k = 0; k < g->n_inputs; k++) {
        const mxd_value *const v = &g->value[g->input[k]];
        if (v->rank < 0)
            return mxdi_fail(err, MXD_E_SHAPE, "input '%s': its shape is open; give --shape %s=...",
                             v->name, v->name);
        if (v->dtype == MXD_NONE)
            return mxdi_fail(err, MXD_E_INVAL, "input '%s': has no type", v->name);
        for (int32_t d = 0; d < v->rank; d++)
            if (v->dim[d] < 0)
                return refuse_open(g, g->input[k], d, err);
        if (!mxdi_shape_fits(v->dtype, v->dim, v->rank))
            return mxdi_fail(
                err, MXD_E_RANGE, "input '%s': expected at most %zu bytes, got %s of %s", v->name,
                MXDI_VALUE_BYTES_MAX, mxd_dtype_name(v->dtype), mxdi_dims(v->dim, v->rank).text);
    }
    return MXD_OK;
}

mxd_status mxdi_bind_inputs(mxdi_graph *g, const mxdi_shape_binding *b, uint32_t n, int64_t batch,
                            const char **batch_symbol, mxd_error *err)
{
    *batch_symbol = NULL;
    if (batch < 1)
        return mxdi_fail(err, MXD_E_RANGE, "batch: expected 1 or more, got %lld", (long long)batch);
    open_symbols(g);
    for (uint32_t k = 0; k < n; k++)
        MXD_TRY(apply_binding(g, &b[k], err));
    for (uint32_t k = 0; k < g->n_inputs; k++) {
        const mxd_value *const v = &g->value[g->input[k]];
        if (v->rank < 1 || v->dim[0] >= 0)
            continue;
        if (!*batch_symbol)
            *batch_symbol = symbol_at(g, g->input[k], 0);
        MXD_TRY(set_dim(g, g->input[k], 0, batch, err));
    }
    return check_inputs(g, err);
}
