/* SPDX-License-Identifier: Apache-2.0
 *
 * Network inputs that are fed as pictures are kept: bytes, perhaps with the channels last. What
 * makes them ready for the network is written into the graph in ONNX ops, so that every backend
 * knows what it means; engine/fuse_picture.c finds it there as in any other model.
 */
#include <stdio.h>

#include "passes/passes.h"

enum { RANK = 4, NAME = 1024 };

/* One input on its way. */
struct change {
    mxdi_graph *g;
    uint32_t    input; /* its number */
    const char *name;  /* of the network's input */
    int64_t     channels;
    uint32_t    value; /* what there is so far of the picture */
};

static mxd_status check(const mxdi_graph *g, uint32_t k, const mxdi_input_format *f, mxd_error *err)
{
    const mxd_value *const v = &g->value[g->input[k]];
    if (f->dtype != MXD_U8 || v->dtype != MXD_F32)
        return mxdi_fail(err, MXD_E_USAGE,
                         "input '%s' is %s: expected %s:chw (as it is)%s, got '%s'", v->name,
                         mxd_dtype_name(v->dtype), mxd_dtype_name(v->dtype),
                         v->dtype == MXD_F32 ? ", u8:hwc or u8:chw" : "", f->text);
    if (v->rank != RANK || (v->dim[1] != 1 && v->dim[1] != 3)) {
        char   shape[96] = "";
        size_t at        = 0;
        for (int32_t d = 0; d < v->rank && at < 80; d++)
            at += (size_t)snprintf(shape + at, sizeof(shape) - at, v->dim[d] < 0 ? "%s?" : "%s%lld",
                                   d ? "x" : "", (long long)v->dim[d]);
        return mxdi_fail(err, MXD_E_SHAPE,
                         "input '%s' has shape %s: %s takes pictures of 1 or 3 channels, Nx3xHxW",
                         v->name, v->rank < 0 ? "?" : shape, f->text);
    }
    return MXD_OK;
}

/* The next node behind c->value: by `constant` (MXD_NO_VALUE: none). */
static mxd_status append(mxd_node **node, struct change *c, const char *op, uint32_t constant,
                         mxd_dtype dtype, mxd_error *err)
{
    char     name[NAME];
    uint32_t y;
    (void)snprintf(name, sizeof(name), "%.900s.%s", c->name, op);
    const bool taken = mxdi_graph_find_value(c->g, name) != MXD_NO_VALUE;
    MXD_TRY(mxdi_graph_add_value(&y, c->g, taken ? NULL : name, name, err));
    c->g->value[y].dtype = dtype;
    const uint32_t in[]  = { c->value, constant };
    MXD_TRY(mxdi_graph_add_node(node, c->g, op, "", NULL, in, constant == MXD_NO_VALUE ? 1 : 2, &y,
                                1, err));
    c->value = y;
    return mxdi_node_add_origins(c->g, *node, &(*node)->name, 1, err);
}

/* x op number, unless the number is `nothing` in all channels. */
static mxd_status apply(struct change *c, const char *op, const char *what, const float *number,
                        uint32_t n, float nothing, mxd_error *err)
{
    const mxd_tensor t = { .data  = (void *)(uintptr_t)number,
                           .dtype = MXD_F32,
                           .rank  = n == 1 ? 0 : 3,
                           .dim   = { n, 1, 1 } };
    uint32_t         constant;
    mxd_node        *node;
    bool             changes = false;
    for (uint32_t k = 0; k < n; k++)
        changes = changes || number[k] != nothing;
    if (n > 1 && n != (uint64_t)c->channels)
        return mxdi_fail(err, MXD_E_USAGE, "input '%s': %s: expected %s, got %u", c->name, what,
                         c->channels == 1 ? "one number" : "1 or 3 numbers", n);
    if (!changes)
        return MXD_OK;
    MXD_TRY(mxdi_graph_add_constant(&constant, c->g, NULL, what, &t, true, err));
    return append(&node, c, op, constant, MXD_F32, err);
}

/* The network's input under its own name: bytes in their own layout. */
static mxd_status replace_input(struct change *c, bool last, mxd_error *err)
{
    static const int32_t from[RANK] = { 0, 2, 3, 1 }, to[RANK] = { 0, 3, 1, 2 };
    mxdi_graph *const    g   = c->g;
    const uint32_t       old = g->input[c->input];
    uint32_t             id;
    MXD_TRY(mxdi_graph_add_value(&id, g, NULL, c->name, err));
    mxd_value *const x = &g->value[id], *const y = &g->value[old];
    const char *const fresh = x->name;
    x->name                 = y->name;
    y->name                 = fresh;
    x->dtype                = MXD_U8;
    x->rank                 = RANK;
    for (int32_t d = 0; d < RANK; d++)
        x->dim[d] = y->dim[last ? from[d] : d];
    for (uint32_t k = 0; k < g->n_symbols; k++)
        if (g->symbol[k].value == old) {
            g->symbol[k].value = id;
            g->symbol[k].axis  = last ? to[g->symbol[k].axis] : g->symbol[k].axis;
        }
    g->input[c->input] = id;
    c->value           = id;
    return MXD_OK;
}

static mxd_status change_input(struct change *c, const mxdi_input_format *f, const mxdi_scaling *s,
                               mxd_error *err)
{
    const uint32_t old = c->g->input[c->input];
    mxd_node      *node;
    c->name     = c->g->value[old].name;
    c->channels = c->g->value[old].dim[1];
    MXD_TRY(replace_input(c, f->channels_last, err));
    if (f->channels_last) {
        MXD_TRY(append(&node, c, "Transpose", MXD_NO_VALUE, MXD_U8, err));
        MXD_TRY(mxdi_node_set_ints(c->g, node, "perm", (const int64_t[]){ 0, 3, 1, 2 }, RANK, err));
    }
    MXD_TRY(append(&node, c, "Cast", MXD_NO_VALUE, MXD_F32, err));
    MXD_TRY(mxdi_node_set_int(c->g, node, "to", 1, err));
    MXD_TRY(apply(c, "Mul", "scale", s->scale, s->n_scale, 1.0f, err));
    MXD_TRY(apply(c, "Sub", "mean", s->mean, s->n_mean, 0.0f, err));
    MXD_TRY(apply(c, "Div", "std", s->std, s->n_std, 1.0f, err));
    mxdi_graph_replace_uses(c->g, old, c->value);
    return MXD_OK;
}

static const char *key_of(char out[NAME], const char *name)
{
    (void)snprintf(out, NAME, "mixdown.format.%s", name);
    return out;
}

const char *mxdi_input_format_of(const mxdi_graph *g, const char *name)
{
    char key[NAME];
    return mxdi_graph_meta(g, key_of(key, name));
}

mxd_status mxdi_set_input_formats(mxdi_graph *g, const mxdi_input_format *format, uint32_t n,
                                  const mxdi_scaling *scaling, const char *note, mxd_error *err)
{
    bool any = false;
    if (n > g->n_inputs)
        return mxdi_fail(err, MXD_E_USAGE, "%u input formats: the network has %u input%s", n,
                         g->n_inputs, g->n_inputs == 1 ? "" : "s");
    for (uint32_t k = 0; k < n; k++) {
        const mxd_value *const v = &g->value[g->input[k]];
        struct change          c = { .g = g, .input = k };
        char                   key[NAME], text[NAME];
        if (format[k].dtype == MXD_NONE ||
            (format[k].dtype == v->dtype && !format[k].channels_last))
            continue;
        MXD_TRY(check(g, k, &format[k], err));
        MXD_TRY(change_input(&c, &format[k], scaling, err));
        (void)snprintf(text, sizeof(text), "%s%s%.900s", format[k].text, note ? "," : "",
                       note ? note : "");
        MXD_TRY(mxdi_graph_set_meta(g, key_of(key, c.name), text, err));
        any = true;
    }
    if (note && !any)
        return mxdi_fail(err, MXD_E_USAGE,
                         "preprocess: no input is u8; give it the format u8:hwc or u8:chw");
    return any ? mxdi_graph_sort(g, err) : MXD_OK;
}
