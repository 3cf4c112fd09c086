/* SPDX-License-Identifier: Apache-2.0
 *
 * Calibration: what was observed of each float tensor of a canonical graph, by tensor name. Made by running the float engine
 * over data, or read from a file (docs/recipe.md).
 */
#ifndef MXDI_QUANT_CALIBRATION_H
#define MXDI_QUANT_CALIBRATION_H

#include "base/arena.h"
#include "engine/feed.h"
#include "quant/observer.h"

typedef struct mxdi_tensor_stats {
    const char    *name;
    mxdi_observer *observer;    /* NULL: only a range is known (files of NNI) */
    float          min, max;    /* seen */
    float          low, high;   /* by the calibration's method, 8 bits */
    float         *channel_min, *channel_max; /* (channels) of the second axis, or NULL */
    double        *channel_sum; /* (channels) for bias correction, or NULL */
    uint32_t       channels;
    uint64_t       per_channel; /* values seen of each channel */
} mxdi_tensor_stats;

typedef struct mxdi_calibration {
    mxdi_arena         arena;
    mxdi_tensor_stats *tensor; /* in the order of the graph */
    uint32_t           n_tensors;
    mxdi_shape_binding *input; /* shapes of the samples by network input, the batch left open */
    uint32_t           n_inputs;
    mxdi_method        method;
    int64_t            samples;
} mxdi_calibration;

typedef struct mxdi_calibrate_options {
    mxdi_method method;
    int64_t     batches;  /* of 32 samples at most; 0: all samples, 1024 at most */
    uint32_t    threads;
    int (*progress)(void *user, double done);
    void       *user;
} mxdi_calibrate_options;

/* Observe every tensor that may be quantized. `graph` as imported; only read. */
mxd_status mxdi_calibrate(mxdi_calibration **out, const mxdi_graph *graph, const mxdi_source *source, const mxdi_calibrate_options *options,
                          const mxdi_registry *registry, const mxd_allocator *alloc, mxd_error *err);
void       mxdi_calibration_destroy(mxdi_calibration *c);
const mxdi_tensor_stats *mxdi_calibration_find(const mxdi_calibration *c, const char *name); /* NULL: not observed */
/* The range for integers of `bits` bits: by `method` (-1: the calibration's) where a histogram is there, else the one in the file. */
void       mxdi_calibration_range(float *low, float *high, const mxdi_calibration *c, const mxdi_tensor_stats *t, int method, uint32_t bits, bool symmetric);

mxd_status mxdi_calibration_save(const mxdi_calibration *c, const char *path, mxd_error *err);
mxd_status mxdi_calibration_load(mxdi_calibration **out, const char *path, const mxd_allocator *alloc, mxd_error *err);
mxd_status mxdi_calibration_parse(mxdi_calibration **out, mxdi_view json, const mxd_allocator *alloc, mxd_error *err);
#endif
