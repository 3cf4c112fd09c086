/* SPDX-License-Identifier: Apache-2.0
 * Tensors in files: ONNX TensorProto and .npy. */
#include <string.h>

#include "api/api_objects.h"
#include "base/dtype.h"
#include "base/file.h"
#include "base/npy.h"
#include "onnx/onnx.h"

/* A copy of `t`'s elements that the caller owns. */
static mxd_status own(mxd_tensor *out, const mxd_context *ctx, const mxd_tensor *t, mxd_error *err)
{
    size_t bytes;
    if (!mxdi_tensor_bytes(&bytes, t))
        return mxdi_fail(err, MXD_E_RANGE, "tensor too large");
    *out      = *t;
    out->data = mxdi_alloc(&ctx->allocator, bytes, 1);
    if (!out->data)
        return mxdi_nomem(err);
    if (bytes)
        memcpy(out->data, t->data, bytes);
    return MXD_OK;
}

mxd_status mxd_tensor_load_pb(mxd_tensor *out, const mxd_context *ctx, const char *path,
                              mxd_error *err)
{
    mxdi_file  file = MXDI_FILE_INIT;
    mxdi_arena arena;
    mxd_tensor t;
    memset(out, 0, sizeof(*out));
    MXD_TRY(mxdi_file_map(&file, path, err));
    mxdi_arena_init(&arena, &ctx->allocator);
    mxd_status st = mxdi_onnx_tensor_parse(&t, &arena, file.bytes, err);
    if (st == MXD_OK)
        st = own(out, ctx, &t, err);
    mxdi_arena_fini(&arena);
    mxdi_file_unmap(&file);
    return mxdi_wrap(err, st, "%s", path);
}

mxd_status mxd_tensor_load_npy(mxd_tensor *out, const mxd_context *ctx, const char *path,
                               mxd_error *err)
{
    mxdi_file  file = MXDI_FILE_INIT;
    mxd_tensor t;
    memset(out, 0, sizeof(*out));
    MXD_TRY(mxdi_file_map(&file, path, err));
    mxd_status st = mxdi_npy_parse(&t, file.bytes, err);
    if (st == MXD_OK)
        st = own(out, ctx, &t, err);
    mxdi_file_unmap(&file);
    return mxdi_wrap(err, st, "%s", path);
}

mxd_status mxd_tensor_save_npy(const mxd_tensor *tensor, const char *path, mxd_error *err)
{
    return mxdi_npy_save(path, tensor, err);
}
