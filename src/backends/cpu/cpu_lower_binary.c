/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of two values and of any number: in the layout that the larger operand has where shapes
 * agree or the other is one number or one per channel, else plain with broadcasting. */
#include <math.h>

#include "backends/cpu/cpu_emit.h"
#include "backends/cpu/cpu_lower.h"
#include "kernels/add_q8/add_q8.h"

static mxdi_binary_op function_of(const char *op)
{
    static const struct {
        const char    *op;
        mxdi_binary_op f;
    } functions[] = {
        { "Add", MXDI_BINARY_ADD },  { "Sub", MXDI_BINARY_SUB },     { "Mul", MXDI_BINARY_MUL },
        { "Div", MXDI_BINARY_DIV },  { "Min", MXDI_BINARY_MIN },     { "Max", MXDI_BINARY_MAX },
        { "Pow", MXDI_BINARY_POW },  { "PRelu", MXDI_BINARY_PRELU }, { "Sum", MXDI_BINARY_ADD },
        { "Mean", MXDI_BINARY_ADD },
    };
    for (size_t k = 0; k < sizeof(functions) / sizeof(functions[0]); k++)
        if (strcmp(functions[k].op, op) == 0)
            return functions[k].f;
    return MXDI_BINARY_COUNT;
}

/* ---- one number for each channel ---- */

struct channels {
    mxdi_binary_fn fn;
    uint32_t       y, x, v;
    bool           x_first;
};

static size_t channels_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const struct channels *const c = op;
    return (size_t)(mxdi_cpu_blocks(f, c->y) * f->tensor[c->y].l.h);
}

/* v: (images, channels) or (channels) as blocked pixels; each image of a pixel has its own row of
 * v. */
static void channels_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                         unsigned thread)
{
    const struct channels *const c = op;
    const mxdi_blocked *const l = &f->tensor[c->y].l, *const lv = &f->tensor[c->v].l;
    const bool own = f->tensor[c->v].images > 1;
    (void)thread;
    for (size_t line = begin; line < end; line++) {
        const int64_t block = (int64_t)line / l->h, row = (int64_t)line % l->h;
        const int64_t at = block * l->block_stride + row * mxdi_blocked_row(l);
        for (int64_t i = 0; i < (int64_t)l->w * l->block; i++) {
            const int64_t      image = i % l->block;
            const float *const v     = (const float *)f->ptr[c->v] +
                                   (own ? block * lv->block_stride + image * lv->pitch : 0);
            const float *const x = (const float *)f->ptr[c->x] + at + i * l->pitch;
            c->fn((float *)f->ptr[c->y] + at + i * l->pitch, c->x_first ? x : v, c->x_first ? v : x,
                  (size_t)l->channels, MXDI_FIXED_NONE);
        }
    }
}

static const mxdi_cpu_kind channels_kind = { channels_tasks, channels_run, NULL };

/* (1 or N, C, 1...) or (C, 1...) beside the (N, C, ...) of y: the vector's value has one number per
 * channel. */
static bool per_channel(const mxd_value *v, const mxd_value *y)
{
    const int32_t lead = y->rank - v->rank;
    if (y->rank < 3 || lead < 0 || lead > 1 || v->dtype != MXD_F32)
        return false;
    for (int32_t k = lead; k < y->rank; k++) {
        const int64_t d = v->dim[k - lead];
        if (k == 0 ? d != 1 && d != y->dim[0] : k == 1 ? d != y->dim[1] : d != 1)
            return false;
    }
    return true;
}

/* A blocked tensor of pixels with the channel numbers of `value`. */
static mxd_status channel_vector(uint32_t *out, mxdi_cpu_plan *p, uint32_t value,
                                 const mxd_value *y, mxd_error *err)
{
    const mxd_value *const v = &p->g->value[value];
    if (v->rank == y->rank && v->dim[0] > 1)
        return mxdi_cpu_get_blocked(out, p, value, err);
    uint32_t plain;
    MXD_TRY(mxdi_cpu_get_plain(&plain, p, value, err));
    MXD_TRY(mxdi_cpu_alias(out, p, plain, err));
    mxdi_cpu_tensor *const t = &p->program->tensor[*out];
    t->images                = 1;
    t->scaled                = false;
    t->blocked               = true;
    t->l                     = (mxdi_blocked){ 1, 1, (int32_t)y->dim[1], 1, y->dim[1], y->dim[1] };
    return MXD_OK;
}

static mxd_status emit_channels(mxdi_cpu_plan *p, uint32_t y, uint32_t x, uint32_t v,
                                mxdi_binary_op f, bool x_first, mxd_error *err)
{
    const mxdi_binary_f32 *const k  = mxdi_binary_f32_select(p->program->isa);
    struct channels *const       op = MXDI_CPU_NEW_OP(p, struct channels);
    if (!op)
        return mxdi_nomem(err);
    *op                          = (struct channels){ k->fn[f], y, x, v, x_first };
    const uint32_t          in[] = { x, v };
    const mxdi_cpu_emission e    = { .kind     = &channels_kind,
                                     .op       = op,
                                     .in       = in,
                                     .n_in     = 2,
                                     .out      = &y,
                                     .n_out    = 1,
                                     .in_place = true,
                                     .computed = "f32",
                                     .kernel   = mxdi_cpu_kernel_name(p, "binary_channels", k->name) };
    return e.kernel ? mxdi_cpu_emit(p, &e, err) : mxdi_nomem(err);
}

/* ---- f32 ---- */

static const float *one_number(mxdi_cpu_plan *p, uint32_t value)
{
    const float *v = NULL;
    if (mxdi_cpu_count(&p->g->value[value]) != 1 ||
        mxdi_cpu_constant_f32(&v, p, value, NULL) != MXD_OK)
        return NULL;
    return v;
}

/* y of value `out` := f(a, b), a and b values. */
static mxd_status lower_two(mxdi_cpu_plan *p, uint32_t out, uint32_t a, uint32_t b,
                            mxdi_binary_op f, mxd_error *err)
{
    const mxd_value *const vy = &p->g->value[out], *const v[2] = { &p->g->value[a],
                                                                   &p->g->value[b] };
    const uint32_t id[2] = { a, b };
    uint32_t       x, y, z;
    for (uint32_t k = 0; k < 2;
         k++) { /* id[k] has y's shape, the other is one number or one per channel */
        const uint32_t     other = id[1 - k];
        const float *const value = one_number(p, other);
        if (!mxdi_cpu_same_shape(v[k], vy))
            continue;
        const bool blocked = mxdi_cpu_is_blocked(p, id[k]) && mxdi_cpu_can_block(vy);
        if (value) {
            MXD_TRY(blocked ? mxdi_cpu_get_blocked(&x, p, id[k], err)
                            : mxdi_cpu_get_plain(&x, p, id[k], err));
            MXD_TRY(blocked ? mxdi_cpu_make_blocked(&y, p, out, err)
                            : mxdi_cpu_make_plain(&y, p, out, true, err));
            return mxdi_cpu_emit_fixed(p, y, x, *value, f, k == 0 ? MXDI_FIXED_B : MXDI_FIXED_A,
                                       err);
        }
        if (blocked && per_channel(v[1 - k], vy) && !mxdi_cpu_same_shape(v[0], v[1])) {
            MXD_TRY(mxdi_cpu_get_blocked(&x, p, id[k], err));
            MXD_TRY(channel_vector(&z, p, other, vy, err));
            MXD_TRY(mxdi_cpu_make_blocked(&y, p, out, err));
            return emit_channels(p, y, x, z, f, k == 0, err);
        }
    }
    const bool same = mxdi_cpu_same_shape(v[0], v[1]) && v[0]->batch_axis == v[1]->batch_axis;
    if (same && mxdi_cpu_can_block(vy) &&
        (mxdi_cpu_is_blocked(p, a) || mxdi_cpu_is_blocked(p, b))) {
        MXD_TRY(mxdi_cpu_get_blocked(&x, p, a, err));
        MXD_TRY(mxdi_cpu_get_blocked(&z, p, b, err));
        MXD_TRY(mxdi_cpu_make_blocked(&y, p, out, err));
        return mxdi_cpu_emit_binary(p, y, x, z, f, err);
    }
    MXD_TRY(mxdi_cpu_get_plain(&x, p, a, err));
    MXD_TRY(mxdi_cpu_get_plain(&z, p, b, err));
    MXD_TRY(mxdi_cpu_make_plain(&y, p, out, true, err));
    return same ? mxdi_cpu_emit_binary(p, y, x, z, f, err)
                : mxdi_cpu_emit_broadcast(p, y, x, z, vy, v[0], v[1], f, err);
}

mxd_status mxdi_cpu_lower_binary(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    if (mxdi_cpu_in(p->g, n, 0)->dtype != MXD_F32)
        return mxdi_cpu_lower_any(p, n, err);
    return lower_two(p, n->out[0], n->in[0], n->in[1], function_of(n->op), err);
}

const char *mxdi_cpu_check_binary(const mxd_graph_view *g, const mxd_node *n)
{
    const char *const why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    for (uint32_t k = 0; k < n->n_in; k++)
        if (mxdi_cpu_in(g, n, k)->dtype != MXD_F32)
            return mxdi_cpu_check_any(g, n);
    return n->n_in == 2 ? NULL : "two operands expected";
}

/* Min, Max, Sum of one, two or more: of two, the rest folded in by steps of their own. */
mxd_status mxdi_cpu_lower_variadic(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    if (n->n_in == 1) {
        p->value[n->out[0]].reshape_of = n->in[0];
        return MXD_OK;
    }
    const bool mean = strcmp(n->op, "Mean") == 0;
    if (n->n_in == 2 && !mean)
        return mxdi_cpu_lower_binary(p, n, err);
    const mxd_value *const vy = mxdi_cpu_out(p->g, n, 0);
    uint32_t               x, z, y;
    MXD_TRY(mxdi_cpu_get_plain(&x, p, n->in[0], err));
    MXD_TRY(mxdi_cpu_get_plain(&z, p, n->in[1], err));
    MXD_TRY(mxdi_cpu_make_plain(&y, p, n->out[0], true, err));
    MXD_TRY(mxdi_cpu_emit_broadcast(p, y, x, z, vy, mxdi_cpu_in(p->g, n, 0),
                                    mxdi_cpu_in(p->g, n, 1), function_of(n->op), err));
    for (uint32_t k = 2; k < n->n_in; k++) {
        MXD_TRY(mxdi_cpu_get_plain(&z, p, n->in[k], err));
        MXD_TRY(mxdi_cpu_emit_broadcast(p, y, y, z, vy, vy, mxdi_cpu_in(p->g, n, k),
                                        function_of(n->op), err));
    }
    return mean ? mxdi_cpu_emit_fixed(p, y, y, (float)n->n_in, MXDI_BINARY_DIV, MXDI_FIXED_B, err)
                : MXD_OK;
}

const char *mxdi_cpu_check_variadic(const mxd_graph_view *g, const mxd_node *n)
{
    const char *const why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    for (uint32_t k = 0; k < n->n_in; k++)
        if (mxdi_cpu_in(g, n, k)->dtype != MXD_F32)
            return n->n_in == 1 ? NULL : mxdi_cpu_check_any(g, n);
    return NULL;
}

/* ---- QAdd ---- */

struct add_q8 {
    const mxdi_add_q8 *k;
    mxdi_add_q8_params params;
    uint32_t           y, a, b;
    bool               same; /* one layout */
    bool               grows;
    int32_t            rank;
    int64_t            dim[MXD_MAX_RANK], ys[MXD_MAX_RANK], as[MXD_MAX_RANK], bs[MXD_MAX_RANK];
};

enum { ADD_GRAIN = 16384 };

static size_t add_q8_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const struct add_q8 *const a = op;
    mxdi_cpu_spans             s;
    mxdi_cpu_spans_of(&s, f, &a->y, 1);
    return a->same ? mxdi_cpu_pieces(&s, ADD_GRAIN) : 1;
}

static void add_q8_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                       unsigned thread)
{
    const struct add_q8 *const a = op;
    uint8_t *const             y = f->ptr[a->y];
    const uint8_t *const p = f->ptr[a->a], *const q = f->ptr[a->b];
    mxdi_cpu_spans s;
    mxdi_cpu_spans_of(&s, f, &a->y, 1);
    (void)thread;
    if (!a->same) {
        int64_t dim[MXD_MAX_RANK];
        memcpy(dim, a->dim, sizeof(dim));
        if (a->rank)
            dim[0] = mxdi_cpu_grown(f, dim[0], a->grows);
        mxdi_add_q8_broadcast(a->k, y, p, q, a->rank, dim, a->ys, a->as, a->bs, &a->params);
        return;
    }
    for (size_t i = begin; i < end; i++) {
        const mxdi_cpu_piece piece = mxdi_cpu_piece_at(&s, ADD_GRAIN, i);
        a->k->add(y + piece.at, p + piece.at, q + piece.at, (size_t)piece.n, &a->params);
    }
}

static const mxdi_cpu_kind add_q8_kind = { add_q8_tasks, add_q8_run, NULL };

mxd_status mxdi_cpu_lower_qadd(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const a = mxdi_cpu_in(p->g, n, 0), *const b = mxdi_cpu_in(p->g, n, 1),
                           *const y     = mxdi_cpu_out(p->g, n, 0);
    const int32_t                 shift = mxdi_cpu_shift(y->dtype);
    struct add_q8 *const          op    = MXDI_CPU_NEW_OP(p, struct add_q8);
    if (!op)
        return mxdi_nomem(err);
    *op        = (struct add_q8){ .k     = mxdi_add_q8_select(p->program->isa),
                                  .rank  = y->rank,
                                  .grows = y->batch_axis == 0 };
    op->params = (mxdi_add_q8_params){
        .a_scale_ratio = mxd_node_float(n, "a_scale_ratio", 1.0f),
        .b_scale_ratio = mxd_node_float(n, "b_scale_ratio", 1.0f),
        .a_zero_point  = (int32_t)mxd_node_int(n, "a_zero_point", 0) + mxdi_cpu_shift(a->dtype),
        .b_zero_point  = (int32_t)mxd_node_int(n, "b_zero_point", 0) + mxdi_cpu_shift(b->dtype),
        .y_zero_point  = (int32_t)mxd_node_int(n, "y_zero_point", 0) + shift,
        .q_min         = (int32_t)mxd_node_int(n, "q_min", -shift) + shift,
        .q_max         = (int32_t)mxd_node_int(n, "q_max", 255 - shift) + shift
    };
    op->same = mxdi_cpu_same_shape(a, b) && a->batch_axis == b->batch_axis;
    if (op->same && mxdi_cpu_can_block(y) &&
        (mxdi_cpu_is_blocked(p, n->in[0]) || mxdi_cpu_is_blocked(p, n->in[1]))) {
        MXD_TRY(mxdi_cpu_get_blocked(&op->a, p, n->in[0], err));
        MXD_TRY(mxdi_cpu_get_blocked(&op->b, p, n->in[1], err));
        MXD_TRY(mxdi_cpu_make_blocked(&op->y, p, n->out[0], err));
    } else {
        memcpy(op->dim, y->dim, sizeof(op->dim));
        mxdi_cpu_broadcast_strides(op->ys, y, y);
        mxdi_cpu_broadcast_strides(op->as, a, y);
        mxdi_cpu_broadcast_strides(op->bs, b, y);
        MXD_TRY(mxdi_cpu_get_plain(&op->a, p, n->in[0], err));
        MXD_TRY(mxdi_cpu_get_plain(&op->b, p, n->in[1], err));
        MXD_TRY(mxdi_cpu_make_plain(&op->y, p, n->out[0], true, err));
    }
    const uint32_t          in[] = { op->a, op->b };
    const mxdi_cpu_emission e    = { .kind     = &add_q8_kind,
                                     .op       = op,
                                     .in       = in,
                                     .n_in     = 2,
                                     .out      = &op->y,
                                     .n_out    = 1,
                                     .in_place = op->same,
                                     .computed = "u8",
                                     .kernel   = mxdi_cpu_kernel_name(p, "add_q8", op->k->name) };
    return e.kernel ? mxdi_cpu_emit(p, &e, err) : mxdi_nomem(err);
}

const char *mxdi_cpu_check_qadd(const mxd_graph_view *g, const mxd_node *n)
{
    return mxdi_cpu_check_shapes(g, n);
}
