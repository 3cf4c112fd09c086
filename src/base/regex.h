/* SPDX-License-Identifier: Apache-2.0
 *
 * Regular expressions over short texts: PCRE2's, which are Python's but for rare corners, in
 * bounded time and memory.
 */
#ifndef MXDI_BASE_REGEX_H
#define MXDI_BASE_REGEX_H

#include <stdbool.h>

#include "base/alloc.h"

/* Whether `text` begins with a match, as Python's re.match. MXD_E_USAGE: the pattern is none, or
 * costs too much; the message has the place. */
mxd_status mxdi_regex_begins(bool *hit, const char *pattern, const char *text,
                             const mxd_allocator *alloc, mxd_error *err);
#endif
