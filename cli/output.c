/* SPDX-License-Identifier: Apache-2.0
 *
 * Results for machines (JSON values that are always valid) and for people (tables whose columns
 * line up).
 */
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

json_t *cli_text(const char *s)
{
    if (!s)
        return json_null();
    json_t *j = json_string(s);
    if (j)
        return j;
    char *const copy = strdup(s); /* a name that is no UTF-8: keep what is ASCII */
    for (char *p = copy; p && *p; p++)
        *p = (unsigned char)*p < 0x80 ? *p : '?';
    j = copy ? json_string(copy) : NULL;
    free(copy);
    return j ? j : json_null();
}

json_t *cli_number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

json_t *cli_ints(const int64_t *v, int32_t n)
{
    json_t *const a = json_array();
    for (int32_t k = 0; k < n; k++)
        json_array_append_new(a, json_integer(v[k]));
    return a;
}

/* ---- tables ---- */

void table_row(struct table *t, const char *format, ...)
{
    char    text[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    int cells = 1;
    for (const char *p = text; *p; p++)
        cells += *p == '\t';
    t->columns = t->columns ? t->columns : cells;
    if (t->n + t->columns > t->cap) {
        const int    cap   = 2 * t->cap + 8 * t->columns;
        char **const grown = realloc(t->cell, (size_t)cap * sizeof(*grown));
        if (!grown) {
            t->failed = true;
            return;
        }
        t->cell = grown;
        t->cap  = cap;
    }
    char *p = text;
    for (int k = 0; k < t->columns; k++) {
        char *const tab = p ? strchr(p, '\t') : NULL;
        if (tab)
            *tab = '\0';
        t->cell[t->n + k] = strdup(p ? p : "");
        p                 = tab ? tab + 1 : NULL;
    }
    t->n += t->columns;
}

/* Columns on a terminal: code points, not bytes. */
static int width(const char *s)
{
    int n = 0;
    for (; s && *s; s++)
        n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

static bool is_number(const char *s)
{
    return s && (isdigit((unsigned char)s[0]) ||
                 ((s[0] == '-' || s[0] == '+') && isdigit((unsigned char)s[1])));
}

static void print_rows(const struct table *t)
{
    int *const  widest = calloc((size_t)t->columns + 1, sizeof(int));
    bool *const right  = calloc((size_t)t->columns + 1, sizeof(bool));
    for (int k = 0; widest && right && k < t->n; k++) {
        const int c = k % t->columns, w = width(t->cell[k]);
        widest[c] = w > widest[c] ? w : widest[c];
        right[c]  = right[c] || (k >= t->columns && is_number(t->cell[k]));
    }
    for (int k = 0; widest && right && k < t->n; k++) {
        const int c = k % t->columns, gap = widest[c] - width(t->cell[k]);
        if (right[c])
            printf("%*s%s", gap, "", t->cell[k] ? t->cell[k] : "");
        else
            printf("%s%*s", t->cell[k] ? t->cell[k] : "", c + 1 < t->columns ? gap : 0, "");
        fputs(c + 1 < t->columns ? "  " : "\n", stdout);
    }
    if (t->failed)
        puts("...");
    free(widest);
    free(right);
}

void table_print(const struct cli *c, struct table *t)
{
    if (!c->json)
        print_rows(t);
    for (int k = 0; k < t->n; k++)
        free(t->cell[k]);
    free(t->cell);
    memset(t, 0, sizeof(*t));
}

static const char *scaled(char out[32], double v, double step, const char *const *unit, int n)
{
    int k = 0;
    while (fabs(v) >= step && k + 1 < n) {
        v /= step;
        k++;
    }
    snprintf(out, 32, k ? "%.3g %s" : "%.0f%s", v, unit[k]);
    return out;
}

const char *human_count(char out[32], double v)
{
    static const char *const unit[] = { "", "k", "M", "G", "T" };
    return scaled(out, v, 1000.0, unit, 5);
}

const char *human_bytes(char out[32], double v)
{
    static const char *const unit[] = { " B", "KiB", "MiB", "GiB" };
    return scaled(out, v, 1024.0, unit, 4);
}

/* ---- audit ---- */

json_t *cli_audit_json(const mxd_engine *engine)
{
    const mxd_audit_row *rows;
    uint32_t             n;
    json_t *const        a = json_array();
    mxd_engine_audit(engine, &rows, &n);
    for (uint32_t k = 0; k < n; k++)
        json_array_append_new(
            a, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "node", cli_text(rows[k].node),
                         "op", cli_text(rows[k].op), "asked", cli_text(rows[k].asked), "stored",
                         cli_text(rows[k].stored), "computed", cli_text(rows[k].computed),
                         "verdict", cli_text(rows[k].verdict), "kernel", cli_text(rows[k].kernel),
                         "reason", cli_text(rows[k].reason)));
    return a;
}

static const char *dash(const char *s)
{
    return s ? s : "-";
}

void cli_audit_table(const struct cli *c, const mxd_engine *engine)
{
    const mxd_audit_row *rows;
    uint32_t             n;
    struct table         t = { .cell = NULL };
    mxd_engine_audit(engine, &rows, &n);
    table_row(&t, "node\top\tasked\tstored\tcomputed\tverdict\tkernel\treason");
    for (uint32_t k = 0; k < n; k++)
        table_row(&t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", rows[k].node, rows[k].op,
                  dash(rows[k].asked), dash(rows[k].stored), dash(rows[k].computed),
                  rows[k].verdict, dash(rows[k].kernel), rows[k].reason ? rows[k].reason : "");
    table_print(c, &t);
}
