/* SPDX-License-Identifier: Apache-2.0
 *
 * From modules to tensors. A module is found by the names that a PyTorch export keeps
 * (module_name.h) or by the name of an ONNX node. What is told of its input belongs to the tensor
 * that its first node reads, what is told of its output to the one that its last node makes; both
 * go on through clamps and through what only moves data.
 */
#include <math.h>

#include "base/dtype.h"
#include "base/text.h"
#include "engine/asked.h"
#include "quant/calibration.h"
#include "quant/domain.h"
#include "quant/module_name.h"

typedef struct binder {
    const mxdi_calibration   *c;
    mxdi_graph               *g;
    mxdi_links                links;
    const mxdi_module_stats **module; /* (n_nodes) or NULL */
    uint8_t *last; /* (n_nodes) the name is that of the last node folded into this one */
    const mxdi_tensor_stats **range; /* (n_values) or NULL */
} binder;

/* How well an ONNX node's name is the module's: 2 as it is, 1 by its scope, 0 not. */
static int names_module(const char *node, const char *module)
{
    char scope[MXDI_MODULE_NAME];
    if (strcmp(node, module) == 0)
        return 2;
    return mxdi_module_of_node(scope, node) && strcmp(scope, module) == 0;
}

static int fits(const mxdi_graph *g, const mxd_node *node, const char *module, bool *last)
{
    char weight[MXDI_MODULE_NAME];
    int  best = names_module(node->name, module);
    *last     = best > 0 && node->n_origin < 2;
    for (uint32_t k = 0; k < node->n_origin; k++) {
        const int fit = names_module(node->origin[k], module);
        *last         = *last || (fit > 0 && k + 1 == node->n_origin);
        best          = fit > best ? fit : best;
    }
    if (best == 0 && node->n_in > 1 && node->in[1] != MXD_NO_VALUE &&
        mxdi_module_of_weight(weight, g->value[node->in[1]].name) && strcmp(weight, module) == 0) {
        *last = node->n_origin < 2;
        best  = 1;
    }
    return best;
}

static const mxdi_module_stats *find_module(const mxdi_calibration *c, const mxdi_graph *g,
                                            const mxd_node *node, bool *last)
{
    const mxdi_module_stats *found = NULL;
    int                      best  = 0;
    for (uint32_t k = 0; k < c->n_modules && best < 2; k++) {
        bool      is_last;
        const int fit = fits(g, node, c->module[k].name, &is_last);
        if (fit > best) {
            best  = fit;
            found = &c->module[k];
            *last = is_last;
        }
    }
    return found;
}

const mxdi_module_stats *mxdi_calibration_module(const mxdi_calibration *c, const mxdi_graph *g,
                                                 const mxd_node *node)
{
    bool last;
    return c ? find_module(c, g, node, &last) : NULL;
}

/* ---- ranges of tensors ---- */

static bool made_inside(const binder *b, uint32_t v, const mxdi_module_stats *m)
{
    return v != MXD_NO_VALUE && b->links.producer[v] != MXD_NO_VALUE &&
           b->module[b->links.producer[v]] == m;
}

static bool read_inside(const binder *b, uint32_t v, const mxdi_module_stats *m)
{
    for (uint32_t k = b->links.first_use[v]; k < b->links.first_use[v + 1]; k++)
        if (b->module[b->links.user[k]] == m)
            return true;
    return false;
}

/* Of a tensor that one module makes and another reads, what the reader has seen counts. */
static void place_ranges(binder *b)
{
    for (uint32_t n = 0; n < b->g->n_nodes; n++) {
        const mxd_node *const          node = &b->g->node[n];
        const mxdi_module_stats *const m    = b->module[n];
        for (uint32_t k = 0; m && k < 2 && k < node->n_in; k++) {
            const uint32_t x = node->in[k];
            if (m->input[k] && x != MXD_NO_VALUE && !b->g->value[x].data && !b->range[x] &&
                !made_inside(b, x, m))
                b->range[x] = m->input[k];
        }
    }
    for (uint32_t n = 0; n < b->g->n_nodes; n++) {
        const mxd_node *const          node = &b->g->node[n];
        const mxdi_module_stats *const m    = b->module[n];
        if (!m || !m->output || node->n_out != 1 || b->range[node->out[0]] ||
            read_inside(b, node->out[0], m) || (m->nested && !b->last[n]))
            continue;
        b->range[node->out[0]] = m->output;
    }
}

/* A constant number, or what is the case without one. */
static float bound_of(const mxdi_graph *g, const mxd_node *node, uint32_t k, float otherwise)
{
    const uint32_t v = k < node->n_in ? node->in[k] : MXD_NO_VALUE;
    if (v == MXD_NO_VALUE)
        return otherwise;
    const mxd_value *const c = &g->value[v];
    return c->data && c->bytes >= sizeof(float) && c->dtype == MXD_F32 ? *(const float *)c->data
                                                                       : otherwise;
}

/* What a clamp leaves of a range; the scale goes with it only where that is all of it. */
static mxd_status clamp_range(binder *b, const mxd_node *node, mxd_error *err)
{
    const mxdi_tensor_stats *const x    = b->range[node->in[0]];
    const bool                     relu = mxdi_node_is(node, "Relu");
    const float                    low  = relu ? 0.0f : bound_of(b->g, node, 1, -INFINITY);
    const float                    high = relu ? INFINITY : bound_of(b->g, node, 2, INFINITY);
    if (x->low >= low && x->high <= high) {
        b->range[node->out[0]] = x;
        return MXD_OK;
    }
    mxdi_tensor_stats *const y = MXDI_NEW(&b->g->arena, mxdi_tensor_stats, 1);
    if (!y)
        return mxdi_nomem(err);
    y->low                 = fminf(fmaxf(x->low, low), high);
    y->high                = fminf(fmaxf(x->high, low), high);
    y->min                 = y->low;
    y->max                 = y->high;
    b->range[node->out[0]] = y;
    return MXD_OK;
}

static mxd_status carry_ranges(binder *b, mxd_error *err)
{
    for (uint32_t n = 0; n < b->g->n_nodes; n++) {
        const mxd_node *const node = &b->g->node[n];
        const bool            move = mxdi_domain_is_move(node);
        if (!(move || mxdi_domain_is_clamp(node)) || !b->range[node->in[0]] ||
            b->range[node->out[0]])
            continue;
        if (move)
            b->range[node->out[0]] = b->range[node->in[0]];
        else
            MXD_TRY(clamp_range(b, node, err));
    }
    for (uint32_t n = b->g->n_nodes; n-- > 0;) {
        const mxd_node *const node = &b->g->node[n];
        if (mxdi_domain_is_move(node) && !b->range[node->in[0]])
            b->range[node->in[0]] = b->range[node->out[0]];
    }
    return MXD_OK;
}

/* ---- modules that are nowhere ---- */

static const char *nearest_layer(const binder *b, const char *name)
{
    const char **const list = MXDI_NEW(&b->g->arena, const char *, b->g->n_nodes + 1);
    char               module[MXDI_MODULE_NAME];
    size_t             n = 0;
    for (uint32_t k = 0; list && k < b->g->n_nodes; k++) {
        const mxd_node *const node = &b->g->node[k];
        if (!mxdi_is_product(node))
            continue;
        if (mxdi_module_of_weight(module, b->g->value[node->in[1]].name) ||
            mxdi_module_of_node(module, node->name))
            list[n] = mxdi_arena_strdup(&b->g->arena, module);
        else
            list[n] = node->name;
        n += list[n] != NULL;
    }
    return n ? mxdi_nearest(name, list, n) : NULL;
}

/* A weight belongs somewhere; a module without one may have left no node behind. */
static mxd_status check_modules(const binder *b, mxd_error *err)
{
    mxd_error        own = MXD_ERROR_INIT;
    mxd_error *const to  = err ? err : &own;
    *to                  = (mxd_error)MXD_ERROR_INIT;
    for (uint32_t k = 0; k < b->c->n_modules; k++) {
        const mxdi_module_stats *const m     = &b->c->module[k];
        bool                           found = !m->has_weight;
        for (uint32_t n = 0; n < b->g->n_nodes && !found; n++) {
            bool last;
            found = b->module[n] == m || fits(b->g, &b->g->node[n], m->name, &last) > 0;
        }
        if (found)
            continue;
        const char *const near = nearest_layer(b, m->name);
        (void)mxdi_also(to, MXD_E_USAGE, "calibration: no layer '%s'%s%s%s", m->name,
                        near ? ", perhaps '" : "", near ? near : "", near ? "'" : "");
    }
    return to->status;
}

/* ---- binding ---- */

static mxd_status collect(mxdi_calibration *out, const binder *b, mxd_error *err)
{
    out->tensor = MXDI_NEW(&b->g->arena, mxdi_tensor_stats, b->g->n_values + 1);
    if (!out->tensor)
        return mxdi_nomem(err);
    for (uint32_t v = 0; v < b->g->n_values; v++) {
        if (!b->range[v])
            continue;
        out->tensor[out->n_tensors]        = *b->range[v];
        out->tensor[out->n_tensors++].name = b->g->value[v].name;
    }
    return MXD_OK;
}

static mxd_status bind(mxdi_calibration *out, binder *b, mxd_error *err)
{
    for (uint32_t n = 0; n < b->g->n_nodes; n++) {
        bool last    = false;
        b->module[n] = find_module(b->c, b->g, &b->g->node[n], &last);
        b->last[n]   = last;
    }
    MXD_TRY(check_modules(b, err));
    place_ranges(b);
    MXD_TRY(carry_ranges(b, err));
    return collect(out, b, err);
}

mxd_status mxdi_calibration_bind(const mxdi_calibration **out, const mxdi_calibration *c,
                                 mxdi_graph *g, mxd_error *err)
{
    *out = c;
    if (!c || !c->n_modules)
        return MXD_OK;
    binder                  b     = { .c = c, .g = g, .links = MXDI_LINKS_INIT };
    mxdi_calibration *const bound = MXDI_NEW(&g->arena, mxdi_calibration, 1);
    b.module                      = MXDI_NEW(&g->arena, const mxdi_module_stats *, g->n_nodes + 1);
    b.last                        = MXDI_NEW(&g->arena, uint8_t, g->n_nodes + 1);
    b.range                       = MXDI_NEW(&g->arena, const mxdi_tensor_stats *, g->n_values + 1);
    if (!bound || !b.module || !b.last || !b.range)
        return mxdi_nomem(err);
    *bound =
        (mxdi_calibration){ .module = c->module, .n_modules = c->n_modules, .method = c->method };
    MXD_TRY(mxdi_links_build(&b.links, g, err));
    const mxd_status st = bind(bound, &b, err);
    mxdi_links_free(&b.links);
    *out = bound;
    return st;
}
