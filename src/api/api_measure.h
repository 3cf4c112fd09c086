/* SPDX-License-Identifier: Apache-2.0
 * Measuring, for the files of this folder. */
#ifndef MXDI_API_API_MEASURE_H
#define MXDI_API_API_MEASURE_H

#include "mixdown/measure.h"

/* Called once when warm-up is over, with a negative time, then after each measured run, outside of
 * its time. */
typedef mxd_status (*mxdi_api_after_run)(void *user, double ms, mxd_error *err);
/* mxd_bench; `after` may be NULL. */
mxd_status mxdi_api_bench(mxd_bench_result *out, const mxd_engine *engine, mxd_session *session,
                          const mxd_bench_options *options, mxdi_api_after_run after, void *user,
                          mxd_error *err);
#endif
