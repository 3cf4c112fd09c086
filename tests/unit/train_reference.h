/* SPDX-License-Identifier: Apache-2.0
 *
 * A second forward pass for the tests of training: from the operators' definitions in ONNX, in
 * binary64, on dense arrays, and slow. Any one element of any value can be moved by a little, which
 * is all that finite differences need. It takes the operators of docs/training.md without
 * quantizers.
 */
#ifndef TESTS_UNIT_TRAIN_REFERENCE_H
#define TESTS_UNIT_TRAIN_REFERENCE_H

#include "graph_case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct train_reference {
    const mxdi_graph *g;       /* bound */
    double          **value;   /* (n_values) dense */
    const double     *mask;    /* what a Dropout multiplies with */
    double            margin;  /* of the last run: how near to a kink any element came */
    uint32_t          changed; /* one element of this value is moved by delta ... */
    int64_t           element;
    double            delta; /* ... as soon as it is known */
} train_reference;

static inline int64_t reference_count(const mxd_value *v)
{
    int64_t n = 1;
    for (int32_t k = 0; k < v->rank; k++)
        n *= v->dim[k];
    return n;
}

/* (N, C, H, W) of a value of rank 2 to 4. */
struct reference_shape {
    int64_t n, c, h, w;
};

static inline struct reference_shape reference_shape_of(const mxd_value *v)
{
    return (struct reference_shape){ v->dim[0], v->dim[1], v->rank == 4 ? v->dim[2] : 1,
                                     v->rank == 4   ? v->dim[3]
                                     : v->rank == 3 ? v->dim[2]
                                                    : 1 };
}

static inline int64_t reference_at(struct reference_shape s, int64_t n, int64_t c, int64_t h,
                                   int64_t w)
{
    return ((n * s.c + c) * s.h + h) * s.w + w;
}

/* ---- attributes: by axis (h, w), one-dimensional ones have h = 1 ---- */

static inline void reference_pair(int64_t out[2], const mxd_node *node, const char *name,
                                  int64_t otherwise)
{
    uint32_t             n = 0;
    const int64_t *const v = mxd_node_ints(node, name, &n);
    out[0] = out[1] = otherwise;
    for (uint32_t k = 0; v && k < n && k < 2; k++)
        out[n == 1 ? 1 : k] = v[k];
}

struct reference_window {
    int64_t kernel[2], stride[2], dilation[2], begin[2], end[2];
};

static inline struct reference_window reference_window_of(const mxd_node *node,
                                                          const int64_t   kernel[2])
{
    struct reference_window w = { .kernel = { kernel[0], kernel[1] } };
    uint32_t                n = 0;
    const int64_t *const    p = mxd_node_ints(node, "pads", &n);
    reference_pair(w.stride, node, "strides", 1);
    reference_pair(w.dilation, node, "dilations", 1);
    for (uint32_t k = 0; p && k < n / 2; k++) {
        w.begin[n == 2 ? 1 : k] = p[k];
        w.end[n == 2 ? 1 : k]   = p[n / 2 + k];
    }
    if (!p || n == 2)
        w.begin[0] = w.end[0] = 0;
    return w;
}

static inline const int64_t *reference_ints(const train_reference *r, const mxd_node *node,
                                            uint32_t k, int64_t *n)
{
    if (node->n_in <= k || node->in[k] == MXD_NO_VALUE)
        return NULL;
    *n = reference_count(&r->g->value[node->in[k]]);
    return r->g->value[node->in[k]].data;
}

/* ---- operators: x, further inputs, y ---- */

static inline void reference_conv(const train_reference *r, const mxd_node *node)
{
    const mxd_value *const       vw        = &r->g->value[node->in[1]];
    const struct reference_shape sx        = reference_shape_of(&r->g->value[node->in[0]]);
    const struct reference_shape sy        = reference_shape_of(&r->g->value[node->out[0]]);
    const struct reference_shape sw        = reference_shape_of(vw);
    const int64_t                kernel[2] = { sw.h, sw.w }, group = mxd_node_int(node, "group", 1);
    const struct reference_window g = reference_window_of(node, kernel);
    const double *const x = r->value[node->in[0]], *const w = r->value[node->in[1]];
    double *const y = r->value[node->out[0]];
    for (int64_t n = 0; n < sy.n; n++)
        for (int64_t o = 0; o < sy.c; o++)
            for (int64_t h = 0; h < sy.h; h++)
                for (int64_t v = 0; v < sy.w; v++) {
                    double sum = node->n_in > 2 ? r->value[node->in[2]][o] : 0.0;
                    for (int64_t c = 0; c < sw.c; c++)
                        for (int64_t i = 0; i < sw.h; i++)
                            for (int64_t j = 0; j < sw.w; j++) {
                                const int64_t in = o / (sy.c / group) * sw.c + c;
                                const int64_t a  = h * g.stride[0] + i * g.dilation[0] - g.begin[0];
                                const int64_t b  = v * g.stride[1] + j * g.dilation[1] - g.begin[1];
                                if (a >= 0 && a < sx.h && b >= 0 && b < sx.w)
                                    sum += x[reference_at(sx, n, in, a, b)] *
                                           w[reference_at(sw, o, c, i, j)];
                            }
                    y[reference_at(sy, n, o, h, v)] = sum;
                }
}

static inline void reference_product(const train_reference *r, const mxd_node *node)
{
    const int64_t       rows = r->g->value[node->in[0]].dim[0], k = r->g->value[node->in[0]].dim[1];
    const int64_t       m                = r->g->value[node->out[0]].dim[1];
    const bool          rows_are_outputs = mxd_node_int(node, "transB", 0);
    const double *const x = r->value[node->in[0]], *const w = r->value[node->in[1]];
    double *const y = r->value[node->out[0]];
    for (int64_t n = 0; n < rows; n++)
        for (int64_t o = 0; o < m; o++) {
            double sum = node->n_in > 2 ? r->value[node->in[2]][o] : 0.0;
            for (int64_t i = 0; i < k; i++)
                sum += x[n * k + i] * w[rows_are_outputs ? o * k + i : i * m + o];
            y[n * m + o] = sum;
        }
}

static inline void reference_norm(const train_reference *r, const mxd_node *node)
{
    const struct reference_shape s   = reference_shape_of(&r->g->value[node->in[0]]);
    const double                 eps = (double)mxd_node_float(node, "epsilon", 1e-5f);
    const double *const          x   = r->value[node->in[0]];
    for (int64_t c = 0; c < s.c; c++) {
        double       mean = 0.0, square = 0.0;
        const double count = (double)(s.n * s.h * s.w);
        for (int64_t n = 0; n < s.n; n++)
            for (int64_t k = 0; k < s.h * s.w; k++)
                mean += x[(n * s.c + c) * s.h * s.w + k] / count;
        for (int64_t n = 0; n < s.n; n++)
            for (int64_t k = 0; k < s.h * s.w; k++)
                square += pow(x[(n * s.c + c) * s.h * s.w + k] - mean, 2.0) / count;
        for (int64_t n = 0; n < s.n; n++)
            for (int64_t k = 0; k < s.h * s.w; k++) {
                const int64_t at = (n * s.c + c) * s.h * s.w + k;
                r->value[node->out[0]][at] =
                    r->value[node->in[1]][c] * (x[at] - mean) / sqrt(square + eps) +
                    r->value[node->in[2]][c];
            }
    }
}

static inline void reference_near(train_reference *r, double distance)
{
    r->margin = fmin(r->margin, fabs(distance));
}

/* Relu, LeakyRelu, Clip. */
static inline void reference_clamp(train_reference *r, const mxd_node *node, int64_t n)
{
    const bool   clip = mxdi_node_is(node, "Clip"), leaky = mxdi_node_is(node, "LeakyRelu");
    const double slope = leaky ? (double)mxd_node_float(node, "alpha", 0.01f) : 0.0;
    const double low   = clip ? r->value[node->in[1]][0] : 0.0;
    const double high  = clip ? r->value[node->in[2]][0] : INFINITY;
    for (int64_t k = 0; k < n; k++) {
        const double x = r->value[node->in[0]][k];
        reference_near(r, x - low);
        reference_near(r, x - high);
        r->value[node->out[0]][k] = x < low ? (leaky ? slope * x : low) : fmin(x, high);
    }
}

/* The taps of one output: their largest (with the next one in *margin) or their mean. */
static inline double reference_taps(train_reference *r, const double *x, struct reference_shape s,
                                    const struct reference_window *g, int64_t h, int64_t w,
                                    bool largest, bool count_pad)
{
    double  sum = 0.0, best = -INFINITY, second = -INFINITY;
    int64_t n = 0;
    for (int64_t i = 0; i < g->kernel[0]; i++)
        for (int64_t j = 0; j < g->kernel[1]; j++) {
            const int64_t a = h * g->stride[0] + i * g->dilation[0] - g->begin[0];
            const int64_t b = w * g->stride[1] + j * g->dilation[1] - g->begin[1];
            if (a >= 0 && a < s.h && b >= 0 && b < s.w) {
                const double v = x[a * s.w + b];
                sum += v;
                n++;
                second = v > best ? best : fmax(second, v);
                best   = fmax(best, v);
            } else if (count_pad && a < s.h + g->end[0] && b < s.w + g->end[1]) {
                n++;
            }
        }
    if (largest)
        reference_near(r, best - second);
    return largest ? best : sum / (double)n;
}

static inline void reference_pool(train_reference *r, const mxd_node *node)
{
    const struct reference_shape sx = reference_shape_of(&r->g->value[node->in[0]]);
    const struct reference_shape sy = reference_shape_of(&r->g->value[node->out[0]]);
    int64_t                      kernel[2];
    reference_pair(kernel, node, "kernel_shape", 1);
    const bool windowed = mxdi_node_is(node, "MaxPool") || mxdi_node_is(node, "AveragePool");
    if (!windowed) { /* GlobalAveragePool, ReduceMean over the image */
        kernel[0] = sx.h;
        kernel[1] = sx.w;
    }
    const struct reference_window g = reference_window_of(node, kernel);
    for (int64_t n = 0; n < sx.n * sx.c; n++)
        for (int64_t h = 0; h < sy.h; h++)
            for (int64_t w = 0; w < sy.w; w++)
                r->value[node->out[0]][(n * sy.h + h) * sy.w + w] = reference_taps(
                    r, r->value[node->in[0]] + n * sx.h * sx.w, sx, &g, h, w,
                    mxdi_node_is(node, "MaxPool"), mxd_node_int(node, "count_include_pad", 0));
}

static inline void reference_concat(const train_reference *r, const mxd_node *node)
{
    const struct reference_shape sy = reference_shape_of(&r->g->value[node->out[0]]);
    int64_t                      at = 0;
    for (uint32_t k = 0; k < node->n_in; k++) {
        const int64_t c = r->g->value[node->in[k]].dim[1], part = c * sy.h * sy.w;
        for (int64_t n = 0; n < sy.n; n++)
            memcpy(r->value[node->out[0]] + (n * sy.c + at) * sy.h * sy.w,
                   r->value[node->in[k]] + n * part, (size_t)part * sizeof(double));
        at += c;
    }
}

/* Slice and Pad: y[k] = x[k*step + first], 0 outside; starts here are never negative. */
static inline void reference_box(const train_reference *r, const mxd_node *node)
{
    const mxd_value *const vx = &r->g->value[node->in[0]], *const vy = &r->g->value[node->out[0]];
    int64_t              first[4] = { 0 }, step[4] = { 1, 1, 1, 1 }, n = 0, unused;
    const bool           pad    = mxdi_node_is(node, "Pad");
    const int64_t *const bounds = reference_ints(r, node, 1, &n);
    const int64_t *const axes   = pad ? NULL : reference_ints(r, node, 3, &unused);
    const int64_t *const steps  = pad ? NULL : reference_ints(r, node, 4, &unused);
    for (int64_t k = 0; k < (pad ? vx->rank : n); k++) {
        const int64_t axis = axes ? (axes[k] + vx->rank) % vx->rank : k;
        first[axis]        = pad ? -bounds[k] : bounds[k];
        step[axis]         = steps ? steps[k] : 1;
    }
    for (int64_t k = 0; k < reference_count(vy); k++) {
        int64_t rest = k, from = 0, scale = 1;
        bool    inside = true;
        for (int32_t axis = vy->rank - 1; axis >= 0; axis--) {
            const int64_t at = rest % vy->dim[axis] * step[axis] + first[axis];
            rest /= vy->dim[axis];
            inside = inside && at >= 0 && at < vx->dim[axis];
            from += at * scale;
            scale *= vx->dim[axis];
        }
        r->value[node->out[0]][k] = inside ? r->value[node->in[0]][from] : 0.0;
    }
}

static inline bool reference_one_of(const mxd_node *node, const char *names)
{
    char wanted[64];
    (void)snprintf(wanted, sizeof(wanted), " %s ", node->op);
    return strstr(names, wanted) != NULL;
}

static inline void reference_node(train_reference *r, const mxd_node *node)
{
    const int64_t n = reference_count(&r->g->value[node->out[0]]);
    double *const y = r->value[node->out[0]];
    if (mxdi_node_is(node, "Conv"))
        reference_conv(r, node);
    else if (reference_one_of(node, " Gemm MatMul "))
        reference_product(r, node);
    else if (mxdi_node_is(node, "BatchNormalization"))
        reference_norm(r, node);
    else if (reference_one_of(node, " Relu LeakyRelu Clip "))
        reference_clamp(r, node, n);
    else if (reference_one_of(node, " MaxPool AveragePool GlobalAveragePool ReduceMean "))
        reference_pool(r, node);
    else if (mxdi_node_is(node, "Concat"))
        reference_concat(r, node);
    else if (reference_one_of(node, " Slice Pad "))
        reference_box(r, node);
    else if (mxdi_node_is(node, "Add"))
        for (int64_t k = 0; k < n; k++)
            y[k] = r->value[node->in[0]][k] + r->value[node->in[1]][k];
    else if (mxdi_node_is(node, "Dropout"))
        for (int64_t k = 0; k < n; k++)
            y[k] = r->value[node->in[0]][k] * r->mask[k];
    else if (reference_one_of(node, " Reshape Flatten Squeeze Unsqueeze Identity "))
        memcpy(y, r->value[node->in[0]], (size_t)n * sizeof(double));
    else
        fail_msg("the reference has no %s", node->op);
}

static inline void reference_move(const train_reference *r, uint32_t value)
{
    if (value == r->changed)
        r->value[value][r->element] += r->delta;
}

/* All values from the input (dense, floats) and the constants; the output. */
static inline const double *reference_run(train_reference *r, const float *x)
{
    r->margin = INFINITY;
    for (uint32_t v = 0; v < r->g->n_values; v++) {
        const mxd_value *const value = &r->g->value[v];
        const float *const     from  = v == r->g->input[0] ? x : value->data;
        for (int64_t k = 0; from && value->dtype == MXD_F32 && k < reference_count(value); k++)
            r->value[v][k] = (double)from[k];
        if (from)
            reference_move(r, v);
    }
    for (uint32_t n = 0; n < r->g->n_nodes; n++) {
        reference_node(r, &r->g->node[n]);
        reference_move(r, r->g->node[n].out[0]);
    }
    return r->value[r->g->output[0]];
}

static inline train_reference *reference_begin(const mxdi_graph *g)
{
    train_reference *const r = calloc(1, sizeof(*r));
    assert_non_null(r);
    r->g       = g;
    r->changed = MXD_NO_VALUE;
    r->value   = calloc(g->n_values, sizeof(r->value[0]));
    assert_non_null(r->value);
    for (uint32_t v = 0; v < g->n_values; v++) {
        r->value[v] = calloc((size_t)reference_count(&g->value[v]) + 1, sizeof(double));
        assert_non_null(r->value[v]);
    }
    return r;
}

static inline void reference_end(train_reference *r)
{
    for (uint32_t v = 0; v < r->g->n_values; v++)
        free(r->value[v]);
    free(r->value);
    free(r);
}
#endif
