/* SPDX-License-Identifier: Apache-2.0
 *
 * Corrections layer by layer. With x what the float layer reads and x^ what the quantized one
 * reads, a channel's mean error is w E[x - x^] + (w - w^) E[x^] (Nagel et al. 2019,
 * arXiv:1906.04721, section 4.2, here with the means that data gives). Both parts are small, so
 * nothing cancels.
 */
#include "quant/repair.h"

#include <math.h>

#include "base/dtype.h"
#include "base/rng.h"
#include "engine/asked.h"
#include "quant/columns.h"
#include "quant/layer.h"
#include "quant/repair_impl.h"

enum {
    MOST_SAMPLES   = 1024,
    WANTED_COLUMNS = 32768, /* of a layer, drawn from all its samples */
    BLOCK_WORK     = 10     /* of a layer in its block, in what it was on its own */
};
static const size_t kept_bytes = (size_t)512 << 20;

typedef struct layer {
    mxdi_arena          arena;
    const mxd_node     *node, *twin; /* in the float graph, in the quantized one */
    mxdi_weights_view   view;
    mxdi_rounding_layer rows;
    int8_t             *nearest, *q; /* (groups * rows, k) */
    mxd_value          *stored;      /* the integers in the quantized graph */
    mxd_value          *bias;        /* there, or NULL */
    const float        *bias_scale;  /* of an integer bias; NULL: floats */
    mxdi_columns        columns;
    double             *mean_x, *mean_off; /* (groups, k); sums while columns come */
    int64_t             seen;              /* columns of each group */
    void               *state;             /* of the rounding, or NULL */
    mxdi_repairer      *r;
    mxdi_rng            rng;
    mxdi_progress       progress;
} layer;

/* ---- a layer's weights as rows ---- */

/* Which of the scales is that of element k of a row: one, one for each row, or blocks of input
 * channels, (rows, blocks, taps). */
static int64_t scale_at(int64_t row, int64_t k, int64_t n_scales, int64_t block, int64_t taps,
                        int64_t length)
{
    if (n_scales == 1)
        return 0;
    if (!block)
        return row;
    const int64_t channels = length / taps, blocks = (channels + block - 1) / block;
    return (row * blocks + k / taps / block) * taps + k % taps;
}

uint32_t mxdi_repair_maker(const mxdi_repairer *r, uint32_t value, const char *op)
{
    uint32_t n = r->links.producer[value];
    while (n != MXD_NO_VALUE && mxdi_node_is(&r->q->node[n], "Cast"))
        n = r->links.producer[r->q->node[n].in[0]];
    return n != MXD_NO_VALUE && mxdi_node_is(&r->q->node[n], op) ? n : MXD_NO_VALUE;
}

mxd_status mxdi_repair_twin(const mxd_node **twin, uint32_t *dequantizer, const mxdi_repairer *r,
                            uint32_t n, mxd_error *err)
{
    const char *const name = r->g->node[n].name;
    *twin                  = NULL;
    for (uint32_t k = 0; k < r->q->n_nodes; k++)
        if (strcmp(r->q->node[k].name, name) == 0)
            *twin = &r->q->node[k];
    *dequantizer = *twin ? mxdi_repair_maker(r, (*twin)->in[1], "DequantizeLinear") : MXD_NO_VALUE;
    if (*dequantizer == MXD_NO_VALUE)
        return mxdi_fail(err, MXD_E_INVAL, "'%s': not in the quantized graph", name);
    return MXD_OK;
}

static mxd_status read_rows(layer *l, const mxd_node *dequantizer, mxd_error *err)
{
    const mxdi_graph *const q    = l->r->q;
    const mxd_value *const  s    = &q->value[dequantizer->in[1]];
    const int64_t           rows = l->view.channels, k = l->view.outer * l->view.inner;
    const int64_t           block = mxd_node_int(dequantizer, "block_size", 0);
    int64_t                 n_scales;
    if (!mxdi_shape_count(&n_scales, s->dim, s->rank))
        return mxdi_fail(err, MXD_E_RANGE, "'%s': too large", s->name);
    float *const w     = mxdi_arena_alloc(&l->arena, (size_t)rows, (size_t)k * sizeof(*w), 64);
    float *const scale = mxdi_arena_alloc(&l->arena, (size_t)rows, (size_t)k * sizeof(*scale), 64);
    l->nearest         = mxdi_arena_alloc(&l->arena, (size_t)rows, (size_t)k, 64);
    l->q               = mxdi_arena_alloc(&l->arena, (size_t)rows, (size_t)k, 64);
    if (!w || !scale || !l->nearest || !l->q)
        return mxdi_nomem(err);
    for (int64_t c = 0; c < rows; c++)
        for (int64_t i = 0; i < k; i++) {
            const int64_t at = mxdi_weight_at(&l->view, c, i);
            w[c * k + i]     = l->view.w[at];
            l->q[c * k + i]  = mxdi_integer_read(l->stored, at);
            scale[c * k + i] =
                ((const float *)s->data)[scale_at(c, i, n_scales, block, l->columns.taps, k)];
        }
    memcpy(l->nearest, l->q, (size_t)(rows * k));
    l->rows.w     = w;
    l->rows.scale = scale;
    return MXD_OK;
}

/* ---- opening ---- */

/* A bias of one element for each channel can take up a mean. */
static mxd_status find_bias(layer *l, mxd_error *err)
{
    mxdi_graph *const q = l->r->q;
    int64_t           count;
    if (mxdi_node_is(l->node, "MatMul") || l->twin->n_in < 3 || l->twin->in[2] == MXD_NO_VALUE ||
        mxd_node_float(l->node, "beta", 1.0f) == 0.0f)
        return MXD_OK;
    mxd_value     *v = &q->value[l->twin->in[2]];
    const uint32_t n = mxdi_repair_maker(l->r, l->twin->in[2], "DequantizeLinear");
    if (n != MXD_NO_VALUE) {
        v             = &q->value[q->node[n].in[0]];
        l->bias_scale = q->value[q->node[n].in[1]].data;
    }
    if (!v->data || !mxdi_shape_count(&count, v->dim, v->rank) || count != l->view.channels)
        return MXD_OK;
    l->bias = v;
    v->data =
        mxdi_arena_memdup(&q->arena, v->data, v->bytes, 64); /* floats are the float graph's too */
    return v->data ? MXD_OK : mxdi_nomem(err);
}

static mxd_status open_layer(layer *l, mxdi_repairer *r, uint32_t n, mxd_error *err)
{
    mxdi_arena_init(&l->arena, r->alloc);
    l->r    = r;
    l->rng  = mxdi_rng_stream(r->o->seed, n);
    l->node = &r->g->node[n];
    uint32_t w;
    MXD_TRY(mxdi_repair_twin(&l->twin, &w, r, n, err));
    l->stored = &r->q->value[r->q->node[w].in[0]];
    mxdi_layer_weights(&l->view, r->g, l->node);
    MXD_TRY(mxdi_columns_of(&l->columns, r->g, l->node, err));
    MXD_TRY(find_bias(l, err));
    l->rows = (mxdi_rounding_layer){ .groups    = l->columns.groups,
                                     .rows      = l->view.channels / l->columns.groups,
                                     .k         = l->columns.k,
                                     .q_max     = (1 << (r->setting[n].precision.w_bits - 1)) - 1,
                                     .free_mean = l->bias != NULL };
    MXD_TRY(read_rows(l, &r->q->node[w], err));
    const size_t means = (size_t)(l->columns.groups * l->columns.k);
    l->mean_x          = MXDI_NEW(&l->arena, double, means);
    l->mean_off        = MXDI_NEW(&l->arena, double, means);
    if (!l->mean_x || !l->mean_off)
        return mxdi_nomem(err);
    if (r->setting[n].rounding == MXDI_ADAROUND && r->o->rounding)
        return r->o->rounding->open(&l->state, &l->rows, r->pool, r->alloc, err);
    return MXD_OK;
}

static void close_layer(layer *l)
{
    if (l->state)
        l->r->o->rounding->close(l->state);
    mxdi_arena_fini(&l->arena);
}

/* ---- observing ---- */

/* n of `count` places in order, one at random from each of n equal ranges. */
static void draw(int64_t *at, int64_t n, int64_t count, mxdi_rng *rng)
{
    for (int64_t j = 0; j < n; j++)
        at[j] = (int64_t)(((double)j + mxdi_rng_f64(rng)) * (double)count / (double)n);
    for (int64_t j = 0; j < n; j++)
        at[j] = at[j] < count ? at[j] : count - 1;
}

static mxd_status add_group(layer *l, int64_t group, const mxd_tensor *x, const mxd_tensor *xq,
                            const int64_t *offset, int64_t n, float *room, mxd_error *err)
{
    const int64_t k  = l->columns.k;
    float *const col = room, *const off = room + k * n;
    mxdi_columns_take(col, &l->columns, xq, group, offset, n);
    mxdi_columns_take(off, &l->columns, x, group, offset, n);
    for (int64_t i = 0; i < k; i++) {
        double sum = 0.0, sum_off = 0.0;
        for (int64_t j = i * n; j < (i + 1) * n; j++) {
            off[j] -= col[j];
            sum += (double)col[j];
            sum_off += (double)off[j];
        }
        l->mean_x[group * k + i] += sum;
        l->mean_off[group * k + i] += sum_off;
    }
    return l->state ? l->r->o->rounding->add(l->state, group, col, off, n, err) : MXD_OK;
}

static mxd_status observe(void *user, const mxd_tensor *x, const mxd_tensor *xq, int64_t first,
                          int64_t count, mxd_error *err)
{
    layer *const               l       = user;
    const mxd_allocator *const alloc   = l->r->alloc;
    const int64_t              samples = mxdi_prefix_samples(l->r->prefix);
    const int64_t              all     = mxdi_columns_count(&l->columns, xq);
    const double   rate = (double)WANTED_COLUMNS * (double)count / (double)samples / (double)all;
    const int64_t  n    = rate < 1.0 ? (int64_t)ceil((double)all * rate) : all;
    int64_t *const at =
        mxdi_alloc(alloc, (size_t)n, (size_t)(1 + l->columns.taps) * sizeof(int64_t));
    float *const room = mxdi_alloc(alloc, (size_t)n, 2 * (size_t)l->columns.k * sizeof(float));
    mxd_status   st   = at && room ? MXD_OK : mxdi_nomem(err);
    if (st == MXD_OK) {
        draw(at, n, all, &l->rng);
        mxdi_columns_find(at + n, &l->columns, at, n);
    }
    for (int64_t group = 0; group < l->columns.groups && st == MXD_OK; group++)
        st = add_group(l, group, x, xq, at + n, n, room, err);
    l->seen += n;
    mxdi_free(alloc, room);
    mxdi_free(alloc, at);
    const double done = (double)(first + count) / (double)samples;
    if (st == MXD_OK && mxdi_progress_stops(&l->progress, done * (l->state ? 0.5 : 1.0)))
        st = mxdi_fail(err, MXD_E_CANCELLED, "interrupted");
    return st;
}

/* ---- correcting ---- */

static void keep_in_range(layer *l)
{
    const int64_t k = l->rows.k, rows = l->rows.groups * l->rows.rows;
    for (int64_t c = 0; c < rows; c++) {
        int64_t sum = 0;
        for (int64_t i = 0; i < k; i++)
            sum += l->q[c * k + i] < 0 ? -l->q[c * k + i] : l->q[c * k + i];
        if (!mxdi_sums_fit(sum))
            memcpy(l->q + c * k, l->nearest + c * k, (size_t)k);
    }
}

static double mean_error(const layer *l, int64_t channel)
{
    const int64_t k = l->rows.k, group = channel / l->rows.rows;
    double        error = 0.0;
    for (int64_t i = 0; i < k; i++) {
        const int64_t at = channel * k + i;
        const double  w  = (double)l->rows.w[at];
        const double  d  = (double)l->rows.scale[at] * (double)l->q[at] - w;
        error += w * l->mean_off[group * k + i] - d * l->mean_x[group * k + i];
    }
    return error;
}

static void correct_bias(layer *l)
{
    const float *const b    = l->r->g->value[l->node->in[2]].data;
    const double       gain = (double)mxd_node_float(l->node, "alpha", 1.0f) /
                        (double)mxd_node_float(l->node, "beta", 1.0f);
    for (int64_t c = 0; c < l->view.channels; c++) {
        const double to   = (double)b[c] + gain * mean_error(l, c);
        void *const  data = (void *)(uintptr_t)l->bias->data; /* the layer's own */
        if (!l->bias_scale) {
            ((float *)data)[c] = (float)to;
            continue;
        }
        const double r       = rint(to / (double)l->bias_scale[c]);
        ((int32_t *)data)[c] = (int32_t)fmin(fmax(r, -MXDI_MOST_BIAS), MXDI_MOST_BIAS);
    }
}

static void finish_means(layer *l)
{
    for (int64_t i = 0; i < l->rows.groups * l->rows.k && l->seen > 0; i++) {
        l->mean_x[i] /= (double)l->seen;
        l->mean_off[i] /= (double)l->seen;
    }
}

static mxd_status round_layer(layer *l, const mxdi_progress *progress, mxd_error *err)
{
    const mxdi_rounding_means means = { l->mean_x, l->mean_off, l->seen };
    MXD_TRY(l->r->o->rounding->solve(l->state, l->q, &means, progress, err));
    keep_in_range(l);
    for (int64_t c = 0; c < l->view.channels; c++)
        for (int64_t k = 0; k < l->rows.k; k++)
            mxdi_integer_write(l->stored, mxdi_weight_at(&l->view, c, k), l->q[c * l->rows.k + k]);
    return MXD_OK;
}

static mxd_status repair_layer(mxdi_repairer *r, uint32_t n, const mxdi_progress *progress,
                               mxd_error *err)
{
    layer               l    = { .arena = { .top = NULL } };
    const mxdi_progress half = { progress->fn, progress->user, (progress->from + progress->to) / 2,
                                 progress->to };
    mxd_status          st   = open_layer(&l, r, n, err);
    l.progress               = *progress;
    if (st == MXD_OK)
        st = mxdi_prefix_run(r->prefix, n, observe, &l, err);
    finish_means(&l);
    if (st == MXD_OK && l.state)
        st = round_layer(&l, &half, err);
    if (st == MXD_OK && l.bias)
        correct_bias(&l);
    close_layer(&l);
    return st;
}

static bool is_repaired(const mxdi_repairer *r, uint32_t n)
{
    const mxdi_setting *const s    = &r->setting[n];
    const mxd_node *const     node = &r->g->node[n];
    if (!mxdi_is_product(node) || !s->precision.w_bits || !mxdi_layer_is_constant(r->g, node))
        return false;
    const bool rounds = s->rounding == MXDI_ADAROUND && r->o->rounding;
    if (mxdi_node_is(node, "Gemm") && mxd_node_int(node, "transA", 0))
        return false;
    if (mxdi_node_is(node, "MatMul") && r->g->value[node->in[1]].rank != 2)
        return false;
    return rounds || s->correct_bias;
}

/* Layer n, or the block of layers that ends there, is `work` of the whole. */
static mxdi_progress next_part(const mxdi_repairer *r, double *done, double work)
{
    const mxdi_progress *const p   = &r->o->progress;
    double                     all = 0.0;
    for (uint32_t n = 0; n < r->g->n_nodes; n++)
        all += is_repaired(r, n);
    for (uint32_t k = 0; k < r->n_spans; k++)
        all += BLOCK_WORK * r->span[k].layers;
    const double        step = (p->to - p->from) / all;
    const mxdi_progress part = { p->fn, p->user, p->from + step * *done,
                                 p->from + step * (*done + work) };
    *done += work;
    return part;
}

static mxd_status repair_all(mxdi_quantize_result *result, mxdi_repairer *r, mxd_error *err)
{
    double done = 0.0;
    for (uint32_t n = 0; n < r->g->n_nodes; n++) {
        const mxdi_block_span *const b =
            result->n_blocks < r->n_spans ? &r->span[result->n_blocks] : NULL;
        if (b && b->first == n)
            mxdi_prefix_hold(r->prefix, b->in);
        if (is_repaired(r, n)) {
            const mxdi_progress part = next_part(r, &done, 1.0);
            MXD_TRY(
                mxdi_wrap(err, repair_layer(r, n, &part, err), "layer '%s'", r->g->node[n].name));
        }
        if (!b || b->last != n)
            continue;
        const mxdi_progress part = next_part(r, &done, BLOCK_WORK * b->layers);
        MXD_TRY(mxdi_wrap(err,
                          mxdi_repair_block(&result->block[result->n_blocks], r, b, &part, err),
                          "block up to '%s'", r->g->node[n].name));
        mxdi_prefix_hold(r->prefix, MXD_NO_VALUE);
        result->n_blocks++;
    }
    return MXD_OK;
}

/* Which layers' roundings are chosen, and their blocks. */
static mxd_status find_work(mxdi_quantize_result *result, mxdi_repairer *r, mxd_error *err)
{
    r->rounds = MXDI_NEW(&r->arena, bool, (size_t)r->g->n_nodes + 1);
    if (!r->rounds)
        return mxdi_nomem(err);
    for (uint32_t n = 0; n < r->g->n_nodes; n++)
        r->rounds[n] = is_repaired(r, n) && r->setting[n].rounding == MXDI_ADAROUND;
    if (r->o->blocks)
        MXD_TRY(mxdi_repair_find_blocks(r, err));
    result->block = MXDI_NEW(&r->q->arena, mxdi_block_report, (size_t)r->n_spans + 1);
    return result->block ? MXD_OK : mxdi_nomem(err);
}

mxd_status mxdi_repair(mxdi_quantize_result *result, mxdi_graph *quantized, const mxdi_graph *graph,
                       const mxdi_setting *setting, const mxdi_repair_options *options,
                       mxd_error *err)
{
    mxdi_repairer             r      = { .q       = quantized,
                                         .g       = graph,
                                         .setting = setting,
                                         .o       = options,
                                         .links   = MXDI_LINKS_INIT,
                                         .alloc   = graph->arena.alloc };
    const mxdi_prefix_options prefix = { options->registry, options->source, MOST_SAMPLES,
                                         kept_bytes, options->threads };
    mxdi_arena_init(&r.arena, r.alloc);
    mxd_status st = mxdi_links_build(&r.links, quantized, err);
    if (st == MXD_OK)
        st = mxdi_pool_create(&r.pool, options->threads, err);
    if (st == MXD_OK)
        st = mxdi_prefix_open(&r.prefix, graph, quantized, &prefix, err);
    if (st == MXD_OK)
        st = find_work(result, &r, err);
    if (st == MXD_OK)
        st = repair_all(result, &r, err);
    mxdi_prefix_close(r.prefix);
    mxdi_pool_destroy(r.pool);
    mxdi_links_free(&r.links);
    mxdi_arena_fini(&r.arena);
    return st;
}
