/* SPDX-License-Identifier: Apache-2.0
 *
 * The steps of quantizing in order: canonical graph, settings by the recipe, equalization, integer
 * domain, ranges, weights, activations, corrections.
 */
#include "quant/quantize.h"

#include <stdio.h>

#include "base/json.h"
#include "engine/asked.h"
#include "onnx/onnx.h"
#include "passes/passes.h"
#include "quant/equalize.h"
#include "quant/layer.h"
#include "quant/qdq.h"
#include "quant/repair.h"

/* A layer asked for integers that cannot have them stays float: told, unless the recipe allows
 * more. */
static mxd_status check_layers(const mxdi_graph *g, mxdi_setting *setting, mxd_error *err)
{
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        const mxd_node *const node = &g->node[n];
        mxdi_precision *const p    = &setting[n].precision;
        if (!mxdi_is_product(node) || (!p->w_bits && p->compute == MXD_F32))
            continue;
        const bool constant = g->value[node->in[1]].data != NULL;
        if (mxdi_precision_is_integer(*p) && !mxdi_domain_can_be_integer(g, node)) {
            if (!mxdi_precision_equal(setting[n].allow, *p)) {
                *p = setting[n].allow;
                continue;
            }
            return mxdi_fail(
                err, MXD_E_UNSUPPORTED,
                "%s '%s': no integer form (%s); give it \"allow\": \"f32\" or exclude it", node->op,
                node->name,
                constant ? "transposed input, scaled product or a bias that is not per channel"
                         : "weights that are not constant");
        }
        if (p->w_bits && !p->a_bits && !constant)
            *p = (mxdi_precision){
                0, 0, p->compute
            }; /* weight-only says nothing of a product of two activations */
    }
    return MXD_OK;
}

/* What one call works on. */
struct job {
    mxdi_graph                  *g;
    const mxdi_graph            *original; /* as imported */
    const mxdi_quantize_options *o;
    mxdi_setting                *setting;
    const mxdi_calibration      *given;
    mxdi_calibration            *own;    /* made here, for all or for equalized tensors */
    uint8_t                     *scaled; /* (n_values) channels were equalized */
    mxdi_qdq_plan                plan;
    double                       calibrated; /* share of the work that calibrating is */
};

/* (n_values) those with a range, where a calibration tells only of some; NULL: of all. */
static mxd_status known_ranges(uint8_t **out, mxdi_graph *g, const mxdi_calibration *c,
                               mxd_error *err)
{
    *out = NULL;
    if (!c || !c->n_modules)
        return MXD_OK;
    *out = MXDI_NEW(&g->arena, uint8_t, g->n_values + 1);
    for (uint32_t v = 0; *out && v < g->n_values; v++)
        (*out)[v] = mxdi_calibration_find(c, g->value[v].name) != NULL;
    return *out ? MXD_OK : mxdi_nomem(err);
}

/* ---- ranges ---- */

static int calibration_progress(void *user, double done)
{
    const struct job *const j = user;
    return j->o->progress(j->o->user, done * j->calibrated);
}

/* Observes the data where nobody did: without a calibration everything, with one what was equalized
 * since. */
static mxd_status observe(struct job *j, mxd_error *err)
{
    const char *scaled    = NULL;
    bool        quantized = false;
    for (uint32_t v = 0; v < j->plan.n_values; v++) {
        quantized = quantized || j->plan.domain.bits[v];
        if (j->plan.domain.bits[v] && j->scaled && j->scaled[v] && !scaled)
            scaled = j->g->value[v].name;
    }
    if (!quantized || (j->given && !scaled))
        return MXD_OK;
    if (!j->o->data) /* without a calibration, ranges tell */
        return !j->given
                   ? MXD_OK
                   : mxdi_fail(
                         err, MXD_E_USAGE,
                         "repair 'cle': tensor '%s' has other ranges now: samples to calibrate with (--data SPEC) expected",
                         scaled);
    const mxdi_calibrate_options o = { .method   = j->given ? j->given->method : MXDI_MSE,
                                       .threads  = j->o->threads,
                                       .progress = j->o->progress ? calibration_progress : NULL,
                                       .user     = j };
    MXD_TRY(mxdi_calibrate(&j->own, j->g, j->o->data, &o, j->o->registry, j->g->arena.alloc, err));
    if (j->given)
        j->plan.rescaled = j->own;
    else
        j->plan.calibration = j->own;
    return MXD_OK;
}

static mxd_status plan_init(struct job *j, mxd_error *err)
{
    mxdi_graph *const       g = j->g;
    mxdi_qdq_plan *const    p = &j->plan;
    const mxdi_calibration *calibration;
    uint8_t                *known;
    MXD_TRY(mxdi_calibration_bind(&calibration, j->given, g, err));
    MXD_TRY(known_ranges(&known, g, calibration, err));
    *p            = (mxdi_qdq_plan){ .g                  = g,
                                     .original           = j->original,
                                     .setting            = j->setting,
                                     .calibration        = calibration,
                                     .scaled             = j->scaled,
                                     .signed_activations = j->o->backend->signed_activations != 0,
                                     .symmetric          = j->o->backend->symmetric_only != 0,
                                     .n_values           = g->n_values,
                                     .n_nodes            = g->n_nodes };
    p->scale      = MXDI_NEW(&g->arena, float, g->n_values + 1);
    p->zero_point = MXDI_NEW(&g->arena, int32_t, g->n_values + 1);
    p->told       = MXDI_NEW(&g->arena, uint8_t, g->n_nodes + 1);
    if (!p->scale || !p->zero_point || !p->told)
        return mxdi_nomem(err);
    return mxdi_domain_of(&p->domain, &g->arena, g, j->setting, j->o->backend, known, err);
}

/* Opset 13 for per-axis quantizers and 16-bit casts, 21 for 4 bits and blocks. */
static int32_t needed_opset(const mxdi_graph *g, const mxdi_setting *setting, const uint8_t *bits)
{
    int32_t opset = 13;
    for (uint32_t n = 0; n < g->n_nodes; n++)
        if (mxdi_is_product(&g->node[n]) && setting[n].precision.w_bits &&
            (setting[n].precision.w_bits <= 4 || setting[n].block))
            opset = 21;
    for (uint32_t v = 0; v < g->n_values; v++)
        opset = bits[v] && bits[v] <= 4 ? 21 : opset;
    return opset;
}

/* One note of the graph's metadata, an object by node; takes `map`. */
static mxd_status write_note(mxdi_graph *g, const char *key, json_t *map, mxd_error *err)
{
    mxdi_bytes text = { .alloc = g->arena.alloc };
    mxd_status st   = map ? MXD_OK : mxdi_nomem(err);
    if (json_object_size(map)) {
        const bool ok = mxdi_json_format(&text, map) && mxdi_bytes_append(&text, "", 1);
        st = ok ? mxdi_graph_set_meta(g, key, (const char *)text.data, err) : mxdi_nomem(err);
        mxdi_bytes_free(&text);
    }
    json_decref(map);
    return st;
}

/* What the graph itself cannot say, by node: widths between those of storage types, and what may
 * run instead. */
static mxd_status write_metadata(mxdi_graph *g, const mxdi_quantize_result *r,
                                 const mxdi_setting *setting, mxd_error *err)
{
    json_t *const narrower = json_object(), *const allow = json_object();
    bool ok = narrower && allow;
    char name[16];
    for (uint32_t k = 0; k < r->n_layers && ok; k++) {
        const mxdi_precision_parts p = mxdi_precision_split(r->precision[k]);
        if (p.weight &&
            ((p.weight != 8 && p.weight != 4) || (p.input && p.input != 8 && p.input != 4)))
            ok = json_object_set_new(narrower, r->node[k], json_string(r->precision[k])) == 0;
    }
    for (uint32_t n = 0; n < g->n_nodes && ok; n++) {
        if (!mxdi_is_product(&g->node[n]) ||
            mxdi_precision_equal(setting[n].precision, setting[n].allow))
            continue;
        mxdi_precision_text(name, setting[n].allow);
        ok = json_object_set_new(allow, g->node[n].name, json_string(name)) == 0;
    }
    mxd_status st = ok ? MXD_OK : mxdi_nomem(err);
    if (st == MXD_OK)
        st = write_note(g, "mixdown.precision", json_incref(narrower), err);
    if (st == MXD_OK)
        st = write_note(g, "mixdown.allow", json_incref(allow), err);
    json_decref(narrower);
    json_decref(allow);
    return st;
}

static mxd_status list_layers(mxdi_quantize_result *r, mxdi_graph *g, const mxdi_setting *setting,
                              mxd_error *err)
{
    r->n_layers  = 0;
    r->node      = MXDI_NEW(&g->arena, const char *, g->n_nodes + 1);
    r->precision = MXDI_NEW(&g->arena, const char *, g->n_nodes + 1);
    if (!r->node || !r->precision)
        return mxdi_nomem(err);
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        char name[16];
        if (!mxdi_is_product(&g->node[n]))
            continue;
        mxdi_precision_text(name, setting[n].precision);
        r->node[r->n_layers]      = g->node[n].name;
        r->precision[r->n_layers] = mxdi_arena_strdup(&g->arena, name);
        if (!r->precision[r->n_layers++])
            return mxdi_nomem(err);
    }
    return MXD_OK;
}

/* The canonical graph with what is asked of each layer, and everything done to it that stays float.
 */
static mxd_status prepare(struct job *j, const mxdi_recipe *recipe, bool *needs_data,
                          mxd_error *err)
{
    bool                scalable;
    mxdi_graph *const   g        = j->g;
    mxdi_shape_binding *shape    = j->given ? j->given->input : NULL;
    uint32_t            n_shapes = j->given ? j->given->n_inputs : 0;
    if (n_shapes == 0 && j->o->data)
        MXD_TRY(mxdi_calibration_shapes(&shape, &n_shapes, &g->arena, g, j->o->data, err));
    MXD_TRY(mxdi_passes_prepare(g, shape, n_shapes, 1, &scalable, err));
    j->setting = MXDI_NEW(&g->arena, mxdi_setting, g->n_nodes + 1);
    if (!j->setting)
        return mxdi_nomem(err);
    MXD_TRY(mxdi_recipe_apply(j->setting, recipe, g, err));
    MXD_TRY(check_layers(g, j->setting, err));
    MXD_TRY(mxdi_repair_ask(j->setting, needs_data, g, j->o, err));
    if (!(j->o->repair & MXDI_REPAIR_CLE))
        return MXD_OK;
    if (j->given && j->given->n_modules)
        return mxdi_fail(
            err, MXD_E_USAGE,
            "repair 'cle': NNI's calibration tells of weights as they were, not equalized; calibrate with --data SPEC, or leave it out");
    j->scaled = MXDI_NEW(&g->arena, uint8_t, g->n_values + 1);
    return j->scaled ? mxdi_equalize(g, j->setting, j->scaled, err) : mxdi_nomem(err);
}

static mxd_status write_qdq(struct job *j, mxdi_quantize_result *result, mxd_error *err)
{
    mxdi_graph *const g     = j->g;
    const int32_t     opset = needed_opset(g, j->setting, j->plan.domain.bits);
    MXD_TRY(list_layers(result, g, j->setting, err));
    MXD_TRY(mxdi_averages_of(&result->averages, g, j->setting, j->plan.domain.bits, err));
    MXD_TRY(write_metadata(g, result, j->setting, err));
    MXD_TRY(mxdi_qdq_weights(&j->plan, err));
    MXD_TRY(mxdi_qdq_activations(&j->plan, err));
    if (g->opset < opset)
        MXD_TRY(mxdi_onnx_raise_opset(g, opset, err));
    for (uint32_t n = 0; n < g->n_nodes; n++)
        g->node[n].n_origin = 0; /* the new model's nodes are its own */
    for (uint32_t n = 0; n < g->n_nodes; n++)
        MXD_TRY(mxdi_node_add_origins(g, &g->node[n], &g->node[n].name, 1, err));
    MXD_TRY(mxdi_graph_remove_dead(g, err));
    MXD_TRY(mxdi_graph_compact(g, err));
    return mxdi_graph_verify(g, err);
}

static mxd_status quantize(struct job *j, mxdi_quantize_result *result, const mxdi_recipe *recipe,
                           mxd_error *err)
{
    bool        needs_data = false;
    mxdi_graph *before     = NULL;
    MXD_TRY(prepare(j, recipe, &needs_data, err));
    MXD_TRY(plan_init(j, err));
    j->calibrated = needs_data ? 0.1 : 1.0;
    MXD_TRY(observe(j, err));
    MXD_TRY(mxdi_qdq_ranges(&j->plan, err));
    if (needs_data)
        MXD_TRY(mxdi_graph_clone(&before, j->g, err));
    mxd_status st = write_qdq(j, result, err);
    for (uint32_t n = 0; n < j->plan.n_nodes; n++)
        if (j->plan.told[n]) { /* trained with these integers */
            j->setting[n].rounding     = MXDI_NEAREST;
            j->setting[n].correct_bias = false;
        }
    if (st == MXD_OK && needs_data) {
        const mxdi_repair_options o = { j->o->registry,
                                        j->o->data,
                                        j->o->adaround,
                                        j->o->blocks,
                                        j->o->threads,
                                        j->o->seed,
                                        { j->o->progress, j->o->user, j->calibrated, 1.0 } };
        st                          = mxdi_repair(result, j->g, before, j->setting, &o, err);
    }
    mxdi_graph_destroy(before);
    return st;
}

mxd_status mxdi_quantize(mxdi_graph **out, mxdi_quantize_result *result, const mxdi_graph *graph,
                         const mxdi_recipe *recipe, const mxdi_calibration *calibration,
                         const mxdi_quantize_options *options, mxd_error *err)
{
    struct job j = { .original = graph, .o = options, .given = calibration };
    *out         = NULL;
    *result      = (mxdi_quantize_result){ .n_layers = 0 };
    MXD_TRY(mxdi_graph_clone(&j.g, graph, err));
    const mxd_status st = quantize(&j, result, recipe, err);
    mxdi_calibration_destroy(j.own);
    if (st != MXD_OK) {
        mxdi_graph_destroy(j.g);
        return st;
    }
    *out = j.g;
    return MXD_OK;
}
