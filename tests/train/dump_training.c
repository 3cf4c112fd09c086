/* SPDX-License-Identifier: Apache-2.0
 *
 * What one step of training computes, for another framework to compare with:
 *
 *     dump_training MODEL X.npy LABELS.npy PRECISION METHOD SMOOTHING FOLDER
 *
 * PRECISION "f32": in float. All samples are one batch; the order they come in is in FOLDER/x.npy
 * and FOLDER/label.npy. FOLDER also gets weight_K.npy and grad_K.npy of parameter K, named by line
 * K of params.txt; value_K.npy, as the tape holds it, of values.txt; and scale_K.npy of the
 * quantizers of activations in quantizers.txt, with their zero points.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/npy.h"
#include "mixdown/mixdown.h"
#include "onnx/onnx.h"
#include "train/quantizer.h"
#include "train/trainer_impl.h"

static const char *folder;

struct samples {
    mxd_tensor x, label;
};

static void need(mxd_status st, const mxd_error *err)
{
    if (st == MXD_OK)
        return;
    fprintf(stderr, "dump_training: %s\n", err->msg);
    exit(1);
}

static void save(const char *name, int64_t k, const mxd_tensor *t)
{
    char      path[4096];
    mxd_error err = MXD_ERROR_INIT;
    if (k < 0)
        (void)snprintf(path, sizeof(path), "%s/%s.npy", folder, name);
    else
        (void)snprintf(path, sizeof(path), "%s/%s_%" PRId64 ".npy", folder, name, k);
    need(mxdi_npy_save(path, t, &err), &err);
}

static FILE *list(const char *name)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/%s.txt", folder, name);
    FILE *const f = fopen(path, "w");
    if (!f) {
        fprintf(stderr, "dump_training: %s: cannot be written\n", path);
        exit(1);
    }
    return f;
}

/* ---- the data ---- */

static const char *name_of(const void *data, uint32_t k)
{
    (void)data;
    (void)k;
    return NULL;
}

static void sample_of(mxd_tensor *out, const void *data, uint32_t k)
{
    const struct samples *const s = data;
    (void)k;
    *out = (mxd_tensor){ .dtype = MXD_F32, .rank = s->x.rank - 1 };
    memcpy(out->dim, s->x.dim + 1, (size_t)out->rank * sizeof(out->dim[0]));
}

static int64_t features_of(const struct samples *s)
{
    int64_t n = 1;
    for (int32_t k = 1; k < s->x.rank; k++)
        n *= s->x.dim[k];
    return n;
}

static mxd_status read_samples(const void *data, uint32_t k, int64_t first, int64_t count,
                               void *out, mxd_error *err)
{
    const struct samples *const s = data;
    const int64_t               n = features_of(s);
    (void)k;
    (void)err;
    memcpy(out, (const float *)s->x.data + first * n, (size_t)(count * n) * sizeof(float));
    return MXD_OK;
}

/* ---- what comes out ---- */

/* (N, C, H, W) of a value, or less, as its graph has it. */
static void save_value(const mxdi_tape *t, uint32_t value, const float *x, const char *name,
                       int64_t k)
{
    const mxdi_train_value *const v    = &t->value[value];
    const mxdi_blocked *const     l    = &v->layout;
    const int64_t                 area = (int64_t)l->h * l->w;
    float *const dense = malloc((size_t)(t->options.batch * l->channels * area) * sizeof(float));
    mxd_tensor   out   = { dense, MXD_F32, 4, { t->options.batch, l->channels, l->h, l->w } };
    if (!dense)
        exit(1);
    for (int64_t n = 0; n < t->options.batch; n++)
        for (int64_t i = 0; i < l->channels * area; i++)
            dense[n * l->channels * area + i] =
                x[n / l->block * l->block_stride + i % area * mxdi_blocked_pixel(l) +
                  n % l->block * l->pitch + i / area];
    save(name, k, &out);
    free(dense);
}

static void save_params(const mxdi_tape *t)
{
    FILE *const f = list("params");
    for (uint32_t k = 0; k < t->n_params; k++) {
        const mxdi_param *const p = t->param[k];
        mxd_tensor              x = { p->w, MXD_F32, 1, { p->n } };
        fprintf(f, "%s\n", p->name);
        save("weight", k, &x);
        x.data = p->dw;
        if (p->dw)
            save("grad", k, &x);
    }
    (void)fclose(f);
}

static void save_values(const mxdi_tape *t)
{
    FILE *const f = list("values");
    for (uint32_t v = 0; v < t->graph->n_values; v++) {
        fprintf(f, "%s\n", t->value[v].name);
        if (t->value[v].x)
            save_value(t, v, t->value[v].x, "value", v);
    }
    (void)fclose(f);
}

static void save_quantizers(const mxdi_tape *t)
{
    FILE *const f = list("quantizers");
    int64_t     k = 0;
    for (uint32_t n = 0; n < t->graph->n_nodes; n++) {
        const mxdi_act_quantizer *const a = t->quantizer[n];
        if (!a)
            continue;
        float            s = a->s;
        const mxd_tensor x = { &s, MXD_F32, 1, { 1 } };
        fprintf(f, "%s %d %d %d\n", t->graph->value[t->graph->node[n].out[0]].name, a->z, a->q_min,
                a->q_max);
        save("scale", k++, &x);
    }
    (void)fclose(f);
}

/* Nothing is learned, so that weights are still those that the gradients belong to. */
static mxdi_train_options options_of(char **argv, int64_t batch)
{
    static const char *const methods[] = { "minmax", "lsq", "lsq+", "pact", "dorefa" };
    mxdi_train_options       o         = { .epochs      = 1,
                                           .batch       = batch,
                                           .optimizer   = { .lr = 0.0, .step_lr = 1.0 },
                                           .threads     = 2,
                                           .seed        = 3,
                                           .keep_values = true };
    for (uint32_t k = 0; k < 5; k++)
        if (strcmp(argv[5], methods[k]) == 0)
            o.method = (mxdi_train_method)k;
    o.smoothing = strtof(argv[6], NULL);
    return o;
}

int main(int argc, char **argv)
{
    mxd_error      err    = MXD_ERROR_INIT;
    mxd_context   *ctx    = NULL;
    mxdi_graph    *g      = NULL;
    mxdi_recipe   *recipe = NULL;
    mxdi_trainer  *t      = NULL;
    mxdi_registry  registry;
    struct samples s;
    bool           ended;
    if (argc != 8) {
        fprintf(stderr, "dump_training MODEL X LABELS PRECISION METHOD SMOOTHING FOLDER\n");
        return 2;
    }
    folder = argv[7];
    mxdi_registry_init(&registry);
    need(mxd_context_create(&ctx, NULL, &err), &err);
    need(mxdi_onnx_load(&g, argv[1], NULL, &err), &err);
    need(mxd_tensor_load_npy(&s.x, ctx, argv[2], &err), &err);
    need(mxd_tensor_load_npy(&s.label, ctx, argv[3], &err), &err);
    if (strcmp(argv[4], "f32") != 0)
        need(mxdi_recipe_uniform(&recipe, argv[4], NULL, &err), &err);
    const mxdi_train_data    data = { { .samples  = s.x.dim[0],
                                        .n_inputs = 1,
                                        .name     = name_of,
                                        .sample   = sample_of,
                                        .read     = read_samples,
                                        .data     = &s },
                                      s.label.data };
    const mxdi_train_options o    = options_of(argv, s.x.dim[0]);
    need(mxdi_trainer_create(&t, g, recipe, &data, NULL, &o, &registry, NULL, &err), &err);
    need(mxdi_trainer_step(t, &ended, &err), &err);
    save_value(t->tape, t->tape->input, t->tape->value[t->tape->input].x, "x", -1);
    save_value(t->tape, t->tape->output, t->tape->value[t->tape->output].x, "logits", -1);
    save("label", -1, &(mxd_tensor){ t->label, MXD_S64, 1, { o.batch } });
    save_params(t->tape);
    save_values(t->tape);
    save_quantizers(t->tape);
    mxdi_trainer_destroy(t);
    mxdi_recipe_destroy(recipe);
    mxdi_graph_destroy(g);
    mxd_free(ctx, s.x.data);
    mxd_free(ctx, s.label.data);
    mxd_context_destroy(ctx);
    mxdi_registry_fini(&registry);
    return 0;
}
