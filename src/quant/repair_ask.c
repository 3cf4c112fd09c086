/* SPDX-License-Identifier: Apache-2.0
 *
 * Which layers are corrected: what a recipe says of each, and what is asked for the whole network.
 */
#include "base/dtype.h"
#include "engine/asked.h"
#include "quant/layer.h"
#include "quant/repair.h"

/* Conv and Gemm whose bias, if there is one, is a constant that can be replaced. */
static bool can_have_bias(const mxdi_graph *g, const mxd_node *node)
{
    if (mxdi_node_is(node, "MatMul") || !mxdi_layer_is_constant(g, node))
        return false;
    if (node->n_in < 3 || node->in[2] == MXD_NO_VALUE)
        return true;
    return g->value[node->in[2]].data && g->value[node->in[2]].dtype == MXD_F32;
}

static mxd_status own_biases(mxdi_graph *g, const mxdi_setting *setting, mxd_error *err)
{
    mxdi_links links = MXDI_LINKS_INIT;
    mxd_status st    = mxdi_links_build(&links, g, err);
    for (uint32_t n = 0; n < g->n_nodes && st == MXD_OK; n++)
        if (setting[n].correct_bias && can_have_bias(g, &g->node[n]))
            st = mxdi_layer_own_bias(g, &links, n, err);
    mxdi_links_free(&links);
    return st;
}

mxd_status mxdi_repair_ask(mxdi_setting *setting, bool *needs_data, mxdi_graph *g,
                           const mxdi_quantize_options *o, mxd_error *err)
{
    const char *asks = NULL;
    *needs_data      = false;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        mxdi_setting *const s = &setting[n];
        if (!mxdi_is_product(&g->node[n]) || !s->precision.w_bits)
            continue;
        if (s->rounding == MXDI_ROUNDING_UNSAID && (o->repair & MXDI_REPAIR_ADAROUND))
            s->rounding = MXDI_ADAROUND;
        const bool chosen = s->rounding == MXDI_ADAROUND;
        s->correct_bias   = chosen || (o->repair & MXDI_REPAIR_BIAS);
        *needs_data       = *needs_data || s->correct_bias;
        asks              = chosen ? "adaround" : s->correct_bias && !asks ? "bias" : asks;
        if (chosen && !o->adaround)
            return mxdi_fail(err, MXD_E_UNSUPPORTED,
                             "layer '%s': rounding 'adaround' is not done here; 'nearest' expected",
                             g->node[n].name);
    }
    if (*needs_data && !o->data)
        return mxdi_fail(err, MXD_E_USAGE,
                         "repair '%s': samples to compare layers on (--data SPEC) expected", asks);
    if (o->blocks && (!asks || strcmp(asks, "adaround") != 0))
        return mxdi_fail(
            err, MXD_E_USAGE,
            "reconstruct 'block': repair 'adaround' expected, no roundings are chosen");
    return own_biases(g, setting, err);
}
