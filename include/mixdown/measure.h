/* SPDX-License-Identifier: Apache-2.0
 *
 * Measuring engines: latency of whole runs with confidence intervals, accuracy on labelled data,
 * and two engines side by side.
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
/** Of n samples; they are sorted in place. n >= 1. The interval: ranks n/2 -+ 1.96*sqrt(n)/2
 * (binomial, normal approximation). */
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
#define MXD_BENCH_OPTIONS_INIT                                      \
    {                                                               \
        sizeof(mxd_bench_options), 0, 0, 200.0, 3.0, 10, NULL, NULL \
    }

typedef struct mxd_bench_result {
    mxd_latency latency;
    int64_t     batch;
    uint32_t    threads;
    double      first_ms; /* of the first run, warm-up or not */
} mxd_bench_result;

/** Time runs on inputs of zeros (floats) in a session opened for it; pass a session to keep it (for
 * a profile), else NULL. */
MXD_API mxd_status mxd_bench(mxd_bench_result *out, const mxd_engine *engine, mxd_session *session,
                             const mxd_bench_options *options, mxd_error *err);

/** Where the time of a run goes: steps of runs that took about as long as the median one. */
typedef struct mxd_profile {
    mxd_profile_row *row; /* free with mxd_free */
    uint32_t         n;
    double           whole_ms; /* of the same runs; what the rows leave is outside of steps */
} mxd_profile;
/** As mxd_bench in an open session, each step timed too. On failure profile->row is NULL. */
MXD_API mxd_status mxd_bench_profile(mxd_bench_result *out, mxd_profile *profile,
                                     const mxd_engine *engine, mxd_session *session,
                                     const mxd_bench_options *options, mxd_error *err);

/** One measured limit of the machine. Strings are static. */
typedef struct mxd_rate {
    const char *name;       /* "u8s8"; "L2" */
    const char *by;         /* the instruction: "vpdpbusd zmm" */
    double      per_second; /* 10^9 operations, a multiply-add being two; 10^9 bytes read */
    size_t      bytes;      /* of memory: what fits there, for all threads together; 0: anything */
} mxd_rate;
/** The machine's limits for so many threads. */
typedef struct mxd_peak {
    uint32_t threads, n_compute, n_memory;
    mxd_rate compute[4]; /* "f32 bf16 s16 u8s8", those that the instruction set has */
    mxd_rate memory[3];  /* "L2 L3 memory" */
} mxd_peak;
/** Measures for some 0.1 s, once per call. isa: the cap, NULL: none; threads 0: the machine's
 * cores. */
MXD_API mxd_status mxd_peak_measure(mxd_peak *out, const char *isa, uint32_t threads,
                                    mxd_error *err);

/** One step against the machine's limits. */
typedef struct mxd_roof {
    double
        ms; /* that products at the peak, or bytes at the rate of where they fit, take at least */
    double gops;            /* as if computed directly; NaN without products */
    double percent_of_peak; /* of the products that the algorithm does (Winograd's: a quarter); NaN
                               where there are none or no peak */
    const char *bound;      /* what the limit is: "u8s8", "L3" ...; static or the peak's */
    char        why[160];   /* why the step takes longer, one line */
} mxd_roof;
/** roof (n). Constants come from where those of all rows fit together, the rest from where it fits
 * itself. */
MXD_API void mxd_roof_of(mxd_roof *roof, const mxd_profile_row *rows, uint32_t n,
                         const mxd_peak *peak);

/** Outputs of a data set's samples, all of the first output: (samples, classes) as f32. Free *out
 * with mxd_free. */
MXD_API mxd_status mxd_predict(float **out, int64_t *classes, const mxd_engine *engine,
                               const mxd_dataset *data, int64_t samples, int64_t batch,
                               uint32_t threads, mxd_error *err);

typedef struct mxd_accuracy {
    int64_t samples;
    double  top1, top1_stderr, top5;
} mxd_accuracy;
/** Of predictions (n, classes) against labels; of equal outputs the first counts. top5 is NaN for
 * fewer than 5 classes. */
MXD_API void mxd_accuracy_of(mxd_accuracy *out, const float *predictions, const int64_t *labels,
                             int64_t n, int64_t classes);

/** Two engines timed in turns: A, B, A, B ... within one run. `speedup` is the median of A/B of
 * neighbouring pairs. */
typedef struct mxd_pair_result {
    mxd_latency a, b;
    double      speedup, speedup_low, speedup_high; /* with its 95 % interval */
} mxd_pair_result;
MXD_API mxd_status mxd_bench_pair(mxd_pair_result *out, const mxd_engine *a, const mxd_engine *b,
                                  const mxd_bench_options *options_a,
                                  const mxd_bench_options *options_b, mxd_error *err);

/** How far one layer of two engines lies apart. `node` lives as long as the array. */
typedef struct mxd_layer_difference {
    char    node[128];
    double  sqnr_db;            /* of B's output against A's, as reals; 400: no difference */
    int64_t integers_differing; /* -1: not integers in both */
} mxd_layer_difference;

/** Layers by node name that both engines have, over the first samples (a batch of 32 at most). Free
 * *out with mxd_free. */
MXD_API mxd_status mxd_compare_layers(mxd_layer_difference **out, uint32_t *n, const mxd_engine *a,
                                      const mxd_engine *b, const mxd_dataset *data,
                                      uint32_t threads_a, uint32_t threads_b, mxd_error *err);
/** Whether the integers of one run are what docs/numerics.md defines, region by region: how many
 * values were recomputed by the reference interpreter from the engine's own integers, and how many
 * of them differ. */
MXD_API mxd_status mxd_check_integers(uint32_t *checked, uint32_t *differing,
                                      const mxd_engine *engine, const mxd_dataset *data,
                                      uint32_t threads, mxd_error *err);

#ifdef __cplusplus
}
#endif
#endif
