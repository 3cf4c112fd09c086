/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix products. With constant weights they are convolutions of one pixel over rows - or, behind a Flatten of a blocked
 * image, one convolution with a kernel as large as the image. With two activations they are batched f32 products; those
 * of integers too, as every partial sum is an integer that binary32 holds exactly.
 */
#include <math.h>

#include "backends/cpu/cpu_convert.h"
#include "backends/cpu/cpu_emit.h"
#include "backends/cpu/cpu_lower.h"
#include "backends/cpu/cpu_move.h"
#include "base/dtype.h"
#include "kernels/matmul_f32/matmul_f32.h"

/* ---- constant weights ---- */

static const mxdi_window2d one_pixel = { 1, 1, 1, 1, 1, 1, 0, 0 };

/* The blocked image that the rows of `value` are, flattened channel by channel; MXD_NO_VALUE: they are none. */
static uint32_t image_behind(const mxdi_cpu_plan *p, uint32_t value)
{
    const mxd_value *const a  = &p->g->value[value];
    const uint32_t         of = p->value[value].reshape_of;
    if (of == MXD_NO_VALUE || p->value[value].plain != MXD_NO_VALUE || p->value[of].blocked == MXD_NO_VALUE || a->rank != 2)
        return MXD_NO_VALUE;
    const mxd_value *const b = &p->g->value[of];
    const mxdi_blocked *const l = &p->program->tensor[p->value[of].blocked].l;
    const bool pixels = (int64_t)l->h * l->w > 1; /* one pixel is a row as it is */
    return pixels && b->dim[0] == a->dim[0] && b->batch_axis == a->batch_axis ? of : MXD_NO_VALUE;
}

/* x, r, y of a product with `w`, whose steps along k are `k_stride` apart. */
static mxd_status product_tensors(mxdi_cpu_product *c, mxdi_cpu_weights *w, mxdi_cpu_plan *p, const mxd_node *n, uint32_t residual,
                                  int64_t k, int64_t k_stride, mxd_error *err)
{
    const uint32_t image = image_behind(p, n->in[0]);
    *c                   = (mxdi_cpu_product){ .r = MXD_NO_VALUE, .groups = 1, .window = one_pixel };
    w->c_in              = k;
    w->taps              = 1;
    w->ci_stride         = k_stride;
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
static mxd_status arrange(const float **out, mxdi_cpu_plan *p, const mxdi_cpu_weights *w, const float *from, float alpha, mxd_error *err)
{
    float *const to = mxdi_arena_alloc(&p->scratch, (size_t)(w->c_out * w->c_in * w->taps), sizeof(float), 64);
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

static mxd_status constant_product(mxdi_cpu_plan *p, const mxd_node *n, bool trans_b, uint32_t residual, const float *w,
                                   const float *bias, float alpha, mxd_error *err)
{
    const mxd_value *const v       = mxdi_cpu_in(p->g, n, 1);
    const int64_t          k       = v->dim[trans_b ? 1 : 0], channels = v->dim[trans_b ? 0 : 1];
    mxdi_cpu_weights       weights = { .value = n->in[1], .c_out = channels, .co_stride = trans_b ? k : 1 };
    mxdi_cpu_product       c;
    MXD_TRY(product_tensors(&c, &weights, p, n, residual, k, trans_b ? 1 : channels, err));
    if (!w)
        return mxdi_cpu_emit_product_q8(p, n, &c, &weights, err);
    MXD_TRY(arrange(&w, p, &weights, w, alpha, err));
    return mxdi_cpu_emit_product_f32(p, n, &c, w, bias, err);
}

mxd_status mxdi_cpu_lower_fused_matmul(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const float *w, *bias = NULL;
    MXD_TRY(mxdi_cpu_constant_f32(&w, p, n->in[1], err));
    if (mxdi_cpu_has_in(n, 2))
        MXD_TRY(mxdi_cpu_constant_f32(&bias, p, n->in[2], err));
    if (!w || (mxdi_cpu_has_in(n, 2) && !bias))
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "weights and bias must be constant");
    return constant_product(p, n, mxd_node_int(n, "transB", 0) != 0, mxdi_cpu_has_in(n, 3) ? n->in[3] : MXD_NO_VALUE, w, bias, 1.0f, err);
}

/* ---- two activations ---- */

struct matmul { mxdi_matmul_f32 k; uint32_t a, b, y; bool scaled; };

static int64_t outer_now(const struct matmul *m, const mxdi_cpu_frame *f)
{
    return mxdi_cpu_grown(f, m->k.desc.batch[0], m->scaled);
}

static size_t matmul_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const struct matmul *const m = op;
    return mxdi_matmul_f32_tasks(&m->k, outer_now(m, f));
}

static void matmul_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end, unsigned thread)
{
    const struct matmul *const m = op;
    mxdi_matmul_f32_run(&m->k, f->ptr[m->a], f->ptr[m->b], f->ptr[m->y], f->scratch + thread * f->scratch_bytes, outer_now(m, f),
                        begin, end);
}

static const mxdi_cpu_kind matmul_kind = { matmul_tasks, matmul_run, NULL };

/* Strides of the batch dimensions of v (all but its last two) aligned to y's, 0 where broadcast. */
static void batch_strides(int64_t *out, const mxd_value *v, const mxd_value *y, int32_t n_batch)
{
    int64_t stride = v->dim[v->rank - 1] * v->dim[v->rank - 2];
    for (int32_t k = n_batch - 1, d = v->rank - 3; k >= 0; k--, d--) {
        const int64_t dim = d >= 0 ? v->dim[d] : 1;
        out[k]            = dim == 1 && y->dim[k] != 1 ? 0 : stride;
        stride *= dim;
    }
}

/* The leading dimensions of y in at most four; two that lie behind each other in a, b and y become one. */
static bool batches(mxdi_matmul_f32_desc *d, const mxd_value *a, const mxd_value *b, const mxd_value *y)
{
    const int32_t n_batch = y->rank - 2;
    int64_t       sa[MXD_MAX_RANK] = { 0 }, sb[MXD_MAX_RANK] = { 0 }, sy[MXD_MAX_RANK] = { 0 };
    int32_t       n = 0;
    batch_strides(sa, a, y, n_batch);
    batch_strides(sb, b, y, n_batch);
    batch_strides(sy, y, y, n_batch);
    for (int32_t k = 0; k < MXDI_MATMUL_BATCH; k++)
        d->batch[k] = 1;
    for (int32_t k = 0; k < n_batch; k++) {
        const bool joins = n > 1 && d->a_batch[n - 1] == sa[k] * y->dim[k] && d->b_batch[n - 1] == sb[k] * y->dim[k] &&
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

/* Shapes of two dimensions and more: a and b as they lie in memory, their parts that are multiplied, the product. */
struct operands { const mxd_value *a, *b, *a_part, *b_part, *y; };

/* y = alpha * (a x b) of plain f32 tensors. */
static mxd_status emit_matmul(mxdi_cpu_plan *p, const uint32_t t[3], const struct operands *o, bool trans_b, float alpha,
                              const char *reason, mxd_error *err)
{
    const mxd_value *const va = o->a, *const vb = o->b, *const vy = o->y;
    const int64_t          m = vy->dim[vy->rank - 2], n = vy->dim[vy->rank - 1], k = o->a_part->dim[va->rank - 1];
    mxdi_matmul_f32_desc   d = { .m = m, .n = n, .k = k, .a_row = va->dim[va->rank - 1], .b_row = vb->dim[vb->rank - 1], .c_row = n,
                                 .trans_b = trans_b, .alpha = alpha };
    struct matmul *const op = MXDI_CPU_NEW_OP(p, struct matmul);
    if (!op)
        return mxdi_nomem(err);
    *op = (struct matmul){ .a = t[0], .b = t[1], .y = t[2], .scaled = vy->batch_axis == 0 && vy->rank > 2 };
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
    const mxdi_cpu_emission e = { .kind = &matmul_kind, .op = op, .in = t, .n_in = 2, .out = t + 2, .n_out = 1, .reason = reason,
                                  .kernel = mxdi_matmul_f32_name(&op->k), .computed = "f32", .macs = mxdi_cpu_count(vy) * k };
    return mxdi_cpu_emit(p, &e, err);
}

/* A value with one axis more where MatMul takes a vector for a matrix. */
static mxd_value as_matrix(const mxd_value *v, bool first)
{
    mxd_value m = *v;
    if (v->rank == 1) {
        m.rank             = 2;
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
    const mxd_value *const a = mxdi_cpu_in(p->g, n, 0), *const b = mxdi_cpu_in(p->g, n, 1), *const y = mxdi_cpu_out(p->g, n, 0);
    const float           *w;
    MXD_TRY(mxdi_cpu_constant_f32(&w, p, n->in[1], err));
    if (w && b->rank == 2 && a->rank >= 2)
        return constant_product(p, n, false, MXD_NO_VALUE, w, NULL, 1.0f, err);
    const mxd_value ma = as_matrix(a, true), mb = as_matrix(b, false), my = product_shape(y, a, b);
    uint32_t        t[3];
    MXD_TRY(mxdi_cpu_get_plain(&t[0], p, n->in[0], err));
    MXD_TRY(mxdi_cpu_get_plain(&t[1], p, n->in[1], err));
    MXD_TRY(mxdi_cpu_make_plain(&t[2], p, n->out[0], true, err));
    const struct operands o = { &ma, &mb, &ma, &mb, &my };
    return emit_matmul(p, t, &o, false, 1.0f, NULL, err);
}

const char *mxdi_cpu_check_matmul(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const a = mxdi_cpu_in(g, n, 0), *const b = mxdi_cpu_in(g, n, 1), *const y = mxdi_cpu_out(g, n, 0);
    const char *const      why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    if ((a->dtype != MXD_F32 && !mxdi_cpu_is_byte(a->dtype)) || (y->dtype != MXD_F32 && !mxdi_cpu_is_byte(y->dtype)))
        return "no CPU kernel for matrix products of this type: runs in the reference interpreter";
    const mxd_value  ma = as_matrix(a, true), mb = as_matrix(b, false), my = product_shape(y, a, b);
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
    const int64_t rows = v->dim[0], columns = v->dim[1];
    mxdi_cpu_tensor *const t = &p->program->tensor[*out];
    t->dim[0]                = columns;
    t->dim[1]                = rows;
    t->scaled                = false;
    const mxdi_cpu_box box = { .y = *out, .x = x, .rank = 2, .dim = { rows, columns }, .y_stride = { 1, rows }, .x_stride = { columns, 1 } };
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
    return mxdi_cpu_emit_broadcast(p, y, product, c, mxdi_cpu_out(p->g, n, 0), mxdi_cpu_out(p->g, n, 0), mxdi_cpu_in(p->g, n, 2),
                                   MXDI_BINARY_ADD, err);
}

/* The constant bias of N entries that C is, times beta; NULL: it is none. */
static mxd_status gemm_bias(const float **out, mxdi_cpu_plan *p, const mxd_node *n, int64_t channels, mxd_error *err)
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
    const bool       trans_a = mxd_node_int(n, "transA", 0) != 0, trans_b = mxd_node_int(n, "transB", 0) != 0;
    const float      alpha   = mxd_node_float(n, "alpha", 1.0f);
    const mxd_value *y       = mxdi_cpu_out(p->g, n, 0);
    mxd_value        a       = *mxdi_cpu_in(p->g, n, 0);
    const float     *w, *bias;
    uint32_t         t[3];
    MXD_TRY(mxdi_cpu_constant_f32(&w, p, n->in[1], err));
    MXD_TRY(gemm_bias(&bias, p, n, y->dim[1], err));
    if (w && !trans_a && (bias || !mxdi_cpu_has_in(n, 2)))
        return constant_product(p, n, trans_b, MXD_NO_VALUE, w, bias, alpha, err);
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
    const mxd_value *const b = mxdi_cpu_in(p->g, n, 1);
    const struct operands  o = { &a, b, &a, b, y };
    MXD_TRY(emit_matmul(p, t, &o, trans_b, alpha, NULL, err));
    return add ? add_c(p, n, t[2], err) : MXD_OK;
}

const char *mxdi_cpu_check_gemm(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const a = mxdi_cpu_in(g, n, 0), *const b = mxdi_cpu_in(g, n, 1), *const c = mxdi_cpu_in(g, n, 2);
    const char *const      why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    if (a->dtype != MXD_F32 || b->dtype != MXD_F32 || (c && c->dtype != MXD_F32))
        return "no CPU kernel for Gemm of this type: runs in the reference interpreter";
    if (b->batch_axis >= 0 || a->batch_axis > 0 || (a->batch_axis == 0 && mxd_node_int(n, "transA", 0)))
        return "the batch is inside the matrices: runs in the reference interpreter";
    return NULL;
}

/* ---- QMatMul ---- */

/* The sum of the integers acc, in f32, to y: the end of QMatMul's formula. */
struct requantize { mxdi_q8_epilogue e; const uint32_t *acc; uint32_t n_acc, r, y; int64_t channels; };

enum { REQUANTIZE_GRAIN = 4096 };

static size_t requantize_tasks(const void *op, const mxdi_cpu_frame *f)
{
    mxdi_cpu_spans s;
    mxdi_cpu_spans_of(&s, f, &((const struct requantize *)op)->y, 1);
    return mxdi_cpu_pieces(&s, REQUANTIZE_GRAIN);
}

static float clampf(float v, float lo, float hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

static uint8_t to_byte(const mxdi_q8_epilogue *e, float v)
{
    const float z = (float)e->y_zero_point;
    return (uint8_t)(int32_t)(clampf(rintf(v), (float)e->q_min - z, (float)e->q_max - z) + z);
}

static uint8_t with_residual(const mxdi_q8_epilogue *e, float v, uint8_t r)
{
    const float d = (float)(r - e->r_zero_point);
    if (e->residual == 1)
        return to_byte(e, fmaf(d, e->r_scale_ratio, v));
    const float zm = (float)e->mid_zero_point, q1 = clampf(rintf(v), (float)e->mid_q_min - zm, (float)e->mid_q_max - zm);
    return to_byte(e, e->residual_first ? fmaf(d, e->r_scale_ratio, q1 * e->y_scale_ratio) : fmaf(q1, e->y_scale_ratio, d * e->r_scale_ratio));
}

static int32_t accumulated(const struct requantize *q, const mxdi_cpu_frame *f, int64_t k)
{
    uint32_t sum = 0; /* modulo 2^32 */
    for (uint32_t i = 0; i < q->n_acc; i++)
        sum += (uint32_t)(int32_t)((const float *)f->ptr[q->acc[i]])[k];
    return (int32_t)sum;
}

static void requantize_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end, unsigned thread)
{
    const struct requantize *const q = op;
    mxdi_cpu_spans                 s;
    const uint8_t *const           r = q->r == MXD_NO_VALUE ? NULL : f->ptr[q->r];
    mxdi_cpu_spans_of(&s, f, &q->y, 1);
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        const mxdi_cpu_piece piece = mxdi_cpu_piece_at(&s, REQUANTIZE_GRAIN, i);
        int64_t              c     = piece.at % q->channels;
        for (int64_t k = piece.at; k < piece.at + piece.n; k++, c = c + 1 == q->channels ? 0 : c + 1) {
            const uint32_t sum = (uint32_t)accumulated(q, f, k) + (q->e.bias ? (uint32_t)q->e.bias[c] : 0);
            const float    acc = (float)(int32_t)sum;
            const float    v   = q->e.bias_float ? fmaf(acc, q->e.m[c], q->e.bias_float[c]) : acc * q->e.m[c];
            if (q->e.y_float)
                ((float *)f->ptr[q->y])[k] = clampf(v, q->e.y_min, q->e.y_max);
            else
                ((uint8_t *)f->ptr[q->y])[k] = r ? with_residual(&q->e, v, r[k]) : to_byte(&q->e, v);
        }
    }
}

static const mxdi_cpu_kind requantize_kind = { requantize_tasks, requantize_run, NULL };

static mxd_status emit_requantize(mxdi_cpu_plan *p, const mxd_node *n, const uint32_t *acc, uint32_t n_acc, mxd_error *err)
{
    const mxd_value *const   y  = mxdi_cpu_out(p->g, n, 0);
    struct requantize *const op = MXDI_CPU_NEW_OP(p, struct requantize);
    uint32_t *const          in = MXDI_NEW(&p->program->arena, uint32_t, n_acc + 1);
    if (!op || !in)
        return mxdi_nomem(err);
    memcpy(in, acc, n_acc * sizeof(in[0]));
    *op = (struct requantize){ .acc = in, .n_acc = n_acc, .r = MXD_NO_VALUE, .channels = y->dim[y->rank - 1] };
    MXD_TRY(mxdi_cpu_epilogue(&op->e, p, n, op->channels, err));
    const void **const kept[] = { (const void **)&op->e.m, (const void **)&op->e.bias, (const void **)&op->e.bias_float };
    for (size_t k = 0; k < 3; k++)
        if (*kept[k]) {
            *kept[k] = mxdi_arena_memdup(&p->program->arena, *kept[k], (size_t)op->channels * 4, 64);
            if (!*kept[k])
                return mxdi_nomem(err);
        }
    if (mxdi_cpu_has_in(n, 5)) {
        MXD_TRY(mxdi_cpu_get_plain(&op->r, p, n->in[5], err));
        in[n_acc] = op->r;
    }
    MXD_TRY(mxdi_cpu_make_plain(&op->y, p, n->out[0], true, err));
    const mxdi_cpu_emission e = { .kind = &requantize_kind, .op = op, .in = in, .n_in = n_acc + (op->r != MXD_NO_VALUE), .out = &op->y,
                                  .n_out = 1, .kernel = "requantize", .computed = "u8", .ns = (double)mxdi_cpu_count(y) };
    return mxdi_cpu_emit(p, &e, err);
}

static mxd_status new_f32(uint32_t *out, mxdi_cpu_plan *p, const mxd_value *v, mxd_error *err)
{
    mxdi_cpu_tensor t = { .dtype = MXD_F32, .rank = v->rank, .root = MXD_NO_VALUE, .scaled = v->batch_axis == 0,
                          .bytes = (size_t)mxdi_cpu_count(v) * sizeof(float) };
    memcpy(t.dim, v->dim, sizeof(t.dim));
    return mxdi_cpu_add_tensor(out, p, &t, err);
}

/* Integers minus their zero point, in f32. */
static mxd_status centered(uint32_t *out, mxdi_cpu_plan *p, uint32_t value, int32_t zero_point, mxd_error *err)
{
    const mxd_value *const        v = &p->g->value[value];
    const mxdi_quantize_u8_params q = { .scale = 1.0f, .zero_point = zero_point + mxdi_cpu_shift(v->dtype), .q_max = 255 };
    uint32_t                      x;
    MXD_TRY(mxdi_cpu_get_plain(&x, p, value, err));
    MXD_TRY(new_f32(out, p, v, err));
    return mxdi_cpu_emit_dequantize(p, *out, x, &q, err);
}

static int64_t reach(int32_t zero_point) /* of a byte as stored: the largest |q - z| */
{
    return zero_point > 255 - zero_point ? zero_point : 255 - zero_point;
}

/* The part [from, from + n) of K of an operand, as a value and a tensor. */
static mxd_status k_part(uint32_t *tensor, mxd_value *shape, mxdi_cpu_plan *p, int32_t axis, int64_t from, int64_t n, mxd_error *err)
{
    int64_t stride = 1;
    for (int32_t k = axis + 1; k < shape->rank; k++)
        stride *= shape->dim[k];
    MXD_TRY(mxdi_cpu_alias(tensor, p, *tensor, err));
    p->program->tensor[*tensor].offset += (size_t)(from * stride) * sizeof(float);
    shape->dim[axis] = n;
    return MXD_OK;
}

/* K is cut so that no partial sum leaves the 2^24 integers that binary32 holds. */
static mxd_status two_activations(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const a = mxdi_cpu_in(p->g, n, 0), *const b = mxdi_cpu_in(p->g, n, 1), *const y = mxdi_cpu_out(p->g, n, 0);
    const bool             trans_b = mxd_node_int(n, "transB", 0) != 0;
    const int64_t         *zw      = NULL;
    if (mxdi_cpu_has_in(n, 6)) {
        MXD_TRY(mxdi_cpu_constant_s64(&zw, p, n->in[6], err));
        if (!zw || mxdi_cpu_count(mxdi_cpu_in(p->g, n, 6)) != 1)
            return mxdi_fail(err, MXD_E_UNSUPPORTED, "one constant zero point of the second operand expected");
    }
    const int32_t za = (int32_t)mxd_node_int(n, "x_zero_point", 0), zb = zw ? (int32_t)zw[0] : 0;
    const int64_t k  = a->dim[a->rank - 1];
    const int64_t each = (1 << 24) / (reach(za + mxdi_cpu_shift(a->dtype)) * reach(zb + mxdi_cpu_shift(b->dtype)));
    const uint32_t  n_acc = (uint32_t)((k + each - 1) / each);
    uint32_t *const acc   = MXDI_NEW(&p->scratch, uint32_t, n_acc);
    uint32_t        ta, tb;
    if (!acc)
        return mxdi_nomem(err);
    MXD_TRY(centered(&ta, p, n->in[0], za, err));
    MXD_TRY(centered(&tb, p, n->in[1], zb, err));
    for (uint32_t i = 0; i < n_acc; i++) {
        const int64_t from = (int64_t)i * each, part = k - from < each ? k - from : each;
        mxd_value     va = *a, vb = *b;
        uint32_t      t[3] = { ta, tb, 0 };
        MXD_TRY(k_part(&t[0], &va, p, a->rank - 1, from, part, err));
        MXD_TRY(k_part(&t[1], &vb, p, trans_b ? b->rank - 1 : b->rank - 2, from, part, err));
        MXD_TRY(new_f32(&acc[i], p, y, err));
        t[2] = acc[i];
        const struct operands o = { a, b, &va, &vb, y };
        MXD_TRY(emit_matmul(p, t, &o, trans_b, 1.0f, "two activations: integers multiplied in f32, exactly", err));
    }
    return emit_requantize(p, n, acc, n_acc, err);
}

mxd_status mxdi_cpu_lower_qmatmul(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const b = mxdi_cpu_in(p->g, n, 1);
    if (b->data && b->rank == 2)
        return constant_product(p, n, mxd_node_int(n, "transB", 0) != 0, mxdi_cpu_has_in(n, 5) ? n->in[5] : MXD_NO_VALUE, NULL, NULL, 1.0f, err);
    return two_activations(p, n, err);
}
