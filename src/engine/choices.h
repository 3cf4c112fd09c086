/* SPDX-License-Identifier: Apache-2.0
 *
 * Which algorithms were the fastest: lists of timed choices, as timing caches
 * (docs/timing-cache.md) keep them with their times and engine files without. A choice answers one
 * question exactly: device, threads, op, shape and the names of the candidates.
 */
#ifndef MXDI_ENGINE_CHOICES_H
#define MXDI_ENGINE_CHOICES_H

#include "base/arena.h"
#include "base/json.h"

enum { MXDI_MAX_CANDIDATES = 8 };

typedef struct mxdi_choice {
    const char *device, *op, *shape;
    uint32_t    threads, n, best;
    const char *candidate[MXDI_MAX_CANDIDATES]; /* (n) */
    uint64_t    ns[MXDI_MAX_CANDIDATES];        /* (n); zeros: not kept */
} mxdi_choice;

typedef struct mxdi_choices {
    mxdi_arena  *arena; /* of strings; the list's own memory is that too */
    mxdi_choice *choice;
    uint32_t     n, cap;
} mxdi_choices;

/* The entry that answers `question` (its `best` and `ns` are not looked at), or NULL. */
const mxdi_choice *mxdi_choices_find(const mxdi_choices *list, const mxdi_choice *question);
/* Appends a copy. */
mxd_status mxdi_choices_add(mxdi_choices *list, const mxdi_choice *choice, mxd_error *err);

/* A list of objects; with times, as a cache has it. NULL: out of memory. */
json_t *mxdi_choices_json(const mxdi_choices *list, bool times);
/* Appends what `array` holds. MXD_E_PARSE names the entry and the key. */
mxd_status mxdi_choices_read(mxdi_choices *list, const json_t *array, bool times, mxd_error *err);

/* A cache file; none there is an empty one. MXD_E_STALE: of another version. */
mxd_status mxdi_choices_load(mxdi_choices *list, const char *path, mxd_error *err);
/* Sorted, so that the same choices make the same bytes; by a temporary file that is renamed. */
mxd_status mxdi_choices_save(const mxdi_choices *list, const char *path, mxd_error *err);
#endif
