/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of Winograd's convolution F(4x4, 3x3) (Lavin and Gray 2016, arXiv:1509.09308, section
 * 4.3) in integers, exact:
 *
 *     64 acc = A^T [ sum over channels (G w G^T) . (B^T x B) ] A / 9  modulo 2^32,
 *
 * x 6x6 inputs, w 3x3, acc 4x4 outputs, . elementwise. G is 24 times the usual one where that is
 * needed to make it whole, and 9 has an inverse modulo 2^32:
 *
 *     B^T =  4  0 -5  0  1  0      G =  6  0  0        A^T = 1  1  1  1  1  0
 *            0 -4 -4  1  1  0          -4 -4 -4              0  1 -1  2 -2  0
 *            0  4 -4 -1  1  0          -4  4 -4              0  1  1  4  4  0
 *            0 -2 -1  2  1  0           1  2  4              0  1 -1  8 -8  4
 *            0  2 -1 -2  1  0           1 -2  4
 *            0  4  0 -5  0  1           0  0  6
 *
 * Bounds, the zero point and the bias are derived in docs/winograd.md. The 36 elements of a
 * transformed tile are planes: element i of a tile is `plane` elements behind element i - 1. All
 * variants give the same integers.
 */
#ifndef MXDI_KERNELS_WINOGRAD_Q8_H
#define MXDI_KERNELS_WINOGRAD_Q8_H

#include "kernels/post_q8/post_q8.h"
#include "kernels/simd/q8.h"

enum {
    MXDI_WINOGRAD_Q8_POINTS      = 36,
    MXDI_WINOGRAD_Q8_TILE        = 4,
    MXDI_WINOGRAD_Q8_CONSTANT    = 7,   /* (1, 1): what is added to this point, all outputs get */
    MXDI_WINOGRAD_Q8_SCALE       = 576, /* of what is added there */
    MXDI_WINOGRAD_Q8_MAX_WEIGHT  = 227, /* 144 * 227 fits s16 */
    MXDI_WINOGRAD_Q8_MAX_ROWS    = 14,
    MXDI_WINOGRAD_Q8_MAX_KERNELS = 64 /* a pair of input channels and two vectors of lanes */
};

/* B^T x B of one tile, all channels. */
typedef struct mxdi_winograd_q8_input {
    const uint8_t *x; /* where element (0, 0) is or would be; only elements inside are read */
    int64_t        row, pixel; /* distances in x */
    int32_t  y0, y1, x0, x1;   /* the elements inside the image: [y0, y1) x [x0, x1) of [0, 6) */
    uint8_t  outside;          /* what the others are: x's zero point */
    int32_t  channels;
    int16_t *v; /* channels rounded up to 2*lanes are written to each plane, aligned to 64 */
    int64_t  plane;
} mxdi_winograd_q8_input;

/* m = init + v u at one point: some tiles, one panel of one or two vectors of channels. */
typedef struct mxdi_winograd_q8_product {
    const int16_t *v;
    int64_t        v_row;
    const int16_t *u; /* [pair][lanes][2] */
    int32_t        pairs;
    const int32_t *init; /* per lane */
    /* Memory needed soon, which need not be there: with each pair a line of the first and two
     * neighbours of the second are asked for; bytes to those of the following pair. */
    const uint8_t *next[2];
    int64_t        next_step[2];
    int32_t       *m;
    int64_t        m_row;
} mxdi_winograd_q8_product;

typedef void (*mxdi_winograd_q8_product_fn)(const mxdi_winograd_q8_product *args);

/* A^T m A / 9 of one tile and a panel, and the epilogue. */
typedef struct mxdi_winograd_q8_output {
    const int32_t      *m;
    int64_t             plane;
    const float        *factor, *bias_float; /* per lane: m/64, and bias_float or -0 */
    const mxdi_post_q8 *post;
    uint8_t            *y;          /* element (0, 0) */
    const uint8_t      *r;          /* residual in y's layout, where post has one */
    int64_t             row, pixel; /* distances in y, in bytes */
    int32_t             y1, x1;     /* rows and columns of the tile that exist, 1 .. 4 */
    size_t              n;          /* channels to store, >= 1 */
    size_t              pads;       /* of an f32 y: lanes behind them that become 0 */
} mxdi_winograd_q8_output;

struct mxdi_winograd_q8 {
    const char *name; /* of a convolution by these: "conv_q8_winograd_avx2" */
    int32_t     rows; /* tiles of a product: 1 .. rows; 0: there is none */
    void (*input)(const mxdi_winograd_q8_input *args);
    mxdi_winograd_q8_product_fn product[2][MXDI_WINOGRAD_Q8_MAX_ROWS + 1]; /* vectors; rows */
    void (*output)(const mxdi_winograd_q8_output *args);
};

/* In the order of simd/q8.inc. `ref` has none: direct convolution defines the integers. */
extern const struct mxdi_winograd_q8 *const mxdi_winograd_q8_variants[MXDI_Q8_COUNT];

/* G w G^T of n <= MAX_KERNELS kernels side by side, their weights within +-MAX_WEIGHT:
 * u[i*plane + k], i < 36, of w[j*n + k], j < 9. */
void mxdi_winograd_q8_weights(int16_t *u, int64_t plane, const int16_t *w, int64_t n);
#endif
