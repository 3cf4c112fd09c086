/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors of the file format: element types, and the three places where data may lie (raw bytes, a
 * typed list, another file). Data is pointed to where it is; only lists that are wider than the
 * elements are copied.
 */
#include "base/dtype.h"
#include "ir/ops.h"
#include "onnx/onnx_impl.h"

/* Index: the code of the format. */
static const char *const type_names[] = {
    "undefined",      "FLOAT",      "UINT8",          "INT8",       "UINT16",     "INT16",
    "INT32",          "INT64",      "STRING",         "BOOL",       "FLOAT16",    "DOUBLE",
    "UINT32",         "UINT64",     "COMPLEX64",      "COMPLEX128", "BFLOAT16",   "FLOAT8E4M3FN",
    "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ", "UINT4",      "INT4",       "FLOAT4E2M1",
    "FLOAT8E8M0",     "UINT2",      "INT2",           "FLOAT6E2M3", "FLOAT6E3M2",
};

mxd_status mxdi_onnx_read_dtype(mxd_dtype *out, int32_t code, mxd_error *err)
{
    const bool named = code >= 0 && (size_t)code < sizeof(type_names) / sizeof(type_names[0]);
    *out             = mxdi_dtype_of_onnx(code);
    if (*out != MXD_NONE)
        return MXD_OK;
    return mxdi_fail(err, MXD_E_UNSUPPORTED, "element type %s (%d) is not supported",
                     named ? type_names[code] : "unknown", (int)code);
}

/* The list that holds elements of `d`, its length, and the bytes of one item. */
static const void *typed_list(size_t *n, size_t *item, const MxdiOnnx__Tensor *t, mxd_dtype d)
{
    switch (d) {
    case MXD_F32:
        *n    = t->n_float_data;
        *item = sizeof(float);
        return t->float_data;
    case MXD_F64:
        *n    = t->n_double_data;
        *item = sizeof(double);
        return t->double_data;
    case MXD_S64:
        *n    = t->n_int64_data;
        *item = sizeof(int64_t);
        return t->int64_data;
    default:
        *n    = t->n_int32_data;
        *item = sizeof(int32_t);
        return t->int32_data;
    }
}

/* Data of `bytes` bytes from the typed list of `t`. */
static mxd_status read_typed(mxd_tensor *out, const MxdiOnnx__Tensor *t, size_t bytes,
                             mxdi_arena *arena, mxd_error *err)
{
    size_t            n = 0, item = 0;
    const void *const list = typed_list(&n, &item, t, out->dtype);
    const size_t      width =
        (mxd_dtype_bits(out->dtype) + 7) / 8; /* a pair of 4-bit elements is one item */
    if (n != bytes / width)
        return mxdi_fail(err, MXD_E_SHAPE, "expected %zu items for its shape, got %zu",
                         bytes / width, n);
    out->data = (void *)list;
    if (width == item || n == 0)
        return MXD_OK;
    uint8_t *const narrow = mxdi_arena_alloc(arena, bytes, 1, 64);
    if (!narrow)
        return mxdi_nomem(err);
    for (size_t k = 0; k < n; k++) {
        const uint32_t bits = (uint32_t)t->int32_data[k];
        narrow[k * width]   = (uint8_t)bits;
        if (width == 2)
            narrow[k * width + 1] = (uint8_t)(bits >> 8);
    }
    out->data = narrow;
    return MXD_OK;
}

static mxd_status read_shape(mxd_tensor *out, const MxdiOnnx__Tensor *t, mxd_error *err)
{
    int64_t count = 0;
    if (t->n_dims > MXD_MAX_RANK)
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "expected at most %d dimensions, got %zu",
                         (int)MXD_MAX_RANK, t->n_dims);
    out->rank = (int32_t)t->n_dims;
    for (size_t k = 0; k < t->n_dims; k++)
        out->dim[k] = t->dims[k];
    if (!mxdi_shape_count(&count, out->dim, out->rank))
        return mxdi_fail(err, MXD_E_SHAPE,
                         "a dimension is negative, or there are more elements than can be counted");
    return MXD_OK;
}

static mxd_status read_tensor(mxd_tensor *out, const MxdiOnnx__Tensor *t, mxdi_arena *arena,
                              mxdi_onnx_files *files, mxd_error *err)
{
    size_t bytes = 0;
    *out         = (mxd_tensor){ .dtype = MXD_NONE };
    MXD_TRY(mxdi_onnx_read_dtype(&out->dtype, t->data_type, err));
    MXD_TRY(read_shape(out, t, err));
    if (!mxdi_tensor_bytes(&bytes, out))
        return mxdi_fail(err, MXD_E_SHAPE, "larger than memory");
    if (t->data_location == 1)
        return mxdi_onnx_files_data(&out->data, files, t, bytes,
                                    (mxd_dtype_bits(out->dtype) + 7) / 8, err);
    if (t->raw_data.len == 0)
        return read_typed(out, t, bytes, arena, err);
    if (t->raw_data.len != bytes)
        return mxdi_fail(err, MXD_E_SHAPE, "expected %zu bytes for its shape, got %zu", bytes,
                         t->raw_data.len);
    out->data = t->raw_data.data;
    return MXD_OK;
}

mxd_status mxdi_onnx_tensor_read(mxd_tensor *out, const MxdiOnnx__Tensor *t, mxdi_arena *arena,
                                 mxdi_onnx_files *files, mxd_error *err)
{
    const mxd_status st = read_tensor(out, t, arena, files, err);
    return mxdi_wrap(err, st, "tensor '%s'", t->name ? t->name : "");
}

mxd_status mxdi_onnx_tensor_parse(mxd_tensor *out, mxdi_arena *arena, mxdi_view pb, mxd_error *err)
{
    ProtobufCMessage *message = NULL;
    MXD_TRY(mxdi_onnx_unpack(&message, &mxdi_onnx__tensor__descriptor, pb, arena, err));
    return mxdi_onnx_tensor_read(out, (const MxdiOnnx__Tensor *)message, arena, NULL, err);
}
