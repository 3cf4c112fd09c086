/* SPDX-License-Identifier: Apache-2.0
 *
 * What a method that chooses how each weight is rounded has to offer, so that the corrections of
 * src/quant can call one that lives above them (AdaRound in src/train).
 */
#ifndef MXDI_QUANT_ROUNDING_H
#define MXDI_QUANT_ROUNDING_H

#include "base/error.h"
#include "base/threads.h"

/* One layer. Rows are output channels, groups * rows in all; k: inputs of each. */
typedef struct mxdi_rounding_layer {
    int64_t      groups, rows, k;
    const float *w, *scale; /* (groups * rows, k) */
    int32_t      q_max;     /* |q| <= q_max */
    bool         free_mean; /* a bias takes up the mean error, whatever it is */
} mxdi_rounding_layer;

/* Of all columns that were added. */
typedef struct mxdi_rounding_means {
    const double *x, *off; /* (groups, k) */
    int64_t       columns; /* of each group */
} mxdi_rounding_means;

typedef struct mxdi_progress {
    int (*fn)(void *user, double done); /* may be NULL; non-zero: stop */
    void  *user;
    double from, to; /* the part of the whole that this work is */
} mxdi_progress;

static inline bool mxdi_progress_stops(const mxdi_progress *p, double done)
{
    return p->fn && p->fn(p->user, p->from + (p->to - p->from) * done) != 0;
}

typedef struct mxdi_rounding {
    /* `layer` outlives the state. */
    mxd_status (*open)(void **state, const mxdi_rounding_layer *layer, mxdi_pool *pool,
                       const mxd_allocator *alloc, mxd_error *err);
    /* n more columns of one group: x (k, n) is what the quantized layer reads, off (k, n) what the
     * float layer reads less that. */
    mxd_status (*add)(void *state, int64_t group, const float *x, const float *off, int64_t n,
                      mxd_error *err);
    /* q (groups * rows, k): rounded to nearest before, as chosen after. A channel whose outputs
     * come no closer to the float layer's stays as it is. */
    mxd_status (*solve)(void *state, int8_t *q, const mxdi_rounding_means *means,
                        const mxdi_progress *progress, mxd_error *err);
    void (*close)(void *state); /* NULL is fine */
} mxdi_rounding;
#endif
