/* SPDX-License-Identifier: Apache-2.0
 *
 * The backend table: how an execution engine plugs into mixdown. Append-only; not frozen before two
 * unlike backends pass conformance on it. In-tree backends (cpu, interp) use exactly this table.
 *
 * Life: probe -> open(device) -> claim(whole QDQ graph) -> compile(part) -> session_open ->
 * session_run* -> session_close -> program_destroy -> close. A device and a program may be used
 * from any thread; a session belongs to one thread at a time. On failure every `out` is NULL and
 * nothing is owned by the caller.
 */
#ifndef MIXDOWN_BACKEND_H
#define MIXDOWN_BACKEND_H

#include "mixdown/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MXD_BACKEND_ABI 1u

typedef struct mxd_device  mxd_device; /* defined by each backend */
typedef struct mxd_program mxd_program;
typedef struct mxd_run     mxd_run; /* a backend's session */

/** What the host lends a device for its life. */
typedef struct mxd_host_api {
    uint32_t             struct_size;
    const mxd_allocator *allocator;            /* for every allocation of the backend; never NULL */
    void (*log)(void *user, const char *line); /* may be NULL */
    void *user;
} mxd_host_api;

typedef struct mxd_option {
    const char *key, *value;
} mxd_option;
/** Options of a device, as key and value: "isa" (names of docs/cli.md). Unknown keys are refused.
 */
typedef struct mxd_options {
    const mxd_option *option;
    uint32_t          n;
} mxd_options;

/** What a device can do, for the quantizer and for people. */
typedef struct mxd_constraints {
    uint32_t struct_size;
    uint32_t compute_dtypes;     /* bit 1u << mxd_dtype: storage types with kernels of their own */
    int32_t  symmetric_only;     /* activations need zero point 0 */
    int32_t  signed_activations; /* activations are written as s8 rather than u8 */
    int32_t  quantize_every_output; /* a quantizer between Conv and Add, as ONNX Runtime's fusion
                                       wants */
    int32_t quantize_residual; /* a quantizer on the residual input of an Add, as TensorRT's fusion
                                  wants */
} mxd_constraints;

/** The answer of claim: for each node of the graph, taken or the reason why not (static text or
 * from `text`). */
typedef struct mxd_claim {
    uint32_t struct_size;
    uint8_t *taken; /* (n_nodes), given by the host, zeroed */
    const char *
        *reason; /* (n_nodes), given by the host, NULL; strings live as long as the device */
} mxd_claim;

/** Where the host keeps which algorithm was the fastest. `op`, `shape` and the names of candidates
 * are the backend's own words; the host adds the device. The candidates are part of what is asked:
 * with others, nothing is known. */
typedef struct mxd_choices {
    uint32_t struct_size;
    void    *user;
    /** Number of the candidate that is known to be best; n: unknown. */
    uint32_t (*find)(void *user, const char *op, const char *shape, uint32_t threads,
                     const char *const *candidate, uint32_t n);
    /** Candidate `best` was timed, with all the others (n), in nanoseconds. */
    mxd_status (*record)(void *user, const char *op, const char *shape, uint32_t threads,
                         const char *const *candidate, const double *ns, uint32_t n, uint32_t best,
                         mxd_error *err);
} mxd_choices;

typedef struct mxd_compile_options {
    uint32_t struct_size;
    size_t   workspace_cap; /* bytes of derived panels and scratch; 0: no cap */
    int32_t  exact;         /* float Conv and MatMul in the order of docs/numerics.md */
    int32_t  timed; /* time algorithms where `choices` does not know the best; 0: fixed rules decide
                       there */
    uint32_t threads; /* that the program will run with; 0: the machine's */
    int32_t (*progress)(void *user, double done); /* non-zero: cancel; may be NULL */
    void              *user;
    const mxd_choices *choices; /* NULL: none are known, and none kept */
} mxd_compile_options;

/** One executed step, for audit and profile. Strings live as long as the program. */
typedef struct mxd_step {
    const char        *kernel; /* "conv_q8_avx512vnni" */
    const char *const *origin; /* ONNX node names */
    uint32_t           n_origin;
    const char *computed; /* what the arithmetic is: "u8s8", "f32", "bf16", "s8" (copied) ... */
    int64_t     macs;     /* at the largest batch */
    int64_t     bytes;    /* read and written at the largest batch, constants included */
    const char *reason;   /* why it is not faster or not as asked; NULL: nothing to say */
} mxd_step;

/** What else is known of a step, for rooflines; zeros and NULL: nothing. */
typedef struct mxd_step_more {
    const char *algorithm;      /* "direct", "winograd" (F(4x4, 3x3)): where a kernel has several */
    int64_t     constant_bytes; /* those of `bytes` that are weights and tables */
    int64_t     depth;          /* products in each output */
} mxd_step_more;

/** The host zeroes it. */
typedef struct mxd_steps {
    const mxd_step      *step;
    uint32_t             n;
    size_t               peak_bytes;
    const mxd_step_more *more; /* (n), or NULL */
} mxd_steps;

typedef struct mxd_run_options {
    uint32_t struct_size;
    uint32_t threads; /* 0: the machine's cores */
    int32_t  trace; /* this session will be traced: the plan and kernels stay, values are kept long
                       enough to be seen */
} mxd_run_options;

/** Called once per quantized value that the plan holds, in the graph's own layout and stored type.
 */
typedef mxd_status (*mxd_trace_fn)(void *user, const char *value, const mxd_tensor *tensor,
                                   mxd_error *err);

typedef struct mxd_backend_api {
    uint32_t    abi;         /* MXD_BACKEND_ABI the backend was built with */
    uint32_t    struct_size; /* sizeof(mxd_backend_api) likewise */
    const char *name;        /* "cpu", "interp": lower case, unique */

    /** Usable devices now; zero (no driver) is no error. `description` (may be NULL): one line for
     * people. */
    mxd_status (*probe)(uint32_t *n_devices, char *description, size_t description_bytes,
                        mxd_error *err);
    mxd_status (*open)(mxd_device **out, uint32_t index, const mxd_options *options,
                       const mxd_host_api *host, mxd_error *err);
    void (*close)(mxd_device *dev);
    /** Identity of the device for engine files and timing caches: CPU model, kernel set. Lives as
     * long as `dev`. */
    const char *(*describe)(const mxd_device *dev);
    void (*constraints)(const mxd_device *dev, mxd_constraints *out);

    /** Which nodes of the unfused QDQ graph this device runs, with exactly these types and qparams.
     */
    mxd_status (*claim)(mxd_device *dev, const mxd_graph_view *graph, mxd_claim *out,
                        mxd_error *err);

    /** `part` (and its constants) stays alive and unchanged as long as the program. */
    mxd_status (*compile)(mxd_program **out, mxd_device *dev, const mxd_graph_view *part,
                          const mxd_compile_options *options, mxd_error *err);
    void (*program_destroy)(mxd_program *program);
    void (*steps)(const mxd_program *program, mxd_steps *out);

    mxd_status (*session_open)(mxd_run **out, const mxd_program *program,
                               const mxd_run_options *options, mxd_error *err);
    void (*session_close)(mxd_run *run);
    /** Inputs and outputs in the part's order, in the caller's memory, dense, 64-byte alignment not
     * assumed. Batch dimensions hold any batch from 1 to the compiled one. Never allocates. `trace`
     * may be NULL. */
    mxd_status (*session_run)(mxd_run *run, const mxd_tensor *in, uint32_t n_in,
                              const mxd_tensor *out, uint32_t n_out, mxd_trace_fn trace,
                              void *trace_user, mxd_error *err);
    /** Nanoseconds of each step in the runs since the last call (n of steps()); switches timing on
     * at the first call. */
    mxd_status (*session_profile)(mxd_run *run, uint64_t *ns, uint32_t n, uint64_t *runs,
                                  mxd_error *err);

    /* ---- optional: NULL where a backend has none ---- */
    /** Packed form for an engine file; deserialize answers MXD_E_STALE with the reason when it does
     * not fit. */
    mxd_status (*serialize)(const mxd_program *program,
                            mxd_status (*sink)(void *user, const void *data, size_t bytes),
                            void *user, mxd_error *err);
    mxd_status (*deserialize)(mxd_program **out, mxd_device *dev, const void *data, size_t bytes,
                              mxd_error *err);
    mxd_status (*refit)(mxd_program *program, const mxd_graph_view *part, mxd_error *err);
    mxd_status (*export_source)(const mxd_program *program, const char *dir, mxd_error *err);
} mxd_backend_api;

#define MXD_BACKEND_HAS(api, fn) \
    ((api)->struct_size >= offsetof(mxd_backend_api, fn) + sizeof((api)->fn) && (api)->fn)

/** The one symbol that a plug-in exports. The table lives as long as the library. */
typedef const mxd_backend_api *(*mxd_backend_entry)(void);
#define MXD_BACKEND_ENTRY "mxd_backend_entry_v1"

#ifdef __cplusplus
}
#endif
#endif
