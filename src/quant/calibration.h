/* SPDX-License-Identifier: Apache-2.0
 *
 * Calibration: what was observed of each float tensor of a canonical graph, by tensor name. Made by
 * running the float engine over data, or read from a file (docs/recipe.md).
 */
#ifndef MXDI_QUANT_CALIBRATION_H
#define MXDI_QUANT_CALIBRATION_H

#include <jansson.h>

#include "base/arena.h"
#include "engine/feed.h"
#include "quant/observer.h"

typedef struct mxdi_tensor_stats {
    const char    *name;
    mxdi_observer *observer;                  /* NULL: only a range is known (files of NNI) */
    float          min, max;                  /* seen */
    float          low, high;                 /* by the calibration's method, 8 bits */
    float         *channel_min, *channel_max; /* (channels) of the second axis, or NULL */
    double        *channel_sum;               /* (channels) for bias correction, or NULL */
    uint32_t       channels;
    uint64_t       per_channel; /* values seen of each channel */
    float scale; /* > 0: told with the range, for integers of `bits` bits; such a file says all
                    (files of NNI) */
    int32_t  zero_point; /* in integers from 0 to 2^bits - 1 */
    uint32_t bits;
} mxdi_tensor_stats;

/* What NNI's calibration_config tells of a module (calibration_nni.c). */
typedef struct mxdi_module_stats {
    const char              *name;
    const mxdi_tensor_stats *input[2], *output; /* NULL: nothing is told */
    bool           nested; /* v3: the output is the module's own, before a BatchNormalization */
    bool           has_weight;
    uint32_t       weight_bits;       /* of the scales */
    const float   *weight_scale;      /* (n_scales), NULL: none is told */
    const int32_t *weight_zero_point; /* (n_scales) */
    uint32_t       n_scales;
    enum {
        MXDI_EITHER,
        MXDI_SIGNED,
        MXDI_UNSIGNED
    } weight_type; /* of the integers that the zero points are among */
} mxdi_module_stats;

typedef struct mxdi_calibration {
    mxdi_arena         arena;
    mxdi_tensor_stats *tensor; /* in the order of the graph */
    uint32_t           n_tensors;
    mxdi_module_stats *module; /* a file of NNI: tensors are those of modules, and no graph's before
                                  mxdi_calibration_bind */
    uint32_t            n_modules;
    mxdi_shape_binding *input; /* shapes of the samples by network input, the batch left open */
    uint32_t            n_inputs;
    mxdi_method         method;
    int64_t             samples;
} mxdi_calibration;

typedef struct mxdi_calibrate_options {
    mxdi_method method;
    int64_t     batches; /* of 32 samples at most; 0: all samples, 1024 at most */
    uint32_t    threads;
    int (*progress)(void *user, double done);
    void *user;
} mxdi_calibrate_options;

/* Observe every tensor that may be quantized. `graph` as imported; only read. */
mxd_status mxdi_calibrate(mxdi_calibration **out, const mxdi_graph *graph,
                          const mxdi_source *source, const mxdi_calibrate_options *options,
                          const mxdi_registry *registry, const mxd_allocator *alloc,
                          mxd_error *err);
/* Shapes of `graph`'s inputs as the samples have them, for dimensions that it leaves open; on
 * `arena`. */
mxd_status mxdi_calibration_shapes(mxdi_shape_binding **out, uint32_t *n, mxdi_arena *arena,
                                   const mxdi_graph *graph, const mxdi_source *source,
                                   mxd_error *err);
void       mxdi_calibration_destroy(mxdi_calibration *c);
const mxdi_tensor_stats *mxdi_calibration_find(const mxdi_calibration *c,
                                               const char *name); /* NULL: not observed */
/* The range for integers of `bits` bits: by `method` (-1: the calibration's) where a histogram is
 * there, else the one in the file. */
void mxdi_calibration_range(float *low, float *high, const mxdi_calibration *c,
                            const mxdi_tensor_stats *t, int method, uint32_t bits, bool symmetric);

/* ---- NNI's calibration_config (docs/recipe.md) ---- */
/* Whether JSON that is no calibration of ours is one of NNI's: an object of objects. */
bool       mxdi_calibration_is_nni(const json_t *root);
mxd_status mxdi_calibration_read_nni(mxdi_calibration *c, const json_t *root, mxd_error *err);
/* *out: `c` where its tensors are a graph's, else tensors of `g` with what the modules tell of
 * them, on the graph's arena. MXD_E_USAGE lists modules with weights that are no layer of `g`. */
mxd_status mxdi_calibration_bind(const mxdi_calibration **out, const mxdi_calibration *c,
                                 mxdi_graph *g, mxd_error *err);
/* What is told of the module that `node` is; NULL: nothing. */
const mxdi_module_stats *mxdi_calibration_module(const mxdi_calibration *c, const mxdi_graph *g,
                                                 const mxd_node *node);
/* Scales, zero points and ranges of a QDQ graph as NNI's quantizers export them, v2 (flat keys) or
 * v3 (nested), which the functions above read back to the same numbers. `qdq` is only read. */
typedef enum mxdi_nni_dialect { MXDI_NNI_V2, MXDI_NNI_V3 } mxdi_nni_dialect;
mxd_status mxdi_calibration_write_nni(const char *path, const mxdi_graph *qdq,
                                      mxdi_nni_dialect dialect, mxd_error *err);

mxd_status mxdi_calibration_save(const mxdi_calibration *c, const char *path, mxd_error *err);
mxd_status mxdi_calibration_load(mxdi_calibration **out, const char *path,
                                 const mxd_allocator *alloc, mxd_error *err);
mxd_status mxdi_calibration_parse(mxdi_calibration **out, mxdi_view json,
                                  const mxd_allocator *alloc, mxd_error *err);
#endif
