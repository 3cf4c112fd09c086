/* SPDX-License-Identifier: Apache-2.0
 *
 * The operator behind conv_f32.h, for the files of this folder.
 */
#ifndef MXDI_KERNELS_CONV_F32_IMPL_H
#define MXDI_KERNELS_CONV_F32_IMPL_H

#include <stdbool.h>

#include "kernels/conv_f32/conv_f32.h"
#include "kernels/tile_f32/tile_f32.h"
#include "kernels/window.h"
#include "kernels/winograd_f32/winograd_f32.h"

/* What conv_f32_winograd.c keeps; strides in floats. */
typedef struct mxdi_conv_f32_winograd {
    const struct mxdi_winograd_f32 *fn;               /* NULL: direct convolution */
    int32_t                         tiles_h, tiles_w; /* of an image */
    int64_t                         band;             /* tiles transformed together at most */
    int32_t                         group;            /* panels multiplied together */
    int64_t                         v_row, v_plane, m_row, m_plane;
} mxdi_conv_f32_winograd;

struct mxdi_conv_f32 {
    const mxd_allocator        *alloc;
    mxdi_conv_f32_desc          desc; /* w, view and bias are not kept */
    mxdi_weight_view            view;
    const struct mxdi_tile_f32 *tile; /* NULL: ref */
    char                        name[40];
    float *weights; /* ref: as given, rounded where bf16; else [group][panel][tap][word][lanes] */
    float *bias;    /* ref: (c_out); else [group][panels * full lanes] */
    size_t weight_bytes, bias_bytes;
    mxdi_span             *rows, *cols;
    int32_t                n_rows, n_cols;
    int32_t                c_in, c_out;   /* per group */
    int32_t                words, panels; /* per tap and group; per group */
    int64_t                group_words;
    bool                   prepared;  /* tiles read x's words from scratch */
    bool                   heavy;     /* the weights do not stay in L2 */
    int64_t                band_rows; /* tile rows of a band at most */
    size_t                 scratch_bytes;
    mxdi_conv_f32_winograd winograd;
};

/* One task's share of a run. */
typedef struct mxdi_conv_f32_io {
    const float *x, *r;
    float       *y, *scratch;
    int64_t      blocks;
} mxdi_conv_f32_io;

/* conv_f32_ref.c: tasks are output rows. */
void mxdi_conv_f32_ref(const mxdi_conv_f32 *op, const mxdi_conv_f32_io *io, int64_t begin,
                       int64_t end);

/* conv_f32_pack.c: room for weights and bias, and both as the tile wants them, transformed with
 * Winograd. bias may be NULL. */
mxd_status mxdi_conv_f32_pack_init(mxdi_conv_f32 *op, mxd_error *err);
void       mxdi_conv_f32_pack(const mxdi_conv_f32 *op, const float *w, const float *bias);
/* Lanes of the last panel of a group; words of one group's panels at one depth. */
int32_t mxdi_conv_f32_last_lanes(const mxdi_conv_f32 *op);
int64_t mxdi_conv_f32_group_lanes(const mxdi_conv_f32 *op);

/* conv_f32_plan.c: outputs are cut into bands, bands and panels into tasks. */
typedef struct mxdi_conv_f32_plan {
    enum { MXDI_BAND_BLOCKS, MXDI_BAND_ROWS, MXDI_BAND_COLS } kind;
    int64_t size; /* BLOCKS: blocks of a band; else bands of one image, or of one row */
    int64_t bands;
    int64_t chunks, shares; /* of bands, of panels; tasks = chunks * shares */
} mxdi_conv_f32_plan;

/* A rectangle of outputs: ranges of blocks, rows and columns. */
typedef struct mxdi_conv_f32_band {
    int64_t b0, b1;
    int32_t y0, y1, x0, x1;
} mxdi_conv_f32_band;

mxdi_conv_f32_plan mxdi_conv_f32_plan_make(const mxdi_conv_f32 *op, int64_t blocks);
mxdi_conv_f32_band mxdi_conv_f32_band_at(const mxdi_conv_f32 *op, const mxdi_conv_f32_plan *plan,
                                         int64_t blocks, int64_t i);
/* Inputs under a band: blocks as the band's, rows and columns inside the image, perhaps none. */
mxdi_conv_f32_band mxdi_conv_f32_band_input(const mxdi_conv_f32      *op,
                                            const mxdi_conv_f32_band *band);
/* Sets band_rows, heavy and scratch_bytes; MXD_E_RANGE when the scratch overflows. */
mxd_status mxdi_conv_f32_plan_init(mxdi_conv_f32 *op, mxd_error *err);
/* Words between two pixels of prepared input. */
int64_t mxdi_conv_f32_prepared_pitch(const mxdi_conv_f32 *op);

/* conv_f32_direct.c */
void mxdi_conv_f32_direct(const mxdi_conv_f32 *op, const mxdi_conv_f32_io *io, size_t begin,
                          size_t end);

/* conv_f32_winograd.c: whether it can be; whether it should be; its part of op and scratch_bytes;
 * its tasks. */
bool       mxdi_conv_f32_winograd_fits(const mxdi_conv_f32 *op, uint32_t isa);
bool       mxdi_conv_f32_winograd_pays(const mxdi_conv_f32 *op);
mxd_status mxdi_conv_f32_winograd_init(mxdi_conv_f32 *op, uint32_t isa, mxd_error *err);
size_t     mxdi_conv_f32_winograd_tasks(const mxdi_conv_f32 *op, int64_t blocks);
void mxdi_conv_f32_winograd_run(const mxdi_conv_f32 *op, const mxdi_conv_f32_io *io, size_t begin,
                                size_t end);
#endif
