/* SPDX-License-Identifier: Apache-2.0
 *
 * run_engine NET: builds an ONNX file (or loads an .mxd file), runs it once on made-up inputs, and
 * prints the beginning of each output. Every call can fail; one label cleans up.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mixdown/mixdown.h"

enum { MOST_ENDS = 8 };

static size_t elements(const mxd_tensor *t)
{
    size_t n = 1;
    for (int32_t d = 0; d < t->rank; d++)
        n *= (size_t)t->dim[d];
    return n;
}

static size_t bytes(const mxd_tensor *t)
{
    return (elements(t) * mxd_dtype_bits(t->dtype) + 7) / 8;
}

/* An input of the engine's largest batch: a ramp where it takes floats, zeros otherwise. */
static int make_input(mxd_tensor *x, const mxd_engine *engine, uint32_t k)
{
    mxd_value_info info;
    mxd_engine_input(&info, engine, k);
    *x = (mxd_tensor){ .dtype = info.dtype, .rank = info.rank };
    for (int32_t d = 0; d < info.rank; d++)
        x->dim[d] = info.dim[d];
    x->data = calloc(bytes(x) + 1, 1);
    for (size_t i = 0; x->data && info.dtype == MXD_F32 && i < elements(x); i++)
        ((float *)x->data)[i] = (float)(i % 64) / 32.0f - 1.0f;
    return x->data != NULL;
}

static void print_output(const mxd_tensor *y, const char *name)
{
    printf("%s: %s", name, mxd_dtype_name(y->dtype));
    for (int32_t d = 0; d < y->rank; d++)
        printf("%s%lld", d ? "x" : " ", (long long)y->dim[d]);
    for (size_t i = 0; y->dtype == MXD_F32 && i < elements(y) && i < 6; i++)
        printf(" %.4f", (double)((const float *)y->data)[i]);
    printf("\n");
}

int main(int argc, char **argv)
{
    mxd_error           err          = MXD_ERROR_INIT;
    mxd_context        *ctx          = NULL;
    mxd_engine         *engine       = NULL;
    mxd_session        *session      = NULL;
    mxd_build_options   build        = MXD_BUILD_OPTIONS_INIT;
    mxd_session_options options      = MXD_SESSION_OPTIONS_INIT;
    mxd_tensor          x[MOST_ENDS] = { { 0 } }, y[MOST_ENDS] = { { 0 } };
    uint32_t            n_in = 0, n_out = 0;
    int                 failed = 1;
    if (argc != 2) {
        fprintf(stderr, "usage: run_engine NET\n");
        return 2;
    }
    build.batch[0] = 2;
    if (mxd_context_create(&ctx, NULL, &err) != MXD_OK ||
        mxd_engine_load(&engine, ctx, argv[1], &build, &err) != MXD_OK ||
        mxd_session_open(&session, engine, &options, &err) != MXD_OK)
        goto done;
    n_in  = mxd_engine_inputs(engine);
    n_out = mxd_engine_outputs(engine);
    if (n_in > MOST_ENDS || n_out > MOST_ENDS)
        goto done;
    for (uint32_t k = 0; k < n_in; k++)
        if (!make_input(&x[k], engine, k))
            goto done;
    for (uint32_t k = 0; k < n_out; k++) { /* the caller owns the outputs' memory too */
        if (mxd_session_output(&y[k], session, k, mxd_engine_batch(engine), &err) != MXD_OK)
            goto done;
        y[k].data = malloc(bytes(&y[k]) + 1);
        if (!y[k].data)
            goto done;
    }
    if (mxd_session_run(session, x, n_in, y, n_out, &err) != MXD_OK)
        goto done;
    for (uint32_t k = 0; k < n_out; k++) {
        mxd_value_info info;
        mxd_engine_output(&info, engine, k);
        print_output(&y[k], info.name);
    }
    failed = 0;
done:
    if (failed)
        fprintf(stderr, "run_engine: %s\n", err.msg[0] ? err.msg : "too many inputs, or no memory");
    for (uint32_t k = 0; k < MOST_ENDS; k++) {
        free(x[k].data);
        free(y[k].data);
    }
    mxd_session_close(session);
    mxd_engine_destroy(engine);
    mxd_context_destroy(ctx);
    return failed;
}
