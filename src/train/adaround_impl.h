/* SPDX-License-Identifier: Apache-2.0
 *
 * What AdaRound minimizes, private to its files. With x^ what the quantized layer reads and e what
 * the float layer reads less that, a channel of weights w rounded to w + d is off by
 *
 *     E[(w e - d x^)^2] = d' G d - 2 d' r + constant,   G = E[x^ x^'],  r = E[x^ (w e)]
 *
 * so that after one pass over the data no iteration needs them. Where a bias takes up the mean, G
 * and r are covariances. Inputs beyond MXDI_ADAROUND_BLOCK are cut into equal blocks, and what two
 * blocks have in common is left out of G.
 */
#ifndef MXDI_TRAIN_ADAROUND_IMPL_H
#define MXDI_TRAIN_ADAROUND_IMPL_H

#include "kernels/matmul_f32/matmul_f32.h"
#include "kernels/unary_f32/unary_f32.h"
#include "quant/rounding.h"

enum { MXDI_ADAROUND_BLOCK = 2304, MXDI_ADAROUND_ROWS = 16 };

/* Some channels against one block of their inputs. Rows of all but gram are `stride` apart. */
typedef struct mxdi_adaround_case {
    int64_t      rows, k, stride; /* rows <= MXDI_ADAROUND_ROWS */
    const float *gram;            /* (k, k) */
    const float *base, *step;     /* (rows, k): d where rounded down, and what up adds to it */
    const float *target;          /* (rows, k): r */
    const float *w;               /* (rows, k) */
    float       *weight;          /* (rows): 1 / variance of what they put out; start gives it */
} mxdi_adaround_case;

/* The continuous choice: h = clip(1.2 sigmoid(v) - 0.1) of the way up, with Adam's two moments. */
typedef struct mxdi_adaround_soft {
    float *v, *m1, *m2; /* (rows, k), `stride` apart */
} mxdi_adaround_soft;

typedef struct mxdi_adaround_kernels {
    const mxdi_unary_f32 *unary;
    uint32_t              isa; /* of the products */
} mxdi_adaround_kernels;

/* Bytes of room for blocks of k inputs, 64-byte aligned. */
size_t mxdi_adaround_room(int64_t k, const mxdi_adaround_kernels *kernels);

/* The weights of rows, and v where h is what is left between down and the weight itself. */
void mxdi_adaround_start(mxdi_adaround_soft *s, const mxdi_adaround_case *c,
                         const mxdi_adaround_kernels *kernels, void *room);
/* Gradient with respect to v of weight (d' G d - 2 d' r) + 0.01 sum (1 - |2h - 1|^beta); beta 0: of
 * the first part alone. */
void mxdi_adaround_gradient(float *gradient, const mxdi_adaround_soft *s,
                            const mxdi_adaround_case *c, float beta,
                            const mxdi_adaround_kernels *kernels, void *room);
/* Iterations [from, to) of `all`, by Adam. */
void mxdi_adaround_iterate(mxdi_adaround_soft *s, const mxdi_adaround_case *c, int32_t from,
                           int32_t to, int32_t all, const mxdi_adaround_kernels *kernels,
                           void *room);
/* up (rows, k), `stride` apart: in, what nearest does; out, v's choice or nearest's, the better one
 * after single roundings were turned as long as that helps. A row that comes no closer stays. */
void mxdi_adaround_finish(uint8_t *up, const mxdi_adaround_soft *s, const mxdi_adaround_case *c,
                          const mxdi_adaround_kernels *kernels, void *room);
#endif
