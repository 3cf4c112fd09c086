/* SPDX-License-Identifier: Apache-2.0
 * Data sets: files behind one specification, read as samples that are ready for the network.
 *
 * A specification is a preset ("fashion-mnist", "fashion-mnist:train"),
 * "KIND:FILE[,FILE...][,key=value...]", or
 * "@FILE.json" with the same keys; docs/data.md owns the details. */
#ifndef MXDI_DATA_DATA_H
#define MXDI_DATA_DATA_H

#include <stdbool.h>

#include "base/arena.h"
#include "mixdown/base.h"

typedef struct mxdi_data mxdi_data;

typedef struct mxdi_numbers {
    const float *at;
    uint32_t     n;
} mxdi_numbers;
/* (raw * scale - mean) / std, each one number or one per channel. */
typedef struct mxdi_data_scaling {
    mxdi_numbers scale, mean, std;
} mxdi_data_scaling;

/* "scale=1/255,mean=0.49:0.48:0.45": those three keys of a specification and no others; what is not
 * given is 1, 0, 1. Numbers live in `arena`. */
mxd_status mxdi_data_scaling_parse(mxdi_data_scaling *out, const char *text, mxdi_arena *arena,
                                   mxd_error *err);

/* One input of the network, one sample of it: no batch dimension. */
typedef struct mxdi_data_input {
    const char *name; /* of the network's input, or NULL: by position */
    mxd_dtype
        dtype; /* MXD_F32 where scaled; integers of `npz` inputs and of `onnx` keep their type */
    int32_t rank;
    int64_t dim[MXD_MAX_RANK]; /* (C, H, W) for pictures */
    int64_t elements;          /* product of dim */
    size_t  bytes;             /* of one sample */
} mxdi_data_input;

/* Opens and checks everything but the pixels of `images`. MXD_E_USAGE: the specification is wrong;
 * all that is wrong with its keys is told at once, before any file is looked at. */
mxd_status mxdi_data_open(mxdi_data **out, const char *spec, const mxd_allocator *alloc,
                          mxd_error *err);
void       mxdi_data_close(mxdi_data *d); /* NULL is fine */

int64_t  mxdi_data_samples(const mxdi_data *d);  /* after skip and subset; at least 1 */
uint32_t mxdi_data_n_inputs(const mxdi_data *d); /* at least 1 */
const mxdi_data_input *mxdi_data_input_at(const mxdi_data *d, uint32_t input);
const int64_t         *mxdi_data_labels(const mxdi_data *d); /* (samples), or NULL: not labelled */

/* Samples first .. first+count-1 of one input, dense, into out: (raw * scale - mean) / std in
 * binary32, one rounding per operation. May be called from several threads at once. */
mxd_status mxdi_data_read(const mxdi_data *d, uint32_t input, int64_t first, int64_t count,
                          void *out, mxd_error *err);
/* Whether samples of an input are bytes in the file that stand for numbers: u8 that is scaled. */
bool mxdi_data_is_bytes(const mxdi_data *d, uint32_t input);
/* Of such an input: raw bytes, not scaled, (C, H, W) as mxdi_data_read orders them, or (H, W, C)
 * with channels_last. */
mxd_status mxdi_data_read_bytes(const mxdi_data *d, uint32_t input, int64_t first, int64_t count,
                                bool channels_last, uint8_t *out, mxd_error *err);
/* The same as mxdi_data_read for the samples index[0] .. index[count-1]. */
mxd_status mxdi_data_gather(const mxdi_data *d, uint32_t input, const int64_t *index, int64_t count,
                            void *out, mxd_error *err);
#endif
