/* SPDX-License-Identifier: Apache-2.0
 *
 * Timed choices: questions and answers, the file of a timing cache, and what engines do with them.
 * Which algorithm wins is no test's business.
 */
#include "engine_case.h"

#include <unistd.h>

#include "base/file.h"
#include "engine/choices.h"

static const mxdi_choice first = { "cpu a",   "conv", "2x2", 1, 2, 1, { "direct", "winograd" },
                                   { 20, 10 } };

static void the_same_question(void **state)
{
    (void)state;
    mxdi_arena arena;
    mxdi_arena_init(&arena, NULL);
    mxdi_choices list = { .arena = &arena };
    for (uint32_t k = 0; k < 40; k++) { /* grows more than once */
        mxdi_choice c = first;
        c.threads     = k + 1;
        c.best        = k % 2;
        assert_int_equal(mxdi_choices_add(&list, &c, NULL), MXD_OK);
    }
    mxdi_choice ask = first;
    ask.best        = 7;
    ask.threads     = 40;
    assert_int_equal(mxdi_choices_find(&list, &ask)->best, 1);
    ask.device = "cpu b";
    assert_null(mxdi_choices_find(&list, &ask));
    ask    = first;
    ask.op = "gemm";
    assert_null(mxdi_choices_find(&list, &ask));
    ask       = first;
    ask.shape = "2x3";
    assert_null(mxdi_choices_find(&list, &ask));
    ask   = first;
    ask.n = 1;
    assert_null(mxdi_choices_find(&list, &ask));
    ask              = first;
    ask.candidate[1] = "fft";
    assert_null(mxdi_choices_find(&list, &ask));
    ask         = first;
    ask.threads = 41;
    assert_null(mxdi_choices_find(&list, &ask));
    mxdi_arena_fini(&arena);
}

static void read_file(mxdi_bytes *out, const char *path)
{
    *out = (mxdi_bytes){ .data = NULL };
    assert_int_equal(mxdi_file_read(out, path, 1 << 20, NULL), MXD_OK);
}

/* Sorted whatever the order of adding; read back the same. */
static void files(void **state)
{
    (void)state;
    const char *const path = "test_engine_choices.json";
    mxdi_bytes        text[2];
    mxdi_arena        arena;
    mxdi_arena_init(&arena, NULL);
    for (int order = 0; order < 2; order++) {
        mxdi_choices list = { .arena = &arena }, again = { .arena = &arena };
        for (uint32_t k = 0; k < 3; k++) {
            mxdi_choice c = first;
            c.threads     = order ? 3 - k : k + 1;
            assert_int_equal(mxdi_choices_add(&list, &c, NULL), MXD_OK);
        }
        assert_int_equal(mxdi_choices_save(&list, path, NULL), MXD_OK);
        assert_int_equal(mxdi_choices_load(&again, path, NULL), MXD_OK);
        assert_int_equal(again.n, 3);
        assert_int_equal(again.choice[2].threads, 3);
        assert_int_equal(again.choice[2].ns[1], 10);
        assert_string_equal(again.choice[2].candidate[again.choice[2].best], "winograd");
        read_file(&text[order], path);
    }
    assert_int_equal(text[0].size, text[1].size);
    assert_memory_equal(text[0].data, text[1].data, text[0].size);
    mxdi_bytes_free(&text[0]);
    mxdi_bytes_free(&text[1]);
    assert_int_equal(unlink(path), 0);
    mxdi_choices none = { .arena = &arena };
    assert_int_equal(mxdi_choices_load(&none, path, NULL), MXD_OK); /* not there: empty */
    assert_int_equal(none.n, 0);
    mxdi_arena_fini(&arena);
}

#define ENTRY(device, threads, times, choice)                                                    \
    "{\"mixdown_timing_cache\": 1, \"choices\": [{\"device\": " device ", \"threads\": " threads \
    ", \"op\": \"conv\", \"shape\": \"2x2\", \"nanoseconds\": " times ", \"choice\": \"" choice  \
    "\"}]}"

static void what_is_no_cache(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
        mxd_status  status;
    } wrong[] = {
        { "", "line 1", MXD_E_PARSE },
        { "{\"mixdown_timing_cache\": 1", "line 1", MXD_E_PARSE },
        { "[1]", "not a timing cache", MXD_E_PARSE },
        { "{\"format\": \"other\"}", "not a timing cache", MXD_E_PARSE },
        { "{\"mixdown_timing_cache\": 7}", "version 7", MXD_E_STALE },
        { "{\"mixdown_timing_cache\": 1}", "a list expected", MXD_E_PARSE },
        { "{\"mixdown_timing_cache\": 1, \"choices\": [3]}", "'device'", MXD_E_PARSE },
        { ENTRY("\"\"", "1", "{\"a\": 1}", "a"), "'device'", MXD_E_PARSE },
        { ENTRY("\"c\"", "0", "{\"a\": 1}", "a"), "'threads'", MXD_E_PARSE },
        { ENTRY("\"c\"", "99999999999", "{\"a\": 1}", "a"), "'threads'", MXD_E_PARSE },
        { ENTRY("\"c\"", "1", "{}", "a"), "'nanoseconds'", MXD_E_PARSE },
        { ENTRY("\"c\"", "1", "[\"a\"]", "a"), "'nanoseconds'", MXD_E_PARSE },
        { ENTRY("\"c\"", "1", "{\"a\": 0}", "a"), "'nanoseconds'", MXD_E_PARSE },
        { ENTRY("\"c\"", "1", "{\"a\": 1.5}", "a"), "'nanoseconds'", MXD_E_PARSE },
        { ENTRY("\"c\"", "1", "{\"a\": 1, \"b\": -2}", "a"), "'nanoseconds'", MXD_E_PARSE },
        { ENTRY("\"c\"", "1",
                "{\"a\":1,\"b\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1}", "a"),
          "'nanoseconds'", MXD_E_PARSE },
        { ENTRY("\"c\"", "1", "{\"a\": 1}", "b"), "'choice'", MXD_E_PARSE },
    };
    const char *const path = "test_engine_choices_wrong.json";
    for (size_t k = 0; k < sizeof(wrong) / sizeof(wrong[0]); k++) {
        mxd_error  err = MXD_ERROR_INIT;
        mxdi_arena arena;
        mxdi_arena_init(&arena, NULL);
        mxdi_choices list = { .arena = &arena };
        assert_int_equal(mxdi_file_write(path, wrong[k].text, strlen(wrong[k].text), NULL), MXD_OK);
        assert_int_equal(mxdi_choices_load(&list, path, &err), wrong[k].status);
        ASSERT_SAYS(err, wrong[k].says);
        ASSERT_SAYS(err, path);
        assert_null(strchr(err.msg, '\n'));
        mxdi_arena_fini(&arena);
    }
    assert_int_equal(unlink(path), 0);
}

static mxdi_engine *timed(const char *cache, bool is_timed)
{
    const mxdi_build_options o = {
        .threads = 1, .batch = { 1, 4 }, .n_batches = 2, .timed = is_timed, .timing_cache = cache
    };
    return engine_of(engine_network("residual.onnx"), &o);
}

static const char *stem_kernel(const mxdi_engine *e)
{
    for (uint32_t k = 0; k < e->n_audit; k++)
        if (strcmp(e->audit[k].node, "stem") == 0)
            return e->audit[k].kernel;
    fail_msg("no stem");
    return NULL;
}

/* A choice from a cache is taken, kept in the file, and taken again without the cache. */
static void engines(void **state)
{
    (void)state;
    const char *const cache = "test_engine_choices_cache.json", *const path =
                                                                    "test_engine_choices.mxd";
    mxdi_engine *const e = timed(cache, true);
    if (e->used.n == 0) {
        mxdi_engine_destroy(e);
        skip(); /* one algorithm only with this instruction set */
    }
    assert_int_equal(e->used.n, 2); /* a 3x3 convolution in each of two plans */
    assert_true(strcmp(e->used.choice[0].shape, e->used.choice[1].shape) != 0);
    for (uint32_t best = 0; best < 2; best++) {
        uint64_t      bytes;
        mxdi_registry r;
        mxdi_engine  *loaded = NULL;
        for (uint32_t k = 0; k < 2; k++)
            e->used.choice[k].best = best;
        assert_int_equal(mxdi_choices_save(&e->used, cache, NULL), MXD_OK);
        mxdi_engine *const again = timed(cache, true);
        assert_int_equal(strstr(stem_kernel(again), "winograd") != NULL, best);
        assert_int_equal(mxdi_engine_save(again, path, &bytes, NULL), MXD_OK);
        assert_int_equal(unlink(cache), 0);
        mxdi_registry_init(&r);
        assert_int_equal(mxdi_engine_load(&loaded, path, NULL, NULL, &r, NULL, NULL), MXD_OK);
        assert_string_equal(stem_kernel(loaded), stem_kernel(again));
        assert_int_equal(loaded->used.n, 2);
        mxdi_bytes a = { .data = NULL }, b = { .data = NULL };
        assert_int_equal(mxdi_engine_write(&a, again, NULL), MXD_OK);
        assert_int_equal(mxdi_engine_write(&b, loaded, NULL), MXD_OK);
        assert_int_equal(a.size, b.size);
        assert_memory_equal(a.data, b.data, a.size);
        mxdi_bytes_free(&a);
        mxdi_bytes_free(&b);
        mxdi_engine_destroy(loaded);
        assert_int_equal(mxdi_engine_load(&loaded, path, NULL, "scalar", &r, NULL, NULL), MXD_OK);
        assert_int_equal(loaded->used.n, 0); /* another device: rules, and nothing is timed */
        mxdi_engine_destroy(loaded);
        mxdi_registry_fini(&r);
        mxdi_engine_destroy(again);
    }
    assert_int_equal(unlink(path), 0);
    mxdi_engine_destroy(e);
    mxdi_engine *const fixed = timed(cache, false);
    assert_int_equal(fixed->used.n, 0);
    assert_false(mxdi_path_exists(cache));
    mxdi_engine_destroy(fixed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_question),
        cmocka_unit_test(files),
        cmocka_unit_test(what_is_no_cache),
        cmocka_unit_test(engines),
    };
    return cmocka_run_group_tests_name("engine_choices", tests, NULL, NULL);
}
