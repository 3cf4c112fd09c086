/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors of a program: which layout a value has when blocked, how large it is, and how many of its
 * elements count at the batch of a run.
 */
#include "backends/cpu/cpu_plan.h"
#include "base/dtype.h"

enum {
    BLOCK      = 8,
    PAGE       = 4096, /* distances that are a multiple share few sets of L1 */
    LINE       = 64,
    MAX_EXTENT = INT32_MAX / 2
};

mxd_dtype mxdi_cpu_stored(mxd_dtype d)
{
    return mxdi_cpu_is_byte(d) || d == MXD_BOOL ? MXD_U8 : d;
}

int32_t mxdi_cpu_shift(mxd_dtype d)
{
    return d == MXD_S8 || d == MXD_S4 ? 128 : 0;
}

bool mxdi_cpu_is_byte(mxd_dtype d)
{
    return d == MXD_U8 || d == MXD_S8 || d == MXD_U4 || d == MXD_S4;
}

int64_t mxdi_cpu_count(const mxd_value *v)
{
    int64_t n = 0;
    return mxdi_shape_count(&n, v->dim, v->rank) ? n : 0;
}

bool mxdi_cpu_same_shape(const mxd_value *a, const mxd_value *b)
{
    return a->rank == b->rank && memcmp(a->dim, b->dim, (size_t)a->rank * sizeof(a->dim[0])) == 0;
}

void mxdi_cpu_broadcast_strides(int64_t *out, const mxd_value *v, const mxd_value *y)
{
    int64_t stride = 1;
    for (int32_t k = y->rank - 1, d = v->rank - 1; k >= 0; k--, d--) {
        const int64_t dim = d >= 0 ? v->dim[d] : 1;
        out[k]            = dim == 1 ? 0 : stride;
        stride *= dim;
    }
}

int32_t mxdi_cpu_axis(const mxd_node *n, const mxd_value *x, int64_t otherwise)
{
    const int64_t axis = mxd_node_int(n, "axis", otherwise);
    return (int32_t)(axis < 0 ? axis + x->rank : axis);
}

/* ---- making ---- */

mxd_status mxdi_cpu_add_tensor(uint32_t *out, mxdi_cpu_plan *p, const mxdi_cpu_tensor *t,
                               mxd_error *err)
{
    mxd_program *const g = p->program;
    if (g->n_tensors == g->cap_tensors) {
        const uint32_t         cap = g->cap_tensors ? 2 * g->cap_tensors : 64;
        mxdi_cpu_tensor *const to =
            mxdi_realloc(g->alloc, g->tensor, g->cap_tensors, cap, sizeof(*to));
        if (!to)
            return mxdi_nomem(err);
        g->tensor      = to;
        g->cap_tensors = cap;
    }
    *out            = g->n_tensors++;
    g->tensor[*out] = *t;
    if (t->root == MXD_NO_VALUE)
        g->tensor[*out].root = *out;
    return MXD_OK;
}

mxd_status mxdi_cpu_alias(uint32_t *out, mxdi_cpu_plan *p, uint32_t of, mxd_error *err)
{
    const mxdi_cpu_tensor t = p->program->tensor[of];
    return mxdi_cpu_add_tensor(out, p, &t, err);
}

mxd_status mxdi_cpu_reserve(mxdi_cpu_plan *p, uint32_t t, size_t bytes, mxd_error *err)
{
    const mxdi_cpu_tensor *const tensor = &p->program->tensor[t];
    mxdi_cpu_tensor *const       root   = &p->program->tensor[tensor->root];
    if (bytes > SIZE_MAX / 4 - tensor->offset)
        return mxdi_fail(err, MXD_E_RANGE, "a tensor of %zu bytes is too large", bytes);
    if (tensor->offset + bytes > root->bytes)
        root->bytes = tensor->offset + bytes;
    return MXD_OK;
}

static mxdi_cpu_tensor plain_of(const mxd_value *v)
{
    mxdi_cpu_tensor t = { .dtype  = mxdi_cpu_stored(v->dtype),
                          .rank   = v->rank,
                          .root   = MXD_NO_VALUE,
                          .scaled = v->batch_axis == 0 };
    memcpy(t.dim, v->dim, sizeof(t.dim));
    return t;
}

static mxd_status too_large(const mxd_value *v, mxd_error *err)
{
    return mxdi_fail(err, MXD_E_RANGE, "'%s': too large", v->name);
}

mxd_status mxdi_cpu_make_plain(uint32_t *out, mxdi_cpu_plan *p, uint32_t value, bool exact,
                               mxd_error *err)
{
    const mxd_value *const      v = &p->g->value[value];
    const mxdi_cpu_state *const s = &p->value[value];
    mxdi_cpu_tensor             t = plain_of(v);
    if (!mxdi_dtype_bytes(&t.bytes, t.dtype, mxdi_cpu_count(v)))
        return too_large(v, err);
    if (exact && s->output != MXD_NO_VALUE && s->n_uses == 0 &&
        mxdi_cpu_stored(v->dtype) == v->dtype) {
        t.home  = MXDI_CPU_OUTPUT;
        t.index = s->output;
    }
    MXD_TRY(mxdi_cpu_add_tensor(out, p, &t, err));
    p->value[value].plain = *out;
    return MXD_OK;
}

bool mxdi_cpu_can_block(const mxd_value *v)
{
    if (v->rank < 2 || v->rank > 4 || (v->dtype != MXD_F32 && !mxdi_cpu_is_byte(v->dtype)) ||
        v->batch_axis > 0)
        return false;
    for (int32_t k = 0; k < v->rank; k++)
        if (v->dim[k] < 1 || v->dim[k] > MAX_EXTENT)
            return false;
    return true;
}

mxd_status mxdi_cpu_layout_of(mxdi_blocked *out, const mxd_value *v, int64_t max_batch,
                              mxd_error *err)
{
    const int64_t size  = mxdi_cpu_is_byte(v->dtype) ? 1 : 4;
    const int64_t c     = v->dim[1];
    const bool    pixel = v->rank == 2 || (v->dim[2] == 1 && (v->rank == 3 || v->dim[3] == 1));
    mxdi_blocked  l     = { .h = 1, .w = 1, .channels = (int32_t)c, .block = 1, .pitch = c };
    if (v->rank > 2)
        l.w = (int32_t)v->dim[v->rank - 1];
    if (v->rank == 4)
        l.h = (int32_t)v->dim[2];
    if (v->batch_axis == 0 && max_batch >= BLOCK && v->dim[0] >= BLOCK)
        l.block = BLOCK;
    if (!pixel) { /* a matrix stays dense: its plain form is the same bytes */
        l.pitch = (c + 3) / 4 * 4;
        if (l.pitch * size % PAGE == 0)
            l.pitch += LINE / size;
    }
    l.block_stride = l.pitch * l.block;
    if (l.block_stride > INT64_MAX / 8 / l.h / l.w)
        return too_large(v, err);
    l.block_stride *= (int64_t)l.h * l.w;
    if (!pixel && l.block_stride * size % PAGE == 0)
        l.block_stride += LINE / size;
    *out = l;
    return MXD_OK;
}

/* Bytes of all blocks; the last one counts fully. */
static mxd_status blocked_bytes(size_t *out, const mxdi_cpu_tensor *t, const mxd_value *v,
                                mxd_error *err)
{
    const int64_t blocks = (t->images + t->l.block - 1) / t->l.block;
    if (t->l.block_stride > INT64_MAX / 16 / (blocks > 0 ? blocks : 1) ||
        !mxdi_dtype_bytes(out, t->dtype, blocks * t->l.block_stride))
        return too_large(v, err);
    return MXD_OK;
}

/* A range of channels of the blocked tensor that will hold all inputs of a Concat. */
static mxd_status make_inside(uint32_t *out, mxdi_cpu_plan *p, uint32_t value, mxd_error *err)
{
    const mxdi_cpu_state *const s   = &p->value[value];
    uint32_t                    all = p->value[s->inside].blocked;
    if (all == MXD_NO_VALUE)
        MXD_TRY(mxdi_cpu_make_blocked(&all, p, s->inside, err));
    MXD_TRY(mxdi_cpu_alias(out, p, all, err));
    mxdi_cpu_tensor *const t = &p->program->tensor[*out];
    t->l.channels            = (int32_t)p->g->value[value].dim[1];
    t->offset += (size_t)s->first_channel * (mxd_dtype_bits(t->dtype) / 8);
    p->value[value].blocked = *out;
    return MXD_OK;
}

mxd_status mxdi_cpu_make_blocked(uint32_t *out, mxdi_cpu_plan *p, uint32_t value, mxd_error *err)
{
    const mxd_value *const v = &p->g->value[value];
    mxdi_cpu_tensor        t = plain_of(v);
    if (p->value[value].inside != MXD_NO_VALUE)
        return make_inside(out, p, value, err);
    t.blocked = true;
    t.images  = v->dim[0];
    MXD_TRY(mxdi_cpu_layout_of(&t.l, v, p->program->max_batch, err));
    MXD_TRY(blocked_bytes(&t.bytes, &t, v, err));
    MXD_TRY(mxdi_cpu_add_tensor(out, p, &t, err));
    p->value[value].blocked = *out;
    return MXD_OK;
}

/* The layout of (..., K) as rows: images are samples where a sample has rows enough for a tile,
 * else rows. */
static void rows_of(mxdi_cpu_tensor *t, const mxd_value *v, int64_t max_batch)
{
    const int64_t k    = v->dim[v->rank - 1];
    const int64_t rows = mxdi_cpu_count(v) / k, each = t->scaled ? rows / max_batch : rows;
    t->blocked = true;
    t->l       = (mxdi_blocked){ .h = 1, .w = 1, .channels = (int32_t)k, .block = 1, .pitch = k };
    if (!t->scaled || each >= BLOCK || rows < BLOCK) {
        const bool whole = !t->scaled || rows < BLOCK;
        t->l.w           = (int32_t)(whole ? rows : each);
        t->images        = whole ? 1 : max_batch;
        t->scaled        = !whole;
    } else {
        t->l.block = BLOCK;
        t->images  = rows;
    }
    t->l.block_stride = (int64_t)t->l.w * t->l.block * k;
}

static mxd_status rows_alias(uint32_t *out, mxdi_cpu_plan *p, uint32_t plain, uint32_t value,
                             mxd_error *err)
{
    const mxd_value *const v = &p->g->value[value];
    size_t                 bytes;
    MXD_TRY(mxdi_cpu_alias(out, p, plain, err));
    rows_of(&p->program->tensor[*out], v, p->program->max_batch);
    MXD_TRY(blocked_bytes(&bytes, &p->program->tensor[*out], v, err));
    return mxdi_cpu_reserve(p, *out, bytes, err);
}

mxd_status mxdi_cpu_make_rows(uint32_t *out, mxdi_cpu_plan *p, uint32_t value, mxd_error *err)
{
    uint32_t plain;
    MXD_TRY(mxdi_cpu_make_plain(&plain, p, value, false, err));
    return rows_alias(out, p, plain, value, err);
}

mxd_status mxdi_cpu_get_rows(uint32_t *out, mxdi_cpu_plan *p, uint32_t value, mxd_error *err)
{
    uint32_t plain;
    MXD_TRY(mxdi_cpu_get_plain(&plain, p, value, err));
    MXD_TRY(mxdi_cpu_own(&plain, p, value, err));
    return rows_alias(out, p, plain, value, err);
}

/* ---- at run time ---- */

int64_t mxdi_cpu_elements(const mxdi_cpu_frame *f, uint32_t t)
{
    const mxdi_cpu_tensor *const x = &f->tensor[t];
    int64_t                      n = 1;
    for (int32_t k = 0; k < x->rank; k++)
        n *= k == 0 ? mxdi_cpu_grown(f, x->dim[0], x->scaled) : x->dim[k];
    return n;
}

void mxdi_cpu_spans_of(mxdi_cpu_spans *out, const mxdi_cpu_frame *f, const uint32_t *t, uint32_t n)
{
    const mxdi_blocked *const first = &f->tensor[t[0]].l;
    bool                      alike = true, dense = true;
    for (uint32_t k = 0; k < n; k++) {
        const mxdi_blocked *const l = &f->tensor[t[k]].l;
        if (!f->tensor[t[k]].blocked) {
            for (uint32_t i = 0; i < n; i++)
                out[i] = (mxdi_cpu_spans){ 1, mxdi_cpu_elements(f, t[0]), 0, 1, 0 };
            return;
        }
        alike = alike && l->pitch == first->pitch;
        dense = dense && l->block_stride == l->h * mxdi_blocked_row(l);
    }
    for (uint32_t k = 0; k < n; k++) {
        const mxdi_blocked *const l = &f->tensor[t[k]].l;
        const int64_t blocks = mxdi_cpu_blocks(f, t[k]), images = (int64_t)l->h * l->w * l->block;
        out[k] = (mxdi_cpu_spans){ blocks, images * l->pitch, l->block_stride, 1, 0 };
        if (!alike)
            out[k] =
                (mxdi_cpu_spans){ blocks * images, l->channels, l->block_stride, images, l->pitch };
        else if (dense)
            out[k] = (mxdi_cpu_spans){ 1, blocks * images * l->pitch, 0, 1, 0 };
    }
}

size_t mxdi_cpu_pieces(const mxdi_cpu_spans *s, int64_t grain)
{
    return (size_t)(s->n * ((s->length + grain - 1) / grain));
}

mxdi_cpu_piece mxdi_cpu_piece_at(const mxdi_cpu_spans *s, int64_t grain, size_t i)
{
    const int64_t each = (s->length + grain - 1) / grain, span = (int64_t)i / each,
                  part = (int64_t)i % each;
    const int64_t left = s->length - part * grain;
    const int64_t at =
        span / s->inner * s->outer_stride + span % s->inner * s->inner_stride + part * grain;
    return (mxdi_cpu_piece){ at, left < grain ? left : grain };
}
