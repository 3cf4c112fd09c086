/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers for the open dimensions of network inputs. Private to src/passes.
 */
#ifndef MXDI_PASSES_BIND_INPUTS_H
#define MXDI_PASSES_BIND_INPUTS_H

#include "passes/passes.h"

/* As mxdi_bind_shapes says, for the inputs alone. *batch_symbol: the name of the batch dimension
 * ("" when it has none), or NULL: there is no batch dimension. */
mxd_status mxdi_bind_inputs(mxdi_graph *g, const mxdi_shape_binding *b, uint32_t n, int64_t batch,
                            const char **batch_symbol, mxd_error *err);
#endif
