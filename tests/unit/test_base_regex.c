/* SPDX-License-Identifier: Apache-2.0
 *
 * Regular expressions: a table by hand, libc's on random patterns that are kind to it, and patterns
 * that would cost a machine its memory.
 */
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/regex.h"
#include "base/rng.h"

static bool begins(const char *pattern, const char *text)
{
    mxd_error err = MXD_ERROR_INIT;
    bool      hit = false;
    if (mxdi_regex_begins(&hit, pattern, text, NULL, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    return hit;
}

static void by_hand(void **state)
{
    (void)state;
    static const struct row {
        const char *pattern, *yes, *no; /* texts, apart by a blank */
    } rows[] = {
        { "conv1", "conv1 conv12 conv1/Conv", "conv /conv1 xconv1" },
        { "conv1$", "conv1", "conv12" },
        { "/(conv1|fc)/", "/conv1/x /fc/", "/conv2/ /conv1 fc/" },
        { "a|bc|", "a bcd zzz", "" },
        { "(a|b)*c", "c abbac bbc", "abab ad" },
        { "ab+c?d", "abd abbcd", "ad acd abccd" },
        { "^layer[1-3].conv", "layer1.conv layer3/conv", "layer4.conv xlayer1.conv" },
        { "x[^0-9]y", "xay x-y", "x1y xy" },
        { "[]a]b", "]b ab", "b [b" },
        { "[^]a]b", "xb", "]b ab" },
        { "[a-]b", "ab -b", "bb" },
        { "[[:digit:][:upper:]_]+$", "12A_ Z", "a1 1a" },
        { "a{2}$", "aa", "a aaa" },
        { "a{2,}$", "aa aaaaa", "a" },
        { "a{1,3}$", "a aaa", "aaaa b" },
        { "a{0}b", "b", "ab" },
        { "(ab){0,2}c", "c abc ababc", "abababc" },
        { "(a{2}b){2}$", "aabaab", "aabab aab" },
        { "(?:a|b)\\.\\d+?", "a.1 b.22", "a1 a.x" },
        { "\\w+/\\W", "ab_1/- x//", "ab_1/x /-" },
        { "[\\d.\\]]+$", "1.2] .", "1d \\" },
        { "a.c", "abc a.c", "ac" },
        { "(a?)*b", "b aab", "a" },
        { "()*a", "a", "b" },
        { "(a|b$)+c?$", "ab aac b", "ba" },
        { "\x80\xff", "\x80\xff", "\x7f\xff" },
    };
    for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++)
        for (int yes = 0; yes < 2; yes++) {
            char list[64];
            snprintf(list, sizeof(list), "%s", yes ? rows[k].yes : rows[k].no);
            for (char *text = strtok(list, " "); text; text = strtok(NULL, " "))
                if (begins(rows[k].pattern, text) != (yes == 1))
                    fail_msg("'%s' on '%s'", rows[k].pattern, text);
        }
    assert_true(begins("", "") && begins("a*$", "") && begins("^$", "") && !begins("a", ""));
}

/* A random pattern of the common language, without the anchors inside of groups that glibc gets
 * wrong; short, so that its compiler stays small. */
static void grow(char *out, size_t size, mxdi_rng *rng, int depth)
{
    static const char *const atoms[]   = { "a", "b", ".", "[ab]", "[^a]", "c" };
    static const char *const repeats[] = { "*", "+", "?", "{2}", "{1,2}", "{0,1}", "{1,}" };
    const uint64_t           pieces    = 1 + mxdi_rng_below(rng, 3);
    for (uint64_t k = 0; k < pieces; k++) {
        if (depth && mxdi_rng_below(rng, 3) == 0) {
            char inner[128] = "", other[128] = "";
            grow(inner, sizeof(inner), rng, depth - 1);
            grow(other, sizeof(other), rng, depth - 1);
            snprintf(out + strlen(out), size - strlen(out), "(%s|%s)", inner, other);
        } else {
            snprintf(out + strlen(out), size - strlen(out), "%s",
                     atoms[mxdi_rng_below(rng, sizeof(atoms) / sizeof(atoms[0]))]);
        }
        if (mxdi_rng_below(rng, 3) == 0)
            snprintf(out + strlen(out), size - strlen(out), "%s",
                     repeats[mxdi_rng_below(rng, sizeof(repeats) / sizeof(repeats[0]))]);
    }
}

static void as_libc(void **state)
{
    (void)state;
    mxdi_rng rng  = mxdi_rng_seed(6);
    unsigned hits = 0;
    for (int k = 0; k < 20000; k++) {
        char       pattern[512] = "", text[8] = "";
        regex_t    re;
        regmatch_t m;
        grow(pattern, sizeof(pattern) - 2, &rng, 2);
        if (mxdi_rng_below(&rng, 2))
            strcat(pattern, "$");
        for (uint64_t n = mxdi_rng_below(&rng, sizeof(text)), i = 0; i < n; i++)
            text[i] = (char)('a' + mxdi_rng_below(&rng, 3));
        assert_int_equal(regcomp(&re, pattern, REG_EXTENDED), 0);
        const bool hit = regexec(&re, text, 1, &m, 0) == 0 && m.rm_so == 0;
        regfree(&re);
        hits += hit;
        if (begins(pattern, text) != hit)
            fail_msg("'%s' on '%s': libc says %d", pattern, text, hit);
    }
    assert_in_range(hits, 4000, 16000);
}

static void refused(void **state)
{
    (void)state;
    static const struct row {
        const char *pattern, *told;
    } rows[] = {
        { "(", "at '': expected ')'" },
        { "a)b", "at ')b': expected no ')'" },
        { "a[b", "at '[b': expected ']'" },
        { "*a", "at '*a': expected something to repeat" },
        { "(+a)", "at '+a)': expected something" },
        { "{2}", "expected something" },
        { "a{", "expected a number" },
        { "a{2", "expected '}'" },
        { "a{3,2}", "ascending" },
        { "a{99999999999}", "expected '}'" },
        { "(a)\\1", "at '1': expected punctuation" },
        { "a\\", "expected punctuation" },
        { "(?i)a", "something to repeat" },
    };
    for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
        mxd_error err = MXD_ERROR_INIT;
        bool      hit = false;
        assert_int_equal(mxdi_regex_begins(&hit, rows[k].pattern, "a", NULL, &err), MXD_E_USAGE);
        if (!strstr(err.msg, rows[k].told))
            fail_msg("'%s': %s", rows[k].pattern, err.msg);
    }
}

static void hostile(void **state)
{
    (void)state;
    static const char *const large[] = {
        "((a{99}){99}){99}",
        "a{4096}{4096}",
        "(((((((((((((((((((((((((((((((((a)))))))))))))))))))))))))))))))))",
        "(a|b){2000}",
    };
    mxd_error err = MXD_ERROR_INIT;
    bool      hit = false;
    char      text[256];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (size_t k = 0; k < sizeof(large) / sizeof(large[0]); k++)
        assert_int_equal(mxdi_regex_begins(&hit, large[k], text, NULL, &err), MXD_E_USAGE);
    static char plus[10000], bracket[400];
    memset(plus, '+', sizeof(plus) - 1);
    plus[0] = 'a';
    assert_int_equal(mxdi_regex_begins(&hit, plus, text, NULL, &err), MXD_E_USAGE);
    plus[4000] = '\0';
    assert_true(begins(plus, text));
    memset(bracket, 'a', sizeof(bracket) - 1);
    bracket[0]                   = '[';
    bracket[sizeof(bracket) - 2] = ']';
    assert_int_equal(mxdi_regex_begins(&hit, bracket, text, NULL, &err), MXD_E_USAGE);
    assert_false(begins("((a|b?)*|(c*)*){50}x", text)); /* libc would compile for hours */
    assert_false(begins("(a*)*(a*)*(a*)*b", text));
    assert_false(begins("(a?){255}a{255}a", text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(as_libc),
        cmocka_unit_test(refused),
        cmocka_unit_test(hostile),
    };
    return cmocka_run_group_tests_name("base_regex", tests, NULL, NULL);
}
