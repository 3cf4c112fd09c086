/* SPDX-License-Identifier: Apache-2.0
 * JSON by jansson: reading with place in errors, writing atomically. */
#ifndef MXDI_BASE_JSON_H
#define MXDI_BASE_JSON_H

#include <jansson.h>

#include "base/bytes.h"

/* New reference in *out. The message says line and column; duplicate keys and non-finite numbers
 * are refused. */
mxd_status mxdi_json_parse(json_t **out, mxdi_view text, mxd_error *err);
mxd_status mxdi_json_load(json_t **out, const char *path, mxd_error *err);
/* Indented by one space, keys in the order set, numbers that read back as the same double. */
mxd_status mxdi_json_save(const json_t *value, const char *path, mxd_error *err);
/* Append the value without blanks; false: out of memory (json_dumps would forget a key then). */
bool mxdi_json_format(mxdi_bytes *out, const json_t *value);
/* Text as a JSON string: in what is no UTF-8, bytes that are not ASCII become '?'. null for NULL;
 * NULL: out of memory. */
json_t *mxdi_json_text(const char *s);
/* A list of n integers; NULL: out of memory. */
json_t *mxdi_json_integers(const int64_t *v, size_t n);
#endif
