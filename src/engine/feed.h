/* SPDX-License-Identifier: Apache-2.0
 *
 * Feeding an engine from a data set: which array goes to which network input, and room for a piece
 * of both ends.
 */
#ifndef MXDI_ENGINE_FEED_H
#define MXDI_ENGINE_FEED_H

#include "engine/session.h"

/* A source of samples, so that engine does not depend on data. */
typedef struct mxdi_source {
    int64_t  samples;
    uint32_t n_inputs;
    const char *(*name)(const void *data, uint32_t k);             /* NULL: by position */
    void (*sample)(mxd_tensor *out, const void *data, uint32_t k); /* type and shape of one */
    mxd_status (*read)(const void *data, uint32_t k, int64_t first, int64_t count, void *out,
                       mxd_error *err);
    const void *data;
    /* Whether array k is bytes that `read` scales, and those bytes: (C, H, W) of `sample`, or (H,
     * W, C). NULL: no array is. */
    bool (*is_bytes)(const void *data, uint32_t k);
    mxd_status (*read_bytes)(const void *data, uint32_t k, int64_t first, int64_t count,
                             bool channels_last, void *out, mxd_error *err);
} mxdi_source;

/* How an input is filled. */
typedef enum mxdi_feed_form {
    MXDI_FEED_AS_READ,
    MXDI_FEED_BYTES,     /* raw, the network scales */
    MXDI_FEED_BYTES_LAST /* with the channels last */
} mxdi_feed_form;

typedef struct mxdi_feed {
    mxdi_session        *session;
    mxdi_source          source;
    mxd_tensor          *in, *out; /* sized for `batch` samples */
    uint32_t            *array;    /* (n_in) which array of the source feeds each input */
    mxdi_feed_form      *form;     /* (n_in) and how */
    uint32_t             n_in, n_out;
    int64_t              batch;
    const mxd_allocator *alloc;
} mxdi_feed;
#define MXDI_FEED_INIT  \
    {                   \
        .session = NULL \
    }

/* Shapes and types are checked here, with both in the message. batch 0: the engine's. */
mxd_status mxdi_feed_open(mxdi_feed *f, const mxdi_engine *e, const mxdi_source *source,
                          int64_t batch, uint32_t threads, mxd_error *err);
void       mxdi_feed_close(mxdi_feed *f);
/* Run samples [first, first + count), count at most batch; f->out then hold them. */
mxd_status mxdi_feed_run(mxdi_feed *f, int64_t first, int64_t count, mxd_error *err);
#endif
