/* SPDX-License-Identifier: Apache-2.0
 * Contexts: allocator and backends. */
#include <string.h>

#include "api/api_objects.h"
#include "base/file.h"

mxd_status mxd_context_create(mxd_context **out, const mxd_allocator *allocator, mxd_error *err)
{
    *out = MXDI_ALLOC(allocator, mxd_context, 1);
    if (!*out)
        return mxdi_nomem(err);
    (*out)->allocator = allocator ? *allocator : *mxdi_default_allocator();
    mxdi_registry_init(&(*out)->registry);
    return MXD_OK;
}

void mxd_context_destroy(mxd_context *ctx)
{
    if (!ctx)
        return;
    const mxd_allocator allocator = ctx->allocator;
    mxdi_registry_fini(&ctx->registry);
    mxdi_free(&allocator, ctx);
}

mxd_status mxd_context_load_backend(mxd_context *ctx, const char *path, mxd_error *err)
{
    return mxdi_registry_load(&ctx->registry, path, err);
}

uint32_t mxd_context_backends(const mxd_context *ctx)
{
    return ctx->registry.n;
}

mxd_status mxd_context_backend(mxd_backend_info *out, const mxd_context *ctx, uint32_t index,
                               mxd_error *err)
{
    if (index >= ctx->registry.n)
        return mxdi_fail(err, MXD_E_RANGE, "backend %u: there are %u", index, ctx->registry.n);
    memset(out, 0, sizeof(*out));
    out->name = ctx->registry.api[index]->name;
    return ctx->registry.api[index]->probe(&out->devices, out->description,
                                           sizeof(out->description), err);
}

void mxd_free(const mxd_context *ctx, void *p)
{
    mxdi_free(&ctx->allocator, p);
}

void mxd_abandon_files(void)
{
    mxdi_out_abort_all();
}
