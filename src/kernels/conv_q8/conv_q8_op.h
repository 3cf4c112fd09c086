/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of conv_q8: the operator, and the contract of its micro-kernels.
 *
 * The output of one image block falls into rectangles that see the same taps (kernels/window.h). A
 * rectangle is cut into runs: output pixels whose inputs, and whose outputs, stand at one constant
 * distance - images of a block, pixels along x, or along y where a rectangle is narrow. A tile
 * computes a few rows of a run for one panel of output channels: a batch-reduce product over the
 * rectangle's taps.
 *
 * Panels are two vectors of channels wide, or one where no more channels are left:
 * [tap][k4][lanes][4], a k4 being four neighbouring input channels. With one or two input channels
 * that would waste most of a k4, so it takes four neighbours of the flat (ky, kx, channel) order
 * instead, and each run's inputs are collected into that form first.
 */
#ifndef MXDI_KERNELS_CONV_Q8_OP_H
#define MXDI_KERNELS_CONV_Q8_OP_H

#include "kernels/conv_q8/conv_q8.h"
#include "kernels/q8_base/q8_base.h"
#include "kernels/simd/q8.h"
#include "kernels/stem_q8/stem_q8.h"
#include "kernels/winograd_q8/winograd_q8.h"

enum {
    MXDI_CONV_Q8_MAX_ROWS    = 32,
    MXDI_CONV_Q8_COLLECT     = 16384, /* bytes that a collected run may take on the stack */
    MXDI_CONV_Q8_COLLECT_MAX = 2      /* input channels up to which runs are collected */
};

/* One tap as a tile sees it: bytes from the tile's first input, k4s from the panel's first. */
typedef struct mxdi_conv_q8_tap {
    int64_t a, k4;
} mxdi_conv_q8_tap;

/* Four bytes collected into one: distances from the run's first input, -1 for one that the padding
 * takes. */
typedef struct mxdi_conv_q8_quad {
    int64_t a[4];
} mxdi_conv_q8_quad;

typedef struct mxdi_conv_q8_tile {
    const uint8_t          *a;
    int64_t                 a_row, a_step; /* bytes between rows, and between the k4s of a tap */
    const mxdi_conv_q8_tap *taps;
    int32_t                 n_taps, k4; /* k4s of each tap, >= 1 */
    const uint8_t          *w;          /* the panel */
    const int32_t          *bias;       /* its lanes of the three vectors */
    const float            *m, *bias_float;
    void                   *y;
    const uint8_t          *r;     /* with y's strides */
    int64_t                 y_row; /* bytes */
    bool                far;  /* y and r come from memory: those of the next rows are asked for */
    size_t              n;    /* channels to store, >= 1 */
    size_t              pads; /* of an f32 y: lanes behind them that become 0 */
    const mxdi_post_q8 *post;
    int32_t            *set_up; /* of the task: how tile registers are, 0 at first */
    /* What is asked for meanwhile: two streams, a step further with each k4; or, where `ahead` is
     * not 0, the weights that many bytes ahead. Tiles of a few rows ask for nothing. */
    const uint8_t *next[2];
    int64_t        next_step[2], ahead;
} mxdi_conv_q8_tile;

typedef void (*mxdi_conv_q8_tile_fn)(const mxdi_conv_q8_tile *tile);

/* What tiles of one panel have in common. */
typedef struct mxdi_conv_q8_panel {
    const uint8_t *w;              /* with Winograd: transformed, s16 */
    float         *m, *bias_float; /* with Winograd: m/64 */
    size_t         lane;           /* of the bias vectors */
    int32_t        vectors;        /* 1 or 2 */
    int32_t        x, y;    /* the group's first input channel, the panel's first output channel */
    size_t         n, pads; /* as in the tile */
} mxdi_conv_q8_panel;

struct mxdi_conv_q8_kernel {
    const char *name;
    int32_t     lanes;    /* of a vector; 0: the plain definition, the rest is not used */
    int32_t weight_bytes; /* 1: s8, 2: s16 in pairs (terms 0 and 2 of every lane, then 1 and 3) */
    int32_t nothing;      /* the byte that adds nothing: products take inputs less this */
    int32_t rows;         /* tiles of 1 .. rows rows */
    mxdi_conv_q8_tile_fn tile[2][MXDI_CONV_Q8_MAX_ROWS + 1]; /* panel of one or two vectors; rows */
    /* out[q*step + i]: quad q of row i, its first byte lowest. Writes up to 15 rows too many. */
    void (*collect)(uint32_t *out, int64_t step, const uint8_t *a, int64_t a_row, int64_t rows,
                    const mxdi_conv_q8_quad *quads, int32_t n_quads);
    /* All that follows the sums of a tile, (rows, 2*lanes) also in narrow panels; by vectors. */
    void (*finish[2])(const mxdi_conv_q8_tile *tile, const int32_t *sums, int32_t rows);
    /* Behind the last tile of a task. Only of tile registers, whose products are so many that
     * Winograd is slower. */
    void (*leave)(void);
};

#define MXD_Q8(variant, needs, weights) \
    extern const struct mxdi_conv_q8_kernel mxdi_conv_q8_##variant;
#include "kernels/simd/q8.inc"
#undef MXD_Q8
/* Not a row of its own: in place of avx512vnni, whose panels it takes, where that pays. */
extern const struct mxdi_conv_q8_kernel mxdi_conv_q8_amx;

/* What a rectangle of spans sees. */
typedef struct mxdi_conv_q8_pattern {
    int64_t
        first; /* from the input at the window's origin to that of the first tap inside, in bytes */
    size_t  taps, quads; /* indices of its taps and, when collecting, its quads */
    int32_t n_taps, k4;  /* as many quads as taps */
} mxdi_conv_q8_pattern;

/* Where conv_q8_gather.c collects from; the geometry of base is that of the copies. */
typedef struct mxdi_conv_q8_gather {
    mxdi_blocked  x;
    mxdi_window2d window;
    int64_t copy; /* bytes of each column of the window; 0: inputs are used where they stand */
} mxdi_conv_q8_gather;

/* What the files conv_q8_winograd*.c keep; strides in elements. */
typedef struct mxdi_conv_q8_winograd {
    const struct mxdi_winograd_q8 *fn;
    int32_t                        n_panels;         /* the first of all; 0: direct convolution */
    int32_t                        pairs;            /* of input channels */
    int32_t                        tiles_h, tiles_w; /* of an image */
    bool                           heavy;            /* the weights come from memory in each pass */
    int64_t                        band;             /* tiles transformed together at most */
    int64_t                        v_row, v_plane, m_row, m_plane;
    int32_t                       *init; /* (n_lanes) of the constant point */
} mxdi_conv_q8_winograd;

/* A group of output channels as conv_q8_stem.c computes it. */
typedef struct mxdi_conv_q8_stem_group {
    int32_t        first, n; /* output channels */
    const uint8_t *w;
} mxdi_conv_q8_stem_group;

/* What conv_q8_stem.c keeps. Where outputs are pooled, even and odd columns of x lie apart: `side`
 * of them. */
typedef struct mxdi_conv_q8_stem {
    const struct mxdi_stem_q8 *fn;   /* NULL: channels are lanes */
    int32_t                    side; /* outputs of a pool in each direction: 1 or 2 */
    int32_t                    n_taps, n_groups;
    int32_t                    chunks; /* vectors of a line of y */
    int32_t                    lines;  /* of y at a time */
    int32_t                    fours;  /* lines of quads of an input channel and side */
    int64_t                    line;   /* quads of one */
    int64_t                    row;    /* bytes of a row of a plane and side */
    mxdi_stem_q8_tap          *taps;
    mxdi_conv_q8_stem_group   *groups;
    int32_t                   *bias; /* per output channel, as the next two */
    float                     *m, *bias_float;
} mxdi_conv_q8_stem;

struct mxdi_conv_q8 {
    mxdi_q8_base                      base;
    const struct mxdi_conv_q8_kernel *kernel;
    mxdi_conv_q8_desc                 plain; /* for `ref`, its pointers to copies */

    int32_t groups;
    int32_t c_in, c_out;            /* per group */
    int32_t k4;                     /* of one tap; when collecting, of all together */
    int64_t k4_step;                /* bytes between the k4s of a tap: 4, or a pixel or more */
    int32_t collect_rows;           /* collected at a time; 0: inputs are used where they stand */
    mxdi_conv_q8_pattern *patterns; /* (n_y, n_x) of base */
    mxdi_conv_q8_tap     *taps;
    mxdi_conv_q8_quad    *quads;

    int32_t               n_panels;    /* of all groups */
    size_t                n_lanes;     /* of all panels */
    size_t                panel_bytes; /* of direct weights: of a wide panel, of all */
    size_t                w_bytes;
    mxdi_conv_q8_panel   *panels;    /* those of Winograd first */
    int32_t              *bias;      /* (biases of base, lanes) */
    size_t                bias_step; /* lanes, or 0: all rectangles have the same */
    mxdi_conv_q8_winograd winograd;
    mxdi_conv_q8_gather   gather;
    mxdi_conv_q8_stem     stem;
    size_t                scratch_bytes;
};

/* Tasks of Winograd's panels: chunks of tiles times shares of panels, the shares of a chunk in a
 * row. */
typedef struct mxdi_conv_q8_winograd_split {
    mxdi_parts chunks, shares;
} mxdi_conv_q8_winograd_split;

/* One task's share of a run. */
typedef struct mxdi_conv_q8_io {
    const uint8_t *x, *r;
    uint8_t       *y;
    void          *scratch;
    int64_t        blocks;
} mxdi_conv_q8_io;

/* conv_q8.c: create with these tiles instead of the best; of a row of simd/q8.inc within isa, or on
 * its panels. NULL: the best. */
mxd_status mxdi_conv_q8_create_with(mxdi_conv_q8 **out, const mxdi_conv_q8_desc *desc, uint32_t isa,
                                    const struct mxdi_conv_q8_kernel *kernel,
                                    const mxd_allocator *alloc, mxd_error *err);
/* conv_q8_pack.c: panels without weights in the order of their channels; then, behind the plan, the
 * weights and biases of those that are not Winograd's. */
mxd_status mxdi_conv_q8_make_panels(mxdi_conv_q8 *op, const mxdi_q8_epilogue *epilogue,
                                    mxd_error *err);
mxd_status mxdi_conv_q8_pack(mxdi_conv_q8 *op, const int16_t *w, const int32_t *bias,
                             mxd_error *err);
/* conv_q8_plan.c: patterns and taps. */
mxd_status mxdi_conv_q8_plan(mxdi_conv_q8 *op, mxd_error *err);
/* conv_q8_run.c: a partition of the work, and the loops around the tiles. */
size_t mxdi_conv_q8_direct_tasks(const mxdi_conv_q8 *op, int64_t blocks);
void   mxdi_conv_q8_direct_run(const mxdi_conv_q8 *op, const mxdi_conv_q8_io *io, size_t begin,
                               size_t end);
/* conv_q8_gather.c: whether it should be, before the plan; replaces the geometry; fills scratch. */
bool mxdi_conv_q8_gather_pays(const mxdi_conv_q8 *op);
void mxdi_conv_q8_gather_init(mxdi_conv_q8 *op);
void mxdi_conv_q8_gather_block(const mxdi_conv_q8 *op, uint8_t *to, const uint8_t *x,
                               int64_t block);
/* conv_q8_winograd.c: whether it can be; whether it should be; its part of op, perhaps without
 * panels; its tasks. */
bool       mxdi_conv_q8_winograd_fits(const mxdi_conv_q8 *op);
bool       mxdi_conv_q8_winograd_pays(const mxdi_conv_q8 *op, int64_t blocks);
mxd_status mxdi_conv_q8_winograd_init(mxdi_conv_q8 *op, const mxdi_conv_q8_desc *desc,
                                      mxd_error *err);
mxdi_conv_q8_winograd_split mxdi_conv_q8_winograd_cut(const mxdi_conv_q8 *op, int64_t blocks);
size_t                      mxdi_conv_q8_winograd_tasks(const mxdi_conv_q8 *op, int64_t blocks);
/* conv_q8_winograd_run.c */
void mxdi_conv_q8_winograd_run(const mxdi_conv_q8 *op, const mxdi_conv_q8_io *io, size_t begin,
                               size_t end);
/* conv_q8_winograd_pack.c: puts the panels in which it is exact first; their weights. */
void       mxdi_conv_q8_winograd_take(mxdi_conv_q8 *op, const mxdi_conv_q8_desc *desc);
mxd_status mxdi_conv_q8_winograd_pack(mxdi_conv_q8 *op, const mxdi_conv_q8_desc *desc,
                                      mxd_error *err);
/* conv_q8_stem.c: whether it is asked for or pays, and can be; its part of op; its tasks. */
bool       mxdi_conv_q8_takes_stem(mxdi_conv_q8 *op, const mxdi_conv_q8_desc *desc);
mxd_status mxdi_conv_q8_stem_init(mxdi_conv_q8 *op, const mxdi_conv_q8_desc *desc, mxd_error *err);
size_t     mxdi_conv_q8_stem_tasks(const mxdi_conv_q8 *op, int64_t blocks);
void       mxdi_conv_q8_stem_run(const mxdi_conv_q8 *op, const mxdi_conv_q8_io *io, size_t begin,
                                 size_t end);
/* conv_q8_ref.c: the plain definition; output row `row` of block `block`. */
void mxdi_conv_q8_run_ref(const mxdi_conv_q8_desc *desc, const uint8_t *x, const uint8_t *r,
                          void *y, int64_t block, int32_t row);
#endif
