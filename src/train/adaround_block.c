/* SPDX-License-Identifier: Apache-2.0
 *
 * AdaRound of the layers of a block together. The block is a tape whose weights are parameters in
 * steps, between down and up; its activations are quantized in place. Mini-batches of samples give
 * gradients of the block's mean square error, Adam moves the relaxed choices of all layers, and in
 * the end each weight is rounded where its choice stands, if that brings the outputs of other
 * samples closer.
 */
#include "train/adaround_block.h"

#include "base/cpu.h"
#include "base/dtype.h"
#include "quant/layer.h"
#include "train/adaround.h"
#include "train/loss.h"

enum {
    PIECE  = 4096,
    FEWEST = 2 * MXDI_BLOCK_BATCH, /* samples, of more that there are */
    LOOK   = 10                    /* iterations between two looks at progress */
};
/* For some hundreds of batches, not the paper's 20000; and how far from the weight itself to the
 * layer's own choice v begins; both tried on ResNets of CIFAR-10. */
static const float  rate = 3e-2f, own_share = 0.8f;
static const size_t most_kept = (size_t)256 << 20; /* bytes of samples */
static const size_t most_tape = (size_t)768 << 20; /* bytes of values and gradients, about */

/* ---- opening ---- */

static void close_state(void *state)
{
    mxdi_block_state *const s = state;
    if (!s)
        return;
    const mxd_allocator *const alloc = s->tape->arena.alloc;
    mxdi_free(alloc, s->x);
    mxdi_free(alloc, s->y);
    mxdi_tape_destroy(s->tape);
    mxdi_free(alloc, s);
}

/* Values of a tape of `g`, and their gradients. */
static mxd_status check_size(const mxdi_graph *g, mxd_error *err)
{
    double bytes = 0.0;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        const mxd_value *const v = &g->value[g->node[n].out[0]];
        int64_t                count;
        if (!v->data && !mxdi_node_is(&g->node[n], "DequantizeLinear") &&
            mxdi_shape_count(&count, v->dim, v->rank))
            bytes += 2.0 * sizeof(float) * (double)count;
    }
    if (bytes > (double)most_tape)
        return mxdi_fail(err, MXD_E_UNSUPPORTED,
                         "its activations need %.0f MB for a batch of %d, %.0f are given",
                         bytes / 1e6, MXDI_BLOCK_BATCH, (double)most_tape / 1e6);
    return MXD_OK;
}

static const mxd_node *node_named(const mxdi_graph *g, const char *name)
{
    for (uint32_t n = 0; n < g->n_nodes; n++)
        if (strcmp(g->node[n].name, name) == 0)
            return &g->node[n];
    return NULL;
}

/* Weights in steps and the bias as they stand in the quantized graph, not in the float one. */
static void take_constants(const mxdi_tape *t, const struct mxdi_train_conv *c,
                           const mxd_node *node)
{
    const mxdi_graph *const g = t->graph;
    for (int64_t k = 0; c->wq && k < c->weight->n; k++)
        c->weight->w[k] = (float)mxdi_integer_read(&g->value[c->wq->dequantizer->in[0]], k);
    if (!c->bias || node->n_in < 3 || node->in[2] == MXD_NO_VALUE)
        return;
    const mxd_value *b = &g->value[node->in[2]], *s = NULL;
    for (uint32_t n; (n = t->links.producer[b - g->value]) != MXD_NO_VALUE;) { /* casts, too */
        s = mxdi_node_is(&g->node[n], "DequantizeLinear") ? &g->value[g->node[n].in[1]] : NULL;
        b = &g->value[g->node[n].in[0]];
    }
    for (int64_t k = 0; b->data && k < c->bias->n; k++)
        if (s)
            c->bias->w[k] =
                (float)((double)((const int32_t *)b->data)[k] *
                        (double)((const float *)s->data)[s->bytes > sizeof(float) ? k : 0]);
        else
            c->bias->w[k] = ((const float *)b->data)[k];
}

static struct mxdi_train_conv *conv_named(const mxdi_tape *t, const char *name)
{
    for (uint32_t k = 0; k < t->n_ops; k++)
        if (t->op[k].kind == &mxdi_train_conv_kind && strcmp(t->op[k].name, name) == 0)
            return t->op[k].state;
    return NULL;
}

/* Down and up of each weight, and v between the weight itself and the layer's own choice, which is
 * the one that v makes. */
static mxd_status give_weights(mxdi_block_weights *w, mxdi_block_state *s,
                               const mxdi_block_layer *layer, mxd_error *err)
{
    mxdi_arena *const                   arena = &s->tape->arena;
    const struct mxdi_train_conv *const c     = conv_named(s->tape, layer->name);
    const mxd_node *const               twin  = node_named(s->block->graph, layer->name);
    if (!c || !c->wq || c->weight->n != layer->n || !twin)
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "'%s': integer weights at its product expected",
                         layer->name);
    *w                     = (mxdi_block_weights){ .layer = layer, .param = c->weight };
    float **const arrays[] = { &w->down, &w->span, &w->v, &w->m1, &w->m2, &w->sigmoid };
    for (size_t k = 0; k < sizeof(arrays) / sizeof(arrays[0]); k++) {
        *arrays[k] = mxdi_arena_alloc(arena, (size_t)layer->n, sizeof(float), 64);
        if (!*arrays[k])
            return mxdi_nomem(err);
    }
    const float *const real = s->block->graph->value[twin->in[1]].data;
    const float        most = (float)layer->q_max;
    for (int64_t k = 0; k < layer->n; k++) {
        const int64_t channel = c->transposed ? k % c->c_out : k / c->per_channel;
        const float   u       = real[k] / c->wq->s[channel];
        w->down[k]            = fminf(fmaxf(floorf(u), -most), most);
        w->span[k]            = fminf(w->down[k] + 1.0f, most) - w->down[k];
        const float up        = (float)layer->q[k] > w->down[k] ? 1.0f : 0.0f;
        const float h         = fminf(fmaxf(u - w->down[k], 0.0f), 1.0f);
        w->v[k]               = mxdi_relaxed_v(h + own_share * (up - h));
    }
    return MXD_OK;
}

static mxd_status cut_pieces(mxdi_block_state *s, mxd_error *err)
{
    size_t n = 0;
    for (uint32_t k = 0; k < s->block->n_layers; k++)
        n += (size_t)(s->block->layer[k].n + PIECE - 1) / PIECE;
    s->piece = MXDI_NEW(&s->tape->arena, mxdi_block_piece, n + 1);
    if (!s->piece)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < s->block->n_layers; k++)
        for (int64_t from = 0; from < s->block->layer[k].n; from += PIECE) {
            const int64_t left      = s->block->layer[k].n - from;
            s->piece[s->n_pieces++] = (mxdi_block_piece){ k, from, left < PIECE ? left : PIECE };
        }
    return MXD_OK;
}

static int64_t each_of(const mxdi_train_value *v)
{
    return (int64_t)v->layout.h * v->layout.w * v->layout.channels;
}

static mxd_status give_samples(mxdi_block_state *s, mxd_error *err)
{
    const mxdi_tape *const     t     = s->tape;
    const mxd_allocator *const alloc = t->arena.alloc;
    s->each_x                        = each_of(&t->value[t->input]);
    s->each_y                        = each_of(&t->value[t->output]);
    const size_t  bytes              = (size_t)(s->each_x + s->each_y) * sizeof(float);
    const int64_t fit                = (int64_t)(most_kept / bytes);
    s->samples                       = s->block->samples < fit ? s->block->samples : fit;
    if (s->samples < 1 || (s->samples < s->block->samples && s->samples < FEWEST))
        return mxdi_fail(err, MXD_E_UNSUPPORTED,
                         "%lld samples of what it reads and gives fit into %.0f MB, %d expected",
                         (long long)fit, (double)most_kept / 1e6, FEWEST);
    s->x = mxdi_alloc(alloc, (size_t)s->samples, (size_t)s->each_x * sizeof(float));
    s->y = mxdi_alloc(alloc, (size_t)s->samples, (size_t)s->each_y * sizeof(float));
    s->target =
        mxdi_arena_alloc(&s->tape->arena, MXDI_BLOCK_BATCH, (size_t)s->each_y * sizeof(float), 64);
    s->order = MXDI_NEW(&s->tape->arena, int64_t, (size_t)s->samples);
    return s->x && s->y && s->target && s->order ? MXD_OK : mxdi_nomem(err);
}

static mxd_status fill_state(mxdi_block_state *s, mxd_error *err)
{
    const mxdi_tape *const t = s->tape;
    for (uint32_t k = 0; k < t->n_ops; k++)
        if (t->op[k].kind == &mxdi_train_conv_kind)
            take_constants(t, t->op[k].state, node_named(t->graph, t->op[k].name));
    s->weights = MXDI_NEW(&s->tape->arena, mxdi_block_weights, (size_t)s->block->n_layers);
    if (!s->weights)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < s->block->n_layers; k++)
        MXD_TRY(give_weights(&s->weights[k], s, &s->block->layer[k], err));
    MXD_TRY(cut_pieces(s, err));
    return give_samples(s, err);
}

static mxd_status open_state(void **state, const mxdi_block *block, const mxd_allocator *alloc,
                             mxd_error *err)
{
    const mxdi_tape_options o = { .batch   = MXDI_BLOCK_BATCH,
                                  .threads = block->threads,
                                  .isa     = mxdi_cpu_isa(),
                                  .method  = MXDI_TRAIN_STEPS,
                                  .maps    = true };
    mxdi_tape              *t = NULL;
    *state                    = NULL;
    MXD_TRY(check_size(block->quantized, err));
    MXD_TRY(mxdi_tape_create(&t, block->quantized, block->graph, &o, alloc, err));
    mxdi_block_state *const s = MXDI_ALLOC(alloc, mxdi_block_state, 1);
    if (!s) {
        mxdi_tape_destroy(t);
        return mxdi_nomem(err);
    }
    s->block            = block;
    s->tape             = t;
    s->unary            = mxdi_unary_f32_select(o.isa);
    const mxd_status st = fill_state(s, err);
    if (st != MXD_OK) {
        close_state(s);
        return st;
    }
    *state = s;
    return MXD_OK;
}

/* ---- samples ---- */

/* (C, H, W) becomes (H, W, C); the sum of squares. */
static double take_sample(float *to, const float *from, const mxdi_blocked *l)
{
    const int64_t area   = (int64_t)l->h * l->w;
    double        square = 0.0;
    for (int64_t c = 0; c < l->channels; c++)
        for (int64_t p = 0; p < area; p++) {
            const float v           = from[c * area + p];
            to[p * l->channels + c] = v;
            square += (double)v * (double)v;
        }
    return square;
}

static mxd_status add_samples(void *state, const mxd_tensor *x, const mxd_tensor *y, int64_t count,
                              mxd_error *err)
{
    mxdi_block_state *const   s  = state;
    const mxdi_tape *const    t  = s->tape;
    const mxdi_blocked *const lx = &t->value[t->input].layout, *const ly =
                                                                   &t->value[t->output].layout;
    int64_t n_x, n_y;
    if (x->dtype != MXD_F32 || y->dtype != MXD_F32 || !mxdi_shape_count(&n_x, x->dim, x->rank) ||
        !mxdi_shape_count(&n_y, y->dim, y->rank) || n_x < count * s->each_x ||
        n_y < count * s->each_y)
        return mxdi_fail(err, MXD_E_SHAPE,
                         "samples of a block: %lld and %lld floats of each expected",
                         (long long)s->each_x, (long long)s->each_y);
    for (int64_t i = 0; i < count && s->added < s->samples; i++, s->added++) {
        const float *const from_x = (const float *)x->data + i * s->each_x, *const from_y =
                                                                                (const float *)
                                                                                    y->data +
                                                                                i * s->each_y;
        (void)take_sample(s->x + s->added * s->each_x, from_x, lx);
        s->square += take_sample(s->y + s->added * s->each_y, from_y, ly) /
                     ((double)s->samples * (double)s->each_y);
    }
    return MXD_OK;
}

static void place_block(void *arg, int64_t block, unsigned thread)
{
    const mxdi_block_state *const s    = arg;
    const mxdi_train_value *const v    = &s->tape->value[s->tape->input];
    const mxdi_blocked *const     l    = &v->layout;
    const int64_t                 area = (int64_t)l->h * l->w;
    (void)thread;
    for (int64_t i = block * l->block; i < (block + 1) * l->block; i++) {
        const float *const from = s->x + s->index[i] * s->each_x;
        float *const       to   = v->x + block * l->block_stride + i % l->block * l->pitch;
        for (int64_t p = 0; p < area; p++)
            memcpy(to + p * mxdi_blocked_pixel(l), from + p * l->channels,
                   (size_t)l->channels * sizeof(float));
        memcpy(s->target + i * s->each_y, s->y + s->index[i] * s->each_y,
               (size_t)s->each_y * sizeof(float));
    }
}

/* ---- the relaxed problem ---- */

static void soften_pieces(void *arg, size_t begin, size_t end, unsigned thread)
{
    static const mxdi_unary_params none = { 0.0f, 0.0f };
    const mxdi_block_state *const  s    = arg;
    (void)thread;
    for (size_t p = begin; p < end; p++) {
        const mxdi_block_weights *const w  = &s->weights[s->piece[p].weights];
        const int64_t                   at = s->piece[p].from, n = s->piece[p].n;
        s->unary->fn[MXDI_UNARY_SIGMOID](w->sigmoid + at, w->v + at, (size_t)n, &none);
        for (int64_t k = at; k < at + n; k++)
            w->param->w[k] = w->down[k] + w->span[k] * mxdi_relaxed_h(w->sigmoid[k]);
    }
}

void mxdi_block_soften(mxdi_block_state *s)
{
    mxdi_parallel_for(s->tape->pool, soften_pieces, s, s->n_pieces);
}

mxd_status mxdi_block_error(mxdi_block_state *s, double *error, bool gradient, mxd_error *err)
{
    mxdi_loss loss;
    mxdi_tape_each_block(s->tape, place_block, s);
    MXD_TRY(mxdi_tape_forward(s->tape, err));
    mxdi_loss_squared(&loss, s->tape, s->target);
    *error = loss.sum / MXDI_BLOCK_BATCH;
    return gradient ? mxdi_tape_backward(s->tape, err) : MXD_OK;
}

/* An error as large as the output counts as one for each channel: so does each row of a layer. */
float mxdi_block_gain(const mxdi_block_state *s)
{
    const double channels = (double)s->tape->value[s->tape->output].layout.channels;
    return s->square > 1e-30 ? (float)(channels / s->square) : 0.0f;
}

struct move {
    const mxdi_block_state  *s;
    const mxdi_relaxed_step *step;
    float                    gain;
};

static void move_pieces(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct move *const m = arg;
    (void)thread;
    for (size_t p = begin; p < end; p++) {
        const mxdi_block_weights *const w  = &m->s->weights[m->s->piece[p].weights];
        const int64_t                   at = m->s->piece[p].from, n = m->s->piece[p].n;
        for (int64_t k = at; k < at + n; k++) {
            const float dh = w->param->dw[k] * w->span[k] * m->gain;
            mxdi_relaxed_move(w->v + k, w->m1 + k, w->m2 + k,
                              mxdi_relaxed_gradient(m->step, dh, w->sigmoid[k]), m->step);
        }
    }
}

/* Every fourth sample is held out: the others are learned by heart, at least in part. */
static int64_t held_out(const mxdi_block_state *s)
{
    return s->samples / 4;
}

/* The samples of iteration t: in an order of each epoch's own, which is gone on with where the
 * samples end within a batch. */
static void draw(mxdi_block_state *s, int32_t t)
{
    const int64_t n = s->samples - held_out(s);
    for (int64_t i = 0; i < MXDI_BLOCK_BATCH; i++) {
        const int64_t at = (int64_t)t * MXDI_BLOCK_BATCH + i;
        if (at % n == 0) {
            mxdi_rng rng = mxdi_rng_stream(s->block->seed, (uint64_t)(at / n));
            mxdi_rng_permutation(&rng, s->order, (size_t)n);
        }
        s->index[i] = s->order[at % n];
        s->index[i] += s->index[i] / 3;
    }
}

static mxd_status iterate(mxdi_block_state *s, const mxdi_progress *progress, mxd_error *err)
{
    const int32_t     all = s->block->iterations;
    mxdi_relaxed_step step;
    struct move       m = { s, &step, mxdi_block_gain(s) };
    double            error;
    for (int32_t t = 0; t < all; t++) {
        if (t % LOOK == 0 && mxdi_progress_stops(progress, (double)t / (double)all))
            return mxdi_fail(err, MXD_E_CANCELLED, "interrupted");
        draw(s, t);
        mxdi_relaxed_begin(&step, t, all, rate);
        mxdi_block_soften(s);
        MXD_TRY(mxdi_block_error(s, &error, true, err));
        mxdi_parallel_for(s->tape->pool, move_pieces, &m, s->n_pieces);
    }
    return MXD_OK;
}

/* ---- roundings ---- */

/* Of the samples that were held out, or of all where they are that few, with the layers' own
 * roundings or those that v makes; a last batch that is not full goes on with the first samples. */
static mxd_status final_error(mxdi_block_state *s, double *out, bool own, mxd_error *err)
{
    const int64_t held = held_out(s), n = held > 0 ? held : s->samples;
    const int64_t batches = (n + MXDI_BLOCK_BATCH - 1) / MXDI_BLOCK_BATCH;
    *out                  = 0.0;
    for (uint32_t l = 0; l < s->block->n_layers; l++) {
        const mxdi_block_weights *const w = &s->weights[l];
        for (int64_t k = 0; k < w->layer->n; k++)
            w->param->w[k] = own               ? (float)w->layer->q[k]
                             : w->v[k] >= 0.0f ? w->down[k] + w->span[k]
                                               : w->down[k];
    }
    for (int64_t b = 0; b < batches; b++) {
        double error;
        for (int64_t i = 0; i < MXDI_BLOCK_BATCH; i++) {
            const int64_t k = (b * MXDI_BLOCK_BATCH + i) % n;
            s->index[i]     = held > 0 ? 4 * k + 3 : k;
        }
        MXD_TRY(mxdi_block_error(s, &error, false, err));
        *out += error / ((double)batches * (s->square > 0.0 ? s->square : 1.0));
    }
    return MXD_OK;
}

static mxd_status solve_block(void *state, mxdi_block_errors *errors, const mxdi_progress *progress,
                              mxd_error *err)
{
    mxdi_block_state *const s = state;
    if (s->added < s->samples)
        return mxdi_fail(err, MXD_E_INVAL, "%lld samples expected, got %lld", (long long)s->samples,
                         (long long)s->added);
    MXD_TRY(final_error(s, &errors->before, true, err));
    MXD_TRY(iterate(s, progress, err));
    MXD_TRY(final_error(s, &errors->after, false, err));
    if (errors->after >= errors->before)
        return MXD_OK;
    for (uint32_t l = 0; l < s->block->n_layers; l++) {
        const mxdi_block_weights *const w = &s->weights[l];
        for (int64_t k = 0; k < w->layer->n; k++)
            w->layer->q[k] = (int8_t)w->param->w[k];
    }
    return MXD_OK;
}

const mxdi_reconstruction mxdi_adaround_blocks = { open_state, add_samples, solve_block,
                                                   close_state };
