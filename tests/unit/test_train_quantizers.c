/* SPDX-License-Identifier: Apache-2.0
 *
 * Fake quantization: what comes forward, bit for bit, and its gradients. The references are the
 * formulas of docs/training.md; gradients are central differences in binary64 of the surrogate
 * s*(clamp(x/s) + r), in which the rounding r = q - clamp(x/s) is held constant: that is what
 * "straight through" differentiates. No input lies on a bound.
 */
#include "train_case.h"

#include <stdio.h>

#include "train/quantizer.h"

static const double tolerance = 1e-6;
static const double step      = 1e-6;

static double clampd(double x, double lo, double hi)
{
    return fmin(fmax(x, lo), hi);
}

static void assert_near(const char *what, double got, double want)
{
    if (!(fabs(got - want) <= tolerance * fabs(want) + 1e-12))
        fail_msg("%s: %.9g, %.9g expected", what, got, want);
}

/* ---- activations: input, a product with the identity (so that a gradient is wanted), quantizer
 * ---- */

enum { CHANNELS = 19, SIDE = 3, ELEMENTS = TRAIN_BATCH * CHANNELS * SIDE * SIDE };

struct act {
    mxdi_train_method method;
    mxd_dtype         type;
    float             s;
    int32_t           z;
    uint32_t bits;   /* fewer than the type's: a Clip of the quantizer's own; 0: the type's */
    float    lo, hi; /* of a Clip of the network; equal: none */
};

struct act_case {
    struct act          a;
    mxdi_graph         *g;
    mxdi_tape          *t;
    mxdi_act_quantizer *q;
    float               x[ELEMENTS], g_y[ELEMENTS], y[ELEMENTS], dx[ELEMENTS];
};

static uint32_t identity_product(mxdi_graph *g)
{
    float one[CHANNELS * CHANNELS] = { 0 };
    for (int k = 0; k < CHANNELS; k++)
        one[k * CHANNELS + k] = 1.0f;
    const uint32_t x = graph_input(g, "x", MXD_F32, DIMS(-1, CHANNELS, SIDE, SIDE));
    return train_node(
        g, "Conv", "v",
        VALUES(x, graph_constant(g, "one", MXD_F32, one, DIMS(CHANNELS, CHANNELS, 1, 1))));
}

/* QuantizeLinear `name`_q and DequantizeLinear `name`_d behind v; the latter's output. */
static uint32_t quantizer(mxdi_graph *g, const char *name, uint32_t v, const struct act *a)
{
    const uint8_t  z = (uint8_t)(a->type == MXD_U4 || a->type == MXD_S4 ? a->z & 15 : a->z);
    char           text[64];
    const uint32_t s    = graph_constant(g, NULL, MXD_F32, &a->s, SCALAR);
    const uint32_t zero = graph_constant(g, NULL, a->type, &z, SCALAR);
    (void)snprintf(text, sizeof(text), "%s_q", name);
    const uint32_t q = train_node(g, "QuantizeLinear", text, VALUES(v, s, zero));
    (void)snprintf(text, sizeof(text), "%s_d", name);
    return train_node(g, "DequantizeLinear", text, VALUES(q, s, zero));
}

static uint32_t clip(mxdi_graph *g, uint32_t v, float lo, float hi)
{
    return train_node(g, "Clip", NULL,
                      VALUES(v, graph_constant(g, NULL, MXD_F32, &lo, SCALAR),
                             graph_constant(g, NULL, MXD_F32, &hi, SCALAR)));
}

static bool is_signed(const struct act *a)
{
    return a->type == MXD_S8 || a->type == MXD_S4;
}

static uint32_t bits_of(const struct act *a)
{
    return a->bits ? a->bits : mxd_dtype_bits(a->type);
}

/* Ends of the integers, as stored. */
static int32_t q_min_of(const struct act *a)
{
    return is_signed(a) ? -(1 << (bits_of(a) - 1)) : 0;
}

static int32_t q_max_of(const struct act *a)
{
    return q_min_of(a) + (1 << bits_of(a)) - 1;
}

/* Half as far again as the range goes to both sides; off the bounds of both clamps. */
static void spread(struct act_case *c, float s, uint64_t seed)
{
    const struct act *const a   = &c->a;
    mxdi_rng                rng = mxdi_rng_seed(seed);
    const double            lo = q_min_of(a) - a->z, hi = q_max_of(a) - a->z;
    for (int k = 0; k < ELEMENTS; k++) {
        double u;
        do
            u = lo - (hi - lo) / 4.0 + mxdi_rng_f64(&rng) * (hi - lo) * 1.5;
        while (fabs(u - lo) < 0.01 || fabs(u - hi) < 0.01 || fabs(u - (double)(a->lo / s)) < 0.01 ||
               fabs(u - (double)(a->hi / s)) < 0.01);
        c->x[k] = (float)(u * (double)s);
    }
}

static struct act_case *act_begin(const struct act *a)
{
    struct act_case  *c = calloc(1, sizeof(*c));
    mxdi_tape_options o = train_options();
    assert_non_null(c);
    c->a       = *a;
    c->g       = graph_new(21);
    uint32_t v = identity_product(c->g);
    if (a->lo < a->hi)
        v = clip(c->g, v, a->lo, a->hi);
    if (a->bits)
        v = clip(c->g, v, (float)(q_min_of(a) - a->z) * a->s, (float)(q_max_of(a) - a->z) * a->s);
    graph_output(c->g, train_node(c->g, "Flatten", "y", VALUES(quantizer(c->g, "v", v, a))));
    o.method = a->method;
    c->t     = train_tape(c->g, NULL, &o);
    for (uint32_t n = 0; n < c->g->n_nodes; n++)
        c->q = c->t->quantizer[n] ? c->t->quantizer[n] : c->q;
    assert_non_null(c->q);
    train_fill(c->g_y, ELEMENTS, 7, 1.0);
    return c;
}

static void act_end(struct act_case *c)
{
    mxdi_tape_destroy(c->t);
    mxdi_graph_destroy(c->g);
    free(c);
}

/* Integers as stored, of step s and zero point z. */
static float quantized(const struct act *a, float x, float s, int32_t z)
{
    const float whole_lo = (float)(q_min_of(a) - z), whole_hi = (float)(q_max_of(a) - z);
    float       q = rintf(x / s);
    if (a->lo < a->hi) /* the clamp acts on integers: on those of its bounds */
        q = fminf(fmaxf(q, rintf(a->lo / s)), rintf(a->hi / s));
    return fminf(fmaxf(q, whole_lo), whole_hi);
}

static void act_forward(struct act_case *c)
{
    const mxdi_train_value *const q = train_value(c->t, "v_q"), *const y =
                                                                    &c->t->value[c->t->output];
    float dense[ELEMENTS];
    train_forward(c->t, c->x);
    train_get(dense, c->t, q, q->x);
    for (int k = 0; k < ELEMENTS; k++)
        if (dense[k] != quantized(&c->a, c->x[k], c->q->s, c->q->z))
            fail_msg("%.9g in steps of %.9g from %d: %g", (double)c->x[k], (double)c->q->s, c->q->z,
                     (double)dense[k]);
    train_get(c->y, c->t, y, y->x);
    for (int k = 0; k < ELEMENTS; k++)
        assert_true(c->y[k] == dense[k] * c->q->s);
}

/* ---- gradients of activations ---- */

struct surrogate {
    const struct act_case *c;
    double                 s, z, alpha;
    double                 r[ELEMENTS]; /* what stays as it is */
};

/* LSQ and LSQ+: the clamped steps move with s and z. PACT: the clamp moves with its upper end. */
static double surrogate_value(const struct surrogate *f, double x, double r)
{
    const struct act *const a = &f->c->a;
    if (a->lo < a->hi)
        x = clampd(x, (double)a->lo, (double)a->hi);
    if (a->method == MXDI_TRAIN_PACT)
        return clampd(x, 0.0, f->alpha) + r;
    return f->s * (clampd(x / f->s + f->z, q_min_of(a), q_max_of(a)) - f->z + r);
}

static void freeze(struct surrogate *f, const struct act_case *c)
{
    *f = (struct surrogate){ .c = c, .s = (double)c->q->s, .z = c->q->z };
    if (c->a.method == MXDI_TRAIN_PACT)
        f->alpha = (double)c->q->scale->w[0];
    for (int k = 0; k < ELEMENTS; k++) {
        const double y = (double)quantized(&c->a, c->x[k], c->q->s, c->q->z) * f->s;
        const double d = y - surrogate_value(f, (double)c->x[k], 0.0);
        f->r[k]        = c->a.method == MXDI_TRAIN_PACT ? d : d / f->s;
    }
}

/* got: `factor` times the derivative of the loss by *at. Terms cancel; rounding errors do not. */
static void check_learned(const char *what, double got, struct surrogate *f, double *at, double h,
                          double factor)
{
    const double base = *at;
    double       sum = 0.0, size = 0.0;
    for (int k = 0; k < ELEMENTS; k++) {
        const double x = (double)f->c->x[k], g = (double)f->c->g_y[k];
        *at             = base + h;
        const double up = surrogate_value(f, x, f->r[k]);
        *at             = base - h;
        const double d  = (up - surrogate_value(f, x, f->r[k])) / (2.0 * h) * g * factor;
        sum += d;
        size += fabs(d);
    }
    *at = base;
    if (!(fabs(got - sum) <= tolerance * size + 1e-12))
        fail_msg("%s: %.9g, %.9g expected", what, got, sum);
}

static void check_dx(const struct act_case *c, const struct surrogate *f)
{
    for (int k = 0; k < ELEMENTS; k++) {
        const double x = (double)c->x[k], h = step * f->s;
        const double d =
            (surrogate_value(f, x + h, f->r[k]) - surrogate_value(f, x - h, f->r[k])) / (2.0 * h);
        if (fabs((double)c->dx[k] - d * (double)c->g_y[k]) > 1e-6)
            fail_msg("dx of %g (in steps): %g, %g expected", x / f->s, (double)c->dx[k],
                     d * (double)c->g_y[k]);
    }
}

static void act_gradients(struct act_case *c)
{
    static struct surrogate       f;
    const mxdi_train_value *const v = train_value(c->t, "v");
    const double                  n = CHANNELS * SIDE * SIDE, h = q_max_of(&c->a) - c->q->z;
    train_backward(c->t, c->g_y);
    train_get(c->dx, c->t, v, v->dx);
    freeze(&f, c);
    check_dx(c, &f);
    const double scale = 1.0 / sqrt(n * h);
    if (c->a.method == MXDI_TRAIN_PACT)
        check_learned("alpha", (double)c->q->scale->dw[0], &f, &f.alpha, step, 1.0);
    else if (c->q->scale)
        check_learned("scale", (double)c->q->scale->dw[0], &f, &f.s, step * f.s, scale);
    if (c->q->offset)
        check_learned("offset", (double)c->q->offset->dw[0], &f, &f.z, step, scale);
}

static const struct act shapes[] = {
    { .type = MXD_U8, .s = 0.0371f, .z = 117 },
    { .type = MXD_U8, .s = 0.0371f, .z = 0 },
    { .type = MXD_S8, .s = 0.11f, .z = -9 },
    { .type = MXD_U4, .s = 0.21f, .z = 6 },
    { .type = MXD_S4, .s = 0.21f, .z = 1 },
    { .type = MXD_U8, .s = 0.043f, .z = 20, .bits = 6 },
    { .type = MXD_U4, .s = 0.5f, .z = 1, .bits = 2 },
    { .type = MXD_U8, .s = 0.0371f, .z = 0, .lo = 0.0f, .hi = 6.0f },    /* ends inside the range */
    { .type = MXD_U8, .s = 0.0371f, .z = 117, .lo = 0.0f, .hi = 60.0f }, /* one end outside */
    { .type = MXD_U8, .s = 0.043f, .z = 0, .bits = 5, .lo = 0.0f, .hi = 1.0f },
};
enum { N_SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

static void learned_steps(void **state)
{
    (void)state;
    for (int k = 0; k < 2 * N_SHAPES; k++) {
        struct act a             = shapes[k / 2];
        a.method                 = k % 2 ? MXDI_TRAIN_LSQ_PLUS : MXDI_TRAIN_LSQ;
        struct act_case *const c = act_begin(&a);
        assert_non_null(c->q->scale);
        assert_true(!c->q->offset == (k % 2 == 0 || a.z == q_min_of(&a)));
        c->q->scale->w[0] *= 1.07f; /* has learned a little */
        if (c->q->offset) {
            c->q->offset->w[0] += 1.3f;
            c->a.z++;
        }
        spread(c, c->q->scale->w[0], (uint64_t)k);
        act_forward(c);
        assert_true(c->q->s == c->q->scale->w[0]);
        assert_int_equal(c->q->z, c->a.z);
        act_gradients(c);
        act_end(c);
    }
}

/* Calibrated ranges: rounding passes the gradient, and nothing is learned. */
static void constant_steps(void **state)
{
    (void)state;
    for (int k = 0; k < N_SHAPES; k++) {
        struct act a             = shapes[k];
        a.method                 = MXDI_TRAIN_DOREFA;
        struct act_case *const c = act_begin(&a);
        spread(c, a.s, (uint64_t)k);
        act_forward(c);
        assert_true(c->q->s == a.s && c->q->z == a.z && !c->q->scale);
        act_gradients(c);
        act_end(c);
    }
}

/* Of quantizers that begin at 0 the upper end learns; others are as MINMAX. */
static void clipping_ends(void **state)
{
    (void)state;
    for (int k = 0; k < N_SHAPES; k++) {
        struct act a             = shapes[k];
        a.method                 = MXDI_TRAIN_PACT;
        struct act_case *const c = act_begin(&a);
        assert_true(!c->q->scale == (a.z != q_min_of(&a)));
        if (c->q->scale) {
            c->q->scale->w[0] *= 0.9f;
            spread(c, c->q->scale->w[0] / (float)(q_max_of(&a) - a.z), (uint64_t)k);
            act_forward(c);
            assert_true(c->q->s == c->q->scale->w[0] / (float)(q_max_of(&a) - a.z));
            act_gradients(c);
        }
        act_end(c);
    }
}

/* range <- 0.99 range + 0.01 (lowest, highest of the batch); zero is always in it. */
static void moving_averages(void **state)
{
    (void)state;
    for (int k = 0; k < N_SHAPES; k++) {
        struct act a             = shapes[k];
        a.method                 = MXDI_TRAIN_MINMAX;
        struct act_case *const c = act_begin(&a);
        double low = (q_min_of(&a) - a.z) * (double)a.s, high = (q_max_of(&a) - a.z) * (double)a.s;
        const double levels = (1 << bits_of(&a)) - 1;
        for (int pass = 0; pass < 4; pass++) {
            double seen_low = INFINITY, seen_high = -INFINITY;
            spread(c, a.s * (1.0f + 3.0f * (float)pass), (uint64_t)(10 * k + pass));
            act_forward(c);
            assert_near("scale", (double)c->q->s, (high - low) / levels);
            assert_int_equal(c->q->z, (int)rint(q_min_of(&a) - low / (double)c->q->s));
            c->a.z = c->q->z;
            for (int i = 0; i < ELEMENTS; i++) {
                const double x = (double)c->x[i];
                const double v = a.lo < a.hi ? clampd(x, (double)a.lo, (double)a.hi) : x;
                seen_low       = fmin(seen_low, v);
                seen_high      = fmax(seen_high, v);
            }
            low  = fmin(0.99 * low + 0.01 * seen_low, 0.0);
            high = fmax(0.99 * high + 0.01 * seen_high, 0.0);
        }
        act_end(c);
    }
}

/* Ties go to even, ends stay, and a pass that is no training observes nothing. */
static void ties_and_ends(void **state)
{
    (void)state;
    const struct act       a = { MXDI_TRAIN_MINMAX, MXD_U8, 0.25f, 100, 0, 0.0f, 0.0f };
    struct act_case *const c = act_begin(&a);
    for (int k = 0; k < ELEMENTS; k++)
        c->x[k] = (float)(k % 640 - 320) * 0.125f;
    c->x[0]        = 1e30f;
    c->x[1]        = -1e30f;
    c->t->training = false;
    for (int pass = 0; pass < 2; pass++) {
        act_forward(c);
        assert_true(c->q->s == 0.25f && c->q->z == 100);
    }
    act_end(c);
    assert_true(isnan(mxdi_fake_quantize(NAN, (mxdi_fake_range){ -8.0f, 7.0f })));
}

/* ---- quantizers that share their parameters: Concat wants one scale of all that it joins ---- */

static void shared_by_concat(void **state)
{
    (void)state;
    const struct act  a = { MXDI_TRAIN_LSQ, MXD_U8, 0.02f, 128, 0, 0.0f, 0.0f };
    mxdi_tape_options o = train_options();
    mxdi_graph *const g = graph_new(21);
    const uint32_t    v = identity_product(g), w = train_node(g, "Relu", "w", VALUES(v));
    const uint32_t    y =
        train_node(g, "Concat", "y", VALUES(quantizer(g, "a", v, &a), quantizer(g, "b", w, &a)));
    graph_int(g, g->n_nodes - 1, "axis", 1);
    graph_output(g, train_node(g, "Flatten", "flat", VALUES(quantizer(g, "c", y, &a))));
    o.method           = a.method;
    mxdi_tape *const t = train_tape(g, NULL, &o);
    static float     x[ELEMENTS], g_y[2 * ELEMENTS];
    static double    want;
    train_fill(x, ELEMENTS, 3, 2.0);
    train_fill(g_y, 2 * ELEMENTS, 4, 1.0);
    train_forward(t, x);
    train_backward(t, g_y);
    const mxdi_param *scale = NULL;
    for (uint32_t k = 0; k < t->n_params; k++)
        if (t->param[k]->kind == MXDI_PARAM_STEP) {
            assert_null(scale); /* one for the three */
            scale = t->param[k];
        }
    assert_non_null(scale);
    const int64_t sample = CHANNELS * SIDE * SIDE;
    for (int64_t k = 0; k < 2 * ELEMENTS; k++) {
        const int64_t n = k / (2 * sample), i = k % (2 * sample);
        const double  v_k = (double)(x[n * sample + i % sample] / 0.02f);
        const double  u   = i < sample ? v_k : fmax(v_k, 0.0);
        want += (double)g_y[k] * (u <= -128.0 ? -128.0 : u >= 127.0 ? 127.0 : rint(u) - u);
    }
    assert_near("scale", (double)scale->dw[0], want / sqrt(2.0 * (double)sample * 127.0));
    mxdi_tape_destroy(t);
    mxdi_graph_destroy(g);
}

/* The range observed is that of all. */
static void range_of_all_that_share(void **state)
{
    (void)state;
    const struct act  a = { MXDI_TRAIN_MINMAX, MXD_U8, 0.02f, 128, 0, 0.0f, 0.0f };
    mxdi_tape_options o = train_options();
    mxdi_graph *const g = graph_new(21);
    const uint32_t    v = identity_product(g), w = train_node(g, "Relu", "w", VALUES(v));
    const uint32_t    y =
        train_node(g, "Concat", "y", VALUES(quantizer(g, "a", v, &a), quantizer(g, "b", w, &a)));
    graph_int(g, g->n_nodes - 1, "axis", 1);
    graph_output(g, train_node(g, "Flatten", "flat", VALUES(quantizer(g, "c", y, &a))));
    o.method           = a.method;
    mxdi_tape *const t = train_tape(g, NULL, &o);
    static float     x[ELEMENTS];
    float            low = 0.0f, high = 0.0f;
    train_fill(x, ELEMENTS, 3, 2.0);
    train_forward(t, x);
    for (int k = 0; k < ELEMENTS; k++) {
        low  = fminf(low, x[k]);
        high = fmaxf(high, x[k]);
    }
    train_forward(t, x);
    const mxdi_act_quantizer *q = NULL;
    for (uint32_t n = 0; n < g->n_nodes; n++)
        q = t->quantizer[n] ? t->quantizer[n] : q;
    assert_non_null(q);
    assert_near("scale", (double)q->s,
                (0.99 * 255.0 * (double)0.02f + 0.01 * (double)(high - low)) / 255.0);
    mxdi_tape_destroy(t);
    mxdi_graph_destroy(g);
}

/* ---- weights: y = x w^T + b, all in integers ---- */

enum { ROWS = 6, TERMS = 21, WEIGHTS = ROWS * TERMS };

struct layer {
    mxdi_train_method method;
    uint32_t          bits;
    bool              per_channel, transposed;
};

struct layer_case {
    struct layer          l;
    mxdi_graph           *g, *origin;
    mxdi_tape            *t;
    mxdi_weight_quantizer q;                   /* what is expected: s */
    float                 w[WEIGHTS], b[ROWS]; /* (ROWS, TERMS) */
    float                 s[ROWS];
    float                 x[TRAIN_BATCH * TERMS], qx[TRAIN_BATCH * TERMS];
    float                 g_y[TRAIN_BATCH * ROWS];
    double                dw[WEIGHTS]; /* of what the weights became */
};

static const struct act layer_input = { 0, MXD_U8, 0.03f, 120, 0, 0.0f, 0.0f };

static float weight_max(const struct layer *l)
{
    return (float)((1 << (l->bits - 1)) - 1);
}

static int weight_at(const struct layer *l, int row, int term)
{
    return l->transposed ? term * ROWS + row : row * TERMS + term;
}

/* Weights as the graph has them, from (ROWS, TERMS). */
static uint32_t weights_of(mxdi_graph *g, const struct layer_case *c)
{
    float w[WEIGHTS];
    for (int r = 0; r < ROWS; r++)
        for (int k = 0; k < TERMS; k++)
            w[weight_at(&c->l, r, k)] = c->w[r * TERMS + k];
    return c->l.transposed ? graph_constant(g, "w", MXD_F32, w, DIMS(TERMS, ROWS))
                           : graph_constant(g, "w", MXD_F32, w, DIMS(ROWS, TERMS));
}

static uint32_t product(mxdi_graph *g, const struct layer_case *c, const uint32_t in[3])
{
    const uint32_t y = train_node(g, "Gemm", "layer", in, 3);
    graph_int(g, g->n_nodes - 1, "transB", !c->l.transposed);
    return y;
}

static uint32_t quantized_weights(mxdi_graph *g, const struct layer_case *c)
{
    static const int8_t zeros[WEIGHTS];
    const mxd_dtype     type = c->l.bits == 4 ? MXD_S4 : MXD_S8;
    const int64_t       n    = c->l.per_channel ? ROWS : 1;
    const uint32_t q = c->l.transposed ? graph_constant(g, "wq", type, zeros, DIMS(TERMS, ROWS))
                                       : graph_constant(g, "wq", type, zeros, DIMS(ROWS, TERMS));
    const uint32_t s = c->l.per_channel ? graph_constant(g, "ws", MXD_F32, c->s, DIMS(n))
                                        : graph_constant(g, "ws", MXD_F32, c->s, SCALAR);
    const uint32_t d = train_node(g, "DequantizeLinear", "wd", VALUES(q, s));
    graph_int(g, g->n_nodes - 1, "axis", c->l.transposed);
    return d;
}

static void layer_input_fill(struct layer_case *c)
{
    train_fill(c->x, TRAIN_BATCH * TERMS, 21, 2.0);
    train_fill(c->g_y, TRAIN_BATCH * ROWS, 22, 1.0);
    for (int k = 0; k < TRAIN_BATCH * TERMS; k++)
        c->qx[k] = quantized(&layer_input, c->x[k], layer_input.s, layer_input.z);
    for (int r = 0; r < ROWS; r++)
        for (int k = 0; k < TERMS; k++)
            for (int n = 0; n < TRAIN_BATCH; n++)
                c->dw[r * TERMS + k] += (double)c->g_y[n * ROWS + r] *
                                        (double)c->qx[n * TERMS + k] * (double)layer_input.s;
}

/* Steps s (ROWS) that clip a few weights, none of which lies on a bound. */
static void layer_weights_fill(struct layer_case *c, double scale)
{
    train_fill(c->w, WEIGHTS, 23, scale);
    train_fill(c->b, ROWS, 24, 1.0);
    const float h = weight_max(&c->l);
    for (int r = 0; r < ROWS; r++) {
        c->s[r] = 1.6f * (float)scale / h * (c->l.per_channel ? 1.0f + 0.1f * (float)r : 1.0f);
        for (int k = 0; k < TERMS; k++)
            while (fabsf(fabsf(c->w[r * TERMS + k] / c->s[r]) - h) < 0.01f)
                c->w[r * TERMS + k] *= 1.01f;
    }
}

static struct layer_case *layer_begin(const struct layer *l, double scale, float bias)
{
    struct layer_case *const c = calloc(1, sizeof(*c));
    mxdi_tape_options        o = train_options();
    bool                     scalable;
    assert_non_null(c);
    c->l = *l;
    layer_input_fill(c);
    layer_weights_fill(c, scale);
    for (int r = 0; r < ROWS; r++)
        c->b[r] *= bias;
    c->origin        = graph_new(21);
    const uint32_t x = graph_input(c->origin, "x", MXD_F32, DIMS(-1, TERMS));
    const uint32_t b = graph_constant(c->origin, "b", MXD_F32, c->b, DIMS(ROWS));
    graph_output(c->origin,
                 product(c->origin, c, (const uint32_t[]){ x, weights_of(c->origin, c), b }));
    assert_int_equal(mxdi_bind_shapes(c->origin, NULL, 0, 1, &scalable, NULL), MXD_OK);
    c->g = graph_new(21);
    const uint32_t gx =
        quantizer(c->g, "x", graph_input(c->g, "x", MXD_F32, DIMS(-1, TERMS)), &layer_input);
    const uint32_t gb = graph_constant(c->g, "b", MXD_F32, c->b, DIMS(ROWS));
    graph_output(c->g, product(c->g, c, (const uint32_t[]){ gx, quantized_weights(c->g, c), gb }));
    o.method = l->method;
    c->t     = train_tape(c->g, c->origin, &o);
    return c;
}

static void layer_end(struct layer_case *c)
{
    mxdi_tape_destroy(c->t);
    mxdi_graph_destroy(c->g);
    mxdi_graph_destroy(c->origin);
    free(c);
}

/* The largest |f(w)| of row r, or of all; f: tanh or none. */
static float largest(const struct layer_case *c, int r, bool through_tanh)
{
    float most = 0.0f;
    for (int k = 0; k < WEIGHTS; k++)
        if (!c->l.per_channel || k / TERMS == r)
            most = fmaxf(most, through_tanh ? fabsf(tanhf(c->w[k])) : fabsf(c->w[k]));
    return most;
}

static float expected_step(const struct layer_case *c, int r)
{
    return c->l.method == MXDI_TRAIN_LSQ ? c->s[r] : largest(c, r, false) / weight_max(&c->l);
}

static float expected_weight(const struct layer_case *c, int r, int k)
{
    const float h = weight_max(&c->l), w = c->w[r * TERMS + k];
    const float u = c->l.method == MXDI_TRAIN_DOREFA ? h * (tanhf(w) / largest(c, r, true))
                                                     : w / expected_step(c, r);
    return rintf(fminf(fmaxf(u, -h), h));
}

/* Sums of integers and the floats they are, bit for bit. */
static void layer_forward(const struct layer_case *c)
{
    const mxdi_train_value *const sums = train_value(c->t, "layer");
    const mxdi_train_value *const real = &c->t->value[c->t->output];
    float                         got[TRAIN_BATCH * ROWS], y[TRAIN_BATCH * ROWS];
    train_forward(c->t, c->x);
    train_get(got, c->t, sums, sums->x);
    train_get(y, c->t, real, real->x);
    for (int n = 0; n < TRAIN_BATCH; n++)
        for (int r = 0; r < ROWS; r++) {
            const double s   = (double)layer_input.s * (double)expected_step(c, r);
            int64_t      sum = (int64_t)rint((double)c->b[r] / s);
            for (int k = 0; k < TERMS; k++)
                sum += (int64_t)c->qx[n * TERMS + k] * (int64_t)expected_weight(c, r, k);
            if ((int64_t)got[n * ROWS + r] != sum)
                fail_msg(
                    "method %d, %u bits, per channel %d, transposed %d, row %d: %.9g, %lld expected",
                    c->l.method, c->l.bits, c->l.per_channel, c->l.transposed, r,
                    (double)got[n * ROWS + r], (long long)sum);
            assert_true(y[n * ROWS + r] == (float)sum * (float)s);
        }
}

/* A weight and its step, the rounding held: s*(clamp(f(w)) + r). */
static double weight_surrogate(const struct layer_case *c, int row, double w, double s, double r)
{
    const double h = (double)weight_max(&c->l);
    const double u = c->l.method == MXDI_TRAIN_DOREFA ? h * tanh(w) / (double)largest(c, row, true)
                                                      : clampd(w / s, -h, h);
    return s * (u + r);
}

/* MINMAX's step follows the largest weight, but is a constant of the gradient. */
static void layer_gradients(const struct layer_case *c)
{
    const float *const dw = train_param(c->t, "w")->dw, *const db = train_param(c->t, "b")->dw;
    double whole = 0.0;
    for (int row = 0; row < ROWS; row++) {
        const double s = (double)expected_step(c, row), h = (double)weight_max(&c->l);
        double       ds = 0.0, bias = 0.0;
        for (int k = 0; k < TERMS; k++) {
            const int    at = row * TERMS + k;
            const double w  = (double)c->w[at];
            const double r =
                (double)expected_weight(c, row, k) - weight_surrogate(c, row, w, s, 0.0) / s;
            const double up = weight_surrogate(c, row, w + step * s, s, r);
            double       d = (up - weight_surrogate(c, row, w - step * s, s, r)) / (2.0 * step * s);
            if (c->l.method == MXDI_TRAIN_MINMAX && fabs(w) >= (double)largest(c, row, false))
                d = 1.0; /* the bound is the largest weight, which is inside */
            const double got = (double)dw[weight_at(&c->l, row, k)];
            if (fabs(got - d * c->dw[at]) > 3e-6 * (1.0 + fabs(c->dw[at])))
                fail_msg("weight %d of row %d: %g, %g expected", k, row, got, d * c->dw[at]);
            ds += c->dw[at] *
                  (weight_surrogate(c, row, w, s + step * s, r) -
                   weight_surrogate(c, row, w, s - step * s, r)) /
                  (2.0 * step * s);
        }
        for (int n = 0; n < TRAIN_BATCH; n++)
            bias += (double)c->g_y[n * ROWS + row];
        assert_true(fabs((double)db[row] - bias) < 1e-5);
        whole += ds;
        if (c->l.method == MXDI_TRAIN_LSQ && c->l.per_channel)
            assert_true(fabs((double)train_param(c->t, "layer.weight.scale")->dw[row] -
                             ds / sqrt(TERMS * h)) < 1e-5 * (1.0 + fabs(ds)));
    }
    if (c->l.method == MXDI_TRAIN_LSQ && !c->l.per_channel)
        assert_true(fabs((double)train_param(c->t, "layer.weight.scale")->dw[0] -
                         whole / sqrt(WEIGHTS * (double)weight_max(&c->l))) <
                    1e-5 * (1.0 + fabs(whole)));
}

static void weights(void **state)
{
    (void)state;
    static const mxdi_train_method methods[] = { MXDI_TRAIN_LSQ, MXDI_TRAIN_MINMAX,
                                                 MXDI_TRAIN_DOREFA };
    for (int k = 0; k < 3 * 8; k++) {
        const struct layer       l = { methods[k / 8], k & 1 ? 4 : 8, k & 2, k & 4 };
        struct layer_case *const c = layer_begin(&l, 0.4, 1.0f);
        layer_forward(c);
        train_backward(c->t, c->g_y);
        layer_gradients(c);
        layer_end(c);
    }
}

/* Steps grow until neither a bias nor a sum of products can leave int32. */
static void steps_that_are_too_small(void **state)
{
    (void)state;
    const struct layer       l = { MXDI_TRAIN_LSQ, 8, true, false };
    struct layer_case *const c = layer_begin(&l, 1e-6, 100.0f);
    train_forward(c->t, c->x);
    const mxdi_train_value *const y = train_value(c->t, "layer");
    for (int r = 0; r < ROWS; r++) {
        const double s = y->step[r] / (double)layer_input.s;
        assert_true(fabs((double)c->b[r]) / y->step[r] <= 0x1p30);
        assert_true(s == (double)c->s[r] ||
                    s < 1.001 * fabs((double)c->b[r]) / (double)layer_input.s / 0x1p30);
    }
    layer_end(c);
}

/* ---- what it is for ---- */

static double error_of(const float *w, int64_t n, float s, float h)
{
    double sum = 0.0;
    for (int64_t k = 0; k < n; k++)
        sum += pow((double)(rintf(fminf(fmaxf(w[k] / s, -h), h)) * s - w[k]), 2.0);
    return sum;
}

/* Descending the squared error by LSQ's gradient ends near the best step of normal numbers. */
static void lsq_finds_the_best_step(void **state)
{
    (void)state;
    enum { N = 8192 };
    static float w[N], g[N], q[N];
    mxdi_rng     rng = mxdi_rng_seed(31);
    for (int k = 0; k < N; k++)
        w[k] = (float)mxdi_rng_normal(&rng);
    for (int bits = 2; bits <= 8; bits += 2) {
        const float h    = (float)((1 << (bits - 1)) - 1);
        float       best = 0.0f, s = 6.0f / h;
        double      least = INFINITY;
        for (float at = 0.3f / h; at < 7.0f / h; at *= 1.01f)
            if (error_of(w, N, at, h) < least) {
                best  = at;
                least = error_of(w, N, at, h);
            }
        for (int pass = 0; pass < 400; pass++) {
            mxdi_fake_weights(q, w, N, s, h);
            for (int k = 0; k < N; k++)
                g[k] = 2.0f * (q[k] * s - w[k]);
            const double ds = mxdi_fake_weights_grad(g, g, w, N, s, h);
            s -= (float)(ds / N * 0.2);
        }
        if (fabsf(s / best - 1.0f) > 0.1f)
            fail_msg("%d bits: step %g, the best is %g", bits, (double)s, (double)best);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learned_steps),
        cmocka_unit_test(constant_steps),
        cmocka_unit_test(clipping_ends),
        cmocka_unit_test(moving_averages),
        cmocka_unit_test(ties_and_ends),
        cmocka_unit_test(shared_by_concat),
        cmocka_unit_test(range_of_all_that_share),
        cmocka_unit_test(weights),
        cmocka_unit_test(steps_that_are_too_small),
        cmocka_unit_test(lsq_finds_the_best_step),
    };
    return cmocka_run_group_tests_name("train_quantizers", tests, NULL, NULL);
}
