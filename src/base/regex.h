/* SPDX-License-Identifier: Apache-2.0
 *
 * Regular expressions over short texts, in bounded time and memory whatever the pattern: POSIX's
 * extended ones, in bytes: literals, ".", "[^a-z[:digit:]]", "( )", "|", "*", "+", "?", "{m,n}",
 * "^",
 * "$"; of Python's, "\" before punctuation and "\d \w \s \D \W \S", in brackets too, "(?: )" and
 * lazy repetition. No references back.
 */
#ifndef MXDI_BASE_REGEX_H
#define MXDI_BASE_REGEX_H

#include <stdbool.h>

#include "base/alloc.h"

/* Whether `text` begins with a match. MXD_E_USAGE with the place in the pattern when it is none. */
mxd_status mxdi_regex_begins(bool *hit, const char *pattern, const char *text,
                             const mxd_allocator *alloc, mxd_error *err);
#endif
