/* SPDX-License-Identifier: Apache-2.0
 * Failing with place, expected, got. */
#ifndef MXDI_BASE_ERROR_H
#define MXDI_BASE_ERROR_H

#include "mixdown/base.h"

/* Format one line into err (NULL: nowhere), cut with "..." when too long, and return `status`. */
mxd_status mxdi_fail(mxd_error *err, mxd_status status, const char *format, ...) MXD_PRINTF(3, 4);
/* "PATH: WHAT: the text of errno", MXD_E_IO (MXD_E_NOMEM for ENOMEM). */
mxd_status mxdi_fail_errno(mxd_error *err, const char *path, const char *what);
/* The text of MXD_E_NOMEM. */
mxd_status mxdi_nomem(mxd_error *err);
/* Prefix the message with one more level of place, "PLACE: "; returns `status` (OK passes
 * untouched). */
mxd_status mxdi_wrap(mxd_error *err, mxd_status status, const char *format, ...) MXD_PRINTF(3, 4);
/* Append "; MORE" to a failure told before, as far as it fits: several mistakes in one report. An
 * empty err is set. */
mxd_status mxdi_also(mxd_error *err, mxd_status status, const char *format, ...) MXD_PRINTF(3, 4);

/* Forward a failure unchanged; only in functions that own nothing. */
#define MXD_TRY(call)                     \
    do {                                  \
        const mxd_status try_st = (call); \
        if (try_st != MXD_OK)             \
            return try_st;                \
    } while (0)
#endif
