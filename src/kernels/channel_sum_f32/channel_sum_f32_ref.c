/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition of channel_sum_f32 in plain C. */
#include "kernels/channel_sum_f32/channel_sum_f32.h"

static void run(float *sum, const float *x, const mxdi_blocked *layout, int64_t blocks,
                int32_t begin, int32_t end)
{
    const int64_t rows = (int64_t)layout->h * layout->w * layout->block;
    for (int32_t c = begin; c < end; c++) {
        double s = 0;
        for (int64_t b = 0; b < blocks; b++)
            for (int64_t i = 0; i < rows; i++)
                s += (double)x[b * layout->block_stride + i * layout->pitch + c];
        sum[c] = (float)s;
    }
}

const mxdi_channel_sum_f32 mxdi_channel_sum_f32_ref = { "channel_sum_f32_ref", run };
