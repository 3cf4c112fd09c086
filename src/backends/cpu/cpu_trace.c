/* SPDX-License-Identifier: Apache-2.0
 *
 * What a step has just left in memory, turned back into the graph's layout and type for a trace. */
#include "backends/cpu/cpu_plan.h"
#include "base/dtype.h"
#include "kernels/pack_blocked/pack_blocked.h"

static void flip_bytes(uint8_t *x, size_t n, uint8_t flip)
{
    for (size_t i = 0; flip && i < n; i++)
        x[i] ^= flip;
}

static void narrow4(uint8_t *x, size_t n)
{
    for (size_t i = 0; i < n; i += 2)
        x[i / 2] = (uint8_t)((x[i] & 15) | (i + 1 < n ? (x[i + 1] & 15) << 4 : 0));
}

mxd_status mxdi_cpu_trace(mxd_run *r, const mxdi_cpu_shown *shown, const mxdi_cpu_frame *f, mxd_trace_fn fn, void *user,
                          mxd_error *err)
{
    const mxd_program *const     g = r->program;
    const mxdi_cpu_tensor *const x = &g->tensor[shown->tensor];
    const mxd_value *const       v = &g->part.value[shown->value];
    mxd_tensor                   t = { .data = r->trace, .dtype = v->dtype, .rank = v->rank };
    int64_t                      n = 1;
    for (int32_t k = 0; k < v->rank; k++) {
        t.dim[k] = mxdi_cpu_grown(f, v->dim[k], k == v->batch_axis);
        n *= t.dim[k];
    }
    if (x->blocked) {
        const int64_t images = v->batch_axis == 0 ? t.dim[0] : mxdi_cpu_images(f, shown->tensor);
        mxdi_pack_blocked_select(g->isa)->unpack_u8(r->trace, f->ptr[shown->tensor], &x->l, images, 0, 0,
                                                    mxdi_pack_blocked_lines(&x->l, images));
    } else {
        memcpy(r->trace, f->ptr[shown->tensor], (size_t)n);
    }
    flip_bytes(r->trace, (size_t)n, (uint8_t)(mxdi_cpu_shift(v->dtype) ^ x->flip));
    if (mxd_dtype_bits(v->dtype) == 4)
        narrow4(r->trace, (size_t)n);
    return fn(user, v->name, &t, err);
}
