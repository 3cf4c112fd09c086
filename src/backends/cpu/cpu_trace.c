/* SPDX-License-Identifier: Apache-2.0
 *
 * What steps have just left in memory, turned back into the graph's layout and type for a trace.
 * Values are collected while the chunks of a batch run, a byte per element, and handed out when all
 * of them are whole. */
#include "backends/cpu/cpu_plan.h"
#include "base/dtype.h"
#include "kernels/pack_blocked/pack_blocked.h"

/* Bytes of `batch` samples of v, one per element. */
static int64_t bytes_of(const mxd_program *g, const mxd_value *v, int64_t batch)
{
    int64_t n = 1;
    for (int32_t k = 0; k < v->rank; k++)
        n *= k == v->batch_axis ? v->dim[k] / g->max_batch * batch : v->dim[k];
    return n;
}

void mxdi_cpu_trace_keep(mxd_run *r, const mxdi_cpu_shown *shown, const mxdi_cpu_frame *f,
                         int64_t first)
{
    const mxd_program *const     g = r->program;
    const mxdi_cpu_tensor *const x = &g->tensor[shown->tensor];
    const mxd_value *const       v = &g->part.value[shown->value];
    const int64_t                n = bytes_of(g, v, f->batch);
    uint8_t *const to   = r->trace + shown->at + (v->batch_axis == 0 ? bytes_of(g, v, first) : 0);
    const uint8_t  flip = (uint8_t)(mxdi_cpu_shift(v->dtype) ^ x->flip);
    if (x->blocked) {
        const int64_t images = v->batch_axis == 0 ? v->dim[0] / g->max_batch * f->batch
                                                  : mxdi_cpu_images(f, shown->tensor);
        mxdi_pack_blocked_select(g->isa)->unpack_u8(to, f->ptr[shown->tensor], &x->l, images, 0, 0,
                                                    mxdi_pack_blocked_lines(&x->l, images));
    } else {
        memcpy(to, f->ptr[shown->tensor], (size_t)n);
    }
    for (int64_t i = 0; flip && i < n; i++)
        to[i] ^= flip;
}

static void narrow4(uint8_t *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += 2)
        x[i / 2] = (uint8_t)((x[i] & 15) | (i + 1 < n ? (x[i + 1] & 15) << 4 : 0));
}

mxd_status mxdi_cpu_trace_show(mxd_run *r, int64_t batch, mxd_trace_fn fn, void *user,
                               mxd_error *err)
{
    const mxd_program *const g = r->program;
    for (uint32_t k = 0; k < g->n_shown; k++) {
        const mxd_value *const v = &g->part.value[g->shown[k].value];
        mxd_tensor t = { .data = r->trace + g->shown[k].at, .dtype = v->dtype, .rank = v->rank };
        for (int32_t d = 0; d < v->rank; d++)
            t.dim[d] = d == v->batch_axis ? v->dim[d] / g->max_batch * batch : v->dim[d];
        if (mxd_dtype_bits(v->dtype) == 4)
            narrow4(t.data, bytes_of(g, v, batch));
        MXD_TRY(fn(user, v->name, &t, err));
    }
    return MXD_OK;
}
