/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of an integer convolution whose lanes are outputs side by side, not channels: for one
 * or two input channels, where a pixel does not fill the four terms of a product, and few output
 * channels, which would leave lanes empty.
 *
 * Lanes run over images and columns of a block's line at once. Its inputs are laid out as planes
 * first, a byte for each image and column of one channel with the padding in place. Four rows of a
 * plane then become a line of quads, one 32-bit word per lane, so that neighbouring columns of the
 * window are the same line further on. A tile is four vectors of outputs, anywhere, in a group of
 * output channels; its bytes are kept until 16 channels of a pixel can be stored. All variants give
 * the same integers.
 */
#ifndef MXDI_KERNELS_STEM_Q8_H
#define MXDI_KERNELS_STEM_Q8_H

#include "kernels/post_q8/post_q8.h"
#include "kernels/simd/q8.h"

enum {
    MXDI_STEM_Q8_VECTORS  = 4,  /* of a tile */
    MXDI_STEM_Q8_CHANNELS = 64, /* output channels of a convolution at most */
    MXDI_STEM_Q8_SLACK    = 64  /* bytes of a plane that are read past the last quad's */
};

/* Where a tap's quads are, from those of an even and of an odd output; the same without a pool. */
typedef struct mxdi_stem_q8_tap {
    int64_t even, odd;
} mxdi_stem_q8_tap;

typedef struct mxdi_stem_q8_tile {
    const uint32_t *x[MXDI_STEM_Q8_VECTORS]; /* quads of the first lane */
    int64_t         below; /* with a pool, which takes the largest of four vectors each:
                              quads to those of the next line; else 0 */
    const mxdi_stem_q8_tap *taps;
    int32_t                 n_taps;
    int32_t                 n; /* output channels, 1 .. outs */
    const uint8_t      *w;    /* [tap][output channel]: a vector of the same weights in all lanes */
    const int32_t      *bias; /* per output channel, as the next two */
    const float        *m, *bias_float;
    const mxdi_post_q8 *post;  /* plain */
    uint8_t            *stage; /* [output channel][4 x lanes], aligned to 64 */
} mxdi_stem_q8_tile;

struct mxdi_stem_q8 {
    const char *name; /* of a convolution by these: "conv_q8_stem_avx2" */
    int32_t     outs; /* output channels of a group at most; 0: there is none */
    /* to[i] = x[i * pitch], i < n; reads at most 64 bytes past the last */
    void (*plane)(uint8_t *to, const uint8_t *x, int64_t pitch, int64_t n);
    /* to[i]: byte i of the four rows, the first lowest; whole vectors are written */
    void (*quads)(uint32_t *to, const uint8_t *const rows[4], int64_t n);
    void (*tile)(const mxdi_stem_q8_tile *tile);
    /* The stage of n output channels, rounded up to 16, to the four vectors' outputs, `step` bytes
     * from one to the next. */
    void (*store)(uint8_t *const y[MXDI_STEM_Q8_VECTORS], int64_t step, const uint8_t *stage,
                  int32_t n);
};

/* In the order of simd/q8.inc. `ref` has none. */
extern const struct mxdi_stem_q8 *const mxdi_stem_q8_variants[MXDI_Q8_COUNT];
#endif
