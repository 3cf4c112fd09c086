/* SPDX-License-Identifier: Apache-2.0
 *
 * Recipes, the project's own and NNI's: what parses is applied to a small network.
 */
#include "fuzz/fuzz_case.h"
#include "ir/graph.h"
#include "quant/recipe.h"

static mxdi_graph *network(void)
{
    static const char *const op[] = { "Conv", "Relu", "Gemm", "MatMul" };
    mxdi_graph              *g    = NULL;
    if (mxdi_graph_create(&g, &fuzz_allocator, NULL) != MXD_OK)
        return NULL;
    uint32_t value = 0;
    if (mxdi_graph_add_value(&value, g, "x", NULL, NULL) != MXD_OK)
        return g;
    for (uint32_t k = 0; k < 4; k++) {
        mxd_node *node = NULL;
        uint32_t  out  = 0;
        if (mxdi_graph_add_value(&out, g, op[k], NULL, NULL) != MXD_OK ||
            mxdi_graph_add_node(&node, g, op[k], "", op[k], &value, 1, &out, 1, NULL) != MXD_OK)
            break;
        value = out;
    }
    return g;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mxdi_recipe *r   = NULL;
    mxd_error    err = MXD_ERROR_INIT;
    if (fuzz_told(mxdi_recipe_parse(&r, (mxdi_view){ data, size }, &fuzz_allocator, &err), &err) !=
        MXD_OK)
        return fuzz_end();
    mxdi_graph *const g = network();
    mxdi_setting      setting[4];
    if (g && g->n_nodes == 4)
        fuzz_told(mxdi_recipe_apply(setting, r, g, &err), &err);
    mxdi_graph_destroy(g);
    mxdi_recipe_destroy(r);
    return fuzz_end();
}
