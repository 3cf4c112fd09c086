/* SPDX-License-Identifier: Apache-2.0
 *
 * Running an engine: buffers between parts, pieces of a batch, traces and profiles. All memory is
 * taken at open.
 */
#include "engine/session.h"

#include <stdio.h>

#include "base/dtype.h"

/* One plan made ready to run. */
struct running {
    const mxdi_plan *plan;
    mxd_run        **run; /* (n_parts) */
    mxd_tensor *tensor;  /* (n_values of the plan's graph); data NULL unless it is a constant or the
                            host's buffer */
    mxd_tensor *scratch; /* room for the inputs and outputs of one part */
    void      **buffer;  /* (n_values) owned */
    mxd_tensor *padded;  /* (n_inputs + n_outputs) whole-batch copies for a last piece of a fixed
                            batch; data NULL until used */
    uint32_t max_io;
};

struct mxdi_session {
    const mxdi_engine *e;
    struct running    *plan;  /* (n_plans) */
    mxd_tensor        *piece; /* (n_inputs + n_outputs) of the piece at hand */
};

static const mxdi_graph *graph_of(const mxdi_session *s)
{
    return s->e->plan[s->e->n_plans - 1].graph;
}

static mxd_tensor tensor_of(const mxd_value *v)
{
    mxd_tensor t = { .data = NULL, .dtype = v->dtype, .rank = v->rank };
    memcpy(t.dim, v->dim, sizeof(t.dim));
    return t;
}

/* ---- opening ---- */

static void close_plan(struct running *r, const mxd_allocator *alloc)
{
    for (uint32_t k = 0; r->plan && r->run && k < r->plan->n_parts; k++)
        if (r->run[k])
            r->plan->part[k].api->session_close(r->run[k]);
    for (uint32_t v = 0; r->buffer && v < r->plan->graph->n_values; v++)
        mxdi_free(alloc, r->buffer[v]);
    for (uint32_t k = 0; r->padded && k < r->plan->graph->n_inputs + r->plan->graph->n_outputs; k++)
        mxdi_free(alloc, r->padded[k].data);
    mxdi_free(alloc, r->run);
    mxdi_free(alloc, r->tensor);
    mxdi_free(alloc, r->scratch);
    mxdi_free(alloc, r->buffer);
    mxdi_free(alloc, r->padded);
}

void mxdi_session_close(mxdi_session *s)
{
    if (!s)
        return;
    for (uint32_t k = 0; s->plan && k < s->e->n_plans; k++)
        close_plan(&s->plan[k], s->e->alloc);
    mxdi_free(s->e->alloc, s->plan);
    mxdi_free(s->e->alloc, s->piece);
    mxdi_free(s->e->alloc, s);
}

/* A buffer of the host for each value that goes from part to part. */
static mxd_status make_buffers(struct running *r, const mxd_allocator *alloc, mxd_error *err)
{
    const mxdi_graph *const g = r->plan->graph;
    for (uint32_t v = 0; v < g->n_values; v++) {
        r->tensor[v]      = tensor_of(&g->value[v]);
        r->tensor[v].data = (void *)(uintptr_t)g->value[v].data; /* constants are only read */
    }
    for (uint32_t k = 0; k < r->plan->n_parts; k++) {
        const mxdi_part *const part = &r->plan->part[k];
        const uint32_t n = part->graph->n_inputs > part->graph->n_outputs ? part->graph->n_inputs
                                                                          : part->graph->n_outputs;
        r->max_io        = n > r->max_io ? n : r->max_io;
        for (uint32_t i = 0; i < part->graph->n_outputs; i++) {
            const uint32_t v = part->output[i];
            size_t         bytes;
            if (mxdi_graph_is_output(g, v) || r->buffer[v])
                continue;
            if (!mxdi_tensor_bytes(&bytes, &r->tensor[v]))
                return mxdi_fail(err, MXD_E_RANGE, "'%s': too large", g->value[v].name);
            r->buffer[v] = mxdi_alloc(alloc, bytes + 64, 1);
            if (!r->buffer[v])
                return mxdi_nomem(err);
            r->tensor[v].data = r->buffer[v];
        }
    }
    r->scratch = MXDI_ALLOC(alloc, mxd_tensor, 2 * (size_t)r->max_io + 1);
    return r->scratch ? MXD_OK : mxdi_nomem(err);
}

static mxd_status make_padded(struct running *r, const mxd_allocator *alloc, mxd_error *err)
{
    const mxdi_graph *const g = r->plan->graph;
    for (uint32_t k = 0; k < g->n_inputs + g->n_outputs; k++) {
        const uint32_t v = k < g->n_inputs ? g->input[k] : g->output[k - g->n_inputs];
        r->padded[k]     = tensor_of(&g->value[v]);
        size_t bytes;
        if (r->plan->batched || r->plan->batch == 1)
            continue;
        if (!mxdi_tensor_bytes(&bytes, &r->padded[k]))
            return mxdi_fail(err, MXD_E_RANGE, "'%s': too large", g->value[v].name);
        r->padded[k].data = mxdi_alloc(alloc, bytes, 1);
        if (!r->padded[k].data)
            return mxdi_nomem(err);
    }
    return MXD_OK;
}

static mxd_status open_plan(struct running *r, const mxdi_plan *plan, const mxdi_engine *e,
                            uint32_t threads, bool trace, mxd_error *err)
{
    const mxdi_graph *const g       = plan->graph;
    const mxd_run_options   options = { .struct_size = sizeof(options),
                                        .threads     = threads,
                                        .trace       = trace };
    r->plan                         = plan;
    r->run                          = MXDI_ALLOC(e->alloc, mxd_run *, plan->n_parts);
    r->tensor                       = MXDI_ALLOC(e->alloc, mxd_tensor, g->n_values);
    r->buffer                       = MXDI_ALLOC(e->alloc, void *, g->n_values);
    r->padded                       = MXDI_ALLOC(e->alloc, mxd_tensor, g->n_inputs + g->n_outputs);
    if (!r->run || !r->tensor || !r->buffer || !r->padded)
        return mxdi_nomem(err);
    MXD_TRY(make_buffers(r, e->alloc, err));
    MXD_TRY(make_padded(r, e->alloc, err));
    for (uint32_t k = 0; k < plan->n_parts; k++)
        MXD_TRY(plan->part[k].api->session_open(&r->run[k], plan->part[k].program, &options, err));
    return MXD_OK;
}

mxd_status mxdi_session_open(mxdi_session **out, const mxdi_engine *e, uint32_t threads, bool trace,
                             mxd_error *err)
{
    *out                  = NULL;
    mxdi_session *const s = MXDI_ALLOC(e->alloc, mxdi_session, 1);
    if (!s)
        return mxdi_nomem(err);
    s->e    = e;
    s->plan = MXDI_ALLOC(e->alloc, struct running, e->n_plans);
    s->piece =
        MXDI_ALLOC(e->alloc, mxd_tensor, (size_t)graph_of(s)->n_inputs + graph_of(s)->n_outputs);
    mxd_status st = s->plan && s->piece ? MXD_OK : mxdi_nomem(err);
    for (uint32_t k = 0; k < e->n_plans && st == MXD_OK; k++)
        st = open_plan(&s->plan[k], &e->plan[k], e, threads, trace, err);
    if (st != MXD_OK) {
        mxdi_session_close(s);
        return st;
    }
    *out = s;
    return MXD_OK;
}

/* ---- shapes ---- */

int64_t mxdi_session_batch(const mxdi_session *s)
{
    return s->e->plan[s->e->n_plans - 1].batch;
}

/* The axis along which samples are counted, or -1. Networks of a fixed batch count along the first
 * axis. */
static int32_t sample_axis(const mxdi_plan *p, uint32_t value)
{
    const mxd_value *const v = &p->graph->value[value];
    if (p->batched)
        return v->batch_axis;
    return v->rank > 0 && v->dim[0] % p->batch == 0 && v->dim[0] > 0 ? 0 : -1;
}

mxd_status mxdi_session_output(mxd_tensor *out, const mxdi_session *s, uint32_t k, int64_t samples,
                               mxd_error *err)
{
    const mxdi_plan *const p = &s->e->plan[s->e->n_plans - 1];
    if (k >= p->graph->n_outputs)
        return mxdi_fail(err, MXD_E_USAGE, "output %u: the network has %u", k, p->graph->n_outputs);
    *out               = tensor_of(&p->graph->value[p->graph->output[k]]);
    const int32_t axis = sample_axis(p, p->graph->output[k]);
    if (axis >= 0)
        out->dim[axis] = out->dim[axis] / p->batch * samples;
    else if (samples != p->batch)
        return mxdi_fail(
            err, MXD_E_SHAPE,
            "output '%s' does not grow with the batch: %lld samples expected, got %lld",
            p->graph->value[p->graph->output[k]].name, (long long)p->batch, (long long)samples);
    return MXD_OK;
}

static void shape_text(char out[128], const int64_t *dim, int32_t rank)
{
    size_t at = 0;
    out[0]    = '\0';
    for (int32_t k = 0; k < rank && at < 110; k++)
        at += (size_t)snprintf(out + at, 128 - at, "%s%lld", k ? "x" : "", (long long)dim[k]);
}

/* Samples in the inputs; every other dimension must be the network's. */
static mxd_status count_samples(int64_t *samples, const mxdi_session *s, const mxd_tensor *in,
                                uint32_t n_in, mxd_error *err)
{
    const mxdi_plan *const  p = &s->e->plan[s->e->n_plans - 1];
    const mxdi_graph *const g = p->graph;
    *samples                  = p->batch;
    if (n_in != g->n_inputs)
        return mxdi_fail(err, MXD_E_USAGE, "the network has %u inputs, got %u", g->n_inputs, n_in);
    bool counted = false;
    for (uint32_t k = 0; k < n_in; k++) {
        const mxd_value *const v    = &g->value[g->input[k]];
        const int32_t          axis = sample_axis(p, g->input[k]);
        char                   want[128], got[128];
        bool                   same = in[k].rank == v->rank;
        for (int32_t d = 0; same && d < v->rank; d++)
            same = in[k].dim[d] == v->dim[d] ||
                   (d == axis && in[k].dim[d] > 0 && in[k].dim[d] % (v->dim[d] / p->batch) == 0);
        const int64_t n =
            same && axis >= 0 ? in[k].dim[axis] / (v->dim[axis] / p->batch) : p->batch;
        if (in[k].dtype != v->dtype)
            return mxdi_fail(err, MXD_E_DTYPE, "input '%s': %s expected, got %s", v->name,
                             mxd_dtype_name(v->dtype), mxd_dtype_name(in[k].dtype));
        shape_text(want, v->dim, v->rank);
        shape_text(got, in[k].dim, in[k].rank);
        if (!same || (counted && axis >= 0 && n != *samples))
            return mxdi_fail(err, MXD_E_SHAPE, "input '%s': shape %s expected%s, got %s", v->name,
                             want, axis >= 0 ? " (any number of samples)" : "", got);
        if (axis >= 0) {
            *samples = n;
            counted  = true;
        }
    }
    return MXD_OK;
}

static mxd_status check_outputs(const mxdi_session *s, const mxd_tensor *out, uint32_t n_out,
                                int64_t samples, mxd_error *err)
{
    for (uint32_t k = 0; k < n_out; k++) {
        mxd_tensor want;
        MXD_TRY(mxdi_session_output(&want, s, k, samples, err));
        if (out[k].rank != want.rank ||
            memcmp(out[k].dim, want.dim, (size_t)want.rank * sizeof(want.dim[0])) != 0 ||
            out[k].dtype != want.dtype)
            return mxdi_fail(
                err, MXD_E_SHAPE,
                "output %u: storage of the shape and type of mxdi_session_output expected", k);
    }
    return n_out == graph_of(s)->n_outputs
               ? MXD_OK
               : mxdi_fail(err, MXD_E_USAGE, "the network has %u outputs, got %u",
                           graph_of(s)->n_outputs, n_out);
}

/* ---- one piece ---- */

/* Bind `t` with dims for n samples of the plan. */
static void set_samples(mxd_tensor *t, const mxdi_plan *p, uint32_t value, int64_t n)
{
    const mxd_value *const v = &p->graph->value[value];
    if (p->batched && v->batch_axis >= 0)
        t->dim[v->batch_axis] = v->dim[v->batch_axis] / p->batch * n;
}

/* Outputs that no part makes: constants, and inputs handed through. */
static mxd_status copy_through(struct running *r, const mxd_tensor *in, const mxd_tensor *out,
                               mxd_error *err)
{
    const mxdi_graph *const g = r->plan->graph;
    for (uint32_t k = 0; k < g->n_outputs; k++) {
        const void *from = g->value[g->output[k]].data;
        for (uint32_t i = 0; i < g->n_inputs; i++)
            from = g->input[i] == g->output[k] ? in[i].data : from;
        size_t bytes;
        if (!mxdi_tensor_bytes(&bytes, &out[k]))
            return mxdi_fail(err, MXD_E_RANGE, "output %u: too large", k);
        if (from && from != out[k].data)
            memcpy(out[k].data, from, bytes);
        for (uint32_t i = 0; i < k; i++) /* one value under two output names */
            if (g->output[i] == g->output[k])
                memcpy(out[k].data, out[i].data, bytes);
    }
    return MXD_OK;
}

static mxd_status run_piece(struct running *r, const mxd_tensor *in, const mxd_tensor *out,
                            int64_t n, mxd_trace_fn fn, void *user, mxd_error *err)
{
    const mxdi_plan *const  p = r->plan;
    const mxdi_graph *const g = p->graph;
    for (uint32_t k = g->n_outputs;
         k-- > 0;) /* the first of equal outputs is the one that is written */
        r->tensor[g->output[k]].data = g->value[g->output[k]].data
                                           ? (void *)(uintptr_t)g->value[g->output[k]].data
                                           : out[k].data;
    for (uint32_t k = 0; k < g->n_inputs; k++)
        r->tensor[g->input[k]].data = in[k].data;
    for (uint32_t k = 0; k < p->n_parts; k++) {
        const mxdi_part *const part = &p->part[k];
        mxd_tensor *const x = r->scratch, *const y = r->scratch + r->max_io;
        for (uint32_t i = 0; i < part->graph->n_inputs; i++) {
            x[i] = r->tensor[part->input[i]];
            set_samples(&x[i], p, part->input[i], n);
        }
        for (uint32_t i = 0; i < part->graph->n_outputs; i++) {
            y[i] = r->tensor[part->output[i]];
            set_samples(&y[i], p, part->output[i], n);
        }
        MXD_TRY(part->api->session_run(r->run[k], x, part->graph->n_inputs, y,
                                       part->graph->n_outputs, fn, user, err));
    }
    return copy_through(r, in, out, err);
}

/* `t` from sample `first` on, n samples, along the first axis. */
static mxd_tensor piece_of(const mxd_tensor *t, const mxdi_plan *p, uint32_t value, int64_t first,
                           int64_t n)
{
    mxd_tensor piece = *t;
    if (sample_axis(p, value) != 0)
        return piece;
    const int64_t rows = p->graph->value[value].dim[0] / p->batch;
    size_t        row  = 0;
    mxd_tensor    one  = *t;
    one.dim[0]         = rows;
    if (mxdi_tensor_bytes(&row, &one))
        piece.data = (uint8_t *)t->data + row * (size_t)first;
    piece.dim[0] = rows * n;
    return piece;
}

/* Fewer samples than a fixed batch: run on copies filled up with the first sample's bytes. */
static mxd_status run_padded(struct running *r, const mxd_tensor *in, const mxd_tensor *out,
                             mxd_trace_fn fn, void *user, mxd_error *err)
{
    const mxdi_graph *const g = r->plan->graph;
    size_t                  whole, part;
    for (uint32_t k = 0; k < g->n_inputs; k++) {
        if (!mxdi_tensor_bytes(&whole, &r->padded[k]) || !mxdi_tensor_bytes(&part, &in[k]) ||
            part == 0)
            return mxdi_fail(err, MXD_E_RANGE, "input %u: too large or empty", k);
        for (size_t at = 0; at < whole; at += part)
            memcpy((uint8_t *)r->padded[k].data + at, in[k].data,
                   whole - at < part ? whole - at : part);
    }
    MXD_TRY(run_piece(r, r->padded, r->padded + g->n_inputs, r->plan->batch, fn, user, err));
    for (uint32_t k = 0; k < g->n_outputs; k++) {
        if (!mxdi_tensor_bytes(&part, &out[k]))
            return mxdi_fail(err, MXD_E_RANGE, "output %u: too large", k);
        memcpy(out[k].data, r->padded[g->n_inputs + k].data, part);
    }
    return MXD_OK;
}

static struct running *plan_for(const mxdi_session *s, int64_t samples)
{
    for (uint32_t k = 0; k < s->e->n_plans; k++)
        if (s->e->plan[k].batch >= samples)
            return &s->plan[k];
    return &s->plan[s->e->n_plans - 1];
}

static mxd_status all_on_first_axis(const mxdi_plan *p, mxd_error *err)
{
    const mxdi_graph *const g = p->graph;
    for (uint32_t k = 0; k < g->n_inputs + g->n_outputs; k++) {
        const uint32_t v = k < g->n_inputs ? g->input[k] : g->output[k - g->n_inputs];
        if (sample_axis(p, v) != 0)
            return mxdi_fail(err, MXD_E_SHAPE,
                             "'%s' has no leading batch axis: at most %lld samples in one call",
                             g->value[v].name, (long long)p->batch);
    }
    return MXD_OK;
}

static mxd_status run_samples(mxdi_session *s, const mxd_tensor *in, const mxd_tensor *out,
                              int64_t samples, mxd_trace_fn fn, void *user, mxd_error *err)
{
    mxd_tensor *const x = s->piece, *const y = s->piece + graph_of(s)->n_inputs;
    for (int64_t first = 0; first < samples;) {
        struct running *const   r = plan_for(s, samples - first);
        const mxdi_graph *const g = r->plan->graph;
        const int64_t left = samples - first, n = left < r->plan->batch ? left : r->plan->batch;
        if (first == 0 && n == samples && (r->plan->batched || n == r->plan->batch))
            return run_piece(r, in, out, n, fn, user, err);
        MXD_TRY(all_on_first_axis(r->plan, err));
        for (uint32_t k = 0; k < g->n_inputs; k++)
            x[k] = piece_of(&in[k], r->plan, g->input[k], first, n);
        for (uint32_t k = 0; k < g->n_outputs; k++)
            y[k] = piece_of(&out[k], r->plan, g->output[k], first, n);
        if (!r->plan->batched && n < r->plan->batch)
            MXD_TRY(run_padded(r, x, y, fn, user, err));
        else
            MXD_TRY(run_piece(r, x, y, n, fn, user, err));
        fn = NULL; /* a trace shows the first piece */
        first += n;
    }
    return MXD_OK;
}

mxd_status mxdi_session_trace(mxdi_session *s, const mxd_tensor *in, uint32_t n_in,
                              const mxd_tensor *out, uint32_t n_out, mxd_trace_fn fn, void *user,
                              mxd_error *err)
{
    int64_t samples;
    MXD_TRY(count_samples(&samples, s, in, n_in, err));
    MXD_TRY(check_outputs(s, out, n_out, samples, err));
    return run_samples(s, in, out, samples, fn, user, err);
}

mxd_status mxdi_session_run(mxdi_session *s, const mxd_tensor *in, uint32_t n_in,
                            const mxd_tensor *out, uint32_t n_out, mxd_error *err)
{
    return mxdi_session_trace(s, in, n_in, out, n_out, NULL, NULL, err);
}

/* ---- profile ---- */

/* A step's work in a run of `batch` samples. */
static mxdi_profile_row row_of(const mxd_steps *steps, uint32_t i, const mxdi_plan *p,
                               int64_t batch)
{
    mxdi_profile_row r = { .step = steps->step[i] };
    if (steps->more)
        r.more = steps->more[i];
    if (p->batched && batch != p->batch) {
        const double  part   = (double)batch / (double)p->batch;
        const int64_t pieces = (batch + p->batch - 1) / p->batch,
                      grows  = r.step.bytes - r.more.constant_bytes;
        r.step.macs          = (int64_t)((double)r.step.macs * part);
        r.more.constant_bytes *= pieces;
        r.step.bytes = r.more.constant_bytes + (int64_t)((double)grows * part);
    }
    return r;
}

mxd_status mxdi_session_profile(mxdi_session *s, int64_t batch, mxdi_profile_row **rows,
                                uint32_t *n, mxd_error *err)
{
    struct running *const      r     = plan_for(s, batch);
    const mxdi_plan *const     p     = r->plan;
    const mxd_allocator *const alloc = s->e->alloc;
    uint32_t                   total = 0;
    *rows                            = NULL;
    *n                               = 0;
    for (uint32_t k = 0; k < p->n_parts; k++) {
        mxd_steps steps = { 0 };
        p->part[k].api->steps(p->part[k].program, &steps);
        total += steps.n;
    }
    mxdi_profile_row *const all = MXDI_ALLOC(alloc, mxdi_profile_row, total);
    uint64_t *const         ns  = MXDI_ALLOC(alloc, uint64_t, total);
    mxd_status              st  = all && ns ? MXD_OK : mxdi_nomem(err);
    for (uint32_t k = 0, at = 0; k < p->n_parts && st == MXD_OK; k++) {
        mxd_steps steps = { 0 };
        uint64_t  runs  = 0;
        p->part[k].api->steps(p->part[k].program, &steps);
        st = p->part[k].api->session_profile(r->run[k], ns + at, steps.n, &runs, err);
        for (uint32_t i = 0; i < steps.n; i++, at++) {
            all[at]    = row_of(&steps, i, p, batch);
            all[at].ms = runs ? (double)ns[at] / (double)runs * 1e-6 : 0.0;
        }
    }
    mxdi_free(alloc, ns);
    if (st != MXD_OK) {
        mxdi_free(alloc, all);
        return st;
    }
    *rows = all;
    *n    = total;
    return MXD_OK;
}
