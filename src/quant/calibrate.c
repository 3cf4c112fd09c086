/* SPDX-License-Identifier: Apache-2.0
 *
 * Running the float engine over data with every tensor of interest as an output, one pass, batch by
 * batch.
 */
#include <math.h>

#include "base/dtype.h"
#include "engine/asked.h"
#include "quant/calibration.h"

enum { OBSERVED_BYTES = 128 << 20, LARGEST_BATCH = 32, MOST_SAMPLES = 1024 };

struct observed {
    uint32_t           value;
    mxdi_tensor_stats *stats;
};

/* Tensors that some recipe could quantize: what layers read and make, and what stands between them.
 */
static bool is_of_interest(const mxdi_graph *g, const mxdi_links *l, uint32_t v)
{
    static const char *const ops[] = {
        "Conv",       "Gemm",      "MatMul", "Add",  "Concat",  "AveragePool", "GlobalAveragePool",
        "ReduceMean", "MaxPool",   "Relu",   "Clip", "Sigmoid", "Tanh",        "HardSigmoid",
        "HardSwish",  "LeakyRelu", "Elu"
    };
    if (g->value[v].dtype != MXD_F32 || g->value[v].data ||
        (l->producer[v] == MXD_NO_VALUE && l->n_uses[v] == 0))
        return false;
    for (uint32_t k = l->first_use[v]; k < l->first_use[v + 1]; k++)
        for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
            if (mxdi_node_is(&g->node[l->user[k]], ops[i]))
                return true;
    for (size_t i = 0; l->producer[v] != MXD_NO_VALUE && i < sizeof(ops) / sizeof(ops[0]); i++)
        if (mxdi_node_is(&g->node[l->producer[v]], ops[i]))
            return true;
    return false;
}

static mxd_status add_tensor(mxdi_calibration *c, const mxd_value *v, mxd_error *err)
{
    mxdi_tensor_stats *const t = &c->tensor[c->n_tensors++];
    t->name                    = mxdi_arena_strdup(&c->arena, v->name);
    t->observer                = MXDI_NEW(&c->arena, mxdi_observer, 1);
    t->channels                = v->rank >= 2 && v->dim[1] <= 1 << 16 ? (uint32_t)v->dim[1] : 1;
    t->channel_min             = MXDI_NEW(&c->arena, float, t->channels);
    t->channel_max             = MXDI_NEW(&c->arena, float, t->channels);
    t->channel_sum             = MXDI_NEW(&c->arena, double, t->channels);
    if (!t->name || !t->observer || !t->channel_min || !t->channel_max || !t->channel_sum)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < t->channels; k++) {
        t->channel_min[k] = INFINITY;
        t->channel_max[k] = -INFINITY;
    }
    return MXD_OK;
}

/* Every tensor of interest becomes an output of `g`; *per_sample: their bytes. */
static mxd_status expose(mxdi_calibration *c, mxdi_graph *g, int64_t *per_sample, mxd_error *err)
{
    mxdi_links l  = MXDI_LINKS_INIT;
    mxd_status st = mxdi_links_build(&l, g, err);
    c->tensor     = MXDI_NEW(&c->arena, mxdi_tensor_stats, g->n_values + 1);
    if (st == MXD_OK && !c->tensor)
        st = mxdi_nomem(err);
    *per_sample = 0;
    for (uint32_t v = 0; v < g->n_values && st == MXD_OK; v++) {
        int64_t count;
        if (!is_of_interest(g, &l, v) ||
            !mxdi_shape_count(&count, g->value[v].dim, g->value[v].rank))
            continue;
        *per_sample += count / (g->max_batch > 0 ? g->max_batch : 1) * (int64_t)sizeof(float);
        st = add_tensor(c, &g->value[v], err);
        if (st == MXD_OK && !mxdi_graph_is_output(g, v))
            st = mxdi_graph_add_output(g, v, err);
    }
    mxdi_links_free(&l);
    return st;
}

static mxd_status observe(mxdi_tensor_stats *t, const mxd_tensor *x, mxd_error *err)
{
    int64_t count;
    if (!mxdi_shape_count(&count, x->dim, x->rank))
        return mxdi_fail(err, MXD_E_RANGE, "tensor '%s': too large", t->name);
    const float *const v = x->data;
    MXD_TRY(mxdi_wrap(err, mxdi_observer_add(t->observer, v, count, err), "tensor '%s'", t->name));
    const int64_t inner =
        t->channels > 1 || x->rank >= 2 ? count / (x->dim[0] * t->channels) : count;
    for (int64_t at = 0; at < count; at += inner) {
        const uint32_t ch  = (uint32_t)((at / inner) % t->channels);
        double         sum = 0.0;
        for (int64_t k = 0; k < inner; k++) {
            const float e      = v[at + k];
            t->channel_min[ch] = e < t->channel_min[ch] ? e : t->channel_min[ch];
            t->channel_max[ch] = e > t->channel_max[ch] ? e : t->channel_max[ch];
            sum += (double)e;
        }
        t->channel_sum[ch] += sum;
    }
    t->per_channel += (uint64_t)(count / t->channels);
    return MXD_OK;
}

static const mxd_tensor *find_tensor(const mxdi_feed *f, const mxdi_graph *g, const char *name)
{
    for (uint32_t k = 0; k < f->n_in; k++)
        if (strcmp(g->value[g->input[k]].name, name) == 0)
            return &f->in[k];
    for (uint32_t k = 0; k < f->n_out; k++)
        if (strcmp(g->value[g->output[k]].name, name) == 0)
            return &f->out[k];
    return NULL;
}

static mxd_status check_inputs(const mxdi_feed *f, const mxdi_graph *g, int64_t first,
                               mxd_error *err)
{
    for (uint32_t k = 0; k < f->n_in; k++) {
        int64_t count;
        if (f->in[k].dtype != MXD_F32 || !mxdi_shape_count(&count, f->in[k].dim, f->in[k].rank))
            continue;
        const int64_t each = count / (f->in[k].dim[0] > 0 ? f->in[k].dim[0] : 1);
        for (int64_t i = 0; i < count; i++)
            if (!isfinite(((const float *)f->in[k].data)[i]))
                return mxdi_fail(err, MXD_E_RANGE, "data: sample %lld of input '%s' holds %s",
                                 (long long)(first + i / each), g->value[g->input[k]].name,
                                 isnan(((const float *)f->in[k].data)[i]) ? "NaN" : "infinity");
    }
    return MXD_OK;
}

static mxd_status run_all(mxdi_calibration *c, mxdi_engine *e, const mxdi_source *source,
                          int64_t samples, const mxdi_calibrate_options *o, mxd_error *err)
{
    mxdi_feed               f  = MXDI_FEED_INIT;
    const mxdi_graph *const g  = e->plan[0].graph;
    mxd_status              st = mxdi_feed_open(&f, e, source, 0, o->threads, err);
    for (int64_t first = 0; first < samples && st == MXD_OK; first += f.batch) {
        const int64_t n = samples - first < f.batch ? samples - first : f.batch;
        st              = mxdi_feed_run(&f, first, n, err);
        if (st == MXD_OK)
            st = check_inputs(&f, g, first, err);
        for (uint32_t k = 0; k < c->n_tensors && st == MXD_OK; k++) {
            const mxd_tensor *const x = find_tensor(&f, g, c->tensor[k].name);
            st                        = x ? observe(&c->tensor[k], x, err) : MXD_OK;
        }
        if (st == MXD_OK && o->progress &&
            o->progress(o->user, (double)(first + n) / (double)samples))
            st = mxdi_fail(err, MXD_E_CANCELLED, "calibration interrupted after %lld samples",
                           (long long)(first + n));
    }
    c->samples = samples;
    mxdi_feed_close(&f);
    return st;
}

/* Whether the first dimension has a name: also in a graph that was bound before it has no size of
 * its own. */
static bool is_open(const mxdi_graph *g, uint32_t value)
{
    bool open = g->value[value].dim[0] < 0;
    for (uint32_t k = 0; k < g->n_symbols; k++)
        open = open || (g->symbol[k].value == value && g->symbol[k].axis == 0);
    return open;
}

mxd_status mxdi_calibration_shapes(mxdi_shape_binding **out, uint32_t *n, mxdi_arena *arena,
                                   const mxdi_graph *graph, const mxdi_source *source,
                                   mxd_error *err)
{
    const mxdi_graph *const g = graph;
    *n                        = 0;
    *out                      = MXDI_NEW(arena, mxdi_shape_binding, g->n_inputs + 1);
    if (!*out)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < g->n_inputs; k++) {
        const mxd_value *const v = &g->value[g->input[k]];
        for (uint32_t i = 0; i < source->n_inputs; i++) {
            const char *const name = source->name(source->data, i);
            mxd_tensor        sample;
            source->sample(&sample, source->data, i);
            if ((name ? strcmp(name, v->name) != 0 : i != k) || sample.rank + 1 != v->rank)
                continue; /* feeding tells what does not fit */
            mxdi_shape_binding *const b = &(*out)[(*n)++];
            b->name                     = mxdi_arena_strdup(arena, v->name);
            if (!b->name)
                return mxdi_nomem(err);
            b->rank   = v->rank;
            b->dim[0] = is_open(g, g->input[k]) ? -1 : v->dim[0]; /* -1: a batch */
            for (int32_t d = 1; d < v->rank; d++)
                b->dim[d] = v->dim[d] < 0 ? sample.dim[d - 1] : v->dim[d];
            break;
        }
    }
    return MXD_OK;
}

static mxd_status calibrate(mxdi_calibration *c, const mxdi_graph *graph, const mxdi_source *source,
                            const mxdi_calibrate_options *o, const mxdi_registry *registry,
                            const mxd_allocator *alloc, mxd_error *err)
{
    mxdi_graph  *g = NULL;
    mxdi_engine *e = NULL;
    bool         scalable;
    int64_t      per_sample = 0;
    mxd_status st = mxdi_calibration_shapes(&c->input, &c->n_inputs, &c->arena, graph, source, err);
    if (st == MXD_OK)
        st = mxdi_graph_clone(&g, graph, err);
    if (st == MXD_OK)
        st = mxdi_passes_prepare(g, c->input, c->n_inputs, 1, &scalable, err);
    if (st == MXD_OK)
        st = expose(c, g, &per_sample, err);
    if (st != MXD_OK) {
        mxdi_graph_destroy(g);
        return st;
    }
    const int64_t            fit   = per_sample > 0 ? OBSERVED_BYTES / per_sample : LARGEST_BATCH;
    const mxdi_build_options build = { .threads   = o->threads,
                                       .batch     = { fit < 1               ? 1
                                                      : fit > LARGEST_BATCH ? LARGEST_BATCH
                                                                            : fit },
                                       .n_batches = 1 };
    MXD_TRY(mxdi_engine_build(&e, g, &build, registry, alloc, err));
    const int64_t asked = o->batches ? o->batches * LARGEST_BATCH : MOST_SAMPLES;
    st = run_all(c, e, source, source->samples < asked ? source->samples : asked, o, err);
    mxdi_engine_destroy(e);
    return st;
}

mxd_status mxdi_calibrate(mxdi_calibration **out, const mxdi_graph *graph,
                          const mxdi_source *source, const mxdi_calibrate_options *options,
                          const mxdi_registry *registry, const mxd_allocator *alloc, mxd_error *err)
{
    *out                      = NULL;
    mxdi_calibration *const c = MXDI_ALLOC(alloc, mxdi_calibration, 1);
    if (!c)
        return mxdi_nomem(err);
    mxdi_arena_init(&c->arena, alloc);
    c->method           = options->method;
    const mxd_status st = calibrate(c, graph, source, options, registry, alloc, err);
    if (st != MXD_OK) {
        mxdi_calibration_destroy(c);
        return st;
    }
    for (uint32_t k = 0; k < c->n_tensors; k++) {
        mxdi_tensor_stats *const t = &c->tensor[k];
        t->min                     = t->observer->count ? t->observer->min : 0.0f;
        t->max                     = t->observer->count ? t->observer->max : 0.0f;
        mxdi_observer_range(&t->low, &t->high, t->observer, c->method, 8, false);
    }
    *out = c;
    return MXD_OK;
}

void mxdi_calibration_destroy(mxdi_calibration *c)
{
    if (!c)
        return;
    const mxd_allocator *const alloc = c->arena.alloc;
    mxdi_arena_fini(&c->arena);
    mxdi_free(alloc, c);
}

const mxdi_tensor_stats *mxdi_calibration_find(const mxdi_calibration *c, const char *name)
{
    for (uint32_t k = 0; k < c->n_tensors; k++)
        if (strcmp(c->tensor[k].name, name) == 0)
            return &c->tensor[k];
    return NULL;
}

void mxdi_calibration_range(float *low, float *high, const mxdi_calibration *c,
                            const mxdi_tensor_stats *t, int method, uint32_t bits, bool symmetric)
{
    if (t->observer) {
        mxdi_observer_range(low, high, t->observer, method < 0 ? c->method : (mxdi_method)method,
                            bits, symmetric);
        return;
    }
    *low  = fminf(t->low, 0.0f);
    *high = fmaxf(t->high, 0.0f);
    if (symmetric) {
        *high = fmaxf(*high, -*low);
        *low  = -*high;
    }
}
