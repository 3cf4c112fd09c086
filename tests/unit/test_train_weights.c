/* SPDX-License-Identifier: Apache-2.0
 *
 * Fake quantization of weights: the integer sums of a layer bit for bit, its gradients against
 * differences of the surrogate whose rounding is held (test_train_quantizers.c says how), and where
 * learning a step leads.
 */
#include "train_quant_case.h"

static const double step = 1e-6; /* of the differences, in steps */

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

static uint32_t quantized_bias(mxdi_graph *g)
{
    static const int32_t zeros[ROWS];
    static const float   ones[ROWS];
    const uint32_t       d = train_node(g, "DequantizeLinear", "bd",
                                        VALUES(graph_constant(g, "bq", MXD_S32, zeros, DIMS(ROWS)),
                                               graph_constant(g, "bs", MXD_F32, ones, DIMS(ROWS))));
    graph_int(g, g->n_nodes - 1, "axis", 0);
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
    const uint32_t gb = quantized_bias(c->g);
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

/* Steps grow until neither a bias nor a sum of products can leave int32; one step, for the largest.
 */
static void steps_that_are_too_small(void **state)
{
    (void)state;
    for (int per_channel = 0; per_channel < 2; per_channel++) {
        const struct layer       l = { MXDI_TRAIN_LSQ, 8, per_channel, false };
        struct layer_case *const c = layer_begin(&l, 1e-6, 100.0f);
        train_forward(c->t, c->x);
        const mxdi_train_value *const y       = train_value(c->t, "layer");
        double                        largest = 0.0;
        for (int r = 0; r < ROWS; r++)
            largest = fmax(largest, fabs((double)c->b[r]));
        for (int r = 0; r < ROWS; r++) {
            const double s    = y->step[r] / (double)layer_input.s;
            const double bias = per_channel ? fabs((double)c->b[r]) : largest;
            assert_true(fabs((double)c->b[r]) / y->step[r] <= 0x1p30);
            assert_true(s == (double)c->s[r] || s < 1.001 * bias / (double)layer_input.s / 0x1p30);
            assert_true(per_channel || y->step[r] == y->step[0]);
        }
        layer_end(c);
    }
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
        cmocka_unit_test(weights),
        cmocka_unit_test(steps_that_are_too_small),
        cmocka_unit_test(lsq_finds_the_best_step),
    };
    return cmocka_run_group_tests_name("train_weights", tests, NULL, NULL);
}
