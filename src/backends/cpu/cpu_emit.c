/* SPDX-License-Identifier: Apache-2.0
 *
 * Element-wise steps. Tensors of one layout are walked as runs of elements, lanes between pixels
 * included; only broadcasting looks at shapes. */
#include "backends/cpu/cpu_emit.h"

#include "base/dtype.h"
#include "base/half.h"
#include "kernels/lookup8/lookup8.h"
#include "kernels/round_half/round_half.h"

enum { GRAIN = 8192 };

mxd_status mxdi_cpu_temporary(uint32_t *out, mxdi_cpu_plan *p, uint32_t like, mxd_error *err)
{
    mxdi_cpu_tensor    t     = p->program->tensor[like];
    const mxdi_blocked l     = t.l;
    int64_t            count = 1;
    if (t.blocked)
        count = (t.images + l.block - 1) / l.block * l.block_stride;
    else if (!mxdi_shape_count(&count, t.dim, t.rank))
        return mxdi_fail(err, MXD_E_RANGE, "too large");
    if (!mxdi_dtype_bytes(&t.bytes, t.dtype, count))
        return mxdi_fail(err, MXD_E_RANGE, "too large");
    t.root   = MXD_NO_VALUE;
    t.home   = MXDI_CPU_ARENA;
    t.flip   = 0;
    t.offset = 0;
    t.data   = NULL;
    return mxdi_cpu_add_tensor(out, p, &t, err);
}

/* ---- one layout ---- */

struct each;
typedef void (*each_fn)(const struct each *e, void *y, const void *a, const void *b, size_t n);

struct each {
    each_fn  fn;
    uint32_t y, a, b; /* b MXD_NO_VALUE: none */
    uint8_t  y_size, a_size;
    union {
        struct {
            mxdi_unary_fn     fn;
            mxdi_unary_params params;
        } unary;
        struct {
            mxdi_binary_fn    fn;
            mxdi_binary_fixed fixed;
            float             value;
        } binary;
        struct {
            const mxdi_quantize_u8 *k;
            mxdi_quantize_u8_params params;
        } quantize;
        struct {
            const mxdi_lookup8 *k;
            uint8_t             table[256];
        } lookup;
        void (*round)(float *y, const float *x, size_t n);
    } u;
};

/* Of y, a and, where there is one, b. */
static void each_spans(mxdi_cpu_spans out[3], const struct each *e, const mxdi_cpu_frame *f)
{
    const uint32_t t[] = { e->y, e->a, e->b };
    mxdi_cpu_spans_of(out, f, t, e->b == MXD_NO_VALUE ? 2 : 3);
}

static size_t each_tasks(const void *op, const mxdi_cpu_frame *f)
{
    mxdi_cpu_spans s[3];
    each_spans(s, op, f);
    return mxdi_cpu_pieces(&s[0], GRAIN);
}

static void each_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                     unsigned thread)
{
    const struct each *const e = op;
    mxdi_cpu_spans           s[3];
    each_spans(s, e, f);
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        const mxdi_cpu_piece y = mxdi_cpu_piece_at(&s[0], GRAIN, i),
                             a = mxdi_cpu_piece_at(&s[1], GRAIN, i);
        const void *b          = NULL;
        if (e->b != MXD_NO_VALUE)
            b = (const uint8_t *)f->ptr[e->b] + mxdi_cpu_piece_at(&s[2], GRAIN, i).at * e->a_size;
        e->fn(e, (uint8_t *)f->ptr[e->y] + y.at * e->y_size,
              (const uint8_t *)f->ptr[e->a] + a.at * e->a_size, b, (size_t)y.n);
    }
}

static const mxdi_cpu_kind each_kind = { each_tasks, each_run, NULL };

/* `family` and `variant` name the kernel. */
static mxd_status emit_each(mxdi_cpu_plan *p, struct each *op, const char *family,
                            const char *variant, mxd_error *err)
{
    op->y_size                   = (uint8_t)(mxd_dtype_bits(p->program->tensor[op->y].dtype) / 8);
    op->a_size                   = (uint8_t)(mxd_dtype_bits(p->program->tensor[op->a].dtype) / 8);
    const uint32_t          in[] = { op->a, op->b };
    const mxdi_cpu_emission e    = { .kind     = &each_kind,
                                     .op       = op,
                                     .in       = in,
                                     .n_in     = op->b == MXD_NO_VALUE ? 1 : 2,
                                     .out      = &op->y,
                                     .n_out    = 1,
                                     .in_place = op->y_size == op->a_size,
                                     .computed = op->a_size == 1 ? "u8" : "f32",
                                     .kernel   = mxdi_cpu_kernel_name(p, family, variant) };
    return e.kernel ? mxdi_cpu_emit(p, &e, err) : mxdi_nomem(err);
}

static struct each *new_each(mxdi_cpu_plan *p, each_fn fn, uint32_t y, uint32_t a, uint32_t b)
{
    struct each *const op = MXDI_CPU_NEW_OP(p, struct each);
    if (op) {
        op->fn = fn;
        op->y  = y;
        op->a  = a;
        op->b  = b;
    }
    return op;
}

static void each_unary(const struct each *e, void *y, const void *a, const void *b, size_t n)
{
    (void)b;
    e->u.unary.fn(y, a, n, &e->u.unary.params);
}

mxd_status mxdi_cpu_emit_unary(mxdi_cpu_plan *p, uint32_t y, uint32_t x, mxdi_unary_op f,
                               const mxdi_unary_params *params, mxd_error *err)
{
    static const char *const name[] = {
#define MXD_UNARY(NAME, lower, ulp) #lower,
#include "kernels/unary_f32/unary_f32.inc"
#undef MXD_UNARY
    };
    const mxdi_unary_f32 *const k  = mxdi_unary_f32_select(p->program->isa);
    struct each *const          op = new_each(p, each_unary, y, x, MXD_NO_VALUE);
    if (!op)
        return mxdi_nomem(err);
    op->u.unary.fn = k->fn[f];
    if (params)
        op->u.unary.params = *params;
    return emit_each(p, op, name[f], k->name, err);
}

static void each_round(const struct each *e, void *y, const void *a, const void *b, size_t n)
{
    (void)b;
    e->u.round(y, a, n);
}

mxd_status mxdi_cpu_emit_round(mxdi_cpu_plan *p, uint32_t y, uint32_t x, mxd_dtype to,
                               mxd_error *err)
{
    const mxdi_round_half *const k  = mxdi_round_half_select(p->program->isa);
    struct each *const           op = new_each(p, each_round, y, x, MXD_NO_VALUE);
    if (!op)
        return mxdi_nomem(err);
    op->u.round = to == MXD_F16 ? k->f16 : k->bf16;
    return emit_each(p, op, to == MXD_F16 ? "round_f16" : "round_bf16", k->name, err);
}

static void each_quantize(const struct each *e, void *y, const void *a, const void *b, size_t n)
{
    (void)b;
    e->u.quantize.k->quantize(y, a, n, &e->u.quantize.params);
}

static void each_dequantize(const struct each *e, void *y, const void *a, const void *b, size_t n)
{
    (void)b;
    e->u.quantize.k->dequantize(y, a, n, &e->u.quantize.params);
}

static mxd_status emit_quantizer(mxdi_cpu_plan *p, uint32_t y, uint32_t x,
                                 const mxdi_quantize_u8_params *q, bool to_float, mxd_error *err)
{
    struct each *const op =
        new_each(p, to_float ? each_dequantize : each_quantize, y, x, MXD_NO_VALUE);
    if (!op)
        return mxdi_nomem(err);
    op->u.quantize.k      = mxdi_quantize_u8_select(p->program->isa);
    op->u.quantize.params = *q;
    return emit_each(p, op, to_float ? "dequantize_u8" : "quantize_u8", op->u.quantize.k->name,
                     err);
}

mxd_status mxdi_cpu_emit_quantize(mxdi_cpu_plan *p, uint32_t y, uint32_t x,
                                  const mxdi_quantize_u8_params *q, mxd_error *err)
{
    return emit_quantizer(p, y, x, q, false, err);
}

mxd_status mxdi_cpu_emit_dequantize(mxdi_cpu_plan *p, uint32_t y, uint32_t x,
                                    const mxdi_quantize_u8_params *q, mxd_error *err)
{
    return emit_quantizer(p, y, x, q, true, err);
}

static void each_lookup8(const struct each *e, void *y, const void *a, const void *b, size_t n)
{
    (void)b;
    e->u.lookup.k->lookup(y, a, n, e->u.lookup.table);
}

mxd_status mxdi_cpu_emit_lookup8(mxdi_cpu_plan *p, uint32_t y, uint32_t x, const uint8_t table[256],
                                 mxd_error *err)
{
    struct each *const op = new_each(p, each_lookup8, y, x, MXD_NO_VALUE);
    if (!op)
        return mxdi_nomem(err);
    op->u.lookup.k = mxdi_lookup8_select(p->program->isa);
    memcpy(op->u.lookup.table, table, 256);
    return emit_each(p, op, "lookup8", op->u.lookup.k->name, err);
}

/* ---- two operands ---- */

static const char *const binary_name[] = {
#define MXD_X(NAME, lower) #lower,
    MXDI_BINARY_MAP(MXD_X)
#undef MXD_X
};

static void each_binary(const struct each *e, void *y, const void *a, const void *b, size_t n)
{
    e->u.binary.fn(y, a, b, n, MXDI_FIXED_NONE);
}

static void each_fixed(const struct each *e, void *y, const void *a, const void *b, size_t n)
{
    (void)b;
    const float *const v = &e->u.binary.value;
    e->u.binary.fn(y, e->u.binary.fixed == MXDI_FIXED_A ? v : a,
                   e->u.binary.fixed == MXDI_FIXED_A ? a : v, n, e->u.binary.fixed);
}

mxd_status mxdi_cpu_emit_binary(mxdi_cpu_plan *p, uint32_t y, uint32_t a, uint32_t b,
                                mxdi_binary_op f, mxd_error *err)
{
    const mxdi_binary_f32 *const k  = mxdi_binary_f32_select(p->program->isa);
    struct each *const           op = new_each(p, each_binary, y, a, b);
    if (!op)
        return mxdi_nomem(err);
    op->u.binary.fn = k->fn[f];
    return emit_each(p, op, binary_name[f], k->name, err);
}

mxd_status mxdi_cpu_emit_fixed(mxdi_cpu_plan *p, uint32_t y, uint32_t x, float value,
                               mxdi_binary_op f, mxdi_binary_fixed fixed, mxd_error *err)
{
    const mxdi_binary_f32 *const k  = mxdi_binary_f32_select(p->program->isa);
    struct each *const           op = new_each(p, each_fixed, y, x, MXD_NO_VALUE);
    if (!op)
        return mxdi_nomem(err);
    op->u.binary.fn    = k->fn[f];
    op->u.binary.fixed = fixed;
    op->u.binary.value = value;
    return emit_each(p, op, binary_name[f], k->name, err);
}

/* ---- broadcast ---- */

struct broadcast {
    const mxdi_binary_f32 *k;
    mxdi_binary_op         f;
    uint32_t               y, a, b;
    int32_t                rank;
    bool                   grows;
    int64_t                dim[MXD_MAX_RANK], ys[MXD_MAX_RANK], as[MXD_MAX_RANK], bs[MXD_MAX_RANK];
};

/* Tasks share the first axis of more than one element. */
static int32_t shared_axis(const struct broadcast *b, int64_t n0)
{
    int32_t axis = 0;
    while (axis + 1 < b->rank && (axis == 0 ? n0 : b->dim[axis]) == 1)
        axis++;
    return axis;
}

static size_t broadcast_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const struct broadcast *const b  = op;
    const int64_t                 n0 = b->rank ? mxdi_cpu_grown(f, b->dim[0], b->grows) : 1;
    const int32_t                 k  = shared_axis(b, n0);
    return b->rank == 0 ? 1 : (size_t)(k == 0 ? n0 : b->dim[k]);
}

static void broadcast_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                          unsigned thread)
{
    const struct broadcast *const b                     = op;
    int64_t                       dim[MXD_MAX_RANK + 1] = { 0 };
    int64_t                       y = 0, x = 0, z = 0;
    (void)thread;
    for (int32_t k = 0; k < b->rank; k++)
        dim[k] = k == 0 ? mxdi_cpu_grown(f, b->dim[0], b->grows) : b->dim[k];
    if (b->rank) {
        const int32_t k = shared_axis(b, dim[0]);
        dim[k]          = (int64_t)(end - begin);
        y               = (int64_t)begin * b->ys[k];
        x               = (int64_t)begin * b->as[k];
        z               = (int64_t)begin * b->bs[k];
    }
    mxdi_binary_f32_broadcast(b->k, b->f, (float *)f->ptr[b->y] + y,
                              (const float *)f->ptr[b->a] + x, (const float *)f->ptr[b->b] + z,
                              b->rank, dim, b->ys, b->as, b->bs);
}

static const mxdi_cpu_kind broadcast_kind = { broadcast_tasks, broadcast_run, NULL };

mxd_status mxdi_cpu_emit_broadcast(mxdi_cpu_plan *p, uint32_t y, uint32_t a, uint32_t b,
                                   const mxd_value *vy, const mxd_value *va, const mxd_value *vb,
                                   mxdi_binary_op f, mxd_error *err)
{
    struct broadcast *const op = MXDI_CPU_NEW_OP(p, struct broadcast);
    if (!op)
        return mxdi_nomem(err);
    *op = (struct broadcast){ .k     = mxdi_binary_f32_select(p->program->isa),
                              .f     = f,
                              .y     = y,
                              .a     = a,
                              .b     = b,
                              .rank  = vy->rank,
                              .grows = vy->batch_axis == 0 };
    memcpy(op->dim, vy->dim, sizeof(op->dim));
    mxdi_cpu_broadcast_strides(op->ys, vy, vy);
    mxdi_cpu_broadcast_strides(op->as, va, vy);
    mxdi_cpu_broadcast_strides(op->bs, vb, vy);
    const uint32_t          in[] = { a, b };
    const mxdi_cpu_emission e    = { .kind     = &broadcast_kind,
                                     .op       = op,
                                     .in       = in,
                                     .n_in     = 2,
                                     .out      = &y,
                                     .n_out    = 1,
                                     .in_place = true,
                                     .computed = "f32",
                                     .kernel = mxdi_cpu_kernel_name(p, binary_name[f], op->k->name) };
    return e.kernel ? mxdi_cpu_emit(p, &e, err) : mxdi_nomem(err);
}

void mxdi_cpu_round_f16(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = mxdi_f16_to_f32(mxdi_f32_to_f16(x[i]));
}
