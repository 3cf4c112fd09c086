/* SPDX-License-Identifier: Apache-2.0
 *
 * Which of several algorithms a step takes, where shapes alone do not tell: what the host knows
 * from an earlier time, else by timing them here, on the step's own sizes and threads.
 */
#ifndef MXDI_BACKENDS_CPU_TIMING_H
#define MXDI_BACKENDS_CPU_TIMING_H

#include "backends/cpu/cpu_plan.h"

enum { MXDI_CPU_MAX_CANDIDATES = 4 };

/* A step with names for its algorithms, the preferred one first: another has to be faster by a
 * twentieth. */
typedef struct mxdi_cpu_contest {
    const char        *op;    /* "conv_q8" */
    const char        *shape; /* all that its time depends on, as text */
    const char *const *name;
    uint32_t           n;
} mxdi_cpu_contest;

/* A made candidate. */
typedef struct mxdi_cpu_candidate {
    const mxdi_cpu_kind *kind;
    const void          *op;
    size_t               scratch; /* bytes of each thread */
} mxdi_cpu_candidate;

/* Number of the algorithm that the host knows to be best; n: it does not. */
uint32_t mxdi_cpu_known(const mxdi_cpu_plan *p, const mxdi_cpu_contest *c);

/* The fastest of all (n) candidates on tensors of the plan, told to the host. Only when p->timed.
 */
mxd_status mxdi_cpu_time(uint32_t *best, mxdi_cpu_plan *p, const mxdi_cpu_contest *c,
                         const mxdi_cpu_candidate *candidate, const uint32_t *tensor,
                         uint32_t n_tensors, mxd_error *err);
#endif
