/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of one value, in the layout that the value has: f32 ones, tables of bytes, and clamps
 * of integers. */
#include <math.h>

#include "backends/cpu/cpu_emit.h"
#include "backends/cpu/cpu_lower.h"
#include "base/dtype.h"
#include "kernels/lookup8/lookup8.h"

/* x in the layout that is there, and y like it. An output that leaves at once stays plain. */
static mxd_status operands(uint32_t *y, uint32_t *x, mxdi_cpu_plan *p, const mxd_node *n,
                           mxd_error *err)
{
    if (mxdi_cpu_is_blocked(p, n->in[0]) && mxdi_cpu_can_block(mxdi_cpu_out(p->g, n, 0))) {
        MXD_TRY(mxdi_cpu_get_blocked(x, p, n->in[0], err));
        return mxdi_cpu_make_blocked(y, p, n->out[0], err);
    }
    MXD_TRY(mxdi_cpu_get_plain(x, p, n->in[0], err));
    return mxdi_cpu_make_plain(y, p, n->out[0], true, err);
}

/* ---- f32 ---- */

/* ONNX op, function, names and defaults of the attributes that become alpha and beta (NULL: none).
 */
static const struct function {
    const char   *op;
    mxdi_unary_op f;
    const char   *alpha, *beta;
    float         alpha_default, beta_default;
} functions[] = {
    { "Relu", MXDI_UNARY_RELU, NULL, NULL, 0, 0 },
    { "LeakyRelu", MXDI_UNARY_LEAKY_RELU, "alpha", NULL, 0.01f, 0 },
    { "HardSigmoid", MXDI_UNARY_HARD_SIGMOID, "alpha", "beta", 0.2f, 0.5f },
    { "HardSwish", MXDI_UNARY_HARD_SWISH, NULL, NULL, 0, 0 },
    { "Abs", MXDI_UNARY_ABS, NULL, NULL, 0, 0 },
    { "Neg", MXDI_UNARY_NEG, NULL, NULL, 0, 0 },
    { "Sign", MXDI_UNARY_SIGN, NULL, NULL, 0, 0 },
    { "Reciprocal", MXDI_UNARY_RECIPROCAL, NULL, NULL, 0, 0 },
    { "Sqrt", MXDI_UNARY_SQRT, NULL, NULL, 0, 0 },
    { "Floor", MXDI_UNARY_FLOOR, NULL, NULL, 0, 0 },
    { "Ceil", MXDI_UNARY_CEIL, NULL, NULL, 0, 0 },
    { "Round", MXDI_UNARY_ROUND, NULL, NULL, 0, 0 },
    { "Exp", MXDI_UNARY_EXP, NULL, NULL, 0, 0 },
    { "Log", MXDI_UNARY_LOG, NULL, NULL, 0, 0 },
    { "Sigmoid", MXDI_UNARY_SIGMOID, NULL, NULL, 0, 0 },
    { "Tanh", MXDI_UNARY_TANH, NULL, NULL, 0, 0 },
    { "Elu", MXDI_UNARY_ELU, "alpha", NULL, 1.0f, 0 },
    { "Softplus", MXDI_UNARY_SOFTPLUS, NULL, NULL, 0, 0 },
    { "Erf", MXDI_UNARY_ERF, NULL, NULL, 0, 0 },
    { "Gelu", MXDI_UNARY_GELU, NULL, NULL, 0, 0 },
};

static const struct function *function_of(const mxd_node *n)
{
    for (size_t k = 0; k < sizeof(functions) / sizeof(functions[0]); k++)
        if (strcmp(functions[k].op, n->op) == 0)
            return &functions[k];
    return NULL;
}

/* Clip's bounds from attributes or constants; false: they are made at run time. */
static bool clip_bounds(mxdi_unary_params *out, const mxd_graph_view *g, const mxd_node *n)
{
    float bound[2] = { mxd_node_float(n, "min", -INFINITY), mxd_node_float(n, "max", INFINITY) };
    for (uint32_t k = 0; k < 2; k++) {
        const mxd_value *const v = mxdi_cpu_in(g, n, 1 + k);
        if (v && !v->data)
            return false;
        if (v)
            bound[k] = (float)mxdi_load_f64(v->data, v->dtype, 0);
    }
    *out = (mxdi_unary_params){ bound[0], bound[1] };
    return true;
}

mxd_status mxdi_cpu_lower_unary(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const struct function *const f      = function_of(n);
    mxdi_unary_params            params = { 0, 0 };
    uint32_t                     x, y;
    mxdi_unary_op                op = f ? f->f : MXDI_UNARY_CLIP;
    if (mxdi_cpu_in(p->g, n, 0)->dtype != MXD_F32)
        return mxdi_cpu_lower_any(p, n, err);
    if (!f && !clip_bounds(&params, p->g, n))
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "bounds must be constant");
    if (f && f->alpha)
        params.alpha = mxd_node_float(n, f->alpha, f->alpha_default);
    if (f && f->beta)
        params.beta = mxd_node_float(n, f->beta, f->beta_default);
    if (op == MXDI_UNARY_GELU && strcmp(mxd_node_string(n, "approximate", "none"), "tanh") == 0)
        op = MXDI_UNARY_GELU_TANH;
    MXD_TRY(operands(&y, &x, p, n, err));
    return mxdi_cpu_emit_unary(p, y, x, op, &params, err);
}

/* x / (1 + |x|) */
mxd_status mxdi_cpu_lower_softsign(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxdi_unary_params none = { 0, 0 };
    uint32_t                x, y, t;
    MXD_TRY(operands(&y, &x, p, n, err));
    MXD_TRY(mxdi_cpu_temporary(&t, p, x, err));
    MXD_TRY(mxdi_cpu_emit_unary(p, t, x, MXDI_UNARY_ABS, &none, err));
    MXD_TRY(mxdi_cpu_emit_fixed(p, t, t, 1.0f, MXDI_BINARY_ADD, MXDI_FIXED_B, err));
    return mxdi_cpu_emit_binary(p, y, x, t, MXDI_BINARY_DIV, err);
}

const char *mxdi_cpu_check_softsign(const mxd_graph_view *g, const mxd_node *n)
{
    const char *const why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    return mxdi_cpu_in(g, n, 0)->dtype == MXD_F32
               ? NULL
               : "no CPU kernel for Softsign of this type: runs in the reference interpreter";
}

const char *mxdi_cpu_check_unary(const mxd_graph_view *g, const mxd_node *n)
{
    mxdi_unary_params params;
    const char *const why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    if (mxdi_cpu_in(g, n, 0)->dtype != MXD_F32)
        return mxdi_cpu_check_any(g, n);
    if (!function_of(n) && !clip_bounds(&params, g, n))
        return "bounds are not constant: runs in the reference interpreter";
    return NULL;
}

/* ---- tables ---- */

/* A table for each channel of the last axis. */
struct channels {
    const mxdi_lookup8 *k;
    uint32_t            x, y;
    int64_t             rows, n;
    bool                grows;
    const uint8_t      *table; /* (n, 256) */
};

/* Tasks are blocks of rows and channels, large enough that neighbours in memory stay together. */
enum { CHANNELS_ROWS = 256, CHANNELS_EACH = 128 };

static int64_t row_blocks(const struct channels *c, const mxdi_cpu_frame *f)
{
    return (mxdi_cpu_grown(f, c->rows, c->grows) + CHANNELS_ROWS - 1) / CHANNELS_ROWS;
}

static size_t channels_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const struct channels *const c = op;
    return (size_t)(row_blocks(c, f) * ((c->n + CHANNELS_EACH - 1) / CHANNELS_EACH));
}

static void channels_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                         unsigned thread)
{
    const struct channels *const c    = op;
    const int64_t                rows = mxdi_cpu_grown(f, c->rows, c->grows);
    const int64_t                each = row_blocks(c, f);
    (void)thread;
    for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
        const int64_t row = i % each * CHANNELS_ROWS, from = i / each * CHANNELS_EACH;
        const int64_t at = row * c->n + from;
        c->k->lookup_rows((uint8_t *)f->ptr[c->y] + at, (const uint8_t *)f->ptr[c->x] + at,
                          rows - row < CHANNELS_ROWS ? rows - row : CHANNELS_ROWS,
                          c->n - from < CHANNELS_EACH ? c->n - from : CHANNELS_EACH, c->n,
                          c->table + 256 * from);
    }
}

static const mxdi_cpu_kind channels_kind = { channels_tasks, channels_run, NULL };

static mxd_status lower_channels(mxdi_cpu_plan *p, const mxd_node *n, const uint8_t *table,
                                 mxd_error *err)
{
    const mxd_value *const x  = mxdi_cpu_in(p->g, n, 0);
    struct channels *const op = MXDI_CPU_NEW_OP(p, struct channels);
    if (!op)
        return mxdi_nomem(err);
    *op      = (struct channels){ .k     = mxdi_lookup8_select(p->program->isa),
                                  .n     = x->dim[x->rank - 1],
                                  .grows = x->batch_axis == 0,
                                  .table = table };
    op->rows = mxdi_cpu_count(x) / op->n;
    MXD_TRY(mxdi_cpu_get_plain(&op->x, p, n->in[0], err));
    MXD_TRY(mxdi_cpu_make_plain(&op->y, p, n->out[0], true, err));
    const mxdi_cpu_emission e = { .kind     = &channels_kind,
                                  .op       = op,
                                  .in       = &op->x,
                                  .n_in     = 1,
                                  .out      = &op->y,
                                  .n_out    = 1,
                                  .in_place = true,
                                  .computed = "u8",
                                  .derived  = (size_t)op->n * 256,
                                  .kernel   = mxdi_cpu_kernel_name(p, "lookup8", op->k->name) };
    return e.kernel ? mxdi_cpu_emit(p, &e, err) : mxdi_nomem(err);
}

mxd_status mxdi_cpu_lower_lookup8(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const vx = mxdi_cpu_in(p->g, n, 0), *const t = mxdi_cpu_in(p->g, n, 1),
                           *const vy = mxdi_cpu_out(p->g, n, 0);
    uint32_t                      x, y;
    int64_t                       lo, hi;
    if (!t || !t->data || t->bytes < 256 || !mxdi_dtype_range(vx->dtype, &lo, &hi))
        return mxdi_fail(err, MXD_E_INVAL, "a constant table of 256 bytes expected");
    uint8_t *const table = mxdi_arena_alloc(&p->program->arena, t->bytes, 1, 64);
    if (!table)
        return mxdi_nomem(err);
    for (size_t k = 0; k < t->bytes; k++) { /* by byte as stored: q + 128 or q */
        const int64_t q = (int64_t)(k % 256) - mxdi_cpu_shift(vx->dtype);
        const int64_t i = q < lo ? 0 : q > hi ? hi - lo : q - lo;
        table[k]        = (uint8_t)(((const uint8_t *)t->data)[(int64_t)(k - k % 256) + i] ^
                             (mxdi_cpu_shift(vy->dtype) ? 0x80 : 0));
    }
    if (t->rank == 2)
        return lower_channels(p, n, table, err);
    MXD_TRY(operands(&y, &x, p, n, err));
    return mxdi_cpu_emit_lookup8(p, y, x, table, err);
}
