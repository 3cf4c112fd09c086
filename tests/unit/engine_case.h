/* SPDX-License-Identifier: Apache-2.0
 *
 * Engines of the committed networks, for the tests of files, sessions and parts.
 */
#ifndef TESTS_UNIT_ENGINE_CASE_H
#define TESTS_UNIT_ENGINE_CASE_H

#include "graph_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/session.h"
#include "onnx/onnx.h"

#define ASSERT_SAYS(err, word)                                   \
    do {                                                         \
        if (!strstr((err).msg, (word)))                          \
            fail_msg("expected '%s' in: %s", (word), (err).msg); \
    } while (0)

static inline mxdi_graph *engine_network(const char *name)
{
    char        path[256];
    mxdi_graph *g   = NULL;
    mxd_error   err = MXD_ERROR_INIT;
    (void)snprintf(path, sizeof(path), "tests/data/%s", name);
    if (mxdi_onnx_load(&g, path, NULL, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    return g;
}

static inline mxdi_engine *engine_of(mxdi_graph *g, const mxdi_build_options *o)
{
    mxdi_engine  *e   = NULL;
    mxd_error     err = MXD_ERROR_INIT;
    mxdi_registry r;
    mxdi_registry_init(&r);
    if (mxdi_engine_build(&e, g, o, &r, NULL, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    mxdi_registry_fini(&r);
    return e;
}

static inline mxdi_session *engine_session(const mxdi_engine *e)
{
    mxdi_session *s   = NULL;
    mxd_error     err = MXD_ERROR_INIT;
    if (mxdi_session_open(&s, e, 1, false, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    return s;
}

static inline mxd_tensor engine_tensor(void *data, mxd_dtype type, const int64_t *dim, int32_t rank)
{
    mxd_tensor t = { .data = data, .dtype = type, .rank = rank };
    memcpy(t.dim, dim, (size_t)rank * sizeof(dim[0]));
    return t;
}

/* Runs x through a session of its own into y (of the size that is expected). */
static inline void engine_run(const mxdi_engine *e, const mxd_tensor *x, uint32_t n_in,
                              const mxd_tensor *y, uint32_t n_out)
{
    mxd_error           err = MXD_ERROR_INIT;
    mxdi_session *const s   = engine_session(e);
    if (mxdi_session_run(s, x, n_in, y, n_out, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    mxdi_session_close(s);
}

static inline void engine_fill(float *x, size_t n)
{
    for (size_t k = 0; k < n; k++)
        x[k] = (float)((k * 37) % 64) / 16.0f - 2.0f;
}
#endif
