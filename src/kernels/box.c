/* SPDX-License-Identifier: Apache-2.0
 *
 * Merging and walking the dimensions of boxes. */
#include "kernels/box.h"

#include <assert.h>
#include <stdlib.h>

static void append(mxdi_box *b, const mxdi_box *from, int32_t i)
{
    b->dim[b->rank] = from->dim[i];
    for (int32_t a = 0; a < b->arrays; a++)
        b->stride[a][b->rank] = from->stride[a][i];
    b->rank++;
}

/* Dimension i of `from` continues the last one of b in every array. */
static bool continues(const mxdi_box *b, const mxdi_box *from, int32_t i)
{
    if (b->rank == 0)
        return false;
    for (int32_t a = 0; a < b->arrays; a++)
        if (b->stride[a][b->rank - 1] != from->stride[a][i] * from->dim[i])
            return false;
    return true;
}

static void swap_dims(mxdi_box *b, int32_t i, int32_t j)
{
    const int64_t dim = b->dim[i];
    b->dim[i]         = b->dim[j];
    b->dim[j]         = dim;
    for (int32_t a = 0; a < b->arrays; a++) {
        const int64_t stride = b->stride[a][i];
        b->stride[a][i]      = b->stride[a][j];
        b->stride[a][j]      = stride;
    }
}

bool mxdi_box_init(mxdi_box *b, int32_t rank, const int64_t *dim, int32_t arrays,
                   const int64_t *const *stride, bool sorted)
{
    assert(rank >= 0 && rank <= MXDI_BOX_RANK && arrays >= 1 && arrays <= MXDI_BOX_ARRAYS);
    mxdi_box all = { .arrays = arrays };
    *b           = all;
    for (int32_t i = 0; i < rank; i++) {
        if (dim[i] <= 0)
            return false;
        if (dim[i] == 1)
            continue;
        all.dim[all.rank] = dim[i];
        for (int32_t a = 0; a < arrays; a++)
            all.stride[a][all.rank] = stride[a][i];
        all.rank++;
    }
    if (sorted) /* by insertion: at most ten of them */
        for (int32_t i = 1; i < all.rank; i++)
            for (int32_t j = i; j > 0 && llabs(all.stride[0][j - 1]) < llabs(all.stride[0][j]); j--)
                swap_dims(&all, j - 1, j);
    for (int32_t i = 0; i < all.rank; i++)
        if (continues(b, &all, i)) {
            b->dim[b->rank - 1] *= all.dim[i];
            for (int32_t a = 0; a < arrays; a++)
                b->stride[a][b->rank - 1] = all.stride[a][i];
        } else {
            append(b, &all, i);
        }
    if (b->rank == 0) { /* one element */
        b->rank   = 1;
        b->dim[0] = 1;
        for (int32_t a = 0; a < arrays; a++)
            b->stride[a][0] = 1;
    }
    return true;
}

bool mxdi_box_next(const mxdi_box *b, int32_t rank, mxdi_box_walk *w)
{
    for (int32_t i = rank; i-- > 0;) {
        const bool wraps = ++w->index[i] == b->dim[i];
        for (int32_t a = 0; a < b->arrays; a++)
            w->at[a] += wraps ? b->stride[a][i] * (1 - b->dim[i]) : b->stride[a][i];
        if (!wraps)
            return true;
        w->index[i] = 0;
    }
    return false;
}
