/* SPDX-License-Identifier: Apache-2.0
 * Data sets behind the public handle. */
#include "api/api_dataset.h"

#include <string.h>

#include "api/api_objects.h"

mxd_status mxd_dataset_open(mxd_dataset **out, const mxd_context *ctx, const char *spec,
                            mxd_error *err)
{
    *out = MXDI_ALLOC(&ctx->allocator, mxd_dataset, 1);
    if (!*out)
        return mxdi_nomem(err);
    (*out)->ctx         = ctx;
    const mxd_status st = mxdi_data_open(&(*out)->data, spec, &ctx->allocator, err);
    if (st != MXD_OK) {
        mxdi_free(&ctx->allocator, *out);
        *out = NULL;
    }
    return st;
}

void mxd_dataset_close(mxd_dataset *data)
{
    if (!data)
        return;
    mxdi_data_close(data->data);
    mxdi_free(&data->ctx->allocator, data);
}

int64_t mxd_dataset_samples(const mxd_dataset *data)
{
    return mxdi_data_samples(data->data);
}
uint32_t mxd_dataset_inputs(const mxd_dataset *data)
{
    return mxdi_data_n_inputs(data->data);
}
const char *mxd_dataset_input_name(const mxd_dataset *data, uint32_t k)
{
    return mxdi_data_input_at(data->data, k)->name;
}
const int64_t *mxd_dataset_labels(const mxd_dataset *data)
{
    return mxdi_data_labels(data->data);
}

void mxd_dataset_sample(mxd_tensor *out, const mxd_dataset *data, uint32_t k)
{
    const mxdi_data_input *const in = mxdi_data_input_at(data->data, k);
    *out                            = (mxd_tensor){ .dtype = in->dtype, .rank = in->rank };
    memcpy(out->dim, in->dim, sizeof(out->dim));
}

mxd_status mxd_dataset_read(void *out, const mxd_dataset *data, uint32_t k, int64_t first,
                            int64_t count, mxd_error *err)
{
    return mxdi_data_read(data->data, k, first, count, out, err);
}
