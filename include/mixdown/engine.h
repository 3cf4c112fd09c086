/* SPDX-License-Identifier: Apache-2.0
 *
 * Engines and sessions: build, save, load, run, time. An engine is immutable and may be shared by
 * threads; each thread opens a session of its own.
 */
#ifndef MIXDOWN_ENGINE_H
#define MIXDOWN_ENGINE_H

#include "mixdown/dataset.h"
#include "mixdown/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mxd_engine  mxd_engine;
typedef struct mxd_session mxd_session;

/** What one input holds. */
typedef struct mxd_input_value {
    const char       *name;
    const mxd_tensor *tensor;
} mxd_input_value;

typedef struct mxd_build_options {
    uint32_t    struct_size;
    const char *backend; /* NULL: "cpu" */
    const char *isa;     /* cap of the instruction set ("avx2"); NULL: all that the CPU has */
    uint32_t    threads; /* tuned for; 0: the machine's cores */
    int64_t batch[8]; /* ascending, a plan each; all 0: 1. A network of fixed batch keeps its own */
    const mxd_shape *shape; /* shapes of inputs by name */
    uint32_t         n_shapes;
    size_t           workspace; /* cap in bytes for derived weights and scratch; 0: none */
    int              exact;     /* float products in the fixed order of docs/numerics.md */
    int              timed; /* choose algorithms by timing; the choices are kept in the engine */
    const mxd_input_value *
        value; /* inputs whose values decide shapes become constants of these; others are ignored */
    uint32_t    n_values;
    const char *timing_cache; /* file with what was timed before, for timed builds: read if there,
                                 and written; NULL: none */
    const char
        *input_formats; /* TYPE:LAYOUT of the inputs in their order, "u8:hwc,f32:chw", what is left
                           out as in the model: u8:hwc and u8:chw make an f32 input of pictures
                           (N, C, H, W) one of bytes (N, H, W, C) or (N, C, H, W); NULL: none */
    const char *preprocess; /* what the network does to such bytes, in the words of a data set's
                               specification: "scale=1/255,mean=0.49:0.48:0.45,std=0.25", (raw *
                               scale - mean) / std; NULL: nothing */
} mxd_build_options;
#define MXD_BUILD_OPTIONS_INIT                                                                  \
    {                                                                                           \
        sizeof(mxd_build_options), NULL, NULL, 0, { 0 }, NULL, 0, 0, 0, 0, NULL, 0, NULL, NULL, \
            NULL                                                                                \
    }

/** @retval MXD_E_UNSUPPORTED  the message names the node and the reason. */
MXD_API mxd_status mxd_engine_build(mxd_engine **out, const mxd_model *model,
                                    const mxd_build_options *options, mxd_error *err);
MXD_API mxd_status mxd_engine_save(const mxd_engine *engine, const char *path, mxd_error *err);
/** An engine file; `options` (NULL: as built) may name another backend or isa: kernels are derived
 * from the stored weights. An ONNX file is taken too and built with `options`. */
MXD_API mxd_status mxd_engine_load(mxd_engine **out, const mxd_context *ctx, const char *path,
                                   const mxd_build_options *options, mxd_error *err);
MXD_API void       mxd_engine_destroy(mxd_engine *engine);

MXD_API uint32_t mxd_engine_inputs(const mxd_engine *engine);
MXD_API uint32_t mxd_engine_outputs(const mxd_engine *engine);
/** Shapes are those of the largest batch. */
MXD_API void mxd_engine_input(mxd_value_info *out, const mxd_engine *engine, uint32_t index);
MXD_API void mxd_engine_output(mxd_value_info *out, const mxd_engine *engine, uint32_t index);
/** "u8:hwc,scale=1/255" of an input that was built from formats; NULL: it is as in the model. */
MXD_API const char *mxd_engine_input_format(const mxd_engine *engine, uint32_t index);
MXD_API int64_t     mxd_engine_batch(const mxd_engine *engine); /**< largest batch of one run */
MXD_API int mxd_engine_batched(const mxd_engine *engine); /**< 0: the network's batch is fixed */
MXD_API const char *mxd_engine_isa(
    const mxd_engine *engine); /**< highest instruction set that may be used */
/** Bytes: weights, panels and one session. */
MXD_API size_t   mxd_engine_peak_memory(const mxd_engine *engine);
MXD_API uint64_t mxd_engine_bytes(const mxd_engine *engine,
                                  mxd_error        *err); /**< of the engine file; 0 on failure */
MXD_API double   mxd_engine_build_seconds(const mxd_engine *engine);

/** Asked and executed precision of one ONNX node; strings live as long as the engine, NULL where
 * there is nothing to say. */
typedef struct mxd_audit_row {
    const char *node, *op, *asked, *stored, *computed, *verdict, *kernel, *reason;
} mxd_audit_row;
/** Returns how many rows mismatch. *rows is borrowed. */
MXD_API uint32_t mxd_engine_audit(const mxd_engine *engine, const mxd_audit_row **rows,
                                  uint32_t *n);

/* ---- sessions ---- */
typedef struct mxd_session_options {
    uint32_t struct_size;
    uint32_t threads; /* 0: the machine's cores */
    int      trace;   /* mxd_session_trace will be called */
} mxd_session_options;
#define MXD_SESSION_OPTIONS_INIT          \
    {                                     \
        sizeof(mxd_session_options), 0, 0 \
    }

MXD_API mxd_status mxd_session_open(mxd_session **out, const mxd_engine *engine,
                                    const mxd_session_options *options, mxd_error *err);
MXD_API void       mxd_session_close(mxd_session *session);
/** Type and shape of output `k` for that many samples; data is NULL. */
MXD_API mxd_status mxd_session_output(mxd_tensor *out, const mxd_session *session, uint32_t k,
                                      int64_t samples, mxd_error *err);
/** Inputs and outputs in the network's order, dense, in the caller's memory; outputs shaped as
 * mxd_session_output says. More samples than the batch run in pieces. Never allocates. */
MXD_API mxd_status mxd_session_run(mxd_session *session, const mxd_tensor *in, uint32_t n_in,
                                   const mxd_tensor *out, uint32_t n_out, mxd_error *err);

/** Called for each quantized value that the plan holds: stored type, the graph's own layout. */
typedef mxd_status (*mxd_trace)(void *user, const char *value, const mxd_tensor *tensor,
                                mxd_error *err);
MXD_API mxd_status mxd_session_trace(mxd_session *session, const mxd_tensor *in, uint32_t n_in,
                                     const mxd_tensor *out, uint32_t n_out, mxd_trace fn,
                                     void *user, mxd_error *err);

/** One executed step and its mean time since the last call (the first call switches timing on). */
typedef struct mxd_profile_row {
    const char *node; /* first ONNX node whose work it does */
    const char *kernel, *computed, *reason;
    double      ms;
    int64_t     macs, bytes; /* at that batch */
    const char
           *algorithm; /* "direct", "winograd"; NULL: its kernel has one only, or does not say */
    int64_t constant_bytes; /* those of `bytes` that are weights and tables */
    int64_t depth;          /* products in each output; 0: none, or unknown */
} mxd_profile_row;
/** Of runs of `batch` samples. Free *rows with mxd_free. */
MXD_API mxd_status mxd_session_profile(mxd_session *session, int64_t batch, mxd_profile_row **rows,
                                       uint32_t *n, mxd_error *err);

#ifdef __cplusplus
}
#endif
#endif
