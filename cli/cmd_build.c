/* SPDX-License-Identifier: Apache-2.0
 * mixdown build: compile a network into an engine file. */
#include <stdio.h>
#include <string.h>

#include "cli.h"

static const char *net, *out, *batch, *algorithms, *precision, *timing_cache, *formats, *preprocess;
static struct words shapes;
static int64_t      workspace;
static bool         exact;

static const struct opt opts[] = {
    { OPT_ARG, "NET", 0, &net, true, NULL, "ONNX file, float or QDQ" },
    { OPT_STR, "output", 'o', &out, true, "FILE", "engine to write" },
    { OPT_STR, "batch", 0, &batch, false, "MAX|1,8,128",
      "largest batch, or several: a plan is made for each (default: 1)" },
    { OPT_LIST, "shape", 0, &shapes, false, "NAME=1x3x224x224",
      "shape of an input that the file leaves open (repeat)" },
    { OPT_STR, "precision", 0, &precision, false, "NAME",
      "of a float network: f32 (default), bf16 or f16" },
    { OPT_STR, "algorithms", 0, &algorithms, false, "timed|fixed",
      "how kernels are chosen: by timing them here, or by rules (default: fixed, timed with --timingCache)" },
    { OPT_STR, "timingCache", 0, &timing_cache, false, "FILE",
      "what was timed before, read if there and written: the same cache makes the same engine" },
    { OPT_STR, "inputIOFormats", 0, &formats, false, "TYPE:LAYOUT,...",
      "how each input is fed, in their order: u8:hwc or u8:chw for pictures as bytes (default: as in the network)" },
    { OPT_STR, "preprocess", 0, &preprocess, false, "KEY=VALUE,...",
      "scale=, mean= and std= of those bytes, as in a data specification: (raw*scale - mean)/std" },
    { OPT_INT, "workspace", 0, &workspace, false, "MB",
      "cap on memory for derived weights and scratch (default: none)" },
    { OPT_FLAG, "exact", 0, &exact, false, NULL,
      "float products in one fixed order, equal on every instruction set" },
    OPT_END,
};

/* Every layer of a float network in a 16-bit float. */
static mxd_status build_rounded(mxd_engine **e, const mxd_build_options *o, struct cli *c)
{
    mxd_model  *model = NULL, *rounded = NULL;
    mxd_recipe *recipe = NULL;
    mxd_status  st     = mxd_model_load(&model, c->ctx, net, &c->err);
    if (st == MXD_OK)
        st = mxd_recipe_uniform(&recipe, c->ctx, precision, &c->err);
    if (st == MXD_OK)
        st = mxd_quantize(&rounded, NULL, model, recipe, NULL, NULL, NULL, &c->err);
    if (st == MXD_OK)
        st = mxd_engine_build(e, rounded, o, &c->err);
    mxd_model_destroy(rounded);
    mxd_recipe_destroy(recipe);
    mxd_model_destroy(model);
    return st;
}

static mxd_status build(mxd_engine **e, const mxd_build_options *o, struct cli *c)
{
    if (!precision || strcmp(precision, "f32") == 0)
        return mxd_engine_load(e, c->ctx, net, o, &c->err);
    if (strcmp(precision, "bf16") == 0 || strcmp(precision, "f16") == 0)
        return build_rounded(e, o, c);
    return cli_fail(
        c, MXD_E_USAGE,
        "--precision '%s': f32, bf16 or f16 expected; integers are the work of `mixdown quantize`",
        precision);
}

static mxd_status run(struct cli *c)
{
    mxd_build_options o = cli_build_options(c);
    mxd_shape         shape[256];
    char              names[256][128];
    if (cli_batches(o.batch, batch, c) != MXD_OK)
        return c->err.status;
    if (algorithms && strcmp(algorithms, "fixed") != 0 && strcmp(algorithms, "timed") != 0)
        return cli_fail(c, MXD_E_USAGE, "--algorithms: 'timed' or 'fixed' expected, got '%s'",
                        algorithms);
    if (algorithms && strcmp(algorithms, "fixed") == 0 && timing_cache)
        return cli_fail(
            c, MXD_E_USAGE,
            "--timingCache: nothing is timed with --algorithms fixed; leave one of them out");
    for (int k = 0; k < shapes.n; k++)
        if (cli_shape(&shape[k], names[k], sizeof(names[k]), shapes.at[k], c) != MXD_OK)
            return c->err.status;
    o.shape         = shape;
    o.n_shapes      = (uint32_t)shapes.n;
    o.workspace     = (size_t)workspace << 20;
    o.exact         = exact;
    o.timed         = algorithms ? strcmp(algorithms, "timed") == 0 : timing_cache != NULL;
    o.timing_cache  = timing_cache;
    o.input_formats = formats;
    o.preprocess    = preprocess;
    mxd_engine *e   = NULL;
    mxd_status  st  = build(&e, &o, c);
    if (st == MXD_OK)
        st = mxd_engine_save(e, out, &c->err);
    if (st == MXD_OK) {
        const uint64_t bytes = mxd_engine_bytes(e, &c->err);
        char           a[32], b[32];
        json_object_set_new(c->result, "bytes", json_integer((json_int_t)bytes));
        json_object_set_new(c->result, "peak_memory_bytes",
                            json_integer((json_int_t)mxd_engine_peak_memory(e)));
        json_object_set_new(c->result, "seconds", json_real(mxd_engine_build_seconds(e)));
        json_object_set_new(c->result, "layers", cli_audit_json(e));
        if (!c->json)
            printf("%s: %s, %s when running, batch up to %lld, built in %.2f s\n", out,
                   human_bytes(a, (double)bytes), human_bytes(b, (double)mxd_engine_peak_memory(e)),
                   (long long)mxd_engine_batch(e), mxd_engine_build_seconds(e));
    }
    mxd_engine_destroy(e);
    return st;
}

const struct cmd cmd_build = { "build", run, opts, "compile a network into an engine file", NULL };
