/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of one value that become a table over 8-bit integers (docs/numerics.md, functions of
 * one value): evaluated in binary64, so that the table does not depend on any kernel.
 */
#include <math.h>

#include "base/dtype.h"
#include "engine/fuse.h"

typedef double (*unary_fn)(const mxd_node *node, double v);

static double real_attr(const mxd_node *node, const char *name, double otherwise)
{
    const mxd_attr *const a = mxd_node_attr(node, name, MXD_ATTR_FLOAT);
    return a ? (double)a->f : otherwise;
}

static double clip(double v, double lo, double hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

static double f_sigmoid(const mxd_node *n, double v)
{
    (void)n;
    return 1.0 / (1.0 + exp(-v));
}
static double f_tanh(const mxd_node *n, double v)
{
    (void)n;
    return tanh(v);
}
static double f_erf(const mxd_node *n, double v)
{
    (void)n;
    return erf(v);
}
static double f_exp(const mxd_node *n, double v)
{
    (void)n;
    return exp(v);
}
static double f_sqrt(const mxd_node *n, double v)
{
    (void)n;
    return sqrt(v);
}
static double f_neg(const mxd_node *n, double v)
{
    (void)n;
    return -v;
}
static double f_abs(const mxd_node *n, double v)
{
    (void)n;
    return fabs(v);
}
static double f_softplus(const mxd_node *n, double v)
{
    (void)n;
    return v > 0 ? v + log1p(exp(-v)) : log1p(exp(v));
}
static double f_hardswish(const mxd_node *n, double v)
{
    (void)n;
    return v * clip(v / 6.0 + 0.5, 0.0, 1.0);
}

static double f_hardsigmoid(const mxd_node *n, double v)
{
    return clip(v * real_attr(n, "alpha", 0.2) + real_attr(n, "beta", 0.5), 0.0, 1.0);
}

static double f_leakyrelu(const mxd_node *n, double v)
{
    return v < 0 ? v * real_attr(n, "alpha", 0.01) : v;
}

static double f_elu(const mxd_node *n, double v)
{
    return v < 0 ? real_attr(n, "alpha", 1.0) * expm1(v) : v;
}

/* ONNX Gelu-20: exact by erf, or the tanh form. */
static double f_gelu(const mxd_node *n, double v)
{
    if (strcmp(mxd_node_string(n, "approximate", "none"), "tanh") == 0)
        return 0.5 * v *
               (1.0 + tanh(sqrt(2.0 / 3.14159265358979323846) * (v + 0.044715 * v * v * v)));
    return 0.5 * v * (1.0 + erf(v / sqrt(2.0)));
}

static const struct {
    const char *op;
    unary_fn    fn;
} functions[] = {
    { "Sigmoid", f_sigmoid },
    { "Tanh", f_tanh },
    { "Erf", f_erf },
    { "Exp", f_exp },
    { "Sqrt", f_sqrt },
    { "Neg", f_neg },
    { "Abs", f_abs },
    { "Softplus", f_softplus },
    { "HardSwish", f_hardswish },
    { "HardSigmoid", f_hardsigmoid },
    { "LeakyRelu", f_leakyrelu },
    { "Elu", f_elu },
    { "Gelu", f_gelu },
};

static unary_fn find(const mxd_node *node)
{
    for (size_t k = 0; k < sizeof(functions) / sizeof(functions[0]); k++)
        if (node->op && node->domain[0] == '\0' && strcmp(node->op, functions[k].op) == 0)
            return functions[k].fn;
    return NULL;
}

bool mxdi_fuse_unary(const mxd_node *node)
{
    return find(node) != NULL;
}

double mxdi_fuse_unary_value(const mxd_node *node, double v)
{
    return find(node)(node, v);
}
