/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of broadcast inputs: arithmetic, comparison, logic, and the variadic Sum, Mean, Min and
 * Max, which apply their function input after input. Integers wrap to their type; dividing them
 * truncates.
 */
#include "interp/interp_impl.h"

typedef struct binary {
    const char *name;
    double (*real)(double a, double b);
    mxd_status (*whole)(int64_t *out, int64_t a, int64_t b); /* NULL: floats only */
    bool truth;                                              /* the output is bool */
} binary;

static double f_add(double a, double b)
{
    return a + b;
}

static double f_sub(double a, double b)
{
    return a - b;
}

static double f_mul(double a, double b)
{
    return a * b;
}

static double f_div(double a, double b)
{
    return a / b;
}

static double f_min(double a, double b)
{
    return isnan(a) || a < b ? a : b;
}

static double f_max(double a, double b)
{
    return isnan(a) || a > b ? a : b;
}

static double f_prelu(double x, double slope)
{
    return x < 0 ? x * slope : x;
}

static double f_equal(double a, double b)
{
    return a == b;
}

static double f_greater(double a, double b)
{
    return a > b;
}

static double f_greater_equal(double a, double b)
{
    return a >= b;
}

static double f_less(double a, double b)
{
    return a < b;
}

static double f_less_equal(double a, double b)
{
    return a <= b;
}

static mxd_status i_add(int64_t *out, int64_t a, int64_t b)
{
    *out = (int64_t)((uint64_t)a + (uint64_t)b);
    return MXD_OK;
}

static mxd_status i_sub(int64_t *out, int64_t a, int64_t b)
{
    *out = (int64_t)((uint64_t)a - (uint64_t)b);
    return MXD_OK;
}

static mxd_status i_mul(int64_t *out, int64_t a, int64_t b)
{
    *out = (int64_t)((uint64_t)a * (uint64_t)b);
    return MXD_OK;
}

static mxd_status i_div(int64_t *out, int64_t a, int64_t b)
{
    if (b == 0)
        return MXD_E_RANGE;
    *out = b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
    return MXD_OK;
}

/* Modulo 2^64; a negative exponent gives the truncated real value. */
static mxd_status i_pow(int64_t *out, int64_t a, int64_t b)
{
    if (b < 0 && a == 0)
        return MXD_E_RANGE;
    if (b < 0) {
        *out = a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
        return MXD_OK;
    }
    uint64_t r = 1;
    for (uint64_t base = (uint64_t)a; b > 0; b /= 2, base *= base)
        if (b % 2)
            r *= base;
    *out = (int64_t)r;
    return MXD_OK;
}

static mxd_status i_min(int64_t *out, int64_t a, int64_t b)
{
    *out = a < b ? a : b;
    return MXD_OK;
}

static mxd_status i_max(int64_t *out, int64_t a, int64_t b)
{
    *out = a > b ? a : b;
    return MXD_OK;
}

static mxd_status i_prelu(int64_t *out, int64_t a, int64_t b)
{
    return a < 0 ? i_mul(out, a, b) : i_max(out, a, a);
}

static mxd_status i_and(int64_t *out, int64_t a, int64_t b)
{
    *out = a && b;
    return MXD_OK;
}

static mxd_status i_or(int64_t *out, int64_t a, int64_t b)
{
    *out = a || b;
    return MXD_OK;
}

static mxd_status i_equal(int64_t *out, int64_t a, int64_t b)
{
    *out = a == b;
    return MXD_OK;
}

static mxd_status i_greater(int64_t *out, int64_t a, int64_t b)
{
    *out = a > b;
    return MXD_OK;
}

static mxd_status i_greater_equal(int64_t *out, int64_t a, int64_t b)
{
    *out = a >= b;
    return MXD_OK;
}

static mxd_status i_less(int64_t *out, int64_t a, int64_t b)
{
    *out = a < b;
    return MXD_OK;
}

static mxd_status i_less_equal(int64_t *out, int64_t a, int64_t b)
{
    *out = a <= b;
    return MXD_OK;
}

static const binary binaries[] = {
    { "Add", f_add, i_add, false },
    { "And", NULL, i_and, true },
    { "Div", f_div, i_div, false },
    { "Equal", f_equal, i_equal, true },
    { "Greater", f_greater, i_greater, true },
    { "GreaterOrEqual", f_greater_equal, i_greater_equal, true },
    { "Less", f_less, i_less, true },
    { "LessOrEqual", f_less_equal, i_less_equal, true },
    { "Max", f_max, i_max, false },
    { "Mean", f_add, NULL, false },
    { "Min", f_min, i_min, false },
    { "Mul", f_mul, i_mul, false },
    { "Or", NULL, i_or, true },
    { "PRelu", f_prelu, i_prelu, false },
    { "Pow", pow, i_pow, false },
    { "Sub", f_sub, i_sub, false },
    { "Sum", f_add, NULL, false },
};

static const binary *find(const char *name)
{
    const binary *b = binaries;
    while (strcmp(b->name, name) != 0)
        b++; /* the table of ops brings only names that stand here */
    return b;
}

static mxd_status apply(const mxdi_interp_call *c, const binary *f, const mxd_tensor *a,
                        const mxd_tensor *b)
{
    mxd_tensor *const y       = &c->out[0];
    const bool        real[2] = { mxdi_dtype_is_float(a->dtype), mxdi_dtype_is_float(b->dtype) };
    mxdi_interp_walk  w;
    mxdi_interp_walk_init(&w, y->dim, y->rank);
    MXD_TRY(mxdi_interp_walk_broadcast(c, &w, 0, a));
    MXD_TRY(mxdi_interp_walk_broadcast(c, &w, 1, b));
    for (int64_t i = 0; w.left > 0; i++, mxdi_interp_walk_next(&w)) {
        int64_t r = 0;
        if (real[0] || real[1]) {
            mxdi_interp_put(y, i,
                            f->real(mxdi_interp_get(a, w.at[0]), mxdi_interp_get(b, w.at[1])));
            continue;
        }
        if (f->whole(&r, mxdi_interp_get_int(a, w.at[0]), mxdi_interp_get_int(b, w.at[1])) !=
            MXD_OK)
            return mxdi_fail(c->err, MXD_E_RANGE, "division by zero at element %lld", (long long)i);
        mxdi_interp_put_int(y, i, r);
    }
    return MXD_OK;
}

/* Two inputs of one type (Pow's may differ). */
mxd_status mxdi_interp_binary(const mxdi_interp_call *c)
{
    const binary *const f = find(c->node->op);
    if (f->real != pow)
        MXD_TRY(mxdi_interp_want_dtype(c, &c->in[1], "input 1", c->in[0].dtype));
    MXD_TRY(mxdi_interp_want_dtype(c, &c->out[0], "output", f->truth ? MXD_BOOL : c->in[0].dtype));
    return apply(c, f, &c->in[0], &c->in[1]);
}

/* Any number of inputs of one type. */
mxd_status mxdi_interp_variadic(const mxdi_interp_call *c)
{
    const binary *const f = find(c->node->op);
    mxd_tensor *const   y = &c->out[0];
    const int64_t       n = mxdi_interp_count(y);
    mxdi_interp_walk    w;
    for (uint32_t k = 0; k < c->node->n_in; k++) {
        if (!mxdi_interp_given(c, k))
            return mxdi_fail(c->err, MXD_E_INVAL, "input %u: expected a tensor, got none", k);
        MXD_TRY(mxdi_interp_want_dtype(c, &c->in[k], "input", y->dtype));
    }
    mxdi_interp_walk_init(&w, y->dim, y->rank);
    MXD_TRY(mxdi_interp_walk_broadcast(c, &w, 0, &c->in[0]));
    for (int64_t i = 0; w.left > 0; i++, mxdi_interp_walk_next(&w))
        mxdi_interp_move(y, i, &c->in[0], w.at[0]);
    for (uint32_t k = 1; k < c->node->n_in; k++)
        MXD_TRY(apply(c, f, y, &c->in[k]));
    for (int64_t i = 0; strcmp(f->name, "Mean") == 0 && i < n; i++)
        mxdi_interp_put(y, i, mxdi_interp_get(y, i) / c->node->n_in);
    return MXD_OK;
}
