/* SPDX-License-Identifier: Apache-2.0
 *
 * The transforms of Winograd's convolution F(4x4, 3x3) (Lavin and Gray 2016, arXiv:1509.09308,
 * section 4.3) in f32:
 *
 *     y = A^T [ sum over channels (G w G^T) . (B^T d B) ] A        d 6x6 inputs, w 3x3, y 4x4
 * outputs, . elementwise
 *
 *     B^T =  4  0 -5  0  1  0      G = 1/4    0    0         A^T = 1  1  1  1  1  0
 *            0 -4 -4  1  1  0         -1/6 -1/6 -1/6               0  1 -1  2 -2  0
 *            0  4 -4 -1  1  0         -1/6  1/6 -1/6               0  1  1  4  4  0
 *            0 -2 -1  2  1  0          1/24 1/12  1/6              0  1 -1  8 -8  1
 *            0  2 -1 -2  1  0          1/24 -1/12 1/6
 *            0  4  0 -5  0  1          0    0    1
 *
 * The 36 elements of a transformed tile are planes: element i of a tile is `plane` floats behind
 * element i - 1. All variants give the same bits: the same operations in the same order, on vectors
 * of channels.
 */
#ifndef MXDI_KERNELS_WINOGRAD_F32_H
#define MXDI_KERNELS_WINOGRAD_F32_H

#include "base/cpu.h"

enum { MXDI_WINOGRAD_F32_POINTS = 36, MXDI_WINOGRAD_F32_TILE = 4 };

/* B^T d B of one tile, all channels. */
typedef struct mxdi_winograd_f32_input {
    const float *x; /* where element (0, 0) of d is or would be; only elements inside are read */
    int64_t      row, pixel; /* distances in x */
    int32_t      y0, y1, x0,
        x1; /* the elements of d inside the image: [y0, y1) x [x0, x1) of [0, 6); others are 0 */
    int32_t channels;
    float  *v; /* channels rounded up to 16 are written to each plane */
    int64_t plane;
} mxdi_winograd_f32_input;

/* A^T m A of one tile and some lanes of output channels, and what follows a convolution. */
typedef struct mxdi_winograd_f32_output {
    const float *m;
    int64_t      plane;
    const float *bias; /* per lane, as many as m has */
    float       *y;    /* element (0, 0) */
    const float *r;    /* residual in y's layout, or NULL */
    int64_t      row, pixel;
    int32_t      y1, x1; /* rows and columns of the tile that exist, 1 .. 4 */
    int32_t      lanes;  /* written to each pixel; m and bias have them rounded up to 16 */
    int32_t      round_bf16;
    float        lo, hi; /* NaN passes the clamp */
} mxdi_winograd_f32_output;

/* dw += G^T u G, what gradients of weights come back by, of some lanes of output channels. */
typedef struct mxdi_winograd_f32_sums {
    const float *u;
    int64_t      plane;
    int32_t      lanes; /* a multiple of the vector's */
    float       *dw;
    int64_t      tap; /* between taps (ky, kx), 3*ky + kx */
} mxdi_winograd_f32_sums;

/* G w G^T of one input channel and some lanes of output channels. */
typedef struct mxdi_winograd_f32_filter {
    const float *w;
    int64_t      row[9]; /* where the lanes of tap (ky, kx) stand in w, 3*ky + kx */
    int32_t      lanes;  /* a multiple of the vector's */
    float       *u;
    int64_t      plane;
} mxdi_winograd_f32_filter;

struct mxdi_winograd_f32 {
    uint32_t needs;
    void (*input)(const mxdi_winograd_f32_input *args);
    void (*output)(const mxdi_winograd_f32_output *args);
    /* A d A^T, d 4x4 outputs: as `input`, y0 = x0 = 0, y1 and x1 in 1 .. 4. */
    void (*gradient)(const mxdi_winograd_f32_input *args);
    void (*sums)(const mxdi_winograd_f32_sums *args);
    /* mxdi_winograd_f32_weights of every lane, rounded once. */
    void (*weights)(const mxdi_winograd_f32_filter *args);
};

/* NULL where there is none. */
const struct mxdi_winograd_f32 *mxdi_winograd_f32_select(uint32_t isa);
extern const double             mxdi_winograd_f32_g[6][3];
/* G w G^T in binary64: u (36) of w (3, 3). */
void mxdi_winograd_f32_weights(double *u, const float *w);
#endif
