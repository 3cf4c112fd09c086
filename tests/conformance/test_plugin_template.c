/* SPDX-License-Identifier: Apache-2.0
 *
 * A backend from outside: plugins/template is opened by its file name, runs what it claims, and the
 * interpreter runs the rest; outputs are those of the interpreter alone, bit for bit.
 */
#include "unit/graph_case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/session.h"
#include "mixdown/mixdown.h"

enum { BATCH = 4, INPUT = 2 * 6 * 6, OUTPUT = 3 };

static const char *built(const char *file)
{
    static char       path[4096];
    const char *const build = getenv("MIXDOWN_BUILD");
    snprintf(path, sizeof(path), "%s/%s", build ? build : "build", file);
    return path;
}
#define PLUGIN built("plugins/mixdown_template.so")

static mxd_context *context(void)
{
    mxd_context *ctx = NULL;
    mxd_error    err = MXD_ERROR_INIT;
    if (mxd_context_create(&ctx, NULL, &err) != MXD_OK ||
        mxd_context_load_backend(ctx, PLUGIN, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    return ctx;
}

static void opens_by_name(void **state)
{
    (void)state;
    mxd_context *const ctx = context();
    mxd_error          err = MXD_ERROR_INIT;
    mxd_backend_info   info;
    assert_int_equal(mxd_context_backends(ctx), 3);
    assert_int_equal(mxd_context_backend(&info, ctx, 2, &err), MXD_OK);
    assert_string_equal(info.name, "template");
    assert_int_equal(info.devices, 1);
    assert_int_equal(mxd_context_load_backend(ctx, PLUGIN, &err), MXD_E_INVAL);
    assert_non_null(strstr(err.msg, "'template' is there already"));
    assert_int_equal(mxd_context_load_backend(ctx, built("libmixdown.so"), &err), MXD_E_INVAL);
    assert_non_null(strstr(err.msg, "exports no mxd_backend_entry_v1"));
    assert_int_equal(mxd_context_load_backend(ctx, built("no_such.so"), &err), MXD_E_IO);
    assert_int_equal(mxd_context_backends(ctx), 3);
    mxd_context_destroy(ctx);
}

static mxd_engine *engine(const mxd_context *ctx, const char *path, const char *backend)
{
    mxd_engine       *e   = NULL;
    mxd_error         err = MXD_ERROR_INIT;
    mxd_build_options o   = MXD_BUILD_OPTIONS_INIT;
    o.backend             = backend;
    o.batch[0]            = BATCH;
    if (mxd_engine_load(&e, ctx, path, &o, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    return e;
}

/* Outputs of `samples` samples; *relus: how many steps of the profile are the plug-in's. */
static void run(float *y, const mxd_context *ctx, const mxd_engine *e, int64_t samples,
                uint32_t *relus)
{
    static float     x[BATCH * INPUT];
    mxd_session     *s    = NULL;
    mxd_profile_row *rows = NULL;
    mxd_error        err  = MXD_ERROR_INIT;
    uint32_t         n    = 0;
    for (int k = 0; k < BATCH * INPUT; k++)
        x[k] = (float)(k * 37 % 64 - 32) / 16.0f;
    const mxd_tensor in = { x, MXD_F32, 4, { samples, 2, 6, 6 } };
    mxd_tensor       out;
    if (mxd_session_open(&s, e, NULL, &err) != MXD_OK ||
        mxd_session_output(&out, s, 0, samples, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    out.data = y;
    for (int again = 0; again < 2; again++) { /* the first profile switches timing on */
        if (mxd_session_run(s, &in, 1, &out, 1, &err) != MXD_OK ||
            mxd_session_profile(s, samples, &rows, &n, &err) != MXD_OK)
            fail_msg("%s", err.msg);
        *relus = 0;
        for (uint32_t k = 0; k < n; k++) {
            *relus += strcmp(rows[k].kernel, "relu_template") == 0;
            assert_true(again == 0 || rows[k].ms > 0.0);
        }
        mxd_free(ctx, rows);
    }
    mxd_session_close(s);
}

static void runs_what_it_claims(void **state)
{
    (void)state;
    mxd_context *const       ctx       = context();
    mxd_engine *const        ours      = engine(ctx, "tests/data/residual.onnx", "template"),
                      *const reference = engine(ctx, "tests/data/residual.onnx", "interp");
    const mxd_audit_row     *row;
    uint32_t                 n, relus;
    float                    y[BATCH * OUTPUT], want[BATCH * OUTPUT];
    for (int64_t samples = 1; samples <= BATCH; samples += 3) {
        run(want, ctx, reference, samples, &relus);
        assert_int_equal(relus, 0);
        run(y, ctx, ours, samples, &relus);
        assert_int_equal(relus, 2);
        assert_memory_equal(y, want, (size_t)samples * OUTPUT * sizeof(float));
    }
    assert_int_equal(mxd_engine_audit(ours, &row, &n), 0);
    for (uint32_t k = 0; k < n; k++) {
        const bool relu = strcmp(row[k].op, "Relu") == 0;
        assert_true(relu == (strcmp(row[k].kernel, "relu_template") == 0));
        if (!relu)
            assert_string_equal(row[k].reason, "the template runs Relu only");
    }
    mxd_engine_destroy(ours);
    mxd_engine_destroy(reference);
    mxd_context_destroy(ctx);
}

/* An engine file names its backend: it opens where the plug-in is, and says what is missing
 * elsewhere. */
static void engine_files(void **state)
{
    (void)state;
    char               path[] = "/tmp/mixdown-plugin-XXXXXX";
    mxd_context *const ctx    = context();
    mxd_context       *bare   = NULL;
    mxd_engine        *e = engine(ctx, "tests/data/residual.onnx", "template"), *none = NULL;
    mxd_error          err = MXD_ERROR_INIT;
    float              y[BATCH * OUTPUT], want[BATCH * OUTPUT];
    uint32_t           relus;
    const int          fd = mkstemp(path);
    assert_int_equal(close(fd), 0);
    run(want, ctx, e, BATCH, &relus);
    assert_int_equal(mxd_engine_save(e, path, &err), MXD_OK);
    mxd_engine_destroy(e);
    assert_int_equal(mxd_engine_load(&e, ctx, path, NULL, &err), MXD_OK);
    run(y, ctx, e, BATCH, &relus);
    assert_int_equal(relus, 2);
    assert_memory_equal(y, want, sizeof(y));
    assert_int_equal(mxd_context_create(&bare, NULL, &err), MXD_OK);
    assert_int_equal(mxd_engine_load(&none, bare, path, NULL, &err), MXD_E_USAGE);
    assert_non_null(strstr(err.msg, "no backend 'template'"));
    mxd_engine_destroy(e);
    mxd_context_destroy(bare);
    mxd_context_destroy(ctx);
    (void)remove(path);
}

static void passes_a_test_directory(void **state)
{
    (void)state;
    mxd_context *const ctx = context();
    mxd_verify_options o   = MXD_VERIFY_OPTIONS_INIT;
    mxd_verify_case    answer;
    mxd_error          err = MXD_ERROR_INIT;
    o.backend              = "template";
    assert_int_equal(mxd_verify(&answer, ctx, "tests/data/case_relu", &o, &err), MXD_OK);
    assert_int_equal(answer.verdict, MXD_PASS);
    mxd_context_destroy(ctx);
}

/* Values between two of its own nodes, one that is used inside and outside, and a batch smaller
 * than what it was compiled for: nothing behind it is written. */
static void values_inside_a_part(void **state)
{
    (void)state;
    mxdi_registry            registry;
    mxdi_engine             *e       = NULL;
    mxdi_session            *s       = NULL;
    mxd_error                err     = MXD_ERROR_INIT;
    const mxdi_build_options options = {
        .backend = "template", .threads = 1, .batch = { BATCH }, .n_batches = 1
    };
    mxdi_graph *const g = graph_new(17);
    const uint32_t    x = graph_input(g, "x", MXD_F32, DIMS(-1, 5)), a = graph_open(g, "a"),
                   b = graph_open(g, "b"), c = graph_open(g, "c");
    float            v[5]   = { -1.0f, -0.0f, 0.5f, NAN, 3.0f }, y[2][BATCH * 5];
    const mxd_tensor in     = { v, MXD_F32, 2, { 1, 5 } };
    const mxd_tensor out[2] = { { y[0], MXD_F32, 2, { 1, 5 } }, { y[1], MXD_F32, 2, { 1, 5 } } };
    graph_node(g, "Relu", "first", VALUES(x), VALUES(a));
    graph_node(g, "Relu", "second", VALUES(a), VALUES(b));
    graph_node(g, "Relu", "third", VALUES(b), VALUES(c));
    graph_output(g, b);
    graph_output(g, c);
    for (int k = 0; k < BATCH * 5; k++)
        y[0][k] = y[1][k] = 7.0f;
    mxdi_registry_init(&registry);
    if (mxdi_registry_load(&registry, PLUGIN, &err) != MXD_OK ||
        mxdi_engine_build(&e, g, &options, &registry, NULL, &err) != MXD_OK ||
        mxdi_session_open(&s, e, 1, false, &err) != MXD_OK ||
        mxdi_session_run(s, &in, 1, out, 2, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(e->plan[0].n_parts, 1);
    assert_int_equal(e->plan[0].part[0].graph->n_nodes, 3);
    for (int k = 0; k < 2; k++) {
        assert_true(y[k][0] == 0.0f && y[k][1] == 0.0f && y[k][2] == 0.5f && isnan(y[k][3]) &&
                    y[k][4] == 3.0f);
        for (int i = 5; i < BATCH * 5; i++)
            assert_true(y[k][i] == 7.0f);
    }
    mxdi_session_close(s);
    mxdi_engine_destroy(e);
    mxdi_registry_fini(&registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_by_name),        cmocka_unit_test(runs_what_it_claims),
        cmocka_unit_test(engine_files),         cmocka_unit_test(passes_a_test_directory),
        cmocka_unit_test(values_inside_a_part),
    };
    return cmocka_run_group_tests_name("plugin_template", tests, NULL, NULL);
}
