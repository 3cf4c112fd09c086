/* SPDX-License-Identifier: Apache-2.0
 * Recipes, calibration and quantization behind the public handles. */
#include <stdio.h>
#include <string.h>

#include "api/api_dataset.h"
#include "api/api_objects.h"
#include "api/api_recipe.h"
#include "base/text.h"
#include "quant/quantize.h"
#include "train/adaround.h"

struct mxd_calibration {
    const mxd_context *ctx;
    mxdi_calibration  *calibration;
};

/* ---- recipe ---- */

static mxd_status wrap_recipe(mxd_recipe **out, const mxd_context *ctx, mxdi_recipe *recipe,
                              mxd_error *err)
{
    *out = MXDI_ALLOC(&ctx->allocator, mxd_recipe, 1);
    if (!*out) {
        mxdi_recipe_destroy(recipe);
        return mxdi_nomem(err);
    }
    **out = (mxd_recipe){ ctx, recipe };
    return MXD_OK;
}

mxd_status mxd_recipe_load(mxd_recipe **out, const mxd_context *ctx, const char *path,
                           mxd_error *err)
{
    mxdi_recipe *r = NULL;
    *out           = NULL;
    MXD_TRY(mxdi_recipe_load(&r, path, &ctx->allocator, err));
    return wrap_recipe(out, ctx, r, err);
}

mxd_status mxd_recipe_uniform(mxd_recipe **out, const mxd_context *ctx, const char *precision,
                              mxd_error *err)
{
    mxdi_recipe *r = NULL;
    *out           = NULL;
    MXD_TRY(mxdi_recipe_uniform(&r, precision, &ctx->allocator, err));
    return wrap_recipe(out, ctx, r, err);
}

void mxd_recipe_destroy(mxd_recipe *recipe)
{
    if (!recipe)
        return;
    mxdi_recipe_destroy(recipe->recipe);
    mxdi_free(&recipe->ctx->allocator, recipe);
}

/* ---- calibration ---- */

static mxd_status wrap_calibration(mxd_calibration **out, const mxd_context *ctx,
                                   mxdi_calibration *calibration, mxd_error *err)
{
    *out = MXDI_ALLOC(&ctx->allocator, mxd_calibration, 1);
    if (!*out) {
        mxdi_calibration_destroy(calibration);
        return mxdi_nomem(err);
    }
    **out = (mxd_calibration){ ctx, calibration };
    return MXD_OK;
}

mxd_status mxd_calibrate(mxd_calibration **out, const mxd_model *model, const mxd_dataset *data,
                         const mxd_calibrate_options *options, mxd_error *err)
{
    static const char *const           methods[] = { "minmax", "percentile", "mse", "entropy" };
    const mxd_calibrate_options        defaults  = MXD_CALIBRATE_OPTIONS_INIT;
    const mxd_calibrate_options *const o         = options ? options : &defaults;
    mxdi_calibrate_options             inner     = { .method   = MXDI_MSE,
                                                     .batches  = o->batches,
                                                     .threads  = o->threads,
                                                     .progress = o->progress,
                                                     .user     = o->user };
    mxdi_calibration                  *c         = NULL;
    *out                                         = NULL;
    if (o->method) {
        const int         m    = mxdi_method_parse(o->method);
        const char *const near = mxdi_nearest(o->method, methods, 4);
        if (m < 0)
            return mxdi_fail(err, MXD_E_USAGE,
                             "method '%s': minmax, percentile, mse or entropy expected%s%s",
                             o->method, near ? "; perhaps " : "", near ? near : "");
        inner.method = (mxdi_method)m;
    }
    const mxdi_source source = mxdi_api_source(data);
    MXD_TRY(mxdi_calibrate(&c, model->graph, &source, &inner, &model->ctx->registry,
                           &model->ctx->allocator, err));
    return wrap_calibration(out, model->ctx, c, err);
}

mxd_status mxd_calibration_load(mxd_calibration **out, const mxd_context *ctx, const char *path,
                                mxd_error *err)
{
    mxdi_calibration *c = NULL;
    *out                = NULL;
    MXD_TRY(mxdi_calibration_load(&c, path, &ctx->allocator, err));
    return wrap_calibration(out, ctx, c, err);
}

mxd_status mxd_calibration_save(const mxd_calibration *calibration, const char *path,
                                mxd_error *err)
{
    return mxdi_calibration_save(calibration->calibration, path, err);
}

void mxd_calibration_destroy(mxd_calibration *calibration)
{
    if (!calibration)
        return;
    mxdi_calibration_destroy(calibration->calibration);
    mxdi_free(&calibration->ctx->allocator, calibration);
}

uint32_t mxd_calibration_tensors(const mxd_calibration *calibration)
{
    return calibration->calibration->n_tensors;
}
int64_t mxd_calibration_samples(const mxd_calibration *calibration)
{
    return calibration->calibration->samples;
}

void mxd_calibration_tensor(mxd_tensor_range *out, const mxd_calibration *calibration,
                            uint32_t index)
{
    const mxdi_tensor_stats *const t = &calibration->calibration->tensor[index];
    *out                             = (mxd_tensor_range){ .tensor   = t->name,
                                                           .min      = t->min,
                                                           .max      = t->max,
                                                           .low      = t->low,
                                                           .high     = t->high,
                                                           .outliers = t->observer
                                                                           ? mxdi_observer_outside(t->observer, t->low, t->high)
                                                                           : 0.0,
                                                           .channels = t->channels };
    for (uint32_t k = 0; t->channel_min && k < t->channels; k++)
        out->dead_channels += t->channel_min[k] == t->channel_max[k];
}

/* ---- quantize ---- */

/* What every backend of the list takes: the strictest wish of each. */
static mxd_status join_constraints(mxd_constraints *out, const mxd_context *ctx, const char *list,
                                   mxd_error *err)
{
    static const struct {
        const char     *name;
        mxd_constraints c;
    } known[] = {
        /* TensorRT 10 and later: symmetric s8, a quantizer on the residual input (NVIDIA's
           explicit-quantization guide) */
        { "tensorrt", { sizeof(mxd_constraints), 0, 1, 1, 0, 1 } },
        /* ONNX Runtime's QLinearAdd wants both inputs quantized */
        { "onnxruntime", { sizeof(mxd_constraints), 0, 0, 0, 1, 1 } },
        { "openvino", { sizeof(mxd_constraints), 0, 0, 0, 0, 0 } },
        { "cpu", { sizeof(mxd_constraints), 0, 0, 0, 0, 0 } },
        { "interp", { sizeof(mxd_constraints), 0, 0, 0, 0, 0 } },
    };
    const char *names[8];
    *out = (mxd_constraints){ .struct_size = sizeof(*out) };
    (void)ctx;
    for (const char *p = list ? list : "cpu"; *p;) {
        const size_t n     = strcspn(p, ",");
        bool         found = false;
        for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++) {
            names[k] = known[k].name;
            if (strlen(known[k].name) != n || strncmp(p, known[k].name, n) != 0)
                continue;
            found = true;
            out->symmetric_only |= known[k].c.symmetric_only;
            out->signed_activations |= known[k].c.signed_activations;
            out->quantize_every_output |= known[k].c.quantize_every_output;
            out->quantize_residual |= known[k].c.quantize_residual;
        }
        if (!found) {
            char word[64];
            snprintf(word, sizeof(word), "%.*s", (int)(n < 63 ? n : 63), p);
            const char *const near = mxdi_nearest(word, names, sizeof(known) / sizeof(known[0]));
            return mxdi_fail(err, MXD_E_USAGE, "--for '%s': no backend of that name%s%s", word,
                             near ? ", perhaps " : "", near ? near : "");
        }
        p += n + (p[n] == ',');
    }
    return MXD_OK;
}

static mxd_status parse_repair(uint32_t *out, const char *list, mxd_error *err)
{
    static const char *const names[] = { "cle", "bias", "adaround", "none" };
    *out                             = 0;
    for (const char *p = list ? list : ""; *p;) {
        const size_t n = strcspn(p, ",");
        char         word[64];
        size_t       k = 0;
        snprintf(word, sizeof(word), "%.*s", (int)(n < 63 ? n : 63), p);
        while (k < 4 && strcmp(word, names[k]) != 0)
            k++;
        if (k == 4 || (k == 3 && strcmp(list, "none") != 0)) {
            const char *const near = k == 4 ? mxdi_nearest(word, names, 4) : NULL;
            return mxdi_fail(
                err, MXD_E_USAGE,
                "repair '%s': cle, bias, adaround (any of them, with commas between) or none expected%s%s",
                k == 4 ? word : list, near ? "; perhaps " : "", near ? near : "");
        }
        *out |= k < 3 ? 1u << k : 0;
        p += n + (p[n] == ',');
    }
    return MXD_OK;
}

static mxd_status parse_reconstruct(const mxdi_reconstruction **out, const char *word,
                                    mxd_error *err)
{
    static const char *const names[] = { "layer", "block" };
    *out = word && strcmp(word, "block") == 0 ? &mxdi_adaround_blocks : NULL;
    if (!word || *out || strcmp(word, "layer") == 0)
        return MXD_OK;
    const char *const near = mxdi_nearest(word, names, 2);
    return mxdi_fail(err, MXD_E_USAGE, "reconstruct '%s': layer or block expected%s%s", word,
                     near ? "; perhaps " : "", near ? near : "");
}

mxd_status mxd_quantize(mxd_model **out, mxd_quantize_report *report, const mxd_model *model,
                        const mxd_recipe *recipe, const mxd_calibration *calibration,
                        const mxd_dataset *data, const mxd_quantize_options *options,
                        mxd_error *err)
{
    const mxd_quantize_options        defaults = MXD_QUANTIZE_OPTIONS_INIT;
    const mxd_quantize_options *const o        = options ? options : &defaults;
    const mxd_context *const          ctx      = model->ctx;
    mxdi_quantize_result              r;
    mxd_constraints                   constraints;
    mxdi_source                       source;
    *out                              = NULL;
    uint32_t                   repair = 0;
    const mxdi_reconstruction *blocks;
    MXD_TRY(parse_repair(&repair, o->repair, err));
    MXD_TRY(parse_reconstruct(
        &blocks, MXDI_HAS_FIELD(o, mxd_quantize_options, reconstruct) ? o->reconstruct : NULL,
        err));
    MXD_TRY(join_constraints(&constraints, ctx, o->for_backends, err));
    if (data)
        source = mxdi_api_source(data);
    const mxdi_quantize_options inner = { .backend  = &constraints,
                                          .registry = &ctx->registry,
                                          .data     = data ? &source : NULL,
                                          .threads  = o->threads,
                                          .repair   = repair,
                                          .adaround = &mxdi_adaround,
                                          .blocks   = blocks,
                                          .progress = o->progress,
                                          .user     = o->user,
                                          .seed     = MXDI_HAS_FIELD(o, mxd_quantize_options, seed)
                                                          ? o->seed
                                                          : 0 };
    mxd_model *const            q     = MXDI_ALLOC(&ctx->allocator, mxd_model, 1);
    if (!q)
        return mxdi_nomem(err);
    q->ctx              = ctx;
    q->references       = 1;
    const mxd_status st = mxdi_quantize(&q->graph, &r, model->graph, recipe->recipe,
                                        calibration ? calibration->calibration : NULL, &inner, err);
    if (st != MXD_OK) {
        mxdi_free(&ctx->allocator, q);
        return st;
    }
    q->parent   = mxdi_api_retain(model);
    q->block    = r.block;
    q->n_blocks = r.n_blocks;
    if (report)
        *report = (mxd_quantize_report){ .n_layers               = r.n_layers,
                                         .node                   = r.node,
                                         .precision              = r.precision,
                                         .avg_weight_bits        = r.averages.weight_bits,
                                         .avg_weight_bits_stored = r.averages.weight_bits_stored,
                                         .avg_act_bits           = r.averages.act_bits,
                                         .avg_op_bits            = r.averages.op_bits,
                                         .avg_layer_bits         = r.averages.layer_bits,
                                         .avg_layer_bits_all     = r.averages.layer_bits_all,
                                         .peak_act_bytes         = r.averages.peak_act_bytes };
    *out = q;
    return MXD_OK;
}

uint32_t mxd_quantized_blocks(const mxd_model *quantized)
{
    return quantized->n_blocks;
}

void mxd_quantized_block_get(mxd_quantized_block *out, const mxd_model *quantized, uint32_t index)
{
    const mxdi_block_report *const b = &quantized->block[index];
    *out                             = (mxd_quantized_block){ .node        = b->node,
                                                              .n_nodes     = b->n_nodes,
                                                              .iterations  = (uint32_t)b->iterations,
                                                              .error_layer = b->before,
                                                              .error_block = b->after,
                                                              .why         = b->why };
}
