/* SPDX-License-Identifier: Apache-2.0
 *
 * Corrections block by block (Li et al. 2021, arXiv:2102.05426): the layers of a block, each chosen
 * on its own before, are chosen again together, by how far the block's output is off when it reads
 * what the quantized network in front of it gives.
 */
#include "base/dtype.h"
#include "engine/asked.h"
#include "quant/layer.h"
#include "quant/piece.h"
#include "quant/repair_impl.h"

enum { FEWEST = 200, MOST = 1000 };
/* Multiplications that all blocks may cost together: iterations follow, within [FEWEST, MOST]. A
 * pass forward and one for each of the two gradients make three of the network's. */
static const double budget = 4e12;

mxd_status mxdi_repair_find_blocks(mxdi_repairer *r, mxd_error *err)
{
    double macs = 0.0;
    MXD_TRY(mxdi_blocks_find(&r->span, &r->n_spans, &r->arena, r->g, r->rounds, err));
    for (uint32_t k = 0; k < r->n_spans; k++)
        for (uint32_t n = r->span[k].first; n <= r->span[k].last; n++)
            macs += mxdi_is_product(&r->g->node[n]) ? mxdi_macs_of(r->g, &r->g->node[n]) : 0.0;
    const double fit = budget / (3.0 * MXDI_BLOCK_BATCH * (macs > 0.0 ? macs : 1.0));
    r->iterations    = fit < FEWEST ? FEWEST : fit > MOST ? MOST : (int32_t)fit;
    return MXD_OK;
}

/* ---- a block ---- */

typedef struct block {
    mxdi_repairer     *r;
    mxdi_arena         arena;
    mxdi_graph        *graph; /* the quantized block alone */
    mxdi_block         told;
    mxdi_block_layer  *layer;
    mxd_value        **stored; /* (layers) their integers in the quantized graph */
    mxdi_weights_view *view;   /* (layers) */
    void              *state;
} block;

static mxd_status read_layer(block *b, uint32_t k, uint32_t n, mxd_error *err)
{
    const mxdi_repairer *const r = b->r;
    const mxd_node            *twin;
    uint32_t                   dequantizer;
    MXD_TRY(mxdi_repair_twin(&twin, &dequantizer, r, n, err));
    mxdi_layer_weights(&b->view[k], r->g, &r->g->node[n]);
    b->stored[k]        = &r->q->value[r->q->node[dequantizer].in[0]];
    const int64_t count = b->view[k].outer * b->view[k].channels * b->view[k].inner;
    int8_t *const q     = MXDI_NEW(&b->arena, int8_t, (size_t)count);
    if (!q)
        return mxdi_nomem(err);
    for (int64_t i = 0; i < count; i++)
        q[i] = mxdi_integer_read(b->stored[k], i);
    b->layer[k] =
        (mxdi_block_layer){ twin->name, q, count, (1 << (r->setting[n].precision.w_bits - 1)) - 1 };
    return MXD_OK;
}

static mxd_status open_block(block *b, mxdi_block_report *report, const mxdi_block_span *span,
                             mxd_error *err)
{
    mxdi_repairer *const r = b->r;
    b->layer               = MXDI_NEW(&b->arena, mxdi_block_layer, span->layers);
    b->stored              = MXDI_NEW(&b->arena, mxd_value *, span->layers);
    b->view                = MXDI_NEW(&b->arena, mxdi_weights_view, span->layers);
    report->node           = MXDI_NEW(&r->q->arena, const char *, span->layers);
    if (!b->layer || !b->stored || !b->view || !report->node)
        return mxdi_nomem(err);
    for (uint32_t n = span->first; n <= span->last; n++)
        if (r->rounds[n]) {
            MXD_TRY(read_layer(b, report->n_nodes, n, err));
            report->node[report->n_nodes] = b->layer[report->n_nodes].name;
            report->n_nodes++;
        }
    MXD_TRY(mxdi_graph_clone(&b->graph, r->q, err));
    MXD_TRY(mxdi_piece_between(b->graph, &r->g->value[span->in], r->g->value[span->out].name,
                               MXDI_BLOCK_BATCH, err));
    b->told = (mxdi_block){ .graph      = r->g,
                            .quantized  = b->graph,
                            .layer      = b->layer,
                            .n_layers   = report->n_nodes,
                            .threads    = r->o->threads,
                            .samples    = mxdi_prefix_samples(r->prefix),
                            .iterations = r->iterations,
                            .seed       = r->o->seed + span->first };
    return r->o->blocks->open(&b->state, &b->told, r->alloc, err);
}

static void close_block(block *b)
{
    if (b->state)
        b->r->o->blocks->close(b->state);
    mxdi_graph_destroy(b->graph);
    mxdi_arena_fini(&b->arena);
}

static mxd_status observe(void *user, const mxd_tensor *y, const mxd_tensor *xq, int64_t first,
                          int64_t count, mxd_error *err)
{
    const block *const b = user;
    (void)first;
    return b->r->o->blocks->add(b->state, xq, y, count, err);
}

/* A channel whose sums could leave their range stays as it was. */
static void write_layer(const block *b, uint32_t k)
{
    const mxdi_weights_view *const v = &b->view[k];
    for (int64_t c = 0; c < v->channels; c++) {
        int64_t sum = 0;
        for (int64_t i = 0; i < v->outer * v->inner; i++) {
            const int8_t q = b->layer[k].q[mxdi_weight_at(v, c, i)];
            sum += q < 0 ? -q : q;
        }
        for (int64_t i = 0; i < v->outer * v->inner && mxdi_sums_fit(sum); i++) {
            const int64_t at = mxdi_weight_at(v, c, i);
            mxdi_integer_write(b->stored[k], at, b->layer[k].q[at]);
        }
    }
}

static mxd_status solve_block(block *b, mxdi_block_report *report, const mxdi_block_span *span,
                              const mxdi_progress *progress, mxd_error *err)
{
    mxdi_repairer *const r  = b->r;
    const uint32_t       in = mxdi_graph_find_value(r->q, r->g->value[span->in].name);
    mxdi_block_errors    errors;
    MXD_TRY(mxdi_prefix_values(r->prefix, span->first, span->out, in, observe, b, err));
    MXD_TRY(r->o->blocks->solve(b->state, &errors, progress, err));
    for (uint32_t k = 0; k < report->n_nodes; k++)
        write_layer(b, k);
    report->iterations = r->iterations;
    report->before     = errors.before;
    report->after      = errors.after;
    return MXD_OK;
}

mxd_status mxdi_repair_block(mxdi_block_report *report, mxdi_repairer *r,
                             const mxdi_block_span *span, const mxdi_progress *progress,
                             mxd_error *err)
{
    block     b   = { .r = r };
    mxd_error why = MXD_ERROR_INIT;
    mxdi_arena_init(&b.arena, r->alloc);
    mxd_status st = open_block(&b, report, span, &why);
    if (st == MXD_OK) {
        st = solve_block(&b, report, span, progress, &why);
    } else if (st == MXD_E_UNSUPPORTED ||
               st == MXD_E_SHAPE) { /* its layers are as good as before */
        report->why = mxdi_arena_strdup(&r->q->arena, why.msg);
        st          = report->why ? MXD_OK : mxdi_nomem(&why);
    }
    close_block(&b);
    if (st != MXD_OK && err)
        *err = why;
    return st;
}
