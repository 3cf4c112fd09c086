/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the weights of one output channel lie, and scaling them.
 */
#include "passes/channels.h"

#include "base/dtype.h"

static bool is_gemm(const mxd_node *node)
{
    return mxdi_node_is(node, "Gemm");
}

static bool is_plain(const mxd_value *v)
{
    return v->data && v->dtype == MXD_F32 && v->rank >= 0;
}

/* The bias, or NULL. */
static const mxd_value *bias_of(const mxdi_graph *g, const mxd_node *node)
{
    return node->n_in > 2 && node->in[2] != MXD_NO_VALUE ? &g->value[node->in[2]] : NULL;
}

/* Elements of a bias when it is one number for each channel, or one for all; else 0. */
static int64_t bias_length(const mxd_value *b, int64_t channels)
{
    if (b->rank == 0)
        return 1;
    const int64_t last = b->dim[b->rank - 1];
    const bool    lies = b->rank == 1 || (b->rank == 2 && b->dim[0] == 1);
    return lies && (last == 1 || last == channels) ? last : 0;
}

int64_t mxdi_channels_of(const mxdi_graph *g, const mxd_node *node)
{
    if (!node->op || *node->domain || node->n_in < 2 || node->in[1] == MXD_NO_VALUE)
        return 0;
    const mxd_value *const w = &g->value[node->in[1]];
    const mxd_value *const b = bias_of(g, node);
    int64_t                n = 0;
    if (!is_plain(w) || (b && !is_plain(b)))
        return 0;
    if (mxdi_node_is(node, "Conv") && w->rank >= 3)
        n = w->dim[0];
    else if (mxdi_node_is(node, "ConvTranspose") && w->rank >= 3)
        n = w->dim[1] * mxd_node_int(node, "group", 1);
    else if (is_gemm(node) && w->rank == 2)
        n = w->dim[mxd_node_int(node, "transB", 0) ? 0 : 1];
    return b && bias_length(b, n) == 0 ? 0 : n;
}

/* The weight as (outer, middle, inner), whose element (o, m, i) belongs to output channel
 * o / per_group * middle + m. */
typedef struct layout {
    int64_t outer, middle, inner, per_group;
} layout;

static layout layout_of(const mxd_node *node, const mxd_value *w)
{
    const bool    transposed = mxdi_node_is(node, "ConvTranspose");
    const bool    last       = is_gemm(node) && !mxd_node_int(node, "transB", 0);
    const int32_t axis       = transposed || last ? 1 : 0;
    layout        l          = { axis == 1 ? w->dim[0] : 1, w->dim[axis], 1, 1 };
    for (int32_t d = axis + 1; d < w->rank; d++)
        l.inner *= w->dim[d];
    /* (C, M/group, kernel...): the input channels of one group feed the same output channels */
    l.per_group = transposed ? w->dim[0] / mxd_node_int(node, "group", 1) : l.outer;
    return l;
}

static mxd_status scale_weight(mxdi_rewriter *r, uint32_t n, const double *scale, mxd_error *err)
{
    mxdi_graph *const      g     = r->g;
    const mxd_value *const w     = &g->value[g->node[n].in[1]];
    const layout           l     = layout_of(&g->node[n], w);
    const float *const     from  = w->data;
    float *const           to    = mxdi_arena_alloc(&g->arena, w->bytes, 1, 64);
    uint32_t               value = g->node[n].in[1];
    if (!to)
        return mxdi_nomem(err);
    for (int64_t o = 0; o < l.outer; o++)
        for (int64_t m = 0; m < l.middle; m++) {
            const double  s  = scale[o / l.per_group * l.middle + m];
            const int64_t at = (o * l.middle + m) * l.inner;
            for (int64_t i = at; i < at + l.inner; i++)
                to[i] = (float)((double)from[i] * s);
        }
    const mxd_value shape = *w;
    MXD_TRY(mxdi_rewrite_floats(r, &value, to, shape.dim, shape.rank, err));
    if (value != g->node[n].in[1])
        mxdi_rewrite_set_in(r, n, 1, value);
    return MXD_OK;
}

/* bias * scale + shift, as (channels). A bias that was no input becomes one. */
static mxd_status set_bias(mxdi_rewriter *r, uint32_t n, int64_t channels, const double *scale,
                           const double *shift, mxd_error *err)
{
    mxdi_graph *const      g = r->g;
    const mxd_value *const b = bias_of(g, &g->node[n]);
    const double           beta =
        is_gemm(&g->node[n]) ? (double)mxd_node_float(&g->node[n], "beta", 1.0f) : 1.0;
    float *const to = mxdi_arena_alloc(&g->arena, (size_t)channels, sizeof(float), 64);
    if (!to)
        return mxdi_nomem(err);
    for (int64_t c = 0; c < channels; c++) {
        const float *const old = b ? b->data : NULL;
        const double own = old ? beta * (double)old[bias_length(b, channels) == 1 ? 0 : c] : 0.0;
        to[c]            = (float)(own * (scale ? scale[c] : 1.0) + shift[c]);
    }
    mxdi_node_remove_attr(&g->node[n], "beta");
    if (b) {
        uint32_t value = g->node[n].in[2];
        MXD_TRY(mxdi_rewrite_floats(r, &value, to, &channels, 1, err));
        if (value != g->node[n].in[2])
            mxdi_rewrite_set_in(r, n, 2, value);
        return MXD_OK;
    }
    const mxd_tensor t     = { to, MXD_F32, 1, { channels } };
    uint32_t         in[3] = { g->node[n].in[0], g->node[n].in[1], 0 };
    MXD_TRY(mxdi_graph_add_constant(&in[2], g, NULL, g->node[n].name, &t, false, err));
    return mxdi_rewrite_inputs(r, n, in, 3, err);
}

mxd_status mxdi_channels_affine(mxdi_rewriter *r, uint32_t node, const double *scale,
                                const double *shift, mxd_error *err)
{
    const int64_t channels = mxdi_channels_of(r->g, &r->g->node[node]);
    if (scale)
        MXD_TRY(scale_weight(r, node, scale, err));
    return set_bias(r, node, channels, scale, shift, err);
}
