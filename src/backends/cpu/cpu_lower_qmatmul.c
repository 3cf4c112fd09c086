/* SPDX-License-Identifier: Apache-2.0
 *
 * QMatMul. With constant weights it is a convolution over rows; with two activations the integers
 * are multiplied in f32: each sum is an integer that binary32 holds exactly, and the sums are
 * requantized behind.
 */
#include <math.h>

#include "backends/cpu/cpu_emit.h"
#include "backends/cpu/cpu_lower.h"
#include "backends/cpu/cpu_matmul.h"

/* The sum of the integers acc, in f32, to y: the end of QMatMul's formula. */
struct requantize {
    mxdi_q8_epilogue e;
    const uint32_t  *acc;
    uint32_t         n_acc, r, y;
    int64_t          channels;
};

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
    const float zm = (float)e->mid_zero_point,
                q1 = clampf(rintf(v), (float)e->mid_q_min - zm, (float)e->mid_q_max - zm);
    return to_byte(e, e->residual_first ? fmaf(d, e->r_scale_ratio, q1 * e->y_scale_ratio)
                                        : fmaf(q1, e->y_scale_ratio, d * e->r_scale_ratio));
}

static int32_t accumulated(const struct requantize *q, const mxdi_cpu_frame *f, int64_t k)
{
    uint32_t sum = 0; /* modulo 2^32 */
    for (uint32_t i = 0; i < q->n_acc; i++)
        sum += (uint32_t)(int32_t)((const float *)f->ptr[q->acc[i]])[k];
    return (int32_t)sum;
}

static void requantize_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                           unsigned thread)
{
    const struct requantize *const q = op;
    mxdi_cpu_spans                 s;
    const uint8_t *const           r = q->r == MXD_NO_VALUE ? NULL : f->ptr[q->r];
    mxdi_cpu_spans_of(&s, f, &q->y, 1);
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        const mxdi_cpu_piece piece = mxdi_cpu_piece_at(&s, REQUANTIZE_GRAIN, i);
        int64_t              c     = piece.at % q->channels;
        for (int64_t k = piece.at; k < piece.at + piece.n;
             k++, c = c + 1 == q->channels ? 0 : c + 1) {
            const uint32_t sum =
                (uint32_t)accumulated(q, f, k) + (q->e.bias ? (uint32_t)q->e.bias[c] : 0);
            const float acc = (float)(int32_t)sum;
            const float v =
                q->e.bias_float ? fmaf(acc, q->e.m[c], q->e.bias_float[c]) : acc * q->e.m[c];
            if (q->e.y_float)
                ((float *)f->ptr[q->y])[k] = clampf(v, q->e.y_min, q->e.y_max);
            else
                ((uint8_t *)f->ptr[q->y])[k] =
                    r ? with_residual(&q->e, v, r[k]) : to_byte(&q->e, v);
        }
    }
}

static const mxdi_cpu_kind requantize_kind = { requantize_tasks, requantize_run, NULL };

static mxd_status emit_requantize(mxdi_cpu_plan *p, const mxd_node *n, const uint32_t *acc,
                                  uint32_t n_acc, mxd_error *err)
{
    const mxd_value *const   y  = mxdi_cpu_out(p->g, n, 0);
    struct requantize *const op = MXDI_CPU_NEW_OP(p, struct requantize);
    uint32_t *const          in = MXDI_NEW(&p->program->arena, uint32_t, n_acc + 1);
    if (!op || !in)
        return mxdi_nomem(err);
    memcpy(in, acc, n_acc * sizeof(in[0]));
    *op = (struct requantize){
        .acc = in, .n_acc = n_acc, .r = MXD_NO_VALUE, .channels = y->dim[y->rank - 1]
    };
    MXD_TRY(mxdi_cpu_epilogue(&op->e, p, n, op->channels, err));
    const void **const kept[] = { (const void **)&op->e.m, (const void **)&op->e.bias,
                                  (const void **)&op->e.bias_float };
    for (size_t k = 0; k < 3; k++)
        if (*kept[k]) {
            *kept[k] =
                mxdi_arena_memdup(&p->program->arena, *kept[k], (size_t)op->channels * 4, 64);
            if (!*kept[k])
                return mxdi_nomem(err);
        }
    if (mxdi_cpu_has_in(n, 5)) {
        MXD_TRY(mxdi_cpu_get_plain(&op->r, p, n->in[5], err));
        in[n_acc] = op->r;
    }
    MXD_TRY(mxdi_cpu_make_plain(&op->y, p, n->out[0], true, err));
    const mxdi_cpu_emission e = { .kind     = &requantize_kind,
                                  .op       = op,
                                  .in       = in,
                                  .n_in     = n_acc + (op->r != MXD_NO_VALUE),
                                  .out      = &op->y,
                                  .n_out    = 1,
                                  .kernel   = "requantize",
                                  .computed = "u8",
                                  .ns       = (double)mxdi_cpu_count(y) };
    return mxdi_cpu_emit(p, &e, err);
}

static mxd_status new_f32(uint32_t *out, mxdi_cpu_plan *p, const mxd_value *v, mxd_error *err)
{
    mxdi_cpu_tensor t = { .dtype  = MXD_F32,
                          .rank   = v->rank,
                          .root   = MXD_NO_VALUE,
                          .scaled = v->batch_axis == 0,
                          .bytes  = (size_t)mxdi_cpu_count(v) * sizeof(float) };
    memcpy(t.dim, v->dim, sizeof(t.dim));
    return mxdi_cpu_add_tensor(out, p, &t, err);
}

/* Integers minus their zero point, in f32. */
static mxd_status centered(uint32_t *out, mxdi_cpu_plan *p, uint32_t value, int32_t zero_point,
                           mxd_error *err)
{
    const mxd_value *const        v = &p->g->value[value];
    const mxdi_quantize_u8_params q = { .scale      = 1.0f,
                                        .zero_point = zero_point + mxdi_cpu_shift(v->dtype),
                                        .q_max      = 255 };
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
static mxd_status k_part(uint32_t *tensor, mxd_value *shape, mxdi_cpu_plan *p, int32_t axis,
                         int64_t from, int64_t n, mxd_error *err)
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
    const mxd_value *const a = mxdi_cpu_in(p->g, n, 0), *const b = mxdi_cpu_in(p->g, n, 1),
                           *const y       = mxdi_cpu_out(p->g, n, 0);
    const bool                    trans_b = mxd_node_int(n, "transB", 0) != 0;
    const int64_t                *zw      = NULL;
    if (mxdi_cpu_has_in(n, 6)) {
        MXD_TRY(mxdi_cpu_constant_s64(&zw, p, n->in[6], err));
        if (!zw || mxdi_cpu_count(mxdi_cpu_in(p->g, n, 6)) != 1)
            return mxdi_fail(err, MXD_E_UNSUPPORTED,
                             "one constant zero point of the second operand expected");
    }
    const int32_t za = (int32_t)mxd_node_int(n, "x_zero_point", 0), zb = zw ? (int32_t)zw[0] : 0;
    const int64_t k = a->dim[a->rank - 1];
    const int64_t each =
        (1 << 24) / (reach(za + mxdi_cpu_shift(a->dtype)) * reach(zb + mxdi_cpu_shift(b->dtype)));
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
        t[2]                      = acc[i];
        const mxdi_cpu_operands o = { a, b, &va, &vb, y };
        MXD_TRY(mxdi_cpu_emit_matmul(p, t, &o, trans_b, 1.0f,
                                     "two activations: integers multiplied in f32, exactly", err));
    }
    return emit_requantize(p, n, acc, n_acc, err);
}

mxd_status mxdi_cpu_lower_qmatmul(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const b = mxdi_cpu_in(p->g, n, 1);
    if (b->data && b->rank == 2)
        return mxdi_cpu_constant_product(p, n, mxd_node_int(n, "transB", 0) != 0,
                                         mxdi_cpu_has_in(n, 5) ? n->in[5] : MXD_NO_VALUE, NULL,
                                         NULL, 1.0f, err);
    return two_activations(p, n, err);
}
