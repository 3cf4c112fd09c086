/* SPDX-License-Identifier: Apache-2.0
 *
 * From an imported graph to an engine: for each batch class bind shapes, canonicalize, cut into
 * parts, fuse and compile each.
 */
#include "engine/engine.h"

#include "base/dtype.h"
#include "base/half.h"
#include "base/text.h"
#include "engine/fuse.h"

static void plan_fini(mxdi_plan *p, const mxd_allocator *alloc)
{
    for (uint32_t k = 0; k < p->n_parts; k++) {
        if (p->part[k].program)
            p->part[k].api->program_destroy(p->part[k].program);
        mxdi_graph_destroy(p->part[k].graph);
    }
    mxdi_free(alloc, p->part);
    mxdi_graph_destroy(p->graph);
}

void mxdi_engine_destroy(mxdi_engine *e)
{
    if (!e)
        return;
    for (uint32_t k = 0; k < e->n_plans; k++)
        plan_fini(&e->plan[k], e->alloc);
    if (e->device)
        e->api->close(e->device);
    if (e->fallback_device)
        e->fallback->close(e->fallback_device);
    mxdi_graph_destroy(e->graph);
    mxdi_arena_fini(&e->arena);
    mxdi_free(e->alloc, e);
}

/* ---- options and devices ---- */

static mxd_status keep_options(mxdi_engine *e, const mxdi_build_options *options, mxd_error *err)
{
    e->options         = *options;
    e->options.backend = mxdi_arena_strdup(&e->arena, options->backend ? options->backend : "cpu");
    e->options.isa     = options->isa ? mxdi_arena_strdup(&e->arena, options->isa) : NULL;
    e->shape = MXDI_NEW(&e->arena, mxdi_shape_binding, options->n_shapes ? options->n_shapes : 1);
    if (!e->options.backend || (options->isa && !e->options.isa) || !e->shape)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < options->n_shapes; k++) {
        e->shape[k]      = options->shape[k];
        e->shape[k].name = mxdi_arena_strdup(&e->arena, options->shape[k].name);
        if (!e->shape[k].name)
            return mxdi_nomem(err);
    }
    e->options.shape = e->shape;
    if (e->options.n_batches == 0)
        e->options.batch[e->options.n_batches++] = 1;
    for (uint32_t k = 0; k < e->options.n_batches;
         k++) /* binding says what is too much for an input */
        if (e->options.batch[k] < 1 || (k && e->options.batch[k] <= e->options.batch[k - 1]))
            return mxdi_fail(err, MXD_E_USAGE, "batch: ascending numbers from 1 expected, got %lld",
                             (long long)e->options.batch[k]);
    return MXD_OK;
}

static mxd_status open_devices(mxdi_engine *e, const mxdi_registry *registry, mxd_error *err)
{
    const mxd_option  isa       = { "isa", e->options.isa };
    const mxd_options options   = { &isa, e->options.isa ? 1 : 0 };
    uint32_t          n_devices = 0;
    e->host                     = (mxd_host_api){ .struct_size = sizeof(e->host),
                                                  .allocator   = e->alloc ? e->alloc : mxdi_default_allocator() };
    MXD_TRY(mxdi_registry_find(&e->api, registry, e->options.backend, err));
    MXD_TRY(e->api->probe(&n_devices, NULL, 0, err));
    if (n_devices == 0)
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "backend '%s': no device on this machine",
                         e->options.backend);
    MXD_TRY(e->api->open(&e->device, 0, &options, &e->host, err));
    if (strcmp(e->api->name, "interp") == 0)
        return MXD_OK;
    MXD_TRY(mxdi_registry_find(&e->fallback, registry, "interp", err));
    return e->fallback->open(&e->fallback_device, 0, &(mxd_options){ NULL, 0 }, &e->host, err);
}

/* ---- constants in the type they are asked for ---- */

/* Cast(constant f32) to 16 bits becomes a constant of 16 bits, so that it is stored once and small.
 */
static mxd_status narrow_constants(mxdi_graph *g, mxd_error *err)
{
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        mxd_node *const node = &g->node[n];
        if (!mxdi_node_is(node, "Cast") || node->n_in != 1 || node->n_out != 1 ||
            node->in[0] >= g->n_values)
            continue;
        const int64_t          to   = mxd_node_int(node, "to", 0);
        const mxd_dtype        type = to == 16 ? MXD_BF16 : to == 10 ? MXD_F16 : MXD_NONE;
        const mxd_value *const x    = &g->value[node->in[0]];
        int64_t                count;
        if (type == MXD_NONE || !x->data || x->dtype != MXD_F32 ||
            !mxdi_shape_count(&count, x->dim, x->rank) || mxdi_graph_is_output(g, node->out[0]))
            continue;
        uint16_t *const half = mxdi_arena_alloc(&g->arena, (size_t)count, sizeof(uint16_t), 64);
        if (!half)
            return mxdi_nomem(err);
        for (int64_t k = 0; k < count; k++)
            half[k] = type == MXD_BF16 ? mxdi_f32_to_bf16(((const float *)x->data)[k])
                                       : mxdi_f32_to_f16(((const float *)x->data)[k]);
        mxd_value *const y = &g->value[node->out[0]];
        y->dtype           = type;
        y->rank            = x->rank;
        memcpy(y->dim, x->dim, sizeof(y->dim));
        y->data  = half;
        y->bytes = (size_t)count * sizeof(uint16_t);
        mxdi_node_remove(node);
    }
    return mxdi_graph_compact(g, err);
}

/* A shape given for an input that is none any more is forgotten. */
static void drop_shape(mxdi_engine *e, const char *name)
{
    uint32_t kept = 0;
    for (uint32_t k = 0; k < e->options.n_shapes; k++)
        if (strcmp(e->shape[k].name, name) != 0)
            e->shape[kept++] = e->shape[k];
    e->options.n_shapes = kept;
}

/* Inputs that shapes depend on become constants, where the caller gave their values. */
static mxd_status bind_values(mxdi_engine *e, mxd_error *err)
{
    mxdi_graph *const g = e->graph;
    if (e->options.n_values == 0 || g->n_inputs == 0)
        return MXD_OK;
    bool *const needs = MXDI_ALLOC(e->alloc, bool, g->n_inputs);
    mxd_status  st    = needs ? mxdi_inputs_of_shapes(needs, g, err) : mxdi_nomem(err);
    for (uint32_t k = g->n_inputs; st == MXD_OK && k-- > 0;)
        for (uint32_t i = 0; needs[k] && i < e->options.n_values; i++)
            if (strcmp(e->options.value[i].name, g->value[g->input[k]].name) == 0) {
                drop_shape(e, e->options.value[i].name);
                st = mxdi_bind_constant(g, k, e->options.value[i].tensor, err);
                break;
            }
    mxdi_free(e->alloc, needs);
    e->options.value    = NULL; /* the caller's */
    e->options.n_values = 0;
    return st;
}

/* Inputs take the formats that the caller wants to feed them in. */
static mxd_status set_formats(mxdi_engine *e, mxd_error *err)
{
    mxdi_build_options *const o = &e->options;
    const mxd_status st = mxdi_set_input_formats(e->graph, o->format, o->n_formats, &o->scaling,
                                                 o->scaling_text, err);
    o->format           = NULL; /* the caller's, as the rest */
    o->n_formats        = 0;
    o->scaling          = (mxdi_scaling){ .scale = NULL };
    o->scaling_text     = NULL;
    return st;
}

/* ---- plans ---- */

static mxd_status compile_parts(mxdi_plan *p, mxdi_engine *e, mxd_error *err)
{
    mxd_choices               choices;
    const mxd_compile_options options = { .struct_size   = sizeof(options),
                                          .workspace_cap = e->options.workspace_cap,
                                          .exact         = e->options.exact,
                                          .timed         = e->options.timed && !e->options.choices,
                                          .threads       = e->options.threads,
                                          .choices       = &choices };
    for (uint32_t k = 0; k < p->n_parts; k++) {
        mxdi_part *const    part   = &p->part[k];
        mxd_device *const   device = part->api == e->api ? e->device : e->fallback_device;
        struct mxdi_chooser chooser;
        mxdi_engine_choices_of(&choices, &chooser, e, part->api->describe(device));
        MXD_TRY(mxdi_fuse(part->graph, err));
        const mxd_graph_view view = mxdi_graph_view(part->graph);
        MXD_TRY(part->api->compile(&part->program, device, &view, &options, err));
    }
    return MXD_OK;
}

/* The first dimension that all inputs share when the file fixes it, or 1. */
static int64_t fixed_batch(const mxdi_graph *g)
{
    int64_t batch = 0;
    for (uint32_t k = 0; k < g->n_inputs; k++) {
        const mxd_value *const v = &g->value[g->input[k]];
        const int64_t          d = v->rank > 1 && v->dim[0] > 1 ? v->dim[0] : 1;
        batch                    = k == 0 || batch == d ? d : 1;
    }
    return g->n_symbols || batch < 1 ? 1 : batch;
}

/* A network of fixed batch is bound as if the batch were open: where every shape follows it,
 * backends may lay images side by side. *out stays NULL when it does not. */
static mxd_status open_fixed_batch(mxdi_graph **out, const mxdi_engine *e, int64_t batch,
                                   mxd_error *err)
{
    mxdi_graph *g        = NULL;
    bool        scalable = false;
    mxd_status  st       = mxdi_graph_clone(&g, e->graph, err);
    for (uint32_t k = 0; k < e->graph->n_inputs && st == MXD_OK; k++) {
        g->value[g->input[k]].dim[0] = -1;
        st                           = mxdi_graph_add_symbol(g, g->input[k], 0, "batch", err);
    }
    if (st == MXD_OK && mxdi_passes_prepare(g, NULL, 0, batch, &scalable, NULL) == MXD_OK &&
        scalable)
        *out = g;
    else
        mxdi_graph_destroy(g);
    return st;
}

static mxd_status make_plan(mxdi_plan *p, mxdi_engine *e, int64_t batch, mxd_error *err)
{
    const int64_t fixed = fixed_batch(e->graph);
    if (fixed > 1)
        MXD_TRY(open_fixed_batch(&p->graph, e, fixed, err));
    if (!p->graph) {
        MXD_TRY(mxdi_graph_clone(&p->graph, e->graph, err));
        MXD_TRY(mxdi_passes_prepare(p->graph, e->options.shape, e->options.n_shapes, batch,
                                    &p->batched, err));
    }
    p->batch = p->graph->max_batch;
    MXD_TRY(mxdi_engine_partition(p, e, err));
    return compile_parts(p, e, err);
}

static void count_peak(mxdi_engine *e)
{
    for (uint32_t k = 0; k < e->n_plans; k++) {
        size_t peak = 0;
        for (uint32_t i = 0; i < e->plan[k].n_parts; i++) {
            mxd_steps s = { 0 };
            e->plan[k].part[i].api->steps(e->plan[k].part[i].program, &s);
            peak += s.peak_bytes;
        }
        e->peak_bytes = peak > e->peak_bytes ? peak : e->peak_bytes;
    }
}

static mxd_status make_plans(mxdi_engine *e, mxd_error *err)
{
    for (uint32_t k = 0; k < e->options.n_batches; k++) {
        e->n_plans++;
        MXD_TRY(make_plan(&e->plan[k], e, e->options.batch[k], err));
        if (e->plan[k].batch !=
            e->options.batch[k]) { /* the network's batch is fixed: one plan, its own */
            e->options.n_batches = 1;
            e->options.batch[0]  = e->plan[k].batch;
        }
    }
    return MXD_OK;
}

mxd_status mxdi_engine_build(mxdi_engine **out, mxdi_graph *graph,
                             const mxdi_build_options *options, const mxdi_registry *registry,
                             const mxd_allocator *alloc, mxd_error *err)
{
    const uint64_t start = mxdi_now_ns();
    mxdi_engine   *e     = MXDI_ALLOC(alloc, mxdi_engine, 1);
    *out                 = NULL;
    if (!e) {
        mxdi_graph_destroy(graph);
        return mxdi_nomem(err);
    }
    e->alloc = alloc;
    e->graph = graph;
    mxdi_arena_init(&e->arena, alloc);
    mxd_status st = keep_options(e, options, err);
    if (st == MXD_OK)
        st = open_devices(e, registry, err);
    if (st == MXD_OK)
        st = set_formats(e, err);
    if (st == MXD_OK)
        st = narrow_constants(e->graph, err);
    if (st == MXD_OK)
        st = bind_values(e, err);
    if (st == MXD_OK)
        st = mxdi_engine_take_choices(e, err);
    if (st == MXD_OK)
        st = make_plans(e, err);
    if (st == MXD_OK)
        st = mxdi_engine_keep_choices(e, err);
    if (st == MXD_OK)
        st = mxdi_engine_audit(e, err);
    if (st != MXD_OK) {
        mxdi_engine_destroy(e);
        return st;
    }
    count_peak(e);
    e->build_seconds = (double)(mxdi_now_ns() - start) * 1e-9;
    *out             = e;
    return MXD_OK;
}
