/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists of timed choices, their JSON and the timing cache: docs/timing-cache.md.
 */
#include "engine/choices.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"

enum { VERSION = 1 };

/* ---- lists ---- */

static int compare(const mxdi_choice *a, const mxdi_choice *b)
{
    int d = strcmp(a->device, b->device);
    d     = d ? d : (a->threads > b->threads) - (a->threads < b->threads);
    d     = d ? d : strcmp(a->op, b->op);
    d     = d ? d : strcmp(a->shape, b->shape);
    d     = d ? d : (a->n > b->n) - (a->n < b->n);
    for (uint32_t k = 0; d == 0 && k < a->n; k++)
        d = strcmp(a->candidate[k], b->candidate[k]);
    return d;
}

const mxdi_choice *mxdi_choices_find(const mxdi_choices *list, const mxdi_choice *question)
{
    for (uint32_t k = 0; k < list->n; k++)
        if (compare(&list->choice[k], question) == 0)
            return &list->choice[k];
    return NULL;
}

static mxd_status grow(mxdi_choices *list, mxd_error *err)
{
    const uint32_t     cap  = 2 * list->cap + 16;
    mxdi_choice *const more = MXDI_NEW(list->arena, mxdi_choice, cap);
    if (!more)
        return mxdi_nomem(err);
    if (list->n)
        memcpy(more, list->choice, list->n * sizeof(more[0]));
    list->choice = more;
    list->cap    = cap;
    return MXD_OK;
}

mxd_status mxdi_choices_add(mxdi_choices *list, const mxdi_choice *choice, mxd_error *err)
{
    if (list->n == list->cap)
        MXD_TRY(grow(list, err));
    mxdi_choice *const c = &list->choice[list->n];
    *c                   = *choice;
    c->device            = mxdi_arena_strdup(list->arena, choice->device);
    c->op                = mxdi_arena_strdup(list->arena, choice->op);
    c->shape             = mxdi_arena_strdup(list->arena, choice->shape);
    bool ok              = c->device && c->op && c->shape;
    for (uint32_t k = 0; k < c->n; k++) {
        c->candidate[k] = mxdi_arena_strdup(list->arena, choice->candidate[k]);
        ok              = ok && c->candidate[k];
    }
    if (!ok)
        return mxdi_nomem(err);
    list->n++;
    return MXD_OK;
}

/* ---- writing ---- */

static json_t *candidates_json(const mxdi_choice *c, bool times)
{
    json_t *const all = times ? json_object() : json_array();
    bool          ok  = all != NULL;
    for (uint32_t k = 0; ok && k < c->n; k++)
        ok = times ? json_object_set_new(all, c->candidate[k],
                                         json_integer((json_int_t)c->ns[k])) == 0
                   : json_array_append_new(all, json_string(c->candidate[k])) == 0;
    if (ok)
        return all;
    json_decref(all);
    return NULL;
}

json_t *mxdi_choices_json(const mxdi_choices *list, bool times)
{
    json_t *const all = json_array();
    for (uint32_t k = 0; all && k < list->n; k++) {
        const mxdi_choice *const c = &list->choice[k];
        json_t *const o = json_pack("{s:s, s:I, s:s, s:s, s:o, s:s}", "device", c->device,
                                    "threads", (json_int_t)c->threads, "op", c->op, "shape",
                                    c->shape, times ? "nanoseconds" : "candidates",
                                    candidates_json(c, times), "choice", c->candidate[c->best]);
        if (json_array_append_new(all, o) != 0) {
            json_decref(all);
            return NULL;
        }
    }
    return all;
}

static int by_question(const void *a, const void *b)
{
    return compare(a, b);
}

mxd_status mxdi_choices_save(const mxdi_choices *list, const char *path, mxd_error *err)
{
    mxdi_choices sorted = *list;
    sorted.choice       = MXDI_NEW(list->arena, mxdi_choice, list->n + 1);
    if (!sorted.choice)
        return mxdi_nomem(err);
    if (list->n) {
        memcpy(sorted.choice, list->choice, list->n * sizeof(sorted.choice[0]));
        qsort(sorted.choice, sorted.n, sizeof(sorted.choice[0]), by_question);
    }
    json_t *const    file = json_pack("{s:i, s:o}", "mixdown_timing_cache", VERSION, "choices",
                                      mxdi_choices_json(&sorted, true));
    const mxd_status st   = file ? mxdi_json_save(file, path, err) : mxdi_nomem(err);
    json_decref(file);
    return st;
}

/* ---- reading ---- */

static bool take_text(const char **out, const json_t *entry, const char *key)
{
    *out = json_string_value(json_object_get(entry, key));
    return *out && **out;
}

static bool take_candidate(mxdi_choice *c, const char *name, json_int_t ns)
{
    if (c->n == MXDI_MAX_CANDIDATES || !name || !*name)
        return false;
    c->candidate[c->n] = name;
    c->ns[c->n++]      = (uint64_t)ns;
    return true;
}

/* The candidates, as candidates_json writes them. */
static bool take_candidates(mxdi_choice *c, const json_t *all, bool times)
{
    bool        ok = times ? json_is_object(all) : json_is_array(all);
    size_t      index;
    json_t     *item;
    const char *name;
    if (ok && times) {
        json_object_foreach((json_t *)(uintptr_t)all, name, item) ok =
            ok && json_is_integer(item) && json_integer_value(item) > 0 &&
            take_candidate(c, name, json_integer_value(item));
    } else if (ok) {
        json_array_foreach(all, index, item) ok =
            ok && take_candidate(c, json_string_value(item), 0);
    }
    return ok && c->n > 0;
}

/* NULL: all is well; else the key that is not. */
static const char *take(mxdi_choice *c, const json_t *entry, bool times)
{
    const char *const key     = times ? "nanoseconds" : "candidates";
    const json_t     *threads = json_object_get(entry, "threads");
    const char       *best;
    *c = (mxdi_choice){ .n = 0 };
    if (!take_text(&c->device, entry, "device"))
        return "device";
    if (!json_is_integer(threads) || json_integer_value(threads) < 1 ||
        json_integer_value(threads) > UINT16_MAX)
        return "threads";
    c->threads = (uint32_t)json_integer_value(threads);
    if (!take_text(&c->op, entry, "op"))
        return "op";
    if (!take_text(&c->shape, entry, "shape"))
        return "shape";
    if (!take_candidates(c, json_object_get(entry, key), times))
        return key;
    if (!take_text(&best, entry, "choice"))
        return "choice";
    while (c->best < c->n && strcmp(c->candidate[c->best], best) != 0)
        c->best++;
    return c->best < c->n ? NULL : "choice";
}

mxd_status mxdi_choices_read(mxdi_choices *list, const json_t *array, bool times, mxd_error *err)
{
    size_t  index;
    json_t *entry;
    if (!json_is_array(array))
        return mxdi_fail(err, MXD_E_PARSE, "choices: a list expected");
    json_array_foreach(array, index, entry)
    {
        mxdi_choice       c;
        const char *const wrong = take(&c, entry, times);
        if (wrong)
            return mxdi_fail(err, MXD_E_PARSE,
                             "choice %zu: '%s' is missing or not what it should be", index, wrong);
        MXD_TRY(mxdi_choices_add(list, &c, err));
    }
    return MXD_OK;
}

static mxd_status read_file(mxdi_choices *list, const json_t *file, mxd_error *err)
{
    const json_t *const version = json_object_get(file, "mixdown_timing_cache");
    if (!json_is_integer(version))
        return mxdi_fail(err, MXD_E_PARSE, "not a timing cache: no mixdown_timing_cache");
    if (json_integer_value(version) != VERSION)
        return mxdi_fail(err, MXD_E_STALE, "timing cache of version %lld, this mixdown reads %d",
                         (long long)json_integer_value(version), VERSION);
    return mxdi_choices_read(list, json_object_get(file, "choices"), true, err);
}

mxd_status mxdi_choices_load(mxdi_choices *list, const char *path, mxd_error *err)
{
    json_t *file = NULL;
    if (!mxdi_path_exists(path))
        return MXD_OK;
    mxd_status st = mxdi_json_load(&file, path, err);
    if (st == MXD_OK)
        st = mxdi_wrap(err, read_file(list, file, err), "%s", path);
    json_decref(file);
    return st == MXD_E_PARSE || st == MXD_E_STALE ? mxdi_also(err, st, "remove it to time anew")
                                                  : st;
}
