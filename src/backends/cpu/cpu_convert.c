/* SPDX-License-Identifier: Apache-2.0
 *
 * Values in the layout that a step wants: reshapes and matrices are other names for the same bytes,
 * everything else is packed or unpacked. What enters and leaves in the caller's memory passes
 * through here too: s8 becomes u8 by + 128, 4-bit integers one byte each.
 */
#include "backends/cpu/cpu_convert.h"

#include "base/dtype.h"

enum { COPY_GRAIN = 65536 };

/* ---- packing ---- */

typedef enum pack_mode {
    PACK_QUANTIZE,
    PACK_F32,
    PACK_U8,
    UNPACK_DEQUANTIZE,
    UNPACK_F32,
    UNPACK_U8
} pack_mode;

struct pack {
    const mxdi_pack_blocked *k;
    pack_mode                mode;
    uint32_t                 x, y, blocked; /* blocked: the one of the two that is */
    uint8_t                  flip;
    mxdi_quantize_u8_params  q;
};

static size_t pack_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const struct pack *const p = op;
    return (size_t)mxdi_pack_blocked_lines(&f->tensor[p->blocked].l,
                                           mxdi_cpu_images(f, p->blocked));
}

static void pack_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                     unsigned thread)
{
    const struct pack *const  p = op;
    const mxdi_blocked *const l = &f->tensor[p->blocked].l;
    const int64_t     n = mxdi_cpu_images(f, p->blocked), b = (int64_t)begin, e = (int64_t)end;
    const void *const x = f->ptr[p->x];
    void *const       y = f->ptr[p->y];
    (void)thread;
    switch (p->mode) {
    case PACK_QUANTIZE:
        p->k->pack_quantize(y, x, l, n, &p->q, b, e);
        break;
    case PACK_F32:
        p->k->pack_f32(y, x, l, n, b, e);
        break;
    case PACK_U8:
        p->k->pack_u8(y, x, l, n, p->flip, b, e);
        break;
    case UNPACK_DEQUANTIZE:
        p->k->unpack_dequantize(y, x, l, n, &p->q, b, e);
        break;
    case UNPACK_F32:
        p->k->unpack_f32(y, x, l, n, b, e);
        break;
    case UNPACK_U8:
        p->k->unpack_u8(y, x, l, n, p->flip, b, e);
        break;
    }
}

static const mxdi_cpu_kind pack_kind = { pack_tasks, pack_run, NULL };

mxd_status mxdi_cpu_emit_pack(mxdi_cpu_plan *p, uint32_t y, uint32_t x,
                              const mxdi_quantize_u8_params *q, mxd_error *err)
{
    static const char *const     family[] = { "quantize_pack",     "pack_f32",   "pack_u8",
                                              "unpack_dequantize", "unpack_f32", "unpack_u8" };
    struct pack *const           op       = MXDI_CPU_NEW_OP(p, struct pack);
    const mxdi_cpu_tensor *const tx = &p->program->tensor[x], *const ty = &p->program->tensor[y];
    if (!op)
        return mxdi_nomem(err);
    op->k       = mxdi_pack_blocked_select(p->program->isa);
    op->x       = x;
    op->y       = y;
    op->blocked = ty->blocked ? y : x;
    op->flip    = tx->flip ^ ty->flip;
    if (q)
        op->q = *q;
    const bool bytes          = (ty->blocked ? tx : ty)->dtype == MXD_U8;
    op->mode                  = ty->blocked ? (q       ? PACK_QUANTIZE
                                               : bytes ? PACK_U8
                                                       : PACK_F32)
                                            : (q       ? UNPACK_DEQUANTIZE
                                               : bytes ? UNPACK_U8
                                                       : UNPACK_F32);
    const mxdi_cpu_emission e = { .kind      = &pack_kind,
                                  .op        = op,
                                  .in        = &x,
                                  .n_in      = 1,
                                  .out       = &y,
                                  .n_out     = 1,
                                  .anonymous = q == NULL,
                                  .computed  = q || bytes ? "u8" : "f32",
                                  .kernel =
                                      mxdi_cpu_kernel_name(p, family[op->mode], op->k->name) };
    return e.kernel ? mxdi_cpu_emit(p, &e, err) : mxdi_nomem(err);
}

/* ---- copying whole plain tensors ---- */

typedef enum copy_mode { COPY_BYTES, COPY_FLIP, COPY_WIDEN4, COPY_NARROW4 } copy_mode;

struct copy {
    copy_mode mode;
    uint32_t  x, y;
    uint8_t   flip;
    size_t    size; /* of an element; WIDEN4, NARROW4: half a byte on one side */
};

static mxdi_cpu_spans copy_spans(const struct copy *c, const mxdi_cpu_frame *f)
{
    mxdi_cpu_spans s;
    mxdi_cpu_spans_of(&s, f, &c->y, 1);
    return s;
}

static size_t copy_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const mxdi_cpu_spans s = copy_spans(op, f);
    return mxdi_cpu_pieces(&s, COPY_GRAIN);
}

static void copy_piece(const struct copy *c, uint8_t *y, const uint8_t *x, size_t at, size_t n)
{
    switch (c->mode) {
    case COPY_BYTES:
        memcpy(y + at * c->size, x + at * c->size, n * c->size);
        break;
    case COPY_FLIP:
        for (size_t i = at; i < at + n; i++)
            y[i] = x[i] ^ c->flip;
        break;
    case COPY_WIDEN4: /* 4-bit s: sign in bit 3; stored + 128 */
        for (size_t i = at; i < at + n; i++) {
            const int q = x[i / 2] >> (i % 2 * 4) & 15;
            y[i]        = (uint8_t)(c->flip ? (q ^ 8) - 8 + 128 : q);
        }
        break;
    case COPY_NARROW4: /* pieces begin at even elements: no byte is shared */
        for (size_t i = at; i < at + n; i += 2)
            y[i / 2] = (uint8_t)((x[i] & 15) | (i + 1 < at + n ? (x[i + 1] & 15) << 4 : 0));
        break;
    }
}

static void copy_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                     unsigned thread)
{
    const struct copy *const c = op;
    const mxdi_cpu_spans     s = copy_spans(c, f);
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        const mxdi_cpu_piece piece = mxdi_cpu_piece_at(&s, COPY_GRAIN, i);
        copy_piece(c, f->ptr[c->y], f->ptr[c->x], (size_t)piece.at, (size_t)piece.n);
    }
}

static const mxdi_cpu_kind copy_kind = { copy_tasks, copy_run, NULL };

static mxd_status emit_copy(mxdi_cpu_plan *p, uint32_t y, uint32_t x, copy_mode mode, uint8_t flip,
                            mxd_error *err)
{
    struct copy *const op = MXDI_CPU_NEW_OP(p, struct copy);
    if (!op)
        return mxdi_nomem(err);
    const size_t size = mxd_dtype_bits(p->program->tensor[y].dtype) / 8;
    *op = (struct copy){ mode == COPY_BYTES && flip ? COPY_FLIP : mode, x, y, flip, size };
    const mxdi_cpu_emission e = { .kind      = &copy_kind,
                                  .op        = op,
                                  .in        = &x,
                                  .n_in      = 1,
                                  .out       = &y,
                                  .n_out     = 1,
                                  .anonymous = true,
                                  .kernel    = "copy",
                                  .computed  = "copy" };
    return mxdi_cpu_emit(p, &e, err);
}

/* ---- plain ---- */

static bool four_bits(mxd_dtype d)
{
    return d == MXD_S4 || d == MXD_U4;
}

/* A tensor of bytes that the caller or the part holds, as it holds them. */
static mxd_status outside(uint32_t *out, mxdi_cpu_plan *p, uint32_t value, mxdi_cpu_home home,
                          uint32_t index, mxd_error *err)
{
    const mxd_value *const v = &p->g->value[value];
    mxdi_cpu_tensor        t = { .dtype  = mxdi_cpu_stored(v->dtype),
                                 .rank   = v->rank,
                                 .scaled = v->batch_axis == 0,
                                 .home   = home,
                                 .index  = index,
                                 .data   = v->data,
                                 .root   = MXD_NO_VALUE,
                                 .flip   = v->dtype == MXD_S8 ? 0x80 : 0 };
    memcpy(t.dim, v->dim, sizeof(t.dim));
    return mxdi_cpu_add_tensor(out, p, &t, err);
}

mxd_status mxdi_cpu_take_input(mxdi_cpu_plan *p, uint32_t value, uint32_t index, mxd_error *err)
{
    return outside(&p->value[value].plain, p, value, MXDI_CPU_INPUT, index, err);
}

/* `*t` as stored: s8 + 128, 4-bit integers a byte each. */
static mxd_status settle(uint32_t *t, mxdi_cpu_plan *p, uint32_t value, mxd_error *err)
{
    const mxdi_cpu_tensor *const x     = &p->program->tensor[*t];
    const mxd_dtype              dtype = p->g->value[value].dtype;
    const bool                   raw4  = four_bits(dtype) && (x->home == MXDI_CPU_INPUT ||
                                           (x->home == MXDI_CPU_CONSTANT && x->bytes == 0));
    if (!x->flip && !raw4)
        return MXD_OK;
    const uint32_t from = *t;
    MXD_TRY(mxdi_cpu_make_plain(t, p, value, false, err));
    return emit_copy(p, *t, from, raw4 ? COPY_WIDEN4 : COPY_BYTES, mxdi_cpu_shift(dtype) ? 0x80 : 0,
                     err);
}

static bool one_pixel(const mxd_value *v)
{
    return mxdi_cpu_can_block(v) &&
           (v->rank == 2 || (v->dim[2] == 1 && (v->rank == 3 || v->dim[3] == 1)));
}

/* Plain name for a tensor of the same bytes. */
static mxd_status rename_plain(uint32_t *out, mxdi_cpu_plan *p, uint32_t of, uint32_t value,
                               mxd_error *err)
{
    const mxd_value *const v = &p->g->value[value];
    MXD_TRY(mxdi_cpu_alias(out, p, of, err));
    mxdi_cpu_tensor *const t = &p->program->tensor[*out];
    t->blocked               = false;
    t->rank                  = v->rank;
    t->scaled                = v->batch_axis == 0;
    memcpy(t->dim, v->dim, sizeof(t->dim));
    return MXD_OK;
}

mxd_status mxdi_cpu_get_plain(uint32_t *out, mxdi_cpu_plan *p, uint32_t value, mxd_error *err)
{
    mxdi_cpu_state *const  s = &p->value[value];
    const mxd_value *const v = &p->g->value[value];
    if (s->plain == MXD_NO_VALUE && v->data) {
        MXD_TRY(outside(&s->plain, p, value, MXDI_CPU_CONSTANT, 0, err));
    } else if (s->plain == MXD_NO_VALUE && s->blocked != MXD_NO_VALUE && one_pixel(v)) {
        MXD_TRY(rename_plain(&s->plain, p, s->blocked, value, err));
    } else if (s->plain == MXD_NO_VALUE && s->blocked != MXD_NO_VALUE) {
        const uint32_t from = s->blocked;
        MXD_TRY(mxdi_cpu_make_plain(&s->plain, p, value, true, err));
        MXD_TRY(mxdi_cpu_emit_pack(p, s->plain, from, NULL, err));
    } else if (s->plain == MXD_NO_VALUE && s->reshape_of != MXD_NO_VALUE) {
        uint32_t from;
        MXD_TRY(mxdi_cpu_get_plain(&from, p, s->reshape_of, err));
        MXD_TRY(rename_plain(&s->plain, p, from, value, err));
    } else if (s->plain == MXD_NO_VALUE) {
        return mxdi_fail(err, MXD_E_INVAL, "'%s': used before it is made", v->name);
    }
    MXD_TRY(settle(&s->plain, p, value, err));
    *out = s->plain;
    return MXD_OK;
}

mxd_status mxdi_cpu_own(uint32_t *tensor, mxdi_cpu_plan *p, uint32_t value, mxd_error *err)
{
    const mxdi_cpu_tensor *const x = &p->program->tensor[*tensor];
    if (x->home == MXDI_CPU_ARENA || (x->home == MXDI_CPU_CONSTANT && x->bytes))
        return MXD_OK;
    const uint32_t from = *tensor;
    MXD_TRY(mxdi_cpu_make_plain(tensor, p, value, false, err));
    return emit_copy(p, *tensor, from, COPY_BYTES, 0, err);
}

/* ---- blocked ---- */

/* The value's blocked tensor under the shape that it is a reshape of, if the layouts are the same.
 */
static uint32_t blocked_behind(const mxdi_cpu_plan *p, uint32_t value)
{
    const uint32_t of = p->value[value].reshape_of;
    if (p->value[value].plain != MXD_NO_VALUE || of == MXD_NO_VALUE || !mxdi_cpu_is_blocked(p, of))
        return MXD_NO_VALUE;
    const mxd_value *const a = &p->g->value[value], *const b = &p->g->value[of];
    const bool same = one_pixel(a) && one_pixel(b) && a->dim[0] == b->dim[0] &&
                      a->dim[1] == b->dim[1] && a->batch_axis == b->batch_axis;
    return same ? of : MXD_NO_VALUE;
}

bool mxdi_cpu_is_blocked(const mxdi_cpu_plan *p, uint32_t value)
{
    return p->value[value].blocked != MXD_NO_VALUE || blocked_behind(p, value) != MXD_NO_VALUE;
}

/* Blocked name for one pixel's plain bytes. */
static mxd_status rename_blocked(uint32_t *out, mxdi_cpu_plan *p, uint32_t plain, uint32_t value,
                                 mxd_error *err)
{
    const mxd_value *const v = &p->g->value[value];
    mxdi_blocked           l;
    MXD_TRY(mxdi_cpu_own(&plain, p, value, err));
    MXD_TRY(mxdi_cpu_layout_of(&l, v, p->program->max_batch, err));
    MXD_TRY(mxdi_cpu_alias(out, p, plain, err));
    mxdi_cpu_tensor *const t = &p->program->tensor[*out];
    t->blocked               = true;
    t->l                     = l;
    t->images                = v->dim[0];
    t->scaled                = v->batch_axis == 0;
    const int64_t blocks     = (t->images + l.block - 1) / l.block;
    return mxdi_cpu_reserve(
        p, *out, (size_t)(blocks * l.block_stride) * (mxd_dtype_bits(t->dtype) / 8), err);
}

mxd_status mxdi_cpu_get_blocked(uint32_t *out, mxdi_cpu_plan *p, uint32_t value, mxd_error *err)
{
    mxdi_cpu_state *const  s = &p->value[value];
    const mxd_value *const v = &p->g->value[value];
    uint32_t               from, behind = blocked_behind(p, value);
    if (s->blocked != MXD_NO_VALUE) {
        *out = s->blocked;
        return MXD_OK;
    }
    if (behind != MXD_NO_VALUE) {
        MXD_TRY(mxdi_cpu_get_blocked(&s->blocked, p, behind, err));
    } else if (one_pixel(v)) {
        MXD_TRY(mxdi_cpu_get_plain(&from, p, value, err));
        MXD_TRY(rename_blocked(&s->blocked, p, from, value, err));
    } else {
        from = s->plain;
        if (from == MXD_NO_VALUE || four_bits(v->dtype))
            MXD_TRY(mxdi_cpu_get_plain(&from, p, value, err));
        MXD_TRY(mxdi_cpu_make_blocked(&s->blocked, p, value, err));
        MXD_TRY(mxdi_cpu_emit_pack(p, s->blocked, from, NULL, err));
    }
    *out = s->blocked;
    return MXD_OK;
}

/* ---- leaving ---- */

static mxd_status deliver(mxdi_cpu_plan *p, uint32_t k, mxd_error *err)
{
    const uint32_t              value = p->g->output[k];
    const mxd_value *const      v     = &p->g->value[value];
    const mxdi_cpu_state *const s     = &p->value[value];
    if (s->plain != MXD_NO_VALUE) {
        const mxdi_cpu_tensor *const t = &p->program->tensor[s->plain];
        if (t->home == MXDI_CPU_OUTPUT && t->index == k)
            return MXD_OK;
    }
    uint32_t y, x;
    MXD_TRY(outside(&y, p, value, MXDI_CPU_OUTPUT, k, err));
    if (s->plain == MXD_NO_VALUE && s->blocked != MXD_NO_VALUE && !one_pixel(v) &&
        !four_bits(v->dtype))
        return mxdi_cpu_emit_pack(p, y, s->blocked, NULL, err);
    MXD_TRY(mxdi_cpu_get_plain(&x, p, value, err));
    const mxdi_cpu_tensor *const t = &p->program->tensor[x];
    if (t->home == MXDI_CPU_OUTPUT && t->index == k) /* unpacked there on the way */
        return MXD_OK;
    return emit_copy(p, y, x, four_bits(v->dtype) ? COPY_NARROW4 : COPY_BYTES,
                     p->program->tensor[y].flip, err);
}

mxd_status mxdi_cpu_deliver(mxdi_cpu_plan *p, mxd_error *err)
{
    p->node = NULL;
    for (uint32_t k = 0; k < p->g->n_outputs; k++)
        MXD_TRY(deliver(p, k, err));
    return MXD_OK;
}
