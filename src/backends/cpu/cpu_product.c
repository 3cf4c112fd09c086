/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps that multiply by constant weights: convolutions and products as the kernels of conv_q8,
 * dwconv_q8, conv_f32 and dwconv_f32. Weights are turned into the plain form that those pack.
 */
#include "backends/cpu/cpu_product.h"

#include <math.h>

#include "backends/cpu/cpu_emit.h"
#include "base/dtype.h"
#include "kernels/dwconv_f32/dwconv_f32.h"
#include "kernels/dwconv_q8/dwconv_q8.h"

/* ---- the four kinds of step ---- */

struct dwconv_q8 {
    mxdi_dwconv_q8 *k;
    uint32_t        x, r, y;
};
struct dwconv_f32 {
    mxdi_dwconv_f32 *k;
    uint32_t         x, r, y;
};

static const void *residual(const mxdi_cpu_frame *f, uint32_t r)
{
    return r == MXD_NO_VALUE ? NULL : f->ptr[r];
}

static size_t conv_q8_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const mxdi_cpu_conv_q8 *const c = op;
    return mxdi_conv_q8_tasks(c->k, mxdi_cpu_blocks(f, c->y));
}

static void conv_q8_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                        unsigned thread)
{
    const mxdi_cpu_conv_q8 *const c = op;
    mxdi_conv_q8_run(c->k, f->ptr[c->x], residual(f, c->r), f->ptr[c->y],
                     f->scratch + thread * f->scratch_bytes, mxdi_cpu_blocks(f, c->y), begin, end);
}

static void conv_q8_destroy(void *op)
{
    mxdi_conv_q8_destroy(((mxdi_cpu_conv_q8 *)op)->k);
}

static size_t dwconv_q8_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const struct dwconv_q8 *const c = op;
    return mxdi_dwconv_q8_tasks(c->k, mxdi_cpu_blocks(f, c->y));
}

static void dwconv_q8_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                          unsigned thread)
{
    const struct dwconv_q8 *const c = op;
    (void)thread;
    mxdi_dwconv_q8_run(c->k, f->ptr[c->x], residual(f, c->r), f->ptr[c->y],
                       mxdi_cpu_blocks(f, c->y), begin, end);
}

static void dwconv_q8_destroy(void *op)
{
    mxdi_dwconv_q8_destroy(((struct dwconv_q8 *)op)->k);
}

static size_t conv_f32_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const mxdi_cpu_conv_f32 *const c = op;
    return mxdi_conv_f32_tasks(c->k, mxdi_cpu_blocks(f, c->y));
}

static void conv_f32_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                         unsigned thread)
{
    const mxdi_cpu_conv_f32 *const c = op;
    mxdi_conv_f32_run(c->k, f->ptr[c->x], residual(f, c->r), f->ptr[c->y],
                      f->scratch + thread * f->scratch_bytes, mxdi_cpu_blocks(f, c->y), begin, end);
}

static void conv_f32_destroy(void *op)
{
    mxdi_conv_f32_destroy(((mxdi_cpu_conv_f32 *)op)->k);
}

static size_t dwconv_f32_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const struct dwconv_f32 *const c = op;
    return mxdi_dwconv_f32_tasks(c->k, mxdi_cpu_blocks(f, c->y));
}

static void dwconv_f32_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                           unsigned thread)
{
    const struct dwconv_f32 *const c = op;
    (void)thread;
    mxdi_dwconv_f32_run(c->k, f->ptr[c->x], residual(f, c->r), f->ptr[c->y],
                        mxdi_cpu_blocks(f, c->y), begin, end);
}

static void dwconv_f32_destroy(void *op)
{
    mxdi_dwconv_f32_destroy(((struct dwconv_f32 *)op)->k);
}

const mxdi_cpu_kind mxdi_cpu_conv_q8_kind  = { conv_q8_tasks, conv_q8_run, conv_q8_destroy };
const mxdi_cpu_kind mxdi_cpu_conv_f32_kind = { conv_f32_tasks, conv_f32_run, conv_f32_destroy };

static const mxdi_cpu_kind dwconv_q8_kind  = { dwconv_q8_tasks, dwconv_q8_run, dwconv_q8_destroy };
static const mxdi_cpu_kind dwconv_f32_kind = { dwconv_f32_tasks, dwconv_f32_run,
                                               dwconv_f32_destroy };

/* ---- emitting ---- */

bool mxdi_cpu_over_cap(const mxdi_cpu_plan *p, size_t bytes, size_t scratch)
{
    const mxd_program *const g = p->program;
    return p->workspace_cap &&
           g->derived_bytes + bytes +
                   (scratch > g->scratch_bytes ? scratch : g->scratch_bytes) * g->lanes >
               p->workspace_cap;
}

int32_t mxdi_cpu_x_zero_point(const mxdi_cpu_plan *p, const mxd_node *n)
{
    return (int32_t)mxd_node_int(n, "x_zero_point", 0) +
           mxdi_cpu_shift(p->g->value[n->in[0]].dtype);
}

static int64_t macs_of(const mxdi_cpu_plan *p, const mxdi_cpu_product *c)
{
    const mxdi_cpu_tensor *const x = &p->program->tensor[c->x], *const y =
                                                                    &p->program->tensor[c->y];
    return (c->pooled ? 4 : 1) * y->images * y->l.h * y->l.w * y->l.channels *
           (x->l.channels / c->groups) * c->window.kh * c->window.kw;
}

static bool depthwise(const mxdi_cpu_plan *p, const mxdi_cpu_product *c)
{
    const mxdi_cpu_tensor *const x = &p->program->tensor[c->x], *const y =
                                                                    &p->program->tensor[c->y];
    return c->groups > 1 && c->groups == x->l.channels && c->groups == y->l.channels;
}

/* Of a kernel that has several, by its name. */
static const char *algorithm_of(const mxdi_cpu_kind *kind, const char *kernel)
{
    if (kind != &mxdi_cpu_conv_q8_kind && kind != &mxdi_cpu_conv_f32_kind)
        return NULL;
    return strstr(kernel, "winograd") ? "winograd" : "direct";
}

mxd_status mxdi_cpu_emit_product(mxdi_cpu_plan *p, const mxdi_cpu_product *c,
                                 const mxdi_cpu_kind *kind, void *op, const char *kernel,
                                 const char *computed, size_t derived, mxd_error *err)
{
    const uint32_t          in[] = { c->x, c->r };
    const mxdi_cpu_emission e    = { .kind      = kind,
                                     .op        = op,
                                     .in        = in,
                                     .n_in      = c->r == MXD_NO_VALUE ? 1 : 2,
                                     .out       = &c->y,
                                     .n_out     = 1,
                                     .kernel    = kernel,
                                     .computed  = computed,
                                     .reason    = c->reason,
                                     .algorithm = algorithm_of(kind, kernel),
                                     .macs      = macs_of(p, c),
                                     .derived   = derived };
    return mxdi_cpu_emit(p, &e, err);
}

/* One entry per channel of a vector of 1 or `channels` entries. */
static mxd_status spread(const void **out, mxdi_cpu_plan *p, const void *v, size_t n,
                         size_t channels, mxd_error *err)
{
    *out = v;
    if (n == channels)
        return MXD_OK;
    uint32_t *const all = MXDI_NEW(&p->scratch, uint32_t, channels);
    if (!all)
        return mxdi_nomem(err);
    for (size_t c = 0; c < channels; c++)
        memcpy(&all[c], v, sizeof(all[0])); /* s32 or f32 */
    *out = all;
    return MXD_OK;
}

static mxd_status vector_in(const void **out, mxdi_cpu_plan *p, const mxd_node *n, uint32_t k,
                            int64_t channels, mxd_error *err)
{
    const mxd_value *const v = mxdi_cpu_in(p->g, n, k);
    *out                     = NULL;
    if (!v)
        return MXD_OK;
    const int64_t count = mxdi_cpu_count(v);
    if (!v->data || (v->dtype != MXD_F32 && v->dtype != MXD_S32) ||
        (count != 1 && count != channels))
        return mxdi_fail(err, MXD_E_INVAL,
                         "input %u: expected a constant of 1 or %lld entries, got %lld", k,
                         (long long)channels, (long long)count);
    return spread(out, p, v->data, (size_t)count, (size_t)channels, err);
}

mxd_status mxdi_cpu_epilogue(mxdi_q8_epilogue *out, mxdi_cpu_plan *p, const mxd_node *n,
                             int64_t channels, mxd_error *err)
{
    const mxd_value *const y = mxdi_cpu_out(p->g, n, 0), *const r = mxdi_cpu_in(p->g, n, 5);
    const void *bias, *bias_float, *m;
    MXD_TRY(vector_in(&bias, p, n, 2, channels, err));
    MXD_TRY(vector_in(&bias_float, p, n, 3, channels, err));
    MXD_TRY(vector_in(&m, p, n, 4, channels, err));
    if (!m)
        return mxdi_fail(err, MXD_E_INVAL, "input 4, the multiplier, is missing");
    const int32_t shift = mxdi_cpu_shift(y->dtype);
    *out                = (mxdi_q8_epilogue){ .bias         = bias,
                                              .bias_float   = bias_float,
                                              .m            = m,
                                              .y_float      = y->dtype == MXD_F32,
                                              .y_min        = mxd_node_float(n, "min", -INFINITY),
                                              .y_max        = mxd_node_float(n, "max", INFINITY),
                                              .y_zero_point = (int32_t)mxd_node_int(n, "y_zero_point", 0) + shift,
                                              .q_min        = (int32_t)mxd_node_int(n, "q_min", -shift) + shift,
                                              .q_max = (int32_t)mxd_node_int(n, "q_max", 255 - shift) + shift };
    if (!r)
        return MXD_OK;
    const int32_t z     = (int32_t)mxd_node_int(n, "mid_zero_point", 0),
                  lo    = (int32_t)mxd_node_int(n, "mid_q_min", 0);
    const int32_t up    = z < 0 || lo < 0 ? 128 : 0; /* only differences count */
    out->residual       = mxd_node_int(n, "mid", 0) ? 2 : 1;
    out->residual_first = mxd_node_int(n, "residual_first", 0) != 0;
    out->r_zero_point   = (int32_t)mxd_node_int(n, "r_zero_point", 0) + mxdi_cpu_shift(r->dtype);
    out->mid_zero_point = z + up;
    out->mid_q_min      = lo + up;
    out->mid_q_max      = (int32_t)mxd_node_int(n, "mid_q_max", 255) + up;
    out->y_scale_ratio  = mxd_node_float(n, "y_scale_ratio", 1.0f);
    out->r_scale_ratio  = mxd_node_float(n, "r_scale_ratio", 1.0f);
    return MXD_OK;
}

mxd_status mxdi_cpu_unpack_weights(int16_t *out, mxdi_cpu_plan *p, const mxd_node *n,
                                   const mxdi_cpu_weights *w, mxd_error *err)
{
    const mxd_value *const v = &p->g->value[w->value];
    const void            *zw;
    MXD_TRY(vector_in(&zw, p, n, 6, w->c_out, err));
    const int32_t *const z = zw;
    for (int64_t co = 0; co < w->c_out; co++)
        for (int64_t ci = 0; ci < w->c_in; ci++)
            for (int64_t t = 0; t < w->taps; t++) {
                const int64_t at = co * w->co_stride + ci * w->ci_stride + t * w->tap_stride;
                const int64_t q  = mxdi_load_s64(v->data, v->dtype, at) - (z ? z[co] : 0);
                if (q < -255 || q > 255)
                    return mxdi_fail(err, MXD_E_RANGE,
                                     "weight %lld of '%s' is %lld from its zero point",
                                     (long long)at, v->name, (long long)q);
                *out++ = (int16_t)q;
            }
    return MXD_OK;
}

static mxd_status emit_q8(mxdi_cpu_plan *p, const mxd_node *n, const mxdi_cpu_product *c,
                          const mxdi_cpu_weights *w, const int16_t *plain, mxd_error *err)
{
    mxd_program *const           g = p->program;
    const mxdi_cpu_tensor *const x = &g->tensor[c->x], *const y = &g->tensor[c->y];
    const int32_t    x_zero_point = mxdi_cpu_x_zero_point(p, n);
    mxdi_q8_epilogue epilogue;
    MXD_TRY(mxdi_cpu_epilogue(&epilogue, p, n, w->c_out, err));
    if (depthwise(p, c)) {
        const mxdi_dwconv_q8_desc d  = { .x            = x->l,
                                         .y            = y->l,
                                         .window       = c->window,
                                         .w            = plain,
                                         .x_zero_point = x_zero_point,
                                         .epilogue     = epilogue };
        struct dwconv_q8 *const   op = MXDI_CPU_NEW_OP(p, struct dwconv_q8);
        if (!op)
            return mxdi_nomem(err);
        *op = (struct dwconv_q8){ NULL, c->x, c->r, c->y };
        MXD_TRY(mxdi_dwconv_q8_create(&op->k, &d, g->isa, g->alloc, err));
        return mxdi_cpu_emit_product(p, c, &dwconv_q8_kind, op, mxdi_dwconv_q8_name(op->k), "u8s8",
                                     mxdi_dwconv_q8_bytes(op->k), err);
    }
    mxdi_conv_q8_desc       d  = { .x            = x->l,
                                   .y            = y->l,
                                   .window       = c->window,
                                   .groups       = c->groups,
                                   .w            = plain,
                                   .x_zero_point = x_zero_point,
                                   .epilogue     = epilogue,
                                   .blocks       = (y->images - 1) / y->l.block + 1 };
    mxdi_cpu_product        as = *c;
    mxdi_cpu_conv_q8 *const op = MXDI_CPU_NEW_OP(p, mxdi_cpu_conv_q8);
    if (!op)
        return mxdi_nomem(err);
    *op = (mxdi_cpu_conv_q8){ NULL, c->x, c->r, c->y };
    MXD_TRY(mxdi_cpu_choose_conv_q8(&d.algorithm, p, c, d, err));
    MXD_TRY(mxdi_conv_q8_create(&op->k, &d, g->isa, g->alloc, err));
    if (mxdi_conv_q8_scratch(op->k) > 0 &&
        mxdi_cpu_over_cap(p, mxdi_conv_q8_bytes(op->k), mxdi_conv_q8_scratch(op->k))) {
        mxdi_conv_q8_destroy(op->k);
        d.algorithm = MXDI_CONV_Q8_DIRECT;
        as.reason   = "the workspace cap allows direct convolution only";
        MXD_TRY(mxdi_conv_q8_create(&op->k, &d, g->isa, g->alloc, err));
    }
    mxdi_cpu_need_scratch(p, mxdi_conv_q8_scratch(op->k));
    return mxdi_cpu_emit_product(p, &as, &mxdi_cpu_conv_q8_kind, op, mxdi_conv_q8_name(op->k),
                                 "u8s8", mxdi_conv_q8_bytes(op->k), err);
}

mxd_status mxdi_cpu_emit_product_q8(mxdi_cpu_plan *p, const mxd_node *n, const mxdi_cpu_product *c,
                                    const mxdi_cpu_weights *w, mxd_error *err)
{
    const mxd_allocator *const alloc = p->program->alloc;
    int16_t *const plain = MXDI_ALLOC(alloc, int16_t, (size_t)(w->c_out * w->c_in * w->taps));
    mxd_status     st    = plain ? mxdi_cpu_unpack_weights(plain, p, n, w, err) : mxdi_nomem(err);
    if (st == MXD_OK)
        st = emit_q8(p, n, c, w, plain, err);
    mxdi_free(alloc, plain);
    return st;
}

/* What there is to say of a kernel that computes bf16 values without the instructions for it. */
static const char *bf16_reason(const mxdi_cpu_product *c, bool bf16, const char *kernel)
{
    return c->reason || !bf16 || strstr(kernel, "bf16")
               ? c->reason
               : "bf16 values in f32 arithmetic, no faster than f32: no bf16 instructions for this";
}

static mxd_status emit_f32(mxdi_cpu_plan *p, const mxd_node *n, const mxdi_cpu_product *c,
                           const float *w, const float *bias, mxd_error *err)
{
    mxd_program *const           g = p->program;
    const mxdi_cpu_tensor *const x = &g->tensor[c->x], *const y = &g->tensor[c->y];
    const bool bf16   = strcmp(mxd_node_string(n, "compute", "f32"), "bf16") == 0,
               r      = c->r != MXD_NO_VALUE;
    const bool  round = bf16 && mxd_node_int(n, "round_output", 0);
    const float lo = mxd_node_float(n, "min", -INFINITY), hi = mxd_node_float(n, "max", INFINITY);
    mxdi_cpu_product as = *c;
    if (depthwise(p, c)) {
        const mxdi_dwconv_f32_desc d  = { .x          = x->l,
                                          .y          = y->l,
                                          .window     = c->window,
                                          .w          = w,
                                          .bias       = bias,
                                          .residual   = r,
                                          .y_min      = lo,
                                          .y_max      = hi,
                                          .bf16       = bf16,
                                          .round_bf16 = round };
        struct dwconv_f32 *const   op = MXDI_CPU_NEW_OP(p, struct dwconv_f32);
        if (!op)
            return mxdi_nomem(err);
        *op = (struct dwconv_f32){ NULL, c->x, c->r, c->y };
        MXD_TRY(mxdi_dwconv_f32_create(&op->k, &d, g->isa, g->alloc, err));
        as.reason = bf16_reason(c, bf16, mxdi_dwconv_f32_name(op->k));
        return mxdi_cpu_emit_product(p, &as, &dwconv_f32_kind, op, mxdi_dwconv_f32_name(op->k),
                                     bf16 ? "bf16" : "f32", mxdi_dwconv_f32_bytes(op->k), err);
    }
    mxdi_conv_f32_desc       d  = { .x          = x->l,
                                    .y          = y->l,
                                    .window     = c->window,
                                    .groups     = c->groups,
                                    .w          = w,
                                    .bias       = bias,
                                    .residual   = r,
                                    .y_min      = lo,
                                    .y_max      = hi,
                                    .bf16       = bf16,
                                    .round_bf16 = round,
                                    .exact      = g->exact };
    mxdi_cpu_conv_f32 *const op = MXDI_CPU_NEW_OP(p, mxdi_cpu_conv_f32);
    if (!op)
        return mxdi_nomem(err);
    *op = (mxdi_cpu_conv_f32){ NULL, c->x, c->r, c->y };
    MXD_TRY(mxdi_cpu_choose_conv_f32(&d.algorithm, p, c, d, err));
    MXD_TRY(mxdi_conv_f32_create(&op->k, &d, g->isa, g->alloc, err));
    if (mxdi_cpu_over_cap(p, mxdi_conv_f32_bytes(op->k),
                          mxdi_conv_f32_scratch(op->k))) { /* direct panels are the smallest */
        mxdi_conv_f32_destroy(op->k);
        d.algorithm = MXDI_CONV_F32_DIRECT;
        as.reason   = "the workspace cap allows direct convolution only";
        MXD_TRY(mxdi_conv_f32_create(&op->k, &d, g->isa, g->alloc, err));
    }
    as.reason = bf16_reason(&as, bf16, mxdi_conv_f32_name(op->k));
    mxdi_cpu_need_scratch(p, mxdi_conv_f32_scratch(op->k));
    return mxdi_cpu_emit_product(p, &as, &mxdi_cpu_conv_f32_kind, op, mxdi_conv_f32_name(op->k),
                                 bf16 ? "bf16" : "f32", mxdi_conv_f32_bytes(op->k), err);
}

/* compute f16: x and w rounded before, the result rounded behind, sums in f32 by the f32 kernel. */
static mxd_status emit_f16(mxdi_cpu_plan *p, const mxd_node *n, const mxdi_cpu_product *c,
                           const float *w, const float *bias, mxd_error *err)
{
    const mxdi_cpu_tensor *const x = &p->program->tensor[c->x], *const y =
                                                                    &p->program->tensor[c->y];
    const int64_t count =
        (int64_t)y->l.channels * (x->l.channels / c->groups) * c->window.kh * c->window.kw;
    float *const     w16   = mxdi_arena_alloc(&p->scratch, (size_t)count, sizeof(float), 64);
    mxdi_cpu_product inner = *c;
    if (!w16)
        return mxdi_nomem(err);
    inner.reason =
        "f16 values in f32 arithmetic, no faster than f32: ask for bf16 or f32, or give the layer \"allow\": \"f32\"";
    mxdi_cpu_round_f16(w16, w, (size_t)count);
    MXD_TRY(mxdi_cpu_temporary(&inner.x, p, c->x, err));
    MXD_TRY(mxdi_cpu_emit_round(p, inner.x, c->x, MXD_F16, err));
    if (!mxd_node_int(n, "round_output", 0))
        return emit_f32(p, n, &inner, w16, bias, err);
    const mxd_node bare = { .name = n->name, .op = n->op, .domain = n->domain };
    uint32_t       rounded;
    MXD_TRY(mxdi_cpu_temporary(&rounded, p, c->y, err));
    inner.y = rounded;
    inner.r = MXD_NO_VALUE;
    MXD_TRY(emit_f32(p, &bare, &inner, w16, bias, err));
    MXD_TRY(mxdi_cpu_emit_round(p, rounded, rounded, MXD_F16, err));
    const mxdi_unary_params clamp = { mxd_node_float(n, "min", -INFINITY),
                                      mxd_node_float(n, "max", INFINITY) };
    if (c->r == MXD_NO_VALUE)
        return mxdi_cpu_emit_unary(p, c->y, rounded, MXDI_UNARY_CLIP, &clamp, err);
    MXD_TRY(mxdi_cpu_emit_binary(p, c->y, rounded, c->r, MXDI_BINARY_ADD, err));
    return mxdi_cpu_emit_unary(p, c->y, c->y, MXDI_UNARY_CLIP, &clamp, err);
}

mxd_status mxdi_cpu_emit_product_f32(mxdi_cpu_plan *p, const mxd_node *n, const mxdi_cpu_product *c,
                                     const float *w, const float *bias, mxd_error *err)
{
    const bool f16 = strcmp(mxd_node_string(n, "compute", "f32"), "f16") == 0;
    return f16 ? emit_f16(p, n, c, w, bias, err) : emit_f32(p, n, c, w, bias, err);
}
