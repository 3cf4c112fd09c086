/* SPDX-License-Identifier: Apache-2.0
 *
 * Regular expressions: a table by hand, what is refused, and patterns that would cost a machine its
 * memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/regex.h"

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

static void refused(void **state)
{
    (void)state;
    static const struct row {
        const char *pattern, *told;
    } rows[] = {
        { "(", "missing closing parenthesis" },
        { "a)b", "at ')b': unmatched closing parenthesis" },
        { "a[b", "missing terminating ]" },
        { "*a", "quantifier does not follow" },
        { "a{3,2}", "out of order" },
        { "a\\", "at end of pattern" },
        { "(a)\\2", "reference to non-existent subpattern" },
    };
    for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
        mxd_error err = MXD_ERROR_INIT;
        bool      hit = false;
        assert_int_equal(mxdi_regex_begins(&hit, rows[k].pattern, "a", NULL, &err), MXD_E_USAGE);
        if (!strstr(err.msg, rows[k].told))
            fail_msg("'%s': %s", rows[k].pattern, err.msg);
    }
}

/* What strangers may send ends soon, with an answer or a refusal. */
static void hostile(void **state)
{
    (void)state;
    static const char *const refused_ones[] = { "((a{99}){99}){99}", "(a|b){20000}",
                                                "(a|aa|aaa)*[^a]$", "a{65536}" };
    mxd_error                err            = MXD_ERROR_INIT;
    bool                     hit            = false;
    char                     text[256];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (size_t k = 0; k < sizeof(refused_ones) / sizeof(refused_ones[0]); k++)
        if (mxdi_regex_begins(&hit, refused_ones[k], text, NULL, &err) != MXD_E_USAGE)
            fail_msg("'%s' was taken", refused_ones[k]);
    assert_false(begins("(a*)*(a*)*(a*)*b", text));
    static char plus[10000];
    memset(plus, '+', sizeof(plus) - 1);
    plus[0] = 'a';
    assert_int_equal(mxdi_regex_begins(&hit, plus, text, NULL, &err), MXD_E_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(refused),
        cmocka_unit_test(hostile),
    };
    return cmocka_run_group_tests_name("base_regex", tests, NULL, NULL);
}
