/* SPDX-License-Identifier: Apache-2.0
 *
 * Two engines beside each other, layer by layer, and one engine beside the definition of its
 * integers.
 */
#ifndef MXDI_ENGINE_COMPARE_H
#define MXDI_ENGINE_COMPARE_H

#include "engine/feed.h"

/* An engine of the same graph, backend and instruction set whose outputs are those of its layers:
 * for each Conv, Gemm and MatMul the value behind it and those of its clamps that `other` has there
 * too, so that both show what means the same; as integers where a quantizer follows. node[k] names
 * output k's layer. */
mxd_status mxdi_engine_expose(mxdi_engine **out, const char ***node, uint32_t *n, mxdi_arena *arena,
                              const mxdi_engine *e, const mxdi_engine *other,
                              const mxdi_registry *registry, mxd_error *err);

/* Runs `in` with a trace and recomputes, with the reference interpreter, each integer value whose
 * inputs the engine holds: regions one by one, each from the engine's own integers. *checked
 * values, *differing of them. */
mxd_status mxdi_engine_check(uint32_t *checked, uint32_t *differing, const mxdi_engine *e,
                             uint32_t threads, const mxd_tensor *in, uint32_t n_in,
                             const mxd_tensor *out, uint32_t n_out, mxd_error *err);
#endif
