/* SPDX-License-Identifier: Apache-2.0
 * Losses; a few thousand numbers, so in one thread and in order. */
#include "train/loss.h"

#include <math.h>

static void softmax(double *p, const float *x, int64_t n)
{
    float most = x[0];
    double sum = 0.0;
    for (int64_t c = 1; c < n; c++)
        most = x[c] > most ? x[c] : most;
    for (int64_t c = 0; c < n; c++)
        sum += p[c] = exp((double)(x[c] - most));
    for (int64_t c = 0; c < n; c++)
        p[c] /= sum;
}

static int64_t first_largest(const float *x, int64_t n)
{
    int64_t best = 0;
    for (int64_t c = 1; c < n; c++)
        best = x[c] > x[best] ? c : best;
    return best;
}

mxd_status mxdi_loss_cross_entropy(mxdi_loss *out, mxdi_tape *t, const int64_t *label, float smoothing, const float *teacher, float distill, mxd_error *err)
{
    const mxdi_train_value *const y = &t->value[t->output];
    const int64_t n = y->layout.channels, batch = t->options.batch;
    double *const p = MXDI_ALLOC(t->arena.alloc, double, (size_t)(2 * n));
    *out = (mxdi_loss){ 0.0, 0 };
    if (!p)
        return mxdi_nomem(err);
    double *const q = p + n;
    mxd_status st = MXD_OK;
    for (int64_t b = 0; b < batch && st == MXD_OK; b++) {
        const float *const x = y->x + b * y->layout.pitch;
        float *const dx = y->dx + b * y->layout.pitch;
        if (label[b] < 0 || label[b] >= n) {
            st = mxdi_fail(err, MXD_E_RANGE, "label %lld: below %lld expected, the network has so many outputs", (long long)label[b], (long long)n);
            break;
        }
        softmax(p, x, n);
        if (teacher)
            softmax(q, teacher + b * n, n);
        for (int64_t c = 0; c < n; c++) {
            double target = (c == label[b] ? 1.0 - (double)smoothing : 0.0) + (double)smoothing / (double)n;
            if (teacher)
                target = (1.0 - (double)distill) * target + (double)distill * q[c];
            out->sum -= target * log(p[c] > 1e-300 ? p[c] : 1e-300);
            dx[c] = (float)((p[c] - target) / (double)batch);
        }
        out->correct += first_largest(x, n) == label[b];
    }
    mxdi_free(t->arena.alloc, p);
    return st;
}

void mxdi_loss_squared(mxdi_loss *out, mxdi_tape *t, const float *target)
{
    const mxdi_train_value *const y = &t->value[t->output];
    const int64_t n = y->layout.channels, batch = t->options.batch;
    *out = (mxdi_loss){ 0.0, 0 };
    for (int64_t b = 0; b < batch; b++)
        for (int64_t c = 0; c < n; c++) {
            const double d = (double)y->x[b * y->layout.pitch + c] - (double)target[b * n + c];
            out->sum += d * d / (double)n;
            y->dx[b * y->layout.pitch + c] = (float)(2.0 * d / ((double)n * (double)batch));
        }
}
