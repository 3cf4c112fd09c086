/* SPDX-License-Identifier: Apache-2.0
 *
 * Recipes in the project's own format, and what a list of rules says of a graph. NNI's lists are in
 * recipe_nni.c.
 */
#include "quant/recipe.h"

#include "base/file.h"
#include "base/json.h"
#include "base/regex.h"
#include "base/text.h"
#include "engine/asked.h"
#include "quant/calibration.h"
#include "quant/module_name.h"
#include "quant/observer.h"
#include "quant/recipe_read.h"

/* ---- reading one rule ---- */

static const char *const own_keys[] = { "names",     "regex",  "op_types",    "exclude",
                                        "precision", "scheme", "granularity", "method",
                                        "rounding",  "allow" };
static const char *const products[] = { "Conv", "Gemm", "MatMul" };

void mxdi_recipe_complain(struct mxdi_recipe_reader *r, const char *format, ...)
{
    char    text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    r->complaints++;
    mxdi_also(r->err, MXD_E_USAGE, "entry %u: %s", r->entry, text);
}

void mxdi_recipe_unknown(struct mxdi_recipe_reader *r, const char *what, const char *word,
                         const char *const *valid, size_t n)
{
    const char *const near = mxdi_nearest(word, valid, n);
    if (near)
        mxdi_recipe_complain(r, "unknown %s '%s', perhaps '%s'", what, word, near);
    else
        mxdi_recipe_complain(r, "unknown %s '%s'; there are %s ... %s", what, word, valid[0],
                             valid[n - 1]);
}

mxd_status mxdi_recipe_words(const char *const **out, uint32_t *n, struct mxdi_recipe_reader *r,
                             const json_t *value, const char *key)
{
    const size_t       count = json_is_string(value) ? 1 : json_array_size(value);
    const char **const list  = MXDI_NEW(&r->recipe->arena, const char *, count + 1);
    *out                     = list;
    *n                       = 0;
    if (!list)
        return mxdi_nomem(r->err);
    for (size_t k = 0; k < count; k++) {
        const json_t *const item = json_is_string(value) ? value : json_array_get(value, k);
        if (!json_is_string(item)) {
            mxdi_recipe_complain(r, "'%s': names expected", key);
            return MXD_OK;
        }
        list[*n] = mxdi_arena_strdup(&r->recipe->arena, json_string_value(item));
        if (!list[(*n)++])
            return mxdi_nomem(r->err);
    }
    if (count == 0)
        mxdi_recipe_complain(r, "'%s': a list of names expected", key);
    return MXD_OK;
}

void mxdi_recipe_check_types(struct mxdi_recipe_reader *r, const mxdi_rule *rule,
                             const char *const *valid, size_t n)
{
    for (uint32_t k = 0; k < rule->n_op_types; k++) {
        bool known = false;
        for (size_t i = 0; i < n; i++)
            known = known || strcmp(rule->op_type[k], valid[i]) == 0;
        if (!known)
            mxdi_recipe_unknown(r, "op type", rule->op_type[k], valid, n);
    }
}

static void read_precision(mxdi_precision *out, struct mxdi_recipe_reader *r, const json_t *value,
                           const char *key)
{
    char        number[24];
    mxd_error   why  = MXD_ERROR_INIT;
    const char *text = json_string_value(value);
    if (json_is_integer(value)) {
        snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
        text = number;
    }
    if (!text) {
        mxdi_recipe_complain(r, "'%s': a precision name expected", key);
        return;
    }
    const mxd_status st = mxdi_precision_parse(out, text, &why);
    if (st == MXD_OK)
        return;
    mxdi_recipe_complain(r, "%s", why.msg);
    r->status = r->status == MXD_OK || r->status == st ? st : MXD_E_USAGE;
}

static void read_word(struct mxdi_recipe_reader *r, mxdi_setting *s, const char *key,
                      const char *word)
{
    static const char *const schemes[] = { "affine", "symmetric" }, *const granularities[] = {
        "channel", "tensor", "block:32"
    };
    static const char *const roundings[] = { "nearest", "adaround" }, *const methods[] = {
        "minmax", "percentile", "mse", "entropy"
    };
    char end;
    int  block;
    if (strcmp(key, "scheme") == 0) {
        s->symmetric = strcmp(word, "symmetric") == 0;
        if (!s->symmetric && strcmp(word, "affine") != 0)
            mxdi_recipe_unknown(r, "scheme", word, schemes, 2);
    } else if (strcmp(key, "granularity") == 0) {
        s->per_tensor = strcmp(word, "tensor") == 0;
        if (sscanf(word, "block:%d%c", &block, &end) == 1 && block >= 8 && block <= 4096)
            s->block = block;
        else if (!s->per_tensor && strcmp(word, "channel") != 0)
            mxdi_recipe_unknown(r, "granularity", word, granularities, 3);
    } else if (strcmp(key, "method") == 0) {
        s->method = mxdi_method_parse(word);
        if (s->method < 0)
            mxdi_recipe_unknown(r, "method", word, methods, 4);
    } else {
        s->rounding = strcmp(word, "adaround") == 0 ? MXDI_ADAROUND : MXDI_NEAREST;
        if (s->rounding == MXDI_NEAREST && strcmp(word, "nearest") != 0)
            mxdi_recipe_unknown(r, "rounding", word, roundings, 2);
    }
}

static mxd_status read_own(struct mxdi_recipe_reader *r, mxdi_rule *rule, const json_t *entry)
{
    const char *key;
    json_t     *value;
    bool        has_precision = false, has_allow = false;
    rule->setting = MXDI_SETTING_F32;
    json_object_foreach((json_t *)(uintptr_t)entry, key, value)
    {
        if (strcmp(key, "names") == 0) {
            MXD_TRY(mxdi_recipe_words(&rule->name, &rule->n_names, r, value, key));
        } else if (strcmp(key, "regex") == 0) {
            MXD_TRY(mxdi_recipe_words(&rule->regex, &rule->n_regexes, r, value, key));
        } else if (strcmp(key, "op_types") == 0) {
            MXD_TRY(mxdi_recipe_words(&rule->op_type, &rule->n_op_types, r, value, key));
        } else if (strcmp(key, "exclude") == 0) {
            rule->exclude = json_is_true(value);
            if (!json_is_boolean(value))
                mxdi_recipe_complain(r, "'exclude': true or false expected");
        } else if (strcmp(key, "precision") == 0) {
            has_precision = true;
            read_precision(&rule->setting.precision, r, value, key);
        } else if (strcmp(key, "allow") == 0) {
            has_allow = true;
            read_precision(&rule->setting.allow, r, value, key);
        } else if (strcmp(key, "scheme") == 0 || strcmp(key, "granularity") == 0 ||
                   strcmp(key, "method") == 0 || strcmp(key, "rounding") == 0) {
            if (json_is_string(value))
                read_word(r, &rule->setting, key, json_string_value(value));
            else
                mxdi_recipe_complain(r, "'%s': a word expected", key);
        } else {
            mxdi_recipe_unknown(r, "key", key, own_keys, sizeof(own_keys) / sizeof(own_keys[0]));
        }
    }
    if (!has_allow)
        rule->setting.allow = rule->setting.precision;
    if (!has_precision && !rule->exclude)
        mxdi_recipe_complain(r, "'precision' or 'exclude' expected");
    mxdi_recipe_check_types(r, rule, products, 3);
    return MXD_OK;
}

/* ---- the list ---- */

static mxd_status read_list(mxdi_recipe *recipe, const json_t *list, mxd_error *err)
{
    struct mxdi_recipe_reader r   = { .recipe = recipe, .err = err, .status = MXD_OK };
    mxd_error                 own = MXD_ERROR_INIT;
    r.err                         = err ? err : &own;
    r.err->status                 = MXD_OK;
    r.err->msg[0]                 = '\0';
    if (json_is_object(list) && json_is_array(json_object_get(list, "recipe")))
        list = json_object_get(list, "recipe");
    if (!json_is_array(list))
        return mxdi_fail(err, MXD_E_USAGE, "a list of entries expected");
    recipe->rule = MXDI_NEW(&recipe->arena, mxdi_rule, json_array_size(list) + 1);
    if (!recipe->rule)
        return mxdi_nomem(err);
    const bool nni = mxdi_recipe_is_nni(list);
    for (size_t k = 0; k < json_array_size(list); k++) {
        const json_t *const entry = json_array_get(list, k);
        r.entry                   = (uint32_t)k;
        if (!json_is_object(entry)) {
            mxdi_recipe_complain(&r, "an object expected");
            continue;
        }
        mxdi_rule *const rule = &recipe->rule[recipe->n_rules++];
        MXD_TRY(nni ? mxdi_recipe_read_nni(&r, rule, entry) : read_own(&r, rule, entry));
    }
    if (!r.complaints)
        return MXD_OK;
    r.err->status =
        r.status == MXD_E_UNSUPPORTED && r.complaints == 1 ? MXD_E_UNSUPPORTED : MXD_E_USAGE;
    return r.err->status;
}

mxd_status mxdi_recipe_parse(mxdi_recipe **out, mxdi_view json, const mxd_allocator *alloc,
                             mxd_error *err)
{
    json_t *list = NULL;
    *out         = NULL;
    MXD_TRY(mxdi_json_parse(&list, json, err));
    mxdi_recipe *const r = MXDI_ALLOC(alloc, mxdi_recipe, 1);
    if (mxdi_calibration_is_nni(list)) {
        json_t *const of_bits = mxdi_recipe_of_nni_calibration(list);
        json_decref(list);
        list = of_bits;
    }
    mxd_status st = r && list ? MXD_OK : mxdi_nomem(err);
    if (r) {
        mxdi_arena_init(&r->arena, alloc);
        st = st == MXD_OK ? read_list(r, list, err) : st;
    }
    json_decref(list);
    if (st == MXD_OK)
        *out = r;
    else
        mxdi_recipe_destroy(r);
    return st;
}

mxd_status mxdi_recipe_load(mxdi_recipe **out, const char *path, const mxd_allocator *alloc,
                            mxd_error *err)
{
    mxdi_file file = MXDI_FILE_INIT;
    *out           = NULL;
    MXD_TRY(mxdi_file_map(&file, path, err));
    const mxd_status st = mxdi_recipe_parse(out, file.bytes, alloc, err);
    mxdi_file_unmap(&file);
    return mxdi_wrap(err, st, "%s", path);
}

mxd_status mxdi_recipe_uniform(mxdi_recipe **out, const char *precision, const mxd_allocator *alloc,
                               mxd_error *err)
{
    mxdi_precision p;
    *out = NULL;
    MXD_TRY(mxdi_precision_parse(&p, precision, err));
    mxdi_recipe *const r = MXDI_ALLOC(alloc, mxdi_recipe, 1);
    if (!r)
        return mxdi_nomem(err);
    mxdi_arena_init(&r->arena, alloc);
    r->rule = MXDI_NEW(&r->arena, mxdi_rule, 1);
    if (!r->rule) {
        mxdi_recipe_destroy(r);
        return mxdi_nomem(err);
    }
    r->n_rules                   = 1;
    r->rule[0]                   = (mxdi_rule){ .setting = MXDI_SETTING_F32 };
    r->rule[0].setting.precision = r->rule[0].setting.allow = p;
    *out                                                    = r;
    return MXD_OK;
}

void mxdi_recipe_destroy(mxdi_recipe *r)
{
    if (!r)
        return;
    const mxd_allocator *const alloc = r->arena.alloc;
    mxdi_arena_fini(&r->arena);
    mxdi_free(alloc, r);
}

/* ---- applying ---- */

/* A layer is named by its node, or as PyTorch exports do: module "layer1.0.conv1" is node
 * "/layer1/layer1.0/conv1/Conv" with weight "layer1.0.conv1.weight". */
static bool has_name(const mxdi_graph *g, const mxd_node *node, const char *pattern)
{
    if (mxdi_glob(pattern, node->name))
        return true;
    for (uint32_t k = 0; k < node->n_origin; k++)
        if (mxdi_glob(pattern, node->origin[k]))
            return true;
    char module[MXDI_MODULE_NAME];
    if (mxdi_module_of_weight(module, node->n_in > 1 && node->in[1] != MXD_NO_VALUE
                                          ? g->value[node->in[1]].name
                                          : "") &&
        mxdi_glob(pattern, module))
        return true;
    return mxdi_module_of_node(module, node->name) && mxdi_glob(pattern, module);
}

/* Sets *hit when one of the patterns matches; each is compiled, so that a wrong one is told. */
static mxd_status any_regex(bool *hit, const char *const *regex, uint32_t n, uint32_t index,
                            const mxd_node *node, const mxd_allocator *alloc, mxd_error *err)
{
    for (uint32_t k = 0; k < n; k++) {
        bool             one = false;
        const mxd_status st  = mxdi_regex_begins(&one, regex[k], node->name, alloc, err);
        if (st != MXD_OK)
            return mxdi_wrap(err, st, "entry %u", index);
        *hit = *hit || one;
    }
    return MXD_OK;
}

static mxd_status rule_matches(bool *hit, const mxdi_rule *r, uint32_t index, const mxdi_graph *g,
                               const mxd_node *node, uint8_t *used, mxd_error *err)
{
    bool named = r->n_names == 0 && r->n_regexes == 0, typed = r->n_op_types == 0,
         taken_out = false;
    for (uint32_t k = 0; k < r->n_names; k++)
        if (has_name(g, node, r->name[k])) {
            named   = true;
            used[k] = 1;
        }
    MXD_TRY(any_regex(&named, r->regex, r->n_regexes, index, node, g->arena.alloc, err));
    for (uint32_t k = 0; k < r->n_op_types; k++)
        typed = typed || strcmp(r->op_type[k], node->op) == 0;
    for (uint32_t k = 0; k < r->n_not_names; k++)
        taken_out = taken_out || has_name(g, node, r->not_name[k]);
    MXD_TRY(
        any_regex(&taken_out, r->not_regex, r->n_not_regexes, index, node, g->arena.alloc, err));
    for (uint32_t k = 0; k < r->n_not_op_types; k++)
        taken_out = taken_out || strcmp(r->not_op_type[k], node->op) == 0;
    *hit = named && typed && !taken_out;
    return MXD_OK;
}

static const char *nearest_layer(const mxdi_graph *g, const char *name, const char **list)
{
    size_t n = 0;
    for (uint32_t k = 0; k < g->n_nodes; k++)
        if (mxdi_is_product(&g->node[k]))
            list[n++] = g->node[k].name;
    return mxdi_nearest(name, list, n);
}

mxd_status mxdi_recipe_apply(mxdi_setting *setting, const mxdi_recipe *r, const mxdi_graph *g,
                             mxd_error *err)
{
    const mxd_allocator *const alloc = g->arena.alloc;
    mxd_error own = MXD_ERROR_INIT, *const told = err ? err : &own;
    mxd_status st = MXD_OK;
    for (uint32_t n = 0; n < g->n_nodes; n++)
        setting[n] = MXDI_SETTING_F32;
    told->status             = MXD_OK;
    told->msg[0]             = '\0';
    const char **const names = MXDI_ALLOC(alloc, const char *, (size_t)g->n_nodes + 1);
    for (uint32_t k = 0; k < r->n_rules && names; k++) {
        const mxdi_rule *const rule    = &r->rule[k];
        uint8_t *const         used    = MXDI_ALLOC(alloc, uint8_t, (size_t)rule->n_names + 1);
        mxd_status             rule_st = used ? MXD_OK : mxdi_nomem(err);
        for (uint32_t n = 0; n < g->n_nodes && rule_st == MXD_OK; n++) {
            bool hit = false;
            if (mxdi_is_product(&g->node[n]))
                rule_st = rule_matches(&hit, rule, k, g, &g->node[n], used, err);
            if (hit)
                setting[n] = rule->exclude ? MXDI_SETTING_F32 : rule->setting;
        }
        for (uint32_t i = 0; i < rule->n_names && rule_st == MXD_OK; i++) {
            if (used[i] || strpbrk(rule->name[i], "*?"))
                continue;
            const char *const near = nearest_layer(g, rule->name[i], names);
            st = mxdi_also(told, MXD_E_USAGE, "entry %u: no layer '%s'%s%s%s", k, rule->name[i],
                           near ? ", perhaps '" : "", near ? near : "", near ? "'" : "");
        }
        mxdi_free(alloc, used);
        if (rule_st != MXD_OK) {
            mxdi_free(alloc, names);
            return rule_st;
        }
    }
    mxdi_free(alloc, names);
    return names ? st : mxdi_nomem(err);
}
