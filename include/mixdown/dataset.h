/* SPDX-License-Identifier: Apache-2.0
 *
 * A data set: samples, perhaps with labels, from a specification as the command line takes it
 * ("fashion-mnist", "idx:IMAGES,LABELS,scale=1/255", "@eval.json"; docs/cli.md). Samples are scaled
 * as they are read.
 */
#ifndef MIXDOWN_DATASET_H
#define MIXDOWN_DATASET_H

#include "mixdown/context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mxd_dataset mxd_dataset;

/** @retval MXD_E_USAGE  unknown kind or key; the nearest valid word is named. */
MXD_API mxd_status mxd_dataset_open(mxd_dataset **out, const mxd_context *ctx, const char *spec,
                                    mxd_error *err);
MXD_API void       mxd_dataset_close(mxd_dataset *data);

MXD_API int64_t  mxd_dataset_samples(const mxd_dataset *data);
MXD_API uint32_t mxd_dataset_inputs(const mxd_dataset *data);
/** Name of the network input that array `k` belongs to; NULL: by position. */
MXD_API const char *mxd_dataset_input_name(const mxd_dataset *data, uint32_t k);
/** Type and shape of one sample of input `k`; data is NULL. */
MXD_API void mxd_dataset_sample(mxd_tensor *out, const mxd_dataset *data, uint32_t k);
/** (samples) class numbers, or NULL; borrowed. */
MXD_API const int64_t *mxd_dataset_labels(const mxd_dataset *data);
/** Samples [first, first + count) of input `k`, dense, into memory of the caller. Thread-safe. */
MXD_API mxd_status mxd_dataset_read(void *out, const mxd_dataset *data, uint32_t k, int64_t first,
                                    int64_t count, mxd_error *err);

#ifdef __cplusplus
}
#endif
#endif
