/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole trainings of a small network: it learns what it is shown, gives the same bits on any number
 * of threads, and says what went wrong where.
 */
#include "train_run_case.h"

/* ---- learning ---- */

/* Epochs until all samples are right, also on the engine. */
static void learn_all(mxdi_trainer *t)
{
    mxdi_train_epoch e = { 0 };
    while (mxdi_trainer_epochs_done(t) < t->options.epochs && e.top1 < 1.0)
        e = run_epoch(t);
    if (e.top1 < 1.0)
        fail_msg("%.1f %% after %lld epochs", e.top1 * 100.0, (long long)t->options.epochs);
}

static void overfits(void **state)
{
    (void)state;
    static const char *const precision[] = { "w8a8", "w4a4" };
    for (int adam = 0; adam < 2; adam++) {
        run_case *const    c = run_begin(adam ? 0 : RUN_NORM);
        mxdi_train_options o = run_options();
        o.epochs             = 60;
        o.schedule           = MXDI_CONSTANT;
        o.kaiming            = true;
        o.optimizer.kind     = adam ? MXDI_ADAM : MXDI_SGD;
        o.optimizer.lr       = adam ? 2e-3 : 0.03;
        mxdi_trainer *t      = run_trainer(c, NULL, &o);
        learn_all(t);
        mxdi_graph *const learned = run_export(t), *const drawn = c->g;
        c->g      = learned;
        o.kaiming = false;
        for (int k = 0; k < 2; k++) {
            mxdi_trainer *const q = run_trainer(c, precision[k], &o);
            learn_all(q);
            mxdi_trainer_destroy(q);
        }
        mxdi_graph_destroy(learned);
        mxdi_trainer_destroy(t);
        c->g = drawn;
        run_end(c);
    }
}

/* ---- the same bits ---- */

static mxdi_hash trained(const run_case *c, const char *precision, mxdi_train_options o)
{
    mxdi_trainer *const t = run_trainer(c, precision, &o);
    for (int64_t k = 0; k < o.epochs; k++)
        (void)run_epoch(t);
    const mxdi_hash h = run_hash(t);
    mxdi_trainer_destroy(t);
    return h;
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    static const char *const       precision[] = { NULL, "w8a8", "w4a4", "w4a8" };
    static const mxdi_train_method method[]    = { MXDI_TRAIN_LSQ, MXDI_TRAIN_MINMAX,
                                                   MXDI_TRAIN_LSQ_PLUS, MXDI_TRAIN_DOREFA };
    run_case *const                c           = run_begin(RUN_NORM | RUN_DROPOUT);
    for (int k = 0; k < 4; k++) {
        mxdi_train_options o = run_options();
        o.batch              = 32;
        o.method             = method[k];
        o.crop = o.flip     = true;
        o.distill           = k == 1 ? 0.5f : 0.0f;
        const mxdi_hash one = trained(c, precision[k], o);
        for (o.threads = 2; o.threads < 4; o.threads++)
            assert_same_hash(trained(c, precision[k], o), one);
        o.threads = 1;
        assert_same_hash(trained(c, precision[k], o), one);
        o.seed = 2;
        assert_true(trained(c, precision[k], o).low != one.low);
    }
    run_end(c);
}

/* Values and gradients that do not live at once share storage. */
static void storage_does_not_matter(void **state)
{
    (void)state;
    static const char *const       precision[] = { NULL, "w8a8", "w4a4", "w4-f32" };
    static const mxdi_train_method method[]    = { MXDI_TRAIN_LSQ, MXDI_TRAIN_MINMAX,
                                                   MXDI_TRAIN_LSQ_PLUS, MXDI_TRAIN_DOREFA };
    for (int k = 0; k < 8; k++) {
        run_case *const    c      = run_begin(RUN_WIDE | (k < 4 ? RUN_NORM | RUN_DROPOUT : 0));
        mxdi_train_options o      = run_options();
        o.method                  = method[k % 4];
        mxdi_trainer *const tight = run_trainer(c, precision[k % 4], &o);
        o.keep_values             = true;
        mxdi_trainer *const wide  = run_trainer(c, precision[k % 4], &o);
        assert_true(3 * tight->tape->memory_bytes < 2 * wide->tape->memory_bytes);
        for (int epoch = 0; epoch < 2; epoch++) {
            (void)run_epoch(tight);
            (void)run_epoch(wide);
            assert_same_hash(run_hash(tight), run_hash(wide));
        }
        mxdi_trainer_destroy(tight);
        mxdi_trainer_destroy(wide);
        run_end(c);
    }
}

/* ---- parts that only matter in training ---- */

static void dropouts_drop(void **state)
{
    (void)state;
    for (int norm = 0; norm <= RUN_NORM; norm++) {
        run_case *const          c = run_begin(norm | RUN_DROPOUT);
        const mxdi_train_options o = run_options();
        mxdi_trainer *const      t = run_trainer(c, NULL, &o);
        uint32_t                 n = 0;
        for (uint32_t k = 0; k < t->tape->n_ops; k++)
            n += strcmp(t->tape->op[k].kind->name, "dropout") == 0;
        assert_int_equal(n, 1);
        mxdi_graph *const g = run_export(t);
        assert_int_equal(graph_count(g, "Dropout"), 1); /* and stays, for the next training */
        mxdi_graph_destroy(g);
        mxdi_trainer_destroy(t);
        run_end(c);
    }
}

/* A network that learns from itself has nothing to learn, with a Softmax at its end as without. */
static void distilling_from_itself_is_idle(void **state)
{
    (void)state;
    for (int kind = 0; kind <= RUN_SOFTMAX; kind += RUN_SOFTMAX) {
        run_case *const    c = run_begin(kind);
        mxdi_train_options o = run_options();
        bool               ended;
        o.distill             = 1.0f;
        mxdi_trainer *const t = run_trainer(c, NULL, &o);
        assert_int_equal(mxdi_trainer_step(t, &ended, NULL), MXD_OK);
        if (!(t->optimizer.norm < 1e-5))
            fail_msg("a gradient of length %g", t->optimizer.norm);
        mxdi_trainer_destroy(t);
        run_end(c);
    }
}

/* ---- what goes wrong ---- */

static void mistakes(void **state)
{
    (void)state;
    run_case *const    c = run_begin(0);
    mxdi_train_options o = run_options();
    mxdi_trainer      *t;
    mxd_error          err;
    const struct {
        int64_t     batch, epochs;
        const char *isa;
        mxd_status  status;
        const char *word;
    } wrong[] = {
        { 12, 2, NULL, MXD_E_USAGE, "batch 12: a multiple of 8" },
        { -8, 2, NULL, MXD_E_USAGE, "batch -8" },
        { 16, -1, NULL, MXD_E_USAGE, "epochs -1" },
        { 72, 2, NULL, MXD_E_INVAL, "64 samples" },
        { 16, 2, "avx1024", MXD_E_USAGE, "avx1024" },
    };
    for (size_t k = 0; k < sizeof(wrong) / sizeof(wrong[0]); k++) {
        o        = run_options();
        err      = (mxd_error)MXD_ERROR_INIT;
        o.batch  = wrong[k].batch;
        o.epochs = wrong[k].epochs;
        o.isa    = wrong[k].isa;
        assert_int_equal(run_create(&t, c, NULL, &o, &err), wrong[k].status);
        assert_null(t);
        ASSERT_SAYS(err, wrong[k].word);
    }
    run_end(c);
}

static void nodes_that_cannot_learn(void **state)
{
    (void)state;
    run_case *const          c   = run_begin(0);
    const mxdi_train_options o   = run_options();
    mxdi_trainer            *t   = NULL;
    mxd_error                err = MXD_ERROR_INIT;
    mxdi_graph_destroy(c->g);
    c->g             = graph_new(17);
    const uint32_t x = graph_input(c->g, "x", MXD_F32, DIMS(-1, 3, RUN_SIDE, RUN_SIDE));
    const uint32_t y =
        train_node(c->g, "Erf", "odd", VALUES(run_conv(c->g, "stem", x, 3, 4, 1, false)));
    graph_output(c->g, train_node(c->g, "Flatten", NULL, VALUES(y)));
    assert_int_equal(run_create(&t, c, NULL, &o, &err), MXD_E_UNSUPPORTED);
    ASSERT_SAYS(err, "Erf 'odd'");
    run_end(c);
}

static void labels_outside(void **state)
{
    (void)state;
    run_case *const          c   = run_begin(0);
    const mxdi_train_options o   = run_options();
    mxd_error                err = MXD_ERROR_INIT;
    mxdi_train_epoch         e;
    c->label[33]          = 9;
    mxdi_trainer *const t = run_trainer(c, NULL, &o);
    assert_int_equal(mxdi_trainer_epoch(t, &e, &err), MXD_E_RANGE);
    ASSERT_SAYS(err, "label 9");
    mxdi_trainer_destroy(t);
    run_end(c);
}

/* The step and the layer are told. */
static void numbers_that_are_none(void **state)
{
    (void)state;
    run_case *const    c   = run_begin(0);
    mxdi_train_options o   = run_options();
    mxd_error          err = MXD_ERROR_INIT;
    mxdi_train_epoch   e;
    mxdi_trainer      *t        = run_trainer(c, NULL, &o);
    mxdi_trainer      *q        = run_trainer(c, "w8a8", &o);
    c->x[50 * RUN_FEATURES + 7] = NAN; /* behind the calibration */
    assert_int_equal(mxdi_trainer_epoch(t, &e, &err), MXD_E_RANGE);
    ASSERT_SAYS(err, "step ");
    ASSERT_SAYS(err, "'x'");
    err = (mxd_error)MXD_ERROR_INIT;
    assert_int_equal(mxdi_trainer_epoch(q, &e, &err), MXD_E_RANGE);
    ASSERT_SAYS(err, "step ");
    ASSERT_SAYS(err, "'x'");
    mxdi_trainer_destroy(t);
    mxdi_trainer_destroy(q);
    run_end(c);
}

static void steps_that_are_too_long(void **state)
{
    (void)state;
    run_case *const    c   = run_begin(0);
    mxdi_train_options o   = run_options();
    mxd_error          err = MXD_ERROR_INIT;
    mxdi_train_epoch   e;
    o.optimizer.lr        = 1e30;
    o.optimizer.clip_norm = 0.0;
    mxdi_trainer *t       = run_trainer(c, NULL, &o);
    assert_int_equal(mxdi_trainer_epoch(t, &e, &err), MXD_E_RANGE);
    ASSERT_SAYS(err, "step 2: '");
    ASSERT_SAYS(err, "--lr");
    mxdi_trainer_destroy(t);
    o.optimizer.lr = 1e200; /* and in a training of one step */
    o.epochs       = 1;
    o.batch        = RUN_SAMPLES;
    t              = run_trainer(c, NULL, &o);
    err            = (mxd_error)MXD_ERROR_INIT;
    assert_int_equal(mxdi_trainer_epoch(t, &e, &err), MXD_E_RANGE);
    ASSERT_SAYS(err, "'stem.weight'");
    mxdi_trainer_destroy(t);
    run_end(c);
}

/* ---- progress ---- */

struct watcher {
    int64_t             stop_after, calls;
    mxdi_train_progress last;
};

static int watch(void *user, const mxdi_train_progress *p)
{
    struct watcher *const w = user;
    w->last                 = *p;
    return ++w->calls == w->stop_after;
}

static void callbacks_stop(void **state)
{
    (void)state;
    run_case *const    c = run_begin(0);
    mxdi_train_options o = run_options();
    for (int64_t stop = 3; stop < 5; stop++) { /* the fourth step is the last of its epoch */
        struct watcher   w   = { .stop_after = stop };
        mxd_error        err = MXD_ERROR_INIT;
        mxdi_train_epoch e;
        o.progress            = watch;
        o.user                = &w;
        mxdi_trainer *const t = run_trainer(c, NULL, &o);
        assert_int_equal(mxdi_trainer_epoch(t, &e, &err), MXD_E_CANCELLED);
        ASSERT_SAYS(err, stop == 3 ? "step 3" : "step 4");
        assert_int_equal(w.calls, stop);
        assert_int_equal(mxdi_trainer_epochs_done(t), stop == 4);
        assert_int_equal(mxdi_trainer_epoch(t, &e, &err), MXD_OK); /* and on */
        assert_int_equal(mxdi_trainer_epochs_done(t), stop == 4 ? 2 : 1);
        mxdi_trainer_destroy(t);
    }
    run_end(c);
}

/* One step after the other is the same training as whole epochs. */
static void steps_make_epochs(void **state)
{
    (void)state;
    run_case *const    c = run_begin(RUN_NORM);
    mxdi_train_options o = run_options();
    struct watcher     w = { 0 }, v = { 0 };
    mxd_error          err = MXD_ERROR_INIT;
    o.progress             = watch;
    o.user                 = &w;
    mxdi_trainer *const a  = run_trainer(c, NULL, &o);
    (void)run_epoch(a);
    (void)run_epoch(a);
    o.user                = &v;
    mxdi_trainer *const b = run_trainer(c, NULL, &o);
    for (int k = 0; k < 8; k++) {
        bool ended;
        assert_int_equal(mxdi_trainer_step(b, &ended, &err), MXD_OK);
        assert_int_equal(ended, k % 4 == 3);
        assert_int_equal(v.last.step, k % 4 + 1);
        assert_int_equal(v.last.epoch, k / 4);
    }
    assert_same_hash(run_hash(a), run_hash(b));
    assert_true(w.last.loss == v.last.loss && w.last.top1 == v.last.top1);
    bool ended;
    assert_int_equal(mxdi_trainer_step(b, &ended, &err), MXD_E_INVAL); /* it is over */
    mxdi_trainer_destroy(a);
    mxdi_trainer_destroy(b);
    run_end(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overfits),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(storage_does_not_matter),
        cmocka_unit_test(dropouts_drop),
        cmocka_unit_test(distilling_from_itself_is_idle),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(nodes_that_cannot_learn),
        cmocka_unit_test(labels_outside),
        cmocka_unit_test(numbers_that_are_none),
        cmocka_unit_test(steps_that_are_too_long),
        cmocka_unit_test(callbacks_stop),
        cmocka_unit_test(steps_make_epochs),
    };
    return cmocka_run_group_tests_name("train_run", tests, NULL, NULL);
}
