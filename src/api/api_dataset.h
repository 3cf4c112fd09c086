/* SPDX-License-Identifier: Apache-2.0
 * What a public data set is. */
#ifndef MXDI_API_API_DATASET_H
#define MXDI_API_API_DATASET_H

#include "data/data.h"
#include "engine/feed.h"
#include "mixdown/dataset.h"

/* The data set as what feeds an engine. */
mxdi_source mxdi_api_source(const struct mxd_dataset *data);

struct mxd_dataset {
    const mxd_context *ctx;
    mxdi_data         *data;
};
#endif
