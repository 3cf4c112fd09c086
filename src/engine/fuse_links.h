/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps from node to node for the stages of fusion that match patterns: up to a value's maker, down
 * to its only user.
 */
#ifndef MXDI_ENGINE_FUSE_LINKS_H
#define MXDI_ENGINE_FUSE_LINKS_H

#include "ir/graph.h"

/* Node that makes `value`, if it is `op`; else MXD_NO_VALUE. */
static inline uint32_t mxdi_fuse_made_by(const mxdi_graph *g, const mxdi_links *l, uint32_t value,
                                         const char *op)
{
    const uint32_t p = value == MXD_NO_VALUE ? MXD_NO_VALUE : l->producer[value];
    return p != MXD_NO_VALUE && mxdi_node_is(&g->node[p], op) ? p : MXD_NO_VALUE;
}

/* The only user of `value`, if it is `op`; else MXD_NO_VALUE. */
static inline uint32_t mxdi_fuse_used_by(const mxdi_graph *g, const mxdi_links *l, uint32_t value,
                                         const char *op)
{
    if (l->n_uses[value] != 1 || l->first_use[value + 1] - l->first_use[value] != 1)
        return MXD_NO_VALUE;
    const uint32_t u = l->user[l->first_use[value]];
    return mxdi_node_is(&g->node[u], op) ? u : MXD_NO_VALUE;
}
#endif
