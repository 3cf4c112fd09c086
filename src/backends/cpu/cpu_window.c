/* SPDX-License-Identifier: Apache-2.0
 *
 * Window geometry of Conv and pools from attributes, as ONNX defines them; one-dimensional ones
 * have height 1. */
#include "backends/cpu/cpu_lower.h"

static int64_t attribute(const mxd_node *n, const char *name, uint32_t k, int64_t otherwise)
{
    uint32_t             count;
    const int64_t *const v = mxd_node_ints(n, name, &count);
    return v && k < count ? v[k] : otherwise;
}

mxdi_cpu_extent mxdi_cpu_extent_of(const mxd_node *n, uint32_t k, uint32_t rank, int64_t in,
                                   int64_t out, const int64_t *kernel)
{
    mxdi_cpu_extent   a   = { in,
                              out,
                              attribute(n, "kernel_shape", k, kernel ? kernel[k] : 1),
                              attribute(n, "strides", k, 1),
                              attribute(n, "dilations", k, 1),
                              attribute(n, "pads", k, 0),
                              attribute(n, "pads", rank + k, 0) };
    const char *const pad = mxd_node_string(n, "auto_pad", "NOTSET");
    if (strncmp(pad, "SAME", 4) == 0) {
        int64_t total = (out - 1) * a.stride + (a.kernel - 1) * a.dilation + 1 - in;
        total         = total > 0 ? total : 0;
        a.begin       = strcmp(pad, "SAME_LOWER") == 0 ? total - total / 2 : total / 2;
        a.end         = total - a.begin;
    } else if (strcmp(pad, "VALID") == 0) {
        a.begin = a.end = 0;
    }
    return a;
}

mxdi_cpu_window mxdi_cpu_window_of(const mxd_node *n, const mxd_value *x, const mxd_value *y,
                                   const int64_t *kernel)
{
    const uint32_t        rank = (uint32_t)x->rank - 2;
    const mxdi_cpu_extent none = { 1, 1, 1, 1, 1, 0, 0 };
    const mxdi_cpu_extent h =
        rank == 2 ? mxdi_cpu_extent_of(n, 0, rank, x->dim[2], y->dim[2], kernel) : none;
    const mxdi_cpu_extent w =
        mxdi_cpu_extent_of(n, rank - 1, rank, x->dim[x->rank - 1], y->dim[y->rank - 1], kernel);
    return (mxdi_cpu_window){ .w      = { .kh = (int32_t)h.kernel,
                                          .kw = (int32_t)w.kernel,
                                          .sh = (int32_t)h.stride,
                                          .sw = (int32_t)w.stride,
                                          .dh = (int32_t)h.dilation,
                                          .dw = (int32_t)w.dilation,
                                          .ph = (int32_t)h.begin,
                                          .pw = (int32_t)w.begin },
                              .ph_end = (int32_t)h.end,
                              .pw_end = (int32_t)w.end };
}
