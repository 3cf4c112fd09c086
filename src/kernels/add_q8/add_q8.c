/* SPDX-License-Identifier: Apache-2.0
 *
 * The variants of add_q8, and which of them to take. */
#include "kernels/add_q8/add_q8.h"

#include "kernels/box.h"

const mxdi_add_q8 *const mxdi_add_q8_variants[MXDI_VEC_COUNT] = {
#define MXD_VEC(variant, needs) &mxdi_add_q8_##variant,
#include "kernels/simd/vec.inc"
#undef MXD_VEC
};

const mxdi_add_q8 *mxdi_add_q8_select(uint32_t isa)
{
    return mxdi_add_q8_variants[mxdi_vec_select(isa)];
}

enum { LINE = 512 };

/* n elements `stride` apart, as a line: in place where they already are one. */
static const uint8_t *gather(uint8_t *line, const uint8_t *x, int64_t stride, size_t n)
{
    if (stride == 1)
        return x;
    for (size_t i = 0; i < n; i++)
        line[i] = x[(int64_t)i * stride];
    return line;
}

static void add_line(const mxdi_add_q8 *k, uint8_t *y, const uint8_t *a, const uint8_t *b, size_t n,
                     const int64_t *stride, const mxdi_add_q8_params *p)
{
    uint8_t line_y[LINE], line_a[LINE], line_b[LINE];
    for (size_t i = 0; i < n; i += LINE) {
        const size_t   m    = n - i < LINE ? n - i : LINE;
        const int64_t  at   = (int64_t)i;
        uint8_t       *to   = stride[0] == 1 ? y + at : line_y;
        const uint8_t *from = gather(line_a, a + at * stride[1], stride[1], m);
        k->add(to, from, gather(line_b, b + at * stride[2], stride[2], m), m, p);
        for (size_t j = 0; stride[0] != 1 && j < m; j++)
            y[(at + (int64_t)j) * stride[0]] = line_y[j];
    }
}

void mxdi_add_q8_broadcast(const mxdi_add_q8 *k, uint8_t *y, const uint8_t *a, const uint8_t *b,
                           int32_t rank, const int64_t *dim, const int64_t *y_stride,
                           const int64_t *a_stride, const int64_t *b_stride,
                           const mxdi_add_q8_params *p)
{
    const int64_t *const strides[3] = { y_stride, a_stride, b_stride };
    mxdi_box             box;
    mxdi_box_walk        w = { { 0 }, { 0 } };
    if (!mxdi_box_init(&box, rank, dim, 3, strides, true))
        return;
    const int32_t last    = box.rank - 1;
    const int64_t inner[] = { box.stride[0][last], box.stride[1][last], box.stride[2][last] };
    const bool    dense   = inner[0] == 1 && inner[1] == 1 && inner[2] == 1;
    do
        if (dense)
            k->add(y + w.at[0], a + w.at[1], b + w.at[2], (size_t)box.dim[last], p);
        else
            add_line(k, y + w.at[0], a + w.at[1], b + w.at[2], (size_t)box.dim[last], inner, p);
    while (mxdi_box_next(&box, last, &w));
}
