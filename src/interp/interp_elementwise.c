/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of one element, and of one element of each of several broadcast inputs. Float types go
 * through binary64 and are rounded once; integers are computed modulo 2^64 and cut to their type.
 */
#include "interp/interp_impl.h"

/* ---- one input ---- */
typedef struct unary {
    const char *name;
    double (*real)(double x, double a, double b);
    int64_t (*whole)(int64_t x); /* NULL: integers go through `real` and are truncated */
    const char *a, *b;           /* attributes and their defaults (ONNX opset 22) */
    float       a_default, b_default;
} unary;

static double f_abs(double x, double a, double b)
{
    (void)a, (void)b;
    return fabs(x);
}

static double f_ceil(double x, double a, double b)
{
    (void)a, (void)b;
    return ceil(x);
}

static double f_elu(double x, double a, double b)
{
    (void)b;
    return x < 0 ? a * expm1(x) : x;
}

static double f_erf(double x, double a, double b)
{
    (void)a, (void)b;
    return erf(x);
}

static double f_exp(double x, double a, double b)
{
    (void)a, (void)b;
    return exp(x);
}

static double f_floor(double x, double a, double b)
{
    (void)a, (void)b;
    return floor(x);
}

static double f_hard_sigmoid(double x, double a, double b)
{
    const double v = a * x + b;
    return v < 0 ? 0 : v > 1 ? 1 : v;
}

static double f_hard_swish(double x, double a, double b)
{
    (void)a, (void)b;
    return x * f_hard_sigmoid(x, 1.0 / 6.0, 0.5);
}

static double f_leaky_relu(double x, double a, double b)
{
    (void)b;
    return x < 0 ? a * x : x;
}

static double f_log(double x, double a, double b)
{
    (void)a, (void)b;
    return log(x);
}

static double f_neg(double x, double a, double b)
{
    (void)a, (void)b;
    return -x;
}

static double f_reciprocal(double x, double a, double b)
{
    (void)a, (void)b;
    return 1 / x;
}

static double f_relu(double x, double a, double b)
{
    (void)a, (void)b;
    return x < 0 ? 0 : x;
}

static double f_round(double x, double a, double b)
{
    (void)a, (void)b;
    return rint(x);
}

static double f_sigmoid(double x, double a, double b)
{
    (void)a, (void)b;
    return 1 / (1 + exp(-x));
}

static double f_sign(double x, double a, double b)
{
    (void)a, (void)b;
    return x > 0 ? 1 : x < 0 ? -1 : x;
}

static double f_softplus(double x, double a, double b)
{
    (void)a, (void)b;
    return log1p(exp(-fabs(x))) + (x > 0 ? x : 0);
}

static double f_softsign(double x, double a, double b)
{
    (void)a, (void)b;
    return x / (1 + fabs(x));
}

static double f_sqrt(double x, double a, double b)
{
    (void)a, (void)b;
    return sqrt(x);
}

static double f_tanh(double x, double a, double b)
{
    (void)a, (void)b;
    return tanh(x);
}

static int64_t i_abs(int64_t x)
{
    return x < 0 ? (int64_t)(0 - (uint64_t)x) : x;
}

static int64_t i_neg(int64_t x)
{
    return (int64_t)(0 - (uint64_t)x);
}

static int64_t i_relu(int64_t x)
{
    return x < 0 ? 0 : x;
}

static int64_t i_sign(int64_t x)
{
    return x > 0 ? 1 : x < 0 ? -1 : 0;
}

static const unary unaries[] = {
    { "Abs", f_abs, i_abs, NULL, NULL, 0, 0 },
    { "Ceil", f_ceil, NULL, NULL, NULL, 0, 0 },
    { "Elu", f_elu, NULL, "alpha", NULL, 1, 0 },
    { "Erf", f_erf, NULL, NULL, NULL, 0, 0 },
    { "Exp", f_exp, NULL, NULL, NULL, 0, 0 },
    { "Floor", f_floor, NULL, NULL, NULL, 0, 0 },
    { "HardSigmoid", f_hard_sigmoid, NULL, "alpha", "beta", 0.2f, 0.5f },
    { "HardSwish", f_hard_swish, NULL, NULL, NULL, 0, 0 },
    { "LeakyRelu", f_leaky_relu, NULL, "alpha", NULL, 0.01f, 0 },
    { "Log", f_log, NULL, NULL, NULL, 0, 0 },
    { "Neg", f_neg, i_neg, NULL, NULL, 0, 0 },
    { "Reciprocal", f_reciprocal, NULL, NULL, NULL, 0, 0 },
    { "Relu", f_relu, i_relu, NULL, NULL, 0, 0 },
    { "Round", f_round, NULL, NULL, NULL, 0, 0 },
    { "Sigmoid", f_sigmoid, NULL, NULL, NULL, 0, 0 },
    { "Sign", f_sign, i_sign, NULL, NULL, 0, 0 },
    { "Softplus", f_softplus, NULL, NULL, NULL, 0, 0 },
    { "Softsign", f_softsign, NULL, NULL, NULL, 0, 0 },
    { "Sqrt", f_sqrt, NULL, NULL, NULL, 0, 0 },
    { "Tanh", f_tanh, NULL, NULL, NULL, 0, 0 },
};

mxd_status mxdi_interp_unary(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0];
    const unary            *u = unaries;
    MXD_TRY(mxdi_interp_like_input(c, 0));
    while (strcmp(u->name, c->node->op) != 0)
        u++; /* the table of ops brings only names that stand here */
    const double  a = u->a ? (double)mxd_node_float(c->node, u->a, u->a_default) : 0;
    const double  b = u->b ? (double)mxd_node_float(c->node, u->b, u->b_default) : 0;
    const int64_t n = mxdi_interp_count(x);
    if (mxdi_dtype_is_float(x->dtype) || !u->whole)
        for (int64_t i = 0; i < n; i++)
            mxdi_interp_put(&c->out[0], i, u->real(mxdi_interp_get(x, i), a, b));
    else
        for (int64_t i = 0; i < n; i++)
            mxdi_interp_put_int(&c->out[0], i, u->whole(mxdi_interp_get_int(x, i)));
    return MXD_OK;
}

mxd_status mxdi_interp_gelu(const mxdi_interp_call *c)
{
    const double root_half    = 0.70710678118654752440,
                 root_2_pi    = 0.79788456080286535588; /* sqrt(1/2), sqrt(2/pi) */
    const char *const how     = mxd_node_string(c->node, "approximate", "none");
    const bool        by_tanh = strcmp(how, "tanh") == 0;
    MXD_TRY(mxdi_interp_like_input(c, 0));
    if (!by_tanh && strcmp(how, "none") != 0)
        return mxdi_fail(c->err, MXD_E_INVAL, "approximate: expected none or tanh, got '%s'", how);
    const int64_t n = mxdi_interp_count(&c->in[0]);
    for (int64_t i = 0; i < n; i++) {
        const double x = mxdi_interp_get(&c->in[0], i);
        const double p =
            by_tanh ? tanh(root_2_pi * (x + 0.044715 * x * x * x)) : erf(x * root_half);
        mxdi_interp_put(&c->out[0], i, 0.5 * x * (1 + p));
    }
    return MXD_OK;
}

mxd_status mxdi_interp_not(const mxdi_interp_call *c)
{
    MXD_TRY(mxdi_interp_like_input(c, 0));
    const int64_t n = mxdi_interp_count(&c->in[0]);
    for (int64_t i = 0; i < n; i++)
        mxdi_interp_put_int(&c->out[0], i, !mxdi_interp_get_int(&c->in[0], i));
    return MXD_OK;
}

/* Clip: limits are attributes before opset 11, then inputs; min above max gives max. */
mxd_status mxdi_interp_clip(const mxdi_interp_call *c)
{
    const mxd_tensor *const x     = &c->in[0];
    mxd_tensor *const       y     = &c->out[0];
    const bool              attrs = c->node->version < 11;
    const int64_t           n     = mxdi_interp_count(x);
    double  low   = attrs ? (double)mxd_node_float(c->node, "min", -INFINITY) : -INFINITY;
    double  high  = attrs ? (double)mxd_node_float(c->node, "max", INFINITY) : INFINITY;
    int64_t least = INT64_MIN, most = INT64_MAX;
    MXD_TRY(mxdi_interp_like_input(c, 0));
    if (!attrs) {
        MXD_TRY(mxdi_interp_scalar(c, 1, low, &low));
        MXD_TRY(mxdi_interp_scalar(c, 2, high, &high));
        least = mxdi_interp_given(c, 1) ? mxdi_interp_get_int(&c->in[1], 0) : least;
        most  = mxdi_interp_given(c, 2) ? mxdi_interp_get_int(&c->in[2], 0) : most;
    }
    if (mxdi_dtype_is_float(x->dtype))
        for (int64_t i = 0; i < n; i++) {
            const double v = mxdi_interp_get(x, i), up = v < low ? low : v;
            mxdi_interp_put(y, i, up > high ? high : up);
        }
    else
        for (int64_t i = 0; i < n; i++) {
            const int64_t v = mxdi_interp_get_int(x, i), up = v < least ? least : v;
            mxdi_interp_put_int(y, i, up > most ? most : up);
        }
    return MXD_OK;
}
