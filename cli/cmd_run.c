/* SPDX-License-Identifier: Apache-2.0
 * mixdown run: outputs of an engine for inputs from .npy files, and traces of its quantized values.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cli.h"

enum { MAX_ENDS = 64, LARGEST_PIECE = 128 };

static const char  *engine_path, *out_dir, *trace_dir;
static struct words inputs;

static const struct opt opts[] = {
    { OPT_ARG, "ENGINE", 0, &engine_path, true, NULL, "engine or ONNX file" },
    { OPT_LIST, "input", 0, &inputs, true, "[NAME=]FILE.npy",
      "an input; without NAME they go by position (repeat)" },
    { OPT_STR, "output", 0, &out_dir, false, "DIR", "folder for NAME.npy of each output" },
    { OPT_STR, "trace", 0, &trace_dir, false, "DIR",
      "folder for every quantized value that the engine holds, and trace.json" },
    OPT_END,
};

struct given {
    const char *name;
    char        storage[256];
    mxd_tensor  tensor;
};

/* NAME=FILE, unless the whole text is a file. */
static mxd_status load_inputs(struct given *g, struct cli *c)
{
    for (int k = 0; k < inputs.n; k++) {
        const char       *path  = inputs.at[k];
        const char *const equal = strchr(path, '=');
        struct stat       s;
        g[k].name = NULL;
        if (equal && stat(path, &s) != 0) {
            if ((size_t)(equal - path) >= sizeof(g[k].storage))
                return cli_fail(c, MXD_E_USAGE, "--input %s: name too long", path);
            memcpy(g[k].storage, path, (size_t)(equal - path));
            g[k].storage[equal - path] = '\0';
            g[k].name                  = g[k].storage;
            path                       = equal + 1;
        }
        const mxd_status st = mxd_tensor_load_npy(&g[k].tensor, c->ctx, path, &c->err);
        if (st != MXD_OK)
            return st;
    }
    return MXD_OK;
}

/* An ONNX file is built for the shapes of the inputs; an open first dimension stays a batch, run in
 * pieces. */
static mxd_status load_engine(mxd_engine **out, const struct given *g, struct cli *c)
{
    mxd_build_options o = cli_build_options(c);
    mxd_shape         shape[MAX_ENDS];
    mxd_input_value   value[MAX_ENDS];
    mxd_model        *model = NULL;
    if (mxd_model_load(&model, c->ctx, engine_path, NULL) !=
        MXD_OK) /* an engine file, or nothing at all: load tells */
        return mxd_engine_load(out, c->ctx, engine_path, &o, &c->err);
    const uint32_t n = mxd_model_inputs(model);
    mxd_value_info info[MAX_ENDS];
    for (uint32_t k = 0; k < n && k < MAX_ENDS; k++) {
        mxd_model_input(&info[k], model, k);
        for (int i = 0; i < inputs.n; i++) {
            const mxd_tensor *const t = &g[i].tensor;
            if (g[i].name ? strcmp(g[i].name, info[k].name) != 0 : (uint32_t)i != k)
                continue;
            value[o.n_values++] = (mxd_input_value){ info[k].name, t };
            if (info[k].rank != t->rank)
                continue; /* told when run */
            mxd_shape *const s = &shape[o.n_shapes++];
            *s                 = (mxd_shape){ .name = info[k].name, .rank = t->rank };
            memcpy(s->dim, t->dim, sizeof(s->dim));
            for (int32_t d = 0; d < t->rank; d++)
                s->dim[d] = info[k].symbol[d] || info[k].dim[d] < 0 ? t->dim[d] : info[k].dim[d];
            if (t->rank > 0 && (info[k].symbol[0] || info[k].dim[0] < 0) && t->dim[0] > 0) {
                s->dim[0]  = -1;
                o.batch[0] = t->dim[0] < LARGEST_PIECE ? t->dim[0] : LARGEST_PIECE;
            }
        }
    }
    o.shape             = shape;
    o.value             = value;
    const mxd_status st = mxd_engine_build(out, model, &o, &c->err);
    mxd_model_destroy(model);
    if (st != MXD_OK) {
        char why[sizeof(c->err.msg)];
        memcpy(why, c->err.msg, sizeof(why));
        return cli_fail(c, st, "%s: %s", engine_path, why);
    }
    return MXD_OK;
}

static mxd_status assign(mxd_tensor *in, const mxd_engine *e, const struct given *g, struct cli *c)
{
    const uint32_t n = mxd_engine_inputs(e);
    for (uint32_t k = 0; k < n; k++) {
        mxd_value_info info;
        bool           found = false;
        mxd_engine_input(&info, e, k);
        for (int i = 0; i < inputs.n; i++)
            if (g[i].name ? strcmp(g[i].name, info.name) == 0 : (uint32_t)i == k) {
                in[k] = g[i].tensor;
                found = true;
            }
        if (!found)
            return cli_fail(c, MXD_E_USAGE, "input '%s' is missing: --input %s=FILE.npy", info.name,
                            info.name);
    }
    return MXD_OK;
}

/* Samples along the first axis of the first input that has a batch. */
static int64_t samples_of(const mxd_engine *e, const mxd_tensor *in)
{
    const uint32_t n = mxd_engine_inputs(e);
    for (uint32_t k = 0; k < n; k++) {
        mxd_value_info info;
        mxd_engine_input(&info, e, k);
        if (info.rank > 0 && in[k].rank == info.rank && info.dim[0] >= mxd_engine_batch(e) &&
            in[k].dim[0] > 0)
            return in[k].dim[0] / (info.dim[0] / mxd_engine_batch(e));
    }
    return mxd_engine_batch(e);
}

static void file_name(char *out, size_t size, const char *dir, const char *name)
{
    size_t at = (size_t)snprintf(out, size, "%s/", dir);
    for (const char *p = name; *p && at + 5 < size; p++)
        out[at++] = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                            (*p >= '0' && *p <= '9') || strchr("._-", *p)
                        ? *p
                        : '_';
    snprintf(out + at, size - at, ".npy");
}

static json_t *shape_json(const mxd_tensor *t)
{
    return cli_ints(t->dim, t->rank);
}

/* ---- traces ---- */

struct trace {
    json_t     *values;
    struct cli *c;
    int         n;
};

static mxd_status trace_value(void *user, const char *value, const mxd_tensor *t, mxd_error *err)
{
    struct trace *const tr = user;
    char                path[4096], name[300];
    snprintf(name, sizeof(name), "%d_%.250s", tr->n++,
             value); /* numbered: two names may look alike as files */
    file_name(path, sizeof(path), trace_dir, name);
    const mxd_status st = mxd_tensor_save_npy(t, path, err);
    if (st == MXD_OK)
        json_array_append_new(tr->values,
                              json_pack("{s:o, s:s, s:s, s:o}", "name", cli_text(value), "file",
                                        path + strlen(trace_dir) + 1, "dtype",
                                        mxd_dtype_name(t->dtype), "shape", shape_json(t)));
    return st;
}

static mxd_status save_trace_index(json_t *values, struct cli *c)
{
    char          path[4096], written[4096 + 8];
    json_t *const index = json_pack("{s:O}", "values", values);
    snprintf(path, sizeof(path), "%s/trace.json", trace_dir);
    snprintf(written, sizeof(written), "%s.new", path);
    const bool failed =
        !index || json_dump_file(index, written, JSON_INDENT(1)) != 0 || rename(written, path) != 0;
    if (failed)
        remove(written);
    json_decref(index);
    return failed ? cli_fail(c, MXD_E_IO, "%s: cannot be written", path) : MXD_OK;
}

/* ---- running ---- */

static mxd_status save_outputs(const mxd_engine *e, const mxd_tensor *out, uint32_t n,
                               struct cli *c)
{
    json_t *const list = json_array();
    mxd_status    st   = MXD_OK;
    for (uint32_t k = 0; k < n && st == MXD_OK; k++) {
        mxd_value_info info;
        char           path[4096] = "";
        mxd_engine_output(&info, e, k);
        if (out_dir) {
            file_name(path, sizeof(path), out_dir, info.name);
            st = mxd_tensor_save_npy(&out[k], path, &c->err);
        }
        json_array_append_new(list, json_pack("{s:o, s:s, s:o, s:o}", "name", cli_text(info.name),
                                              "dtype", mxd_dtype_name(out[k].dtype), "shape",
                                              shape_json(&out[k]), "file",
                                              out_dir ? cli_text(path) : json_null()));
        if (!c->json && st == MXD_OK)
            printf("%s: %s%s%s\n", info.name, mxd_dtype_name(out[k].dtype), out_dir ? " in " : "",
                   path);
    }
    json_object_set_new(c->result, "outputs", list);
    return st;
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static size_t tensor_bytes(const mxd_tensor *t)
{
    size_t n = mxd_dtype_bits(t->dtype);
    for (int32_t d = 0; d < t->rank; d++)
        n *= (size_t)t->dim[d];
    return (n + 7) / 8;
}

static mxd_status execute(const mxd_engine *e, const mxd_tensor *in, struct cli *c)
{
    mxd_session_options so      = MXD_SESSION_OPTIONS_INIT;
    mxd_session        *session = NULL;
    mxd_tensor          out[MAX_ENDS];
    const uint32_t      n_in = mxd_engine_inputs(e), n_out = mxd_engine_outputs(e);
    const int64_t       samples = samples_of(e, in);
    struct trace        tr      = { json_array(), c, 0 };
    memset(out, 0, sizeof(out));
    so.threads    = (uint32_t)c->threads;
    so.trace      = trace_dir != NULL;
    mxd_status st = mxd_session_open(&session, e, &so, &c->err);
    for (uint32_t k = 0; k < n_out && st == MXD_OK; k++) {
        st = mxd_session_output(&out[k], session, k, samples, &c->err);
        if (st == MXD_OK && !(out[k].data = malloc(tensor_bytes(&out[k]) + 1)))
            st = cli_fail(c, MXD_E_NOMEM, "out of memory");
    }
    const double start = now_ms();
    if (st == MXD_OK)
        st = mxd_session_trace(session, in, n_in, out, n_out, trace_dir ? trace_value : NULL, &tr,
                               &c->err);
    json_object_set_new(c->result, "ms", json_real(now_ms() - start));
    if (st == MXD_OK)
        st = save_outputs(e, out, n_out, c);
    if (st == MXD_OK && trace_dir)
        st = save_trace_index(tr.values, c);
    json_decref(tr.values);
    for (uint32_t k = 0; k < n_out; k++)
        free(out[k].data);
    mxd_session_close(session);
    return st;
}

static mxd_status make_folder(const char *dir, struct cli *c)
{
    struct stat s;
    if (!dir || mkdir(dir, 0777) == 0 || (stat(dir, &s) == 0 && S_ISDIR(s.st_mode)))
        return MXD_OK;
    return cli_fail(c, MXD_E_IO, "%s: folder cannot be made", dir);
}

static mxd_status run(struct cli *c)
{
    static struct given given[256];
    mxd_tensor          in[MAX_ENDS];
    mxd_engine         *e = NULL;
    memset(in, 0, sizeof(in));
    mxd_status st = inputs.n <= MAX_ENDS
                        ? load_inputs(given, c)
                        : cli_fail(c, MXD_E_UNSUPPORTED, "more than %d inputs", MAX_ENDS);
    if (st == MXD_OK)
        st = load_engine(&e, given, c);
    if (st == MXD_OK && (mxd_engine_inputs(e) > MAX_ENDS || mxd_engine_outputs(e) > MAX_ENDS))
        st = cli_fail(c, MXD_E_UNSUPPORTED, "more than %d inputs or outputs", MAX_ENDS);
    if (st == MXD_OK)
        st = assign(in, e, given, c);
    if (st == MXD_OK)
        st = make_folder(out_dir, c);
    if (st == MXD_OK)
        st = make_folder(trace_dir, c);
    if (st == MXD_OK)
        st = execute(e, in, c);
    mxd_engine_destroy(e);
    for (int k = 0; k < inputs.n; k++)
        mxd_free(c->ctx, given[k].tensor.data);
    return st;
}

const struct cmd cmd_run = { "run", run, opts, "run an engine on .npy inputs",
                             "An input with more samples than the batch is run in pieces." };
