/* SPDX-License-Identifier: Apache-2.0
 *
 * LRN: plain loops in binary64 over a plain tensor, one image's row of positions each task. */
#include <math.h>

#include "backends/cpu/cpu_lower.h"

enum { GRAIN = 64 }; /* positions of a task */

struct lrn {
    uint32_t x, y;
    int64_t  images, channels, inner, size;
    bool     scaled;
    double   alpha, beta, bias; /* alpha over size */
};

static size_t lrn_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const struct lrn *const l = op;
    return (size_t)(mxdi_cpu_grown(f, l->images, l->scaled) * ((l->inner + GRAIN - 1) / GRAIN));
}

/* y = x / (bias + alpha/size * sum of squares of the channels around)^beta */
static void lrn_at(const struct lrn *l, float *y, const float *x)
{
    for (int64_t c = 0; c < l->channels; c++) {
        const int64_t first = c - (l->size - 1) / 2 < 0 ? 0 : c - (l->size - 1) / 2;
        const int64_t last  = c + l->size / 2 < l->channels ? c + l->size / 2 : l->channels - 1;
        double        sum   = 0.0;
        for (int64_t k = first; k <= last; k++)
            sum += (double)x[k * l->inner] * (double)x[k * l->inner];
        y[c * l->inner] = (float)((double)x[c * l->inner] / pow(l->bias + l->alpha * sum, l->beta));
    }
}

static void lrn_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                    unsigned thread)
{
    const struct lrn *const l      = op;
    const int64_t           pieces = (l->inner + GRAIN - 1) / GRAIN;
    (void)thread;
    for (int64_t t = (int64_t)begin; t < (int64_t)end; t++) {
        const int64_t at = t / pieces * l->channels * l->inner, from = t % pieces * GRAIN;
        for (int64_t i = from; i < from + GRAIN && i < l->inner; i++)
            lrn_at(l, (float *)f->ptr[l->y] + at + i, (const float *)f->ptr[l->x] + at + i);
    }
}

static const mxdi_cpu_kind lrn_kind = { lrn_tasks, lrn_run, NULL };

mxd_status mxdi_cpu_lower_lrn(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const x    = mxdi_cpu_in(p->g, n, 0);
    const int64_t          size = mxd_node_int(n, "size", 1);
    struct lrn *const      op   = MXDI_CPU_NEW_OP(p, struct lrn);
    if (!op)
        return mxdi_nomem(err);
    *op = (struct lrn){ .images   = x->dim[0],
                        .channels = x->dim[1],
                        .inner    = mxdi_cpu_count(x) / (x->dim[0] * x->dim[1]),
                        .size     = size,
                        .scaled   = x->batch_axis == 0,
                        .alpha    = (double)mxd_node_float(n, "alpha", 1e-4f) / (double)size,
                        .beta     = (double)mxd_node_float(n, "beta", 0.75f),
                        .bias     = (double)mxd_node_float(n, "bias", 1.0f) };
    MXD_TRY(mxdi_cpu_get_plain(&op->x, p, n->in[0], err));
    MXD_TRY(mxdi_cpu_make_plain(&op->y, p, n->out[0], true, err));
    const mxdi_cpu_emission e = { .kind     = &lrn_kind,
                                  .op       = op,
                                  .in       = &op->x,
                                  .n_in     = 1,
                                  .out      = &op->y,
                                  .n_out    = 1,
                                  .kernel   = "lrn",
                                  .computed = "f32",
                                  .ns       = 30.0 * (double)mxdi_cpu_count(x) };
    return mxdi_cpu_emit(p, &e, err);
}

const char *mxdi_cpu_check_lrn(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const x    = mxdi_cpu_in(g, n, 0);
    const int64_t          size = mxd_node_int(n, "size", 0);
    const char *const      why  = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    return x->rank >= 2 && x->dtype == MXD_F32 && x->batch_axis <= 0 && size >= 1 &&
                   size <= INT32_MAX
               ? NULL
               : "no CPU kernel for LRN of this shape or type: runs in the reference interpreter";
}
