/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions: batches in pieces, plans of several sizes, networks of a fixed batch, what is handed
 * through, profiles, and inputs that do not fit.
 */
#include "engine_case.h"

#include <math.h>

enum { N = 11, SAMPLE = 72, Y = 3 };

static mxdi_engine *residual(const int64_t *batch, uint32_t n)
{
    mxdi_build_options o = { .threads = 1, .n_batches = n };
    memcpy(o.batch, batch, n * sizeof(batch[0]));
    return engine_of(engine_network("residual.onnx"), &o);
}

/* Sample by sample in an engine of batch 1. */
static void fill_and_want(float *x, float *want)
{
    mxdi_engine *const  e = residual((const int64_t[]){ 1 }, 1);
    mxdi_session *const s = engine_session(e);
    engine_fill(x, (size_t)N * SAMPLE);
    for (int k = 0; k < N; k++) {
        const mxd_tensor in  = engine_tensor(x + k * SAMPLE, MXD_F32, DIMS(1, 2, 6, 6));
        const mxd_tensor out = engine_tensor(want + k * Y, MXD_F32, DIMS(1, Y));
        assert_int_equal(mxdi_session_run(s, &in, 1, &out, 1, NULL), MXD_OK);
    }
    mxdi_session_close(s);
    mxdi_engine_destroy(e);
}

static void any_number_of_samples(void **state)
{
    (void)state;
    static const struct {
        int64_t  batch[3];
        uint32_t n;
    } plans[] = { { { 1 }, 1 }, { { 4 }, 1 }, { { 1, 3, 8 }, 3 }, { { 16 }, 1 } };
    float x[N * SAMPLE], want[N * Y], got[(N + 1) * Y];
    fill_and_want(x, want);
    for (size_t p = 0; p < sizeof(plans) / sizeof(plans[0]); p++) {
        mxdi_engine *const  e = residual(plans[p].batch, plans[p].n);
        mxdi_session *const s = engine_session(e);
        assert_int_equal(mxdi_session_batch(s), plans[p].batch[plans[p].n - 1]);
        for (int n = 1; n <= N; n++) {
            mxd_tensor       out;
            const mxd_tensor in = engine_tensor(x, MXD_F32, DIMS(n, 2, 6, 6));
            assert_int_equal(mxdi_session_output(&out, s, 0, n, NULL), MXD_OK);
            assert_true(out.rank == 2 && out.dim[0] == n && out.dim[1] == Y &&
                        out.dtype == MXD_F32);
            memset(got, 0x55, sizeof(got));
            out.data = got;
            assert_int_equal(mxdi_session_run(s, &in, 1, &out, 1, NULL), MXD_OK);
            assert_memory_equal(got, want, (size_t)(n * Y) * sizeof(float));
            const uint32_t guard = 0x55555555;
            assert_memory_equal(got + n * Y, &guard, sizeof(guard));
        }
        mxdi_session_close(s);
        mxdi_engine_destroy(e);
    }
}

/* The batch stands in the file: pieces of that size, the last one filled up. */
static void fixed_batch(void **state)
{
    (void)state;
    enum { B = 4, K = 5 };
    float       x[N * K], got[N * 2], w[K * 2];
    mxdi_graph *g = graph_new(17);
    engine_fill(x, N * K);
    engine_fill(w, K * 2);
    const uint32_t y = graph_open(g, "y");
    graph_node(g, "MatMul", "m",
               VALUES(graph_input(g, "x", MXD_F32, DIMS(B, K)),
                      graph_constant(g, "w", MXD_F32, w, DIMS(K, 2))),
               VALUES(y));
    graph_output(g, y);
    mxdi_engine *const e =
        engine_of(g, &(mxdi_build_options){ .threads = 1, .batch = { 9 }, .n_batches = 1 });
    mxdi_session *const s = engine_session(e);
    assert_int_equal(mxdi_session_batch(s), B);
    for (int n = 1; n <= N; n++) {
        const mxd_tensor in  = engine_tensor(x, MXD_F32, DIMS(n, K));
        const mxd_tensor out = engine_tensor(got, MXD_F32, DIMS(n, 2));
        memset(got, 0, sizeof(got));
        assert_int_equal(mxdi_session_run(s, &in, 1, &out, 1, NULL), MXD_OK);
        for (int k = 0; k < N * 2; k++) {
            float sum = 0.0f;
            for (int i = 0; i < K; i++)
                sum = fmaf(x[k / 2 * K + i], w[i * 2 + k % 2], sum);
            assert_true(got[k] == (k < n * 2 ? sum : 0.0f));
        }
    }
    mxdi_session_close(s);
    mxdi_engine_destroy(e);
}

/* Outputs that no node makes: an input, a constant, one value under two names. */
static void handed_through(void **state)
{
    (void)state;
    mxdi_graph    *g    = graph_new(17);
    const float    c[3] = { 1.0f, 2.0f, 3.0f };
    const uint32_t x = graph_input(g, "x", MXD_F32, DIMS(2, 3)), y = graph_open(g, "y");
    graph_node(g, "Neg", "neg", VALUES(x), VALUES(y));
    graph_output(g, y);
    graph_output(g, x);
    graph_output(g, graph_constant(g, "c", MXD_F32, c, DIMS(3)));
    graph_output(g, y);
    mxdi_engine *const e     = engine_of(g, &(mxdi_build_options){ .threads = 1 });
    float              in[6] = { 1, -2, 3, -4, 5, -6 }, out[4][6] = { { 0 } };
    const mxd_tensor   t    = engine_tensor(in, MXD_F32, DIMS(2, 3));
    const mxd_tensor   to[] = { engine_tensor(out[0], MXD_F32, DIMS(2, 3)),
                                engine_tensor(out[1], MXD_F32, DIMS(2, 3)),
                                engine_tensor(out[2], MXD_F32, DIMS(3)),
                                engine_tensor(out[3], MXD_F32, DIMS(2, 3)) };
    engine_run(e, &t, 1, to, 4);
    for (int k = 0; k < 6; k++)
        assert_true(out[0][k] == -in[k] && out[3][k] == -in[k] && out[1][k] == in[k] &&
                    out[2][k] == (k < 3 ? c[k] : 0.0f));
    mxdi_engine_destroy(e);
}

static void what_does_not_fit(void **state)
{
    (void)state;
    mxdi_engine *const e =
        engine_of(engine_network("two_ends.onnx"),
                  &(mxdi_build_options){ .threads = 1, .batch = { 2 }, .n_batches = 1 });
    mxdi_session *const s     = engine_session(e);
    float               a[12] = { 0 }, b[12] = { 0 };
    mxd_error           err;
    const mxd_tensor    left = engine_tensor(a, MXD_F32, DIMS(2, 3)),
                     right   = engine_tensor(a, MXD_F32, DIMS(2, 2));
    const mxd_tensor y[2]    = { engine_tensor(b, MXD_F32, DIMS(2, 2)),
                                 engine_tensor(b + 4, MXD_F32, DIMS(2, 2)) };
    const struct {
        mxd_tensor  x[2];
        mxd_status  status;
        const char *words[3];
    } cases[] = {
        { { engine_tensor(a, MXD_F32, DIMS(2, 4)), right }, MXD_E_SHAPE, { "left", "2x3", "2x4" } },
        { { left, engine_tensor(a, MXD_F32, DIMS(2)) }, MXD_E_SHAPE, { "right", "2x2", "got 2" } },
        { { left, engine_tensor(a, MXD_F32, DIMS(1, 2)) },
          MXD_E_SHAPE,
          { "right", "2x2", "1x2" } }, /* another batch than left's */
        { { engine_tensor(a, MXD_S32, DIMS(2, 3)), right }, MXD_E_DTYPE, { "left", "f32", "s32" } },
        { { engine_tensor(a, MXD_F32, DIMS(0, 3)), right }, MXD_E_SHAPE, { "left", "2x3", "0x3" } },
    };
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        err = (mxd_error)MXD_ERROR_INIT;
        assert_int_equal(mxdi_session_run(s, cases[k].x, 2, y, 2, &err), cases[k].status);
        for (int i = 0; i < 3; i++)
            ASSERT_SAYS(err, cases[k].words[i]);
    }
    const mxd_tensor x[2]     = { left, right },
                     small[2] = { engine_tensor(b, MXD_F32, DIMS(1, 2)), y[1] };
    assert_int_equal(mxdi_session_run(s, x, 1, y, 2, &err), MXD_E_USAGE);
    assert_int_equal(mxdi_session_run(s, x, 2, y, 1, &err), MXD_E_USAGE);
    assert_int_equal(mxdi_session_run(s, x, 2, small, 2, &err), MXD_E_SHAPE);
    assert_int_equal(mxdi_session_output(&(mxd_tensor){ .rank = 0 }, s, 2, 1, &err), MXD_E_USAGE);
    assert_int_equal(mxdi_session_run(s, x, 2, y, 2, &err), MXD_OK);
    mxdi_session_close(s);
    mxdi_engine_destroy(e);
}

/* Rows of the plan that is asked for; times appear after the first call, and only of runs since. */
static void profile(void **state)
{
    (void)state;
    mxdi_engine *const  e    = residual((const int64_t[]){ 1, 4 }, 2);
    mxdi_session *const s    = engine_session(e);
    mxdi_profile_row   *rows = NULL;
    uint32_t            n    = 0;
    float               x[4 * SAMPLE], y[4 * Y];
    const mxd_tensor    in = engine_tensor(x, MXD_F32, DIMS(4, 2, 6, 6)),
                     out   = engine_tensor(y, MXD_F32, DIMS(4, Y));
    engine_fill(x, 4 * SAMPLE);
    assert_int_equal(mxdi_session_profile(s, 4, &rows, &n, NULL), MXD_OK);
    assert_true(n > 0);
    for (uint32_t k = 0; k < n; k++)
        assert_true(rows[k].ms == 0.0 && rows[k].step.kernel && rows[k].step.computed);
    mxdi_free(NULL, rows);
    assert_int_equal(mxdi_session_run(s, &in, 1, &out, 1, NULL), MXD_OK);
    for (int again = 0; again < 2; again++) {
        int64_t macs = 0;
        double  sum  = 0.0;
        assert_int_equal(mxdi_session_profile(s, 4, &rows, &n, NULL), MXD_OK);
        for (uint32_t k = 0; k < n; k++) {
            macs += rows[k].step.macs;
            sum += rows[k].ms;
        }
        assert_int_equal(macs, 4 * (36 * 18 * 4 + 36 * 16 + 12));
        assert_true(again ? sum == 0.0 : sum > 0.0);
        mxdi_free(NULL, rows);
    }
    mxdi_session_close(s);
    mxdi_engine_destroy(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_samples),
        cmocka_unit_test(fixed_batch),
        cmocka_unit_test(handed_through),
        cmocka_unit_test(what_does_not_fit),
        cmocka_unit_test(profile),
    };
    return cmocka_run_group_tests_name("engine_session", tests, NULL, NULL);
}
