/* SPDX-License-Identifier: Apache-2.0
 * mixdown train: new or given weights learn on labelled data, in float or quantized. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

static const char *net, *out, *data_spec, *eval_spec, *recipe_path, *precision, *method, *optimizer,
    *schedule, *init, *augment, *checkpoint, *log_path, *nni_path, *nni_dialect;
static int64_t epochs, batch;
static double  lr, momentum = -1.0, weight_decay = -1.0, step_lr = -1.0, clip_norm = -1.0,
                  warm_up = -1.0, smoothing, distill, every = 10.0;

static const struct opt opts[] = {
    { OPT_ARG, "NET", 0, &net, true, NULL, "float ONNX file" },
    { OPT_STR, "output", 'o', &out, true, "FILE",
      "ONNX file to write: float, or QDQ with a recipe" },
    { OPT_STR, "data", 0, &data_spec, true, "SPEC", "labelled samples to train on" },
    { OPT_STR, "eval", 0, &eval_spec, false, "SPEC",
      "labelled samples that each epoch is evaluated on" },
    { OPT_STR, "recipe", 0, &recipe_path, false, "FILE",
      "train quantized: who gets which bits (docs/recipe.md, NNI's files too)" },
    { OPT_STR, "precision", 0, &precision, false, "NAME",
      "train quantized: the same for every layer (w8a8 w4a4 ...)" },
    { OPT_STR, "method", 0, &method, false, "NAME",
      "of the quantizers: minmax lsq lsq+ pact dorefa (default: lsq)" },
    { OPT_STR, "init", 0, &init, false, "kaiming", "begin with new random weights" },
    { OPT_INT, "epochs", 0, &epochs, false, "N",
      "times through the data (default: 10 with --init, else 2)" },
    { OPT_INT, "batch", 0, &batch, false, "N", "samples of a step, a multiple of 8 (default: 64)" },
    { OPT_STR, "optimizer", 0, &optimizer, false, "NAME",
      "sgd (default) or adam, with decoupled weight decay" },
    { OPT_NUM, "lr", 0, &lr, false, "X", "learning rate (default: docs/training.md)" },
    { OPT_NUM, "momentum", 0, &momentum, false, "X", "of sgd (default: 0.9)" },
    { OPT_NUM, "weight-decay", 0, &weight_decay, false, "X",
      "of weights (default: 0.0005; quantized 0.0001)" },
    { OPT_NUM, "step-lr", 0, &step_lr, false, "X",
      "learning rate of quantizers' scales, in --lr (default: 1)" },
    { OPT_NUM, "clip-norm", 0, &clip_norm, false, "X",
      "longest gradient (default: 2; 0: as it is)" },
    { OPT_STR, "schedule", 0, &schedule, false, "NAME",
      "of the learning rate: cosine (default), step or constant" },
    { OPT_NUM, "warm-up", 0, &warm_up, false, "EPOCHS",
      "in which the learning rate rises (default: 0.15 with --init, else 0.1)" },
    { OPT_NUM, "label-smoothing", 0, &smoothing, false, "X",
      "share of the target spread over all classes (default: 0)" },
    { OPT_NUM, "distill", 0, &distill, false, "X",
      "share of the target that the float network gives (default: 0)" },
    { OPT_STR, "augment", 0, &augment, false, "LIST",
      "none, crop, flip or crop,flip (default: flip for colour pictures, both from 5 epochs on)" },
    { OPT_STR, "checkpoint", 0, &checkpoint, false, "DIR",
      "save there, and continue from there (default: OUT.checkpoint, gone when done)" },
    { OPT_NUM, "checkpoint-seconds", 0, &every, false, "S",
      "at most, between two checkpoints (default: 10)" },
    { OPT_STR, "nni-calibration", 0, &nni_path, false, "FILE",
      "also write a quantized result as NNI's calibration_config (.json)" },
    { OPT_STR, "nni-dialect", 0, &nni_dialect, false, "v2|v3",
      "its keys: v2 (default, flat) or v3 (nested)" },
    { OPT_STR, "log", 0, &log_path, false, "FILE", "append a line of JSON for each epoch" },
    OPT_END,
};

/* A line on a terminal, four times a second. */
static int show(void *user, const mxd_train_progress *p)
{
    static struct timespec  last;
    const struct cli *const c = user;
    struct timespec         now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const double since =
        (double)(now.tv_sec - last.tv_sec) + (double)(now.tv_nsec - last.tv_nsec) * 1e-9;
    if (!c->quiet && isatty(STDERR_FILENO) && (since > 0.25 || p->step == p->steps)) {
        last = now;
        fprintf(
            stderr,
            "\repoch %lld/%lld  step %lld/%lld  loss %.4f  top-1 %.2f %%  %.0f images/s  %.0f s left \033[K%s",
            (long long)p->epoch + 1, (long long)p->epochs, (long long)p->step, (long long)p->steps,
            p->loss, p->top1 * 100.0, p->images_per_second, p->seconds_left,
            p->step == p->steps ? "\n" : "");
    }
    return cli_stop(user);
}

static json_t *epoch_json(const mxd_train_epoch *e)
{
    json_t *const o = json_object();
    json_object_set_new(o, "loss", cli_number(e->loss));
    json_object_set_new(o, "train_top1", cli_number(e->train_top1));
    json_object_set_new(o, "top1", cli_number(e->top1));
    json_object_set_new(o, "images_per_second", cli_number(e->images_per_second));
    return o;
}

static mxd_status log_epoch(json_t *epoch, int64_t number, struct cli *c)
{
    if (!log_path)
        return MXD_OK;
    json_t *const line = json_copy(epoch);
    json_object_set_new(line, "epoch", json_integer(number));
    char *const text   = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(9));
    FILE *const f      = fopen(log_path, "a");
    const bool  ok     = text && f && fprintf(f, "%s\n", text) > 0;
    const bool  closed = f && fclose(f) == 0;
    free(text);
    json_decref(line);
    return ok && closed ? MXD_OK : cli_fail(c, MXD_E_IO, "--log %s: cannot be written", log_path);
}

static mxd_status train(mxd_trainer *t, struct cli *c)
{
    json_t *const list = json_array();
    double        top1 = (double)NAN, rate = 0.0;
    json_object_set_new(c->result, "epochs", list);
    for (int64_t k = 0; k < mxd_trainer_epochs(t); k++) {
        mxd_train_epoch e;
        const bool      done = k < mxd_trainer_epochs_done(t);
        if (done)
            mxd_trainer_history(&e, t, k);
        else if (mxd_trainer_epoch(t, &e, &c->err) != MXD_OK)
            return c->err.status;
        json_t *const o = epoch_json(&e);
        json_array_append_new(list, o);
        if (!done && log_epoch(o, k + 1, c) != MXD_OK)
            return c->err.status;
        if (!c->json)
            printf("epoch %lld: loss %.4f, top-1 %.2f %% of the samples trained on%s",
                   (long long)k + 1, e.loss, e.train_top1 * 100.0, isnan(e.top1) ? "\n" : "");
        if (!c->json && !isnan(e.top1))
            printf(", %.2f %% evaluated\n", e.top1 * 100.0);
        fflush(stdout);
        top1 = e.top1;
        rate = e.images_per_second;
    }
    json_object_set_new(c->result, "top1", cli_number(top1));
    json_object_set_new(c->result, "images_per_second", cli_number(rate));
    json_object_set_new(c->result, "resumed_from_step", json_integer(mxd_trainer_resumed_from(t)));
    return MXD_OK;
}

static mxd_status save(mxd_trainer *t, struct cli *c)
{
    mxd_model *m  = NULL;
    mxd_status st = mxd_trainer_export(&m, t, &c->err);
    if (st == MXD_OK)
        st = mxd_model_save(m, out, &c->err);
    if (st == MXD_OK && nni_path)
        st = mxd_model_save_nni_calibration(m, nni_path, nni_dialect, &c->err);
    mxd_model_destroy(m);
    return st;
}

/* The checkpoint, and what processes that were killed while they wrote one have left. */
static void forget(const char *folder)
{
    static const char part[] = ".state.ckpt.";
    char              path[4400];
    DIR *const        d = opendir(folder);
    if (!d)
        return;
    for (const struct dirent *e = readdir(d); e; e = readdir(d)) {
        snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
        if (strcmp(e->d_name, "state.ckpt") == 0 || strncmp(e->d_name, part, sizeof(part) - 1) == 0)
            unlink(path);
    }
    closedir(d);
    rmdir(folder);
}

/* The default folder is this command's own: what another command left there is replaced. */
static mxd_status resume(mxd_trainer *t, const char *folder, struct cli *c)
{
    const mxd_status st = mxd_trainer_resume(t, &c->err);
    if (st == MXD_OK || checkpoint)
        return st;
    forget(folder);
    memset(&c->err, 0, sizeof(c->err));
    return MXD_OK;
}

static mxd_status run(struct cli *c)
{
    mxd_train_options o      = MXD_TRAIN_OPTIONS_INIT;
    mxd_model        *model  = NULL;
    mxd_recipe       *recipe = NULL;
    mxd_dataset      *data = NULL, *eval = NULL;
    mxd_trainer      *t = NULL;
    char              folder[4096];
    struct timespec   start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    snprintf(folder, sizeof(folder), "%s.checkpoint", out);
    o.epochs = epochs, o.batch = batch, o.method = method, o.optimizer = optimizer, o.lr = lr,
    o.momentum = momentum, o.weight_decay = weight_decay;
    o.step_lr = step_lr, o.clip_norm = clip_norm, o.schedule = schedule, o.warm_up = warm_up,
    o.label_smoothing = smoothing, o.distill = distill;
    o.init = init, o.augment = augment, o.seed = (uint64_t)c->seed,
    o.threads = (uint32_t)c->threads, o.isa = c->isa;
    o.checkpoint = checkpoint ? checkpoint : folder, o.checkpoint_seconds = every,
    o.progress = show, o.user = c;
    if (recipe_path && precision)
        return cli_fail(
            c, MXD_E_USAGE,
            "one of --recipe FILE and --precision NAME expected, or neither to train in float");
    if (nni_path && !recipe_path && !precision)
        return cli_fail(
            c, MXD_E_USAGE,
            "--nni-calibration: a quantized training expected (--recipe FILE or --precision NAME)");
    if (nni_dialect &&
        (!nni_path || (strcmp(nni_dialect, "v2") != 0 && strcmp(nni_dialect, "v3") != 0)))
        return cli_fail(c, MXD_E_USAGE,
                        "--nni-dialect: v2 or v3 expected, with --nni-calibration FILE");
    mxd_status st = mxd_model_load(&model, c->ctx, net, &c->err);
    if (st == MXD_OK && recipe_path)
        st = mxd_recipe_load(&recipe, c->ctx, recipe_path, &c->err);
    if (st == MXD_OK && precision)
        st = mxd_recipe_uniform(&recipe, c->ctx, precision, &c->err);
    if (st == MXD_OK)
        st = mxd_dataset_open(&data, c->ctx, data_spec, &c->err);
    if (st == MXD_OK && eval_spec)
        st = mxd_dataset_open(&eval, c->ctx, eval_spec, &c->err);
    if (st == MXD_OK)
        st = mxd_trainer_create(&t, model, recipe, data, eval, &o, &c->err);
    if (st == MXD_OK)
        st = resume(t, folder, c);
    if (st == MXD_OK)
        st = train(t, c);
    if (st == MXD_OK)
        st = save(t, c);
    if (st == MXD_OK && !checkpoint)
        forget(folder);
    clock_gettime(CLOCK_MONOTONIC, &end);
    json_object_set_new(c->result, "seconds",
                        json_real((double)(end.tv_sec - start.tv_sec) +
                                  (double)(end.tv_nsec - start.tv_nsec) * 1e-9));
    mxd_trainer_destroy(t);
    mxd_dataset_close(eval);
    mxd_dataset_close(data);
    mxd_recipe_destroy(recipe);
    mxd_model_destroy(model);
    return st;
}

const struct cmd cmd_train = {
    "train", run, opts, "train a network, in float or quantization-aware",
    "Quantized training computes in the integers that the engine has. The same command continues an interrupted training."
};
