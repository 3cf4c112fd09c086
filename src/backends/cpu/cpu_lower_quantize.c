/* SPDX-License-Identifier: Apache-2.0
 *
 * QuantizeLinear, DequantizeLinear and Cast. One scale and bytes: kernels, in the layout at hand;
 * an f32 image that is wanted blocked is packed and quantized in one step, and unpacked and
 * dequantized likewise. All else (scales per channel or block, s32) is plain C: it is met on
 * constants, once. */
#include "backends/cpu/cpu_convert.h"
#include "backends/cpu/cpu_emit.h"
#include "backends/cpu/cpu_lower.h"
#include "base/dtype.h"
#include "base/half.h"

static bool is_half(mxd_dtype d)
{
    return d == MXD_F16 || d == MXD_BF16;
}

/* ---- parameters ---- */

/* The one scale and zero point of a (De)QuantizeLinear on integers of type d; false: there are
 * more, or not constant. */
static bool one_scale(mxdi_quantize_u8_params *out, const mxd_graph_view *g, const mxd_node *n,
                      mxd_dtype d)
{
    const mxd_value *const s = mxdi_cpu_in(g, n, 1), *const z = mxdi_cpu_in(g, n, 2);
    int64_t lo, hi;
    if (!s || !s->data || s->dtype != MXD_F32 || mxdi_cpu_count(s) != 1 || (z && !z->data) ||
        !mxdi_cpu_is_byte(d) || !mxdi_dtype_range(d, &lo, &hi))
        return false;
    const int32_t shift = mxdi_cpu_shift(d);
    *out                = (mxdi_quantize_u8_params){ .scale      = ((const float *)s->data)[0],
                                                     .zero_point = shift,
                                                     .q_min      = (int32_t)lo + shift,
                                                     .q_max      = (int32_t)hi + shift };
    if (z)
        out->zero_point += (int32_t)mxdi_load_s64(z->data, z->dtype, 0);
    return out->scale > 0;
}

/* ---- QuantizeLinear ---- */

mxd_status mxdi_cpu_lower_quantize(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const  y = mxdi_cpu_out(p->g, n, 0);
    mxdi_quantize_u8_params q;
    uint32_t                tx, ty;
    if (!one_scale(&q, p->g, n, y->dtype))
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "one constant scale expected");
    if (mxdi_cpu_is_blocked(p, n->in[0]) && mxdi_cpu_can_block(y)) {
        MXD_TRY(mxdi_cpu_get_blocked(&tx, p, n->in[0], err));
        MXD_TRY(mxdi_cpu_make_blocked(&ty, p, n->out[0], err));
        return mxdi_cpu_emit_quantize(p, ty, tx, &q, err);
    }
    MXD_TRY(mxdi_cpu_get_plain(&tx, p, n->in[0], err));
    if (p->value[n->out[0]].wish && mxdi_cpu_can_block(y) && y->rank > 2) {
        MXD_TRY(mxdi_cpu_make_blocked(&ty, p, n->out[0], err));
        return mxdi_cpu_emit_pack(p, ty, tx, &q, err);
    }
    MXD_TRY(mxdi_cpu_make_plain(&ty, p, n->out[0], true, err));
    return mxdi_cpu_emit_quantize(p, ty, tx, &q, err);
}

const char *mxdi_cpu_check_quantize(const mxd_graph_view *g, const mxd_node *n)
{
    mxdi_quantize_u8_params q;
    const char *const       why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    if (mxdi_cpu_in(g, n, 0)->dtype != MXD_F32 ||
        !one_scale(&q, g, n, mxdi_cpu_out(g, n, 0)->dtype))
        return "quantizes to more than one scale or to another type than 8 and 4 bits: runs in the reference interpreter";
    return NULL;
}

/* ---- DequantizeLinear ---- */

/* Any scales: element i of (outer, axis, inner) has scale index (i's block of the axis)*step + ...
 */
struct dequantize {
    uint32_t       x, y;
    mxd_dtype      dtype; /* of x as stored */
    int32_t        shift;
    const float   *scale;
    const int64_t *zero_point;          /* NULL: 0 */
    int64_t axis, inner, block, blocks; /* block 0: one scale per channel, or one in all (axis 0) */
};

static int64_t scale_index(const struct dequantize *d, int64_t i)
{
    if (d->axis == 0)
        return 0;
    const int64_t along = i / d->inner % d->axis;
    return d->block == 0
               ? along
               : (i / d->inner / d->axis * d->blocks + along / d->block) * d->inner + i % d->inner;
}

static void dequantize_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                           unsigned thread)
{
    const struct dequantize *const d = op;
    const int64_t                  n = mxdi_cpu_elements(f, d->y);
    (void)begin;
    (void)end;
    (void)thread;
    for (int64_t i = 0; i < n; i++) {
        const int64_t k = scale_index(d, i),
                      q = mxdi_load_s64(f->ptr[d->x], d->dtype, i) - d->shift;
        ((float *)f->ptr[d->y])[i] =
            (float)(q - (d->zero_point ? d->zero_point[k] : 0)) * d->scale[k];
    }
}

static const mxdi_cpu_kind dequantize_kind = { NULL, dequantize_run, NULL };

static mxd_status dequantize_any(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const x = mxdi_cpu_in(p->g, n, 0), *const s = mxdi_cpu_in(p->g, n, 1);
    struct dequantize *const op = MXDI_CPU_NEW_OP(p, struct dequantize);
    const int64_t           *z  = NULL;
    if (!op)
        return mxdi_nomem(err);
    if (mxdi_cpu_has_in(n, 2))
        MXD_TRY(mxdi_cpu_constant_s64(&z, p, n->in[2], err));
    const size_t count = (size_t)mxdi_cpu_count(s);
    *op                = (struct dequantize){ .dtype = mxdi_cpu_stored(x->dtype),
                                              .shift = mxdi_cpu_shift(x->dtype),
                                              .scale = s->data,
                                              .inner = 1 };
    if (z)
        op->zero_point = mxdi_arena_memdup(&p->program->arena, z, count * sizeof(z[0]), 64);
    if (z && !op->zero_point)
        return mxdi_nomem(err);
    if (count > 1) {
        int64_t axis = mxd_node_int(n, "axis", 1);
        axis         = axis < 0 ? axis + x->rank : axis;
        for (int32_t k = (int32_t)axis + 1; k < x->rank; k++)
            op->inner *= x->dim[k];
        op->axis   = x->dim[axis];
        op->block  = s->rank == x->rank && x->rank > 1 ? mxd_node_int(n, "block_size", 0) : 0;
        op->blocks = s->rank == x->rank ? s->dim[axis] : 0;
    }
    MXD_TRY(mxdi_cpu_get_plain(&op->x, p, n->in[0], err));
    MXD_TRY(mxdi_cpu_make_plain(&op->y, p, n->out[0], true, err));
    const mxdi_cpu_emission e = { .kind     = &dequantize_kind,
                                  .op       = op,
                                  .in       = &op->x,
                                  .n_in     = 1,
                                  .out      = &op->y,
                                  .n_out    = 1,
                                  .kernel   = "dequantize",
                                  .computed = "f32",
                                  .ns       = 5.0 * (double)mxdi_cpu_count(x) };
    return mxdi_cpu_emit(p, &e, err);
}

mxd_status mxdi_cpu_lower_dequantize(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const x = mxdi_cpu_in(p->g, n, 0), *const y = mxdi_cpu_out(p->g, n, 0);
    mxdi_quantize_u8_params q;
    uint32_t                tx, ty;
    if (!one_scale(&q, p->g, n, x->dtype))
        return dequantize_any(p, n, err);
    if (mxdi_cpu_is_blocked(p, n->in[0]) && mxdi_cpu_can_block(y)) {
        MXD_TRY(mxdi_cpu_get_blocked(&tx, p, n->in[0], err));
        if (p->value[n->out[0]].wish || y->rank == 2) {
            MXD_TRY(mxdi_cpu_make_blocked(&ty, p, n->out[0], err));
            return mxdi_cpu_emit_dequantize(p, ty, tx, &q, err);
        }
        MXD_TRY(mxdi_cpu_make_plain(&ty, p, n->out[0], true, err));
        return mxdi_cpu_emit_pack(p, ty, tx, &q, err);
    }
    MXD_TRY(mxdi_cpu_get_plain(&tx, p, n->in[0], err));
    MXD_TRY(mxdi_cpu_make_plain(&ty, p, n->out[0], true, err));
    return mxdi_cpu_emit_dequantize(p, ty, tx, &q, err);
}

/* Scales that cover x: one, one per channel of the axis, or one per block of it. */
static bool scales_cover(const mxd_node *n, const mxd_value *x, const mxd_value *s)
{
    const int64_t count = mxdi_cpu_count(s), block = mxd_node_int(n, "block_size", 0);
    int64_t       axis = mxd_node_int(n, "axis", 1);
    axis               = axis < 0 ? axis + x->rank : axis;
    if (count == 1)
        return true;
    if (axis < 0 || axis >= x->rank)
        return false;
    if (block <= 0 || x->rank == 1 || s->rank != x->rank)
        return block <= 0 && count == x->dim[axis];
    for (int32_t k = 0; k < x->rank; k++)
        if (s->dim[k] != (k == axis ? (x->dim[k] + block - 1) / block : x->dim[k]))
            return false;
    return true;
}

const char *mxdi_cpu_check_dequantize(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const x = mxdi_cpu_in(g, n, 0), *const s = mxdi_cpu_in(g, n, 1),
                           *const z   = mxdi_cpu_in(g, n, 2);
    const char *const             why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    if (!s->data || s->dtype != MXD_F32 ||
        (z && (!z->data || mxdi_cpu_count(z) != mxdi_cpu_count(s))) || !scales_cover(n, x, s))
        return "scales are not constant or not f32: runs in the reference interpreter";
    if ((!mxdi_cpu_is_byte(x->dtype) && x->dtype != MXD_S32) ||
        mxdi_cpu_out(g, n, 0)->dtype != MXD_F32)
        return "no CPU kernel to dequantize this type: runs in the reference interpreter";
    return NULL;
}

/* ---- Cast ---- */

struct cast {
    uint32_t  x, y;
    mxd_dtype from, to;
};

static void cast_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                     unsigned thread)
{
    const struct cast *const c = op;
    const int64_t            n = mxdi_cpu_elements(f, c->y);
    const void *const        x = f->ptr[c->x];
    void *const              y = f->ptr[c->y];
    const uint8_t in = mxdi_cpu_shift(c->from) ? 0x80 : 0, out = mxdi_cpu_shift(c->to) ? 0x80 : 0;
    const bool    integers = !mxdi_dtype_is_float(c->from) && !mxdi_dtype_is_float(c->to);
    (void)begin;
    (void)end;
    (void)thread;
    for (int64_t i = 0; i < n; i++) {
        const uint8_t byte = in ? ((const uint8_t *)x)[i] ^ in : 0;
        if (integers)
            mxdi_store_s64(y, c->to, i,
                           in ? mxdi_load_s64(&byte, c->from, 0) : mxdi_load_s64(x, c->from, i));
        else
            mxdi_store_f64(y, c->to, i,
                           in ? mxdi_load_f64(&byte, c->from, 0) : mxdi_load_f64(x, c->from, i));
        if (out)
            ((uint8_t *)y)[i] ^= out;
    }
}

static const mxdi_cpu_kind cast_kind = { NULL, cast_run, NULL };

/* The f32 value that a 16-bit one is cast from, or MXD_NO_VALUE. */
static uint32_t cast_from(const mxd_graph_view *g, uint32_t value)
{
    for (uint32_t n = 0; is_half(g->value[value].dtype) && n < g->n_nodes; n++)
        for (uint32_t k = 0; k < g->node[n].n_out; k++)
            if (g->node[n].out[k] == value && strcmp(g->node[n].op, "Cast") == 0 &&
                g->value[g->node[n].in[0]].dtype == MXD_F32)
                return g->node[n].in[0];
    return MXD_NO_VALUE;
}

/* Whether a 16-bit value is only cast back, so that it needs no memory of its own. */
static bool only_cast_back(const mxdi_cpu_plan *p, uint32_t value)
{
    if (!is_half(p->g->value[value].dtype) || p->value[value].output != MXD_NO_VALUE)
        return false;
    for (uint32_t n = 0; n < p->g->n_nodes; n++)
        for (uint32_t k = 0; k < p->g->node[n].n_in; k++)
            if (p->g->node[n].in[k] == value &&
                (strcmp(p->g->node[n].op, "Cast") != 0 ||
                 p->g->value[p->g->node[n].out[0]].dtype != MXD_F32))
                return false;
    return true;
}

static mxd_status round_back(mxdi_cpu_plan *p, const mxd_node *n, uint32_t from, mxd_error *err)
{
    const mxd_dtype half = mxdi_cpu_in(p->g, n, 0)->dtype;
    uint32_t        x, y;
    if (mxdi_cpu_is_blocked(p, from) && mxdi_cpu_can_block(mxdi_cpu_out(p->g, n, 0))) {
        MXD_TRY(mxdi_cpu_get_blocked(&x, p, from, err));
        MXD_TRY(mxdi_cpu_make_blocked(&y, p, n->out[0], err));
    } else {
        MXD_TRY(mxdi_cpu_get_plain(&x, p, from, err));
        MXD_TRY(mxdi_cpu_make_plain(&y, p, n->out[0], true, err));
    }
    return mxdi_cpu_emit_round(p, y, x, half, err);
}

mxd_status mxdi_cpu_lower_cast(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_dtype from = mxdi_cpu_in(p->g, n, 0)->dtype, to = mxdi_cpu_out(p->g, n, 0)->dtype;
    const uint32_t  before = to == MXD_F32 ? cast_from(p->g, n->in[0]) : MXD_NO_VALUE;
    if (from == to) {
        p->value[n->out[0]].reshape_of = n->in[0];
        return MXD_OK;
    }
    if (from == MXD_F32 && only_cast_back(p, n->out[0]))
        return MXD_OK;
    if (before != MXD_NO_VALUE)
        return round_back(p, n, before, err);
    struct cast *const op = MXDI_CPU_NEW_OP(p, struct cast);
    if (!op)
        return mxdi_nomem(err);
    *op = (struct cast){ .from = from, .to = to };
    MXD_TRY(mxdi_cpu_get_plain(&op->x, p, n->in[0], err));
    MXD_TRY(mxdi_cpu_make_plain(&op->y, p, n->out[0], true, err));
    const mxdi_cpu_emission e = { .kind     = &cast_kind,
                                  .op       = op,
                                  .in       = &op->x,
                                  .n_in     = 1,
                                  .out      = &op->y,
                                  .n_out    = 1,
                                  .kernel   = "cast",
                                  .computed = mxd_dtype_name(to),
                                  .ns = 5.0 * (double)mxdi_cpu_count(mxdi_cpu_out(p->g, n, 0)) };
    return mxdi_cpu_emit(p, &e, err);
}

const char *mxdi_cpu_check_cast(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_dtype   from = mxdi_cpu_in(g, n, 0)->dtype, to = mxdi_cpu_out(g, n, 0)->dtype;
    const char *const why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    if (mxd_dtype_bits(from) < 8 || mxd_dtype_bits(to) < 8 || from == MXD_F8E4M3 ||
        to == MXD_F8E4M3)
        return "no CPU kernel for Cast between these types: runs in the reference interpreter";
    return NULL;
}
