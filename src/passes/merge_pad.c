/* SPDX-License-Identifier: Apache-2.0
 *
 * Pad with zeros along spatial axes, then Conv -> Conv with larger pads: the same sums. Not behind
 * a DequantizeLinear, and not for a dequantized weight: there the padding has a quantizer's say.
 */
#include "passes/passes.h"
#include "passes/rewrite.h"

#include "base/dtype.h"

/* pads of a Pad on a value of `rank`: begins, then ends; false when they are not constant. */
static bool read_pads(int64_t *pads, const mxdi_graph *g, const mxd_node *node, int32_t rank)
{
    uint32_t       n     = 0;
    const int64_t *attr  = mxd_node_ints(node, "pads", &n);
    const uint32_t width = 2 * (uint32_t)rank;
    if (node->n_in > 3 && node->in[3] != MXD_NO_VALUE)
        return false; /* axes of their own: rare, left alone */
    if (attr)
        memcpy(pads, attr, (n < width ? n : width) * sizeof(*pads));
    if (attr || node->n_in < 2)
        return attr && n == width;
    const mxd_value *const v = &g->value[node->in[1]];
    if (!v->data || v->rank != 1 || v->dim[0] != (int64_t)width)
        return false;
    for (uint32_t k = 0; k < width; k++)
        pads[k] = mxdi_load_s64(v->data, v->dtype, k);
    return true;
}

/* Constant mode, with 0. */
static bool fills_zero(const mxdi_graph *g, const mxd_node *node)
{
    if (strcmp(mxd_node_string(node, "mode", "constant"), "constant") != 0 ||
        mxd_node_float(node, "value", 0.0f) != 0.0f)
        return false;
    if (node->n_in < 3 || node->in[2] == MXD_NO_VALUE)
        return true;
    const mxd_value *const v = &g->value[node->in[2]];
    return v->data && mxdi_load_f64(v->data, v->dtype, 0) == 0.0;
}

static mxd_status merge(mxdi_rewriter *r, uint32_t n, mxd_error *err)
{
    mxdi_graph *const      g   = r->g;
    const uint32_t         p   = mxdi_rewrite_only_use(r, g->node[n].in[0], "Pad");
    const mxd_value *const w   = &g->value[g->node[n].in[1]];
    const char *const      pad = mxd_node_string(&g->node[n], "auto_pad", "NOTSET");
    int64_t                added[2 * MXD_MAX_RANK], pads[2 * MXD_MAX_RANK] = { 0 };
    if (p == MXD_NO_VALUE || !w->data || w->dtype != MXD_F32 ||
        (strcmp(pad, "NOTSET") != 0 && strcmp(pad, "VALID") != 0))
        return MXD_OK;
    const mxd_node *const  padding = &g->node[p];
    const mxd_value *const x       = &g->value[padding->in[0]];
    const uint32_t         maker   = mxdi_rewrite_maker(r, padding->in[0]);
    const int32_t          spatial = x->rank - 2;
    uint32_t               n_own   = 0;
    const int64_t *const   own     = mxd_node_ints(&g->node[n], "pads", &n_own);
    const bool             quantized =
        maker != MXD_NO_VALUE && mxdi_node_is(&g->node[maker], "DequantizeLinear");
    if (quantized || spatial < 1 || !fills_zero(g, padding) ||
        !read_pads(added, g, padding, x->rank))
        return MXD_OK;
    for (int32_t d = 0; d < 2 * x->rank; d++)
        if (added[d] < 0 || (d % x->rank < 2 && added[d] != 0))
            return MXD_OK;
    for (int32_t d = 0; d < spatial; d++) {
        const bool use    = own && strcmp(pad, "NOTSET") == 0 && n_own == 2 * (uint32_t)spatial;
        pads[d]           = added[2 + d] + (use ? own[d] : 0);
        pads[spatial + d] = added[x->rank + 2 + d] + (use ? own[spatial + d] : 0);
    }
    MXD_TRY(mxdi_node_set_ints(g, &g->node[n], "pads", pads, 2 * (uint32_t)spatial, err));
    mxdi_node_remove_attr(&g->node[n], "auto_pad");
    mxdi_rewrite_set_in(r, n, 0, padding->in[0]);
    MXD_TRY(mxdi_rewrite_origins(g, &g->node[n], padding, err));
    mxdi_rewrite_remove(r, p);
    return MXD_OK;
}

mxd_status mxdi_pass_merge_pad(mxdi_graph *g, bool *changed, mxd_error *err)
{
    mxdi_rewriter r;
    mxd_status    st = mxdi_rewrite_begin(&r, g, err);
    for (uint32_t n = 0; st == MXD_OK && n < g->n_nodes; n++)
        if (mxdi_node_is(&g->node[n], "Conv") && !*g->node[n].domain)
            st = merge(&r, n, err);
    return mxdi_rewrite_end(&r, changed, st);
}
