/* SPDX-License-Identifier: Apache-2.0
 *
 * Engine files: size and checksum are put right first, since they would stop every changed file; the rest is the file's own.
 * What parses is built for the interpreter.
 */
#include <string.h>

#include "engine/engine.h"
#include "engine/engine_format.h"
#include "fuzz/fuzz_case.h"
#include "mixdown/context.h"
#include "api/api_objects.h"

static void put_right(uint8_t *file, size_t size)
{
    const uint64_t bytes = size;
    memcpy(file + 16, &bytes, sizeof(bytes));
    const mxdi_hash h = mxdi_engine_checksum((mxdi_view){ file, size });
    memcpy(file + MXDI_ENGINE_CHECKSUM, &h, sizeof(h));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mxdi_build_options options;
    mxdi_graph        *g   = NULL;
    mxdi_engine       *e   = NULL;
    mxd_context       *ctx = NULL;
    mxd_error          err = MXD_ERROR_INIT;
    char               hash[33];
    if (size < MXDI_ENGINE_HEADER || mxd_context_create(&ctx, &fuzz_allocator, &err) != MXD_OK)
        return 0;
    uint8_t *const file = fuzz_get(NULL, size);
    if (file) {
        memcpy(file, data, size);
        put_right(file, size);
        if (mxdi_engine_parse(&g, &options, hash, (mxdi_view){ file, size }, &fuzz_allocator, &err) == MXD_OK) {
            if (g->n_nodes <= 64)
                (void)mxdi_engine_build(&e, g, &options, &ctx->registry, &fuzz_allocator, &err);
            else
                mxdi_graph_destroy(g);
        }
    }
    mxdi_engine_destroy(e);
    fuzz_put(NULL, file);
    mxd_context_destroy(ctx);
    return 0;
}
