/* SPDX-License-Identifier: Apache-2.0
 *
 * Copies and fills of strided boxes. The dimensions are put in y's order and merged; what is left
 * is runs, where x and y are both dense in the last one, or planes, transposed in tiles that stay
 * in the first-level cache. */
#include "kernels/move_box/move_box.h"

#include <assert.h>
#include <string.h>

enum { TILE = 16 };

/* Two dimensions of the box: n1 with y's smallest stride, n0 with x's. */
struct plane {
    int64_t n0, n1, y0, y1, x0, x1; /* counts, and strides in elements */
};

static inline void copy_tile(char *y, const char *x, size_t size, int64_t n0, int64_t n1,
                             const struct plane *p)
{
    const int64_t bytes = (int64_t)size;
    for (int64_t i = 0; i < n0; i++)
        for (int64_t j = 0; j < n1; j++)
            memcpy(y + (i * p->y0 + j * p->y1) * bytes, x + (i * p->x0 + j * p->x1) * bytes, size);
}

/* `size` is a constant wherever this is called, and each memcpy one move. */
static inline void copy_plane(char *y, const char *x, size_t size, const struct plane *p)
{
    const int64_t bytes = (int64_t)size;
    for (int64_t i = 0; i < p->n0; i += TILE) {
        const int64_t n0 = p->n0 - i < TILE ? p->n0 - i : TILE;
        for (int64_t j = 0; j < p->n1; j += TILE) {
            const int64_t n1 = p->n1 - j < TILE ? p->n1 - j : TILE;
            copy_tile(y + (i * p->y0 + j * p->y1) * bytes, x + (i * p->x0 + j * p->x1) * bytes,
                      size, n0, n1, p);
        }
    }
}

static void copy_plane_sized(char *y, const char *x, size_t size, const struct plane *p)
{
    switch (size) {
    case 1:
        copy_plane(y, x, 1, p);
        break;
    case 2:
        copy_plane(y, x, 2, p);
        break;
    case 4:
        copy_plane(y, x, 4, p);
        break;
    default:
        copy_plane(y, x, 8, p);
        break;
    }
}

/* Which dimension before the last has x's smallest stride that is not 0; the one next to last if
 * all are 0. */
static int32_t partner(const mxdi_box *b)
{
    int32_t best  = b->rank - 2;
    int64_t least = INT64_MAX;
    for (int32_t i = b->rank - 2; i >= 0; i--) {
        const int64_t stride = b->stride[1][i] < 0 ? -b->stride[1][i] : b->stride[1][i];
        if (stride && stride < least) {
            least = stride;
            best  = i;
        }
    }
    return best;
}

/* Moves dimension i next to last. */
static void rotate(mxdi_box *b, int32_t i)
{
    for (; i + 2 < b->rank; i++) {
        const int64_t dim = b->dim[i], y = b->stride[0][i], x = b->stride[1][i];
        b->dim[i]           = b->dim[i + 1];
        b->stride[0][i]     = b->stride[0][i + 1];
        b->stride[1][i]     = b->stride[1][i + 1];
        b->dim[i + 1]       = dim;
        b->stride[0][i + 1] = y;
        b->stride[1][i + 1] = x;
    }
}

static void copy_runs(char *y, const char *x, size_t size, const mxdi_box *b)
{
    const int32_t last  = b->rank - 1;
    const int64_t bytes = (int64_t)size;
    const size_t  run   = (size_t)b->dim[last] * size;
    mxdi_box_walk w     = { { 0 }, { 0 } };
    do
        memcpy(y + w.at[0] * bytes, x + w.at[1] * bytes, run);
    while (mxdi_box_next(b, last, &w));
}

void mxdi_move_copy(void *y, const void *x, size_t size, int32_t rank, const int64_t *dim,
                    const int64_t *y_stride, const int64_t *x_stride)
{
    assert(size == 1 || size == 2 || size == 4 || size == 8);
    const int64_t *const strides[2] = { y_stride, x_stride };
    const int64_t        bytes      = (int64_t)size;
    mxdi_box             b;
    if (!mxdi_box_init(&b, rank, dim, 2, strides, true))
        return;
    const int32_t last = b.rank - 1;
    if (b.dim[last] == 1 || (b.stride[0][last] == 1 && b.stride[1][last] == 1)) {
        copy_runs(y, x, size, &b);
        return;
    }
    struct plane p = { 1, b.dim[last], 0, b.stride[0][last], 0, b.stride[1][last] };
    if (last > 0) {
        rotate(&b, partner(&b));
        p.n0 = b.dim[last - 1];
        p.y0 = b.stride[0][last - 1];
        p.x0 = b.stride[1][last - 1];
    }
    mxdi_box_walk w = { { 0 }, { 0 } };
    do
        copy_plane_sized((char *)y + w.at[0] * bytes, (const char *)x + w.at[1] * bytes, size, &p);
    while (mxdi_box_next(&b, last > 0 ? last - 1 : 0, &w));
}

/* n elements behind each other: the first, then what is there already, doubled. */
static void fill_run(char *y, const void *value, size_t size, size_t n)
{
    const size_t bytes = n * size;
    if (size == 1) {
        memset(y, *(const unsigned char *)value, n);
        return;
    }
    memcpy(y, value, size);
    for (size_t done = size; done < bytes;) {
        const size_t more = done < bytes - done ? done : bytes - done;
        memcpy(y + done, y, more);
        done += more;
    }
}

void mxdi_move_fill(void *y, const void *value, size_t size, int32_t rank, const int64_t *dim,
                    const int64_t *y_stride)
{
    assert(size == 1 || size == 2 || size == 4 || size == 8);
    const int64_t bytes = (int64_t)size;
    mxdi_box      b;
    if (!mxdi_box_init(&b, rank, dim, 1, &y_stride, true))
        return;
    const int32_t last = b.rank - 1;
    const bool    run  = b.stride[0][last] == 1;
    mxdi_box_walk w    = { { 0 }, { 0 } };
    do
        if (run)
            fill_run((char *)y + w.at[0] * bytes, value, size, (size_t)b.dim[last]);
        else
            memcpy((char *)y + w.at[0] * bytes, value, size);
    while (mxdi_box_next(&b, run ? last : b.rank, &w));
}
