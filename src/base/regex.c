/* SPDX-License-Identifier: Apache-2.0
 * PCRE2 with our allocator and with limits. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/regex.h"

#include <pcre2.h>
#include <string.h>

#include "base/error.h"

/* Patterns come from files of strangers: what they may cost. Code is capped by PCRE2 itself (64
 * KiB). */
enum { PATTERN_BYTES = 4096, MATCH_STEPS = 1000000, HEAP_KIB = 4096 };

static void *take(size_t size, void *alloc)
{
    return mxdi_alloc(alloc, 1, size);
}
static void give(void *p, void *alloc)
{
    mxdi_free(alloc, p);
}

static mxd_status fail(mxd_error *err, const char *pattern, int code, size_t at)
{
    PCRE2_UCHAR text[160] = "";
    if (code == PCRE2_ERROR_NOMEMORY)
        return mxdi_nomem(err);
    pcre2_get_error_message(code, text, sizeof(text));
    return mxdi_fail(err, MXD_E_USAGE, "regular expression '%.64s': at '%.32s': %s", pattern,
                     pattern + at, (const char *)text);
}

static mxd_status match(bool *hit, const pcre2_code *code, const char *pattern, const char *text,
                        pcre2_general_context *general, mxd_error *err)
{
    pcre2_match_context *const limits = pcre2_match_context_create(general);
    pcre2_match_data *const    data   = pcre2_match_data_create(1, general);
    int                        rc     = PCRE2_ERROR_NOMEMORY;
    if (limits && data) {
        pcre2_set_match_limit(limits, MATCH_STEPS);
        pcre2_set_heap_limit(limits, HEAP_KIB);
        rc = pcre2_match(code, (PCRE2_SPTR)text, strlen(text), 0, 0, data, limits);
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(limits);
    *hit = rc >= 0;
    return rc >= 0 || rc == PCRE2_ERROR_NOMATCH ? MXD_OK : fail(err, pattern, rc, 0);
}

mxd_status mxdi_regex_begins(bool *hit, const char *pattern, const char *text,
                             const mxd_allocator *alloc, mxd_error *err)
{
    int    code;
    size_t at = 0;
    *hit      = false;
    if (strlen(pattern) > PATTERN_BYTES)
        return mxdi_fail(err, MXD_E_USAGE,
                         "regular expression '%.64s': at most %d bytes expected, got %zu", pattern,
                         PATTERN_BYTES, strlen(pattern));
    alloc = alloc ? alloc : mxdi_default_allocator();
    pcre2_general_context *const general =
        pcre2_general_context_create(take, give, (void *)(uintptr_t)alloc);
    if (!general)
        return mxdi_nomem(err);
    mxd_status                   st;
    pcre2_compile_context *const options = pcre2_compile_context_create(general);
    pcre2_code *const            made =
        options ? pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                           PCRE2_ANCHORED | PCRE2_NEVER_BACKSLASH_C, &code, &at, options)
                           : NULL;
    if (!options)
        st = mxdi_nomem(err);
    else if (!made)
        st = code == PCRE2_ERROR_HEAP_FAILED ? mxdi_nomem(err) : fail(err, pattern, code, at);
    else
        st = match(hit, made, pattern, text, general, err);
    pcre2_code_free(made);
    pcre2_compile_context_free(options);
    pcre2_general_context_free(general);
    return st;
}
