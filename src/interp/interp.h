/* SPDX-License-Identifier: Apache-2.0
 *
 * The reference executor: every op in plain C, one element after the other, as its definition
 * reads. It is the oracle of the tests, folds constants, and is a backend ("interp"). It shares no
 * code with src/kernels.
 *
 * Numerics: integers by docs/graph-ops.md. Float Conv, Gemm, MatMul and their fused forms are one
 * binary32 `fmaf` chain per output: bias first (0 when absent), then the taps in row-major order of
 * the window, and for each tap the channels ascending (MatMul: k ascending); taps outside the image
 * are skipped. Everything else in float is computed in binary64 and rounded once.
 */
#ifndef MXDI_INTERP_INTERP_H
#define MXDI_INTERP_INTERP_H

#include <stdbool.h>

#include "mixdown/backend.h"

/* The backend "interp": one device, plain C, single-threaded. Option "isa" is accepted and changes
 * nothing. */
const mxd_backend_api *mxdi_interp_backend(void);

bool mxdi_interp_has(const char *op, const char *domain);

/* Why no reference kernel runs `node` with its values' types (static text), or NULL. `values` is
 * the graph's array. */
const char *mxdi_interp_refuses(const mxd_node *node, const mxd_value *values);

/* Run one node. `values` is the graph's value array, which node->in and node->out index (qparams
 * are read from it). in: (n_in), data NULL where an optional input is left out. out: (n_out),
 * dtype, rank and dims set and data allocated by the caller, data NULL where not wanted; dims are
 * the law where attributes or inputs say the same thing again. Scratch comes from `alloc`, at most
 * mxdi_interp_scratch() bytes, all freed on return. Messages start with the op and the node's name.
 * Inputs and outputs may not overlap. Safe from any thread. */
mxd_status mxdi_interp_node(const mxd_node *node, const mxd_value *values, const mxd_tensor *in,
                            mxd_tensor *out, const mxd_allocator *alloc, mxd_error *err);

/* Upper bound of what mxdi_interp_node allocates for tensors of these shapes (data is not read). */
size_t mxdi_interp_scratch(const mxd_node *node, const mxd_tensor *in, const mxd_tensor *out);

#endif
