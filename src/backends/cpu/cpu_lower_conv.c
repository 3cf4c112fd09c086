/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions and products with constant weights: QConv, FusedConv, Conv, and for
 * cpu_lower_matmul.c the emitting of either product. Weights are turned into the plain form that
 * the kernels pack; weight-only integers become f32 here.
 */
#include <math.h>
#include <stdio.h>

#include "backends/cpu/cpu_emit.h"
#include "backends/cpu/cpu_lower.h"
#include "backends/cpu/cpu_timing.h"
#include "base/dtype.h"
#include "kernels/conv_f32/conv_f32.h"
#include "kernels/dwconv_f32/dwconv_f32.h"
#include "kernels/dwconv_q8/dwconv_q8.h"

/* ---- the four kinds of step ---- */

struct conv_q8 {
    mxdi_conv_q8 *k;
    uint32_t      x, r, y;
};
struct dwconv_q8 {
    mxdi_dwconv_q8 *k;
    uint32_t        x, r, y;
};
struct conv_f32 {
    mxdi_conv_f32 *k;
    uint32_t       x, r, y;
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
    const struct conv_q8 *const c = op;
    return mxdi_conv_q8_tasks(c->k, mxdi_cpu_blocks(f, c->y));
}

static void conv_q8_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                        unsigned thread)
{
    const struct conv_q8 *const c = op;
    mxdi_conv_q8_run(c->k, f->ptr[c->x], residual(f, c->r), f->ptr[c->y],
                     f->scratch + thread * f->scratch_bytes, mxdi_cpu_blocks(f, c->y), begin, end);
}

static void conv_q8_destroy(void *op)
{
    mxdi_conv_q8_destroy(((struct conv_q8 *)op)->k);
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
    const struct conv_f32 *const c = op;
    return mxdi_conv_f32_tasks(c->k, mxdi_cpu_blocks(f, c->y));
}

static void conv_f32_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                         unsigned thread)
{
    const struct conv_f32 *const c = op;
    mxdi_conv_f32_run(c->k, f->ptr[c->x], residual(f, c->r), f->ptr[c->y],
                      f->scratch + thread * f->scratch_bytes, mxdi_cpu_blocks(f, c->y), begin, end);
}

static void conv_f32_destroy(void *op)
{
    mxdi_conv_f32_destroy(((struct conv_f32 *)op)->k);
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

static const mxdi_cpu_kind conv_q8_kind    = { conv_q8_tasks, conv_q8_run, conv_q8_destroy };
static const mxdi_cpu_kind dwconv_q8_kind  = { dwconv_q8_tasks, dwconv_q8_run, dwconv_q8_destroy };
static const mxdi_cpu_kind conv_f32_kind   = { conv_f32_tasks, conv_f32_run, conv_f32_destroy };
static const mxdi_cpu_kind dwconv_f32_kind = { dwconv_f32_tasks, dwconv_f32_run,
                                               dwconv_f32_destroy };

/* ---- emitting ---- */

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
    if (kind != &conv_q8_kind && kind != &conv_f32_kind)
        return NULL;
    return strstr(kernel, "winograd") ? "winograd" : "direct";
}

static mxd_status emit(mxdi_cpu_plan *p, const mxdi_cpu_product *c, const mxdi_cpu_kind *kind,
                       void *op, const char *kernel, const char *computed, size_t derived,
                       mxd_error *err)
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

/* qw - zw as (c_out, c_in, taps). */
static mxd_status unpack_weights(int16_t *out, mxdi_cpu_plan *p, const mxd_node *n,
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

/* ---- direct or Winograd ---- */

enum { DIRECT, WINOGRAD, ALGORITHMS, SHAPE_TEXT = 256 };
static const char *const algorithm_names[ALGORITHMS] = { "direct", "winograd" };
_Static_assert(MXDI_CONV_Q8_DIRECT == DIRECT + 1 && MXDI_CONV_Q8_WINOGRAD == WINOGRAD + 1 &&
                   MXDI_CONV_F32_DIRECT == DIRECT + 1 && MXDI_CONV_F32_WINOGRAD == WINOGRAD + 1,
               "a candidate is an algorithm behind AUTO");

/* Where both can be; text of all that their times depend on. */
static bool has_contest(mxdi_cpu_contest *out, char text[SHAPE_TEXT], const char *op,
                        const mxdi_cpu_plan *p, const mxdi_cpu_product *c, const char *type)
{
    const mxdi_cpu_tensor *const x = &p->program->tensor[c->x], *const y =
                                                                    &p->program->tensor[c->y];
    const mxdi_window2d *const w = &c->window;
    if (w->kh != 3 || w->kw != 3 || w->sh != 1 || w->sw != 1 || w->dh != 1 || w->dw != 1 ||
        c->groups != 1)
        return false;
    (void)snprintf(text, SHAPE_TEXT, "%lldx%dx%dx%d -> %dx%dx%d, 3x3, pads %d %d, blocks of %d%s%s",
                   (long long)x->images, x->l.channels, x->l.h, x->l.w, y->l.channels, y->l.h,
                   y->l.w, w->ph, w->pw, x->l.block, type,
                   c->r == MXD_NO_VALUE ? "" : ", plus a residual");
    *out = (mxdi_cpu_contest){ op, text, algorithm_names, ALGORITHMS };
    return true;
}

static mxd_status time_product(uint32_t *best, mxdi_cpu_plan *p, const mxdi_cpu_product *c,
                               const mxdi_cpu_contest *contest, const mxdi_cpu_candidate *candidate,
                               mxd_error *err)
{
    const uint32_t tensor[] = { c->x, c->y, c->r };
    return mxdi_cpu_time(best, p, contest, candidate, tensor, c->r == MXD_NO_VALUE ? 2 : 3, err);
}

/* Whether panels and scratch would be more than the host allows. */
static bool over_cap(const mxdi_cpu_plan *p, size_t bytes, size_t scratch)
{
    const mxd_program *const g = p->program;
    return p->workspace_cap &&
           g->derived_bytes + bytes +
                   (scratch > g->scratch_bytes ? scratch : g->scratch_bytes) * g->lanes >
               p->workspace_cap;
}

/* Of x as stored. */
static int32_t zero_point_of(const mxdi_cpu_plan *p, const mxd_node *n)
{
    return (int32_t)mxd_node_int(n, "x_zero_point", 0) +
           mxdi_cpu_shift(p->g->value[n->in[0]].dtype);
}

/* The best algorithm, where the host knows it or timing is asked for; else *algorithm stays. */
static mxd_status choose_q8(int32_t *algorithm, mxdi_cpu_plan *p, const mxdi_cpu_product *c,
                            mxdi_conv_q8_desc d, mxd_error *err)
{
    const mxd_program *const g                     = p->program;
    struct conv_q8           op[ALGORITHMS]        = { { .x = c->x, .r = c->r, .y = c->y },
                                                       { .x = c->x, .r = c->r, .y = c->y } };
    mxdi_cpu_candidate       candidate[ALGORITHMS] = { { .op = &op[0] }, { .op = &op[1] } };
    char                     text[SHAPE_TEXT];
    mxdi_cpu_contest         contest;
    if (!has_contest(&contest, text, "conv_q8", p, c, d.epilogue.y_float ? ", f32 result" : ""))
        return MXD_OK;
    uint32_t   best = mxdi_cpu_known(p, &contest), made = 0;
    mxd_status st = MXD_OK;
    for (; best == ALGORITHMS && p->timed && st == MXD_OK && made < ALGORITHMS; made++) {
        d.algorithm = (int32_t)made + 1;
        st          = mxdi_conv_q8_create(&op[made].k, &d, g->isa, g->alloc, err);
        if (st != MXD_OK || (made == WINOGRAD && over_cap(p, mxdi_conv_q8_bytes(op[made].k),
                                                          mxdi_conv_q8_scratch(op[made].k))))
            break;
        candidate[made].kind    = &conv_q8_kind;
        candidate[made].scratch = mxdi_conv_q8_scratch(op[made].k);
    }
    if (made == ALGORITHMS)
        st = time_product(&best, p, c, &contest, candidate, err);
    for (uint32_t k = 0; k < ALGORITHMS; k++)
        mxdi_conv_q8_destroy(op[k].k);
    *algorithm = best < ALGORITHMS ? (int32_t)best + 1 : *algorithm;
    return st == MXD_E_UNSUPPORTED ? MXD_OK : st;
}

static mxd_status choose_f32(int32_t *algorithm, mxdi_cpu_plan *p, const mxdi_cpu_product *c,
                             mxdi_conv_f32_desc d, mxd_error *err)
{
    const mxd_program *const g                     = p->program;
    struct conv_f32          op[ALGORITHMS]        = { { .x = c->x, .r = c->r, .y = c->y },
                                                       { .x = c->x, .r = c->r, .y = c->y } };
    mxdi_cpu_candidate       candidate[ALGORITHMS] = { { .op = &op[0] }, { .op = &op[1] } };
    char                     text[SHAPE_TEXT];
    mxdi_cpu_contest         contest;
    if (d.bf16 || d.exact || !has_contest(&contest, text, "conv_f32", p, c, ""))
        return MXD_OK;
    uint32_t   best = mxdi_cpu_known(p, &contest), made = 0;
    mxd_status st = MXD_OK;
    for (; best == ALGORITHMS && p->timed && st == MXD_OK && made < ALGORITHMS; made++) {
        d.algorithm = (int32_t)made + 1;
        st          = mxdi_conv_f32_create(&op[made].k, &d, g->isa, g->alloc, err);
        if (st != MXD_OK || (made == WINOGRAD && over_cap(p, mxdi_conv_f32_bytes(op[made].k),
                                                          mxdi_conv_f32_scratch(op[made].k))))
            break;
        candidate[made].kind    = &conv_f32_kind;
        candidate[made].scratch = mxdi_conv_f32_scratch(op[made].k);
    }
    if (made == ALGORITHMS)
        st = time_product(&best, p, c, &contest, candidate, err);
    for (uint32_t k = 0; k < ALGORITHMS; k++)
        mxdi_conv_f32_destroy(op[k].k);
    *algorithm = best < ALGORITHMS ? (int32_t)best + 1 : *algorithm;
    return st == MXD_E_UNSUPPORTED ? MXD_OK : st;
}

static mxd_status emit_q8(mxdi_cpu_plan *p, const mxd_node *n, const mxdi_cpu_product *c,
                          const mxdi_cpu_weights *w, const int16_t *plain, mxd_error *err)
{
    mxd_program *const           g = p->program;
    const mxdi_cpu_tensor *const x = &g->tensor[c->x], *const y = &g->tensor[c->y];
    const int32_t    x_zero_point = zero_point_of(p, n);
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
        return emit(p, c, &dwconv_q8_kind, op, mxdi_dwconv_q8_name(op->k), "u8s8",
                    mxdi_dwconv_q8_bytes(op->k), err);
    }
    mxdi_conv_q8_desc     d  = { .x            = x->l,
                                 .y            = y->l,
                                 .window       = c->window,
                                 .groups       = c->groups,
                                 .w            = plain,
                                 .x_zero_point = x_zero_point,
                                 .epilogue     = epilogue,
                                 .blocks       = (y->images - 1) / y->l.block + 1 };
    mxdi_cpu_product      as = *c;
    struct conv_q8 *const op = MXDI_CPU_NEW_OP(p, struct conv_q8);
    if (!op)
        return mxdi_nomem(err);
    *op = (struct conv_q8){ NULL, c->x, c->r, c->y };
    MXD_TRY(choose_q8(&d.algorithm, p, c, d, err));
    MXD_TRY(mxdi_conv_q8_create(&op->k, &d, g->isa, g->alloc, err));
    if (mxdi_conv_q8_scratch(op->k) > 0 &&
        over_cap(p, mxdi_conv_q8_bytes(op->k), mxdi_conv_q8_scratch(op->k))) {
        mxdi_conv_q8_destroy(op->k);
        d.algorithm = MXDI_CONV_Q8_DIRECT;
        as.reason   = "the workspace cap allows direct convolution only";
        MXD_TRY(mxdi_conv_q8_create(&op->k, &d, g->isa, g->alloc, err));
    }
    mxdi_cpu_need_scratch(p, mxdi_conv_q8_scratch(op->k));
    return emit(p, &as, &conv_q8_kind, op, mxdi_conv_q8_name(op->k), "u8s8",
                mxdi_conv_q8_bytes(op->k), err);
}

mxd_status mxdi_cpu_emit_product_q8(mxdi_cpu_plan *p, const mxd_node *n, const mxdi_cpu_product *c,
                                    const mxdi_cpu_weights *w, mxd_error *err)
{
    const mxd_allocator *const alloc = p->program->alloc;
    int16_t *const plain = MXDI_ALLOC(alloc, int16_t, (size_t)(w->c_out * w->c_in * w->taps));
    mxd_status     st    = plain ? unpack_weights(plain, p, n, w, err) : mxdi_nomem(err);
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
        return emit(p, &as, &dwconv_f32_kind, op, mxdi_dwconv_f32_name(op->k),
                    bf16 ? "bf16" : "f32", mxdi_dwconv_f32_bytes(op->k), err);
    }
    mxdi_conv_f32_desc     d  = { .x          = x->l,
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
    struct conv_f32 *const op = MXDI_CPU_NEW_OP(p, struct conv_f32);
    if (!op)
        return mxdi_nomem(err);
    *op = (struct conv_f32){ NULL, c->x, c->r, c->y };
    MXD_TRY(choose_f32(&d.algorithm, p, c, d, err));
    MXD_TRY(mxdi_conv_f32_create(&op->k, &d, g->isa, g->alloc, err));
    if (over_cap(p, mxdi_conv_f32_bytes(op->k),
                 mxdi_conv_f32_scratch(op->k))) { /* direct panels are the smallest */
        mxdi_conv_f32_destroy(op->k);
        d.algorithm = MXDI_CONV_F32_DIRECT;
        as.reason   = "the workspace cap allows direct convolution only";
        MXD_TRY(mxdi_conv_f32_create(&op->k, &d, g->isa, g->alloc, err));
    }
    as.reason = bf16_reason(&as, bf16, mxdi_conv_f32_name(op->k));
    mxdi_cpu_need_scratch(p, mxdi_conv_f32_scratch(op->k));
    return emit(p, &as, &conv_f32_kind, op, mxdi_conv_f32_name(op->k), bf16 ? "bf16" : "f32",
                mxdi_conv_f32_bytes(op->k), err);
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

/* ---- nodes ---- */

static mxd_status conv_tensors(mxdi_cpu_product *c, mxdi_cpu_plan *p, const mxd_node *n,
                               uint32_t residual_in, mxd_error *err)
{
    const mxd_value *const w = mxdi_cpu_in(p->g, n, 1);
    *c = (mxdi_cpu_product){ .r = MXD_NO_VALUE, .groups = (int32_t)mxd_node_int(n, "group", 1) };
    c->window =
        mxdi_cpu_window_of(n, mxdi_cpu_in(p->g, n, 0), mxdi_cpu_out(p->g, n, 0), w->dim + 2).w;
    MXD_TRY(mxdi_cpu_get_blocked(&c->x, p, n->in[0], err));
    if (mxdi_cpu_has_in(n, residual_in))
        MXD_TRY(mxdi_cpu_get_blocked(&c->r, p, n->in[residual_in], err));
    return mxdi_cpu_make_blocked(&c->y, p, n->out[0], err);
}

/* ---- a convolution and the pool behind it in one step ---- */

/* The 2x2 MaxPool that alone takes the output of n, or NULL. */
static const mxd_node *pool_of(const mxdi_cpu_plan *p, const mxd_node *n)
{
    const mxd_graph_view *const g    = p->g;
    const mxd_value *const      x    = mxdi_cpu_out(g, n, 0);
    const mxd_node             *pool = n + 1;
    if (p->value[n->out[0]].n_uses != 1 || p->value[n->out[0]].output != MXD_NO_VALUE ||
        x->rank != 4 || !mxdi_cpu_is_byte(x->dtype) || mxd_dtype_bits(x->dtype) != 8)
        return NULL;
    while (pool < g->node + g->n_nodes && (pool->n_in == 0 || pool->in[0] != n->out[0]))
        pool++;
    if (pool == g->node + g->n_nodes || strcmp(pool->op, "MaxPool") != 0 ||
        mxdi_cpu_check_pool(g, pool) || mxdi_cpu_can_plain_pool(g, pool))
        return NULL;
    const mxd_value *const y = mxdi_cpu_out(g, pool, 0);
    const mxdi_window2d    w = mxdi_cpu_window_of(pool, x, y, NULL).w;
    const bool whole = w.kh == 2 && w.kw == 2 && w.sh == 2 && w.sw == 2 && w.dh == 1 && w.dw == 1 &&
                       w.ph == 0 && w.pw == 0 && 2 * y->dim[2] <= x->dim[2] &&
                       2 * y->dim[3] <= x->dim[3];
    return whole && y->dtype == x->dtype ? pool : NULL;
}

/* n as the origin of what its pool asks for, too. */
static mxd_status join_origins(mxd_node *both, mxdi_cpu_plan *p, const mxd_node *n,
                               const mxd_node *pool, mxd_error *err)
{
    const size_t       a = n->n_origin, b = pool->n_origin;
    const char **const names =
        mxdi_arena_alloc(&p->program->arena, a + b + 1, sizeof(names[0]), sizeof(names[0]));
    if (!names)
        return mxdi_nomem(err);
    for (size_t k = 0; k < a + b; k++)
        names[k] = k < a ? n->origin[k] : pool->origin[k - a];
    *both          = *n;
    both->origin   = names;
    both->n_origin = (uint32_t)(a + b);
    return MXD_OK;
}

/* A kernel that does both, with x and the window of `c`; NULL with MXD_OK where there is none. */
static mxd_status create_pooled(mxdi_conv_q8 **out, mxdi_cpu_plan *p, const mxd_node *n,
                                const mxd_node *pool, const mxdi_cpu_product *c,
                                const mxdi_cpu_weights *w, const int16_t *plain, mxd_error *err)
{
    mxd_program *const g   = p->program;
    mxd_error          why = MXD_ERROR_INIT;
    mxdi_conv_q8_desc  d   = { .x            = g->tensor[c->x].l,
                               .window       = c->window,
                               .groups       = c->groups,
                               .w            = plain,
                               .x_zero_point = zero_point_of(p, n),
                               .pooled       = true };
    MXD_TRY(mxdi_cpu_epilogue(&d.epilogue, p, n, w->c_out, err));
    MXD_TRY(mxdi_cpu_layout_of(&d.y, mxdi_cpu_out(p->g, pool, 0), g->max_batch, err));
    const mxd_status st = mxdi_conv_q8_create(out, &d, g->isa, g->alloc, &why);
    if (st != MXD_OK)
        return st == MXD_E_NOMEM ? mxdi_nomem(err) : MXD_OK;
    if (over_cap(p, mxdi_conv_q8_bytes(*out), mxdi_conv_q8_scratch(*out))) {
        mxdi_conv_q8_destroy(*out);
        *out = NULL;
    }
    return MXD_OK;
}

/* Takes k. */
static mxd_status emit_pooled(mxdi_cpu_plan *p, const mxd_node *n, const mxd_node *pool,
                              const mxdi_cpu_product *c, mxdi_conv_q8 *k, mxd_error *err)
{
    const mxd_node *const node = p->node;
    mxdi_cpu_product      as   = *c;
    mxd_node              both;
    struct conv_q8 *const op = MXDI_CPU_NEW_OP(p, struct conv_q8);
    as.pooled                = true;
    mxd_status st            = op ? join_origins(&both, p, n, pool, err) : mxdi_nomem(err);
    if (st == MXD_OK)
        st = mxdi_cpu_make_blocked(&as.y, p, pool->out[0], err);
    if (st != MXD_OK) {
        mxdi_conv_q8_destroy(k);
        return st;
    }
    *op = (struct conv_q8){ k, as.x, as.r, as.y };
    mxdi_cpu_need_scratch(p, mxdi_conv_q8_scratch(k));
    p->node = &both;
    st = emit(p, &as, &conv_q8_kind, op, mxdi_conv_q8_name(k), "u8s8", mxdi_conv_q8_bytes(k), err);
    p->node = node;
    return st;
}

/* *done: n and its pool are one step, and it is emitted. */
static mxd_status lower_pooled(bool *done, mxdi_cpu_plan *p, const mxd_node *n,
                               const mxdi_cpu_weights *w, mxd_error *err)
{
    const mxd_node *const pool = pool_of(p, n);
    mxdi_conv_q8         *k    = NULL;
    *done                      = false;
    if (!pool || mxdi_cpu_has_in(n, 5))
        return MXD_OK;
    const mxd_value *const x = mxdi_cpu_in(p->g, n, 0), *const y = mxdi_cpu_out(p->g, n, 0);
    mxdi_cpu_product c = { .r      = MXD_NO_VALUE,
                           .window = mxdi_cpu_window_of(n, x, y, p->g->value[w->value].dim + 2).w,
                           .groups = (int32_t)mxd_node_int(n, "group", 1) };
    int16_t *const   plain =
        mxdi_arena_alloc(&p->scratch, (size_t)(w->c_out * w->c_in * w->taps), sizeof(int16_t), 64);
    if (!plain)
        return mxdi_nomem(err);
    MXD_TRY(mxdi_cpu_get_blocked(&c.x, p, n->in[0], err));
    MXD_TRY(unpack_weights(plain, p, n, w, err));
    MXD_TRY(create_pooled(&k, p, n, pool, &c, w, plain, err));
    *done = k != NULL;
    return k ? emit_pooled(p, n, pool, &c, k, err) : MXD_OK;
}

mxd_status mxdi_cpu_lower_qconv(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const w = mxdi_cpu_in(p->g, n, 1);
    mxdi_cpu_product       c;
    int64_t                taps = 1;
    for (int32_t k = 2; k < w->rank; k++)
        taps *= w->dim[k];
    const mxdi_cpu_weights weights = { n->in[1],         w->dim[0], w->dim[1], taps,
                                       w->dim[1] * taps, taps,      1 };
    bool                   done;
    MXD_TRY(lower_pooled(&done, p, n, &weights, err));
    if (done)
        return MXD_OK;
    MXD_TRY(conv_tensors(&c, p, n, 5, err));
    return mxdi_cpu_emit_product_q8(p, n, &c, &weights, err);
}

static mxd_status lower_packed(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const float     *w, *bias = NULL;
    mxdi_cpu_product c;
    MXD_TRY(mxdi_cpu_constant_f32(&w, p, n->in[1], err));
    if (mxdi_cpu_has_in(n, 2))
        MXD_TRY(mxdi_cpu_constant_f32(&bias, p, n->in[2], err));
    if (!w || (mxdi_cpu_has_in(n, 2) && !bias))
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "weights and bias must be constant");
    MXD_TRY(conv_tensors(&c, p, n, 3, err));
    return mxdi_cpu_emit_product_f32(p, n, &c, w, bias, err);
}

/* What the packed kernels say of a node; NULL: they take it. */
static const char *check_packed(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const x = mxdi_cpu_in(g, n, 0), *const w = mxdi_cpu_in(g, n, 1),
                           *const y = mxdi_cpu_out(g, n, 0);
    if (!w || w->rank < 3 || w->rank > 4 || x->rank != w->rank)
        return "no CPU kernel for convolutions in three dimensions: runs in the reference interpreter";
    if (!mxdi_cpu_can_block(x) || !mxdi_cpu_can_block(y))
        return "no CPU kernel for convolutions of this type: runs in the reference interpreter";
    if (!mxdi_cpu_is_fixed(g, n->in[1]) ||
        (mxdi_cpu_has_in(n, 2) && !mxdi_cpu_is_fixed(g, n->in[2])))
        return "weights or bias are not constant: runs in the reference interpreter";
    return NULL;
}

mxd_status mxdi_cpu_lower_conv(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    return check_packed(p->g, n) ? mxdi_cpu_lower_plain_conv(p, n, err) : lower_packed(p, n, err);
}

const char *mxdi_cpu_check_conv(const mxd_graph_view *g, const mxd_node *n)
{
    const char *const why = mxdi_cpu_check_shapes(g, n);
    return why ? why : check_packed(g, n);
}

const char *mxdi_cpu_check_any_conv(const mxd_graph_view *g, const mxd_node *n)
{
    const char *const why = mxdi_cpu_check_conv(g, n);
    return !why || mxdi_cpu_check_shapes(g, n) || !mxdi_cpu_can_plain_conv(g, n) ? why : NULL;
}
