/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of QDQ fusion: the state of one run, and how integer values and nodes are put
 * into the graph.
 */
#ifndef MXDI_ENGINE_FUSE_EMIT_H
#define MXDI_ENGINE_FUSE_EMIT_H

#include "engine/fuse.h"

/* The quantizer whose integers are wanted: scale, zero point, storage, and the range left by clamps
 * behind it. */
typedef struct mxdi_qspec {
    float     s;
    int32_t   z, q_min, q_max;
    mxd_dtype dtype; /* MXD_F32: no quantizer, reals are wanted (s = 1, z = 0) */
} mxdi_qspec;

enum { MXDI_FUSE_DEPTH = 64 }; /* float nodes between two quantizers; deeper chains stay float */

typedef struct mxdi_fuser {
    mxdi_graph *g;
    mxdi_links  links; /* of the graph as it was when the stage began */
    uint32_t
        *moved; /* (links' n_values) integer form of moved dequantized values, or MXD_NO_VALUE */
    uint32_t n_values;
    uint32_t path[MXDI_FUSE_DEPTH +
                  8]; /* nodes between the quantizer and here: origins of what is emitted */
    uint32_t n_path;
} mxdi_fuser;

/* An integer operand: its value and parameters. */
typedef struct mxdi_stored {
    uint32_t    value;
    mxdi_affine affine;
    bool        found;
} mxdi_stored;

/* The integers behind a float value that is dequantized, perhaps moved (reshaped, transposed ...)
 * after it. */
mxd_status mxdi_fuse_stored(mxdi_stored *out, mxdi_fuser *f, uint32_t value, mxd_error *err);
/* Conv, Gemm or MatMul at node `n` on integers, in steps of `spec`; *out MXD_NO_VALUE: no integer
 * definition. residual (NULL: none) is added without a quantizer in between; residual_first: it is
 * Add's first input. */
mxd_status mxdi_fuse_accumulate(uint32_t *out, mxdi_fuser *f, uint32_t n, const mxdi_qspec *spec,
                                uint32_t target, const mxdi_stored *residual, bool residual_first,
                                mxd_error *err);

/* `value` as a table of the integers that it is made of (fuse_lookup.c), or those integers where
 * nothing changes; *out MXD_NO_VALUE: it is no function of one small integer. */
mxd_status mxdi_fuse_lookup(uint32_t *out, mxdi_fuser *f, uint32_t value, const mxdi_qspec *spec,
                            uint32_t target, mxd_error *err);

/* A new integer value (or `target` when given) of like's shape, with spec's type and parameters. */
mxd_status mxdi_emit_value(uint32_t *out, mxdi_fuser *f, uint32_t like, const mxdi_qspec *spec,
                           uint32_t target, mxd_error *err);
/* A node whose origins are the path and, if not MXD_NO_VALUE, node `origin`. */
mxd_status mxdi_emit_node(mxd_node **out, mxdi_fuser *f, const char *op, const char *domain,
                          const uint32_t *in, uint32_t n_in, uint32_t value_out, uint32_t origin,
                          mxd_error *err);
/* A one-dimensional constant, copied. */
mxd_status mxdi_emit_constant(uint32_t *out, mxdi_graph *g, mxd_dtype dtype, const void *data,
                              uint32_t n, mxd_error *err);
/* y_zero_point, q_min, q_max. */
mxd_status mxdi_emit_range(mxdi_fuser *f, mxd_node *node, const mxdi_qspec *spec, mxd_error *err);
/* Per tensor and of 8 or 4 bits: what kernels and tables take. */
bool mxdi_stored_is_small(const mxdi_stored *s);
#endif
