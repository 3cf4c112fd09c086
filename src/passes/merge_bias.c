/* SPDX-License-Identifier: Apache-2.0
 *
 * MatMul of two matrices, then Add of a constant row -> Gemm, which keeps MatMul's name. Not where
 * an operand is dequantized: what stands between quantizers stays as it was written. Gemm adds
 * where Add did; only the order of the sum may differ.
 */
#include "passes/passes.h"
#include "passes/rewrite.h"

/* A constant row (N), (1, N) or one number. */
static bool is_row(const mxd_value *c, int64_t columns)
{
    const bool lying = c->rank == 0 || c->rank == 1 || (c->rank == 2 && c->dim[0] == 1);
    return c->data && c->dtype == MXD_F32 && lying &&
           (c->rank == 0 || c->dim[c->rank - 1] == 1 || c->dim[c->rank - 1] == columns);
}

static bool is_plain_matrix(const mxdi_rewriter *r, uint32_t value)
{
    const uint32_t         maker = mxdi_rewrite_maker(r, value);
    const mxd_value *const v     = &r->g->value[value];
    return v->rank == 2 && v->dtype == MXD_F32 &&
           (maker == MXD_NO_VALUE || !mxdi_node_is(&r->g->node[maker], "DequantizeLinear"));
}

static mxd_status merge(mxdi_rewriter *r, uint32_t n, mxd_error *err)
{
    mxdi_graph *const g = r->g;
    for (uint32_t k = 0; k < 2; k++) {
        const uint32_t product = g->node[n].in[k], row = g->node[n].in[1 - k];
        const uint32_t m = mxdi_rewrite_only_use(r, product, "MatMul");
        if (m == MXD_NO_VALUE || !is_plain_matrix(r, g->node[m].in[0]) ||
            !is_plain_matrix(r, g->node[m].in[1]) ||
            !is_row(&g->value[row], g->value[product].dim[1]))
            continue;
        const uint32_t in[] = { g->node[m].in[0], g->node[m].in[1], row };
        MXD_TRY(mxdi_rewrite_inputs(r, m, in, 3, err));
        g->node[m].op = "Gemm";
        return mxdi_rewrite_absorb(r, m, n, err);
    }
    return MXD_OK;
}

mxd_status mxdi_pass_merge_bias(mxdi_graph *g, bool *changed, mxd_error *err)
{
    mxdi_rewriter r;
    mxd_status    st = mxdi_rewrite_begin(&r, g, err);
    for (uint32_t n = 0; st == MXD_OK && n < g->n_nodes; n++)
        if (mxdi_node_is(&g->node[n], "Add") && !*g->node[n].domain)
            st = merge(&r, n, err);
    return mxdi_rewrite_end(&r, changed, st);
}
