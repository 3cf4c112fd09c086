/* SPDX-License-Identifier: Apache-2.0
 *
 * NNI's config_list, v2 and v3, read as rules. Module names are layer names (a PyTorch export names
 * weights after modules); module types map to ONNX ops. Bits of weights and of inputs (or, where
 * those are not listed, outputs) make a precision: 8 and 8 is w8a8, weights alone w8-f32, 16 the
 * 16-bit float, 32 f32. As in NNI a v2 entry wins over those before it as a whole.
 */
#include <string.h>

#include "quant/recipe_read.h"

static const char *const keys_v2[] = { "quant_types",  "quant_bits",      "op_types",
                                       "op_names",     "exclude",         "quant_dtype",
                                       "quant_scheme", "quant_start_step" };
static const char *const keys_v3[] = {
    "op_names",         "op_names_re",         "op_types",
    "exclude_op_names", "exclude_op_names_re", "exclude_op_types",
    "target_names",     "target_settings",     "quant_dtype",
    "quant_scheme",     "granularity",         "apply_method",
    "fuse_names"
};
enum { N_V2 = sizeof(keys_v2) / sizeof(keys_v2[0]), N_V3 = sizeof(keys_v3) / sizeof(keys_v3[0]) };

/* PyTorch module types and the op that an export makes of them; those without one hold no weights
 * that are quantized here. */
static const struct {
    const char *module, *op;
} modules[] = {
    { "Conv1d", "Conv" },        { "Conv2d", "Conv" },          { "Conv3d", "Conv" },
    { "Linear", "Gemm" },        { "Linear", "MatMul" },        { "Conv", "Conv" },
    { "Gemm", "Gemm" },          { "MatMul", "MatMul" },        { "ConvTranspose1d", NULL },
    { "ConvTranspose2d", NULL }, { "ConvTranspose3d", NULL },   { "Bilinear", NULL },
    { "PReLU", NULL },           { "Embedding", NULL },         { "EmbeddingBag", NULL },
    { "BatchNorm1d", NULL },     { "BatchNorm2d", NULL },       { "ReLU", NULL },
    { "ReLU6", NULL },           { "Hardtanh", NULL },          { "MaxPool2d", NULL },
    { "AvgPool2d", NULL },       { "AdaptiveAvgPool2d", NULL },
};
enum { N_MODULES = sizeof(modules) / sizeof(modules[0]) };

static bool in_list(const char *word, const char *const *list, size_t n)
{
    for (size_t k = 0; k < n; k++)
        if (strcmp(word, list[k]) == 0)
            return true;
    return false;
}

bool mxdi_recipe_is_nni(const json_t *list)
{
    for (size_t k = 0; k < json_array_size(list); k++) {
        const char *key;
        json_t     *value;
        json_object_foreach(json_array_get(list, k), key, value)
        {
            const bool shared = strcmp(key, "op_types") == 0 || strcmp(key, "exclude") == 0 ||
                                strcmp(key, "granularity") == 0;
            if (!shared && (in_list(key, keys_v2, N_V2) || in_list(key, keys_v3, N_V3)))
                return true;
        }
    }
    return false;
}

static bool is_v3(const json_t *entry)
{
    const char *key;
    json_t     *value;
    json_object_foreach((json_t *)(uintptr_t)entry, key,
                        value) if (in_list(key, keys_v3, N_V3) &&
                                   !in_list(key, keys_v2, N_V2)) return true;
    const char *const dtype = json_string_value(json_object_get(entry, "quant_dtype"));
    return dtype && strpbrk(dtype, "0123456789") && !json_object_get(entry, "quant_bits");
}

/* Module types to ONNX ops; "default" is every type. */
static mxd_status read_types(const char *const **out, uint32_t *n, struct mxdi_recipe_reader *r,
                             const json_t *value, const char *key)
{
    const char *const *word;
    const char        *names[N_MODULES];
    uint32_t           words;
    MXD_TRY(mxdi_recipe_words(&word, &words, r, value, key));
    const char **const list = MXDI_NEW(&r->recipe->arena, const char *, 3 * (size_t)words + 1);
    if (!list)
        return mxdi_nomem(r->err);
    *out = list;
    *n   = 0;
    for (size_t k = 0; k < N_MODULES; k++)
        names[k] = modules[k].module;
    for (uint32_t k = 0; k < words; k++) {
        if (strcmp(word[k], "default") == 0) {
            *n           = 0;
            list[(*n)++] = "Conv";
            list[(*n)++] = "Gemm";
            list[(*n)++] = "MatMul";
            return MXD_OK;
        }
        if (!in_list(word[k], names, N_MODULES))
            mxdi_recipe_unknown(r, "op type", word[k], names, N_MODULES);
        const uint32_t before = *n;
        for (size_t i = 0; i < N_MODULES; i++)
            if (modules[i].op && strcmp(modules[i].module, word[k]) == 0)
                list[(*n)++] = modules[i].op;
        if (*n == before)
            list[(*n)++] = word[k]; /* a type that no layer here has: matches none */
    }
    return MXD_OK;
}

/* ---- bits ---- */

struct bits {
    int64_t weight, input, output;
}; /* 0: not quantized */

static void set_precision(struct mxdi_recipe_reader *r, mxdi_rule *rule, const struct bits *b)
{
    const int64_t a = b->input ? b->input : b->output;
    char          name[24];
    mxd_error     why = MXD_ERROR_INIT;
    if (b->weight == 32 || (!b->weight && a))
        snprintf(name, sizeof(name), "f32");
    else if (b->weight == 16)
        snprintf(name, sizeof(name), "bf16");
    else if (b->weight && a && a < 16)
        snprintf(name, sizeof(name), "w%da%d", (int)b->weight, (int)a);
    else
        snprintf(name, sizeof(name), "w%d-%s", (int)b->weight, a == 16 ? "bf16" : "f32");
    const mxd_status st = mxdi_precision_parse(&rule->setting.precision, name, &why);
    if (st != MXD_OK) {
        mxdi_recipe_complain(r, "%s", why.msg);
        r->status = st;
    }
    rule->setting.allow = rule->setting.precision;
}

static int64_t bits_of(struct mxdi_recipe_reader *r, const json_t *bits, const char *type)
{
    const json_t *const v = json_is_object(bits) ? json_object_get(bits, type) : bits;
    const int64_t       n = json_integer_value(v);
    if (!json_is_integer(v) || n < 1 || n > 32) {
        mxdi_recipe_complain(r, "'quant_bits': a number of bits (1 to 32) for '%s' expected", type);
        return 8;
    }
    return n;
}

static void read_scheme(struct mxdi_recipe_reader *r, mxdi_rule *rule, const json_t *value)
{
    static const char *const schemes[] = { "affine",
                                           "symmetric",
                                           "per_tensor_affine",
                                           "per_tensor_symmetric",
                                           "per_channel_affine",
                                           "per_channel_symmetric" };
    const char *const        weight    = json_is_object(value)
                                             ? json_string_value(json_object_get(value, "weight"))
                                             : json_string_value(value);
    const char *const        input     = json_is_object(value)
                                             ? json_string_value(json_object_get(value, "input"))
                                             : json_string_value(value);
    for (int k = 0; k < 2; k++) {
        const char *const word = k ? input : weight;
        if (word && !in_list(word, schemes, 6))
            mxdi_recipe_unknown(r, "scheme", word, schemes, 6);
    }
    rule->setting.per_tensor = weight && strncmp(weight, "per_tensor", 10) == 0;
    rule->setting.symmetric  = input && strstr(input, "symmetric") != NULL;
}

/* ---- v2 ---- */

static mxd_status read_v2(struct mxdi_recipe_reader *r, mxdi_rule *rule, const json_t *entry)
{
    static const char *const tensors[] = { "weight", "input", "output" };
    const json_t *const types          = json_object_get(entry, "quant_types"), *const bits =
                                                                           json_object_get(
                                                                               entry, "quant_bits");
    struct bits b = { 0, 0, 0 };
    rule->exclude =
        json_object_get(entry, "exclude") != NULL; /* NNI: the key counts, not its value */
    for (size_t k = 0; k < json_array_size(types); k++) {
        const char *const t = json_string_value(json_array_get(types, k));
        if (!t || !in_list(t, tensors, 3)) {
            mxdi_recipe_unknown(r, "quant type", t ? t : "", tensors, 3);
            continue;
        }
        *(strcmp(t, "weight") == 0  ? &b.weight
          : strcmp(t, "input") == 0 ? &b.input
                                    : &b.output) = bits_of(r, bits, t);
    }
    if (!rule->exclude && (!json_is_array(types) || !bits))
        mxdi_recipe_complain(r, "'quant_types' and 'quant_bits', or 'exclude', expected");
    else if (!rule->exclude)
        set_precision(r, rule, &b);
    if (json_object_get(entry, "quant_scheme"))
        read_scheme(r, rule, json_object_get(entry, "quant_scheme"));
    return MXD_OK;
}

/* ---- v3 ---- */

/* "int8", "uint4", null (int8). */
static int64_t dtype_bits(struct mxdi_recipe_reader *r, const json_t *value)
{
    int               bits;
    char              end;
    const char *const text = json_string_value(value);
    if (!value || json_is_null(value))
        return 8;
    if (text &&
        (sscanf(text, "int%d%c", &bits, &end) == 1 || sscanf(text, "uint%d%c", &bits, &end) == 1) &&
        bits >= 1 && bits <= 32)
        return bits;
    mxdi_recipe_complain(r, "'quant_dtype': intN or uintN expected, got '%s'",
                         text ? text : "no word");
    return 8;
}

static void read_target(struct mxdi_recipe_reader *r, struct bits *b, const char *target,
                        const json_t *setting, int64_t bits)
{
    const json_t *const own = json_object_get(setting, "quant_dtype");
    if (own)
        bits = dtype_bits(r, own);
    if (strcmp(target, "weight") == 0)
        b->weight = bits;
    else if (strncmp(target, "_input_", 7) == 0)
        b->input = bits;
    else if (strncmp(target, "_output_", 8) == 0)
        b->output = bits;
    else if (strcmp(target, "bias") != 0) /* the bias is int32 at the accumulator's scale */
        mxdi_recipe_complain(r, "unknown target '%s'; _input_, weight, bias, _output_ are known",
                             target);
}

static mxd_status read_v3(struct mxdi_recipe_reader *r, mxdi_rule *rule, const json_t *entry)
{
    const json_t *const        targets  = json_object_get(entry, "target_names"),
                        *const settings = json_object_get(entry, "target_settings");
    const int64_t              bits     = dtype_bits(r, json_object_get(entry, "quant_dtype"));
    const char *const granularity       = json_string_value(json_object_get(entry, "granularity"));
    struct bits       b                 = { 0, 0, 0 };
    const char       *key;
    json_t           *value;
    for (size_t k = 0; k < json_array_size(targets); k++)
        read_target(r, &b,
                    json_string_value(json_array_get(targets, k))
                        ? json_string_value(json_array_get(targets, k))
                        : "",
                    json_object_get(settings, json_string_value(json_array_get(targets, k))
                                                  ? json_string_value(json_array_get(targets, k))
                                                  : ""),
                    bits);
    json_object_foreach((json_t *)(uintptr_t)settings, key, value)
        read_target(r, &b, key, value, bits);
    if (!targets && !settings)
        b = (struct bits){ bits, bits, bits };
    set_precision(r, rule, &b);
    rule->setting.per_tensor = !granularity || strcmp(granularity, "default") == 0;
    if (json_object_get(entry, "quant_scheme"))
        rule->setting.symmetric =
            json_string_value(json_object_get(entry, "quant_scheme")) &&
            strcmp(json_string_value(json_object_get(entry, "quant_scheme")), "symmetric") == 0;
    return MXD_OK;
}

/* ---- calibration_config ---- */

/* Flat keys of all versions, and the tensor of v3. */
static const struct {
    const char *type, *flat[4], *nested;
} bits_keys[] = {
    { "weight", { "weight_bits", "weight_bit" }, "weight" },
    { "input", { "input_bits", "input_bit" }, "_input_0" },
    { "output", { "output_bits", "output_bit", "activation_bits", "activation_bit" }, "_output_0" },
};

static json_t *entry_of_module(const char *module, const json_t *facts)
{
    json_t *const types = json_array(), *const bits = json_object();
    for (size_t k = 0; k < sizeof(bits_keys) / sizeof(bits_keys[0]); k++) {
        json_t *b = json_object_get(json_object_get(facts, bits_keys[k].nested), "quant_bits");
        for (size_t i = 0; i < 4 && !b && bits_keys[k].flat[i]; i++)
            b = json_object_get(facts, bits_keys[k].flat[i]);
        if (!b || json_is_null(b))
            continue;
        json_array_append_new(types, json_string(bits_keys[k].type));
        json_object_set(bits, bits_keys[k].type, b);
    }
    return json_pack("{s:[s], s:o, s:o}", "op_names", module, "quant_types", types, "quant_bits",
                     bits);
}

json_t *mxdi_recipe_of_nni_calibration(const json_t *config)
{
    json_t *const list = json_array();
    const char   *module;
    json_t       *facts;
    json_object_foreach((json_t *)(uintptr_t)config, module, facts)
    {
        json_t *const entry = entry_of_module(module, facts);
        const bool    weights =
            json_object_get(json_object_get(entry, "quant_bits"), "weight") != NULL;
        if (entry && !weights) /* its ranges matter, but no product is in it */
            json_decref(entry);
        else if (json_array_append_new(list, entry) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* ---- both ---- */

mxd_status mxdi_recipe_read_nni(struct mxdi_recipe_reader *r, mxdi_rule *rule, const json_t *entry)
{
    const bool  v3 = is_v3(entry);
    const char *key;
    json_t     *value;
    rule->setting = MXDI_SETTING_F32;
    json_object_foreach((json_t *)(uintptr_t)entry, key, value)
    {
        if (!in_list(key, v3 ? keys_v3 : keys_v2, v3 ? N_V3 : N_V2))
            mxdi_recipe_unknown(r, "key", key, v3 ? keys_v3 : keys_v2, v3 ? N_V3 : N_V2);
        else if (strcmp(key, "op_names") == 0)
            MXD_TRY(mxdi_recipe_words(&rule->name, &rule->n_names, r, value, key));
        else if (strcmp(key, "op_names_re") == 0)
            MXD_TRY(mxdi_recipe_words(&rule->regex, &rule->n_regexes, r, value, key));
        else if (strcmp(key, "op_types") == 0)
            MXD_TRY(read_types(&rule->op_type, &rule->n_op_types, r, value, key));
        else if (strcmp(key, "exclude_op_names") == 0)
            MXD_TRY(mxdi_recipe_words(&rule->not_name, &rule->n_not_names, r, value, key));
        else if (strcmp(key, "exclude_op_names_re") == 0)
            MXD_TRY(mxdi_recipe_words(&rule->not_regex, &rule->n_not_regexes, r, value, key));
        else if (strcmp(key, "exclude_op_types") == 0)
            MXD_TRY(read_types(&rule->not_op_type, &rule->n_not_op_types, r, value, key));
    }
    if (!rule->n_names && !rule->n_regexes && !rule->n_op_types)
        mxdi_recipe_complain(r, "'op_types' or 'op_names' expected");
    return v3 ? read_v3(r, rule, entry) : read_v2(r, rule, entry);
}
