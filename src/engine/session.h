/* SPDX-License-Identifier: Apache-2.0
 *
 * One thread's execution of an engine: buffers, threads, timings. Any number of samples: more than
 * the batch run in pieces, fewer use the smallest plan that holds them.
 */
#ifndef MXDI_ENGINE_SESSION_H
#define MXDI_ENGINE_SESSION_H

#include "engine/engine.h"

typedef struct mxdi_session mxdi_session;

mxd_status mxdi_session_open(mxdi_session **out, const mxdi_engine *e, uint32_t threads, bool trace,
                             mxd_error *err);
void       mxdi_session_close(mxdi_session *s);
/* Samples that one run of the network takes at most. */
int64_t mxdi_session_batch(const mxdi_session *s);
/* Shape and type of output k for `samples` samples (fixed networks: a multiple of their batch). */
mxd_status mxdi_session_output(mxd_tensor *out, const mxdi_session *s, uint32_t k, int64_t samples,
                               mxd_error *err);
/* Inputs and outputs in the network's order; dims are checked against the network's with names in
 * the message. All inputs hold the same number of samples; outputs are as mxdi_session_output says,
 * allocated by the caller. */
mxd_status mxdi_session_run(mxdi_session *s, const mxd_tensor *in, uint32_t n_in,
                            const mxd_tensor *out, uint32_t n_out, mxd_error *err);
/* As run, and every quantized value that the plan holds is handed to `fn` once (of the first piece
 * of a batch). */
mxd_status mxdi_session_trace(mxdi_session *s, const mxd_tensor *in, uint32_t n_in,
                              const mxd_tensor *out, uint32_t n_out, mxd_trace_fn fn, void *user,
                              mxd_error *err);

/* One executed step and its time. Strings live as long as the engine. */
typedef struct mxdi_profile_row {
    mxd_step      step; /* macs and bytes of a run of the batch asked for */
    mxd_step_more more;
    double        ms; /* mean of a run */
} mxdi_profile_row;
/* Of the plan for `batch` samples, over the runs since the last call; switches timing on at the
 * first. Caller frees *rows with mxdi_free. */
mxd_status mxdi_session_profile(mxdi_session *s, int64_t batch, mxdi_profile_row **rows,
                                uint32_t *n, mxd_error *err);
#endif
