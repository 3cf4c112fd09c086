/* SPDX-License-Identifier: Apache-2.0
 * Engines and sessions: arguments checked, work done in src/engine. */
#include <string.h>

#include "api/api_objects.h"
#include "base/cpu.h"
#include "base/threads.h"

/* ---- engines ---- */

static mxd_status translate(mxdi_build_options *out, mxdi_arena *arena, const mxd_build_options *o,
                            mxd_error *err)
{
    mxdi_shape_binding *shape;
    *out = (mxdi_build_options){ .threads = 0 };
    if (!o)
        return MXD_OK;
    if (o->struct_size != sizeof(*o))
        return mxdi_fail(
            err, MXD_E_INVAL,
            "mxd_build_options: struct_size %zu expected, got %u; use MXD_BUILD_OPTIONS_INIT",
            sizeof(*o), o->struct_size);
    MXD_TRY(mxdi_api_bindings(&shape, arena, o->shape, o->n_shapes, err));
    *out = (mxdi_build_options){ .backend       = o->backend,
                                 .isa           = o->isa,
                                 .threads       = o->threads,
                                 .shape         = shape,
                                 .n_shapes      = o->n_shapes,
                                 .workspace_cap = o->workspace,
                                 .exact         = o->exact != 0,
                                 .timed         = o->timed != 0,
                                 .timing_cache  = o->timing_cache };
    mxdi_input_value *const value =
        MXDI_NEW(arena, mxdi_input_value, o->n_values ? o->n_values : 1);
    if (!value)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < o->n_values; k++)
        value[k] = (mxdi_input_value){ o->value[k].name, o->value[k].tensor };
    out->value    = value;
    out->n_values = o->n_values;
    MXD_TRY(mxdi_api_input_formats(out, arena, o->input_formats, o->preprocess, err));
    for (uint32_t k = 0; k < MXDI_MAX_PLANS && o->batch[k]; k++)
        out->batch[out->n_batches++] = o->batch[k];
    return MXD_OK;
}

static mxd_status publish(mxd_engine **out, const mxd_context *ctx, mxdi_engine *engine,
                          mxd_error *err)
{
    mxd_engine *const e = MXDI_ALLOC(&ctx->allocator, mxd_engine, 1);
    *out                = NULL;
    if (e) {
        e->ctx    = ctx;
        e->engine = engine;
        e->audit  = MXDI_NEW(&engine->arena, mxd_audit_row, engine->n_audit ? engine->n_audit : 1);
    }
    if (!e || !e->audit) {
        mxdi_engine_destroy(engine);
        mxdi_free(&ctx->allocator, e);
        return mxdi_nomem(err);
    }
    for (uint32_t k = 0; k < engine->n_audit; k++) {
        const mxdi_audit_row *const r = &engine->audit[k];
        e->audit[k] = (mxd_audit_row){ r->node,     r->op,      r->asked,  r->stored,
                                       r->computed, r->verdict, r->kernel, r->reason };
    }
    *out = e;
    return MXD_OK;
}

mxd_status mxd_engine_build(mxd_engine **out, const mxd_model *model,
                            const mxd_build_options *options, mxd_error *err)
{
    const mxd_context *const ctx = model->ctx;
    mxdi_build_options       o;
    mxdi_graph              *graph  = NULL;
    mxdi_engine             *engine = NULL;
    mxdi_arena               arena;
    *out = NULL;
    mxdi_arena_init(&arena, &ctx->allocator);
    mxd_status st = translate(&o, &arena, options, err);
    if (st == MXD_OK)
        st = mxdi_graph_clone(&graph, model->graph, err);
    if (st == MXD_OK)
        st = mxdi_engine_build(&engine, graph, &o, &ctx->registry, &ctx->allocator, err);
    if (st == MXD_OK) {
        memcpy(engine->model_hash, model->hash, sizeof(engine->model_hash));
        st = publish(out, ctx, engine, err);
        if (st == MXD_OK)
            (*out)->model = mxdi_api_retain(model);
    }
    mxdi_arena_fini(&arena);
    return st;
}

mxd_status mxd_engine_save(const mxd_engine *engine, const char *path, mxd_error *err)
{
    uint64_t bytes;
    return mxdi_engine_save(engine->engine, path, &bytes, err);
}

/* An engine of a model that lives no longer than this call: the graph moves into the engine. */
static mxd_status build_from_file(mxd_engine **out, const mxd_context *ctx, const char *path,
                                  const mxdi_build_options *o, mxd_error *err)
{
    mxd_model   *model  = NULL;
    mxdi_engine *engine = NULL;
    MXD_TRY(mxd_model_load(&model, ctx, path, err));
    char hash[33];
    memcpy(hash, model->hash, sizeof(hash));
    mxdi_graph *const graph = model->graph;
    model->graph            = NULL;
    mxd_model_destroy(model);
    const mxd_status st =
        mxdi_engine_build(&engine, graph, o, &ctx->registry, &ctx->allocator, err);
    if (st != MXD_OK)
        return mxdi_wrap(err, st, "%s", path);
    memcpy(engine->model_hash, hash, sizeof(hash));
    return publish(out, ctx, engine, err);
}

mxd_status mxd_engine_load(mxd_engine **out, const mxd_context *ctx, const char *path,
                           const mxd_build_options *options, mxd_error *err)
{
    mxdi_build_options o;
    mxdi_engine       *engine = NULL;
    mxdi_arena         arena;
    *out = NULL;
    mxdi_arena_init(&arena, &ctx->allocator);
    mxd_status st = translate(&o, &arena, options, err);
    if (st == MXD_OK && !mxdi_engine_is_file(path)) {
        st = build_from_file(out, ctx, path, &o, err);
    } else if (st == MXD_OK) {
        st =
            mxdi_engine_load(&engine, path, o.backend, o.isa, &ctx->registry, &ctx->allocator, err);
        if (st == MXD_OK)
            st = publish(out, ctx, engine, err);
    }
    mxdi_arena_fini(&arena);
    return st;
}

void mxd_engine_destroy(mxd_engine *engine)
{
    if (!engine)
        return;
    mxdi_engine_destroy(engine->engine);
    mxd_model_destroy(engine->model);
    mxdi_free(&engine->ctx->allocator, engine);
}

static const mxdi_plan *largest(const mxd_engine *e)
{
    return &e->engine->plan[e->engine->n_plans - 1];
}

uint32_t mxd_engine_inputs(const mxd_engine *engine)
{
    return largest(engine)->graph->n_inputs;
}
uint32_t mxd_engine_outputs(const mxd_engine *engine)
{
    return largest(engine)->graph->n_outputs;
}
int64_t mxd_engine_batch(const mxd_engine *engine)
{
    return largest(engine)->batch;
}
int mxd_engine_batched(const mxd_engine *engine)
{
    return largest(engine)->batched;
}
size_t mxd_engine_peak_memory(const mxd_engine *engine)
{
    return engine->engine->peak_bytes;
}
double mxd_engine_build_seconds(const mxd_engine *engine)
{
    return engine->engine->build_seconds;
}

void mxd_engine_input(mxd_value_info *out, const mxd_engine *engine, uint32_t index)
{
    mxdi_api_value_info(out, largest(engine)->graph, largest(engine)->graph->input[index]);
}

const char *mxd_engine_input_format(const mxd_engine *engine, uint32_t index)
{
    const mxdi_graph *const g = largest(engine)->graph;
    return mxdi_input_format_of(engine->engine->graph, g->value[g->input[index]].name);
}

void mxd_engine_output(mxd_value_info *out, const mxd_engine *engine, uint32_t index)
{
    mxdi_api_value_info(out, largest(engine)->graph, largest(engine)->graph->output[index]);
}

const char *mxd_engine_isa(const mxd_engine *engine)
{
    uint32_t isa = mxdi_cpu_isa();
    if (engine->engine->options.isa &&
        mxdi_isa_cap(&isa, engine->engine->options.isa, NULL) != MXD_OK)
        return engine->engine->options.isa;
    return mxdi_isa_name(isa);
}

uint64_t mxd_engine_bytes(const mxd_engine *engine, mxd_error *err)
{
    mxdi_bytes     file = { .alloc = &engine->ctx->allocator };
    const uint64_t n    = mxdi_engine_write(&file, engine->engine, err) == MXD_OK ? file.size : 0;
    mxdi_bytes_free(&file);
    return n;
}

uint32_t mxd_engine_audit(const mxd_engine *engine, const mxd_audit_row **rows, uint32_t *n)
{
    *rows = engine->audit;
    *n    = engine->engine->n_audit;
    return engine->engine->mismatches;
}

/* ---- sessions ---- */

mxd_status mxd_session_open(mxd_session **out, const mxd_engine *engine,
                            const mxd_session_options *options, mxd_error *err)
{
    const mxd_allocator *const alloc = &engine->ctx->allocator;
    mxd_session *const         s     = MXDI_ALLOC(alloc, mxd_session, 1);
    *out                             = NULL;
    if (!s)
        return mxdi_nomem(err);
    s->engine           = engine;
    s->threads          = MXDI_HAS_FIELD(options, mxd_session_options, threads) && options->threads
                              ? options->threads
                              : mxdi_cores();
    const mxd_status st = mxdi_session_open(
        &s->session, engine->engine, s->threads,
        MXDI_HAS_FIELD(options, mxd_session_options, trace) && options->trace, err);
    if (st != MXD_OK) {
        mxdi_free(alloc, s);
        return st;
    }
    *out = s;
    return MXD_OK;
}

void mxd_session_close(mxd_session *session)
{
    if (!session)
        return;
    mxdi_session_close(session->session);
    mxdi_free(&session->engine->ctx->allocator, session);
}

mxd_status mxd_session_output(mxd_tensor *out, const mxd_session *session, uint32_t k,
                              int64_t samples, mxd_error *err)
{
    return mxdi_session_output(out, session->session, k, samples, err);
}

mxd_status mxd_session_run(mxd_session *session, const mxd_tensor *in, uint32_t n_in,
                           const mxd_tensor *out, uint32_t n_out, mxd_error *err)
{
    return mxdi_session_run(session->session, in, n_in, out, n_out, err);
}

mxd_status mxd_session_trace(mxd_session *session, const mxd_tensor *in, uint32_t n_in,
                             const mxd_tensor *out, uint32_t n_out, mxd_trace fn, void *user,
                             mxd_error *err)
{
    return mxdi_session_trace(session->session, in, n_in, out, n_out, fn, user, err);
}

mxd_status mxd_session_profile(mxd_session *session, int64_t batch, mxd_profile_row **rows,
                               uint32_t *n, mxd_error *err)
{
    const mxd_allocator *const alloc = &session->engine->ctx->allocator;
    mxdi_profile_row          *inner = NULL;
    *rows                            = NULL;
    MXD_TRY(mxdi_session_profile(session->session, batch, &inner, n, err));
    mxd_profile_row *const all = MXDI_ALLOC(alloc, mxd_profile_row, *n);
    for (uint32_t k = 0; all && k < *n; k++) {
        const mxd_step *const s = &inner[k].step;
        all[k]                  = (mxd_profile_row){ s->n_origin ? s->origin[0] : "",
                                    s->kernel,
                                    s->computed,
                                    s->reason,
                                    inner[k].ms,
                                    s->macs,
                                    s->bytes,
                                    inner[k].more.algorithm,
                                    inner[k].more.constant_bytes,
                                    inner[k].more.depth };
    }
    mxdi_free(alloc, inner);
    if (!all)
        return mxdi_nomem(err);
    *rows = all;
    return MXD_OK;
}
