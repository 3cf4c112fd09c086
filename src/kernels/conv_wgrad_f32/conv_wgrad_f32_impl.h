/* SPDX-License-Identifier: Apache-2.0
 *
 * The operator behind conv_wgrad_f32.h, and the contract of its vector kernels.
 *
 * A gradient is a product: rows are input channels, lanes are output channels, and what is summed
 * over are the outputs, pixels and images, of one tap at a time. Rows are cut in strips and lanes
 * in panels, so that one strip times one panel stays in registers; outputs are cut in cells, whose
 * packed strip and panels stay in L2. A piece is a range of cells; each has sums of its own in the
 * workspace: [piece][group][panel][row][tap][lane], which `finish` adds up and transposes.
 *
 * Depthwise there is one row: the panel's own channels, lane by lane. Winograd's algorithm has its
 * own cells; their sums are the same.
 */
#ifndef MXDI_KERNELS_CONV_WGRAD_F32_IMPL_H
#define MXDI_KERNELS_CONV_WGRAD_F32_IMPL_H

#include <stdbool.h>

#include "base/cpu.h"
#include "kernels/conv_wgrad_f32/conv_wgrad_f32.h"
#include "kernels/window.h"
#include "kernels/winograd_f32/winograd_f32.h"

enum {
    MXDI_CONV_WGRAD_F32_MAX_ROWS = 14,
    MXDI_CONV_WGRAD_F32_UNIT     = 4 /* panels of a task at most: they share a packed strip */
};

/* c[row*c_row + lane] += sum over the walk of x[row] * y[lane]: its x are steps of x, its y of y.
 */
typedef struct mxdi_conv_wgrad_f32_args {
    const float *x, *y;
    mxdi_walk    walk; /* three dimensions, those not needed of one step */
    float       *c;
    int64_t      c_row;
    bool         fresh; /* c = in place of c += */
} mxdi_conv_wgrad_f32_args;

typedef void (*mxdi_conv_wgrad_f32_fn)(const mxdi_conv_wgrad_f32_args *args);

struct mxdi_conv_wgrad_f32_variant {
    const char *name;
    uint32_t    needs;
    int32_t     rows;         /* of a strip at most */
    int32_t     full, narrow; /* lanes of a panel; the last may be narrow */
    int32_t     strip;        /* width of a strip, at least `rows`: full or narrow */
    /* By the number of rows; [0] is NULL. */
    mxdi_conv_wgrad_f32_fn full_fn[MXDI_CONV_WGRAD_F32_MAX_ROWS + 1];
    mxdi_conv_wgrad_f32_fn narrow_fn[MXDI_CONV_WGRAD_F32_MAX_ROWS + 1];
    /* x[lane] in place of x[row], narrow. */
    mxdi_conv_wgrad_f32_fn depthwise;
    /* dst[i*width + j] = src[i*step + j] for i < n and j < used, 0 for used <= j < width: full or
     * narrow. */
    void (*pack)(float *dst, int32_t width, const float *src, int64_t step, int64_t n,
                 int32_t used);
    /* dst[j*dst_row + i] = sum over p < pieces of src[p*piece + i*lanes + j], i < n and j < used.
     */
    void (*finish)(float *dst, int64_t dst_row, const float *src, int64_t piece, int64_t pieces,
                   int32_t lanes, int32_t used, int64_t n);
};

/* What conv_wgrad_f32_winograd.c keeps; steps in floats. */
typedef struct mxdi_conv_wgrad_f32_winograd {
    const struct mxdi_winograd_f32 *fn; /* NULL: sums of products as they are */
    int32_t                         tiles_h, tiles_w;
    int32_t                         strips; /* transformed together at most */
    int64_t                         x_row, x_plane, y_plane;
} mxdi_conv_wgrad_f32_winograd;

struct mxdi_conv_wgrad_f32 {
    const mxd_allocator                      *alloc;
    mxdi_conv_wgrad_f32_desc                  desc;
    const struct mxdi_conv_wgrad_f32_variant *variant; /* NULL: ref */
    bool                                      depthwise;
    int32_t                                   groups;      /* 1 if depthwise */
    int32_t                                   c_in, c_out; /* per group; c_in is 1 if depthwise */
    int64_t                                   taps;
    int32_t                                   full; /* lanes of a panel but the last of a group */
    int32_t                                   panels, strips; /* per group */
    int32_t                                   unit;           /* panels of a task at most */
    int64_t                                   group_lanes;
    int64_t                                   piece_words; /* sums of one piece, in floats */
    int64_t                                   depth; /* outputs of a cell, where it can be chosen */
    size_t                                    y_bytes, scratch_bytes;
    mxdi_conv_wgrad_f32_winograd              winograd;
    char                                      name[40];
};

/* How one run is cut; of shapes and the number of blocks only. */
typedef struct mxdi_conv_wgrad_f32_plan {
    int64_t blocks;                /* with Winograd: tiles */
    int64_t b, y, x;               /* cells along blocks, rows, columns */
    int64_t pieces, units, shares; /* tasks: pieces x units of panels x shares of the strips */
} mxdi_conv_wgrad_f32_plan;

/* Outputs of a cell; with Winograd all of tiles [b0, b1). */
typedef struct mxdi_conv_wgrad_f32_cell {
    int64_t b0, b1;
    int32_t y0, y1, x0, x1;
} mxdi_conv_wgrad_f32_cell;

/* conv_wgrad_f32_plan.c: depth, and the sizes of scratch. */
mxd_status               mxdi_conv_wgrad_f32_plan_init(mxdi_conv_wgrad_f32 *op, mxd_error *err);
mxdi_conv_wgrad_f32_plan mxdi_conv_wgrad_f32_plan_make(const mxdi_conv_wgrad_f32 *op,
                                                       int64_t                    blocks);
mxdi_conv_wgrad_f32_cell mxdi_conv_wgrad_f32_cell_at(const mxdi_conv_wgrad_f32      *op,
                                                     const mxdi_conv_wgrad_f32_plan *plan,
                                                     int64_t                         i);
/* Lanes of panel p of a group; the first row of strip s. */
int32_t mxdi_conv_wgrad_f32_lanes(const mxdi_conv_wgrad_f32 *op, int32_t p);
int32_t mxdi_conv_wgrad_f32_strip(const mxdi_conv_wgrad_f32 *op, int32_t s);

/* One task: panels [p0, p1) and strips [s0, s1) of a group over cells [c0, c1). */
typedef struct mxdi_conv_wgrad_f32_task {
    int64_t piece;
    int32_t group, p0, p1, s0, s1;
    int64_t c0, c1;
} mxdi_conv_wgrad_f32_task;

mxdi_conv_wgrad_f32_task mxdi_conv_wgrad_f32_task_at(const mxdi_conv_wgrad_f32      *op,
                                                     const mxdi_conv_wgrad_f32_plan *plan,
                                                     int64_t                         i);

/* Where things are. */
typedef struct mxdi_conv_wgrad_f32_places {
    const float *x, *dy;
    float       *sums; /* of the piece */
    float       *strip, *panels;
} mxdi_conv_wgrad_f32_places;

/* The sums of row `row` of panel p of a group in those of a piece. */
float *mxdi_conv_wgrad_f32_sums(const mxdi_conv_wgrad_f32 *op, float *sums, int32_t group,
                                int32_t p, int32_t row);

/* conv_wgrad_f32_winograd.c: whether it can be; whether it should be; its part of op, depth and
 * sizes of scratch; tiles of some blocks; what a cell adds to the sums of a task. */
bool    mxdi_conv_wgrad_f32_winograd_fits(const mxdi_conv_wgrad_f32 *op, uint32_t isa);
bool    mxdi_conv_wgrad_f32_winograd_pays(const mxdi_conv_wgrad_f32 *op);
void    mxdi_conv_wgrad_f32_winograd_init(mxdi_conv_wgrad_f32 *op, uint32_t isa);
int64_t mxdi_conv_wgrad_f32_winograd_tiles(const mxdi_conv_wgrad_f32 *op, int64_t blocks);
void    mxdi_conv_wgrad_f32_winograd_cell(const mxdi_conv_wgrad_f32        *op,
                                          const mxdi_conv_wgrad_f32_task   *t,
                                          const mxdi_conv_wgrad_f32_places *at,
                                          const mxdi_conv_wgrad_f32_cell   *cell);

/* conv_wgrad_f32_run.c */
void mxdi_conv_wgrad_f32_run_tasks(const mxdi_conv_wgrad_f32 *op, const float *x, const float *dy,
                                   float *workspace, void *scratch, int64_t blocks, size_t begin,
                                   size_t end);

/* conv_wgrad_f32_ref.c: output channels [begin, end), as dw has them. */
void mxdi_conv_wgrad_f32_ref(const mxdi_conv_wgrad_f32 *op, const float *x, const float *dy,
                             float *dw, int64_t blocks, int64_t begin, int64_t end);
#endif
