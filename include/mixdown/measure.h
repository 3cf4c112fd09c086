/* SPDX-License-Identifier: Apache-2.0
 *
 * Measuring engines: latency of whole runs with confidence intervals, accuracy on labelled data, and two engines side by side.
 */
#ifndef MIXDOWN_MEASURE_H
#define MIXDOWN_MEASURE_H

#include "mixdown/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Milliseconds of one run of the whole batch. */
typedef struct mxd_latency {
    uint64_t runs;
    double   median, min, p90, p99;
    double   ci_low, ci_high; /* 95 % interval of the median, from order statistics */
} mxd_latency;
/** Of n samples; they are sorted in place. n >= 1. The interval: ranks n/2 -+ 1.96*sqrt(n)/2 (binomial, normal approximation). */
MXD_API void mxd_latency_of(mxd_latency *out, double *ms, size_t n);

/** Cancelled runs end early with what they have; may be NULL. */
typedef int (*mxd_stop)(void *user);

typedef struct mxd_bench_options {
    uint32_t struct_size;
    int64_t  batch;      /* 0: the engine's largest */
    uint32_t threads;    /* 0: the machine's cores */
    double   warm_up_ms; /* at least one run unless negative: none */
    double   duration_s; /* measured for at least so long */
    uint64_t iterations; /* and at least so many runs; with duration 0: exactly */
    mxd_stop stop;
    void    *user;
} mxd_bench_options;
#define MXD_BENCH_OPTIONS_INIT { sizeof(mxd_bench_options), 0, 0, 200.0, 3.0, 10, NULL, NULL }

typedef struct mxd_bench_result {
    mxd_latency latency;
    int64_t     batch;
    uint32_t    threads;
    double      first_ms; /* of the first run, warm-up or not */
} mxd_bench_result;

/** Time runs on inputs of zeros (floats) in a session opened for it; pass a session to keep it (for a profile), else NULL. */
MXD_API mxd_status mxd_bench(mxd_bench_result *out, const mxd_engine *engine, mxd_session *session, const mxd_bench_options *options, mxd_error *err);

/** Outputs of a data set's samples, all of the first output: (samples, classes) as f32. Free *out with mxd_free. */
MXD_API mxd_status mxd_predict(float **out, int64_t *classes, const mxd_engine *engine, const mxd_dataset *data, int64_t samples, int64_t batch,
                               uint32_t threads, mxd_error *err);

typedef struct mxd_accuracy { int64_t samples; double top1, top1_stderr, top5; } mxd_accuracy;
/** Of predictions (n, classes) against labels; of equal outputs the first counts. top5 is NaN for fewer than 5 classes. */
MXD_API void mxd_accuracy_of(mxd_accuracy *out, const float *predictions, const int64_t *labels, int64_t n, int64_t classes);

/** Two engines timed in turns: A, B, A, B ... within one run. `speedup` is the median of A/B of neighbouring pairs. */
typedef struct mxd_pair_result {
    mxd_latency a, b;
    double      speedup, speedup_low, speedup_high; /* with its 95 % interval */
} mxd_pair_result;
MXD_API mxd_status mxd_bench_pair(mxd_pair_result *out, const mxd_engine *a, const mxd_engine *b, const mxd_bench_options *options_a,
                                  const mxd_bench_options *options_b, mxd_error *err);

/** How far one layer of two engines lies apart. `node` lives as long as the array. */
typedef struct mxd_layer_difference {
    char    node[128];
    double  sqnr_db;             /* of B's output against A's, as reals; 400: no difference */
    int64_t integers_differing;  /* -1: not integers in both */
} mxd_layer_difference;

/** Layers by node name that both engines have, over the first samples (a batch of 32 at most). Free *out with mxd_free. */
MXD_API mxd_status mxd_compare_layers(mxd_layer_difference **out, uint32_t *n, const mxd_engine *a, const mxd_engine *b, const mxd_dataset *data,
                                      uint32_t threads_a, uint32_t threads_b, mxd_error *err);
/** Whether the integers of one run are what docs/numerics.md defines, region by region: how many values were recomputed by the reference
 *  interpreter from the engine's own integers, and how many of them differ. */
MXD_API mxd_status mxd_check_integers(uint32_t *checked, uint32_t *differing, const mxd_engine *engine, const mxd_dataset *data, uint32_t threads,
                                      mxd_error *err);

#ifdef __cplusplus
}
#endif
#endif
