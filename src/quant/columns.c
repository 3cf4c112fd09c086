/* SPDX-License-Identifier: Apache-2.0
 * Columns of a layer's input. */
#include "quant/columns.h"

#include "base/dtype.h"
#include "base/error.h"

mxd_status mxdi_columns_of(mxdi_columns *out, const mxdi_graph *g, const mxd_node *node,
                           mxd_error *err)
{
    const mxd_value *const x = &g->value[node->in[0]], *const w = &g->value[node->in[1]];
    *out = (mxdi_columns){
        .groups = 1, .places = 1, .taps = 1, .plane = 1, .conv = mxdi_node_is(node, "Conv")
    };
    if (!out->conv) {
        out->k = x->dim[x->rank - 1];
        return MXD_OK;
    }
    MXD_TRY(mxdi_window_of(&out->window, node, x->dim + 2, w->dim + 2, x->rank - 2, err));
    out->groups   = mxd_node_int(node, "group", 1);
    out->channels = x->dim[1];
    for (int32_t d = 0; d < out->window.rank; d++) {
        out->plane *= out->window.in[d];
        out->places *= out->window.out[d];
        out->taps *= out->window.kernel[d];
    }
    out->k = out->channels / out->groups * out->taps;
    return MXD_OK;
}

int64_t mxdi_columns_count(const mxdi_columns *c, const mxd_tensor *x)
{
    int64_t count;
    if (c->conv)
        return x->dim[0] * c->places;
    return c->k > 0 && mxdi_shape_count(&count, x->dim, x->rank) ? count / c->k : 0;
}

/* Where tap `tap` of the window at `place` stands in its plane; -1: outside the image. */
static int64_t offset_of(const mxdi_window *w, int64_t place, int64_t tap)
{
    int64_t offset = 0, step = 1;
    for (int32_t d = w->rank; d-- > 0;) {
        const int64_t o = place % w->out[d], t = tap % w->kernel[d];
        const int64_t i = o * w->stride[d] + t * w->dilation[d] - w->pad_begin[d];
        if (i < 0 || i >= w->in[d])
            return -1;
        offset += i * step;
        step *= w->in[d];
        place /= w->out[d];
        tap /= w->kernel[d];
    }
    return offset;
}

void mxdi_columns_find(int64_t *offset, const mxdi_columns *c, const int64_t *at, int64_t n)
{
    for (int64_t tap = 0; tap < c->taps; tap++)
        for (int64_t j = 0; j < n; j++) {
            if (!c->conv) {
                offset[j] = at[j] * c->k;
                continue;
            }
            const int64_t inside = offset_of(&c->window, at[j] % c->places, tap);
            const int64_t image  = at[j] / c->places * c->channels * c->plane;
            offset[tap * n + j]  = inside < 0 ? -1 : image + inside;
        }
}

void mxdi_columns_take(float *out, const mxdi_columns *c, const mxd_tensor *x, int64_t group,
                       const int64_t *offset, int64_t n)
{
    const int64_t      channels = c->k / c->taps;
    const float *const data     = (const float *)x->data + group * channels * c->plane;
    for (int64_t ch = 0; ch < channels; ch++)
        for (int64_t tap = 0; tap < c->taps; tap++) {
            const int64_t *const from = offset + tap * n;
            float *const         row  = out + (ch * c->taps + tap) * n;
            for (int64_t j = 0; j < n; j++)
                row[j] = from[j] < 0 ? 0.0f : data[from[j] + ch * c->plane];
        }
}
