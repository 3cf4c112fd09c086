/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks of an integer epilogue, and its plain definition. */
#include "kernels/post_q8/post_q8.h"

#include <math.h>

#include "base/error.h"

static bool is_range(int32_t zero_point, int32_t q_min, int32_t q_max)
{
    return zero_point >= 0 && zero_point <= 255 && q_min >= 0 && q_min <= q_max && q_max <= 255;
}

static mxd_status check_finite(const float *v, int32_t n, const char *what, mxd_error *err)
{
    for (int32_t i = 0; v && i < n; i++)
        if (!isfinite(v[i]))
            return mxdi_fail(err, MXD_E_RANGE,
                             "integer kernel: expected a finite %s, got %g in channel %d", what,
                             (double)v[i], i);
    return MXD_OK;
}

mxd_status mxdi_post_q8_init(mxdi_post_q8 *post, const mxdi_q8_epilogue *e, int32_t channels,
                             mxd_error *err)
{
    const bool mid = e->residual == 2;
    MXD_TRY(check_finite(e->m, channels, "multiplier", err));
    MXD_TRY(check_finite(e->bias_float, channels, "bias", err));
    if (e->residual < 0 || e->residual > 2 || (e->y_float && e->residual))
        return mxdi_fail(err, MXD_E_INVAL,
                         "integer kernel: expected a residual mode 0..2, 0 behind f32, got %d",
                         e->residual);
    if (e->y_float ? !(e->y_min <= e->y_max) : !is_range(e->y_zero_point, e->q_min, e->q_max))
        return mxdi_fail(err, MXD_E_RANGE,
                         "integer kernel: expected y within 0..255, got %d..%d at %d", e->q_min,
                         e->q_max, e->y_zero_point);
    if (mid && !is_range(e->mid_zero_point, e->mid_q_min, e->mid_q_max))
        return mxdi_fail(err, MXD_E_RANGE,
                         "integer kernel: expected q1 within 0..255, got %d..%d at %d",
                         e->mid_q_min, e->mid_q_max, e->mid_zero_point);
    if (e->residual && (!is_range(e->r_zero_point, 0, 255) || !isfinite(e->r_scale_ratio)))
        return mxdi_fail(err, MXD_E_RANGE,
                         "integer kernel: expected a residual with a finite ratio, got %g at %d",
                         (double)e->r_scale_ratio, e->r_zero_point);
    if (mid && !isfinite(e->y_scale_ratio))
        return mxdi_fail(err, MXD_E_RANGE, "integer kernel: expected a finite ratio of y, got %g",
                         (double)e->y_scale_ratio);
    const mxdi_post_q8_kind mids  = e->residual_first ? MXDI_POST_Q8_MID_FIRST : MXDI_POST_Q8_MID;
    const mxdi_post_q8_kind whole = e->residual ? MXDI_POST_Q8_RESIDUAL : MXDI_POST_Q8_PLAIN;
    *post                         = (mxdi_post_q8){
                                .kind         = e->y_float ? MXDI_POST_Q8_FLOAT
                                                : mid      ? mids
                                                           : whole,
                                .y_zero_point = e->y_zero_point,
                                .q_min        = e->q_min,
                                .r_zero_point = e->r_zero_point,
                                .lo           = e->y_float ? e->y_min : (float)(e->q_min - e->y_zero_point),
                                .hi           = e->y_float ? e->y_max : (float)(e->q_max - e->y_zero_point),
                                .mid_lo       = (float)(e->mid_q_min - e->mid_zero_point),
                                .mid_hi       = (float)(e->mid_q_max - e->mid_zero_point),
                                .y_ratio      = e->y_scale_ratio,
                                .r_ratio      = e->r_scale_ratio,
    };
    return MXD_OK;
}

static float clamp(float v, float lo, float hi)
{
    const float low = v > lo ? v : lo;
    return low < hi ? low : hi;
}

void mxdi_post_q8_ref(void *y, int32_t acc, int32_t channel, const uint8_t *r,
                      const mxdi_q8_epilogue *e)
{
    const float m = e->m[channel];
    float       v = e->bias_float ? fmaf((float)acc, m, e->bias_float[channel]) : (float)acc * m;
    if (e->y_float) {
        *(float *)y = clamp(v, e->y_min, e->y_max);
        return;
    }
    const float qr = e->residual ? (float)(*r - e->r_zero_point) : 0.0f;
    if (e->residual == 1)
        v = fmaf(qr, e->r_scale_ratio, v);
    if (e->residual == 2) {
        const int32_t z  = e->mid_zero_point;
        const float   q1 = clamp(rintf(v), (float)(e->mid_q_min - z), (float)(e->mid_q_max - z));
        v                = e->residual_first ? fmaf(qr, e->r_scale_ratio, q1 * e->y_scale_ratio)
                                             : fmaf(q1, e->y_scale_ratio, qr * e->r_scale_ratio);
    }
    const int32_t z = e->y_zero_point;
    *(uint8_t *)y =
        (uint8_t)((int32_t)clamp(rintf(v), (float)(e->q_min - z), (float)(e->q_max - z)) + z);
}
