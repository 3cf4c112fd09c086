/* SPDX-License-Identifier: Apache-2.0
 *
 * A training that stops after any of its steps and goes on in a new trainer ends in the bits of one
 * that never stopped; checkpoints that are broken or another training's are refused.
 */
#include "train_run_case.h"

#include "base/file.h"
#include "test_folder.h"

static const char path[] = "c/state.ckpt";

struct stopper {
    int64_t after, steps;
};

static int stop_after(void *user, const mxdi_train_progress *p)
{
    struct stopper *const s = user;
    (void)p;
    return ++s->steps == s->after;
}

static mxdi_train_options options(struct stopper *s)
{
    mxdi_train_options o = run_options();
    o.checkpoint         = "c";
    o.progress           = stop_after;
    o.user               = s;
    return o;
}

/* A trainer that has gone on from the folder's checkpoint. */
static mxdi_trainer *resumed(const run_case *c, const char *precision, const mxdi_train_options *o)
{
    mxdi_trainer *const t   = run_trainer(c, precision, o);
    mxd_error           err = MXD_ERROR_INIT;
    if (mxdi_trainer_resume(t, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    return t;
}

/* To the end, or to where the stopper stops it. */
static bool go_on(mxdi_trainer *t)
{
    mxdi_train_epoch e;
    mxd_error        err = MXD_ERROR_INIT;
    while (mxdi_trainer_epochs_done(t) < t->options.epochs) {
        const mxd_status st = mxdi_trainer_epoch(t, &e, &err);
        if (st == MXD_E_CANCELLED)
            return false;
        if (st != MXD_OK)
            fail_msg("%s", err.msg);
    }
    return true;
}

/* What two trainings have come to; speeds differ. */
static void assert_same_history(const mxdi_trainer *a, const mxdi_trainer *b)
{
    assert_int_equal(mxdi_trainer_epochs_done(a), mxdi_trainer_epochs_done(b));
    for (int64_t k = 0; k < mxdi_trainer_epochs_done(a); k++) {
        const mxdi_train_epoch *const x = &mxdi_trainer_history(a)[k];
        const mxdi_train_epoch *const y = &mxdi_trainer_history(b)[k];
        assert_true(x->loss == y->loss && x->train_top1 == y->train_top1 && x->top1 == y->top1);
    }
}

static void remove_checkpoint(void)
{
    assert_int_equal(remove(path), 0);
}

static void check_every_step(int kind, const char *precision, mxdi_train_method method,
                             mxdi_optimizer_kind optimizer)
{
    run_case *const    c     = run_begin(kind);
    struct stopper     never = { -1, 0 };
    mxdi_train_options o     = options(&never);
    o.method                 = method;
    o.optimizer.kind         = optimizer;
    o.optimizer.lr           = optimizer == MXDI_ADAM ? 1e-3 : 0.02;
    o.crop = o.flip           = true;
    mxdi_trainer *const whole = run_trainer(c, precision, &o);
    assert_true(go_on(whole));
    const mxdi_hash want = run_hash(whole);
    remove_checkpoint();
    for (int64_t step = 1; step < 2 * whole->steps_of_epoch; step++) {
        struct stopper s     = { step, 0 };
        o.user               = &s;
        mxdi_trainer *broken = run_trainer(c, precision, &o);
        assert_false(go_on(broken));
        mxdi_trainer_destroy(broken);
        o.user                = &never;
        mxdi_trainer *const t = resumed(c, precision, &o);
        assert_int_equal(mxdi_trainer_resumed_from(t), step);
        assert_true(go_on(t));
        assert_same_hash(run_hash(t), want);
        assert_same_history(t, whole);
        mxdi_trainer_destroy(t);
        remove_checkpoint();
    }
    mxdi_trainer_destroy(whole);
    run_end(c);
}

static void every_step_of_float(void **state)
{
    (void)state;
    check_every_step(RUN_NORM | RUN_DROPOUT, NULL, MXDI_TRAIN_LSQ, MXDI_SGD);
    check_every_step(0, NULL, MXDI_TRAIN_LSQ, MXDI_ADAM);
}

static void every_step_of_integers(void **state)
{
    (void)state;
    check_every_step(0, "w4a4", MXDI_TRAIN_LSQ_PLUS, MXDI_SGD);
    check_every_step(RUN_NORM, "w8a8", MXDI_TRAIN_MINMAX, MXDI_ADAM);
    check_every_step(0, "w4a8", MXDI_TRAIN_PACT, MXDI_SGD);
}

/* An ended training is there again, and without a checkpoint one begins. */
static void ends_and_beginnings(void **state)
{
    (void)state;
    run_case *const          c     = run_begin(0);
    struct stopper           never = { -1, 0 };
    const mxdi_train_options o     = options(&never);
    mxdi_trainer *const      a     = resumed(c, NULL, &o);
    assert_int_equal(mxdi_trainer_resumed_from(a), 0);
    assert_true(go_on(a));
    mxdi_trainer *const b = resumed(c, NULL, &o);
    assert_same_history(a, b);
    assert_same_hash(run_hash(a), run_hash(b));
    mxdi_trainer_destroy(a);
    mxdi_trainer_destroy(b);
    run_end(c);
}

/* Saved on request, after every step when no time may pass, and where it costs nothing. */
static void as_often_as_wanted(void **state)
{
    (void)state;
    run_case *const    c     = run_begin(0);
    struct stopper     never = { -1, 0 };
    mxdi_train_options o     = options(&never);
    bool               ended;
    mxdi_trainer      *t = run_trainer(c, NULL, &o);
    t->save_seconds      = 1e9;
    assert_int_equal(mxdi_trainer_step(t, &ended, NULL), MXD_OK);
    assert_false(mxdi_path_exists(path));
    assert_int_equal(mxdi_trainer_save(t, NULL), MXD_OK);
    assert_true(mxdi_path_exists(path));
    mxdi_trainer_destroy(t);
    remove_checkpoint();
    t               = run_trainer(c, NULL, &o);
    t->save_seconds = 0.0;
    assert_int_equal(mxdi_trainer_step(t, &ended, NULL), MXD_OK);
    assert_true(mxdi_path_exists(path));
    mxdi_trainer_destroy(t);
    remove_checkpoint();
    o.checkpoint_seconds = -1.0;
    t                    = run_trainer(c, NULL, &o);
    t->save_seconds      = 1e9;
    assert_int_equal(mxdi_trainer_step(t, &ended, NULL), MXD_OK);
    assert_true(mxdi_path_exists(path));
    mxdi_trainer_destroy(t);
    run_end(c);
}

/* ---- files that do not belong ---- */

struct bytes {
    uint8_t *at;
    size_t   n;
};

static struct bytes read_checkpoint(void)
{
    mxdi_file    f = MXDI_FILE_INIT;
    struct bytes b = { NULL, 0 };
    assert_int_equal(mxdi_file_map(&f, path, NULL), MXD_OK);
    b.n  = f.bytes.size;
    b.at = malloc(b.n + 1);
    assert_non_null(b.at);
    memcpy(b.at, f.bytes.data, b.n);
    mxdi_file_unmap(&f);
    return b;
}

static void write_checkpoint(struct bytes b)
{
    assert_int_equal(mxdi_file_write(path, b.at, b.n, NULL), MXD_OK);
}

static void refused(const run_case *c, const char *precision, const mxdi_train_options *o,
                    mxd_status status)
{
    mxdi_trainer *const t   = run_trainer(c, precision, o);
    mxd_error           err = MXD_ERROR_INIT;
    const mxd_status    st  = mxdi_trainer_resume(t, &err);
    if (st != status)
        fail_msg("status %d: %s", st, err.msg);
    ASSERT_SAYS(err, "c/state.ckpt");
    mxdi_trainer_destroy(t);
}

static void broken_files(void **state)
{
    (void)state;
    run_case *const          c = run_begin(0);
    struct stopper           s = { 3, 0 };
    const mxdi_train_options o = options(&s);
    mxdi_trainer *const      t = run_trainer(c, NULL, &o);
    assert_false(go_on(t));
    mxdi_trainer_destroy(t);
    const struct bytes b      = read_checkpoint();
    const size_t       cuts[] = { 0, 1, 8, 50, 100, 120, b.n / 2, b.n - 16, b.n - 1 };
    for (size_t k = 0; k < sizeof(cuts) / sizeof(cuts[0]); k++) {
        write_checkpoint((struct bytes){ b.at, cuts[k] });
        refused(c, NULL, &o, MXD_E_INVAL);
    }
    for (size_t at = 0; at < b.n; at += 1 + b.n / 40) {
        b.at[at] ^= 4;
        write_checkpoint(b);
        refused(c, NULL, &o, MXD_E_INVAL);
        b.at[at] ^= 4;
    }
    b.at[b.n] = 0;
    write_checkpoint((struct bytes){ b.at, b.n + 1 }); /* longer */
    refused(c, NULL, &o, MXD_E_INVAL);
    write_checkpoint(b);
    mxdi_trainer_destroy(resumed(c, NULL, &o)); /* as it was */
    free(b.at);
    run_end(c);
}

/* Each difference that would lead elsewhere: options, weights, data, precision. */
static void files_of_other_trainings(void **state)
{
    (void)state;
    run_case *const          c = run_begin(0);
    struct stopper           s = { 3, 0 };
    const mxdi_train_options o = options(&s);
    mxdi_trainer *const      t = run_trainer(c, NULL, &o);
    assert_false(go_on(t));
    mxdi_trainer_destroy(t);
    mxdi_train_options other[12];
    for (size_t k = 0; k < sizeof(other) / sizeof(other[0]); k++)
        other[k] = o;
    other[0].epochs                 = 3;
    other[1].batch                  = 32;
    other[2].optimizer.kind         = MXDI_ADAM;
    other[3].optimizer.lr           = 0.02000001;
    other[4].optimizer.momentum     = 0.8;
    other[5].optimizer.weight_decay = 1e-4;
    other[6].optimizer.clip_norm    = 3.0;
    other[7].schedule               = MXDI_STEP;
    other[8].warm_up                = 0.5;
    other[9].smoothing              = 0.1f;
    other[10].seed                  = 2;
    other[11].flip                  = true;
    for (size_t k = 0; k < sizeof(other) / sizeof(other[0]); k++)
        refused(c, NULL, &other[k], MXD_E_STALE);
    refused(c, "w8a8", &o, MXD_E_STALE);
    c->label[63] ^= 1;
    refused(c, NULL, &o, MXD_E_STALE);
    c->label[63] ^= 1;
    c->x[0] += 1.0f;
    refused(c, NULL, &o, MXD_E_STALE);
    c->x[0] -= 1.0f;
    float *const w = (float *)(uintptr_t)c->g->value[mxdi_graph_find_value(c->g, "a1.weight")].data;
    w[5] += 1.0f;
    refused(c, NULL, &o, MXD_E_STALE);
    run_end(c);
}

/* Threads and instruction sets change no bits, so a checkpoint fits them all. */
static void other_machines(void **state)
{
    (void)state;
    run_case *const    c = run_begin(0);
    struct stopper     s = { 3, 0 };
    mxdi_train_options o = options(&s);
    mxdi_trainer      *t = run_trainer(c, "w8a8", &o);
    assert_false(go_on(t));
    mxdi_trainer_destroy(t);
    o.threads = 2;
    o.isa     = run_lowest_isa();
    mxdi_trainer_destroy(resumed(c, "w8a8", &o));
    run_end(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(every_step_of_float), IN_FOLDER(every_step_of_integers),
        IN_FOLDER(ends_and_beginnings), IN_FOLDER(as_often_as_wanted),
        IN_FOLDER(broken_files),        IN_FOLDER(files_of_other_trainings),
        IN_FOLDER(other_machines),
    };
    return cmocka_run_group_tests_name("train_checkpoint", tests, NULL, NULL);
}
