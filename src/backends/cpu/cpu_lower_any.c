/* SPDX-License-Identifier: Apache-2.0
 *
 * Plain loops for what is rare: arithmetic, comparison and logic on integers and bools (of f32:
 * comparison), one element after the other, broadcast. Integers wrap to their type; dividing
 * truncates. */
#include "backends/cpu/cpu_lower.h"
#include "base/dtype.h"

/* ---- functions; false: the operands are outside the function's domain ---- */

typedef bool (*whole_fn)(int64_t *out, int64_t a, int64_t b);
typedef bool (*real_fn)(double a, double b); /* comparisons alone */

static bool add(int64_t *out, int64_t a, int64_t b)
{
    *out = (int64_t)((uint64_t)a + (uint64_t)b);
    return true;
}

static bool sub(int64_t *out, int64_t a, int64_t b)
{
    *out = (int64_t)((uint64_t)a - (uint64_t)b);
    return true;
}

static bool mul(int64_t *out, int64_t a, int64_t b)
{
    *out = (int64_t)((uint64_t)a * (uint64_t)b);
    return true;
}

static bool divide(int64_t *out, int64_t a, int64_t b)
{
    *out = b == 0 ? 0 : b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
    return b != 0;
}

static bool power(int64_t *out, int64_t a, int64_t b)
{
    uint64_t r = 1, base = (uint64_t)a;
    *out = a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
    if (b < 0)
        return a != 0;
    for (; b > 0; b /= 2, base *= base)
        r *= b % 2 ? base : 1;
    *out = (int64_t)r;
    return true;
}

static bool smaller(int64_t *out, int64_t a, int64_t b)
{
    *out = a < b ? a : b;
    return true;
}

static bool larger(int64_t *out, int64_t a, int64_t b)
{
    *out = a > b ? a : b;
    return true;
}

static bool both(int64_t *out, int64_t a, int64_t b)
{
    *out = a && b;
    return true;
}

static bool either(int64_t *out, int64_t a, int64_t b)
{
    *out = a || b;
    return true;
}

static bool equal(double a, double b)
{
    return a == b;
}
static bool greater(double a, double b)
{
    return a > b;
}
static bool greater_equal(double a, double b)
{
    return a >= b;
}
static bool less(double a, double b)
{
    return a < b;
}
static bool less_equal(double a, double b)
{
    return a <= b;
}

static bool is_equal(int64_t *out, int64_t a, int64_t b)
{
    *out = a == b;
    return true;
}

static bool is_greater(int64_t *out, int64_t a, int64_t b)
{
    *out = a > b;
    return true;
}

static bool is_greater_equal(int64_t *out, int64_t a, int64_t b)
{
    *out = a >= b;
    return true;
}

static bool is_less(int64_t *out, int64_t a, int64_t b)
{
    *out = a < b;
    return true;
}

static bool is_less_equal(int64_t *out, int64_t a, int64_t b)
{
    *out = a <= b;
    return true;
}

/* Of one operand; the second is 0. */
static bool negate(int64_t *out, int64_t a, int64_t b)
{
    return sub(out, b, a);
}

static bool sign(int64_t *out, int64_t a, int64_t b)
{
    (void)b;
    *out = (a > 0) - (a < 0);
    return true;
}

static bool absolute(int64_t *out, int64_t a, int64_t b)
{
    return a < 0 ? sub(out, b, a) : add(out, a, b);
}

static const struct function {
    const char *op;
    whole_fn    whole;
    real_fn     real;
    uint32_t    operands; /* 1: the second operand is 0 */
} functions[] = {
    { "Add", add, NULL, 2 },
    { "Sub", sub, NULL, 2 },
    { "Mul", mul, NULL, 2 },
    { "Div", divide, NULL, 2 },
    { "Pow", power, NULL, 2 },
    { "Min", smaller, NULL, 2 },
    { "Max", larger, NULL, 2 },
    { "And", both, NULL, 2 },
    { "Or", either, NULL, 2 },
    { "Equal", is_equal, equal, 2 },
    { "Greater", is_greater, greater, 2 },
    { "GreaterOrEqual", is_greater_equal, greater_equal, 2 },
    { "Less", is_less, less, 2 },
    { "LessOrEqual", is_less_equal, less_equal, 2 },
    { "Relu", larger, NULL, 1 },
    { "Neg", negate, NULL, 1 },
    { "Abs", absolute, NULL, 1 },
    { "Sign", sign, NULL, 1 },
    { "Not", is_equal, NULL, 1 },
};

static const struct function *function_of(const mxd_node *n)
{
    for (size_t k = 0; k < sizeof(functions) / sizeof(functions[0]); k++)
        if (strcmp(functions[k].op, n->op) == 0)
            return &functions[k];
    return NULL;
}

/* ---- the step ---- */

struct any {
    whole_fn  whole;
    real_fn   real;    /* NULL: whole is used */
    uint32_t  y, a, b; /* b MXD_NO_VALUE: 0 */
    mxd_dtype in, out; /* as stored */
    int32_t   in_shift, out_shift, rank;
    int64_t   dim[MXD_MAX_RANK], as[MXD_MAX_RANK], bs[MXD_MAX_RANK];
};

/* The element offsets of element i of y in a and b. A batch below the largest changes the first
 * axis alone. */
static void locate(const struct any *e, int64_t i, int64_t *a, int64_t *b)
{
    *a = *b = 0;
    for (int32_t k = e->rank - 1; k >= 0; k--) {
        *a += i % e->dim[k] * e->as[k];
        *b += i % e->dim[k] * e->bs[k];
        i /= e->dim[k];
    }
}

static void any_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                    unsigned thread)
{
    const struct any *const e = op;
    const int64_t           n = mxdi_cpu_elements(f, e->y);
    const void *const x = f->ptr[e->a], *const z = e->b == MXD_NO_VALUE ? NULL : f->ptr[e->b];
    (void)begin;
    (void)end;
    (void)thread;
    for (int64_t i = 0; i < n; i++) {
        int64_t a, b, v;
        locate(e, i, &a, &b);
        if (e->real) {
            v = e->real(mxdi_load_f64(x, e->in, a), mxdi_load_f64(z, e->in, b));
        } else if (!e->whole(&v, mxdi_load_s64(x, e->in, a) - e->in_shift,
                             z ? mxdi_load_s64(z, e->in, b) - e->in_shift : 0)) {
            atomic_store_explicit(f->fault, true, memory_order_relaxed);
            return;
        }
        mxdi_store_s64(f->ptr[e->y], e->out, i, v + e->out_shift);
    }
}

static const mxdi_cpu_kind any_kind = { NULL, any_run, NULL };

mxd_status mxdi_cpu_lower_any(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const struct function *const fn = function_of(n);
    const mxd_value *const a = mxdi_cpu_in(p->g, n, 0), *const y = mxdi_cpu_out(p->g, n, 0);
    struct any *const op = MXDI_CPU_NEW_OP(p, struct any);
    if (!op)
        return mxdi_nomem(err);
    *op = (struct any){ .whole     = fn->whole,
                        .real      = a->dtype == MXD_F32 ? fn->real : NULL,
                        .b         = MXD_NO_VALUE,
                        .in        = mxdi_cpu_stored(a->dtype),
                        .out       = mxdi_cpu_stored(y->dtype),
                        .in_shift  = mxdi_cpu_shift(a->dtype),
                        .out_shift = mxdi_cpu_shift(y->dtype),
                        .rank      = y->rank };
    memcpy(op->dim, y->dim, sizeof(op->dim));
    mxdi_cpu_broadcast_strides(op->as, a, y);
    MXD_TRY(mxdi_cpu_get_plain(&op->a, p, n->in[0], err));
    if (fn->operands == 2) {
        mxdi_cpu_broadcast_strides(op->bs, mxdi_cpu_in(p->g, n, 1), y);
        MXD_TRY(mxdi_cpu_get_plain(&op->b, p, n->in[1], err));
    }
    MXD_TRY(mxdi_cpu_make_plain(&op->y, p, n->out[0], true, err));
    const uint32_t          in[] = { op->a, op->b };
    const mxdi_cpu_emission e    = { .kind     = &any_kind,
                                     .op       = op,
                                     .in       = in,
                                     .n_in     = fn->operands,
                                     .out      = &op->y,
                                     .n_out    = 1,
                                     .kernel   = "elementwise",
                                     .computed = mxd_dtype_name(y->dtype),
                                     .ns       = 10.0 * (double)mxdi_cpu_count(y),
                                     .reason   = "integers and bools go one by one" };
    return mxdi_cpu_emit(p, &e, err);
}

const char *mxdi_cpu_check_any(const mxd_graph_view *g, const mxd_node *n)
{
    const struct function *const fn  = function_of(n);
    const char *const            why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    if (!fn || n->n_in != fn->operands)
        return "no CPU kernel for this function of integers: runs in the reference interpreter";
    for (uint32_t k = 0; k < n->n_in; k++) {
        const mxd_dtype d = mxdi_cpu_in(g, n, k)->dtype;
        if (d != mxdi_cpu_in(g, n, 0)->dtype || mxd_dtype_bits(d) < 8 ||
            (mxdi_dtype_is_float(d) && (d != MXD_F32 || !fn->real)))
            return "no CPU kernel for this function of this type: runs in the reference interpreter";
    }
    return NULL;
}
