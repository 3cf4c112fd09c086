/* SPDX-License-Identifier: Apache-2.0
 *
 * Corrections of a quantized graph: columns against the operators, what layers are fed with against
 * the whole networks, and that bias correction and AdaRound bring outputs closer to the float ones.
 */
#include "block_case.h"

#include <math.h>

#include "passes/passes.h"
#include "quant/columns.h"
#include "quant/prefix.h"
#include "train/adaround.h"

static const mxd_value *value(const mxdi_graph *g, const char *name)
{
    const uint32_t v = mxdi_graph_find_value(g, name);
    if (v == MXD_NO_VALUE)
        fail_msg("no value '%s'", name);
    return &g->value[v];
}

static void prepare(mxdi_graph *g)
{
    bool      scalable;
    mxd_error err = MXD_ERROR_INIT;
    if (mxdi_passes_prepare(g, NULL, 0, 1, &scalable, &err) != MXD_OK)
        fail_msg("%s", err.msg);
}

/* ---- columns ---- */

/* A product of x (2, 4, 6, 5) or (2, 4, 9) with weights, against weights times columns. */
static void check_columns(const int64_t *x_dim, const int64_t *w_dim, int32_t rank, int64_t group,
                          const int64_t *pads, const int64_t *strides, const int64_t *dilations)
{
    mxdi_graph *const g = graph_new(17);
    float             w[288], x[240], y[1024];
    int64_t           n_w = 1, n_y = 1, n_x = 1;
    mxdi_columns      c;
    mxdi_graph       *copy = NULL;
    engine_fill(x, 240);
    for (int k = 0; k < 288; k++)
        w[k] = (float)(k * 29 % 17 - 8);
    const uint32_t in = graph_input(g, "x", MXD_F32, x_dim, rank), out = graph_open(g, "y");
    const uint32_t n =
        graph_node(g, "Conv", "conv", VALUES(in, graph_constant(g, "w", MXD_F32, w, w_dim, rank)),
                   VALUES(out));
    graph_int(g, n, "group", group);
    graph_ints(g, n, "pads", pads, 2 * (rank - 2));
    graph_ints(g, n, "strides", strides, rank - 2);
    graph_ints(g, n, "dilations", dilations, rank - 2);
    graph_output(g, out);
    prepare(g);
    assert_int_equal(mxdi_graph_clone(&copy, g, NULL), MXD_OK);
    const mxd_value y_value = *value(g, "y");
    for (int32_t d = 0; d < rank; d++) {
        n_w *= w_dim[d];
        n_y *= y_value.dim[d];
        n_x *= x_dim[d];
    }
    assert_true(n_w <= 288 && n_y <= 1024 && n_x <= 240);
    mxdi_engine *const e  = engine_of(copy, &(mxdi_build_options){ .threads = 1 });
    const mxd_tensor   tx = engine_tensor(x, MXD_F32, x_dim, rank);
    const mxd_tensor   ty = engine_tensor(y, MXD_F32, y_value.dim, rank);
    engine_run(e, &tx, 1, &ty, 1);
    assert_int_equal(mxdi_columns_of(&c, g, &g->node[0], NULL), MXD_OK);
    const int64_t count = mxdi_columns_count(&c, &tx), rows = w_dim[0] / group;
    assert_int_equal(count * w_dim[0], n_y);
    assert_int_equal(c.k * w_dim[0], n_w);
    int64_t *const at  = calloc((size_t)(count * (1 + c.taps)), sizeof(int64_t));
    float *const   col = calloc((size_t)(count * c.k), sizeof(float));
    for (int64_t j = 0; j < count; j++)
        at[j] = count - 1 - j; /* any order */
    mxdi_columns_find(at + count, &c, at, count);
    for (int64_t o = 0; o < w_dim[0]; o++) {
        mxdi_columns_take(col, &c, &tx, o / rows, at + count, count);
        for (int64_t j = 0; j < count; j++) {
            float sum = 0.0f;
            for (int64_t k = 0; k < c.k; k++)
                sum += w[o * c.k + k] * col[k * count + j];
            const int64_t image = at[j] / c.places, place = at[j] % c.places;
            assert_true(fabsf(sum - y[(image * w_dim[0] + o) * c.places + place]) < 1e-3f);
        }
    }
    free(at);
    free(col);
    mxdi_engine_destroy(e);
    mxdi_graph_destroy(g);
}

static void columns_are_what_windows_see(void **state)
{
    (void)state;
    const int64_t x[] = { 2, 4, 6, 5 }, line[] = { 2, 4, 9 };
    const int64_t ones[] = { 1, 1 }, none[] = { 0, 0, 0, 0 }, odd[] = { 1, 0, 2, 3 };
    check_columns(x, (const int64_t[]){ 6, 4, 3, 3 }, 4, 1, none, ones, ones);
    check_columns(x, (const int64_t[]){ 6, 2, 3, 2 }, 4, 2, odd, (const int64_t[]){ 2, 1 }, ones);
    check_columns(x, (const int64_t[]){ 8, 1, 2, 3 }, 4, 4, odd, ones, (const int64_t[]){ 2, 1 });
    check_columns(x, (const int64_t[]){ 5, 4, 1, 1 }, 4, 1, none, (const int64_t[]){ 1, 3 }, ones);
    check_columns(line, (const int64_t[]){ 6, 4, 3 }, 3, 1, (const int64_t[]){ 1, 2 },
                  (const int64_t[]){ 2 }, ones);
}

/* ---- what layers are fed with ---- */

static mxd_status quantize(mxdi_graph **q, const quant_case *c, const char *recipe, uint32_t repair,
                           uint32_t threads, mxd_error *err)
{
    static const mxd_constraints none   = { .struct_size = sizeof(none) };
    const mxdi_source            source = quant_source(c);
    mxdi_recipe                 *rules  = NULL;
    mxdi_quantize_result         r;
    const mxdi_quantize_options  o = { .backend  = &none,
                                       .registry = &c->registry,
                                       .threads  = threads,
                                       .data     = &source,
                                       .repair   = repair,
                                       .adaround = &mxdi_adaround };
    *err                           = (mxd_error)MXD_ERROR_INIT;
    if (mxdi_recipe_parse(&rules, (mxdi_view){ (const uint8_t *)recipe, strlen(recipe) }, NULL,
                          err) != MXD_OK)
        fail_msg("%s", err->msg);
    const mxd_status st = mxdi_quantize(q, &r, c->g, rules, c->calibration, &o, err);
    mxdi_recipe_destroy(rules);
    return st;
}

static mxdi_graph *quantized(const quant_case *c, const char *recipe, uint32_t repair)
{
    mxdi_graph *q = NULL;
    mxd_error   err;
    if (quantize(&q, c, recipe, repair, 1, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    return q;
}

/* Value `id` of a graph for all samples, n elements of each. */
static void run_to(float *out, const mxdi_graph *graph, uint32_t id, const quant_case *c, int64_t n)
{
    mxdi_graph       *g      = NULL;
    mxdi_feed         f      = MXDI_FEED_INIT;
    const mxdi_source source = quant_source(c);
    assert_int_equal(mxdi_graph_clone(&g, graph, NULL), MXD_OK);
    g->n_outputs = 0;
    graph_output(g, id);
    assert_int_equal(mxdi_graph_remove_dead(g, NULL), MXD_OK);
    assert_int_equal(mxdi_graph_compact(g, NULL), MXD_OK);
    mxdi_engine *const e = engine_of(
        g, &(mxdi_build_options){ .threads = 1, .batch = { QUANT_SAMPLES }, .n_batches = 1 });
    assert_int_equal(mxdi_feed_open(&f, e, &source, 0, 1, NULL), MXD_OK);
    assert_int_equal(mxdi_feed_run(&f, 0, QUANT_SAMPLES, NULL), MXD_OK);
    memcpy(out, f.out[0].data, (size_t)(QUANT_SAMPLES * n) * sizeof(float));
    mxdi_feed_close(&f);
    mxdi_engine_destroy(e);
}

enum { MOST = QUANT_SAMPLES * 4 * 36 };
typedef struct fed {
    float   x[2][MOST];
    int64_t samples, each;
} fed;

static mxd_status remember(void *user, const mxd_tensor *x, const mxd_tensor *q, int64_t first,
                           int64_t count, mxd_error *err)
{
    fed *const f = user;
    int64_t    n;
    (void)err;
    assert_int_equal(first, f->samples);
    assert_true(mxdi_shape_count(&n, x->dim, x->rank));
    f->each = n / count;
    assert_true((first + count) * f->each <= MOST);
    memcpy(f->x[0] + first * f->each, x->data, (size_t)n * sizeof(float));
    memcpy(f->x[1] + first * f->each, q->data, (size_t)n * sizeof(float));
    f->samples += count;
    return MXD_OK;
}

static uint32_t index_of(const mxdi_graph *g, const char *node)
{
    return (uint32_t)(graph_find(g, node) - g->node);
}

/* Whether or not there is room to keep what was computed; changed weights are seen. */
static void layers_are_fed_as_in_the_whole(void **state)
{
    (void)state;
    static const char *const names[] = { "stem", "branch", "head" };
    quant_case *const        c       = quant_begin("residual.onnx");
    const mxdi_source        source  = quant_source(c);
    float *const             want    = calloc(MOST, sizeof(float));
    for (int room = 0; room < 2; room++) {
        mxdi_graph *const         g = engine_network("residual.onnx");
        mxdi_graph *const         q = quantized(c, "[{\"precision\": \"w4a8\"}]", 0);
        mxdi_prefix              *p = NULL;
        const mxdi_prefix_options o = { &c->registry, &source, 100, room ? 1 << 20 : 0, 1 };
        prepare(g);
        assert_int_equal(mxdi_prefix_open(&p, g, q, &o, NULL), MXD_OK);
        assert_int_equal(mxdi_prefix_samples(p), QUANT_SAMPLES);
        for (int k = 0; k < 3; k++) {
            fed *const f   = calloc(1, sizeof(*f));
            mxd_error  err = MXD_ERROR_INIT;
            if (mxdi_prefix_run(p, index_of(g, names[k]), remember, f, &err) != MXD_OK)
                fail_msg("%s", err.msg);
            assert_int_equal(f->samples, QUANT_SAMPLES);
            for (int side = 0; side < 2; side++) {
                const mxdi_graph *const of = side ? q : g;
                run_to(want, of, graph_find(of, names[k])->in[0], c, f->each);
                for (int64_t i = 0; i < QUANT_SAMPLES * f->each; i++)
                    assert_true(fabsf(want[i] - f->x[side][i]) <= 1e-4f + 1e-5f * fabsf(want[i]));
            }
            if (k == 0) /* what was chosen for a layer is behind all that follow */
                memset((void *)(uintptr_t)value(q, "stem.weight_quantized")->data, 0x21, 36);
            free(f);
        }
        mxdi_prefix_close(p);
        mxdi_graph_destroy(q);
        mxdi_graph_destroy(g);
    }
    free(want);
    quant_end(c);
}

/* ---- what corrections do ---- */

typedef struct difference {
    double mean, square;
} difference; /* of outputs, all channels */

static difference differ(const quant_case *c, const mxdi_graph *q)
{
    float      y[QUANT_SAMPLES * 3], yq[QUANT_SAMPLES * 3];
    difference d = { 0.0, 0.0 };
    run_to(y, c->g, mxdi_graph_find_value(c->g, "y"), c, 3);
    run_to(yq, q, mxdi_graph_find_value(q, "y"), c, 3);
    for (int ch = 0; ch < 3; ch++) {
        double mean = 0.0;
        for (int k = 0; k < QUANT_SAMPLES; k++) {
            const double off = (double)yq[k * 3 + ch] - (double)y[k * 3 + ch];
            mean += off / QUANT_SAMPLES;
            d.square += off * off;
        }
        d.mean += fabs(mean);
    }
    return d;
}

static void bias_takes_the_mean_error_out(void **state)
{
    (void)state;
    static const char *const recipes[] = {
        "[{\"precision\": \"w3a8\"}]", "[{\"precision\": \"w3-f32\"}]",
        "[{\"precision\": \"w3-f32\", \"granularity\": \"block:8\"}]",
        "[{\"precision\": \"w4-bf16\"}]"
    };
    quant_case *const c = quant_begin("residual.onnx");
    for (size_t k = 0; k < sizeof(recipes) / sizeof(recipes[0]); k++) {
        mxdi_graph *const plain = quantized(c, recipes[k], 0), *const repaired = quantized(
                                                                   c, recipes[k], MXDI_REPAIR_BIAS);
        const difference before = differ(c, plain), after = differ(c, repaired);
        assert_true(after.mean < 0.02 * before.mean || after.mean < 2e-3);
        assert_memory_equal(value(plain, "head.weight_quantized")->data,
                            value(repaired, "head.weight_quantized")->data, 6);
        mxdi_graph_destroy(plain);
        mxdi_graph_destroy(repaired);
    }
    quant_end(c);
}

/* A Conv without a bias, then a matrix of columns, then one that is no Gemm. */
static mxdi_graph *three_products(void)
{
    mxdi_graph *const g = graph_new(17);
    float             w[128];
    for (int k = 0; k < 128; k++)
        w[k] = (float)(k * 53 % 31 - 14) / 30.0f;
    const uint32_t x = graph_input(g, "x", MXD_F32, DIMS(-1, 2, 6, 6));
    const uint32_t a = graph_open(g, "a"), b = graph_open(g, "b"), c = graph_open(g, "c"),
                   d = graph_open(g, "d"), e = graph_open(g, "e"), y = graph_open(g, "y");
    const uint32_t conv =
        graph_node(g, "Conv", "stem",
                   VALUES(x, graph_constant(g, "w1", MXD_F32, w, DIMS(4, 2, 3, 3))), VALUES(a));
    graph_ints(g, conv, "strides", DIMS(3, 3));
    graph_node(g, "Relu", "relu", VALUES(a), VALUES(b));
    graph_node(g, "Flatten", "flat", VALUES(b), VALUES(c));
    graph_node(g, "Gemm", "gemm",
               VALUES(c, graph_constant(g, "w2", MXD_F32, w, DIMS(16, 5)),
                      graph_constant(g, "b2", MXD_F32, w, DIMS(5))),
               VALUES(d));
    graph_node(g, "Relu", "relu2", VALUES(d), VALUES(e));
    graph_node(g, "MatMul", "product",
               VALUES(e, graph_constant(g, "w3", MXD_F32, w + 7, DIMS(5, 3))), VALUES(y));
    graph_output(g, y);
    return g;
}

static void adaround_comes_closer(void **state)
{
    (void)state;
    static const char *const recipes[] = {
        "[{\"precision\": \"w4a8\"}]", "[{\"precision\": \"w3-f32\"}]",
        "[{\"precision\": \"w2a8\", \"granularity\": \"tensor\"}]",
        "[{\"precision\": \"w3a8\"}, {\"names\": [\"gemm\"], \"precision\": \"w3-f32\"}]"
    };
    for (int network = 0; network < 2; network++) {
        quant_case *const c =
            network ? quant_begin_with(three_products()) : quant_begin("residual.onnx");
        for (size_t k = 0; k < sizeof(recipes) / sizeof(recipes[0]) - !network; k++) {
            mxdi_graph *const plain    = quantized(c, recipes[k], 0);
            mxdi_graph *const repaired = quantized(c, recipes[k], MXDI_REPAIR_ADAROUND);
            const difference  before = differ(c, plain), after = differ(c, repaired);
            if (!(after.square < 0.7 * before.square))
                fail_msg("%s: %g, nearest %g", recipes[k], after.square, before.square);
            mxdi_graph_destroy(plain);
            mxdi_graph_destroy(repaired);
        }
        quant_end(c);
    }
}

/* Integers of the stem, (4, 18), 4 bits two to a byte. */
static int nibble(const mxdi_graph *q, int k)
{
    const int n =
        ((const uint8_t *)value(q, "stem.weight_quantized")->data)[k / 2] >> k % 2 * 4 & 15;
    return n > 7 ? n - 16 : n;
}

static void roundings_are_down_or_up(void **state)
{
    (void)state;
    quant_case *const  c = quant_begin("residual.onnx");
    mxdi_graph *const  q = quantized(c, "[{\"precision\": \"w4a8\"}]", MXDI_REPAIR_ADAROUND);
    const float *const w = value(c->g, "stem.weight")->data, *const s =
                                                                 value(q, "stem.weight_scale")
                                                                     ->data;
    int turned = 0;
    for (int k = 0; k < 72; k++) {
        const double u = fmin(fmax((double)w[k] / (double)s[k / 18], -7.0), 7.0);
        const int    n = nibble(q, k);
        assert_true(n >= -7 && n <= 7 && fabs((double)n - u) < 1.0 + 1e-6);
        turned += n != (int)rint(u);
    }
    assert_true(turned > 0);
    mxdi_graph_destroy(q);
    quant_end(c);
}

static void same_bits(const mxdi_graph *a, const mxdi_graph *b, bool same)
{
    mxdi_bytes x = MXDI_BYTES_INIT, y = MXDI_BYTES_INIT;
    assert_int_equal(mxdi_onnx_write(&x, a, NULL), MXD_OK);
    assert_int_equal(mxdi_onnx_write(&y, b, NULL), MXD_OK);
    assert_int_equal(x.size == y.size && memcmp(x.data, y.data, x.size) == 0, same);
    mxdi_bytes_free(&x);
    mxdi_bytes_free(&y);
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    quant_case *const c = quant_begin("residual.onnx");
    mxdi_graph       *a = NULL, *b = NULL;
    mxd_error         err;
    const uint32_t    all = MXDI_REPAIR_CLE | MXDI_REPAIR_BIAS | MXDI_REPAIR_ADAROUND;
    assert_int_equal(quantize(&a, c, "[{\"precision\": \"w4a8\"}]", all, 1, &err), MXD_OK);
    assert_int_equal(quantize(&b, c, "[{\"precision\": \"w4a8\"}]", all, 3, &err), MXD_OK);
    same_bits(a, b, true);
    mxdi_graph_destroy(a);
    mxdi_graph_destroy(b);
    quant_end(c);
}

/* A recipe asks for one layer; "nearest" keeps another out of what is asked of all. */
static void recipes_say_which_layers(void **state)
{
    (void)state;
    quant_case *const c     = quant_begin("residual.onnx");
    mxdi_graph *const plain = quantized(c, "[{\"precision\": \"w4a8\"}]", 0);
    mxdi_graph *const one =
        quantized(c,
                  "[{\"precision\": \"w4a8\"},"
                  " {\"names\": [\"stem\"], \"precision\": \"w4a8\", \"rounding\": \"adaround\"}]",
                  0);
    mxdi_graph *const but_one =
        quantized(c,
                  "[{\"precision\": \"w4a8\"},"
                  " {\"names\": [\"stem\"], \"precision\": \"w4a8\", \"rounding\": \"nearest\"}]",
                  MXDI_REPAIR_ADAROUND);
    const mxdi_graph *const graphs[] = { one, but_one };
    for (int k = 0; k < 2; k++) {
        const int stem   = memcmp(value(plain, "stem.weight_quantized")->data,
                                  value(graphs[k], "stem.weight_quantized")->data, 36);
        const int branch = memcmp(value(plain, "branch.weight_quantized")->data,
                                  value(graphs[k], "branch.weight_quantized")->data, 8);
        const int head   = memcmp(value(plain, "head.weight_quantized")->data,
                                  value(graphs[k], "head.weight_quantized")->data, 6);
        assert_int_equal(stem != 0, k == 0);
        assert_int_equal(branch != 0 || head != 0, k == 1);
    }
    mxdi_graph_destroy(plain);
    mxdi_graph_destroy(one);
    mxdi_graph_destroy(but_one);
    quant_end(c);
}

/* Weights at scales that a file tells keep the integers of their training. */
static void told_weights_stay(void **state)
{
    (void)state;
    static const char text[] =
        "{\"stem\": {\"weight_bits\": 4, \"weight_scale\": [0.3], \"weight_zero_point\": [0.0],"
        "            \"input_bits\": 8, \"tracked_min_input\": -2, \"tracked_max_input\": 3},"
        " \"branch\": {\"input_bits\": 8, \"tracked_min_input\": 0, \"tracked_max_input\": 5},"
        " \"head\": {\"input_bits\": 8, \"tracked_min_input\": 0, \"tracked_max_input\": 9}}";
    quant_case *const       c    = quant_begin("residual.onnx");
    mxdi_calibration *const seen = c->calibration;
    mxd_error               err  = MXD_ERROR_INIT;
    if (mxdi_calibration_parse(&c->calibration, (mxdi_view){ (const uint8_t *)text, strlen(text) },
                               NULL, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    mxdi_graph *const plain    = quantized(c, "[{\"precision\": \"w4a8\"}]", 0);
    mxdi_graph *const repaired = quantized(c, "[{\"precision\": \"w4a8\"}]", MXDI_REPAIR_ADAROUND);
    mxdi_graph       *none     = NULL;
    assert_memory_equal(value(plain, "stem.weight_quantized")->data,
                        value(repaired, "stem.weight_quantized")->data, 36);
    assert_true(((const float *)value(repaired, "stem.weight_scale")->data)[0] == 0.3f);
    same_bits(plain, repaired, false);
    assert_int_equal(quantize(&none, c, "[{\"precision\": \"w4a8\"}]", MXDI_REPAIR_CLE, 1, &err),
                     MXD_E_USAGE);
    ASSERT_SAYS(err, "NNI");
    mxdi_graph_destroy(plain);
    mxdi_graph_destroy(repaired);
    mxdi_calibration_destroy(seen);
    quant_end(c);
}

/* The float network is only read, though biases and weights of copies change. */
static void the_float_network_stays(void **state)
{
    (void)state;
    quant_case *const c      = quant_begin("residual.onnx");
    mxdi_bytes        before = MXDI_BYTES_INIT, after = MXDI_BYTES_INIT;
    assert_int_equal(mxdi_onnx_write(&before, c->g, NULL), MXD_OK);
    mxdi_graph_destroy(quantized(c, "[{\"precision\": \"w4-f32\"}]",
                                 MXDI_REPAIR_CLE | MXDI_REPAIR_BIAS | MXDI_REPAIR_ADAROUND));
    assert_int_equal(mxdi_onnx_write(&after, c->g, NULL), MXD_OK);
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.data, after.data, before.size);
    mxdi_bytes_free(&before);
    mxdi_bytes_free(&after);
    quant_end(c);
}

/* ---- blocks ---- */

typedef struct seen {
    const mxdi_block *block;
    float             x[2][QUANT_SAMPLES * 72];
    int64_t           n[2];
    int               opened;
} seen;
static seen looked;

static mxd_status open_look(void **state, const mxdi_block *block, const mxd_allocator *alloc,
                            mxd_error *err)
{
    (void)alloc;
    (void)err;
    looked.block = block;
    looked.opened++;
    *state = &looked;
    return MXD_OK;
}

static mxd_status add_look(void *state, const mxd_tensor *x, const mxd_tensor *y, int64_t count,
                           mxd_error *err)
{
    seen *const s = state;
    const int   k = s->opened - 1;
    (void)err;
    assert_memory_equal(x->dim, y->dim, 4 * sizeof(x->dim[0]));
    memcpy(s->x[k] + s->n[k] * 72, x->data, (size_t)count * 72 * sizeof(float));
    s->n[k] += count;
    return MXD_OK;
}

/* Anything: what follows has to see it. */
static mxd_status solve_look(void *state, mxdi_block_errors *errors, const mxdi_progress *progress,
                             mxd_error *err)
{
    const seen *const s = state;
    (void)progress;
    (void)err;
    for (uint32_t l = 0; l < s->block->n_layers; l++)
        for (int64_t k = 0; k < s->block->layer[l].n; k++)
            s->block->layer[l].q[k] = (int8_t)(s->block->layer[l].q[k] / 2);
    *errors = (mxdi_block_errors){ 1.0, 0.5 };
    return MXD_OK;
}

static void close_look(void *state)
{
    (void)state;
}

/* Each block reads what the quantized network gives with all that was chosen in front of it. */
static void blocks_are_fed_as_in_the_whole(void **state)
{
    (void)state;
    static const mxdi_reconstruction look    = { open_look, add_look, solve_look, close_look };
    static const char *const         reads[] = { "stem.relu", "second.relu" };
    quant_case *const                c       = quant_begin_with(block_network(0, 2));
    float *const                     want    = calloc(MOST, sizeof(float));
    mxdi_graph                      *q       = NULL;
    mxd_error                        err     = MXD_ERROR_INIT;
    mxdi_quantize_result             r;
    looked = (seen){ .opened = 0 };
    if (block_quantize(&q, &r, c, "w4a8", &look, 1, NULL, NULL, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(r.n_blocks, 2);
    assert_int_equal(looked.opened, 2);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(looked.n[k], QUANT_SAMPLES);
        run_to(want, q, mxdi_graph_find_value(q, reads[k]), c, 72);
        for (int i = 0; i < QUANT_SAMPLES * 72; i++)
            assert_true(fabsf(want[i] - looked.x[k][i]) <= 1e-4f + 1e-5f * fabsf(want[i]));
    }
    free(want);
    mxdi_graph_destroy(q);
    quant_end(c);
}

/* ---- what cannot be ---- */

static int stop_late(void *user, double done)
{
    *(double *)user = done;
    return done > 0.5;
}

static void what_cannot_be(void **state)
{
    (void)state;
    static const mxd_constraints none = { .struct_size = sizeof(none) };
    static const char     text[]      = "[{\"precision\": \"w4-f32\", \"rounding\": \"adaround\"}]";
    quant_case *const     c           = quant_begin("residual.onnx");
    const mxdi_source     source      = quant_source(c);
    double                done        = 0.0;
    mxdi_quantize_options o           = {
                  .backend = &none, .registry = &c->registry, .threads = 1, .adaround = &mxdi_adaround
    };
    mxdi_recipe         *rules = NULL;
    mxdi_quantize_result r;
    mxdi_graph          *q   = NULL;
    mxd_error            err = MXD_ERROR_INIT;
    assert_int_equal(
        mxdi_recipe_parse(&rules, (mxdi_view){ (const uint8_t *)text, strlen(text) }, NULL, &err),
        MXD_OK);
    assert_int_equal(mxdi_quantize(&q, &r, c->g, rules, NULL, &o, &err), MXD_E_USAGE);
    ASSERT_SAYS(err, "adaround");
    ASSERT_SAYS(err, "--data");
    o.data     = &source;
    o.progress = stop_late;
    o.user     = &done;
    assert_int_equal(mxdi_quantize(&q, &r, c->g, rules, NULL, &o, &err), MXD_E_CANCELLED);
    assert_null(q);
    assert_true(done > 0.5 && done < 1.0);
    o.adaround = NULL;
    assert_int_equal(mxdi_quantize(&q, &r, c->g, rules, NULL, &o, &err), MXD_E_UNSUPPORTED);
    ASSERT_SAYS(err, "stem");
    mxdi_recipe_destroy(rules);
    quant_end(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_what_windows_see),
        cmocka_unit_test(layers_are_fed_as_in_the_whole),
        cmocka_unit_test(bias_takes_the_mean_error_out),
        cmocka_unit_test(adaround_comes_closer),
        cmocka_unit_test(roundings_are_down_or_up),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(recipes_say_which_layers),
        cmocka_unit_test(told_weights_stay),
        cmocka_unit_test(the_float_network_stays),
        cmocka_unit_test(blocks_are_fed_as_in_the_whole),
        cmocka_unit_test(what_cannot_be),
    };
    return cmocka_run_group_tests_name("quant_repair", tests, NULL, NULL);
}
