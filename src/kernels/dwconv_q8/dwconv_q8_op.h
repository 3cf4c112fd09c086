/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of dwconv_q8: the operator, and the contract of its micro-kernels.
 *
 * Lanes are channels, so that all images of a pixel are just more channels, and where channels are
 * few so are neighbouring pixels. One step takes the same column of four kernel rows, interleaves
 * their bytes, and multiplies them by four weights of each lane; a column made once serves all
 * outputs that see it. Weights lie in vectors of 4 x lanes channels: [vector][row / 4][kx][4 x
 * lanes][4], in the lane order of the interleaving (mxdi_dwconv_q8_lane). Kernels of one width
 * interleave a row left over behind the last four along the columns instead: behind the others are
 * its weights [distance of a window from a multiple of four columns][column / 4][4 x lanes][4].
 *
 * Kernels of one width take zero points for what is outside the image. For the others, as in
 * conv_q8, the output falls into rectangles that see the same taps, each with a bias of its own.
 */
#ifndef MXDI_KERNELS_DWCONV_Q8_OP_H
#define MXDI_KERNELS_DWCONV_Q8_OP_H

#include "kernels/dwconv_q8/dwconv_q8.h"
#include "kernels/q8_base/q8_base.h"
#include "kernels/simd/q8.h"

/* Outputs one after the other, for one vector of channels. Distances in bytes. */
typedef struct mxdi_dwconv_q8_run {
    const uint8_t      *x;          /* first output, first tap inside */
    int64_t             x_ky, x_kx; /* between rows and columns of the kernel */
    int64_t             x_step;     /* between outputs */
    int32_t             ky, ky_end; /* kernel rows inside */
    int32_t             kx, kx_end, kw;
    int32_t             column;  /* of x where the first window starts */
    int32_t             columns; /* of x */
    const uint8_t      *outside; /* a vector of the zero point */
    const uint8_t      *w;       /* of the vector */
    const int32_t      *bias;    /* its 4 x lanes of each */
    const float        *m, *bias_float;
    void               *y;
    const uint8_t      *r; /* with y's strides */
    int64_t             y_step;
    int64_t             outputs;   /* >= 1 */
    int32_t             n, n_last; /* channels to store, and of the last output */
    const mxdi_post_q8 *post;
    bool                quick; /* as in mxdi_dwconv_q8 */
} mxdi_dwconv_q8_run_args;

typedef void (*mxdi_dwconv_q8_fn)(const mxdi_dwconv_q8_run_args *run);

/* Kernels for windows of a width without dilation, no higher than wide, and a stride: MXD_DW(width,
 * stride). To them the image goes on outside as zero points. */
#define MXDI_DWCONV_Q8_SHAPES(MXD_DW) \
    MXD_DW(3, 1) MXD_DW(3, 2) MXD_DW(5, 1) MXD_DW(5, 2) MXD_DW(7, 1)

/* Quads of columns that a window of kw columns takes, wherever it starts in the first. */
#define MXDI_DWCONV_Q8_LONE_QUADS(kw) (((kw) + 6) / 4)

struct mxdi_dwconv_q8_shape {
    int32_t           kw, sw;
    mxdi_dwconv_q8_fn fn;
};

struct mxdi_dwconv_q8_kernel {
    const char *name;
    int32_t     lanes;    /* of a vector of sums; 0: the plain definition, the rest is not used */
    int32_t weight_bytes; /* 1: s8, 2: s16 in pairs (terms 0 and 2 of every lane, then 1 and 3) */
    int32_t nothing;      /* the byte that adds nothing: products take inputs less this */
    mxdi_dwconv_q8_fn           any;
    struct mxdi_dwconv_q8_shape shapes[8]; /* until kw = 0 */
};

#define MXD_Q8(variant, needs, weights) \
    extern const struct mxdi_dwconv_q8_kernel mxdi_dwconv_q8_##variant;
#include "kernels/simd/q8.inc"
#undef MXD_Q8

struct mxdi_dwconv_q8 {
    mxdi_q8_base                        base;
    const struct mxdi_dwconv_q8_kernel *kernel;
    mxdi_dwconv_q8_desc                 plain; /* for `ref`, its pointers to copies */

    int32_t           segments;       /* images that are not just more channels: 1 or the block */
    int32_t           pixels;         /* neighbours that are */
    int32_t           stored;         /* lanes of a segment to store */
    int32_t           vectors;        /* of a segment */
    int32_t           distinct;       /* the weights repeat after so many of them */
    size_t            vector_bytes;   /* of weights */
    uint8_t          *w;              /* (distinct) */
    float            *m, *bias_float; /* (distinct, 4 x lanes) */
    int32_t          *bias;           /* (biases of base, distinct, 4 x lanes) */
    size_t            bias_step;      /* distinct x 4 x lanes, or 0: all rectangles have the same */
    mxdi_dwconv_q8_fn whole;          /* of one width, for all rows, or NULL */
    int32_t           whole_y;        /* its spans: where all rows are inside, */
    int32_t           whole_x; /* and all columns, or -1: one after the other where they are */
    uint8_t          *outside; /* a vector of x's zero point */
    bool              quick;   /* plain u8, no float bias, and what is rounded fits an int32 */
};

/* Where channel c of a vector stands among its 4 x lanes sums: the unpack instructions work on
 * pieces of 16 bytes. */
static inline int32_t mxdi_dwconv_q8_lane(int32_t c, int32_t lanes)
{
    return c % 16 / 4 * lanes + c / 16 * 4 + c % 4;
}

/* dwconv_q8_pack.c: lanes, weights, biases. */
mxd_status mxdi_dwconv_q8_pack(mxdi_dwconv_q8 *op, const int16_t *w,
                               const mxdi_q8_epilogue *epilogue, mxd_error *err);
/* dwconv_q8_run.c: a partition of the work, and the loops around the kernels. */
size_t mxdi_dwconv_q8_kernel_tasks(const mxdi_dwconv_q8 *op, int64_t blocks);
void   mxdi_dwconv_q8_kernel_run(const mxdi_dwconv_q8 *op, const uint8_t *x, const uint8_t *r,
                                 void *y, int64_t blocks, size_t begin, size_t end);
/* dwconv_q8_ref.c: the plain definition; output row `row` of block `block`. */
void mxdi_dwconv_q8_run_ref(const mxdi_dwconv_q8_desc *desc, const uint8_t *x, const uint8_t *r,
                            void *y, int64_t block, int32_t row);
#endif
