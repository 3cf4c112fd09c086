/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX files: import, inspect, build, and where that is little work a run and an export.
 */
#include <string.h>

#include "base/dtype.h"
#include "fuzz/fuzz_case.h"
#include "mixdown/mixdown.h"

enum { MOST_WORK = 1 << 20, MOST_BYTES = 1 << 20, MOST_TENSORS = 16 };

/* Zeros of an input's type and shape; false: open or large. */
static int make_zeros(mxd_tensor *t, const mxd_value_info *v)
{
    int64_t count = 1;
    size_t  bytes = 0;
    *t            = (mxd_tensor){ .dtype = v->dtype, .rank = v->rank };
    for (int32_t k = 0; k < v->rank; k++) {
        t->dim[k] = v->dim[k];
        if (v->dim[k] < 0 || v->dim[k] > MOST_BYTES || (count *= v->dim[k]) > MOST_BYTES)
            return 0;
    }
    if (v->rank < 0 || !mxdi_dtype_bytes(&bytes, v->dtype, count))
        return 0;
    t->data = fuzz_get(NULL, bytes + 1);
    if (t->data)
        memset(t->data, 0, bytes + 1);
    return t->data != NULL;
}

static void run(const mxd_engine *e, mxd_error *err)
{
    const uint32_t n_in = mxd_engine_inputs(e), n_out = mxd_engine_outputs(e);
    mxd_tensor   in[MOST_TENSORS] = { { .data = NULL } }, out[MOST_TENSORS] = { { .data = NULL } };
    mxd_session *s                    = NULL;
    const mxd_session_options options = { sizeof(options), 1, 0 };
    int                       ok      = n_in <= MOST_TENSORS && n_out <= MOST_TENSORS;
    for (uint32_t k = 0; ok && k < n_in; k++) {
        mxd_value_info v;
        mxd_engine_input(&v, e, k);
        ok = make_zeros(&in[k], &v);
    }
    for (uint32_t k = 0; ok && k < n_out; k++) {
        mxd_value_info v;
        mxd_engine_output(&v, e, k);
        ok = make_zeros(&out[k], &v);
    }
    if (ok && mxd_session_open(&s, e, &options, err) == MXD_OK)
        fuzz_told(mxd_session_run(s, in, n_in, out, n_out, err), err);
    mxd_session_close(s);
    for (uint32_t k = 0; k < MOST_TENSORS; k++) {
        fuzz_put(NULL, in[k].data);
        fuzz_put(NULL, out[k].data);
    }
}

static int is_small(const mxd_model *m, mxd_error *err)
{
    mxd_inspection *i = NULL;
    if (fuzz_told(mxd_model_inspect(&i, m, NULL, 0, err), err) != MXD_OK)
        return 0;
    const int small = i->macs <= MOST_WORK && i->n_layers <= 64;
    mxd_inspection_destroy(i);
    return small;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mxd_context *ctx = NULL;
    mxd_model   *m   = NULL;
    mxd_engine  *e   = NULL;
    mxd_error    err = MXD_ERROR_INIT;
    if (mxd_context_create(&ctx, &fuzz_allocator, &err) != MXD_OK)
        return 0;
    if (fuzz_told(mxd_model_load_bytes(&m, ctx, data, size, &err), &err) == MXD_OK &&
        is_small(m, &err)) {
        mxd_build_options options = MXD_BUILD_OPTIONS_INIT;
        options.threads           = 1;
        options.backend           = size & 1 ? "interp" : "cpu";
        if (fuzz_told(mxd_engine_build(&e, m, &options, &err), &err) == MXD_OK)
            run(e, &err);
        mxd_engine_destroy(e);
    }
    mxd_model_destroy(m);
    mxd_context_destroy(ctx);
    return fuzz_end();
}
