/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of every operation that can be trained, of its input and of its parameters, against
 * central differences of a forward pass in binary64 that shares no code with the one at hand. Each
 * network is: input, a product `pre` (so that the value v behind it wants a gradient), the
 * operation, and a sum with random weights as the loss. Inputs keep their distance from kinks.
 */
#include "train_case.h"
#include "train_reference.h"

#include "train/loss.h"

/* binary32 through three operations: a few u = 6e-8, norm-wise. */
static const double tolerance = 1e-6;
/* Winograd's transforms add and subtract what has nearly cancelled (docs/numerics.md). */
static const double winograd = 1e-5;
static const double step     = 1e-5; /* of the differences: their error is near 1e-9 */

struct network {
    mxdi_graph *g;
    uint32_t    v; /* behind `pre` */
};

/* ---- networks ---- */

/* Input (8, channels, ...rest) of rank 2 to 4; pre keeps the shape. */
static struct network begin(const int64_t *rest, int32_t rank)
{
    struct network n   = { graph_new(17), 0 };
    int64_t        x[] = { -1, 1, 1, 1 }, w[] = { rest[0], rest[0], 1, 1 };
    memcpy(x + 1, rest, (size_t)rank * sizeof(rest[0]));
    const uint32_t in[] = { graph_input(n.g, "x", MXD_F32, x, rank + 1),
                            train_constant(n.g, "pre.weight", 1, 0.7, w, rank + 1) };
    n.v                 = train_node(n.g, rank == 1 ? "Gemm" : "Conv", "v", in, 2);
    if (rank == 1)
        graph_int(n.g, n.g->n_nodes - 1, "transB", 1);
    return n;
}

#define BEGIN(...)       begin((const int64_t[]){ __VA_ARGS__ }, NUMBER_OF(__VA_ARGS__))
#define NUMBER_OF(...)   (int32_t)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))
#define NODE(n, op, ...) train_node((n).g, op, NULL, VALUES(__VA_ARGS__))
#define SET(n, name, ...)                                                         \
    graph_ints((n).g, (n).g->n_nodes - 1, name, (const int64_t[]){ __VA_ARGS__ }, \
               NUMBER_OF(__VA_ARGS__))
#define SET_INT(n, name, i) graph_int((n).g, (n).g->n_nodes - 1, name, i)
#define CONSTANT(n, name, scale, ...) \
    train_constant((n).g, name, (uint64_t)(name)[0], scale, DIMS(__VA_ARGS__))

static void output_flat(const struct network *n, uint32_t y)
{
    graph_output(n->g, train_node(n->g, "Flatten", "logits", VALUES(y)));
}

/* ---- comparing ---- */

struct check {
    mxdi_tape       *t;
    train_reference *r;
    float           *x;
    const float     *dy;
    double           tolerance;
};

static double loss_of(const struct check *c)
{
    const double *const y   = reference_run(c->r, c->x);
    double              sum = 0.0;
    for (int64_t k = 0; k < train_count(c->t, &c->t->value[c->t->output]); k++)
        sum += y[k] * (double)c->dy[k];
    return sum;
}

/* got (n): the gradient of value `name`; of long ones every few elements. */
static void compare(const struct check *c, const char *name, const float *got, int64_t n)
{
    const int64_t every = 1 + n / 150;
    double        off = 0.0, whole = 0.0;
    c->r->changed = mxdi_graph_find_value(c->t->graph, name);
    for (int64_t k = 0; k < n; k += every) {
        c->r->element     = k;
        c->r->delta       = step;
        const double up   = loss_of(c);
        c->r->delta       = -step;
        const double want = (up - loss_of(c)) / (2.0 * step);
        off += pow((double)got[k] - want, 2.0);
        whole += want * want;
    }
    c->r->changed = MXD_NO_VALUE;
    if (!(sqrt(off) <= c->tolerance * sqrt(whole)))
        fail_msg("gradient of '%s': off by %.3g", name, sqrt(off / whole));
}

static void compare_value(const struct check *c, const char *name)
{
    const mxdi_train_value *const v     = train_value(c->t, name);
    float *const                  dense = malloc((size_t)train_count(c->t, v) * sizeof(float));
    assert_non_null(dense);
    train_get(dense, c->t, v, v->dx);
    compare(c, name, dense, train_count(c->t, v));
    free(dense);
}

static void compare_output(const struct check *c)
{
    const mxdi_train_value *const y     = &c->t->value[c->t->output];
    float *const                  dense = malloc((size_t)train_count(c->t, y) * sizeof(float));
    assert_non_null(dense);
    train_get(dense, c->t, y, y->x);
    assert_true(train_distance(dense, reference_run(c->r, c->x), train_count(c->t, y)) <
                c->tolerance);
    free(dense);
}

/* A Dropout's factors, read off its input and output: 0, or the same for all that stay. */
static double *mask_of(const mxdi_tape *t, const char *in, const char *out, double factor)
{
    const mxdi_train_value *const x = train_value(t, in), *const y = train_value(t, out);
    const int64_t n    = train_count(t, x);
    double *const mask = malloc((size_t)n * sizeof(double));
    int64_t       gone = 0;
    assert_non_null(mask);
    for (int64_t k = 0; k < n; k++) {
        const double a = (double)x->x[train_place(x, k)], b = (double)y->x[train_place(y, k)];
        mask[k] = b == 0.0 ? 0.0 : factor;
        gone += b == 0.0;
        assert_true(b == 0.0 || fabs(b - a * factor) <= 1e-6 * fabs(b));
    }
    const double ratio = 1.0 - 1.0 / factor; /* five deviations of a binomial */
    assert_true(fabs((double)gone - ratio * (double)n) <
                5.0 * sqrt(ratio * (1.0 - ratio) * (double)n) + 1.0);
    return mask;
}

/* Forward, and every gradient: of all parameters and of v. */
static void check_within(const struct network *n, double relative)
{
    const mxdi_tape_options o    = train_options();
    struct check            c    = { .t = train_tape(n->g, NULL, &o), .tolerance = relative };
    const int64_t           n_x  = train_count(c.t, &c.t->value[c.t->input]);
    const int64_t           n_y  = train_count(c.t, &c.t->value[c.t->output]);
    float *const            dy   = malloc((size_t)n_y * sizeof(float));
    uint64_t                seed = 3;
    c.r                          = reference_begin(n->g);
    c.x                          = malloc((size_t)n_x * sizeof(float));
    c.dy                         = dy;
    assert_true(dy && c.x);
    train_fill(dy, n_y, 5, 1.0);
    double *mask = NULL;
    do { /* seldom more than a few times */
        free(mask);
        train_fill(c.x, n_x, seed++, 1.0);
        train_forward(c.t, c.x);
        mask      = mxdi_graph_find_value(n->g, "dropped") == MXD_NO_VALUE
                        ? NULL
                        : mask_of(c.t, "v", "dropped", 1.0 / 0.7);
        c.r->mask = mask;
        reference_run(c.r, c.x);
    } while (c.r->margin < 10.0 * step);
    compare_output(&c);
    train_backward(c.t, dy);
    for (uint32_t k = 0; k < c.t->n_params; k++)
        if (c.t->param[k]->dw)
            compare(&c, c.t->param[k]->name, c.t->param[k]->dw, c.t->param[k]->n);
    compare_value(&c, "v");
    free(mask);
    free(dy);
    free(c.x);
    reference_end(c.r);
    mxdi_tape_destroy(c.t);
    mxdi_graph_destroy(n->g);
}

static void check_network(const struct network *n)
{
    check_within(n, tolerance);
}

static void check_flat(const struct network *n, uint32_t y)
{
    output_flat(n, y);
    check_network(n);
}

/* ---- convolutions ---- */

struct conv_geometry {
    int64_t     c_in, h, w, c_out, kh, kw, group;
    int64_t     strides[2], dilations[2], pads[4];
    const char *what;
};

static const struct conv_geometry geometries[] = {
    { 3, 6, 5, 4, 3, 3, 1, { 1, 1 }, { 1, 1 }, { 1, 1, 1, 1 }, "3x3" },
    { 3, 6, 5, 4, 3, 3, 1, { 2, 2 }, { 1, 1 }, { 1, 1, 1, 1 }, "strides" },
    { 2, 7, 6, 3, 3, 2, 1, { 2, 1 }, { 1, 2 }, { 0, 2, 1, 1 }, "one of each" },
    { 2, 7, 7, 3, 3, 3, 1, { 1, 1 }, { 2, 2 }, { 2, 2, 2, 2 }, "dilation" },
    { 4, 5, 5, 6, 3, 3, 2, { 1, 1 }, { 1, 1 }, { 1, 1, 1, 1 }, "groups" },
    { 4, 6, 6, 8, 3, 3, 4, { 2, 2 }, { 1, 1 }, { 1, 1, 1, 1 }, "channel multiplier" },
    { 6, 5, 5, 6, 3, 3, 6, { 1, 1 }, { 1, 1 }, { 1, 1, 1, 1 }, "depthwise" },
    { 20, 6, 6, 20, 3, 3, 20, { 2, 2 }, { 1, 1 }, { 1, 0, 0, 1 }, "depthwise, strides" },
    { 18, 3, 3, 17, 1, 1, 1, { 1, 1 }, { 1, 1 }, { 0, 0, 0, 0 }, "1x1, odd channels" },
    { 3, 5, 5, 2, 1, 1, 1, { 2, 2 }, { 1, 1 }, { 0, 0, 0, 0 }, "1x1, strides" },
    { 2, 4, 4, 3, 5, 5, 1, { 3, 3 }, { 1, 1 }, { 4, 4, 4, 4 }, "more padding than image" },
    { 16, 8, 8, 16, 3, 3, 1, { 1, 1 }, { 1, 1 }, { 1, 1, 1, 1 }, "as Winograd takes it" },
};

static void convolutions(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof(geometries) / sizeof(geometries[0]); k++) {
        const struct conv_geometry *const d    = &geometries[k];
        const struct network              n    = BEGIN(d->c_in, d->h, d->w);
        const bool                        bias = k % 2 == 0;
        const uint32_t                    in[] = { n.v,
                                                   CONSTANT(n, "w", 0.3, d->c_out, d->c_in / d->group, d->kh, d->kw),
                                                   CONSTANT(n, "b", 0.3, d->c_out) };
        const uint32_t                    y    = train_node(n.g, "Conv", d->what, in, bias ? 3 : 2);
        SET_INT(n, "group", d->group);
        SET(n, "strides", d->strides[0], d->strides[1]);
        SET(n, "dilations", d->dilations[0], d->dilations[1]);
        SET(n, "pads", d->pads[0], d->pads[1], d->pads[2], d->pads[3]);
        output_flat(&n, y);
        check_within(&n, d->kh == 3 && d->c_in == 16 ? winograd : tolerance);
    }
}

static void convolutions_over_one_axis(void **state)
{
    (void)state;
    struct network n = BEGIN(3, 9);
    uint32_t y = NODE(n, "Conv", n.v, CONSTANT(n, "w", 0.3, 4, 3, 3), CONSTANT(n, "b", 0.3, 4));
    SET(n, "strides", 2);
    SET(n, "dilations", 2);
    SET(n, "pads", 2, 1);
    check_flat(&n, y);
    n = BEGIN(6, 8);
    y = NODE(n, "Conv", n.v, CONSTANT(n, "w", 0.3, 6, 1, 3));
    SET_INT(n, "group", 6);
    SET(n, "pads", 1, 1);
    check_flat(&n, y);
}

/* The product in front clamps its own result; the mask is the product's. */
static void convolution_and_relu(void **state)
{
    (void)state;
    const struct network n = BEGIN(3, 5, 5);
    const uint32_t       a =
        NODE(n, "Conv", n.v, CONSTANT(n, "w", 0.3, 4, 3, 3, 3), CONSTANT(n, "b", 0.3, 4));
    const uint32_t b = NODE(n, "Relu", a);
    check_flat(&n, NODE(n, "Conv", b, CONSTANT(n, "q", 0.3, 2, 4, 3, 3)));
}

static void products(void **state)
{
    (void)state;
    struct network n = BEGIN(7);
    uint32_t       y = NODE(n, "Gemm", n.v, CONSTANT(n, "w", 0.5, 5, 7), CONSTANT(n, "b", 0.5, 5));
    SET_INT(n, "transB", 1);
    graph_output(n.g, y);
    check_network(&n);
    n = BEGIN(7);
    y = NODE(n, "Gemm", n.v, CONSTANT(n, "w", 0.5, 7, 5), CONSTANT(n, "b", 0.5, 5));
    graph_output(n.g, y);
    check_network(&n);
    n = BEGIN(19);
    y = NODE(n, "MatMul", n.v, CONSTANT(n, "w", 0.5, 19, 33));
    graph_output(n.g, y);
    check_network(&n);
}

/* ---- normalization: statistics of the batch, which depend on every element ---- */

static uint32_t norm(const struct network *n, const char *prefix, uint32_t x, int64_t c)
{
    static const char *const role[] = { "gamma", "beta", "mean", "var" };
    uint32_t                 in[5]  = { x };
    for (uint32_t k = 0; k < 4; k++) {
        char  name[32];
        float value[32];
        (void)snprintf(name, sizeof(name), "%s%s", prefix, role[k]);
        for (int i = 0; i < 32; i++)
            value[i] = k % 2 ? (float)(i % 5) / 4.0f : 0.5f + (float)i / 16.0f;
        in[1 + k] = graph_constant(n->g, name, MXD_F32, value, DIMS(c));
    }
    const uint32_t y = train_node(n->g, "BatchNormalization", NULL, in, 5);
    assert_int_equal(
        mxdi_node_set_float(n->g, &n->g->node[n->g->n_nodes - 1], "epsilon", 0.01f, NULL), MXD_OK);
    return y;
}

static void normalizations(void **state)
{
    (void)state;
    struct network n = BEGIN(3, 4, 4);
    check_flat(&n, norm(&n, "", n.v, 3));
    n = BEGIN(17, 3, 2);
    check_flat(&n, norm(&n, "", n.v, 17));
    n = BEGIN(5, 6);
    check_flat(&n, norm(&n, "", n.v, 5));
    n = BEGIN(5);
    graph_output(n.g, norm(&n, "", n.v, 5));
    check_network(&n);
    n                = BEGIN(3, 4, 4);
    const uint32_t a = NODE(n, "Relu", norm(&n, "", n.v, 3)); /* and a wider one behind it */
    const uint32_t b = NODE(n, "Conv", a, CONSTANT(n, "w", 0.5, 7, 3, 1, 1));
    check_flat(&n, norm(&n, "wide.", b, 7));
}

/* ---- functions of one value ---- */

static void clamps(void **state)
{
    (void)state;
    struct network n = BEGIN(3, 4, 4);
    check_flat(&n, NODE(n, "Relu", n.v));
    n                   = BEGIN(3, 4, 4); /* read by two: the product may not clamp its own */
    const uint32_t relu = NODE(n, "Relu", n.v);
    check_flat(&n, NODE(n, "Add", n.v, relu));
    n = BEGIN(3, 4, 4);
    check_flat(&n, NODE(n, "Clip", n.v, FLOATS(n.g, -0.5f), FLOATS(n.g, 1.0f)));
    n                   = BEGIN(3, 4, 4); /* two clamps, one behind the other */
    const uint32_t clip = NODE(n, "Clip", n.v, FLOATS(n.g, -1.0f), FLOATS(n.g, 1.0f));
    check_flat(&n, NODE(n, "Relu", clip));
    n                   = BEGIN(3, 4, 4); /* clamped and unclamped, both read */
    const uint32_t half = NODE(n, "Clip", n.v, FLOATS(n.g, 0.0f), FLOATS(n.g, 0.75f));
    check_flat(&n, NODE(n, "Add", half, n.v));
}

static void leaky_relu(void **state)
{
    (void)state;
    const struct network n = BEGIN(3, 4, 4);
    const uint32_t       y = NODE(n, "LeakyRelu", n.v);
    assert_int_equal(mxdi_node_set_float(n.g, &n.g->node[n.g->n_nodes - 1], "alpha", 0.125f, NULL),
                     MXD_OK);
    check_flat(&n, y);
}

static void dropout(void **state)
{
    (void)state;
    const struct network n = BEGIN(5, 4, 4);
    const uint32_t       y = train_node(n.g, "Dropout", "dropped", VALUES(n.v, FLOATS(n.g, 0.3f)));
    n.g->value[n.g->node[n.g->n_nodes - 1].in[1]].rank = 0;
    check_flat(&n, y);
}

/* ---- pools ---- */

static void max_pools(void **state)
{
    (void)state;
    struct network n = BEGIN(3, 6, 6);
    uint32_t       y = NODE(n, "MaxPool", n.v);
    SET(n, "kernel_shape", 2, 2);
    SET(n, "strides", 2, 2);
    check_flat(&n, y);
    n = BEGIN(18, 5, 6); /* windows overlap, and some hang over the edge */
    y = NODE(n, "MaxPool", n.v);
    SET(n, "kernel_shape", 3, 3);
    SET(n, "strides", 2, 1);
    SET(n, "pads", 1, 1, 0, 1);
    check_flat(&n, y);
    n = BEGIN(3, 7, 7);
    y = NODE(n, "MaxPool", n.v);
    SET(n, "kernel_shape", 2, 2);
    SET(n, "dilations", 2, 2);
    check_flat(&n, y);
    n = BEGIN(3, 9);
    y = NODE(n, "MaxPool", n.v);
    SET(n, "kernel_shape", 3);
    SET(n, "strides", 2);
    check_flat(&n, y);
}

static void average_pools(void **state)
{
    (void)state;
    for (int64_t count = 0; count < 2; count++) {
        struct network n = BEGIN(3, 6, 5);
        uint32_t       y = NODE(n, "AveragePool", n.v);
        SET(n, "kernel_shape", 3, 3);
        SET(n, "strides", 2, 2);
        SET(n, "pads", 1, 1, 1, 1);
        SET_INT(n, "count_include_pad", count);
        check_flat(&n, y);
        n = BEGIN(17, 4, 4);
        y = NODE(n, "AveragePool", n.v);
        SET(n, "kernel_shape", 2, 3);
        SET(n, "pads", 0, 2, 1, 0);
        SET_INT(n, "count_include_pad", count);
        check_flat(&n, y);
    }
    const struct network n = BEGIN(3, 8);
    const uint32_t       y = NODE(n, "AveragePool", n.v);
    SET(n, "kernel_shape", 2);
    SET(n, "strides", 2);
    check_flat(&n, y);
}

static void means(void **state)
{
    (void)state;
    struct network n = BEGIN(19, 3, 5);
    check_flat(&n, NODE(n, "GlobalAveragePool", n.v));
    n          = BEGIN(5, 3, 5);
    uint32_t y = NODE(n, "ReduceMean", n.v);
    SET(n, "axes", 2, 3);
    SET_INT(n, "keepdims", 0);
    graph_output(n.g, y);
    check_network(&n);
    n = BEGIN(5, 3, 5);
    y = NODE(n, "ReduceMean", n.v);
    SET(n, "axes", -1, -2);
    check_flat(&n, y);
    n = BEGIN(5, 7);
    y = NODE(n, "ReduceMean", n.v);
    SET(n, "axes", 2);
    check_flat(&n, y);
}

/* ---- where ways part and meet ---- */

static void sums(void **state)
{
    (void)state;
    struct network n = BEGIN(3, 4, 4);
    uint32_t       a = NODE(n, "Conv", n.v, CONSTANT(n, "w", 0.4, 3, 3, 1, 1));
    check_flat(&n, NODE(n, "Add", a, n.v)); /* a residual: v is read twice */
    n = BEGIN(3, 4, 4);
    check_flat(&n, NODE(n, "Add", n.v, n.v));
    n = BEGIN(3, 4, 4); /* by four, one of them the network's input, which learns nothing */
    a = NODE(n, "Conv", n.v, CONSTANT(n, "w", 0.4, 3, 3, 1, 1));
    const uint32_t b = NODE(n, "Relu", n.v);
    const uint32_t c = NODE(n, "Add", b, a);
    const uint32_t d = NODE(n, "Add", n.v, c);
    check_flat(&n, NODE(n, "Add", n.g->input[0], d));
    n = BEGIN(6);
    a = NODE(n, "MatMul", n.v, CONSTANT(n, "w", 0.4, 6, 6));
    graph_output(n.g, NODE(n, "Add", n.v, a));
    check_network(&n);
}

static void concatenations(void **state)
{
    (void)state;
    struct network n = BEGIN(3, 4, 4);
    uint32_t       a = NODE(n, "Conv", n.v, CONSTANT(n, "w", 0.4, 18, 3, 1, 1));
    uint32_t       b = NODE(n, "Relu", n.v);
    uint32_t       y = NODE(n, "Concat", a, n.v, b);
    SET_INT(n, "axis", 1);
    check_flat(&n, y);
    n = BEGIN(5);
    a = NODE(n, "MatMul", n.v, CONSTANT(n, "w", 0.4, 5, 3));
    y = NODE(n, "Concat", n.v, a);
    SET_INT(n, "axis", -1);
    graph_output(n.g, y);
    check_network(&n);
    n = BEGIN(3, 4, 4); /* a value twice, the input, and a clamped one beside an unclamped one */
    b = NODE(n, "Clip", n.v, FLOATS(n.g, -0.5f), FLOATS(n.g, 0.5f));
    y = NODE(n, "Concat", n.v, n.v, n.g->input[0], b);
    SET_INT(n, "axis", -3);
    check_flat(&n, y);
}

/* ---- moves ---- */

static void reshapes(void **state)
{
    (void)state;
    struct network n = BEGIN(3, 4, 2);
    uint32_t       a = NODE(n, "Reshape", n.v, INTS(n.g, 0, 6, 4));
    check_flat(&n, NODE(n, "Conv", a, CONSTANT(n, "w", 0.4, 2, 6, 3)));
    n = BEGIN(3, 4, 2); /* flattened in the order (C, H, W) */
    a = NODE(n, "Flatten", n.v);
    graph_output(n.g, NODE(n, "MatMul", a, CONSTANT(n, "w", 0.4, 24, 4)));
    check_network(&n);
    n                = BEGIN(3, 4, 2); /* two ways of reading one value */
    a                = NODE(n, "Reshape", n.v, INTS(n.g, 0, -1));
    const uint32_t b = NODE(n, "Reshape", n.v, INTS(n.g, -1, 4, 3, 2));
    graph_output(n.g, NODE(n, "Add", a, NODE(n, "Flatten", b)));
    check_network(&n);
    n = BEGIN(6, 1, 1);
    a = NODE(n, "Squeeze", n.v, INTS(n.g, 2, 3));
    a = NODE(n, "MatMul", a, CONSTANT(n, "w", 0.4, 6, 5));
    a = NODE(n, "Unsqueeze", a, INTS(n.g, 2));
    a = NODE(n, "Identity", a);
    check_flat(&n, a);
}

static void slices(void **state)
{
    (void)state;
    struct network n = BEGIN(6, 5, 7);
    check_flat(&n, NODE(n, "Slice", n.v, INTS(n.g, 1, 2), INTS(n.g, 5, 7), INTS(n.g, 1, 3)));
    n = BEGIN(6, 5, 7); /* every other pixel, as shortcuts have it; and all of v beside it */
    const uint32_t a =
        NODE(n, "Slice", n.v, INTS(n.g, 0, 1), INTS(n.g, 5, 7), INTS(n.g, -2, -1), INTS(n.g, 2, 3));
    output_flat(&n,
                NODE(n, "Add", NODE(n, "GlobalAveragePool", a), NODE(n, "GlobalAveragePool", n.v)));
    check_network(&n);
    n = BEGIN(4, 9);
    check_flat(&n, NODE(n, "Slice", n.v, INTS(n.g, 1, 2), INTS(n.g, 4, 8), INTS(n.g, 1, 2),
                        INTS(n.g, 1, 2)));
}

static void pads(void **state)
{
    (void)state;
    struct network n = BEGIN(3, 4, 3);
    check_flat(&n, NODE(n, "Pad", n.v, INTS(n.g, 0, 1, 2, 0, 0, 3, 0, 1)));
    n = BEGIN(3, 4, 3); /* negative: crops */
    check_flat(&n, NODE(n, "Pad", n.v, INTS(n.g, 0, 0, -1, 1, 0, 1, 1, -2)));
    n = BEGIN(3, 6);
    check_flat(&n, NODE(n, "Pad", n.v, INTS(n.g, 0, 2, 1, 0, 0, 2)));
}

/* ---- losses ---- */

enum { CLASSES = 5 };

static mxdi_tape *logits(struct network *n, float *x)
{
    const mxdi_tape_options o = train_options();
    *n                        = BEGIN(CLASSES);
    graph_output(n->g, train_node(n->g, "Identity", "logits", VALUES(n->v)));
    mxdi_tape *const t = train_tape(n->g, NULL, &o);
    train_fill(x, TRAIN_BATCH * CLASSES, 11, 2.0);
    train_forward(t, x);
    return t;
}

static void softmax(double *p, const double *x)
{
    double sum = 0.0;
    for (int c = 0; c < CLASSES; c++)
        sum += exp(x[c]);
    for (int c = 0; c < CLASSES; c++)
        p[c] = exp(x[c]) / sum;
}

struct loss_case {
    const int64_t *label;
    double         smoothing, distill;
    const float   *teacher, *target;
};

/* Summed over the batch. */
static double loss_value(const struct loss_case *l, const double *y)
{
    double sum = 0.0;
    for (int b = 0; b < TRAIN_BATCH; b++) {
        double p[CLASSES], q[CLASSES], teacher[CLASSES];
        softmax(p, y + b * CLASSES);
        for (int c = 0; c < CLASSES && l->teacher; c++)
            teacher[c] = (double)l->teacher[b * CLASSES + c];
        if (l->teacher)
            softmax(q, teacher);
        for (int c = 0; c < CLASSES; c++) {
            const double d =
                l->target ? y[b * CLASSES + c] - (double)l->target[b * CLASSES + c] : 0.0;
            double target =
                (1.0 - l->smoothing) * (c == (l->label ? l->label[b] : 0)) + l->smoothing / CLASSES;
            if (l->teacher)
                target = (1.0 - l->distill) * target + l->distill * q[c];
            sum += l->target ? d * d / CLASSES : -target * log(p[c]);
        }
    }
    return sum;
}

static void check_loss(const struct loss_case *l)
{
    float            x[TRAIN_BATCH * CLASSES], dy[TRAIN_BATCH * CLASSES];
    double           y[TRAIN_BATCH * CLASSES], want[TRAIN_BATCH * CLASSES];
    struct network   n;
    mxdi_loss        loss;
    mxdi_tape *const t = logits(&n, x);
    if (l->target)
        mxdi_loss_squared(&loss, t, l->target);
    else
        assert_int_equal(mxdi_loss_cross_entropy(&loss, t, l->label, (float)l->smoothing,
                                                 l->teacher, (float)l->distill, NULL),
                         MXD_OK);
    const mxdi_train_value *const v = &t->value[t->output];
    train_get(dy, t, v, v->x);
    for (int k = 0; k < TRAIN_BATCH * CLASSES; k++)
        y[k] = (double)dy[k];
    assert_true(fabs(loss.sum / loss_value(l, y) - 1.0) < tolerance);
    for (int k = 0; k < TRAIN_BATCH * CLASSES; k++) {
        const double at = y[k];
        y[k]            = at + step;
        const double up = loss_value(l, y);
        y[k]            = at - step;
        want[k]         = (up - loss_value(l, y)) / (2.0 * step) / TRAIN_BATCH;
        y[k]            = at;
    }
    train_get(dy, t, v, v->dx);
    assert_true(train_distance(dy, want, TRAIN_BATCH * CLASSES) < tolerance);
    int64_t correct = 0;
    for (int b = 0; b < TRAIN_BATCH && l->label; b++) {
        bool largest = true;
        for (int c = 0; c < CLASSES; c++)
            largest = largest && y[b * CLASSES + c] <= y[b * CLASSES + l->label[b]];
        correct += largest;
    }
    assert_int_equal(loss.correct, correct);
    mxdi_tape_destroy(t);
    mxdi_graph_destroy(n.g);
}

static void losses(void **state)
{
    (void)state;
    static const int64_t label[TRAIN_BATCH] = { 0, 1, 2, 3, 4, 0, 1, 2 }; /* and zeros */
    float                other[TRAIN_BATCH * CLASSES];
    train_fill(other, TRAIN_BATCH * CLASSES, 12, 1.5);
    check_loss(&(struct loss_case){ .label = label });
    check_loss(&(struct loss_case){ .label = label, .smoothing = 0.125 });
    check_loss(&(struct loss_case){ .label = label, .teacher = other, .distill = 1.0 });
    check_loss(&(struct loss_case){
        .label = label, .smoothing = 0.25, .teacher = other, .distill = 0.75 });
    check_loss(&(struct loss_case){ .target = other });
}

/* Of maps: the target has pixels first. */
static void squared_loss_of_maps(void **state)
{
    (void)state;
    enum { C = 19, H = 3, W = 2, EACH = C * H * W };
    mxdi_tape_options o   = train_options();
    struct network    n   = BEGIN(C, H, W);
    float *const      x   = calloc((size_t)TRAIN_BATCH * EACH, sizeof(float));
    float *const      dx  = calloc((size_t)TRAIN_BATCH * EACH, sizeof(float));
    float *const      to  = calloc((size_t)TRAIN_BATCH * EACH, sizeof(float));
    double            sum = 0.0;
    mxdi_loss         loss;
    assert_true(x && dx && to);
    graph_output(n.g, train_node(n.g, "Relu", "map",
                                 VALUES(NODE(n, "Conv", n.v, CONSTANT(n, "w", 0.3, C, C, 1, 1)))));
    o.maps             = true;
    mxdi_tape *const t = train_tape(n.g, NULL, &o);
    train_fill(x, (int64_t)TRAIN_BATCH * EACH, 21, 1.0);
    train_fill(to, (int64_t)TRAIN_BATCH * EACH, 22, 1.0);
    train_forward(t, x);
    mxdi_loss_squared(&loss, t, to);
    const mxdi_train_value *const v = &t->value[t->output];
    train_get(x, t, v, v->x);
    train_get(dx, t, v, v->dx);
    for (int k = 0; k < TRAIN_BATCH * EACH; k++) {
        const int    image = k / EACH, c = k / (H * W) % C, pixel = k % (H * W);
        const double d = (double)x[k] - (double)to[(image * H * W + pixel) * C + c];
        sum += d * d / EACH;
        assert_true(fabs((double)dx[k] - 2.0 * d / EACH / TRAIN_BATCH) <
                    1e-8 + 1e-5 * fabs(d) / EACH);
    }
    assert_true(fabs(loss.sum / sum - 1.0) < tolerance);
    mxdi_tape_destroy(t);
    mxdi_graph_destroy(n.g);
    free(x);
    free(dx);
    free(to);
}

static void labels_outside_are_refused(void **state)
{
    (void)state;
    static const int64_t wrong[] = { -1, CLASSES };
    float                x[TRAIN_BATCH * CLASSES];
    struct network       n;
    mxdi_loss            loss;
    mxdi_tape *const     t = logits(&n, x);
    for (int k = 0; k < 2; k++) {
        int64_t   label[TRAIN_BATCH] = { 0 };
        mxd_error err                = MXD_ERROR_INIT;
        label[TRAIN_BATCH - 1]       = wrong[k];
        assert_int_equal(mxdi_loss_cross_entropy(&loss, t, label, 0.0f, NULL, 0.0f, &err),
                         MXD_E_RANGE);
        assert_non_null(strstr(err.msg, k ? "label 5" : "label -1"));
    }
    mxdi_tape_destroy(t);
    mxdi_graph_destroy(n.g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions),
        cmocka_unit_test(convolutions_over_one_axis),
        cmocka_unit_test(convolution_and_relu),
        cmocka_unit_test(products),
        cmocka_unit_test(normalizations),
        cmocka_unit_test(clamps),
        cmocka_unit_test(leaky_relu),
        cmocka_unit_test(dropout),
        cmocka_unit_test(max_pools),
        cmocka_unit_test(average_pools),
        cmocka_unit_test(means),
        cmocka_unit_test(sums),
        cmocka_unit_test(concatenations),
        cmocka_unit_test(reshapes),
        cmocka_unit_test(slices),
        cmocka_unit_test(pads),
        cmocka_unit_test(losses),
        cmocka_unit_test(squared_loss_of_maps),
        cmocka_unit_test(labels_outside_are_refused),
    };
    return cmocka_run_group_tests_name("train_gradients", tests, NULL, NULL);
}
