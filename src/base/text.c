/* SPDX-License-Identifier: Apache-2.0
 *
 * Patterns and near misses of names, numbers in specifications, the clock.
 */
#include "base/text.h"

#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* On a mismatch only the last '*' need be retried, so the work is at most |pattern| x |text|. */
bool mxdi_glob(const char *pattern, const char *text)
{
    const char *star = NULL, *retry = NULL;
    while (*text) {
        if (*pattern == '*') {
            star  = ++pattern;
            retry = text;
        } else if (*pattern && (*pattern == '?' || *pattern == *text)) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text    = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

enum { MAX_WORD = 63 };

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    const unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Edits (insert, delete, replace, swap of neighbours) between words of at most MAX_WORD letters. */
static unsigned edit_distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
    unsigned rows[3][MAX_WORD + 1];
    for (size_t j = 0; j <= n_b; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n_a; i++) {
        unsigned *const       now    = rows[i % 3];
        const unsigned *const above  = rows[(i + 2) % 3];
        const unsigned *const above2 = rows[(i + 1) % 3];
        now[0]                       = (unsigned)i;
        for (size_t j = 1; j <= n_b; j++) {
            const unsigned differs = !same_letter(a[i - 1], b[j - 1]);
            now[j]                 = min3(now[j - 1] + 1, above[j] + 1, above[j - 1] + differs);
            if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) &&
                same_letter(a[i - 2], b[j - 1]) && above2[j - 2] + 1 < now[j])
                now[j] = above2[j - 2] + 1;
        }
    }
    return rows[n_a % 3][n_b];
}

const char *mxdi_nearest(const char *word, const char *const *candidate, size_t n)
{
    const size_t length = strlen(word);
    const char  *best   = NULL;
    unsigned     limit  = (unsigned)(length / 3 + 1); /* a third of the letters may be wrong */
    if (length == 0 || length > MAX_WORD)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        const size_t other = strlen(candidate[i]);
        if (other > MAX_WORD)
            continue;
        const unsigned d = edit_distance(word, length, candidate[i], other);
        if (d <= limit && d < length && d < other) { /* sharing no letter is not near */
            best = candidate[i];
            if (d == 0)
                return best;
            limit = d - 1;
        }
    }
    return best;
}

/* A decimal number from text up to *end, whatever the process's locale. */
static bool parse_decimal(double *out, const char *text, char **end)
{
    const size_t n = strspn(text, "+-.0123456789eE"); /* neither hexadecimal, nor inf, nor nan */
    if (n == 0 || text[0] == 'e' || text[0] == 'E')
        return false;
    const locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c)
        return false;
    *out = strtod_l(text, end, c);
    freelocale(c);
    return *end != text && (size_t)(*end - text) == n && isfinite(*out);
}

bool mxdi_parse_number(double *out, const char *text)
{
    char  *end;
    double above, below;
    if (!parse_decimal(&above, text, &end))
        return false;
    if (*end == '/') {
        if (!parse_decimal(&below, end + 1, &end) || below == 0 || !isfinite(above / below))
            return false;
        above /= below;
    }
    if (*end)
        return false;
    *out = above;
    return true;
}

uint64_t mxdi_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
