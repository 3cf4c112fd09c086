/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine of what quantized training exports holds the integers that training computed: every
 * quantized value that a trace shows, for the same samples, and the logits.
 */
#include "train_run_case.h"

#include "train/op_conv.h"

enum { BATCH = 16 };

struct comparison {
    const mxdi_trainer *t;
    uint32_t            compared;
};

/* Zero point of an integer value: that of the quantizer that made it, perhaps before moves. */
static int32_t zero_point_of(const mxdi_tape *t, uint32_t value)
{
    const mxdi_train_value *const v = &t->value[value];
    for (uint32_t n = 0; n < t->graph->n_nodes; n++)
        if (t->quantizer[n] && v->step == &t->quantizer[n]->step)
            return t->quantizer[n]->z;
    fail_msg("'%s' holds no quantizer's integers", v->name);
    return 0;
}

static int32_t stored(const mxd_tensor *x, int64_t k)
{
    const uint8_t *const u = x->data;
    switch (x->dtype) {
    case MXD_U8:
        return u[k];
    case MXD_S8:
        return ((const int8_t *)x->data)[k];
    case MXD_U4:
        return u[k / 2] >> (k % 2 * 4) & 15;
    default:
        fail_msg("unexpected type %s", mxd_dtype_name(x->dtype));
        return 0;
    }
}

static mxd_status compare(void *user, const char *name, const mxd_tensor *x, mxd_error *err)
{
    struct comparison *const c = user;
    const mxdi_tape *const   t = c->t->tape;
    const uint32_t           v = mxdi_graph_find_value(t->graph, name);
    (void)err;
    if (v == MXD_NO_VALUE)
        return MXD_OK; /* of the engine's own: between two quantizers, and seen behind the second */
    const int64_t n     = train_count(t, &t->value[v]);
    float *const  dense = malloc((size_t)n * sizeof(float));
    assert_non_null(dense);
    train_get(dense, t, &t->value[v], t->value[v].x);
    const int32_t z = zero_point_of(t, v);
    for (int64_t k = 0; k < n; k++)
        if (stored(x, k) != (int32_t)dense[k] + z)
            fail_msg("'%s'[%lld]: the engine holds %d, training %d", name, (long long)k,
                     stored(x, k), (int32_t)dense[k] + z);
    free(dense);
    c->compared++;
    return MXD_OK;
}

/* One batch on both: a pass that trains nothing, and a traced run. */
static void compare_batch(mxdi_session *s, struct comparison *c, const float *x, bool floats)
{
    mxdi_tape *const              t   = c->t->tape;
    const mxdi_train_value *const v   = &t->value[t->output];
    mxd_error                     err = MXD_ERROR_INIT;
    float                         y[BATCH * RUN_CLASSES], want[BATCH * RUN_CLASSES];
    const mxd_tensor              in =
        engine_tensor((void *)(uintptr_t)x, MXD_F32, DIMS(BATCH, 3, RUN_SIDE, RUN_SIDE));
    const mxd_tensor out = engine_tensor(y, MXD_F32, DIMS(BATCH, RUN_CLASSES));
    t->training          = false;
    train_forward(t, x);
    t->training = true;
    c->compared = 0;
    if (mxdi_session_trace(s, &in, 1, &out, 1, compare, c, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    train_get(want, t, v, v->x);
    for (int k = 0; k < BATCH * RUN_CLASSES; k++) /* floats are summed in another order */
        if (y[k] != want[k] && !(floats && fabsf(y[k] - want[k]) < 1e-4f))
            fail_msg("logit %d: the engine says %.9g, training %.9g", k, (double)y[k],
                     (double)want[k]);
}

/* Many batches: where two formulas differ in a rounding, one value of a million does. */
static void engine_against_tape(mxdi_trainer *t, struct comparison *c, const char *isa, bool floats)
{
    static float             x[BATCH * RUN_FEATURES];
    const mxdi_build_options o = { .batch = { BATCH }, .n_batches = 1, .threads = 1, .isa = isa };
    mxdi_engine *const       e = engine_of(run_export(t), &o);
    mxdi_session            *s = NULL;
    *c                         = (struct comparison){ .t = t };
    assert_int_equal(mxdi_session_open(&s, e, 1, true, NULL), MXD_OK);
    for (uint64_t k = 0; k < 40; k++) {
        train_fill(x, BATCH * RUN_FEATURES, 1000 + k, 1.0);
        compare_batch(s, c, x, floats);
    }
    mxdi_session_close(s);
    mxdi_engine_destroy(e);
}

/* Depthwise layers, ReLU6, concatenation of layers and of pools, means. Eight quantized values. */
enum { OTHER = 1000 };

static uint32_t relu6(mxdi_graph *g, uint32_t x)
{
    const float    six = 6.0f, zero = 0.0f;
    const uint32_t in[] = { x, graph_constant(g, NULL, MXD_F32, &zero, SCALAR),
                            graph_constant(g, NULL, MXD_F32, &six, SCALAR) };
    return train_node(g, "Clip", NULL, in, 3);
}

static mxdi_graph *other_network(void)
{
    mxdi_graph *const g = graph_new(17);
    uint32_t          x = graph_input(g, "x", MXD_F32, DIMS(-1, 3, RUN_SIDE, RUN_SIDE)), y, z;
    x                   = relu6(g, run_conv(g, "stem", x, 3, 8, 1, true));
    y                   = train_node(g, "Conv", "depthwise",
                                     VALUES(x, train_constant(g, "depthwise.weight", 3, 0.5, DIMS(8, 1, 3, 3))));
    graph_int(g, g->n_nodes - 1, "group", 8);
    graph_ints(g, g->n_nodes - 1, "pads", (const int64_t[]){ 1, 1, 1, 1 }, 4);
    y = relu6(g, run_norm(g, "depthwise.norm", y, 8));
    y = run_conv(g, "linear", y, 8, 8, 1, true); /* no clamp: signed */
    x = train_node(g, "Add", "sum", VALUES(x, y));
    y = train_node(g, "AveragePool", "mean", VALUES(x));
    graph_ints(g, g->n_nodes - 1, "kernel_shape", (const int64_t[]){ 2, 2 }, 2);
    graph_ints(g, g->n_nodes - 1, "strides", (const int64_t[]){ 2, 2 }, 2);
    z = train_node(g, "Relu", NULL, VALUES(run_conv(g, "part", x, 8, 8, 2, false)));
    x = train_node(g, "Concat", "both", VALUES(y, z));
    graph_int(g, g->n_nodes - 1, "axis", 1);
    x = train_node(g, "Relu", NULL, VALUES(run_conv(g, "top", x, 16, 16, 1, false)));
    x = train_node(g, "GlobalAveragePool", NULL, VALUES(x));
    x = train_node(g, "Flatten", NULL, VALUES(x));
    x = train_node(g, "MatMul", "head",
                   VALUES(x, train_constant(g, "head.weight", 5, 0.3, DIMS(16, RUN_CLASSES))));
    graph_output(g, x);
    return g;
}

static run_case *begin(int kind)
{
    run_case *const c = run_begin(kind == OTHER ? 0 : kind);
    if (kind == OTHER) {
        mxdi_graph_destroy(c->g);
        c->g = other_network();
    }
    return c;
}

static void check(const char *precision, mxdi_train_method method, int kind, uint32_t values)
{
    run_case *const    c = begin(kind);
    mxdi_train_options o = run_options();
    struct comparison  made;
    const bool         floats = strstr(precision, "f32");
    o.method                  = method;
    o.optimizer.lr            = 0.05;
    o.keep_values             = true;
    mxdi_trainer *const t     = run_trainer(c, precision, &o);
    engine_against_tape(t, &made, NULL, floats); /* as quantized, and after a while */
    (void)run_epoch(t);
    (void)run_epoch(t);
    engine_against_tape(t, &made, NULL, floats);
    engine_against_tape(t, &made, run_lowest_isa(), floats);
    assert_true(made.compared >= values);
    mxdi_trainer_destroy(t);
    run_end(c);
}

static void eight_bits(void **state)
{
    (void)state;
    check("w8a8", MXDI_TRAIN_LSQ, 0, 6);
    check("w8a8", MXDI_TRAIN_MINMAX, RUN_NORM, 6);
    check("w8a8", MXDI_TRAIN_LSQ_PLUS, RUN_NORM, 6);
}

static void four_bits(void **state)
{
    (void)state;
    check("w4a4", MXDI_TRAIN_LSQ, RUN_NORM, 6);
    check("w4a4", MXDI_TRAIN_MINMAX, 0, 6);
    check("w4a4", MXDI_TRAIN_PACT, 0, 6);
    check("w4a4", MXDI_TRAIN_DOREFA, 0, 6);
}

static void other_widths(void **state)
{
    (void)state;
    check("w4a8", MXDI_TRAIN_LSQ, 0, 6);
    check("w6a5", MXDI_TRAIN_MINMAX, 0, 6);
    check("w3a2", MXDI_TRAIN_LSQ_PLUS, 0, 6);
    check("w2a6", MXDI_TRAIN_DOREFA, 0, 6);
}

static void other_operations(void **state)
{
    (void)state;
    check("w8a8", MXDI_TRAIN_LSQ, OTHER, 8);
    check("w8a8", MXDI_TRAIN_MINMAX, OTHER, 8);
    check("w4a4", MXDI_TRAIN_LSQ_PLUS, OTHER, 8);
    check("w4a4", MXDI_TRAIN_MINMAX, OTHER, 8);
    check("w5a6", MXDI_TRAIN_PACT, OTHER, 8);
}

static void recipes(void **state)
{
    (void)state;
    check(
        "[{\"op_types\": [\"Conv\", \"Gemm\"], \"precision\": \"w8a8\", \"granularity\": \"tensor\"}]",
        MXDI_TRAIN_LSQ, 0, 6);
    check(
        "[{\"op_types\": [\"Conv\", \"Gemm\"], \"precision\": \"w4a4\", \"granularity\": \"tensor\"}]",
        MXDI_TRAIN_DOREFA, 0, 6);
    check(
        "[{\"op_types\": [\"Conv\"], \"precision\": \"w4a4\"},"
        " {\"names\": [\"stem\"], \"precision\": \"w8a8\"}, {\"names\": [\"b2\"], \"precision\": \"f32\"}]",
        MXDI_TRAIN_LSQ_PLUS, 0, 4);
    check(
        "[{\"op_types\": [\"Conv\"], \"precision\": \"w8a8\"},"
        " {\"names\": [\"b1\"], \"precision\": \"w4-f32\"}, {\"names\": [\"b2\"], \"precision\": \"f32\"}]",
        MXDI_TRAIN_MINMAX, 0, 4);
}

/* Weights stay within the bits that were asked for, whatever they are stored in. */
static void widths_of_weights(void **state)
{
    (void)state;
    static const mxdi_train_method methods[] = { MXDI_TRAIN_LSQ, MXDI_TRAIN_MINMAX,
                                                 MXDI_TRAIN_DOREFA };
    run_case *const                c         = run_begin(0);
    for (uint32_t bits = 2; bits <= 8; bits++)
        for (int m = 0; m < 3; m++) {
            mxdi_train_options o = run_options();
            char               precision[16];
            int32_t            most = 0;
            (void)snprintf(precision, sizeof(precision), "w%ua8", bits);
            o.method              = methods[m];
            o.epochs              = 1;
            mxdi_trainer *const t = run_trainer(c, precision, &o);
            (void)run_epoch(t);
            for (uint32_t k = 0; k < t->tape->n_ops; k++)
                if (t->tape->op[k].kind == &mxdi_train_conv_kind) {
                    const struct mxdi_train_conv *const l = t->tape->op[k].state;
                    for (int64_t i = 0; i < l->c_out * l->per_channel; i++)
                        most = abs((int)l->q[i]) > most ? abs((int)l->q[i]) : most;
                }
            assert_int_equal(most, (1 << (bits - 1)) - 1);
            mxdi_trainer_destroy(t);
        }
    run_end(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_bits),   cmocka_unit_test(four_bits),
        cmocka_unit_test(other_widths), cmocka_unit_test(other_operations),
        cmocka_unit_test(recipes),      cmocka_unit_test(widths_of_weights),
    };
    return cmocka_run_group_tests_name("train_engine", tests, NULL, NULL);
}
