/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix products. With constant weights they are convolutions of one pixel over rows - or, behind
 * a Flatten of a blocked image, one convolution with a kernel as large as the image. With two
 * activations they are batched products.
 */
#include "backends/cpu/cpu_emit.h"
#include "backends/cpu/cpu_lower.h"
#include "backends/cpu/cpu_matmul.h"
#include "backends/cpu/cpu_move.h"
#include "kernels/matmul_f32/matmul_f32.h"

/* ---- constant weights ---- */

static const mxdi_window2d one_pixel = { 1, 1, 1, 1, 1, 1, 0, 0 };

/* The blocked image that the rows of `value` are, flattened channel by channel; MXD_NO_VALUE: they
 * are none. */
static uint32_t image_behind(const mxdi_cpu_plan *p, uint32_t value)
{
    const mxd_value *const a  = &p->g->value[value];
    const uint32_t         of = p->value[value].reshape_of;
    if (of == MXD_NO_VALUE || p->value[value].plain != MXD_NO_VALUE ||
        p->value[of].blocked == MXD_NO_VALUE || a->rank != 2)
        return MXD_NO_VALUE;
    const mxd_value *const    b      = &p->g->value[of];
    const mxdi_blocked *const l      = &p->program->tensor[p->value[of].blocked].l;
    const bool                pixels = (int64_t)l->h * l->w > 1; /* one pixel is a row as it is */
    return pixels && b->dim[0] == a->dim[0] && b->batch_axis == a->batch_axis ? of : MXD_NO_VALUE;
}

/* x, r, y of a product with `w`, whose steps along k are `k_stride` apart. */
static mxd_status product_tensors(mxdi_cpu_product *c, mxdi_cpu_weights *w, mxdi_cpu_plan *p,
                                  const mxd_node *n, uint32_t residual, int64_t k, int64_t k_stride,
                                  mxd_error *err)
{
    const uint32_t image = image_behind(p, n->in[0]);
    *c           = (mxdi_cpu_product){ .r = MXD_NO_VALUE, .groups = 1, .window = one_pixel };
    w->c_in      = k;
    w->taps      = 1;
    w->ci_stride = k_stride;
    if (image == MXD_NO_VALUE) {
        MXD_TRY(mxdi_cpu_get_rows(&c->x, p, n->in[0], err));
        if (residual != MXD_NO_VALUE)
            MXD_TRY(mxdi_cpu_get_rows(&c->r, p, residual, err));
        return mxdi_cpu_make_rows(&c->y, p, n->out[0], err);
    }
    c->x                        = p->value[image].blocked;
    const mxdi_blocked *const l = &p->program->tensor[c->x].l;
    c->window.kh                = l->h;
    c->window.kw                = l->w;
    w->c_in                     = l->channels;
    w->taps                     = (int64_t)l->h * l->w;
    w->ci_stride                = k_stride * w->taps;
    w->tap_stride               = k_stride;
    if (residual != MXD_NO_VALUE)
        MXD_TRY(mxdi_cpu_get_blocked(&c->r, p, residual, err));
    return mxdi_cpu_make_blocked(&c->y, p, n->out[0], err);
}

/* Weights (K, N), or (N, K) when transposed, as (c_out, c_in, taps) of f32. */
static mxd_status arrange(const float **out, mxdi_cpu_plan *p, const mxdi_cpu_weights *w,
                          const float *from, float alpha, mxd_error *err)
{
    float *const to =
        mxdi_arena_alloc(&p->scratch, (size_t)(w->c_out * w->c_in * w->taps), sizeof(float), 64);
    if (!to)
        return mxdi_nomem(err);
    float *at = to;
    for (int64_t co = 0; co < w->c_out; co++)
        for (int64_t ci = 0; ci < w->c_in; ci++)
            for (int64_t t = 0; t < w->taps; t++) {
                const float v = from[co * w->co_stride + ci * w->ci_stride + t * w->tap_stride];
                *at++         = alpha == 1.0f ? v : alpha * v;
            }
    *out = to;
    return MXD_OK;
}

/* Tensors and weights of input 0 times constant input 1. */
static mxd_status begin_product(mxdi_cpu_product *c, mxdi_cpu_weights *w, mxdi_cpu_plan *p,
                                const mxd_node *n, bool trans_b, uint32_t residual, mxd_error *err)
{
    const mxd_value *const v = mxdi_cpu_in(p->g, n, 1);
    const int64_t          k = v->dim[trans_b ? 1 : 0], channels = v->dim[trans_b ? 0 : 1];
    *w = (mxdi_cpu_weights){ .value = n->in[1], .c_out = channels, .co_stride = trans_b ? k : 1 };
    return product_tensors(c, w, p, n, residual, k, trans_b ? 1 : channels, err);
}

mxd_status mxdi_cpu_constant_product(mxdi_cpu_plan *p, const mxd_node *n, bool trans_b,
                                     uint32_t residual, const float *w, const float *bias,
                                     float alpha, mxd_error *err)
{
    mxdi_cpu_weights weights;
    mxdi_cpu_product c;
    MXD_TRY(begin_product(&c, &weights, p, n, trans_b, residual, err));
    if (!w)
        return mxdi_cpu_emit_product_q8(p, n, &c, &weights, err);
    MXD_TRY(arrange(&w, p, &weights, w, alpha, err));
    return mxdi_cpu_emit_product_f32(p, n, &c, w, bias, err);
}

mxd_status mxdi_cpu_lower_fused_matmul(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const uint32_t   residual = mxdi_cpu_has_in(n, 3) ? n->in[3] : MXD_NO_VALUE;
    const float     *w, *bias = NULL;
    mxdi_cpu_weights weights;
    mxdi_cpu_product c;
    bool             done;
    if (mxdi_cpu_has_in(n, 2))
        MXD_TRY(mxdi_cpu_constant_f32(&bias, p, n->in[2], err));
    if (mxdi_cpu_has_in(n, 2) && !bias)
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "bias must be constant");
    MXD_TRY(begin_product(&c, &weights, p, n, mxd_node_int(n, "transB", 0) != 0, residual, err));
    MXD_TRY(mxdi_cpu_emit_product_w4(&done, p, n, &c, &weights, bias, err));
    if (done)
        return MXD_OK;
    MXD_TRY(mxdi_cpu_constant_f32(&w, p, n->in[1], err));
    if (!w)
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "weights must be constant");
    MXD_TRY(arrange(&w, p, &weights, w, 1.0f, err));
    return mxdi_cpu_emit_product_f32(p, n, &c, w, bias, err);
}

/* ---- two activations ---- */

struct matmul {
    mxdi_matmul_f32 k;
    uint32_t        a, b, y;
    bool            scaled;
};

static int64_t outer_now(const struct matmul *m, const mxdi_cpu_frame *f)
{
    return mxdi_cpu_grown(f, m->k.desc.batch[0], m->scaled);
}

static size_t matmul_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const struct matmul *const m = op;
    return mxdi_matmul_f32_tasks(&m->k, outer_now(m, f));
}

static void matmul_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                       unsigned thread)
{
    const struct matmul *const m = op;
    mxdi_matmul_f32_run(&m->k, f->ptr[m->a], f->ptr[m->b], f->ptr[m->y],
                        f->scratch + thread * f->scratch_bytes, outer_now(m, f), begin, end);
}

static const mxdi_cpu_kind matmul_kind = { matmul_tasks, matmul_run, NULL };

void mxdi_cpu_product_strides(int64_t *out, const mxd_value *v, const mxd_value *y)
{
    const int32_t n_batch = y->rank - 2;
    int64_t       stride  = v->dim[v->rank - 1] * v->dim[v->rank - 2];
    for (int32_t k = n_batch - 1, d = v->rank - 3; k >= 0; k--, d--) {
        const int64_t dim = d >= 0 ? v->dim[d] : 1;
        out[k]            = dim == 1 && y->dim[k] != 1 ? 0 : stride;
        stride *= dim;
    }
}

/* The leading dimensions of y in at most four; two that lie behind each other in a, b and y become
 * one. */
static bool batches(mxdi_matmul_f32_desc *d, const mxd_value *a, const mxd_value *b,
                    const mxd_value *y)
{
    const int32_t n_batch          = y->rank - 2;
    int64_t       sa[MXD_MAX_RANK] = { 0 }, sb[MXD_MAX_RANK] = { 0 }, sy[MXD_MAX_RANK] = { 0 };
    int32_t       n = 0;
    mxdi_cpu_product_strides(sa, a, y);
    mxdi_cpu_product_strides(sb, b, y);
    mxdi_cpu_product_strides(sy, y, y);
    for (int32_t k = 0; k < MXDI_MATMUL_BATCH; k++)
        d->batch[k] = 1;
    for (int32_t k = 0; k < n_batch; k++) {
        const bool joins = n > 1 && d->a_batch[n - 1] == sa[k] * y->dim[k] &&
                           d->b_batch[n - 1] == sb[k] * y->dim[k] &&
                           d->c_batch[n - 1] == sy[k] * y->dim[k];
        const int32_t at = joins ? n - 1 : n;
        if (at == MXDI_MATMUL_BATCH)
            return false;
        d->batch[at]   = joins ? d->batch[at] * y->dim[k] : y->dim[k];
        d->a_batch[at] = sa[k];
        d->b_batch[at] = sb[k];
        d->c_batch[at] = sy[k];
        n              = at + 1;
    }
    return true;
}

mxd_status mxdi_cpu_emit_matmul(mxdi_cpu_plan *p, const uint32_t t[3], const mxdi_cpu_operands *o,
                                bool trans_b, float alpha, mxd_error *err)
{
    const mxd_value *const va = o->a, *const vb = o->b, *const vy = o->y;
    const int64_t m = vy->dim[vy->rank - 2], n = vy->dim[vy->rank - 1], k = va->dim[va->rank - 1];
    mxdi_matmul_f32_desc d  = { .m       = m,
                                .n       = n,
                                .k       = k,
                                .a_row   = va->dim[va->rank - 1],
                                .b_row   = vb->dim[vb->rank - 1],
                                .c_row   = n,
                                .trans_b = trans_b,
                                .alpha   = alpha };
    struct matmul *const op = MXDI_CPU_NEW_OP(p, struct matmul);
    if (!op)
        return mxdi_nomem(err);
    *op = (struct matmul){
        .a = t[0], .b = t[1], .y = t[2], .scaled = vy->batch_axis == 0 && vy->rank > 2
    };
    if (!batches(&d, va, vb, vy))
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "batch dimensions broadcast in too many ways");
    if (vy->batch_axis == 0 && vy->rank == 2) { /* rows are samples: one product for each */
        d.batch[0]   = m;
        d.a_batch[0] = d.a_row;
        d.b_batch[0] = 0;
        d.c_batch[0] = n;
        d.m          = 1;
        op->scaled   = true;
    }
    MXD_TRY(mxdi_matmul_f32_init(&op->k, &d, p->program->isa, err));
    mxdi_cpu_need_scratch(p, mxdi_matmul_f32_scratch(&op->k));
    const mxdi_cpu_emission e = { .kind     = &matmul_kind,
                                  .op       = op,
                                  .in       = t,
                                  .n_in     = 2,
                                  .out      = t + 2,
                                  .n_out    = 1,
                                  .kernel   = mxdi_matmul_f32_name(&op->k),
                                  .computed = "f32",
                                  .macs     = mxdi_cpu_count(vy) * k };
    return mxdi_cpu_emit(p, &e, err);
}

/* A value with one axis more where MatMul takes a vector for a matrix. */
static mxd_value as_matrix(const mxd_value *v, bool first)
{
    mxd_value m = *v;
    if (v->rank == 1) {
        m.rank               = 2;
        m.dim[first ? 1 : 0] = v->dim[0];
        m.dim[first ? 0 : 1] = 1;
    }
    return m;
}

/* y's shape with the axes that MatMul drops for vectors put back. */
static mxd_value product_shape(const mxd_value *y, const mxd_value *a, const mxd_value *b)
{
    mxd_value v = *y;
    if (b->rank == 1)
        v.dim[v.rank++] = 1;
    if (a->rank == 1) {
        v.dim[v.rank]     = v.dim[v.rank - 1];
        v.dim[v.rank - 1] = 1;
        v.rank++;
    }
    return v;
}

mxd_status mxdi_cpu_lower_matmul(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const a = mxdi_cpu_in(p->g, n, 0), *const b = mxdi_cpu_in(p->g, n, 1),
                           *const y = mxdi_cpu_out(p->g, n, 0);
    const float                  *w;
    MXD_TRY(mxdi_cpu_constant_f32(&w, p, n->in[1], err));
    if (w && b->rank == 2 && a->rank >= 2)
        return mxdi_cpu_constant_product(p, n, false, MXD_NO_VALUE, w, NULL, 1.0f, err);
    const mxd_value ma = as_matrix(a, true), mb = as_matrix(b, false), my = product_shape(y, a, b);
    uint32_t        t[3];
    MXD_TRY(mxdi_cpu_get_plain(&t[0], p, n->in[0], err));
    MXD_TRY(mxdi_cpu_get_plain(&t[1], p, n->in[1], err));
    MXD_TRY(mxdi_cpu_make_plain(&t[2], p, n->out[0], true, err));
    const mxdi_cpu_operands o = { &ma, &mb, &my };
    return mxdi_cpu_emit_matmul(p, t, &o, false, 1.0f, err);
}

const char *mxdi_cpu_check_matmul(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const a = mxdi_cpu_in(g, n, 0), *const b = mxdi_cpu_in(g, n, 1),
                           *const y   = mxdi_cpu_out(g, n, 0);
    const char *const             why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    if ((a->dtype != MXD_F32 && !mxdi_cpu_is_byte(a->dtype)) ||
        (y->dtype != MXD_F32 && !mxdi_cpu_is_byte(y->dtype)))
        return "no CPU kernel for matrix products of this type: runs in the reference interpreter";
    const mxd_value ma = as_matrix(a, true), mb = as_matrix(b, false), my = product_shape(y, a, b);
    mxdi_matmul_f32_desc d = { 0 };
    if (my.rank > MXD_MAX_RANK || (!mxdi_cpu_is_fixed(g, n->in[1]) && !batches(&d, &ma, &mb, &my)))
        return "batch dimensions broadcast in too many ways: runs in the reference interpreter";
    if (a->batch_axis > 0 || y->batch_axis > 0 || (b->batch_axis >= 0 && b->rank < 3))
        return "the batch is inside the matrices: runs in the reference interpreter";
    return NULL;
}

/* ---- Gemm ---- */

static mxd_status transposed(uint32_t *out, mxdi_cpu_plan *p, uint32_t value, mxd_error *err)
{
    const mxd_value *const v = &p->g->value[value];
    uint32_t               x;
    MXD_TRY(mxdi_cpu_get_plain(&x, p, value, err));
    MXD_TRY(mxdi_cpu_temporary(out, p, x, err));
    const int64_t          rows = v->dim[0], columns = v->dim[1];
    mxdi_cpu_tensor *const t = &p->program->tensor[*out];
    t->dim[0]                = columns;
    t->dim[1]                = rows;
    t->scaled                = false;
    const mxdi_cpu_box box   = { .y        = *out,
                                 .x        = x,
                                 .rank     = 2,
                                 .dim      = { rows, columns },
                                 .y_stride = { 1, rows },
                                 .x_stride = { columns, 1 } };
    return mxdi_cpu_emit_move(p, &box, 1, "transpose", err);
}

/* y = product + beta * c, where c could not be a bias of the product. */
static mxd_status add_c(mxdi_cpu_plan *p, const mxd_node *n, uint32_t product, mxd_error *err)
{
    const float beta = mxd_node_float(n, "beta", 1.0f);
    uint32_t    c, y;
    MXD_TRY(mxdi_cpu_get_plain(&c, p, n->in[2], err));
    if (beta != 1.0f) {
        uint32_t scaled;
        MXD_TRY(mxdi_cpu_temporary(&scaled, p, c, err));
        MXD_TRY(mxdi_cpu_emit_fixed(p, scaled, c, beta, MXDI_BINARY_MUL, MXDI_FIXED_B, err));
        c = scaled;
    }
    MXD_TRY(mxdi_cpu_make_plain(&y, p, n->out[0], true, err));
    return mxdi_cpu_emit_broadcast(p, y, product, c, mxdi_cpu_out(p->g, n, 0),
                                   mxdi_cpu_out(p->g, n, 0), mxdi_cpu_in(p->g, n, 2),
                                   MXDI_BINARY_ADD, err);
}

/* The constant bias of N entries that C is, times beta; NULL: it is none. */
static mxd_status gemm_bias(const float **out, mxdi_cpu_plan *p, const mxd_node *n,
                            int64_t channels, mxd_error *err)
{
    const mxd_value *const c    = mxdi_cpu_in(p->g, n, 2);
    const float            beta = mxd_node_float(n, "beta", 1.0f);
    const float           *v    = NULL;
    *out                        = NULL;
    if (!c)
        return MXD_OK;
    MXD_TRY(mxdi_cpu_constant_f32(&v, p, n->in[2], err));
    const int64_t count = mxdi_cpu_count(c);
    if (!v || (count != 1 && (count != channels || c->dim[c->rank - 1] != channels)))
        return MXD_OK;
    float *const bias = MXDI_NEW(&p->scratch, float, (size_t)channels);
    if (!bias)
        return mxdi_nomem(err);
    for (int64_t k = 0; k < channels; k++)
        bias[k] = beta * v[count == 1 ? 0 : k];
    *out = bias;
    return MXD_OK;
}

mxd_status mxdi_cpu_lower_gemm(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const bool trans_a     = mxd_node_int(n, "transA", 0) != 0,
               trans_b     = mxd_node_int(n, "transB", 0) != 0;
    const float      alpha = mxd_node_float(n, "alpha", 1.0f);
    const mxd_value *y     = mxdi_cpu_out(p->g, n, 0);
    mxd_value        a     = *mxdi_cpu_in(p->g, n, 0);
    const float     *w, *bias;
    uint32_t         t[3];
    MXD_TRY(mxdi_cpu_constant_f32(&w, p, n->in[1], err));
    MXD_TRY(gemm_bias(&bias, p, n, y->dim[1], err));
    if (w && !trans_a && (bias || !mxdi_cpu_has_in(n, 2)))
        return mxdi_cpu_constant_product(p, n, trans_b, MXD_NO_VALUE, w, bias, alpha, err);
    if (trans_a) {
        MXD_TRY(transposed(&t[0], p, n->in[0], err));
        a.dim[0] = mxdi_cpu_in(p->g, n, 0)->dim[1];
        a.dim[1] = mxdi_cpu_in(p->g, n, 0)->dim[0];
    } else {
        MXD_TRY(mxdi_cpu_get_plain(&t[0], p, n->in[0], err));
    }
    MXD_TRY(mxdi_cpu_get_plain(&t[1], p, n->in[1], err));
    const bool add = mxdi_cpu_has_in(n, 2);
    MXD_TRY(mxdi_cpu_make_plain(&t[2], p, n->out[0], !add, err));
    const mxd_value *const  b = mxdi_cpu_in(p->g, n, 1);
    const mxdi_cpu_operands o = { &a, b, y };
    MXD_TRY(mxdi_cpu_emit_matmul(p, t, &o, trans_b, alpha, err));
    return add ? add_c(p, n, t[2], err) : MXD_OK;
}

const char *mxdi_cpu_check_gemm(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const a = mxdi_cpu_in(g, n, 0), *const b = mxdi_cpu_in(g, n, 1),
                           *const c   = mxdi_cpu_in(g, n, 2);
    const char *const             why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    if (a->dtype != MXD_F32 || b->dtype != MXD_F32 || (c && c->dtype != MXD_F32))
        return "no CPU kernel for Gemm of this type: runs in the reference interpreter";
    if (b->batch_axis >= 0 || a->batch_axis > 0 ||
        (a->batch_axis == 0 && mxd_node_int(n, "transA", 0)))
        return "the batch is inside the matrices: runs in the reference interpreter";
    return NULL;
}
