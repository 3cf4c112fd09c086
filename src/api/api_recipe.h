/* SPDX-License-Identifier: Apache-2.0
 * What a public recipe is. */
#ifndef MXDI_API_API_RECIPE_H
#define MXDI_API_API_RECIPE_H

#include "mixdown/quantize.h"
#include "quant/recipe.h"

struct mxd_recipe {
    const mxd_context *ctx;
    mxdi_recipe       *recipe;
};

static inline const mxdi_recipe *mxdi_api_recipe(const mxd_recipe *r)
{
    return r->recipe;
}
#endif
