/* SPDX-License-Identifier: Apache-2.0
 *
 * Running ONNX test directories: model.onnx beside test_data_set_K folders with input_I.pb and
 * output_I.pb.
 */
#ifndef MIXDOWN_VERIFY_H
#define MIXDOWN_VERIFY_H

#include "mixdown/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mxd_verdict { MXD_PASS, MXD_FAIL, MXD_REFUSED } mxd_verdict;

typedef struct mxd_verify_options {
    uint32_t    struct_size;
    double      rtol, atol; /* negative: by op and type, docs/numerics.md */
    const char *backend;    /* NULL: "cpu" */
    const char *isa;
    uint32_t    threads;
} mxd_verify_options;
#define MXD_VERIFY_OPTIONS_INIT                               \
    {                                                         \
        sizeof(mxd_verify_options), -1.0, -1.0, NULL, NULL, 0 \
    }

/** How one directory went; `reason` is empty for a pass. Errors are the largest over all outputs;
 * sqnr_db the smallest. */
typedef struct mxd_verify_case {
    mxd_verdict verdict;
    char        reason[512];
    double      max_abs_error, max_rel_error, sqnr_db;
} mxd_verify_case;

/** A directory that cannot be read is an error; a model that is refused or fails is an answer. */
MXD_API mxd_status mxd_verify(mxd_verify_case *out, const mxd_context *ctx, const char *directory,
                              const mxd_verify_options *options, mxd_error *err);

/** Read a tensor from an ONNX TensorProto file (.pb). Free out->data with mxd_free. */
MXD_API mxd_status mxd_tensor_load_pb(mxd_tensor *out, const mxd_context *ctx, const char *path,
                                      mxd_error *err);
/** Read and write NumPy's .npy. Free out->data with mxd_free. Written 4-bit values take a byte
 * each. */
MXD_API mxd_status mxd_tensor_load_npy(mxd_tensor *out, const mxd_context *ctx, const char *path,
                                       mxd_error *err);
MXD_API mxd_status mxd_tensor_save_npy(const mxd_tensor *tensor, const char *path, mxd_error *err);

#ifdef __cplusplus
}
#endif
#endif
