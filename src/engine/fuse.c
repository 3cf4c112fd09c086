/* SPDX-License-Identifier: Apache-2.0
 *
 * The pipeline of fusion. Order is meaning: functions get their names, then integers are found, so
 * that what is left float is float for good.
 */
#include "engine/fuse.h"

static const struct {
    const char *name;
    mxd_status (*run)(mxdi_graph *g, mxd_error *err);
} stages[] = {
    { "fuse-idiom", mxdi_fuse_idiom }, { "fuse-picture", mxdi_fuse_picture },
    { "fuse-qdq", mxdi_fuse_qdq },     { "fuse-residual", mxdi_fuse_residual },
    { "fuse-float", mxdi_fuse_float },
};

mxd_status mxdi_fuse(mxdi_graph *g, mxd_error *err)
{
    for (size_t k = 0; k < sizeof(stages) / sizeof(stages[0]); k++) {
        mxd_status st = stages[k].run(g, err);
        if (st == MXD_OK)
            st = mxdi_graph_verify(g, err);
        if (st != MXD_OK)
            return mxdi_wrap(err, st, "%s", stages[k].name);
    }
    return MXD_OK;
}
