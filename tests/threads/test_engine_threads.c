/* SPDX-License-Identifier: Apache-2.0
 *
 * One engine, many threads: sessions side by side give the bits that one session alone gives, are
 * opened and closed while others run, and do not wait for each other. Under TSan this is also the
 * proof that an engine, a model and a context are only read.
 */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "mixdown/mixdown.h"

enum { BATCH = 4, SAMPLES = 5, INPUT = SAMPLES * 2 * 6 * 6, KINDS = 3, ROUNDS = 40, WORKERS = 3 };

static mxd_context *ctx;
static mxd_model   *model;

struct network {
    mxd_engine *engine;
    int64_t     sample; /* elements of one sample's output */
    float       want[KINDS][SAMPLES * 4 * 3 * 3];
};
static struct network floats, integers;

/* ---- what a thread does; asserts are for the main thread only ---- */

static void fill(float *x, int kind)
{
    for (int k = 0; k < INPUT; k++)
        x[k] = (float)((k * (37 + 2 * kind) + kind) % 64 - 32) / 16.0f;
}

static mxd_tensor input_of(float *x)
{
    return (mxd_tensor){ x, MXD_F32, 4, { SAMPLES, 2, 6, 6 } };
}

static mxd_status run_kind(mxd_session *s, int kind, float *y, mxd_trace trace, void *user,
                           mxd_error *err)
{
    float            x[INPUT];
    mxd_tensor       out;
    const mxd_tensor in = input_of(x);
    fill(x, kind);
    const mxd_status st = mxd_session_output(&out, s, 0, SAMPLES, err);
    out.data            = y;
    return st == MXD_OK ? mxd_session_trace(s, &in, 1, &out, 1, trace, user, err) : st;
}

/* Whether the outputs of one kind of input are the ones of the session that ran alone. */
static bool run_same(mxd_session *s, const struct network *n, int kind, mxd_error *err)
{
    float y[SAMPLES * 4 * 3 * 3];
    return run_kind(s, kind, y, NULL, NULL, err) == MXD_OK &&
           memcmp(y, n->want[kind], (size_t)(SAMPLES * n->sample) * sizeof(float)) == 0;
}

struct worker {
    const struct network *network;
    uint32_t              threads;
    int                   index;
    bool                  good;
    mxd_error             err;
};

static mxd_session *open_session(const struct network *n, uint32_t threads, int trace,
                                 mxd_error *err)
{
    mxd_session              *s = NULL;
    const mxd_session_options o = { sizeof(o), threads, trace };
    (void)mxd_session_open(&s, n->engine, &o, err);
    return s;
}

static void *run_often(void *context)
{
    struct worker *const w = context;
    mxd_session *const   s = open_session(w->network, w->threads, 0, &w->err);
    w->good                = s != NULL;
    for (int k = 0; k < ROUNDS && w->good; k++)
        w->good = run_same(s, w->network, (k + w->index) % KINDS, &w->err);
    mxd_session_close(s);
    return NULL;
}

static void *open_often(void *context)
{
    struct worker *const w = context;
    w->good                = true;
    for (int k = 0; k < ROUNDS / 4 && w->good; k++) {
        mxd_session *const s = open_session(w->network, w->threads, 0, &w->err);
        w->good              = s && run_same(s, w->network, k % KINDS, &w->err);
        mxd_session_close(s);
    }
    return NULL;
}

/* Engines of one model, made and destroyed while others are. */
static void *build_often(void *context)
{
    struct worker *const w = context;
    mxd_build_options    o = MXD_BUILD_OPTIONS_INIT;
    o.batch[0]             = BATCH;
    o.threads              = 1;
    w->good                = true;
    for (int k = 0; k < 4 && w->good; k++) {
        struct network own   = *w->network;
        w->good              = mxd_engine_build(&own.engine, model, &o, &w->err) == MXD_OK;
        mxd_session *const s = w->good ? open_session(&own, 1, 0, &w->err) : NULL;
        w->good              = s && run_same(s, &own, k % KINDS, &w->err);
        mxd_session_close(s);
        mxd_engine_destroy(own.engine);
    }
    return NULL;
}

/* ---- tests ---- */

static void run_workers(void *(*const *what)(void *), const struct network *const *network,
                        const uint32_t *threads)
{
    pthread_t     id[WORKERS];
    struct worker w[WORKERS];
    for (int k = 0; k < WORKERS; k++) {
        w[k] = (struct worker){ network[k], threads[k], k, false, MXD_ERROR_INIT };
        assert_int_equal(pthread_create(&id[k], NULL, what[k], &w[k]), 0);
    }
    for (int k = 0; k < WORKERS; k++)
        assert_int_equal(pthread_join(id[k], NULL), 0);
    for (int k = 0; k < WORKERS; k++)
        if (!w[k].good)
            fail_msg("thread %d: %s", k, w[k].err.msg[0] ? w[k].err.msg : "other outputs");
}

static void sessions_agree_with_one(void **state)
{
    (void)state;
    run_workers((void *(*[])(void *)){ run_often, run_often, run_often },
                (const struct network *[]){ &floats, &floats, &integers }, (uint32_t[]){ 1, 2, 1 });
    run_workers((void *(*[])(void *)){ run_often, run_often, run_often },
                (const struct network *[]){ &integers, &integers, &floats },
                (uint32_t[]){ 2, 3, 2 });
}

static void sessions_come_and_go(void **state)
{
    (void)state;
    run_workers((void *(*[])(void *)){ open_often, run_often, open_often },
                (const struct network *[]){ &floats, &floats, &integers }, (uint32_t[]){ 2, 1, 2 });
}

static void engines_of_one_model(void **state)
{
    (void)state;
    run_workers((void *(*[])(void *)){ build_often, build_often, run_often },
                (const struct network *[]){ &floats, &floats, &floats }, (uint32_t[]){ 1, 1, 1 });
}

/* In the middle of a run, thread A waits until thread B has run from beginning to end. If a session
 * waited for another one, this would never end; the wait gives up after a minute. */
static sem_t inside, outside;

static mxd_status wait_inside(void *user, const char *value, const mxd_tensor *tensor,
                              mxd_error *err)
{
    bool *const waited = user;
    (void)value;
    (void)tensor;
    (void)err;
    if (*waited)
        return MXD_OK;
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 60;
    sem_post(&inside);
    *waited = sem_timedwait(&outside, &end) == 0;
    return *waited ? MXD_OK : MXD_E_CANCELLED;
}

static void *run_waiting(void *context)
{
    struct worker *const w      = context;
    bool                 waited = false;
    float                y[SAMPLES * 4 * 3 * 3];
    mxd_session *const   s = open_session(w->network, w->threads, 1, &w->err);
    w->good =
        s && run_kind(s, 0, y, wait_inside, &waited, &w->err) == MXD_OK && waited &&
        memcmp(y, w->network->want[0], (size_t)(SAMPLES * w->network->sample) * sizeof(float)) == 0;
    if (!waited)
        sem_post(&inside);
    mxd_session_close(s);
    return NULL;
}

static void sessions_do_not_wait(void **state)
{
    (void)state;
    pthread_t     id;
    struct worker a = { &integers, 2, 0, false, MXD_ERROR_INIT }, b = a;
    sem_init(&inside, 0, 0);
    sem_init(&outside, 0, 0);
    assert_int_equal(pthread_create(&id, NULL, run_waiting, &a), 0);
    sem_wait(&inside); /* A is in the middle of its run */
    run_often(&b);
    sem_post(&outside);
    assert_int_equal(pthread_join(id, NULL), 0);
    assert_true(b.good);
    if (!a.good)
        fail_msg("%s", a.err.msg[0] ? a.err.msg : "other outputs, or no value traced");
    sem_destroy(&inside);
    sem_destroy(&outside);
}

/* ---- */

static bool make_network(struct network *n, const char *path, mxd_error *err)
{
    mxd_build_options o = MXD_BUILD_OPTIONS_INIT;
    mxd_value_info    y;
    bool              good = true;
    o.batch[0]             = BATCH; /* less than SAMPLES: runs take two pieces */
    o.threads              = 2;
    if (mxd_engine_load(&n->engine, ctx, path, &o, err) != MXD_OK)
        return false;
    mxd_engine_output(&y, n->engine, 0);
    n->sample = 1;
    for (int32_t d = 1; d < y.rank; d++)
        n->sample *= y.dim[d];
    mxd_session *const s = open_session(n, 1, 0, err);
    for (int k = 0; k < KINDS && good; k++)
        good = s && run_kind(s, k, n->want[k], NULL, NULL, err) == MXD_OK;
    mxd_session_close(s);
    return good;
}

static int begin(void **state)
{
    mxd_error err = MXD_ERROR_INIT;
    (void)state;
    if (mxd_context_create(&ctx, NULL, &err) == MXD_OK &&
        mxd_model_load(&model, ctx, "tests/data/residual.onnx", &err) == MXD_OK &&
        make_network(&floats, "tests/data/residual.onnx", &err) &&
        make_network(&integers, "tests/data/quantized.onnx", &err))
        return 0;
    print_error("%s\n", err.msg);
    return -1;
}

static int end(void **state)
{
    (void)state;
    mxd_engine_destroy(floats.engine);
    mxd_engine_destroy(integers.engine);
    mxd_model_destroy(model);
    mxd_context_destroy(ctx);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_agree_with_one),
        cmocka_unit_test(sessions_come_and_go),
        cmocka_unit_test(engines_of_one_model),
        cmocka_unit_test(sessions_do_not_wait),
    };
    return cmocka_run_group_tests_name("engine_threads", tests, begin, end);
}
