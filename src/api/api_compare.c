/* SPDX-License-Identifier: Apache-2.0
 * Layers of two engines, and integers of one, compared on the first samples of a data set. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/api_dataset.h"
#include "api/api_objects.h"
#include "base/dtype.h"
#include "engine/compare.h"

/* One engine that shows its layers, ready to run on the first samples. */
struct side {
    mxdi_engine *engine;
    mxdi_feed    feed;
    const char **node;
    uint32_t     n;
};

static mxd_status open_side(struct side *s, mxdi_arena *arena, const mxd_engine *e,
                            const mxd_engine *other, const mxdi_source *source, uint32_t threads,
                            mxd_error *err)
{
    MXD_TRY(mxdi_engine_expose(&s->engine, &s->node, &s->n, arena, e->engine, other->engine,
                               &e->ctx->registry, err));
    return mxdi_feed_open(&s->feed, s->engine, source, 0, threads, err);
}

/* Both on the same samples: as many as one batch of either holds. */
static mxd_status run_sides(struct side s[2], int64_t samples, mxd_error *err)
{
    for (int k = 0; k < 2; k++)
        samples = samples < s[k].feed.batch ? samples : s[k].feed.batch;
    MXD_TRY(mxdi_feed_run(&s[0].feed, 0, samples, err));
    return mxdi_feed_run(&s[1].feed, 0, samples, err);
}

static void close_side(struct side *s)
{
    mxdi_feed_close(&s->feed);
    mxdi_engine_destroy(s->engine);
}

/* Element k as a real: integers by the parameters of their quantizer. */
static double real_at(const struct side *s, uint32_t output, int64_t k)
{
    const mxdi_graph *const g = s->engine->plan[0].graph;
    const uint32_t          v = g->output[output];
    const mxd_tensor *const t = &s->feed.out[output];
    if (mxdi_dtype_is_float(t->dtype))
        return mxdi_load_f64(t->data, t->dtype, k);
    for (uint32_t n = 0; n < g->n_nodes; n++)
        if (mxdi_node_is(&g->node[n], "QuantizeLinear") && g->node[n].out[0] == v) {
            const mxd_value *const scale = &g->value[g->node[n].in[1]];
            const mxd_value *const zero  = g->node[n].n_in > 2 && g->node[n].in[2] != MXD_NO_VALUE
                                               ? &g->value[g->node[n].in[2]]
                                               : NULL;
            const double z = zero && zero->data ? mxdi_load_f64(zero->data, zero->dtype, 0) : 0.0;
            return scale->data ? (mxdi_load_f64(t->data, t->dtype, k) - z) *
                                     mxdi_load_f64(scale->data, scale->dtype, 0)
                               : 0.0;
        }
    return mxdi_load_f64(t->data, t->dtype, k);
}

static void compare_layer(mxd_layer_difference *d, const struct side *a, uint32_t ka,
                          const struct side *b, uint32_t kb)
{
    const mxd_tensor *const x = &a->feed.out[ka], *const y = &b->feed.out[kb];
    int64_t n, m;
    double  signal = 0.0, noise = 0.0;
    snprintf(d->node, sizeof(d->node), "%s", a->node[ka]);
    d->sqnr_db            = NAN;
    d->integers_differing = -1;
    if (!mxdi_shape_count(&n, x->dim, x->rank) || !mxdi_shape_count(&m, y->dim, y->rank) || n != m)
        return;
    const bool integers   = x->dtype == y->dtype && !mxdi_dtype_is_float(x->dtype);
    d->integers_differing = integers ? 0 : -1;
    for (int64_t k = 0; k < n; k++) {
        const double p = real_at(a, ka, k), q = real_at(b, kb, k);
        signal += p * p;
        noise += (p - q) * (p - q);
        if (integers)
            d->integers_differing +=
                mxdi_load_s64(x->data, x->dtype, k) != mxdi_load_s64(y->data, y->dtype, k);
    }
    d->sqnr_db = noise > 0.0 ? 10.0 * log10(fmax(signal, 1e-300) / noise) : 400.0;
}

mxd_status mxd_compare_layers(mxd_layer_difference **out, uint32_t *n, const mxd_engine *a,
                              const mxd_engine *b, const mxd_dataset *data, uint32_t threads_a,
                              uint32_t threads_b, mxd_error *err)
{
    const mxdi_source source = mxdi_api_source(data);
    struct side       s[2]   = { { .engine = NULL }, { .engine = NULL } };
    mxdi_arena        arena;
    mxdi_arena_init(&arena, &a->ctx->allocator);
    *out          = NULL;
    *n            = 0;
    mxd_status st = open_side(&s[0], &arena, a, b, &source, threads_a, err);
    if (st == MXD_OK)
        st = open_side(&s[1], &arena, b, a, &source, threads_b, err);
    if (st == MXD_OK)
        st = run_sides(s, source.samples, err);
    if (st == MXD_OK) {
        *out = MXDI_ALLOC(&a->ctx->allocator, mxd_layer_difference, s[0].n + 1);
        st   = *out ? MXD_OK : mxdi_nomem(err);
    }
    for (uint32_t ka = 0; ka < s[0].n && st == MXD_OK; ka++)
        for (uint32_t kb = 0; kb < s[1].n; kb++)
            if (strcmp(s[0].node[ka], s[1].node[kb]) == 0) {
                compare_layer(&(*out)[(*n)++], &s[0], ka, &s[1], kb);
                break;
            }
    close_side(&s[0]);
    close_side(&s[1]);
    mxdi_arena_fini(&arena);
    return st;
}

mxd_status mxd_check_integers(uint32_t *checked, uint32_t *differing, const mxd_engine *engine,
                              const mxd_dataset *data, uint32_t threads, mxd_error *err)
{
    const mxdi_source source = mxdi_api_source(data);
    mxdi_feed         f      = MXDI_FEED_INIT;
    *checked = *differing = 0;
    mxd_status st         = mxdi_feed_open(&f, engine->engine, &source, 0, threads, err);
    if (st == MXD_OK)
        st = mxdi_feed_run(&f, 0, source.samples < f.batch ? source.samples : f.batch, err);
    if (st == MXD_OK)
        st = mxdi_engine_check(checked, differing, engine->engine, threads, f.in, f.n_in, f.out,
                               f.n_out, err);
    mxdi_feed_close(&f);
    return st;
}
