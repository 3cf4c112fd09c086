/* SPDX-License-Identifier: Apache-2.0
 *
 * The whole path with every allocation refused in turn: import, calibrate, quantize, build, save,
 * load, run, measure. One thread: so the allocations come in the same order each time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mixdown/mixdown.h"
#include "oom/refuse.h"
#include "test_folder.h"

enum { SAMPLES = 3, INPUT = SAMPLES * 2 * 6 * 6, OUTPUT = SAMPLES * 3 };

/* What the pieces of work start from, made undisturbed. */
static struct world {
    char             source[4096]; /* the folder of the networks */
    char             model_path[4200], quantized_path[4200], two_ends_path[4200], case_path[4200];
    mxd_context     *ctx;
    mxd_model       *model;
    mxd_dataset     *data;
    mxd_recipe      *recipe;
    mxd_calibration *calibration;
    mxd_engine      *engine, *other;
    float            x[INPUT];
} world;

static const char recipe_own[] =
    "[{\"op_types\": [\"Conv\", \"Gemm\"], \"precision\": \"w8a8\"},"
    " {\"names\": [\"branch\"], \"precision\": \"w4a8\", \"method\": \"minmax\"},"
    " {\"regex\": \"hea.\", \"precision\": \"w4-bf16\", \"granularity\": \"block:8\"}]";
static const char recipe_nni[] =
    "[{\"op_names\": [\"stem\"], \"target_names\": [\"weight\", \"_input_\"],"
    "  \"quant_dtype\": \"int8\", \"granularity\": \"out_channel\"},"
    " {\"op_types\": [\"Linear\"], \"exclude_op_names\": [\"hea*\"], \"quant_dtype\": \"int8\"}]";

static void write_file(const char *path, const char *text)
{
    FILE *const f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
}

static uint64_t hash_text(uint64_t h, const char *s)
{
    return s ? refuse_hash(h, s, strlen(s)) : h;
}

/* ---- importing ---- */

static mxd_status work_context(void *state, uint64_t *result, mxd_error *err)
{
    mxd_context *ctx = NULL;
    (void)state;
    const mxd_status st = mxd_context_create(&ctx, NULL, err);
    *result             = st == MXD_OK ? mxd_context_backends(ctx) : 0;
    mxd_context_destroy(ctx);
    return st;
}

static mxd_status work_model(void *state, uint64_t *result, mxd_error *err)
{
    struct world *const w     = state;
    mxd_model          *model = NULL;
    mxd_status          st    = mxd_model_load(&model, w->ctx, w->model_path, err);
    if (st == MXD_OK)
        st = mxd_model_save(model, "copy.onnx", err);
    if (st == MXD_OK)
        *result = refuse_hash_file("copy.onnx");
    mxd_model_destroy(model);
    return st;
}

static mxd_status work_inspect(void *state, uint64_t *result, mxd_error *err)
{
    struct world *const w  = state;
    mxd_inspection     *i  = NULL;
    const mxd_status    st = mxd_model_inspect(&i, w->model, NULL, 0, err);
    for (uint32_t k = 0; st == MXD_OK && k < i->n_layers; k++) {
        *result = hash_text(hash_text(*result, i->layer[k].node), i->layer[k].unsupported);
        *result = refuse_hash(*result, &i->layer[k].macs, sizeof(i->layer[k].macs));
    }
    mxd_inspection_destroy(i);
    return st;
}

/* ---- deciding precision ---- */

static mxd_status work_dataset(void *state, uint64_t *result, mxd_error *err)
{
    struct world *const w    = state;
    mxd_dataset        *data = NULL;
    float               x[INPUT];
    mxd_status          st =
        mxd_dataset_open(&data, w->ctx, "npy:x.npy,labels=labels.npy,shuffle=7,scale=1/2", err);
    if (st == MXD_OK)
        st = mxd_dataset_read(x, data, 0, 0, SAMPLES, err);
    if (st == MXD_OK)
        *result = refuse_hash(*result, x, sizeof(x));
    mxd_dataset_close(data);
    return st;
}

static mxd_status work_calibrate(void *state, uint64_t *result, mxd_error *err)
{
    struct world *const   w       = state;
    mxd_calibration      *c       = NULL;
    mxd_calibrate_options options = MXD_CALIBRATE_OPTIONS_INIT;
    options.threads               = 1;
    const mxd_status st           = mxd_calibrate(&c, w->model, w->data, &options, err);
    for (uint32_t k = 0; st == MXD_OK && k < mxd_calibration_tensors(c); k++) {
        mxd_tensor_range r;
        mxd_calibration_tensor(&r, c, k);
        *result = refuse_hash(hash_text(*result, r.tensor), &r.low, sizeof(r.low));
        *result = refuse_hash(*result, &r.high, sizeof(r.high));
    }
    mxd_calibration_destroy(c);
    return st;
}

static mxd_status work_calibration_save(void *state, uint64_t *result, mxd_error *err)
{
    struct world *const w  = state;
    const mxd_status    st = mxd_calibration_save(w->calibration, "saved.json", err);
    if (st == MXD_OK)
        *result = refuse_hash_file("saved.json");
    return st;
}

static mxd_status work_calibration_load(void *state, uint64_t *result, mxd_error *err)
{
    struct world *const w  = state;
    mxd_calibration    *c  = NULL;
    mxd_status          st = mxd_calibration_load(&c, w->ctx, "c.json", err);
    if (st == MXD_OK)
        *result = mxd_calibration_tensors(c);
    mxd_calibration_destroy(c);
    return st;
}

static mxd_status work_recipes(void *state, uint64_t *result, mxd_error *err)
{
    struct world *const w = state;
    mxd_recipe         *r = NULL;
    mxd_status          st;
    *result = 1;
    st      = mxd_recipe_load(&r, w->ctx, "own.json", err);
    mxd_recipe_destroy(r);
    if (st == MXD_OK) {
        st = mxd_recipe_load(&r, w->ctx, "nni.json", err);
        mxd_recipe_destroy(r);
    }
    if (st == MXD_OK) {
        st = mxd_recipe_uniform(&r, w->ctx, "w4-f32", err);
        mxd_recipe_destroy(r);
    }
    return st;
}

static mxd_status quantize_by(struct world *w, const char *repair, const char *path,
                              uint64_t *result, mxd_error *err)
{
    mxd_model           *q       = NULL;
    mxd_quantize_options options = MXD_QUANTIZE_OPTIONS_INIT;
    mxd_quantize_report  report;
    options.threads = 1;
    options.repair  = repair;
    mxd_status st =
        mxd_quantize(&q, &report, w->model, w->recipe, w->calibration, w->data, &options, err);
    if (st == MXD_OK)
        st = mxd_model_save(q, path, err);
    if (st == MXD_OK)
        *result = refuse_hash_file(path);
    mxd_model_destroy(q);
    return st;
}

static mxd_status work_quantize(void *state, uint64_t *result, mxd_error *err)
{
    return quantize_by(state, NULL, "q.onnx", result, err);
}

static mxd_status work_repair(void *state, uint64_t *result, mxd_error *err)
{
    return quantize_by(state, "cle,bias,adaround", "repaired.onnx", result, err);
}

/* ---- building ---- */

static mxd_build_options one_thread(const char *backend)
{
    mxd_build_options o = MXD_BUILD_OPTIONS_INIT;
    o.threads           = 1;
    o.backend           = backend;
    o.batch[0]          = 2;
    return o;
}

/* Built from its file and saved. The seconds it took stand in no file. */
static mxd_status build(const char *path, const char *backend, uint64_t *result, mxd_error *err)
{
    mxd_engine             *e  = NULL;
    const mxd_build_options o  = one_thread(backend);
    mxd_status              st = mxd_engine_load(&e, world.ctx, path, &o, err);
    if (st == MXD_OK)
        st = mxd_engine_save(e, "built.mxd", err);
    if (st == MXD_OK)
        *result = refuse_hash_file("built.mxd");
    mxd_engine_destroy(e);
    return st;
}

static mxd_status work_build_float(void *state, uint64_t *result, mxd_error *err)
{
    return build(((struct world *)state)->model_path, "cpu", result, err);
}

static mxd_status work_build_quantized(void *state, uint64_t *result, mxd_error *err)
{
    return build(((struct world *)state)->quantized_path, "cpu", result, err);
}

static mxd_status work_build_mixed(void *state, uint64_t *result, mxd_error *err)
{
    (void)state;
    return build("q.onnx", "cpu", result, err);
}

/* Timed, into a new cache, and once more from it. What was the fastest is no result. */
static mxd_status work_build_timed(void *state, uint64_t *result, mxd_error *err)
{
    mxd_engine       *e  = NULL;
    mxd_build_options o  = one_thread("cpu");
    mxd_status        st = MXD_OK;
    o.timed              = 1;
    o.timing_cache       = "timing.json";
    for (int again = 0; again < 2 && st == MXD_OK; again++) {
        st = mxd_engine_load(&e, ((struct world *)state)->ctx, "q.onnx", &o, err);
        if (st == MXD_OK)
            st = mxd_engine_save(e, "built.mxd", err);
        mxd_engine_destroy(e);
        e = NULL;
    }
    (void)remove(o.timing_cache);
    *result = 1;
    return st;
}

static mxd_status work_build_interp(void *state, uint64_t *result, mxd_error *err)
{
    (void)state;
    return build("q.onnx", "interp", result, err);
}

static mxd_status work_load(void *state, uint64_t *result, mxd_error *err)
{
    mxd_engine          *e = NULL;
    const mxd_audit_row *rows;
    uint32_t             n  = 0;
    const mxd_status     st = mxd_engine_load(&e, ((struct world *)state)->ctx, "e.mxd", NULL, err);
    if (st == MXD_OK)
        mxd_engine_audit(e, &rows, &n);
    for (uint32_t k = 0; k < n; k++)
        *result = hash_text(hash_text(*result, rows[k].verdict), rows[k].kernel);
    mxd_engine_destroy(e);
    return st;
}

/* ---- running ---- */

static mxd_status add_to_hash(void *user, const char *value, const mxd_tensor *t, mxd_error *err)
{
    (void)err;
    *(uint64_t *)user = hash_text(*(uint64_t *)user, value);
    *(uint64_t *)user = refuse_hash(*(uint64_t *)user, t->data, (size_t)t->dim[0]);
    return MXD_OK;
}

static mxd_status work_run(void *state, uint64_t *result, mxd_error *err)
{
    struct world *const       w  = state;
    const mxd_tensor          in = { w->x, MXD_F32, 4, { SAMPLES, 2, 6, 6 } };
    float                     y[OUTPUT];
    const mxd_tensor          out  = { y, MXD_F32, 2, { SAMPLES, 3 } };
    const mxd_session_options so   = { sizeof(so), 2, 1 };
    mxd_session              *s    = NULL;
    mxd_profile_row          *rows = NULL;
    uint32_t                  n    = 0;
    mxd_status                st   = mxd_session_open(&s, w->engine, &so, err);
    if (st == MXD_OK)
        st = mxd_session_profile(s, 2, &rows, &n, err);
    if (st == MXD_OK)
        st = mxd_session_trace(s, &in, 1, &out, 1, add_to_hash, result, err);
    if (st == MXD_OK)
        st = mxd_session_run(s, &in, 1, &out, 1, err);
    if (st == MXD_OK)
        *result = refuse_hash(*result, y, sizeof(y));
    mxd_free(w->ctx, rows);
    mxd_session_close(s);
    return st;
}

static mxd_status work_measure(void *state, uint64_t *result, mxd_error *err)
{
    struct world *const w = state;
    mxd_bench_options   o = MXD_BENCH_OPTIONS_INIT;
    mxd_bench_result    r;
    mxd_pair_result     pair;
    float              *p       = NULL;
    int64_t             classes = 0;
    o.threads                   = 1;
    o.warm_up_ms                = -1.0;
    o.duration_s                = 0.0;
    o.iterations                = 2;
    mxd_status st               = mxd_bench(&r, w->engine, NULL, &o, err);
    if (st == MXD_OK)
        st = mxd_bench_pair(&pair, w->engine, w->other, &o, &o, err);
    if (st == MXD_OK)
        st = mxd_predict(&p, &classes, w->engine, w->data, SAMPLES, 0, 1, err);
    if (st == MXD_OK)
        *result = refuse_hash(*result, p, (size_t)(SAMPLES * classes) * sizeof(float));
    mxd_free(w->ctx, p);
    return st;
}

static mxd_status work_compare(void *state, uint64_t *result, mxd_error *err)
{
    struct world *const   w = state;
    mxd_layer_difference *d = NULL;
    uint32_t              n = 0, checked = 0, differing = 0;
    mxd_status            st = mxd_compare_layers(&d, &n, w->other, w->engine, w->data, 1, 1, err);
    if (st == MXD_OK)
        st = mxd_check_integers(&checked, &differing, w->engine, w->data, 1, err);
    for (uint32_t k = 0; k < n; k++)
        *result = refuse_hash(hash_text(*result, d[k].node), &d[k].sqnr_db, sizeof(double));
    *result = refuse_hash(refuse_hash(*result, &checked, 4), &differing, 4);
    mxd_free(w->ctx, d);
    return st;
}

static mxd_status work_verify(void *state, uint64_t *result, mxd_error *err)
{
    struct world *const w = state;
    mxd_verify_options  o = MXD_VERIFY_OPTIONS_INIT;
    mxd_verify_case     c;
    o.threads           = 1;
    const mxd_status st = mxd_verify(&c, w->ctx, w->case_path, &o, err);
    if (st == MXD_OK)
        *result = (uint64_t)c.verdict;
    return st;
}

/* ---- the world ---- */

static void make_files(void)
{
    int64_t labels[SAMPLES] = { 0, 2, 1 };
    for (int k = 0; k < INPUT; k++)
        world.x[k] = (float)((k * 37) % 64 - 32) / 32.0f;
    const mxd_tensor x = { world.x, MXD_F32, 4, { SAMPLES, 2, 6, 6 } };
    const mxd_tensor l = { labels, MXD_S64, 1, { SAMPLES } };
    assert_int_equal(mxd_tensor_save_npy(&x, "x.npy", NULL), MXD_OK);
    assert_int_equal(mxd_tensor_save_npy(&l, "labels.npy", NULL), MXD_OK);
    write_file("own.json", recipe_own);
    write_file("nni.json", recipe_nni);
}

static int make_world(void **state)
{
    struct world *const     w  = &world;
    mxd_error               e  = MXD_ERROR_INIT;
    mxd_calibrate_options   co = MXD_CALIBRATE_OPTIONS_INIT;
    mxd_model              *q  = NULL;
    mxd_quantize_report     report;
    const mxd_build_options o = one_thread("cpu");
    if (!getcwd(w->source, sizeof(w->source)) || enter_folder(state) != 0)
        return -1;
    (void)snprintf(w->model_path, sizeof(w->model_path), "%s/tests/data/residual.onnx", w->source);
    (void)snprintf(w->quantized_path, sizeof(w->quantized_path), "%s/tests/data/quantized.onnx",
                   w->source);
    (void)snprintf(w->case_path, sizeof(w->case_path), "%s/tests/data/case_relu", w->source);
    make_files();
    co.threads = 1;
    if (mxd_context_create(&w->ctx, NULL, &e) != MXD_OK ||
        mxd_model_load(&w->model, w->ctx, w->model_path, &e) != MXD_OK ||
        mxd_dataset_open(&w->data, w->ctx, "npy:x.npy,labels=labels.npy", &e) != MXD_OK ||
        mxd_calibrate(&w->calibration, w->model, w->data, &co, &e) != MXD_OK ||
        mxd_calibration_save(w->calibration, "c.json", &e) != MXD_OK ||
        mxd_recipe_load(&w->recipe, w->ctx, "own.json", &e) != MXD_OK ||
        mxd_quantize(&q, &report, w->model, w->recipe, w->calibration, NULL, NULL, &e) != MXD_OK ||
        mxd_model_save(q, "q.onnx", &e) != MXD_OK ||
        mxd_engine_build(&w->engine, q, &o, &e) != MXD_OK ||
        mxd_engine_build(&w->other, w->model, &o, &e) != MXD_OK ||
        mxd_engine_save(w->engine, "e.mxd", &e) != MXD_OK) {
        print_error("%s\n", e.msg);
        return -1;
    }
    mxd_model_destroy(q);
    return 0;
}

static int end_world(void **state)
{
    struct world *const w = &world;
    mxd_engine_destroy(w->engine);
    mxd_engine_destroy(w->other);
    mxd_calibration_destroy(w->calibration);
    mxd_recipe_destroy(w->recipe);
    mxd_dataset_close(w->data);
    mxd_model_destroy(w->model);
    mxd_context_destroy(w->ctx);
    return leave_folder(state);
}

#define REFUSED(name, step, reads_json)                            \
    static void name(void **state)                                 \
    {                                                              \
        (void)state;                                               \
        refuse_each(#name, work_##name, &world, step, reads_json); \
    }
REFUSED(context, 1, false)
REFUSED(model, 1, false)
REFUSED(inspect, 1, false)
REFUSED(dataset, 1, false)
REFUSED(calibrate, 1, false)
REFUSED(calibration_save, 29, false) /* some ten thousand small JSON values */
REFUSED(calibration_load, 29, true)
REFUSED(recipes, 1, true)
REFUSED(quantize, 1, false)
REFUSED(repair, 3, false)
REFUSED(build_float, 1, false)
REFUSED(build_quantized, 1, false)
REFUSED(build_mixed, 1, false)
REFUSED(build_timed, 5, true)
REFUSED(build_interp, 1, false)
REFUSED(load, 1, true)
REFUSED(run, 1, false)
REFUSED(measure, 1, false)
REFUSED(compare, 1, false)
REFUSED(verify, 1, false)
#undef REFUSED

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(context),
        cmocka_unit_test(model),
        cmocka_unit_test(inspect),
        cmocka_unit_test(dataset),
        cmocka_unit_test(calibrate),
        cmocka_unit_test(calibration_save),
        cmocka_unit_test(calibration_load),
        cmocka_unit_test(recipes),
        cmocka_unit_test(quantize),
        cmocka_unit_test(repair),
        cmocka_unit_test(build_float),
        cmocka_unit_test(build_quantized),
        cmocka_unit_test(build_mixed),
        cmocka_unit_test(build_timed),
        cmocka_unit_test(build_interp),
        cmocka_unit_test(load),
        cmocka_unit_test(run),
        cmocka_unit_test(measure),
        cmocka_unit_test(compare),
        cmocka_unit_test(verify),
    };
    return cmocka_run_group_tests_name("oom", tests, make_world, end_world);
}
