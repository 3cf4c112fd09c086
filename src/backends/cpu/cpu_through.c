/* SPDX-License-Identifier: Apache-2.0
 *
 * Attention splits and joins heads by Transposes around its products. A product of two integer
 * activations takes strides, so a Transpose in front of such products alone, and one behind that
 * takes a product's whole result, cost nothing. */
#include "backends/cpu/cpu_through.h"

static bool is_product(const mxd_graph_view *g, const mxd_node *n)
{
    return strcmp(n->op, "QMatMul") == 0 && !g->value[n->in[1]].data;
}

static int64_t source_axis(const mxd_node *transpose, int32_t rank, int32_t k)
{
    uint32_t             count;
    const int64_t *const perm = mxd_node_ints(transpose, "perm", &count);
    return perm ? perm[k] : rank - 1 - k;
}

/* Its type, rank and batch allow strides instead. */
static bool can_be_strides(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const x = &g->value[n->in[0]];
    return strcmp(n->op, "Transpose") == 0 && mxdi_cpu_is_byte(x->dtype) && !x->data &&
           x->rank >= 2 && (x->batch_axis < 0 || source_axis(n, x->rank, 0) == 0);
}

/* The last axis stays where it is. */
static bool keeps_rows(const mxd_graph_view *g, const mxd_node *transpose)
{
    const int32_t rank = g->value[transpose->in[0]].rank;
    return source_axis(transpose, rank, rank - 1) == rank - 1;
}

/* Every use of the Transpose's output is an operand that may stand anywhere. */
static bool only_products_read(const mxdi_cpu_plan *p, const mxd_node *n)
{
    const mxd_graph_view *const g    = p->g;
    uint32_t                    good = 0;
    for (const mxd_node *to = n + 1; to < g->node + g->n_nodes; to++) {
        if (!is_product(g, to))
            continue;
        good += to->in[0] == n->out[0] && keeps_rows(g, n);
        good += to->in[1] == n->out[0];
    }
    return good == p->value[n->out[0]].n_uses;
}

void mxdi_cpu_plan_through(mxdi_cpu_plan *p)
{
    const mxd_graph_view *const g = p->g;
    for (const mxd_node *n = g->node; n < g->node + g->n_nodes; n++) {
        if (!can_be_strides(g, n))
            continue;
        mxdi_cpu_state *const x = &p->value[n->in[0]], *const y = &p->value[n->out[0]];
        if (y->output == MXD_NO_VALUE && only_products_read(p, n)) {
            y->read_through = n;
            continue;
        }
        const mxd_node *from = n;
        while (from > g->node && from->out[0] != n->in[0])
            from--;
        if (from->out[0] == n->in[0] && is_product(g, from) && !mxdi_cpu_has_in(from, 5) &&
            x->n_uses == 1 && x->output == MXD_NO_VALUE && keeps_rows(g, n))
            x->write_through = n;
    }
}

bool mxdi_cpu_is_through(const mxdi_cpu_plan *p, const mxd_node *transpose)
{
    return p->value[transpose->out[0]].read_through || p->value[transpose->in[0]].write_through;
}

static void plain_strides(int64_t *stride, const mxd_value *v)
{
    int64_t step = 1;
    for (int32_t k = v->rank - 1; k >= 0; step *= v->dim[k--])
        stride[k] = step;
}

mxd_status mxdi_cpu_through_in(uint32_t *tensor, int64_t *stride, mxdi_cpu_plan *p, uint32_t value,
                               mxd_error *err)
{
    const mxd_node *const  t      = p->value[value].read_through;
    const uint32_t         source = t ? t->in[0] : value;
    const mxd_value *const v      = &p->g->value[source];
    int64_t                plain[MXD_MAX_RANK];
    plain_strides(plain, v);
    for (int32_t k = 0; k < v->rank; k++)
        stride[k] = plain[t ? source_axis(t, v->rank, k) : k];
    return mxdi_cpu_get_plain(tensor, p, source, err);
}

mxd_status mxdi_cpu_through_out(uint32_t *tensor, int64_t *stride, mxdi_cpu_plan *p, uint32_t value,
                                mxd_error *err)
{
    const mxd_node *const  t    = p->value[value].write_through;
    const uint32_t         made = t ? t->out[0] : value;
    const mxd_value *const v    = &p->g->value[made];
    int64_t                plain[MXD_MAX_RANK];
    plain_strides(plain, v);
    for (int32_t k = 0; k < v->rank; k++)
        stride[t ? source_axis(t, v->rank, k) : k] = plain[k];
    return mxdi_cpu_make_plain(tensor, p, made, true, err);
}
