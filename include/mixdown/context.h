/* SPDX-License-Identifier: Apache-2.0
 *
 * The context: allocator and backends, shared by everything made from it. Create it first, destroy
 * it last.
 */
#ifndef MIXDOWN_CONTEXT_H
#define MIXDOWN_CONTEXT_H

#include "mixdown/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mxd_context mxd_context;

/** `allocator` NULL: malloc; it is copied. Thread-safe once made, except for
 * mxd_context_load_backend. Since 0.1. */
MXD_API mxd_status mxd_context_create(mxd_context **out, const mxd_allocator *allocator,
                                      mxd_error *err);
MXD_API void       mxd_context_destroy(mxd_context *ctx); /**< NULL is fine */

/** Add the backend that a shared object exports (mixdown/backend.h). Not while other threads use
 * `ctx`. */
MXD_API mxd_status mxd_context_load_backend(mxd_context *ctx, const char *path, mxd_error *err);

/** What is known of one backend; strings live as long as the context, `description` is the caller's
 * storage. */
typedef struct mxd_backend_info {
    const char *name;
    uint32_t    devices;          /* usable now */
    char        description[256]; /* device, or what is missing */
} mxd_backend_info;

MXD_API uint32_t   mxd_context_backends(const mxd_context *ctx);
MXD_API mxd_status mxd_context_backend(mxd_backend_info *out, const mxd_context *ctx,
                                       uint32_t index, mxd_error *err);

/** Remove the temporary files of writes in progress. For a signal handler that ends the process:
 * async-signal-safe. */
MXD_API void mxd_abandon_files(void);

/** Give memory back that a function of this library handed over as "free with mxd_free". */
MXD_API void mxd_free(const mxd_context *ctx, void *p);

#ifdef __cplusplus
}
#endif
#endif
