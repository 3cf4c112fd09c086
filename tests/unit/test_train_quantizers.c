/* SPDX-License-Identifier: Apache-2.0
 *
 * Fake quantization of activations: what comes forward, bit for bit, and its gradients. The
 * references are the formulas of docs/training.md; gradients are central differences in binary64 of
 * the surrogate s*(clamp(x/s) + r), in which the rounding r = q - clamp(x/s) is held constant: that
 * is what "straight through" differentiates. No input lies on a bound.
 */
#include "train_quant_case.h"

static const double tolerance = 1e-6;
static const double step      = 1e-6;

static void assert_near(const char *what, double got, double want)
{
    if (!(fabs(got - want) <= tolerance * fabs(want) + 1e-12))
        fail_msg("%s: %.9g, %.9g expected", what, got, want);
}

/* ---- activations: input, a product with the identity (so that a gradient is wanted), quantizer
 * ---- */

enum { CHANNELS = 19, SIDE = 3, ELEMENTS = TRAIN_BATCH * CHANNELS * SIDE * SIDE };

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

static uint32_t clip(mxdi_graph *g, uint32_t v, float lo, float hi)
{
    return train_node(g, "Clip", NULL,
                      VALUES(v, graph_constant(g, NULL, MXD_F32, &lo, SCALAR),
                             graph_constant(g, NULL, MXD_F32, &hi, SCALAR)));
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

/* Integers around 0 stay so: the zero point is none, and the step follows the larger side. */
static void around_zero(void **state)
{
    (void)state;
    static const mxdi_train_method method[] = { MXDI_TRAIN_MINMAX, MXDI_TRAIN_LSQ_PLUS };
    for (int k = 0; k < 2; k++) {
        const struct act       a = { method[k], MXD_S8, 0.02f, 0, 0, 0.0f, 0.0f };
        struct act_case *const c = act_begin(&a);
        train_fill(c->x, ELEMENTS, 3, 2.0);
        double most = 0.0;
        for (int i = 0; i < ELEMENTS; i++) {
            c->x[i] += 1.0f;
            most = fmax(most, fabs((double)c->x[i]));
        }
        act_forward(c);
        assert_near("first step", (double)c->q->s, (double)0.02f);
        act_forward(c);
        assert_int_equal(c->q->z, 0);
        assert_null(c->q->offset);
        if (method[k] == MXDI_TRAIN_MINMAX)
            assert_near("step", (double)c->q->s,
                        (0.99 * 127.0 * (double)0.02f + 0.01 * most) / 127.0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learned_steps),           cmocka_unit_test(constant_steps),
        cmocka_unit_test(clipping_ends),           cmocka_unit_test(moving_averages),
        cmocka_unit_test(ties_and_ends),           cmocka_unit_test(shared_by_concat),
        cmocka_unit_test(range_of_all_that_share), cmocka_unit_test(around_zero),
    };
    return cmocka_run_group_tests_name("train_quantizers", tests, NULL, NULL);
}
