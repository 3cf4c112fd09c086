/* SPDX-License-Identifier: Apache-2.0
 *
 * From the text of a data specification to its struct. The text and the JSON form both end in key
 * and list of strings, so a key is understood in one place (data_keys.c).
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "data/data_impl.h"

enum { MAX_LIST = 4096 }; /* values of a list, files of a set */

/* The next piece of *text up to a single comma, doubled ones undone; NULL when memory ends. */
static char *next_piece(const char **text, mxdi_arena *arena)
{
    const char *s    = *text;
    char *const copy = mxdi_arena_alloc(arena, strlen(s) + 1, 1, 1);
    size_t      n    = 0;
    if (!copy)
        return NULL;
    while (*s && (*s != ',' || s[1] == ',')) {
        s += *s == ',';
        copy[n++] = *s++;
    }
    *text = *s ? s + 1 : NULL;
    return copy;
}

/* Letters before '=', as in "scale=1/255"; a file that looks like that is written "./scale=1". */
static char *value_of(char *piece)
{
    const size_t n = strspn(piece, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_");
    return n && piece[n] == '=' ? piece + n : NULL;
}

static mxd_status add_file(mxdi_data_spec *s, const char *file, mxdi_arena *arena, mxd_error *err)
{
    const uint32_t capacity = 8;
    if (s->n_files >= MAX_LIST)
        return mxdi_fail(err, MXD_E_USAGE, "expected at most %d files", MAX_LIST);
    if (s->n_files % capacity == 0) { /* the arena keeps the shorter list: a few pointers */
        const char **const grown = MXDI_NEW(arena, const char *, s->n_files + capacity);
        if (!grown)
            return mxdi_nomem(err);
        for (uint32_t i = 0; i < s->n_files; i++)
            grown[i] = s->file[i];
        s->file = grown;
    }
    s->file[s->n_files++] = file;
    return MXD_OK;
}

/* key=value of the text form: a list is split at ':'. */
static mxd_status set_text(mxdi_data_spec *s, const char *key, char *value, uint32_t *seen,
                           mxdi_arena *arena, mxd_error *err)
{
    uint32_t n = 1;
    if (!mxdi_data_key_is_list(key))
        return mxdi_data_spec_set(s, key, &(const char *){ value }, 1, seen, arena, err);
    for (const char *c = value; *c; c++)
        n += *c == ':';
    const char **const list = MXDI_NEW(arena, const char *, n);
    if (!list)
        return mxdi_nomem(err);
    for (uint32_t i = 0; i < n; i++) {
        list[i]           = value;
        char *const colon = strchr(value, ':');
        if (colon) {
            *colon = '\0';
            value  = colon + 1;
        }
    }
    return mxdi_data_spec_set(s, key, list, n, seen, arena, err);
}

/* What the user perhaps meant, for a specification without a known kind. */
static mxd_status unknown_kind(const char *text, const char *nearest, mxd_error *err)
{
    const char *const dot = strrchr(text, '.');
    if (nearest)
        return mxdi_fail(err, MXD_E_USAGE, "kind '%.*s' is unknown; did you mean '%s'?",
                         (int)strcspn(text, ":,"), text, nearest);
    if (dot && (strcmp(dot, ".npy") == 0 || strcmp(dot, ".npz") == 0))
        return mxdi_fail(err, MXD_E_USAGE, "expected KIND:FILE, got '%s'; did you mean '%s:%s'?",
                         text, dot + 1, text);
    if (dot && strcmp(dot, ".json") == 0)
        return mxdi_fail(err, MXD_E_USAGE, "expected KIND:FILE, got '%s'; did you mean '@%s'?",
                         text, text);
    return mxdi_fail(
        err, MXD_E_USAGE,
        "expected fashion-mnist, @FILE.json or KIND:FILE with a kind of idx, cifar10, npy, npz, images or "
        "onnx, got '%s'",
        text);
}

static mxd_status parse_text(mxdi_data_spec *s, const char *text, mxdi_arena *arena, mxd_error *err)
{
    const size_t n_kind  = strcspn(text, ":,");
    const char  *nearest = NULL;
    if (!mxdi_data_kind_parse(&s->kind, text, n_kind, &nearest))
        return unknown_kind(text, nearest, err);
    const char *rest = text[n_kind] ? text + n_kind + 1 : NULL;
    uint32_t    seen = 0;
    mxd_status  st   = MXD_OK;
    while (rest) {
        char *const piece = next_piece(&rest, arena);
        if (!piece)
            return mxdi_nomem(err);
        char *const equals = value_of(piece);
        mxd_status  one    = MXD_OK;
        if (equals) {
            *equals = '\0';
            one     = set_text(s, piece, equals + 1, &seen, arena, err);
        } else if (*piece) {
            one = add_file(s, piece, arena, err);
        } else {
            one = mxdi_also(err, MXD_E_USAGE, "expected a file or key=value between commas");
        }
        if (one == MXD_E_NOMEM)
            return one;
        if (one != MXD_OK)
            st = one;
    }
    return st;
}

/* A JSON scalar as the text that the text form would have; NULL: neither text nor number, or no
 * memory. */
static const char *scalar_text(const json_t *v, mxdi_arena *arena)
{
    if (json_is_string(v))
        return mxdi_arena_strdup(arena, json_string_value(v));
    if (json_is_integer(v))
        return mxdi_arena_printf(arena, "%lld", (long long)json_integer_value(v));
    return json_is_real(v) ? mxdi_arena_printf(arena, "%.17g", json_real_value(v)) : NULL;
}

/* A JSON value as a list of texts; an object gives pairs. */
static mxd_status value_list(const char ***out, uint32_t *n_out, const char *key, const json_t *v,
                             mxdi_arena *arena, mxd_error *err)
{
    const size_t n = json_is_array(v)    ? json_array_size(v)
                     : json_is_object(v) ? 2 * json_object_size(v)
                                         : 1;
    if (n > MAX_LIST)
        return mxdi_also(err, MXD_E_USAGE, "%s: expected at most %d values", key, MAX_LIST);
    const char **const list = MXDI_NEW(arena, const char *, n);
    if (!list)
        return mxdi_nomem(err);
    size_t i = 0;
    if (json_is_object(v)) {
        for (void *it = json_object_iter((json_t *)(uintptr_t)v); it;
             it       = json_object_iter_next((json_t *)(uintptr_t)v, it)) {
            list[i++] = mxdi_arena_strdup(arena, json_object_iter_key(it));
            list[i++] = scalar_text(json_object_iter_value(it), arena);
        }
    } else {
        for (; i < n; i++)
            list[i] = scalar_text(json_is_array(v) ? json_array_get(v, i) : v, arena);
    }
    for (i = 0; i < n; i++)
        if (!list[i])
            return mxdi_also(err, MXD_E_USAGE, "%s: expected text, numbers, or a list of them",
                             key);
    *out   = list;
    *n_out = (uint32_t)n;
    return MXD_OK;
}

/* A path of the JSON form counts from that file's folder. */
static const char *beside(const char *json_path, const char *name, mxdi_arena *arena)
{
    char path[PATH_MAX];
    return mxdi_path_beside(path, sizeof(path), json_path, name) ? mxdi_arena_strdup(arena, path)
                                                                 : NULL;
}

static mxd_status set_json(mxdi_data_spec *s, const char *path, const char *key, const json_t *v,
                           uint32_t *seen, mxdi_arena *arena, mxd_error *err)
{
    const char **list = NULL;
    uint32_t     n    = 0;
    MXD_TRY(value_list(&list, &n, key, v, arena, err));
    const bool files  = strcmp(key, "files") == 0;
    const bool labels = strcmp(key, "labels") == 0 && s->kind != MXDI_DATA_NPZ;
    for (uint32_t i = 0; i < n && (files || labels); i++)
        if (s->kind != MXDI_DATA_FASHION && !(list[i] = beside(path, list[i], arena)))
            return mxdi_nomem(err);
    if (!files)
        return mxdi_data_spec_set(s, key, list, n, seen, arena, err);
    s->file    = list;
    s->n_files = n;
    return MXD_OK;
}

static mxd_status parse_json(mxdi_data_spec *s, const char *path, mxdi_arena *arena, mxd_error *err)
{
    json_t     *root = NULL;
    uint32_t    seen = 0;
    const char *key, *nearest = NULL;
    json_t     *value;
    MXD_TRY(mxdi_json_load(&root, path, err));
    mxd_status        st   = MXD_OK;
    const char *const kind = json_string_value(json_object_get(root, "kind"));
    if (!kind) {
        st = mxdi_fail(err, MXD_E_USAGE, "expected an object with the key 'kind'");
    } else if (!mxdi_data_kind_parse(&s->kind, kind, strlen(kind), &nearest)) {
        st = unknown_kind(kind, nearest, err);
    } else {
        json_object_foreach(root, key, value)
        {
            const mxd_status one = strcmp(key, "kind") == 0
                                       ? MXD_OK
                                       : set_json(s, path, key, value, &seen, arena, err);
            if (one != MXD_OK)
                st = one;
            if (one == MXD_E_NOMEM)
                break;
        }
    }
    json_decref(root);
    return mxdi_wrap(err, st, "%s", path);
}

static const float zero = 0, one = 1;

mxd_status mxdi_data_scaling_parse(mxdi_data_scaling *out, const char *text, mxdi_arena *arena,
                                   mxd_error *err)
{
    static const char *const keys[] = { "scale", "mean", "std" };
    mxdi_data_spec           s      = {
                       .kind = MXDI_DATA_NPY, .scale = { &one, 1 }, .mean = { &zero, 1 }, .std = { &one, 1 }
    };
    uint32_t   seen = 0;
    mxd_status st   = MXD_OK;
    for (const char *rest = text; rest;) {
        char *const piece  = next_piece(&rest, arena);
        char *const equals = piece ? value_of(piece) : NULL;
        bool        known  = false;
        if (!piece)
            return mxdi_nomem(err);
        if (equals)
            *equals = '\0';
        for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
            known = known || strcmp(piece, keys[k]) == 0;
        const mxd_status this =
            equals && known
                ? set_text(&s, piece, equals + 1, &seen, arena, err)
                : mxdi_also(err, MXD_E_USAGE, "expected scale=, mean= or std=, got '%s%s'", piece,
                            equals ? "=" : "");
        if (this == MXD_E_NOMEM)
            return this;
        st = this == MXD_OK ? st : this;
    }
    *out = (mxdi_data_scaling){ s.scale, s.mean, s.std };
    return st;
}

mxd_status mxdi_data_spec_parse(mxdi_data_spec *out, const char *text, mxdi_arena *arena,
                                mxd_error *err)
{
    mxd_error      told = MXD_ERROR_INIT;
    mxdi_data_spec s    = {
           .scale = { &one, 1 }, .mean = { &zero, 1 }, .std = { &one, 1 }, .subset = -1
    };
    mxd_status  st = text[0] == '@' ? parse_json(&s, text + 1, arena, &told)
                                    : parse_text(&s, text, arena, &told);
    uint32_t    least, most;
    const char *what;
    if (st == MXD_OK) {
        mxdi_data_kind_files(s.kind, &least, &most, &what);
        if (s.n_files < least || s.n_files > most)
            st = mxdi_fail(&told, MXD_E_USAGE, "%s: expected %s, got %u files",
                           mxdi_data_kind_name(s.kind), what, s.n_files);
        else if (s.x && s.n_inputs)
            st = mxdi_fail(&told, MXD_E_USAGE, "expected x or inputs, got both");
    }
    if (st != MXD_OK)
        return mxdi_fail(err, st, "data: %s", told.msg);
    *out = s;
    return MXD_OK;
}
