/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of corrections, for repair.c, which goes layer by layer, and repair_block.c, which
 * goes on by blocks.
 */
#ifndef MXDI_QUANT_REPAIR_IMPL_H
#define MXDI_QUANT_REPAIR_IMPL_H

#include "quant/blocks.h"
#include "quant/repair.h"
#include "quant/weights.h"

typedef struct mxdi_repairer {
    mxdi_graph                *q;
    const mxdi_graph          *g;
    const mxdi_setting        *setting;
    const mxdi_repair_options *o;
    mxdi_links                 links; /* of q */
    mxdi_prefix               *prefix;
    mxdi_pool                 *pool;
    const mxd_allocator       *alloc;
    /* blocks */
    mxdi_arena       arena;
    bool            *rounds; /* (n_nodes of g) the layer's roundings are chosen */
    mxdi_block_span *span;
    uint32_t         n_spans;
    int32_t          iterations; /* of each block */
} mxdi_repairer;

enum { MXDI_MOST_BIAS = 1 << 30 };

/* ---- of layers ---- */

/* Element k of output channel `row`. */
static inline int64_t mxdi_weight_at(const mxdi_weights_view *v, int64_t row, int64_t k)
{
    return (k / v->inner * v->channels + row) * v->inner + k % v->inner;
}

static inline void mxdi_integer_write(mxd_value *v, int64_t at, int8_t q)
{
    uint8_t *const data = (uint8_t *)(uintptr_t)v->data; /* a copy made by quantizing */
    if (v->dtype == MXD_S8) {
        data[at] = (uint8_t)q;
        return;
    }
    const int shift = (int)(at % 2 * 4);
    data[at / 2]    = (uint8_t)((data[at / 2] & (0xF0 >> shift)) | (q & 15) << shift);
}

/* Integer layers must not overflow whatever they read: half the range is the bias's. `sum`: of the
 * channel's |q|. */
static inline bool mxdi_sums_fit(int64_t sum)
{
    return sum * 256 < MXDI_MOST_BIAS;
}

/* The node of the quantized graph with the name of layer n, and the integers of its weights. */
mxd_status mxdi_repair_twin(const mxd_node **twin, uint32_t *dequantizer, const mxdi_repairer *r,
                            uint32_t n, mxd_error *err);
/* The node of that kind that makes `value` of the quantized graph, perhaps in front of a Cast;
 * MXD_NO_VALUE: none. */
uint32_t mxdi_repair_maker(const mxdi_repairer *r, uint32_t value, const char *op);

/* ---- of blocks ---- */

/* Finds r->span, and how many iterations each gets. */
mxd_status mxdi_repair_find_blocks(mxdi_repairer *r, mxd_error *err);
/* After the layers of the block, each on its own. */
mxd_status mxdi_repair_block(mxdi_block_report *report, mxdi_repairer *r,
                             const mxdi_block_span *block, const mxdi_progress *progress,
                             mxd_error *err);
#endif
