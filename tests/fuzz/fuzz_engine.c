/* SPDX-License-Identifier: Apache-2.0
 *
 * Engine files: size and checksum are put right first, since they would stop every changed file;
 * the rest is the file's own. What parses is built by the backend that it names, and is a fixed
 * point of writing and reading.
 */
#include <string.h>

#include "api/api_objects.h"
#include "engine/engine.h"
#include "engine/engine_format.h"
#include "fuzz/fuzz_case.h"
#include "mixdown/context.h"

static void put_right(uint8_t *file, size_t size)
{
    const uint64_t bytes = size;
    memcpy(file + 16, &bytes, sizeof(bytes));
    const mxdi_hash h = mxdi_engine_checksum((mxdi_view){ file, size });
    memcpy(file + MXDI_ENGINE_CHECKSUM, &h, sizeof(h));
}

/* What was built is written, and what is written is read: the second file has the bytes of the
 * first. */
static void write_and_read(const mxdi_engine *e, const mxdi_registry *registry)
{
    mxdi_bytes         first = { .alloc = &fuzz_allocator }, second = { .alloc = &fuzz_allocator };
    mxdi_build_options options;
    mxdi_graph        *g     = NULL;
    mxdi_engine       *again = NULL;
    mxd_error          err   = MXD_ERROR_INIT;
    char               hash[33];
    mxd_status         st = mxdi_engine_write(&first, e, &err);
    if (st == MXD_OK)
        st = mxdi_engine_parse(&g, &options, hash, (mxdi_view){ first.data, first.size },
                               &fuzz_allocator, &err);
    if (st == MXD_OK)
        st = mxdi_engine_build(&again, g, &options, registry, &fuzz_allocator, &err);
    if (st == MXD_OK) {
        memcpy(again->model_hash, hash, sizeof(hash));
        st = mxdi_engine_write(&second, again, &err);
    }
    if (fuzz_told(st, &err) != MXD_E_NOMEM && (st != MXD_OK || first.size != second.size ||
                                               memcmp(first.data, second.data, first.size) != 0))
        abort();
    mxdi_engine_destroy(again);
    mxdi_bytes_free(&first);
    mxdi_bytes_free(&second);
}

static void parse_and_build(mxdi_view file, const mxdi_registry *registry)
{
    mxdi_build_options options;
    mxdi_graph        *g   = NULL;
    mxdi_engine       *e   = NULL;
    mxd_error          err = MXD_ERROR_INIT;
    char               hash[33];
    if (fuzz_told(mxdi_engine_parse(&g, &options, hash, file, &fuzz_allocator, &err), &err) !=
        MXD_OK)
        return;
    if (g->n_nodes > 64) {
        mxdi_graph_destroy(g);
        return;
    }
    if (fuzz_told(mxdi_engine_build(&e, g, &options, registry, &fuzz_allocator, &err), &err) ==
        MXD_OK) {
        memcpy(e->model_hash, hash, sizeof(hash));
        write_and_read(e, registry);
    }
    mxdi_engine_destroy(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mxd_context *ctx = NULL;
    mxd_error    err = MXD_ERROR_INIT;
    if (size < MXDI_ENGINE_HEADER || mxd_context_create(&ctx, &fuzz_allocator, &err) != MXD_OK)
        return 0;
    uint8_t *const file = fuzz_get(NULL, size);
    if (file) {
        memcpy(file, data, size);
        put_right(file, size);
        parse_and_build((mxdi_view){ file, size }, &ctx->registry);
    }
    fuzz_put(NULL, file);
    mxd_context_destroy(ctx);
    return fuzz_end();
}
