/* SPDX-License-Identifier: Apache-2.0
 *
 * Losses: of logits, a few thousand numbers, in one thread and in order; of maps by blocks of
 * images.
 */
#include "train/loss.h"

#include <math.h>

#include "train/clones.h"

static void softmax(double *p, const float *x, int64_t n)
{
    float  most = x[0];
    double sum  = 0.0;
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

mxd_status mxdi_loss_cross_entropy(mxdi_loss *out, mxdi_tape *t, const int64_t *label,
                                   float smoothing, const float *teacher, float distill,
                                   mxd_error *err)
{
    const mxdi_train_value *const y = &t->value[t->output];
    const int64_t                 n = y->layout.channels, batch = t->options.batch;
    double *const                 p = MXDI_ALLOC(t->arena.alloc, double, (size_t)(2 * n));
    *out                            = (mxdi_loss){ 0.0, 0 };
    if (!p)
        return mxdi_nomem(err);
    double *const q  = p + n;
    mxd_status    st = MXD_OK;
    for (int64_t b = 0; b < batch && st == MXD_OK; b++) {
        const float *const x  = y->x + b * y->layout.pitch;
        float *const       dx = y->dx + b * y->layout.pitch;
        if (label[b] < 0 || label[b] >= n) {
            st = mxdi_fail(err, MXD_E_RANGE,
                           "label %lld: below %lld expected, the network has so many outputs",
                           (long long)label[b], (long long)n);
            break;
        }
        softmax(p, x, n);
        if (teacher)
            softmax(q, teacher + b * n, n);
        for (int64_t c = 0; c < n; c++) {
            double target =
                (c == label[b] ? 1.0 - (double)smoothing : 0.0) + (double)smoothing / (double)n;
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

/* ---- mean square ---- */

enum { LANES = 16 };

struct squared {
    const mxdi_tape *t;
    const float     *target;
    float            scale; /* of dx */
};

/* One image's pixel: LANES sums, which a vector holds. */
static inline void square_lanes(double *sum, float *dx, const float *y, const float *target,
                                float scale, int n)
{
    for (int k = 0; k < n; k++) {
        const float d = y[k] - target[k];
        sum[k] += (double)d * (double)d;
        dx[k] = scale * d;
    }
}

MXDI_CLONES static void squared_block(void *arg, int64_t block, unsigned thread)
{
    const struct squared *const   s          = arg;
    const mxdi_train_value *const y          = &s->t->value[s->t->output];
    const mxdi_blocked *const     l          = &y->layout;
    const int64_t                 area       = (int64_t)l->h * l->w;
    double                        sum[LANES] = { 0.0 };
    (void)thread;
    for (int64_t r = 0; r < area * l->block; r++) { /* pixels, their images side by side */
        const int64_t at          = block * l->block_stride + r * l->pitch,
                      image       = block * l->block + r % l->block;
        const float *const target = s->target + (image * area + r / l->block) * l->channels;
        int64_t            c      = 0;
        for (; c + LANES <= l->channels; c += LANES)
            square_lanes(sum, y->dx + at + c, y->x + at + c, target + c, s->scale, LANES);
        if (c < l->channels)
            square_lanes(sum, y->dx + at + c, y->x + at + c, target + c, s->scale,
                         (int)(l->channels - c));
    }
    for (int k = 1; k < LANES; k++)
        sum[0] += sum[k];
    s->t->partial[block * s->t->partial_width] = sum[0];
}

void mxdi_loss_squared(mxdi_loss *out, mxdi_tape *t, const float *target)
{
    const mxdi_blocked *const l = &t->value[t->output].layout;
    const double              n = (double)l->h * (double)l->w * (double)l->channels;
    struct squared            s = { t, target, (float)(2.0 / (n * (double)t->options.batch)) };
    mxdi_tape_each_block(t, squared_block, &s);
    *out = (mxdi_loss){ 0.0, 0 };
    mxdi_tape_sum_blocks(t, &out->sum, 1);
    out->sum /= n;
}
