/* SPDX-License-Identifier: Apache-2.0
 *
 * A float graph and its quantized form run side by side over data, as far as one layer after
 * another needs. What both have computed is kept where it fits, so that in the end each node has
 * run about once, and a layer that was changed in between is seen by all behind it.
 */
#ifndef MXDI_QUANT_PREFIX_H
#define MXDI_QUANT_PREFIX_H

#include "engine/feed.h"

typedef struct mxdi_prefix mxdi_prefix;

typedef struct mxdi_prefix_options {
    const mxdi_registry *registry;
    const mxdi_source   *source;
    int64_t              samples;    /* at most so many of the source's */
    size_t               kept_bytes; /* room for what is kept; wider places are computed again */
    uint32_t             threads;
} mxdi_prefix_options;

/* `graph` is canonical, with inferred shapes; `quantized` was made from it: nodes and values that
 * both have carry one name. Both must outlive *out. */
mxd_status mxdi_prefix_open(mxdi_prefix **out, const mxdi_graph *graph, const mxdi_graph *quantized,
                            const mxdi_prefix_options *options, mxd_error *err);
void       mxdi_prefix_close(mxdi_prefix *p);

/* Samples [first, first + count): what the layer reads in the float and in the quantized graph. */
typedef mxd_status (*mxdi_prefix_fn)(void *user, const mxd_tensor *x, const mxd_tensor *quantized,
                                     int64_t first, int64_t count, mxd_error *err);
/* Input 0 of node `n` of the float graph and of the quantized graph's node of its name, over all
 * samples in order. From one call to the next, n rises; constants of the quantized graph's nodes
 * may have changed, of those from the last n on. */
mxd_status mxdi_prefix_run(mxdi_prefix *p, uint32_t n, mxdi_prefix_fn fn, void *user,
                           mxd_error *err);
/* The same of value `x` of the float graph and value `xq` of the quantized one; what is kept in
 * front of node n makes them. */
mxd_status mxdi_prefix_values(mxdi_prefix *p, uint32_t n, uint32_t x, uint32_t xq,
                              mxdi_prefix_fn fn, void *user, mxd_error *err);
/* `value` of the float graph stays kept, whoever reads it, until another is held (MXD_NO_VALUE:
 * none): n may go back to the node behind it without all in front running again. */
void    mxdi_prefix_hold(mxdi_prefix *p, uint32_t value);
int64_t mxdi_prefix_samples(const mxdi_prefix *p);
#endif
