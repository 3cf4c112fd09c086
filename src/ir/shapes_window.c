/* SPDX-License-Identifier: Apache-2.0
 *
 * Geometry of sliding windows (ONNX Conv-22, MaxPool-22, ConvTranspose-22): attributes checked and
 * resolved. Every number is kept below 2^31, so that none of the sums and products here overflows.
 */
#include "ir/shapes.h"

enum { NOTSET, SAME_UPPER, SAME_LOWER, VALID };
static const char *const auto_pads[] = { "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID" };

/* `n` ints of attribute `name`, each in [least, 2^31); untouched when it is absent. */
static mxd_status read_ints(int64_t *out, const mxd_node *node, const char *name, int32_t n,
                            int64_t least, mxd_error *err)
{
    uint32_t             count = 0;
    const int64_t *const v     = mxd_node_ints(node, name, &count);
    if (!v)
        return MXD_OK;
    if (count != (uint32_t)n)
        return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "%s: expected %d numbers, got %u", name,
                                 (int)n, (unsigned)count);
    for (int32_t k = 0; k < n; k++) {
        if (v[k] < least || v[k] > INT32_MAX)
            return mxdi_shape_refuse(err, MXD_E_RANGE, node, "%s: expected %lld to %d, got %lld",
                                     name, (long long)least, INT32_MAX, (long long)v[k]);
        out[k] = v[k];
    }
    return MXD_OK;
}

static mxd_status read_kernel(mxdi_window *w, const mxd_node *node, const int64_t *kernel,
                              mxd_error *err)
{
    uint32_t n = 0;
    MXD_TRY(read_ints(w->kernel, node, "kernel_shape", w->rank, 1, err));
    const bool given = mxd_node_ints(node, "kernel_shape", &n) != NULL;
    if (!given && !kernel)
        return mxdi_shape_refuse(err, MXD_E_INVAL, node, "attribute 'kernel_shape' is missing");
    for (int32_t k = 0; kernel && k < w->rank; k++) {
        if (given && w->kernel[k] != kernel[k])
            return mxdi_shape_refuse(
                err, MXD_E_SHAPE, node, "kernel_shape: expected the weight's %s, got %s",
                mxdi_dims(kernel, w->rank).text, mxdi_dims(w->kernel, w->rank).text);
        if (kernel[k] < 1 || kernel[k] > INT32_MAX)
            return mxdi_shape_refuse(err, MXD_E_SHAPE, node, "the weight has a kernel of %s",
                                     mxdi_dims(kernel, w->rank).text);
        w->kernel[k] = kernel[k];
    }
    return MXD_OK;
}

/* Everything but sizes and padding. pads: begins, then ends, 0 when absent. */
static mxd_status read_window(mxdi_window *w, int64_t *pads, uint32_t *auto_pad,
                              const mxd_node *node, const int64_t *in, const int64_t *kernel,
                              int32_t rank, mxd_error *err)
{
    memset(w, 0, sizeof(*w));
    if (rank < 1 || rank > MXDI_MAX_SPATIAL)
        return mxdi_shape_refuse(err, MXD_E_UNSUPPORTED, node,
                                 "expected 1 to %d spatial axes, got %d", (int)MXDI_MAX_SPATIAL,
                                 (int)rank);
    w->rank = rank;
    for (int32_t k = 0; k < rank; k++) {
        w->stride[k] = w->dilation[k] = 1;
        pads[k] = pads[rank + k] = 0;
        w->in[k]                 = in[k];
        if (in[k] < 1 || in[k] > INT32_MAX)
            return mxdi_shape_refuse(err, MXD_E_SHAPE, node,
                                     "expected spatial axes of 1 to %d, got %s", INT32_MAX,
                                     mxdi_dims(in, rank).text);
    }
    MXD_TRY(read_kernel(w, node, kernel, err));
    MXD_TRY(read_ints(w->stride, node, "strides", rank, 1, err));
    MXD_TRY(read_ints(w->dilation, node, "dilations", rank, 1, err));
    MXD_TRY(read_ints(pads, node, "pads", 2 * rank, 0, err));
    return mxdi_shape_word(auto_pad, node, "auto_pad", auto_pads, 4, err);
}

/* Elements of the input that a dilated kernel spans. */
static int64_t span_of(const mxdi_window *w, int32_t k)
{
    return (w->kernel[k] - 1) * w->dilation[k] + 1;
}

/* `total` split in two; the odd one goes to the end for SAME_UPPER, else to the beginning. */
static void split_padding(mxdi_window *w, int32_t k, int64_t total, bool upper)
{
    const int64_t half = total / 2;
    w->pad_begin[k]    = upper ? half : total - half;
    w->pad_end[k]      = total - w->pad_begin[k];
}

/* One axis of the output. The last window of ceil_mode may hang over the end, but begins before the
 * end padding does (MaxPool-22). */
static mxd_status slide(mxdi_window *w, int32_t k, const mxd_node *node, bool ceil_mode,
                        mxd_error *err)
{
    const int64_t span   = span_of(w, k);
    const int64_t stride = w->stride[k];
    const int64_t room   = w->in[k] + w->pad_begin[k] + w->pad_end[k] - span;
    if (room < 0)
        return mxdi_shape_refuse(
            err, MXD_E_SHAPE, node,
            "expected a kernel no larger than the padded input, %lld, got %lld",
            (long long)(room + span), (long long)span);
    w->out[k] = room / stride + 1;
    if (ceil_mode && room % stride != 0 && w->out[k] * stride < w->in[k] + w->pad_begin[k])
        w->out[k]++;
    return MXD_OK;
}

mxd_status mxdi_window_of(mxdi_window *out, const mxd_node *node, const int64_t *in,
                          const int64_t *kernel, int32_t rank, mxd_error *err)
{
    int64_t    pads[2 * MXDI_MAX_SPATIAL];
    uint32_t   auto_pad  = NOTSET;
    const bool ceil_mode = mxd_node_int(node, "ceil_mode", 0) != 0;
    MXD_TRY(read_window(out, pads, &auto_pad, node, in, kernel, rank, err));
    for (int32_t k = 0; k < rank; k++) {
        if (auto_pad == SAME_UPPER || auto_pad == SAME_LOWER) {
            out->out[k]         = (in[k] - 1) / out->stride[k] + 1;
            const int64_t total = (out->out[k] - 1) * out->stride[k] + span_of(out, k) - in[k];
            split_padding(out, k, total > 0 ? total : 0, auto_pad == SAME_UPPER);
            continue;
        }
        if (auto_pad == NOTSET) {
            out->pad_begin[k] = pads[k];
            out->pad_end[k]   = pads[rank + k];
        }
        /* a pool's window would hold nothing but padding */
        if (!kernel && (out->pad_begin[k] >= span_of(out, k) || out->pad_end[k] >= span_of(out, k)))
            return mxdi_shape_refuse(err, MXD_E_RANGE, node,
                                     "pads: expected less than the kernel, %lld, got %lld and %lld",
                                     (long long)span_of(out, k), (long long)out->pad_begin[k],
                                     (long long)out->pad_end[k]);
        MXD_TRY(slide(out, k, node, ceil_mode, err));
    }
    return MXD_OK;
}

/* output_shape: the spatial dims, in old files preceded by N and C. */
static mxd_status read_output_shape(int64_t *shape, bool *given, const mxd_node *node, int32_t rank,
                                    mxd_error *err)
{
    uint32_t n = 0;
    int64_t  full[2 + MXDI_MAX_SPATIAL];
    *given             = mxd_node_ints(node, "output_shape", &n) != NULL && n > 0;
    const int32_t skip = n == (uint32_t)rank + 2 ? 2 : 0;
    if (!*given)
        return MXD_OK;
    MXD_TRY(read_ints(full, node, "output_shape", skip + rank, skip ? -1 : 1, err));
    for (int32_t k = 0; k < rank; k++) {
        shape[k] = full[skip + k];
        if (shape[k] < 1)
            return mxdi_shape_refuse(err, MXD_E_SHAPE, node,
                                     "output_shape: expected 1 or more, got %lld",
                                     (long long)shape[k]);
    }
    return MXD_OK;
}

mxd_status mxdi_window_transposed(mxdi_window *out, const mxd_node *node, const int64_t *in,
                                  const int64_t *kernel, int32_t rank, mxd_error *err)
{
    int64_t  pads[2 * MXDI_MAX_SPATIAL], extra[MXDI_MAX_SPATIAL] = { 0 };
    int64_t  shape[MXDI_MAX_SPATIAL] = { 0 };
    uint32_t auto_pad                = NOTSET;
    bool     given                   = false;
    MXD_TRY(read_window(out, pads, &auto_pad, node, in, kernel, rank, err));
    MXD_TRY(read_ints(extra, node, "output_padding", rank, 0, err));
    MXD_TRY(read_output_shape(shape, &given, node, rank, err));
    for (int32_t k = 0; k < rank; k++) {
        const int64_t stride = out->stride[k];
        if (extra[k] >= stride && extra[k] >= out->dilation[k])
            return mxdi_shape_refuse(
                err, MXD_E_RANGE, node,
                "output_padding: expected less than stride or dilation, got %lld",
                (long long)extra[k]);
        const int64_t full = stride * (in[k] - 1) + span_of(out, k) + extra[k];
        if (given || auto_pad == SAME_UPPER || auto_pad == SAME_LOWER) {
            out->out[k]         = given ? shape[k] : in[k] * stride;
            const int64_t total = full - out->out[k];
            split_padding(out, k, total > 0 ? total : 0, auto_pad == SAME_UPPER);
            continue;
        }
        if (auto_pad == NOTSET) {
            out->pad_begin[k] = pads[k];
            out->pad_end[k]   = pads[rank + k];
        }
        out->out[k] = full - out->pad_begin[k] - out->pad_end[k];
        if (out->out[k] < 1)
            return mxdi_shape_refuse(err, MXD_E_SHAPE, node,
                                     "pads: expected less than the whole output, %lld, got %lld",
                                     (long long)full, (long long)(full - out->out[k]));
    }
    return MXD_OK;
}
