/* SPDX-License-Identifier: Apache-2.0
 *
 * Cast-25. Floats to integers truncate; integers are cut to their type.
 */
#include "interp/interp_impl.h"

mxd_status mxdi_interp_cast(const mxdi_interp_call *c)
{
    const mxd_tensor *const x = &c->in[0];
    mxd_tensor *const       y = &c->out[0];
    const int64_t           n = mxdi_interp_count(x);
    const bool from = mxdi_dtype_is_float(x->dtype), to = mxdi_dtype_is_float(y->dtype);
    const bool free8 = y->dtype == MXD_F8E4M3 && mxd_node_int(c->node, "saturate", 1) == 0;
    MXD_TRY(mxdi_interp_want_shape(c, y, "output", x->dim, x->rank));
    for (int64_t i = 0; i < n; i++) {
        if (x->dtype == y->dtype)
            mxdi_interp_move(y, i, x, i);
        else if (!from && !to)
            mxdi_interp_put_int(y, i, mxdi_interp_get_int(x, i));
        else if (!from && y->dtype == MXD_F32) /* 64 bits rounded once */
            ((float *)y->data)[i] = (float)mxdi_interp_get_int(x, i);
        else
            mxdi_interp_put(y, i,
                            free8 ? mxdi_interp_unsaturated(mxdi_interp_get(x, i))
                                  : mxdi_interp_get(x, i));
    }
    return MXD_OK;
}
