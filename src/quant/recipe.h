/* SPDX-License-Identifier: Apache-2.0
 *
 * Recipes: an ordered list of rules that give precision to layers; a later rule wins. Own format
 * and NNI's config_list (docs/recipe.md). A recipe knows no graph; apply gives each node what the
 * rules say of it.
 */
#ifndef MXDI_QUANT_RECIPE_H
#define MXDI_QUANT_RECIPE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "ir/graph.h"
#include "quant/precision.h"

typedef enum mxdi_method { MXDI_MINMAX, MXDI_PERCENTILE, MXDI_MSE, MXDI_ENTROPY } mxdi_method;

/* How weights are rounded. UNSAID: to nearest, unless a repair of the whole network says otherwise.
 */
typedef enum mxdi_rounding_choice {
    MXDI_ROUNDING_UNSAID,
    MXDI_NEAREST,
    MXDI_ADAROUND
} mxdi_rounding_choice;

/* Everything a rule can say of a layer. */
typedef struct mxdi_setting {
    mxdi_precision precision;
    mxdi_precision allow;      /* higher precision that may run instead; equal to precision: none */
    bool           symmetric;  /* activations with zero point 0 */
    bool           per_tensor; /* weights with one scale */
    int32_t        block;      /* weights with a scale per so many input channels; 0: none */
    int32_t        method;     /* mxdi_method, or -1: as calibrated */
    mxdi_rounding_choice rounding;
    bool                 correct_bias; /* no rule says that; set by quantize for a repair */
} mxdi_setting;
#define MXDI_SETTING_F32 \
    ((mxdi_setting){     \
        { 0, 0, MXD_F32 }, { 0, 0, MXD_F32 }, false, false, 0, -1, MXDI_ROUNDING_UNSAID, false })

typedef struct mxdi_rule {
    const char *const *name, *const *regex,
                                 *const *op_type; /* empty lists: not asked. name: exact or glob */
    const char *const *not_name, *const *not_regex,
                                     *const *not_op_type; /* what is taken out again */
    uint32_t n_names, n_regexes, n_op_types, n_not_names, n_not_regexes, n_not_op_types;
    /* a layer matches: (a name OR a regex), AND an op type; lists that are empty are not asked */
    bool         exclude; /* the layer stays f32 */
    mxdi_setting setting;
} mxdi_rule;

typedef struct mxdi_recipe {
    mxdi_arena arena;
    mxdi_rule *rule;
    uint32_t   n_rules;
} mxdi_recipe;

mxd_status mxdi_recipe_load(mxdi_recipe **out, const char *path, const mxd_allocator *alloc,
                            mxd_error *err);
mxd_status mxdi_recipe_parse(mxdi_recipe **out, mxdi_view json, const mxd_allocator *alloc,
                             mxd_error *err);
mxd_status mxdi_recipe_uniform(mxdi_recipe **out, const char *precision, const mxd_allocator *alloc,
                               mxd_error *err);
void       mxdi_recipe_destroy(mxdi_recipe *r);

/* setting[n] (n_nodes) for every Conv, Gemm and MatMul of `g`, f32 where no rule matches.
 * MXD_E_USAGE lists rules' names that match no layer, with the nearest name. */
mxd_status mxdi_recipe_apply(mxdi_setting *setting, const mxdi_recipe *r, const mxdi_graph *g,
                             mxd_error *err);
#endif
