/* SPDX-License-Identifier: Apache-2.0
 *
 * The inner loops under every convolution and matrix product: acc[i] += w * x[i * step].
 */
#include "interp/interp_impl.h"

void mxdi_interp_row_f32(void *acc, const void *x, int64_t step, const void *w, int64_t n)
{
    float *const       a = acc;
    const float *const v = x;
    const float        f = *(const float *)w;
    for (int64_t i = 0; i < n; i++)
        a[i] = fmaf(f, v[i * step], a[i]);
}

void mxdi_interp_row_s32(void *acc, const void *x, int64_t step, const void *w, int64_t n)
{
    uint32_t *const      a = acc;
    const int32_t *const v = x;
    const uint32_t       f = (uint32_t)(*(const int32_t *)w);
    for (int64_t i = 0; i < n; i++)
        a[i] += f * (uint32_t)v[i * step];
}
