/* SPDX-License-Identifier: Apache-2.0
 *
 * MaxPool, AveragePool, QAveragePool, and the global pools (QReduceMean over the pixels among
 * them), all blocked. */
#include "backends/cpu/cpu_lower.h"
#include "base/dtype.h"
#include "kernels/mean_q8/mean_q8.h"
#include "kernels/pool_blocked/pool_blocked.h"
#include "kernels/reduce_f32/reduce_f32.h"

/* ---- windows ---- */

typedef enum pool_mode { MAX_U8, MAX_F32, AVERAGE_U8, AVERAGE_F32 } pool_mode;

struct pool {
    const mxdi_pool_blocked *k;
    pool_mode                mode;
    uint32_t                 x, y;
    mxdi_pool_desc           d;
};

static size_t pool_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const struct pool *const p = op;
    return (size_t)(mxdi_cpu_blocks(f, p->y) * p->d.y.h);
}

static void pool_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                     unsigned thread)
{
    const struct pool *const p = op;
    const int64_t            b = (int64_t)begin, e = (int64_t)end;
    (void)thread;
    switch (p->mode) {
    case MAX_U8:
        p->k->max_u8(f->ptr[p->y], f->ptr[p->x], &p->d, b, e);
        break;
    case MAX_F32:
        p->k->max_f32(f->ptr[p->y], f->ptr[p->x], &p->d, b, e);
        break;
    case AVERAGE_U8:
        p->k->average_u8(f->ptr[p->y], f->ptr[p->x], &p->d, b, e);
        break;
    case AVERAGE_F32:
        p->k->average_f32(f->ptr[p->y], f->ptr[p->x], &p->d, b, e);
        break;
    }
}

static const mxdi_cpu_kind pool_kind = { pool_tasks, pool_run, NULL };

static mxd_status set_average_u8(mxdi_pool_desc *d, mxdi_cpu_plan *p, const mxd_node *n,
                                 mxd_error *err)
{
    const mxd_value *const m     = mxdi_cpu_in(p->g, n, 1);
    const int32_t          shift = mxdi_cpu_shift(mxdi_cpu_out(p->g, n, 0)->dtype);
    if (!m || !m->data || m->dtype != MXD_F32 ||
        mxdi_cpu_count(m) != (int64_t)d->window.kh * d->window.kw + 1)
        return mxdi_fail(err, MXD_E_INVAL, "a multiplier for each number of elements expected");
    d->m            = m->data;
    d->x_zero_point = (int32_t)mxd_node_int(n, "x_zero_point", 0) +
                      mxdi_cpu_shift(mxdi_cpu_in(p->g, n, 0)->dtype);
    d->y_zero_point = (int32_t)mxd_node_int(n, "y_zero_point", 0) + shift;
    d->q_min        = (int32_t)mxd_node_int(n, "q_min", -shift) + shift;
    d->q_max        = (int32_t)mxd_node_int(n, "q_max", 255 - shift) + shift;
    return MXD_OK;
}

mxd_status mxdi_cpu_lower_pool(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    static const char *const family[] = { "max_pool_u8", "max_pool_f32", "average_pool_u8",
                                          "average_pool_f32" };
    const mxd_value *const x = mxdi_cpu_in(p->g, n, 0), *const y = mxdi_cpu_out(p->g, n, 0);
    const mxdi_cpu_window w = mxdi_cpu_window_of(n, x, y, NULL);
    if (p->value[n->out[0]].blocked != MXD_NO_VALUE) /* the convolution before it has done it */
        return MXD_OK;
    if (mxdi_cpu_can_plain_pool(p->g, n))
        return mxdi_cpu_lower_plain_pool(p, n, err);
    struct pool *const op = MXDI_CPU_NEW_OP(p, struct pool);
    if (!op)
        return mxdi_nomem(err);
    const bool average = strcmp(n->op, "MaxPool") != 0, bytes = x->dtype != MXD_F32;
    op->k    = mxdi_pool_blocked_select(p->program->isa);
    op->mode = average ? (bytes ? AVERAGE_U8 : AVERAGE_F32) : (bytes ? MAX_U8 : MAX_F32);
    MXD_TRY(mxdi_cpu_get_blocked(&op->x, p, n->in[0], err));
    MXD_TRY(mxdi_cpu_make_blocked(&op->y, p, n->out[0], err));
    op->d = (mxdi_pool_desc){ .x                 = p->program->tensor[op->x].l,
                              .y                 = p->program->tensor[op->y].l,
                              .window            = w.w,
                              .ph_end            = w.ph_end,
                              .pw_end            = w.pw_end,
                              .count_include_pad = mxd_node_int(n, "count_include_pad", 0) != 0 };
    if (op->mode == AVERAGE_U8)
        MXD_TRY(set_average_u8(&op->d, p, n, err));
    if (op->d.x.pitch == op->d.y.pitch) /* lanes behind the channels are free */
        op->d.x.channels = op->d.y.channels = (int32_t)op->d.x.pitch;
    const mxdi_cpu_emission e = {
        .kind     = &pool_kind,
        .op       = op,
        .in       = &op->x,
        .n_in     = 1,
        .out      = &op->y,
        .n_out    = 1,
        .computed = bytes ? "u8" : "f32",
        .ns       = (double)mxdi_cpu_count(y) * w.w.kh * w.w.kw / (bytes ? 40 : 10),
        .kernel   = mxdi_cpu_kernel_name(p, family[op->mode], op->k->name)
    };
    return e.kernel ? mxdi_cpu_emit(p, &e, err) : mxdi_nomem(err);
}

const char *mxdi_cpu_check_pool(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const x = mxdi_cpu_in(g, n, 0), *const y = mxdi_cpu_out(g, n, 0);
    const char *const why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    if (mxdi_cpu_can_plain_pool(g, n))
        return NULL;
    if (x->rank < 3 || !mxdi_cpu_can_block(x) || !mxdi_cpu_can_block(y))
        return "no CPU kernel for pooling in three dimensions or of this type: runs in the reference interpreter";
    if (mxdi_cpu_has_out(n, 1))
        return "the indices of MaxPool are wanted: runs in the reference interpreter";
    if (strcmp(n->op, "AveragePool") == 0 && x->dtype != MXD_F32)
        return "AveragePool of plain integers: runs in the reference interpreter";
    return NULL;
}

/* ---- all pixels ---- */

typedef void (*reduce_fn)(float *y, const float *x, const mxdi_axis *a);

struct global {
    uint32_t            x, y;
    reduce_fn           reduce;
    const mxdi_mean_q8 *mean;
    mxdi_mean_q8_params params;
};

enum { GLOBAL_LANES = 256 };

/* Lanes of one pixel that are walked together: a whole block's where the pitches agree, else one
 * image's. */
static int64_t lanes_of(const struct global *g, const mxdi_cpu_frame *f)
{
    const mxdi_blocked *const x = &f->tensor[g->x].l, *const y = &f->tensor[g->y].l;
    return x->pitch == y->pitch ? x->pitch * x->block : x->channels;
}

static int64_t groups_of(const struct global *g, const mxdi_cpu_frame *f) /* of lanes, per block */
{
    const mxdi_blocked *const x = &f->tensor[g->x].l, *const y = &f->tensor[g->y].l;
    return x->pitch == y->pitch ? 1 : x->block;
}

static size_t global_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const struct global *const g = op;
    return (size_t)(mxdi_cpu_blocks(f, g->y) * groups_of(g, f) *
                    ((lanes_of(g, f) + GLOBAL_LANES - 1) / GLOBAL_LANES));
}

static void global_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                       unsigned thread)
{
    const struct global *const g = op;
    const mxdi_blocked *const x = &f->tensor[g->x].l, *const y = &f->tensor[g->y].l;
    const int64_t lanes = lanes_of(g, f), groups = groups_of(g, f),
                  parts = (lanes + GLOBAL_LANES - 1) / GLOBAL_LANES;
    (void)thread;
    for (int64_t t = (int64_t)begin; t < (int64_t)end; t++) {
        const int64_t part = t % parts, image = t / parts % groups, block = t / parts / groups;
        const int64_t left   = lanes - part * GLOBAL_LANES,
                      n      = left < GLOBAL_LANES ? left : GLOBAL_LANES;
        const int64_t   from = block * x->block_stride + image * x->pitch + part * GLOBAL_LANES;
        const int64_t   to   = block * y->block_stride + image * y->pitch + part * GLOBAL_LANES;
        const mxdi_axis a    = {
               1, (int64_t)x->h * x->w, n, x->block_stride, mxdi_blocked_pixel(x), y->block_stride, 0
        };
        if (g->mean)
            g->mean->mean((uint8_t *)f->ptr[g->y] + to, (const uint8_t *)f->ptr[g->x] + from, &a,
                          &g->params);
        else
            g->reduce((float *)f->ptr[g->y] + to, (const float *)f->ptr[g->x] + from, &a);
    }
}

static const mxdi_cpu_kind global_kind = { global_tasks, global_run, NULL };

mxd_status mxdi_cpu_emit_global(mxdi_cpu_plan *p, const mxd_node *n,
                                const mxdi_mean_q8_params *params, mxd_error *err)
{
    struct global *const         op = MXDI_CPU_NEW_OP(p, struct global);
    const mxdi_reduce_f32 *const k  = mxdi_reduce_f32_select(p->program->isa);
    if (!op)
        return mxdi_nomem(err);
    const bool max = strstr(n->op, "Max") != NULL;
    op->reduce     = max ? k->max : k->mean;
    if (params) {
        op->mean   = mxdi_mean_q8_select(p->program->isa);
        op->params = *params;
    }
    MXD_TRY(mxdi_cpu_get_blocked(&op->x, p, n->in[0], err));
    MXD_TRY(mxdi_cpu_make_blocked(&op->y, p, n->out[0], err));
    const mxdi_cpu_emission e = { .kind     = &global_kind,
                                  .op       = op,
                                  .in       = &op->x,
                                  .n_in     = 1,
                                  .out      = &op->y,
                                  .n_out    = 1,
                                  .computed = params ? "u8" : "f32",
                                  .kernel =
                                      mxdi_cpu_kernel_name(p,
                                                           params ? "global_mean_q8"
                                                           : max  ? "global_max"
                                                                  : "global_mean",
                                                           params ? op->mean->name : k->name) };
    return e.kernel ? mxdi_cpu_emit(p, &e, err) : mxdi_nomem(err);
}

mxd_status mxdi_cpu_lower_global_pool(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    return mxdi_cpu_can_plain_pool(p->g, n) ? mxdi_cpu_lower_plain_pool(p, n, err)
                                            : mxdi_cpu_emit_global(p, n, NULL, err);
}

const char *mxdi_cpu_check_global_pool(const mxd_graph_view *g, const mxd_node *n)
{
    const char *const why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    const mxd_value *const x = mxdi_cpu_in(g, n, 0);
    return mxdi_cpu_can_plain_pool(g, n) ||
                   (x->rank >= 3 && x->dtype == MXD_F32 && mxdi_cpu_can_block(x))
               ? NULL
               : "no CPU kernel for global pooling of this shape or type: runs in the reference interpreter";
}
