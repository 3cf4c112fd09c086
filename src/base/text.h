/* SPDX-License-Identifier: Apache-2.0
 * Names: patterns, near misses, clocks for progress. */
#ifndef MXDI_BASE_TEXT_H
#define MXDI_BASE_TEXT_H

#include <stdbool.h>

#include "mixdown/base.h"

bool mxdi_glob(const char *pattern, const char *text); /* '*' and '?' only, whole text */
/* The candidate nearest to `word` by edit distance (case ignored), or NULL when none is near. */
const char *mxdi_nearest(const char *word, const char *const *candidate, size_t n);
/* A finite number, or a fraction "1/255"; the whole text must be used. */
bool     mxdi_parse_number(double *out, const char *text);
uint64_t mxdi_now_ns(void); /* monotonic */
#endif
