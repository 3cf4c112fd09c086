/* SPDX-License-Identifier: Apache-2.0
 *
 * Nodes with a convolution of constant weights: QConv, alone and with the pool behind it,
 * FusedConv, Conv.
 */
#include "backends/cpu/cpu_product.h"

static mxd_status conv_tensors(mxdi_cpu_product *c, mxdi_cpu_plan *p, const mxd_node *n,
                               uint32_t residual_in, mxd_error *err)
{
    const mxd_value *const w = mxdi_cpu_in(p->g, n, 1);
    *c = (mxdi_cpu_product){ .r = MXD_NO_VALUE, .groups = (int32_t)mxd_node_int(n, "group", 1) };
    c->window =
        mxdi_cpu_window_of(n, mxdi_cpu_in(p->g, n, 0), mxdi_cpu_out(p->g, n, 0), w->dim + 2).w;
    MXD_TRY(mxdi_cpu_get_blocked(&c->x, p, n->in[0], err));
    if (mxdi_cpu_has_in(n, residual_in))
        MXD_TRY(mxdi_cpu_get_blocked(&c->r, p, n->in[residual_in], err));
    return mxdi_cpu_make_blocked(&c->y, p, n->out[0], err);
}

/* ---- a convolution and the pool behind it in one step ---- */

/* The 2x2 MaxPool that alone takes the output of n, or NULL. */
static const mxd_node *pool_of(const mxdi_cpu_plan *p, const mxd_node *n)
{
    const mxd_graph_view *const g    = p->g;
    const mxd_value *const      x    = mxdi_cpu_out(g, n, 0);
    const mxd_node             *pool = n + 1;
    if (p->value[n->out[0]].n_uses != 1 || p->value[n->out[0]].output != MXD_NO_VALUE ||
        x->rank != 4 || !mxdi_cpu_is_byte(x->dtype) || mxd_dtype_bits(x->dtype) != 8)
        return NULL;
    while (pool < g->node + g->n_nodes && (pool->n_in == 0 || pool->in[0] != n->out[0]))
        pool++;
    if (pool == g->node + g->n_nodes || strcmp(pool->op, "MaxPool") != 0 ||
        mxdi_cpu_check_pool(g, pool) || mxdi_cpu_can_plain_pool(g, pool))
        return NULL;
    const mxd_value *const y = mxdi_cpu_out(g, pool, 0);
    const mxdi_window2d    w = mxdi_cpu_window_of(pool, x, y, NULL).w;
    const bool whole = w.kh == 2 && w.kw == 2 && w.sh == 2 && w.sw == 2 && w.dh == 1 && w.dw == 1 &&
                       w.ph == 0 && w.pw == 0 && 2 * y->dim[2] <= x->dim[2] &&
                       2 * y->dim[3] <= x->dim[3];
    return whole && y->dtype == x->dtype ? pool : NULL;
}

/* n as the origin of what its pool asks for, too. */
static mxd_status join_origins(mxd_node *both, mxdi_cpu_plan *p, const mxd_node *n,
                               const mxd_node *pool, mxd_error *err)
{
    const size_t       a = n->n_origin, b = pool->n_origin;
    const char **const names =
        mxdi_arena_alloc(&p->program->arena, a + b + 1, sizeof(names[0]), sizeof(names[0]));
    if (!names)
        return mxdi_nomem(err);
    for (size_t k = 0; k < a + b; k++)
        names[k] = k < a ? n->origin[k] : pool->origin[k - a];
    *both          = *n;
    both->origin   = names;
    both->n_origin = (uint32_t)(a + b);
    return MXD_OK;
}

/* A kernel that does both, with x and the window of `c`; NULL with MXD_OK where there is none. */
static mxd_status create_pooled(mxdi_conv_q8 **out, mxdi_cpu_plan *p, const mxd_node *n,
                                const mxd_node *pool, const mxdi_cpu_product *c,
                                const mxdi_cpu_weights *w, const int16_t *plain, mxd_error *err)
{
    mxd_program *const g   = p->program;
    mxd_error          why = MXD_ERROR_INIT;
    mxdi_conv_q8_desc  d   = { .x            = g->tensor[c->x].l,
                               .window       = c->window,
                               .groups       = c->groups,
                               .w            = plain,
                               .x_zero_point = mxdi_cpu_x_zero_point(p, n),
                               .pooled       = true };
    MXD_TRY(mxdi_cpu_epilogue(&d.epilogue, p, n, w->c_out, err));
    MXD_TRY(mxdi_cpu_layout_of(&d.y, mxdi_cpu_out(p->g, pool, 0), g->max_batch, err));
    const mxd_status st = mxdi_conv_q8_create(out, &d, g->isa, g->alloc, &why);
    if (st != MXD_OK)
        return st == MXD_E_NOMEM ? mxdi_nomem(err) : MXD_OK;
    if (mxdi_cpu_over_cap(p, mxdi_conv_q8_bytes(*out), mxdi_conv_q8_scratch(*out))) {
        mxdi_conv_q8_destroy(*out);
        *out = NULL;
    }
    return MXD_OK;
}

/* Takes k. */
static mxd_status emit_pooled(mxdi_cpu_plan *p, const mxd_node *n, const mxd_node *pool,
                              const mxdi_cpu_product *c, mxdi_conv_q8 *k, mxd_error *err)
{
    const mxd_node *const   node = p->node;
    mxdi_cpu_product        as   = *c;
    mxd_node                both;
    mxdi_cpu_conv_q8 *const op = MXDI_CPU_NEW_OP(p, mxdi_cpu_conv_q8);
    as.pooled                  = true;
    mxd_status st              = op ? join_origins(&both, p, n, pool, err) : mxdi_nomem(err);
    if (st == MXD_OK)
        st = mxdi_cpu_make_blocked(&as.y, p, pool->out[0], err);
    if (st != MXD_OK) {
        mxdi_conv_q8_destroy(k);
        return st;
    }
    *op = (mxdi_cpu_conv_q8){ k, as.x, as.r, as.y };
    mxdi_cpu_need_scratch(p, mxdi_conv_q8_scratch(k));
    p->node = &both;
    st = mxdi_cpu_emit_product(p, &as, &mxdi_cpu_conv_q8_kind, op, mxdi_conv_q8_name(k), "u8s8",
                               mxdi_conv_q8_bytes(k), err);
    p->node = node;
    return st;
}

/* *done: n and its pool are one step, and it is emitted. */
static mxd_status lower_pooled(bool *done, mxdi_cpu_plan *p, const mxd_node *n,
                               const mxdi_cpu_weights *w, mxd_error *err)
{
    const mxd_node *const pool = pool_of(p, n);
    mxdi_conv_q8         *k    = NULL;
    *done                      = false;
    if (!pool || mxdi_cpu_has_in(n, 5))
        return MXD_OK;
    const mxd_value *const x = mxdi_cpu_in(p->g, n, 0), *const y = mxdi_cpu_out(p->g, n, 0);
    mxdi_cpu_product c = { .r      = MXD_NO_VALUE,
                           .window = mxdi_cpu_window_of(n, x, y, p->g->value[w->value].dim + 2).w,
                           .groups = (int32_t)mxd_node_int(n, "group", 1) };
    int16_t *const   plain =
        mxdi_arena_alloc(&p->scratch, (size_t)(w->c_out * w->c_in * w->taps), sizeof(int16_t), 64);
    if (!plain)
        return mxdi_nomem(err);
    MXD_TRY(mxdi_cpu_get_blocked(&c.x, p, n->in[0], err));
    MXD_TRY(mxdi_cpu_unpack_weights(plain, p, n, w, err));
    MXD_TRY(create_pooled(&k, p, n, pool, &c, w, plain, err));
    *done = k != NULL;
    return k ? emit_pooled(p, n, pool, &c, k, err) : MXD_OK;
}

mxd_status mxdi_cpu_lower_qconv(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const w = mxdi_cpu_in(p->g, n, 1);
    mxdi_cpu_product       c;
    int64_t                taps = 1;
    for (int32_t k = 2; k < w->rank; k++)
        taps *= w->dim[k];
    const mxdi_cpu_weights weights = { n->in[1],         w->dim[0], w->dim[1], taps,
                                       w->dim[1] * taps, taps,      1 };
    bool                   done;
    MXD_TRY(lower_pooled(&done, p, n, &weights, err));
    if (done)
        return MXD_OK;
    MXD_TRY(conv_tensors(&c, p, n, 5, err));
    return mxdi_cpu_emit_product_q8(p, n, &c, &weights, err);
}

static mxd_status lower_packed(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const float     *w, *bias = NULL;
    mxdi_cpu_product c;
    MXD_TRY(mxdi_cpu_constant_f32(&w, p, n->in[1], err));
    if (mxdi_cpu_has_in(n, 2))
        MXD_TRY(mxdi_cpu_constant_f32(&bias, p, n->in[2], err));
    if (!w || (mxdi_cpu_has_in(n, 2) && !bias))
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "weights and bias must be constant");
    MXD_TRY(conv_tensors(&c, p, n, 3, err));
    return mxdi_cpu_emit_product_f32(p, n, &c, w, bias, err);
}

/* What the packed kernels say of a node; NULL: they take it. */
static const char *check_packed(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const x = mxdi_cpu_in(g, n, 0), *const w = mxdi_cpu_in(g, n, 1),
                           *const y = mxdi_cpu_out(g, n, 0);
    if (!w || w->rank < 3 || w->rank > 4 || x->rank != w->rank)
        return "no CPU kernel for convolutions in three dimensions: runs in the reference interpreter";
    if (!mxdi_cpu_can_block(x) || !mxdi_cpu_can_block(y))
        return "no CPU kernel for convolutions of this type: runs in the reference interpreter";
    if (!mxdi_cpu_is_fixed(g, n->in[1]) ||
        (mxdi_cpu_has_in(n, 2) && !mxdi_cpu_is_fixed(g, n->in[2])))
        return "weights or bias are not constant: runs in the reference interpreter";
    return NULL;
}

mxd_status mxdi_cpu_lower_conv(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    return check_packed(p->g, n) ? mxdi_cpu_lower_plain_conv(p, n, err) : lower_packed(p, n, err);
}

const char *mxdi_cpu_check_conv(const mxd_graph_view *g, const mxd_node *n)
{
    const char *const why = mxdi_cpu_check_shapes(g, n);
    return why ? why : check_packed(g, n);
}

const char *mxdi_cpu_check_any_conv(const mxd_graph_view *g, const mxd_node *n)
{
    const char *const why = mxdi_cpu_check_conv(g, n);
    return !why || mxdi_cpu_check_shapes(g, n) || !mxdi_cpu_can_plain_conv(g, n) ? why : NULL;
}
