/* SPDX-License-Identifier: Apache-2.0
 *
 * The variants of binary_f32, and which of them to take. */
#include "kernels/binary_f32/binary_f32.h"

#include "kernels/box.h"

const mxdi_binary_f32 *const mxdi_binary_f32_variants[MXDI_VEC_COUNT] = {
#define MXD_VEC(variant, needs) &mxdi_binary_f32_##variant,
#include "kernels/simd/vec.inc"
#undef MXD_VEC
};

const mxdi_binary_f32 *mxdi_binary_f32_select(uint32_t isa)
{
    return mxdi_binary_f32_variants[mxdi_vec_select(isa)];
}

enum { LINE = 256 };

/* n elements `stride` apart, as a line: in place where they already are one. */
static const float *gather(float *line, const float *x, int64_t stride, size_t n)
{
    if (stride == 1 || stride == 0)
        return x;
    for (size_t i = 0; i < n; i++)
        line[i] = x[(int64_t)i * stride];
    return line;
}

/* A line of results along the last dimension: strides other than 0 and 1 go through lines on the
 * stack. */
static void apply_line(mxdi_binary_fn fn, float *y, const float *a, const float *b, size_t n,
                       const int64_t *stride)
{
    float line_y[LINE], line_a[LINE], line_b[LINE];
    for (size_t i = 0; i < n; i += LINE) {
        const size_t            m     = n - i < LINE ? n - i : LINE;
        const int64_t           at    = (int64_t)i;
        float                  *to    = stride[0] == 1 ? y + at : line_y;
        const float            *from  = gather(line_a, a + at * stride[1], stride[1], m);
        const mxdi_binary_fixed fixed = stride[2] == 0   ? MXDI_FIXED_B
                                        : stride[1] == 0 ? MXDI_FIXED_A
                                                         : MXDI_FIXED_NONE;
        if (stride[1] == 0 && stride[2] == 0) { /* one result, repeated */
            fn(to, a, b, 1, fixed);
            for (size_t j = 1; j < m; j++)
                to[j] = to[0];
        } else {
            fn(to, from, gather(line_b, b + at * stride[2], stride[2], m), m, fixed);
        }
        for (size_t j = 0; stride[0] != 1 && j < m; j++)
            y[(at + (int64_t)j) * stride[0]] = line_y[j];
    }
}

void mxdi_binary_f32_broadcast(const mxdi_binary_f32 *k, mxdi_binary_op op, float *y,
                               const float *a, const float *b, int32_t rank, const int64_t *dim,
                               const int64_t *y_stride, const int64_t *a_stride,
                               const int64_t *b_stride)
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
            k->fn[op](y + w.at[0], a + w.at[1], b + w.at[2], (size_t)box.dim[last],
                      MXDI_FIXED_NONE);
        else
            apply_line(k->fn[op], y + w.at[0], a + w.at[1], b + w.at[2], (size_t)box.dim[last],
                       inner);
    while (mxdi_box_next(&box, last, &w));
}
