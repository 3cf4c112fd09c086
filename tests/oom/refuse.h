/* SPDX-License-Identifier: Apache-2.0
 *
 * Refusing allocations. malloc itself is replaced (the linker's --wrap), so what libraries allocate
 * is refused as well.
 */
#ifndef TESTS_OOM_REFUSE_H
#define TESTS_OOM_REFUSE_H

#include <stdbool.h>

#include "mixdown/base.h"

/* One piece of work that makes and destroys everything it needs. *result: a fingerprint of what it
 * made, looked at when it says MXD_OK. */
typedef mxd_status (*refuse_work)(void *state, uint64_t *result, mxd_error *err);

/* Runs `work` undisturbed, and then refusing allocation 0, 1, 2 ... until it no longer gets that
 * far: first that one alone, then that one and all after it. Each time work must fail with
 * MXD_E_NOMEM and a message, or succeed with the undisturbed result; and leave no block behind, and
 * no file in the working directory. Every `step`th allocation is refused (1: each of them).
 * reads_json: jansson drops a character when its buffer cannot grow, so what it reads while one
 * allocation alone is refused may be something else: then any clean ending is taken. */
void refuse_each(const char *what, refuse_work work, void *state, long step, bool reads_json);

/* FNV-1a, for fingerprints; begin with REFUSE_SEED. */
#define REFUSE_SEED 14695981039346656037u
uint64_t refuse_hash(uint64_t seed, const void *data, size_t bytes);
/* Of a whole file; asserts that it is there. Allocates nothing. */
uint64_t refuse_hash_file(const char *path);
#endif
