/* SPDX-License-Identifier: Apache-2.0
 *
 * BatchNormalization, and Mul, Div, Add and Sub with a constant for each channel, behind a Conv,
 * ConvTranspose or Gemm go into its weights and bias (Jacob et al. 2018, arXiv:1712.05877, section
 * 3.2): y = conv(x) * scale[c] + shift[c]. The node keeps its name. Only where nothing else reads
 * the convolution's output, and where weight, bias and all parameters are plain binary32 constants:
 * a weight behind a DequantizeLinear is none, and so quantized networks stay as they are.
 *
 * Rounding changes: a whole chain is composed in binary64, and each weight is rounded once, instead
 * of each output after each node. Factors and terms that are not finite in binary32 are left alone.
 */
#include "passes/channels.h"
#include "passes/passes.h"

#include "base/dtype.h"

#include <math.h>

/* y = x * scale + shift, where x is input `data`. */
typedef struct affine {
    uint32_t data;
    double  *scale, *shift; /* (channels) */
    bool     scales;        /* scale is not all 1 */
} affine;

static const mxd_value *plain_constant(const mxdi_graph *g, const mxd_node *node, uint32_t k)
{
    const mxd_value *const v = node->in[k] == MXD_NO_VALUE ? NULL : &g->value[node->in[k]];
    return v && v->data && v->dtype == MXD_F32 ? v : NULL;
}

/* Batch normalization: scale, B, mean, var are inputs 1..4. */
static bool read_batch_norm(affine *a, const mxdi_graph *g, const mxd_node *node, int64_t channels)
{
    const double epsilon = (double)mxd_node_float(node, "epsilon", 1e-5f);
    const float *p[5]    = { NULL };
    if (mxd_node_int(node, "training_mode", 0) != 0)
        return false;
    for (uint32_t k = 1; k < 5; k++) {
        const mxd_value *const v = plain_constant(g, node, k);
        if (!v || v->rank != 1 || v->dim[0] != channels)
            return false;
        p[k] = v->data;
    }
    a->scales = true;
    for (int64_t c = 0; c < channels; c++) {
        a->scale[c] = (double)p[1][c] / sqrt((double)p[4][c] + epsilon);
        a->shift[c] = (double)p[2][c] - (double)p[3][c] * a->scale[c];
    }
    return true;
}

/* Whether constant `c` broadcasts over a value of `rank` as one number for each of axis 1, or as
 * one for all: its elements are then at step 1 or 0. */
static bool is_per_channel(const mxd_value *c, int32_t rank, int64_t channels, int64_t *step)
{
    if (c->rank > rank)
        return false;
    *step = 0;
    for (int32_t d = 0; d < c->rank; d++) {
        if (c->dim[d] == 1)
            continue;
        if (d + rank - c->rank != 1 || c->dim[d] != channels)
            return false;
        *step = 1;
    }
    return true;
}

/* x op c for constant c; c - x as well, since it is x * -1 + c. */
static bool read_arithmetic(affine *a, const mxdi_graph *g, const mxd_node *node, int64_t channels)
{
    const mxd_value *const c    = plain_constant(g, node, 1 - a->data);
    int64_t                step = 0;
    if (!c || !is_per_channel(c, g->value[node->in[a->data]].rank, channels, &step) ||
        (mxdi_node_is(node, "Div") && a->data == 1))
        return false;
    const float *const v = c->data;
    a->scales            = mxdi_node_is(node, "Mul") || mxdi_node_is(node, "Div") ||
                (mxdi_node_is(node, "Sub") && a->data == 1);
    for (int64_t k = 0; k < channels; k++) {
        const double x = (double)v[k * step];
        a->scale[k]    = 1.0;
        a->shift[k]    = 0.0;
        if (mxdi_node_is(node, "Mul"))
            a->scale[k] = x;
        else if (mxdi_node_is(node, "Div"))
            a->scale[k] = 1.0 / x;
        else if (mxdi_node_is(node, "Add"))
            a->shift[k] = x;
        else if (a->data == 0)
            a->shift[k] = -x;
        else {
            a->scale[k] = -1.0;
            a->shift[k] = x;
        }
    }
    return true;
}

/* Whether node `u` is affine in `value`, and how. */
static bool read_node(affine *a, const mxdi_graph *g, uint32_t u, uint32_t value, int64_t channels)
{
    static const char *const ops[]  = { "Mul", "Div", "Add", "Sub" };
    const mxd_node *const    node   = &g->node[u];
    const bool               norm   = mxdi_node_is(node, "BatchNormalization");
    bool                     listed = norm;
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
        listed = listed || mxdi_node_is(node, ops[i]);
    if (!listed || *node->domain)
        return false;
    a->data = node->in[0] == value ? 0 : 1;
    if (norm)
        return a->data == 0 && read_batch_norm(a, g, node, channels);
    return read_arithmetic(a, g, node, channels);
}

/* all = all, then next; false, and all as before, when a number leaves binary32. */
static bool append(affine *all, const affine *next, int64_t channels)
{
    for (int64_t c = 0; c < channels; c++)
        if (!isfinite((float)(all->scale[c] * next->scale[c])) ||
            !isfinite((float)(all->shift[c] * next->scale[c] + next->shift[c])))
            return false;
    for (int64_t c = 0; c < channels; c++) {
        all->shift[c] = all->shift[c] * next->scale[c] + next->shift[c];
        all->scale[c] *= next->scale[c];
    }
    all->scales = all->scales || next->scales;
    return true;
}

/* Everything affine behind node n, as long as nothing else reads what is between. */
static mxd_status fold_behind(mxdi_rewriter *r, uint32_t n, int64_t channels, double *numbers,
                              mxd_error *err)
{
    affine all    = { 0, numbers, numbers + channels, false };
    affine next   = { 0, numbers + 2 * channels, numbers + 3 * channels, false };
    bool   folded = false;
    for (int64_t c = 0; c < channels; c++)
        all.scale[c] = 1.0;
    for (;;) {
        const uint32_t value = r->g->node[n].out[0];
        const uint32_t user  = mxdi_rewrite_only_user(r, value);
        if (user == MXD_NO_VALUE || !read_node(&next, r->g, user, value, channels) ||
            !append(&all, &next, channels))
            break;
        MXD_TRY(mxdi_rewrite_absorb(r, n, user, err));
        folded = true;
    }
    return folded ? mxdi_channels_affine(r, n, all.scales ? all.scale : NULL, all.shift, err)
                  : MXD_OK;
}

static mxd_status visit(mxdi_rewriter *r, uint32_t n, mxd_error *err)
{
    const mxd_allocator *const alloc    = r->g->arena.alloc;
    const int64_t              channels = mxdi_channels_of(r->g, &r->g->node[n]);
    if (channels < 1)
        return MXD_OK;
    double *const    numbers = MXDI_ALLOC(alloc, double, 4 * (size_t)channels);
    const mxd_status st = numbers ? fold_behind(r, n, channels, numbers, err) : mxdi_nomem(err);
    mxdi_free(alloc, numbers);
    return st;
}

mxd_status mxdi_pass_fold_affine(mxdi_graph *g, bool *changed, mxd_error *err)
{
    mxdi_rewriter r;
    mxd_status    st = mxdi_rewrite_begin(&r, g, err);
    for (uint32_t n = 0; st == MXD_OK && n < g->n_nodes; n++)
        st = visit(&r, n, err);
    return mxdi_rewrite_end(&r, changed, st);
}
