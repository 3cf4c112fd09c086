/* SPDX-License-Identifier: Apache-2.0
 *
 * What methods that choose how each weight is rounded have to offer, layer by layer or the layers
 * of a block at once, so that the corrections of src/quant can call those that live above them
 * (AdaRound in src/train).
 */
#ifndef MXDI_QUANT_ROUNDING_H
#define MXDI_QUANT_ROUNDING_H

#include "base/error.h"
#include "base/threads.h"
#include "ir/graph.h"

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

/* ---- the layers of a block at once ---- */

enum { MXDI_BLOCK_BATCH = 32 };

/* One layer whose roundings are to be chosen; its node has that name in both graphs. */
typedef struct mxdi_block_layer {
    const char *name;
    int8_t     *q; /* (n) in the order of the graph, |q| <= q_max */
    int64_t     n;
    int32_t     q_max;
} mxdi_block_layer;

typedef struct mxdi_block {
    const mxdi_graph       *graph;     /* the float network */
    const mxdi_graph       *quantized; /* the block alone, bound to MXDI_BLOCK_BATCH */
    const mxdi_block_layer *layer;
    uint32_t                n_layers, threads;
    int64_t                 samples; /* that there are; one that needs too much room takes fewer */
    int32_t                 iterations;
    uint64_t                seed;
} mxdi_block;

/* Mean squares of how far the block's outputs are off, in those of the outputs, on samples that the
 * roundings were not chosen by where there are enough. */
typedef struct mxdi_block_errors {
    double before, after;
} mxdi_block_errors;

typedef struct mxdi_reconstruction {
    /* `block` and its graphs outlive the state. MXD_E_UNSUPPORTED: why this block cannot be done.
     */
    mxd_status (*open)(void **state, const mxdi_block *block, const mxd_allocator *alloc,
                       mxd_error *err);
    /* The next `count` samples: x is what the quantized block gets, y what the float block gives;
     * floats, (count, ...). */
    mxd_status (*add)(void *state, const mxd_tensor *x, const mxd_tensor *y, int64_t count,
                      mxd_error *err);
    /* The layers' q, down or up of each weight as before, become as chosen if that brings the
     * block's outputs closer. */
    mxd_status (*solve)(void *state, mxdi_block_errors *errors, const mxdi_progress *progress,
                        mxd_error *err);
    void (*close)(void *state); /* NULL is fine */
} mxdi_reconstruction;
#endif
