/* SPDX-License-Identifier: Apache-2.0
 *
 * Roundings of a block together: the gradient against finite differences, what is chosen against
 * all choices that there are, and that nothing comes out worse.
 */
#include "block_case.h"

#include <math.h>

#include "quant/layer.h"
#include "train/adaround_block.h"

/* ---- a look at the block: in front of what mxdi_adaround_blocks does ---- */

static void (*look)(mxdi_block_state *s); /* of the test that runs */

static mxd_status solve_after_look(void *state, mxdi_block_errors *errors,
                                   const mxdi_progress *progress, mxd_error *err)
{
    look(state);
    return mxdi_adaround_blocks.solve(state, errors, progress, err);
}

static mxdi_reconstruction looking(void (*at)(mxdi_block_state *))
{
    mxdi_reconstruction r = mxdi_adaround_blocks;
    look                  = at;
    r.solve               = solve_after_look;
    return r;
}

static mxdi_graph *quantized(mxdi_quantize_result *r, const quant_case *c, const char *precision,
                             const mxdi_reconstruction *blocks, uint32_t threads)
{
    mxdi_graph *q   = NULL;
    mxd_error   err = MXD_ERROR_INIT;
    if (block_quantize(&q, r, c, precision, blocks, threads, NULL, NULL, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    return q;
}

/* Mean square error, in the outputs' mean square, of the samples that are held out, with the
 * parameters as they stand: every fourth of 40, as many times as a batch of 32 holds them. */
static double error_now(mxdi_block_state *s)
{
    double error;
    for (int i = 0; i < MXDI_BLOCK_BATCH; i++)
        s->index[i] = i % 10 * 4 + 3;
    assert_int_equal(mxdi_block_error(s, &error, false, NULL), MXD_OK);
    return error / s->square;
}

/* ---- the gradient ---- */

static void check_gradient(mxdi_block_state *s)
{
    const double step = 1e-2;
    double       error;
    assert_int_equal(s->block->n_layers, 2);
    for (int i = 0; i < MXDI_BLOCK_BATCH; i++)
        s->index[i] = i;
    for (uint32_t l = 0; l < 2; l++) {
        const mxdi_block_weights *const w = &s->weights[l];
        for (int64_t k = 0; k < w->layer->n; k++) /* far from the layer's choice, too */
            w->v[k] = (float)(k % 3 - 1) * 0.7f;
    }
    for (uint32_t l = 0; l < 2; l++) {
        const mxdi_block_weights *const w = &s->weights[l];
        mxdi_relaxed_step               r;
        mxdi_relaxed_powers(&r, 0.0f);
        for (int64_t k = 0; k < w->layer->n; k++) {
            const float at = w->v[k];
            double      up, down;
            mxdi_block_soften(s);
            assert_int_equal(mxdi_block_error(s, &error, true, NULL), MXD_OK);
            const double got =
                (double)mxdi_relaxed_gradient(&r, w->param->dw[k] * w->span[k], w->sigmoid[k]);
            w->v[k] = at + (float)step;
            mxdi_block_soften(s);
            assert_int_equal(mxdi_block_error(s, &up, false, NULL), MXD_OK);
            w->v[k] = at - (float)step;
            mxdi_block_soften(s);
            assert_int_equal(mxdi_block_error(s, &down, false, NULL), MXD_OK);
            w->v[k]           = at;
            const double want = (up - down) / (2.0 * step);
            if (fabs(got - want) > 2e-2 * fabs(want) + 1e-3 * error)
                fail_msg("layer %u, weight %d: %g, differences give %g", l, (int)k, got, want);
        }
        assert_true(w->span[0] == 0.0f || w->span[0] == 1.0f);
    }
    for (uint32_t l = 0; l < 2; l++) /* as it was */
        for (int64_t k = 0; k < s->weights[l].layer->n; k++)
            s->weights[l].v[k] = s->weights[l].layer->q[k] > s->weights[l].down[k] ? 1.0f : -1.0f;
}

static void gradient_is_that_of_the_error(void **state)
{
    (void)state;
    quant_case *const         c  = quant_begin_with(block_network(1, 1));
    const mxdi_reconstruction at = looking(check_gradient);
    mxdi_quantize_result      r;
    mxdi_graph_destroy(quantized(&r, c, "w3-f32", &at, 1)); /* no rounding of activations */
    assert_int_equal(r.n_blocks, 1);
    quant_end(c);
}

/* ---- what is chosen ---- */

static double best, own;

/* All 256 roundings of the block. */
static void try_all(mxdi_block_state *s)
{
    best = INFINITY;
    for (uint32_t l = 0; l < 2; l++)
        for (int64_t k = 0; k < 4; k++)
            s->weights[l].param->w[k] = (float)s->weights[l].layer->q[k];
    own = error_now(s);
    for (int choice = 0; choice < 256; choice++) {
        for (uint32_t l = 0; l < 2; l++)
            for (int k = 0; k < 4; k++) {
                const mxdi_block_weights *const w = &s->weights[l];
                w->param->w[k] =
                    w->down[k] + (choice >> (l * 4 + (uint32_t)k) & 1 ? w->span[k] : 0.0f);
            }
        best = fmin(best, error_now(s));
    }
}

/* Layers on their own miss the best that the block can have; together they come to it, or near. */
static void together_is_better(void **state)
{
    (void)state;
    const mxdi_reconstruction at     = looking(try_all);
    double                    missed = 0.0, left = 0.0;
    for (uint32_t seed = 0; seed < 6; seed++) {
        quant_case *const              c = quant_begin_with(block_network(seed, 1));
        mxdi_quantize_result           r;
        mxdi_graph *const              q = quantized(&r, c, "w2-f32", &at, 1);
        const mxdi_block_report *const b = r.block;
        assert_int_equal(r.n_blocks, 1);
        assert_int_equal(b->n_nodes, 2);
        assert_string_equal(b->node[0], "first");
        assert_string_equal(b->node[1], "second");
        assert_null(b->why);
        assert_true(fabs(b->before - own) < 1e-6 * own && b->after > 0.999999 * best);
        missed += own - best;
        left += fmin(b->before, b->after) - best;
        mxdi_graph_destroy(q);
        quant_end(c);
    }
    if (!(missed > 0.1 && left < 0.1 * missed))
        fail_msg("layers miss %g, together %g", missed, left);
}

static int8_t integer(const mxdi_graph *q, const char *layer, int k)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "%s.w_quantized", layer);
    const uint32_t v = mxdi_graph_find_value(q, name);
    assert_true(v != MXD_NO_VALUE);
    return mxdi_integer_read(&q->value[v], k);
}

static int differing(const mxdi_graph *a, const mxdi_graph *b, const char *layer)
{
    int n = 0;
    for (int k = 0; k < 4; k++)
        n += integer(a, layer, k) != integer(b, layer, k);
    return n;
}

/* The second network's layers have the best already, and what comes out together is worse. */
static void nothing_gets_worse(void **state)
{
    (void)state;
    int turned = 0, kept = 0;
    for (uint32_t seed = 0; seed < 3; seed++) {
        quant_case *const    c = quant_begin_with(block_network(seed, 1));
        mxdi_quantize_result r;
        mxdi_graph *const    layer = quantized(&r, c, "w2-f32", NULL, 1);
        assert_int_equal(r.n_blocks, 0);
        mxdi_graph *const block = quantized(&r, c, "w2-f32", &mxdi_adaround_blocks, 1);
        const int         n = differing(layer, block, "first") + differing(layer, block, "second");
        assert_int_equal(differing(layer, block, "stem"), 0);
        if (r.block[0].after < r.block[0].before) {
            assert_true(n > 0);
            turned++;
        } else {
            assert_int_equal(n, 0);
            kept++;
        }
        mxdi_graph_destroy(layer);
        mxdi_graph_destroy(block);
        quant_end(c);
    }
    assert_true(turned > 0 && kept > 0);
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    static const char *const precisions[] = { "w3a8", "w2-f32" };
    quant_case *const        c            = quant_begin_with(block_network(3, 1));
    for (int k = 0; k < 2; k++) {
        mxdi_bytes           x = MXDI_BYTES_INIT, y = MXDI_BYTES_INIT;
        mxdi_quantize_result r, s;
        mxdi_graph *const    a = quantized(&r, c, precisions[k], &mxdi_adaround_blocks, 1);
        mxdi_graph *const    b = quantized(&s, c, precisions[k], &mxdi_adaround_blocks, 3);
        assert_int_equal(mxdi_onnx_write(&x, a, NULL), MXD_OK);
        assert_int_equal(mxdi_onnx_write(&y, b, NULL), MXD_OK);
        assert_int_equal(x.size, y.size);
        assert_memory_equal(x.data, y.data, x.size);
        assert_true(r.block[0].before == s.block[0].before && r.block[0].after == s.block[0].after);
        mxdi_bytes_free(&x);
        mxdi_bytes_free(&y);
        mxdi_graph_destroy(a);
        mxdi_graph_destroy(b);
    }
    quant_end(c);
}

/* ---- what cannot be ---- */

static int stop_late(void *user, double done)
{
    double *const seen = user;
    assert_true(done >= seen[0] - 1e-9 && done <= 1.0);
    seen[0] = done;
    return done > seen[1];
}

static void stops_when_told(void **state)
{
    (void)state;
    quant_case *const    c = quant_begin_with(block_network(0, 1));
    mxdi_quantize_result r;
    mxdi_graph          *q       = NULL;
    mxd_error            err     = MXD_ERROR_INIT;
    double               seen[2] = { 0.0, 0.6 }; /* three layers are 3 of 23 parts */
    assert_int_equal(
        block_quantize(&q, &r, c, "w3a8", &mxdi_adaround_blocks, 1, stop_late, seen, &err),
        MXD_E_CANCELLED);
    assert_null(q);
    assert_true(seen[0] > 0.6 && seen[0] < 0.7);
    quant_end(c);
}

/* What the tape does not know stays as the layers have it, and the report says why. */
static void others_go_layer_by_layer(void **state)
{
    (void)state;
    mxdi_graph *const    g = block_network(0, 1);
    mxdi_quantize_result r;
    for (uint32_t n = 0; n < g->n_nodes; n++)
        if (strcmp(g->node[n].name, "first.relu") == 0)
            g->node[n].op = "Sigmoid";
    quant_case       *c     = quant_begin_with(g);
    mxdi_graph *const layer = quantized(&r, c, "w3-f32", NULL, 1);
    mxdi_graph       *block = quantized(&r, c, "w3-f32", &mxdi_adaround_blocks, 1);
    assert_int_equal(r.n_blocks, 1);
    assert_int_equal(r.block[0].iterations, 0);
    assert_non_null(r.block[0].why);
    assert_non_null(strstr(r.block[0].why, "first.relu"));
    assert_int_equal(differing(layer, block, "first") + differing(layer, block, "second"), 0);
    mxdi_graph_destroy(layer);
    mxdi_graph_destroy(block);
    quant_end(c);
    c     = quant_begin_with(block_network(0, 1));
    block = quantized(&r, c, "w4-bf16", &mxdi_adaround_blocks, 1); /* weights behind casts */
    assert_int_equal(r.n_blocks, 1);
    assert_non_null(strstr(r.block[0].why, "first"));
    mxdi_graph_destroy(block);
    quant_end(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradient_is_that_of_the_error),
        cmocka_unit_test(together_is_better),
        cmocka_unit_test(nothing_gets_worse),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(stops_when_told),
        cmocka_unit_test(others_go_layer_by_layer),
    };
    return cmocka_run_group_tests_name("train_block", tests, NULL, NULL);
}
