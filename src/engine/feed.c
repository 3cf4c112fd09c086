/* SPDX-License-Identifier: Apache-2.0
 * Samples into a session, batch by batch. */
#include "engine/feed.h"

#include <stdio.h>

#include "base/dtype.h"

static void shape_text(char out[96], const int64_t *dim, int32_t rank)
{
    size_t at = 0;
    out[0]    = '\0';
    for (int32_t k = 0; k < rank && at < 80; k++)
        at += (size_t)snprintf(out + at, 96 - at, "%s%lld", k ? "x" : "", (long long)dim[k]);
}

static const mxdi_graph *graph_of(const mxdi_engine *e)
{
    return e->plan[e->n_plans - 1].graph;
}

/* Pictures for a network that takes bytes: *sample becomes what the file has. */
static mxdi_feed_form as_bytes(mxd_tensor *sample, const mxdi_feed *f, uint32_t k,
                               const mxd_value *v)
{
    if (v->dtype != MXD_U8 || sample->dtype == MXD_U8 || !f->source.is_bytes ||
        !f->source.is_bytes(f->source.data, f->array[k]))
        return MXDI_FEED_AS_READ;
    const int64_t *const d = sample->dim;
    sample->dtype          = MXD_U8;
    if (sample->rank != 3 || v->rank != 4 ||
        memcmp(d, v->dim + 1, 3 * sizeof(d[0])) == 0) /* channels first */
        return MXDI_FEED_BYTES;
    const int64_t last[] = { d[1], d[2], d[0] };
    memcpy(sample->dim, last, sizeof(last));
    return MXDI_FEED_BYTES_LAST;
}

/* The array that feeds input k: by name when the source names arrays, else by position. */
static mxd_status match(mxdi_feed *f, const mxdi_engine *e, uint32_t k, mxd_error *err)
{
    const mxd_value *const v = &graph_of(e)->value[graph_of(e)->input[k]];
    f->array[k]              = MXD_NO_VALUE;
    for (uint32_t i = 0; i < f->source.n_inputs; i++) {
        const char *const name = f->source.name(f->source.data, i);
        if (name ? strcmp(name, v->name) == 0 : i == k)
            f->array[k] = i;
    }
    if (f->array[k] == MXD_NO_VALUE)
        return mxdi_fail(err, MXD_E_USAGE,
                         "data: nothing for the network's input '%s' (%u inputs, %u arrays)",
                         v->name, f->n_in, f->source.n_inputs);
    mxd_tensor sample;
    char       want[96], got[96];
    f->source.sample(&sample, f->source.data, f->array[k]);
    f->form[k]               = as_bytes(&sample, f, k, v);
    const int64_t per_sample = v->rank > 0 ? v->dim[0] / e->plan[e->n_plans - 1].batch : 1;
    bool          same       = sample.rank + 1 == v->rank && per_sample == 1;
    for (int32_t d = 0; same && d < sample.rank; d++)
        same = sample.dim[d] == v->dim[1 + d];
    if (sample.dtype != v->dtype)
        return mxdi_fail(err, MXD_E_DTYPE, "data for input '%s': %s expected, got %s", v->name,
                         mxd_dtype_name(v->dtype), mxd_dtype_name(sample.dtype));
    shape_text(want, v->dim + 1, v->rank - 1);
    shape_text(got, sample.dim, sample.rank);
    return same ? MXD_OK
                : mxdi_fail(err, MXD_E_SHAPE,
                            "data for input '%s': samples of shape %s expected, got %s", v->name,
                            want, got);
}

static mxd_status allocate(mxdi_feed *f, const mxdi_engine *e, mxd_error *err)
{
    for (uint32_t k = 0; k < f->n_in + f->n_out; k++) {
        mxd_tensor *const t = k < f->n_in ? &f->in[k] : &f->out[k - f->n_in];
        size_t            bytes;
        if (k < f->n_in) {
            const mxd_value *const v = &graph_of(e)->value[graph_of(e)->input[k]];
            *t                       = (mxd_tensor){ .dtype = v->dtype, .rank = v->rank };
            memcpy(t->dim, v->dim, sizeof(t->dim));
            t->dim[0] = f->batch;
        } else {
            MXD_TRY(mxdi_session_output(t, f->session, k - f->n_in, f->batch, err));
        }
        if (!mxdi_tensor_bytes(&bytes, t))
            return mxdi_fail(err, MXD_E_RANGE, "a batch of %lld is too large", (long long)f->batch);
        t->data = mxdi_alloc(f->alloc, bytes, 1);
        if (!t->data)
            return mxdi_nomem(err);
    }
    return MXD_OK;
}

mxd_status mxdi_feed_open(mxdi_feed *f, const mxdi_engine *e, const mxdi_source *source,
                          int64_t batch, uint32_t threads, mxd_error *err)
{
    const mxdi_graph *const g = graph_of(e);
    *f                        = (mxdi_feed){
                               .source = *source, .n_in = g->n_inputs, .n_out = g->n_outputs, .alloc = e->alloc
    };
    f->batch = batch > 0 ? batch : e->plan[e->n_plans - 1].batch;
    f->in    = MXDI_ALLOC(f->alloc, mxd_tensor, f->n_in);
    f->out   = MXDI_ALLOC(f->alloc, mxd_tensor, f->n_out);
    f->array = MXDI_ALLOC(f->alloc, uint32_t, f->n_in);
    f->form  = MXDI_ALLOC(f->alloc, mxdi_feed_form, f->n_in);
    if (!f->in || !f->out || !f->array || !f->form)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < f->n_in; k++)
        MXD_TRY(match(f, e, k, err));
    MXD_TRY(mxdi_session_open(&f->session, e, threads, false, err));
    return allocate(f, e, err);
}

void mxdi_feed_close(mxdi_feed *f)
{
    for (uint32_t k = 0; f->in && k < f->n_in; k++)
        mxdi_free(f->alloc, f->in[k].data);
    for (uint32_t k = 0; f->out && k < f->n_out; k++)
        mxdi_free(f->alloc, f->out[k].data);
    mxdi_free(f->alloc, f->in);
    mxdi_free(f->alloc, f->out);
    mxdi_free(f->alloc, f->array);
    mxdi_free(f->alloc, f->form);
    mxdi_session_close(f->session);
    *f = (mxdi_feed)MXDI_FEED_INIT;
}

mxd_status mxdi_feed_run(mxdi_feed *f, int64_t first, int64_t count, mxd_error *err)
{
    for (uint32_t k = 0; k < f->n_in; k++) {
        f->in[k].dim[0] = count;
        if (f->form[k] == MXDI_FEED_AS_READ)
            MXD_TRY(f->source.read(f->source.data, f->array[k], first, count, f->in[k].data, err));
        else
            MXD_TRY(f->source.read_bytes(f->source.data, f->array[k], first, count,
                                         f->form[k] == MXDI_FEED_BYTES_LAST, f->in[k].data, err));
    }
    for (uint32_t k = 0; k < f->n_out; k++) {
        mxd_tensor shape;
        MXD_TRY(mxdi_session_output(&shape, f->session, k, count, err));
        memcpy(f->out[k].dim, shape.dim, sizeof(shape.dim));
    }
    return mxdi_session_run(f->session, f->in, f->n_in, f->out, f->n_out, err);
}
