/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of AdaRound by blocks, for adaround_block.c and tests.
 */
#ifndef MXDI_TRAIN_ADAROUND_BLOCK_H
#define MXDI_TRAIN_ADAROUND_BLOCK_H

#include "kernels/unary_f32/unary_f32.h"
#include "quant/rounding.h"
#include "train/op_conv.h"
#include "train/relaxed.h"

/* A layer's weights, (n) in the order of the graph and in steps: down + span * h. */
typedef struct mxdi_block_weights {
    const mxdi_block_layer *layer;
    mxdi_param             *param;       /* of the tape, in steps */
    float                  *down, *span; /* span: 1, or 0 where up is beyond what there is */
    float                  *v, *m1, *m2, *sigmoid;
} mxdi_block_weights;

/* Some of them, which one thread works on. */
typedef struct mxdi_block_piece {
    uint32_t weights;
    int64_t  from, n;
} mxdi_block_piece;

typedef struct mxdi_block_state {
    const mxdi_block     *block;
    mxdi_tape            *tape;
    const mxdi_unary_f32 *unary;
    mxdi_block_weights   *weights; /* (n_layers) */
    mxdi_block_piece     *piece;
    uint32_t              n_pieces;
    /* samples, pixels first: (samples, H, W, C) */
    int64_t  samples, added, each_x, each_y;
    float   *x, *y, *target; /* target (batch, each_y): of the batch */
    int64_t *order;          /* (samples) of the epoch */
    int64_t  index[MXDI_BLOCK_BATCH];
    double   square; /* the mean one of y */
} mxdi_block_state;

/* The parameters of the tape are down + span * h(v) from now on. */
void mxdi_block_soften(mxdi_block_state *s);
/* s->index (batch) samples through the block: the mean square error, and with `gradient` those of
 * the parameters. */
mxd_status mxdi_block_error(mxdi_block_state *s, double *error, bool gradient, mxd_error *err);
/* What the gradient of the parameters is multiplied by, so that the loss is in shares of y. */
float mxdi_block_gain(const mxdi_block_state *s);
#endif
