/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading argv by option tables, and printing the tables as help. `--name VALUE`, `--name=VALUE`,
 * `-o VALUE`.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* ---- names ---- */

static int distance(const char *a, const char *b)
{
    int       row[64];
    const int n = (int)strlen(b);
    if (n >= 63)
        return 99;
    for (int k = 0; k <= n; k++)
        row[k] = k;
    for (int i = 1; a[i - 1]; i++) {
        int diagonal = row[0];
        row[0]       = i;
        for (int k = 1; k <= n; k++) {
            const int change =
                diagonal + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[k - 1]));
            diagonal          = row[k];
            const int shorter = row[k] < row[k - 1] ? row[k] : row[k - 1];
            row[k]            = change < shorter + 1 ? change : shorter + 1;
        }
    }
    return row[n];
}

const char *cli_nearest(const char *word, const char *const *candidate, size_t n)
{
    const char *best  = NULL;
    int         least = (int)strlen(word) / 3 + 2;
    for (size_t k = 0; k < n; k++) {
        const int d = distance(word, candidate[k]);
        if (d < least) {
            least = d;
            best  = candidate[k];
        }
    }
    return best;
}

static mxd_status fail(mxd_error *err, const char *format, ...) MXD_PRINTF(2, 3);
static mxd_status fail(mxd_error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(err->msg, sizeof(err->msg), format, args);
    va_end(args);
    return err->status = MXD_E_USAGE;
}

static bool is_named(const struct opt *o)
{
    return o->kind != OPT_ARG && o->kind != OPT_REST;
}

static const struct opt *find(const struct opt *own, const struct opt *common, const char *name,
                              size_t n)
{
    for (int table = 0; table < 2; table++)
        for (const struct opt *o = table ? common : own; o->name; o++)
            if (is_named(o) && strlen(o->name) == n && strncmp(o->name, name, n) == 0)
                return o;
    return NULL;
}

static const struct opt *find_letter(const struct opt *own, const struct opt *common, char letter)
{
    for (int table = 0; table < 2; table++)
        for (const struct opt *o = table ? common : own; o->name; o++)
            if (o->letter == letter)
                return o;
    return NULL;
}

static mxd_status unknown(const struct opt *own, const struct opt *common, const char *word,
                          size_t n, mxd_error *err)
{
    const char *names[64];
    char        plain[64];
    size_t      count = 0;
    for (int table = 0; table < 2; table++)
        for (const struct opt *o = table ? common : own; o->name && count < 64; o++)
            if (is_named(o))
                names[count++] = o->name;
    snprintf(plain, sizeof(plain), "%.*s", (int)n, word);
    const char *const near = cli_nearest(plain, names, count);
    if (near)
        return fail(err, "unknown option --%s, perhaps --%s", plain, near);
    return fail(err, "unknown option --%s; --help lists them", plain);
}

/* ---- values ---- */

static mxd_status store(const struct opt *o, const char *value, mxd_error *err)
{
    char *end;
    switch (o->kind) {
    case OPT_FLAG:
        *(bool *)o->target = true;
        return MXD_OK;
    case OPT_STR:
    case OPT_ARG:
        *(const char **)o->target = value;
        return MXD_OK;
    case OPT_INT:
        *(int64_t *)o->target = strtoll(value, &end, 10);
        if (end == value || *end || *(int64_t *)o->target < 0)
            return fail(err, "--%s: a whole number expected, got '%s'", o->name, value);
        return MXD_OK;
    case OPT_NUM:
        *(double *)o->target = strtod(value, &end);
        if (end == value || *end || !(*(double *)o->target >= 0.0))
            return fail(err, "--%s: a number expected, got '%s'", o->name, value);
        return MXD_OK;
    case OPT_LIST:
    case OPT_REST: {
        struct words *const w = o->target;
        if (w->n == (int)(sizeof(w->at) / sizeof(w->at[0])))
            return fail(err, "more than %d times %s", w->n, o->name);
        w->at[w->n++] = value;
        return MXD_OK;
    }
    }
    return MXD_OK;
}

/* Positionals in the order of the table; REST takes what is left. */
static mxd_status positional(const struct opt *own, int *taken, const char *value, mxd_error *err)
{
    int k = 0;
    for (const struct opt *o = own; o->name; o++) {
        if (is_named(o))
            continue;
        if (k++ == *taken || o->kind == OPT_REST) {
            *taken += o->kind == OPT_ARG;
            return store(o, value, err);
        }
    }
    return fail(err, "unexpected argument '%s'", value);
}

static bool is_set(const struct opt *o)
{
    if (o->kind == OPT_REST || o->kind == OPT_LIST)
        return ((const struct words *)o->target)->n > 0;
    return o->kind != OPT_ARG && o->kind != OPT_STR ? true
                                                    : *(const char *const *)o->target != NULL;
}

static mxd_status check_required(const struct opt *own, mxd_error *err)
{
    for (const struct opt *o = own; o->name; o++) {
        if (!o->required || is_set(o))
            continue;
        if (!is_named(o))
            return fail(err, "%s is missing: %s", o->name, o->help);
        if (o->letter)
            return fail(err, "-%c %s (--%s) is missing: %s", o->letter, o->meta, o->name, o->help);
        return fail(err, "--%s %s is missing: %s", o->name, o->meta, o->help);
    }
    return MXD_OK;
}

mxd_status cli_parse(const struct opt *own, const struct opt *common, int argc, char **argv,
                     bool *help, mxd_error *err)
{
    int  taken            = 0;
    bool only_positionals = false;
    *help                 = false;
    for (int k = 0; k < argc; k++) {
        const char *const word = argv[k];
        const struct opt *o;
        const char       *value = NULL;
        if (only_positionals || word[0] != '-' || word[1] == '\0') {
            if (positional(own, &taken, word, err) != MXD_OK)
                return MXD_E_USAGE;
            continue;
        }
        if (strcmp(word, "--") == 0) {
            only_positionals = true;
            continue;
        }
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            *help = true;
            return MXD_OK;
        }
        if (word[1] == '-') {
            const char *const equal = strchr(word, '=');
            const size_t      n     = equal ? (size_t)(equal - word - 2) : strlen(word + 2);
            o                       = find(own, common, word + 2, n);
            value                   = equal ? equal + 1 : NULL;
            if (!o)
                return unknown(own, common, word + 2, n, err);
        } else {
            o = word[2] == '\0' ? find_letter(own, common, word[1]) : NULL;
            if (!o)
                return fail(err, "unknown option %s; --help lists them", word);
        }
        if (o->kind == OPT_FLAG && value)
            return fail(err, "--%s takes no value", o->name);
        if (o->kind != OPT_FLAG && !value && k + 1 == argc)
            return fail(err, "--%s: %s expected after it", o->name, o->meta);
        if (o->kind != OPT_FLAG && !value)
            value = argv[++k];
        if (store(o, value, err) != MXD_OK)
            return MXD_E_USAGE;
    }
    return check_required(own, err);
}

/* ---- help ---- */

static void print_option(const struct opt *o)
{
    char left[64];
    if (o->letter)
        snprintf(left, sizeof(left), "-%c, --%s%s%s", o->letter, o->name, o->meta ? " " : "",
                 o->meta ? o->meta : "");
    else
        snprintf(left, sizeof(left), "--%s%s%s", o->name, o->meta ? " " : "",
                 o->meta ? o->meta : "");
    const bool fits = strlen(left) <= 28;
    printf(fits ? "  %-28s %s%s\n" : "  %s\n                               %s%s\n", left, o->help,
           o->required ? " (required)" : "");
}

void cli_help(const struct cmd *cmd, const struct opt *common)
{
    printf("mixdown %s: %s\n\nusage: mixdown %s", cmd->name, cmd->summary, cmd->name);
    for (const struct opt *o = cmd->opts; o->name; o++)
        if (!is_named(o))
            printf(" %s%s", o->name, o->kind == OPT_REST ? "..." : "");
    printf(" [options]\n");
    if (cmd->details)
        printf("\n%s\n", cmd->details);
    printf("\n");
    for (const struct opt *o = cmd->opts; o->name; o++)
        if (!is_named(o))
            printf("  %-28s %s\n", o->name, o->help);
    for (const struct opt *o = cmd->opts; o->name; o++)
        if (is_named(o))
            print_option(o);
    printf("\ncommon options:\n");
    for (const struct opt *o = common; o->name; o++)
        print_option(o);
}

/* ---- specifications ---- */

mxd_status cli_shape(mxd_shape *out, char *storage, size_t size, const char *text, struct cli *c)
{
    const char *const equal = strrchr(text, '=');
    const size_t      n     = equal ? (size_t)(equal - text) : 0;
    *out                    = (mxd_shape){ .rank = 0 };
    if (!equal || n == 0 || n >= size)
        return cli_fail(c, MXD_E_USAGE, "--shape: NAME=1x3x224x224 expected, got '%s'", text);
    memcpy(storage, text, n);
    storage[n] = '\0';
    out->name  = storage;
    for (const char *p = equal + 1;; p++) {
        char           *end;
        const long long d = strtoll(p, &end, 10);
        if (end == p || d < 1 || out->rank == MXD_MAX_RANK || (*end && *end != 'x'))
            return cli_fail(c, MXD_E_USAGE,
                            "--shape %s: positive numbers joined by 'x' expected after '='", text);
        out->dim[out->rank++] = d;
        p                     = end;
        if (!*p)
            return MXD_OK;
    }
}

mxd_status cli_batches(int64_t out[8], const char *text, struct cli *c)
{
    int n = 0;
    memset(out, 0, 8 * sizeof(out[0]));
    for (const char *p = text; text;) {
        char           *end;
        const long long b = strtoll(p, &end, 10);
        if (end == p || b < 1 || b > 1 << 20 || n == 8 || (n && b <= out[n - 1]) ||
            (*end && *end != ','))
            return cli_fail(c, MXD_E_USAGE,
                            "--batch: up to 8 ascending numbers (\"1,8,128\") expected, got '%s'",
                            text);
        out[n++] = b;
        if (!*end)
            break;
        p = end + 1;
    }
    return MXD_OK;
}

mxd_build_options cli_build_options(const struct cli *c)
{
    mxd_build_options o = MXD_BUILD_OPTIONS_INIT;
    o.backend           = c->backend;
    o.isa               = c->isa;
    o.threads           = (uint32_t)c->threads;
    return o;
}
