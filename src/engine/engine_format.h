/* SPDX-License-Identifier: Apache-2.0
 * Constants of docs/engine-format.md, shared by writer and reader. */
#ifndef MXDI_ENGINE_ENGINE_FORMAT_H
#define MXDI_ENGINE_ENGINE_FORMAT_H

#include "base/bytes.h"
#include "base/hash.h"

#define MXDI_ENGINE_MAGIC "MXDENGIN"
enum {
    MXDI_ENGINE_VERSION  = 1,
    MXDI_ENGINE_HEADER   = 128,
    MXDI_ENGINE_FIELDS   = 72,  /* offset behind the fields that carry something */
    MXDI_ENGINE_CHECKSUM = 112, /* offset of the checksum */
    MXDI_ENGINE_ALIGN    = 64
};

/* The checksum of a whole file of at least MXDI_ENGINE_HEADER bytes. */
mxdi_hash mxdi_engine_checksum(mxdi_view file);
#endif
