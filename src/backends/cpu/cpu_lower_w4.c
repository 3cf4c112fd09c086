/* SPDX-License-Identifier: Apache-2.0
 *
 * Weight-only products of few rows: constant weights of 4 bits stay packed and are unpacked in
 * registers. Whether they may is a question of scales, whether they do one of speed; all other
 * products take the path over unpacked weights.
 */
#include <math.h>

#include "backends/cpu/cpu_emit.h"
#include "backends/cpu/cpu_lower.h"
#include "base/dtype.h"
#include "kernels/matmul_w4/matmul_w4.h"

struct matmul_w4 {
    mxdi_matmul_w4 *k;
    uint32_t        x, r, y;
};

static size_t w4_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const struct matmul_w4 *const m = op;
    (void)f;
    return mxdi_matmul_w4_tasks(m->k);
}

static void w4_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                   unsigned thread)
{
    const struct matmul_w4 *const m = op;
    const mxdi_blocked *const     l = &f->tensor[m->y].l;
    mxdi_matmul_w4_run(m->k, f->ptr[m->x], m->r == MXD_NO_VALUE ? NULL : f->ptr[m->r], f->ptr[m->y],
                       f->scratch + thread * f->scratch_bytes,
                       mxdi_cpu_images(f, m->y) * l->h * l->w, begin, end);
}

static void w4_destroy(void *op)
{
    mxdi_matmul_w4_destroy(((struct matmul_w4 *)op)->k);
}

static const mxdi_cpu_kind w4_kind = { w4_tasks, w4_run, w4_destroy };

/* Elements between two rows: pixels of one image, or images of one pixel. */
static int64_t row_of(const mxdi_cpu_tensor *t, bool image)
{
    return image && t->l.block == 1 ? t->l.block_stride : t->l.pitch;
}

/* How scales and zero points of the weights are numbered. */
typedef struct order {
    bool    by_block, blocks_first; /* blocks_first: (blocks, c_out), else (c_out, blocks) */
    int64_t blocks;
} order;

static int64_t scale_at(const order *o, const mxd_qparams *q, int64_t c_out, int64_t co,
                        int64_t block)
{
    if (q->n == 1)
        return 0;
    return o->blocks_first ? block * c_out + co : co * o->blocks + block;
}

/* Weights from their zero points as (c_out, taps, c_in); false: some need more than 4 bits. */
static bool unpack(int8_t *out, const mxd_value *v, const mxdi_cpu_weights *w, const order *o)
{
    for (int64_t co = 0; co < w->c_out; co++)
        for (int64_t t = 0; t < w->taps; t++)
            for (int64_t ci = 0; ci < w->c_in; ci++) {
                const int64_t at    = co * w->co_stride + ci * w->ci_stride + t * w->tap_stride;
                const int64_t block = o->by_block ? ci / v->q->block : 0;
                const int64_t d     = mxdi_load_s64(v->data, v->dtype, at) -
                                  v->q->zero_point[scale_at(o, v->q, w->c_out, co, block)];
                if (d < -8 || d > 7)
                    return false;
                *out++ = (int8_t)d;
            }
    return true;
}

/* Whether scales belong to columns, or to blocks of the rows of one column. */
static bool scales_fit(order *o, const mxd_value *v, const mxdi_cpu_weights *w, bool trans_b)
{
    const mxd_qparams *const q = v->q;
    *o                         = (order){ .blocks = 1 };
    if (!q || v->rank != 2 || (v->dtype != MXD_S4 && v->dtype != MXD_U4))
        return false;
    if (q->n == 1)
        return true;
    if (q->block == 0)
        return q->axis == (trans_b ? 0 : 1) && (int64_t)q->n == w->c_out;
    *o = (order){ true, !trans_b, (w->c_in + q->block - 1) / q->block };
    return w->taps == 1 && q->axis == (trans_b ? 1 : 0) && (int64_t)q->n == w->c_out * o->blocks;
}

static mxd_status emit(mxdi_cpu_plan *p, const mxdi_cpu_product *c, const mxdi_matmul_w4_desc *d,
                       bool *done, mxd_error *err)
{
    struct matmul_w4 *const op   = MXDI_CPU_NEW_OP(p, struct matmul_w4);
    const mxdi_cpu_tensor  *y    = &p->program->tensor[c->y];
    const uint32_t          in[] = { c->x, c->r };
    mxd_error               why  = MXD_ERROR_INIT;
    if (!op)
        return mxdi_nomem(err);
    *op = (struct matmul_w4){ NULL, c->x, c->r, c->y };
    const mxd_status st =
        mxdi_matmul_w4_create(&op->k, d, p->program->isa, p->program->alloc, &why);
    if (st == MXD_E_UNSUPPORTED)
        return MXD_OK;
    if (st != MXD_OK)
        return mxdi_fail(err, st, "%s", why.msg);
    *done = true;
    mxdi_cpu_need_scratch(p, mxdi_matmul_w4_scratch(op->k));
    const mxdi_cpu_emission e = { .kind     = &w4_kind,
                                  .op       = op,
                                  .in       = in,
                                  .n_in     = c->r == MXD_NO_VALUE ? 1 : 2,
                                  .out      = &c->y,
                                  .n_out    = 1,
                                  .kernel   = mxdi_matmul_w4_name(op->k),
                                  .computed = d->bf16 ? "bf16" : "f32",
                                  .macs    = y->images * y->l.h * y->l.w * d->n * d->taps * d->c_in,
                                  .derived = mxdi_matmul_w4_bytes(op->k) };
    return mxdi_cpu_emit(p, &e, err);
}

mxd_status mxdi_cpu_emit_product_w4(bool *done, mxdi_cpu_plan *p, const mxd_node *n,
                                    const mxdi_cpu_product *c, const mxdi_cpu_weights *w,
                                    const float *bias, mxd_error *err)
{
    const mxd_value *const       v = &p->g->value[w->value];
    const mxdi_cpu_tensor *const x = &p->program->tensor[c->x], *const y =
                                                                    &p->program->tensor[c->y];
    const char *const compute = mxd_node_string(n, "compute", "f32");
    const bool trans_b = mxd_node_int(n, "transB", 0) != 0, bf16 = strcmp(compute, "bf16") == 0,
               image   = w->taps > 1;
    const int64_t rows = y->images * y->l.h * y->l.w;
    order         o;
    *done = false;
    if (strcmp(compute, "f16") == 0 || !scales_fit(&o, v, w, trans_b) ||
        !mxdi_matmul_w4_pays(rows, w->taps * w->c_in, w->c_out, bf16, p->program->isa))
        return MXD_OK;
    int8_t *const q = mxdi_arena_alloc(&p->scratch, (size_t)(w->c_out * w->c_in * w->taps), 1, 64);
    float *const  scale =
        mxdi_arena_alloc(&p->scratch, (size_t)(w->c_out * o.blocks), sizeof(float), 64);
    if (!q || !scale)
        return mxdi_nomem(err);
    if (!unpack(q, v, w, &o))
        return MXD_OK;
    for (int64_t co = 0; co < w->c_out; co++)
        for (int64_t b = 0; b < o.blocks; b++)
            scale[co * o.blocks + b] = v->q->scale[scale_at(&o, v->q, w->c_out, co, b)];
    const mxdi_matmul_w4_desc d = { .taps       = w->taps,
                                    .c_in       = w->c_in,
                                    .n          = w->c_out,
                                    .x_row      = row_of(x, image),
                                    .x_tap      = mxdi_blocked_pixel(&x->l),
                                    .y_row      = row_of(y, image),
                                    .w          = q,
                                    .scale      = scale,
                                    .block      = o.by_block ? v->q->block : 0,
                                    .bias       = bias,
                                    .residual   = c->r != MXD_NO_VALUE,
                                    .y_min      = mxd_node_float(n, "min", -INFINITY),
                                    .y_max      = mxd_node_float(n, "max", INFINITY),
                                    .bf16       = bf16,
                                    .round_bf16 = bf16 && mxd_node_int(n, "round_output", 0) };
    return emit(p, c, &d, done, err);
}
