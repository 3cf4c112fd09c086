/* SPDX-License-Identifier: Apache-2.0
 *
 * Training with every allocation refused in turn: a trainer made, a step, a checkpoint, an
 * evaluation, what was learned as a file; and going on from the checkpoint. One thread, so that
 * allocations come in the same order each time.
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

enum { SAMPLES = 8, INPUT = SAMPLES * 2 * 6 * 6 };

static struct world {
    mxd_context *ctx;
    mxd_model   *model;
    mxd_dataset *data;
    mxd_recipe  *recipe;
} world;

static mxd_train_options options(void)
{
    mxd_train_options o = MXD_TRAIN_OPTIONS_INIT;
    o.epochs            = 2;
    o.batch             = SAMPLES;
    o.threads           = 1;
    return o;
}

/* Hash of the exported file after one step. */
static mxd_status train(const mxd_recipe *recipe, const mxd_train_options *o, bool resume,
                        uint64_t *result, mxd_error *err)
{
    mxd_trainer *t = NULL;
    mxd_model   *m = NULL;
    double       top1;
    int          ended;
    mxd_status   st = mxd_trainer_create(&t, world.model, recipe, world.data, world.data, o, err);
    if (st == MXD_OK && resume)
        st = mxd_trainer_resume(t, err);
    if (st == MXD_OK)
        st = mxd_trainer_step(t, &ended, err);
    if (st == MXD_OK && !resume)
        st = mxd_trainer_checkpoint(t, err);
    if (st == MXD_OK)
        st = mxd_trainer_evaluate(t, &top1, err);
    if (st == MXD_OK)
        st = mxd_trainer_export(&m, t, err);
    mxd_trainer_destroy(t);
    if (st == MXD_OK)
        st = mxd_model_save(m, "learned.onnx", err);
    if (st == MXD_OK)
        *result = refuse_hash_file("learned.onnx");
    mxd_model_destroy(m);
    return st;
}

static mxd_status work_floats(void *state, uint64_t *result, mxd_error *err)
{
    mxd_train_options o = options();
    (void)state;
    o.init       = "kaiming";
    o.optimizer  = "adam";
    o.checkpoint = "floats";
    return train(NULL, &o, false, result, err);
}

static mxd_status work_integers(void *state, uint64_t *result, mxd_error *err)
{
    mxd_train_options o = options();
    (void)state;
    o.distill    = 0.5;
    o.method     = "lsq+";
    o.checkpoint = "integers";
    return train(world.recipe, &o, false, result, err);
}

/* The checkpoint of the test before. */
static mxd_status work_going_on(void *state, uint64_t *result, mxd_error *err)
{
    mxd_train_options o = options();
    (void)state;
    o.init       = "kaiming";
    o.optimizer  = "adam";
    o.checkpoint = "floats";
    return train(NULL, &o, true, result, err);
}

static int make_world(void **state)
{
    struct world *const w = &world;
    mxd_error           e = MXD_ERROR_INIT;
    char                source[4096], path[4200];
    float               input[INPUT];
    int64_t             labels[SAMPLES] = { 0, 2, 1, 1, 0, 2, 2, 1 };
    if (!getcwd(source, sizeof(source)) || enter_folder(state) != 0)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/tests/data/residual.onnx", source);
    for (int k = 0; k < INPUT; k++)
        input[k] = (float)((k * 37) % 64 - 32) / 32.0f;
    const mxd_tensor x = { input, MXD_F32, 4, { SAMPLES, 2, 6, 6 } };
    const mxd_tensor l = { labels, MXD_S64, 1, { SAMPLES } };
    if (mxd_tensor_save_npy(&x, "x.npy", &e) != MXD_OK ||
        mxd_tensor_save_npy(&l, "labels.npy", &e) != MXD_OK ||
        mxd_context_create(&w->ctx, NULL, &e) != MXD_OK ||
        mxd_model_load(&w->model, w->ctx, path, &e) != MXD_OK ||
        mxd_dataset_open(&w->data, w->ctx, "npy:x.npy,labels=labels.npy", &e) != MXD_OK ||
        mxd_recipe_uniform(&w->recipe, w->ctx, "w4a6", &e) != MXD_OK) {
        print_error("%s\n", e.msg);
        return -1;
    }
    return 0;
}

static int end_world(void **state)
{
    struct world *const w = &world;
    mxd_recipe_destroy(w->recipe);
    mxd_dataset_close(w->data);
    mxd_model_destroy(w->model);
    mxd_context_destroy(w->ctx);
    return leave_folder(state);
}

static void floats(void **state)
{
    (void)state;
    refuse_each("floats", work_floats, &world, 1, false);
}

static void integers(void **state)
{
    (void)state;
    refuse_each("integers", work_integers, &world, 1, false);
}

static void going_on(void **state)
{
    (void)state;
    refuse_each("going on", work_going_on, &world, 1, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats),
        cmocka_unit_test(integers),
        cmocka_unit_test(going_on),
    };
    return cmocka_run_group_tests_name("oom_train", tests, make_world, end_world);
}
