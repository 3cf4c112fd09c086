/* SPDX-License-Identifier: Apache-2.0
 *
 * What is remembered of one tensor's values in one streamed pass: extremes and a histogram whose
 * range doubles when needed, from which every method chooses a range afterwards.
 */
#ifndef MXDI_QUANT_OBSERVER_H
#define MXDI_QUANT_OBSERVER_H

#include "base/error.h"
#include "quant/recipe.h"

enum { MXDI_BINS = 2048 };

/* Bins cover [-limit, limit]; limit is 0 before the first value other than 0. */
typedef struct mxdi_observer {
    float    min, max;
    double   limit;
    uint64_t count;
    uint64_t bin[MXDI_BINS];
} mxdi_observer;

/* Add n values. MXD_E_RANGE with the index of the first NaN or infinity; the observer is then
 * half-fed. */
mxd_status mxdi_observer_add(mxdi_observer *o, const float *x, int64_t n, mxd_error *err);

/* The range [low, high], low <= 0 <= high, for integers of `bits` bits: affine, or symmetric around
 * 0. minmax: all that was seen. percentile: 99.99 % of the values. mse: least squared rounding and
 * clipping error over shrunk ranges. entropy: least Kullback-Leibler divergence (as in TensorRT,
 * 2048 bins of |x|). */
void mxdi_observer_range(float *low, float *high, const mxdi_observer *o, mxdi_method method,
                         uint32_t bits, bool symmetric);
/* Share of the values outside [low, high]. */
double mxdi_observer_outside(const mxdi_observer *o, float low, float high);
/* "minmax" ... ; -1 for an unknown name. */
int         mxdi_method_parse(const char *name);
const char *mxdi_method_name(mxdi_method m);
#endif
