/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the readers of recipe formats: complaints are collected, so that all that is wrong is
 * told at once.
 */
#ifndef MXDI_QUANT_RECIPE_READ_H
#define MXDI_QUANT_RECIPE_READ_H

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>

#include "quant/recipe.h"

struct mxdi_recipe_reader {
    mxdi_recipe *recipe;
    mxd_error   *err;    /* collects complaints */
    mxd_status   status; /* of a precision that does not execute */
    uint32_t     entry;  /* index of the entry being read */
    uint32_t     complaints;
};

void mxdi_recipe_complain(struct mxdi_recipe_reader *r, const char *format, ...) MXD_PRINTF(2, 3);
/* "unknown WHAT 'WORD', perhaps 'NEAREST'". */
void mxdi_recipe_unknown(struct mxdi_recipe_reader *r, const char *what, const char *word,
                         const char *const *valid, size_t n);
/* A string or a list of strings, on the recipe's arena. */
mxd_status mxdi_recipe_words(const char *const **out, uint32_t *n, struct mxdi_recipe_reader *r,
                             const json_t *value, const char *key);
void       mxdi_recipe_check_types(struct mxdi_recipe_reader *r, const mxdi_rule *rule,
                                   const char *const *valid, size_t n);

/* ---- NNI (recipe_nni.c) ---- */
/* Whether a list is NNI's: some entry has a key that only NNI's lists have. */
bool mxdi_recipe_is_nni(const json_t *list);
/* A v2 list of the bits in NNI's calibration_config: an entry for each module with those of
 * weights. A new reference; NULL: out of memory. */
json_t    *mxdi_recipe_of_nni_calibration(const json_t *config);
mxd_status mxdi_recipe_read_nni(struct mxdi_recipe_reader *r, mxdi_rule *rule, const json_t *entry);
#endif
