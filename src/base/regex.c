/* SPDX-License-Identifier: Apache-2.0
 *
 * Extended regular expressions: a pattern becomes a short program, and all of its branches are
 * followed at once (Thompson 1968, CACM 11(6)). libc's compiler takes exponential time and memory
 * for nested repetitions, and patterns come from files.
 */
#include "base/regex.h"

#include <ctype.h>
#include <string.h>

#include "base/error.h"

enum { MOST_STEPS = 4096, LONGEST_BRACKET = 256, DEEPEST = 32, ENDLESS = -1 };

#define CLASSES "dDwWsS"

enum kind { LITERAL, ANY, CLASS, BRACKET, BEGIN, END, GO, FORK, LEAVE, FOUND };

/* `at`: the byte, or where in the pattern the class or bracket stands. Targets are relative, so
 * that code can be moved and copied. */
struct step {
    enum kind kind;
    int32_t   at, to, or_to;
};

struct compiler {
    struct step step[MOST_STEPS];
    int32_t     n;
    const char *pattern, *p;
    const char *wrong; /* what was expected at p */
};

/* ---- sets of bytes ---- */

static bool class_has(char name, unsigned char c)
{
    const bool has = tolower(name) == 'd'   ? isdigit(c) != 0
                     : tolower(name) == 's' ? isspace(c) != 0
                                            : isalnum(c) != 0 || c == '_';
    return has != (isupper((unsigned char)name) != 0);
}

static const struct named {
    const char *name;
    int (*has)(int c);
} named[] = {
    { "[:alpha:]", isalpha }, { "[:digit:]", isdigit },   { "[:alnum:]", isalnum },
    { "[:upper:]", isupper }, { "[:lower:]", islower },   { "[:space:]", isspace },
    { "[:punct:]", ispunct }, { "[:xdigit:]", isxdigit },
};

static const struct named *named_at(const char *p)
{
    for (size_t k = 0; k < sizeof(named) / sizeof(named[0]); k++)
        if (strncmp(p, named[k].name, strlen(named[k].name)) == 0)
            return &named[k];
    return NULL;
}

/* One item of a bracket expression, at *at, which moves behind it: whether c is in it. */
static bool item_has(const char **at, unsigned char c)
{
    const char *const p             = *at;
    const struct named *const class = named_at(p);
    if (class) {
        *at += strlen(class->name);
        return class->has(c) != 0;
    }
    if (p[0] == '\\' && p[1]) {
        *at += 2;
        return strchr(CLASSES, p[1]) ? class_has(p[1], c) : c == (unsigned char)p[1];
    }
    const bool range = p[1] == '-' && p[2] && p[2] != ']';
    *at += range ? 3 : 1;
    return c >= (unsigned char)p[0] && c <= (unsigned char)p[range ? 2 : 0];
}

/* A bracket expression, its '[' at *at, which moves behind the ']' or becomes NULL where there is
 * none: whether c is in it. */
static bool bracket_has(const char **at, unsigned char c)
{
    const char *p      = *at + 1;
    const bool  others = *p == '^';
    bool        has    = false;
    p += others;
    for (const char *const first = p; *p && (*p != ']' || p == first);)
        has = item_has(&p, c) || has;
    *at = *p ? p + 1 : NULL;
    return has != others;
}

/* ---- compiling ---- */

static bool fails(struct compiler *c, const char *expected)
{
    c->wrong = expected;
    return false;
}

/* Makes room for `n` steps at `at`; what stands there moves up. */
static bool insert(struct compiler *c, int32_t at, int32_t n)
{
    if (n > MOST_STEPS - c->n)
        return fails(c, "a shorter pattern, repetitions written out");
    memmove(&c->step[at + n], &c->step[at], (size_t)(c->n - at) * sizeof(c->step[0]));
    c->n += n;
    return true;
}

static bool append(struct compiler *c, struct step s)
{
    if (!insert(c, c->n, 1))
        return false;
    c->step[c->n - 1] = s;
    return true;
}

static bool fork_before(struct compiler *c, int32_t at, int32_t or_to)
{
    if (!insert(c, at, 1))
        return false;
    c->step[at] = (struct step){ .kind = FORK, .to = 1, .or_to = or_to };
    return true;
}

/* What was compiled since `start`, least to most times. */
static bool repeat(struct compiler *c, int32_t start, int32_t least, int32_t most)
{
    const int32_t n     = c->n - start;
    const int32_t times = most == ENDLESS ? (least ? least : 1) : most;
    for (int32_t k = 1; k < times; k++) {
        if (!insert(c, c->n, n))
            return false;
        memcpy(&c->step[c->n - n], &c->step[start], (size_t)n * sizeof(c->step[0]));
    }
    if (most == ENDLESS && !append(c, (struct step){ .kind = FORK, .to = -n, .or_to = 1 }))
        return false;
    if (most == ENDLESS)
        return least > 0 || fork_before(c, start, n + 2);
    for (int32_t k = times; k > least; k--) /* backwards: what is in front has not moved yet */
        if (!fork_before(c, start + (k - 1) * n, n + 1))
            return false;
    if (most == 0)
        c->n = start;
    return true;
}

static bool number(int32_t *out, struct compiler *c)
{
    const char *const first = c->p;
    for (*out = 0; isdigit((unsigned char)*c->p) && *out <= MOST_STEPS; c->p++)
        *out = *out * 10 + (*c->p - '0');
    return c->p != first;
}

/* "{m}", "{m,}", "{m,n}"; p is behind the brace. */
static bool interval(struct compiler *c, int32_t start)
{
    int32_t least = 0, most = 0;
    if (!number(&least, c))
        return fails(c, "a number of repetitions");
    most = least;
    if (*c->p == ',') {
        c->p++;
        if (!number(&most, c))
            most = ENDLESS;
    }
    if (*c->p != '}' || (most != ENDLESS && most < least) || least > MOST_STEPS)
        return fails(c, "'}' behind one or two ascending numbers");
    c->p++;
    return repeat(c, start, least, most);
}

static bool alternatives(struct compiler *c, int depth);

static bool group(struct compiler *c, int depth)
{
    if (depth == DEEPEST)
        return fails(c, "fewer nested groups");
    if (c->p[0] == '?' && c->p[1] == ':')
        c->p += 2;
    if (!alternatives(c, depth + 1))
        return false;
    if (*c->p != ')')
        return fails(c, "')'");
    c->p++;
    return true;
}

static bool escape(struct compiler *c)
{
    const char what = *c->p;
    if (!what || (isalnum((unsigned char)what) && !strchr(CLASSES, what)))
        return fails(c, "punctuation or one of d, w, s behind '\\'");
    c->p++;
    return append(c, (struct step){ .kind = isalpha((unsigned char)what) ? CLASS : LITERAL,
                                    .at   = (unsigned char)what });
}

static bool atom(struct compiler *c, int depth)
{
    const char *const at   = c->p++;
    const char       *end  = at;
    const int32_t     here = (int32_t)(at - c->pattern);
    switch (*at) {
    case '(':
        return group(c, depth);
    case '\\':
        return escape(c);
    case '[':
        (void)bracket_has(&end, 0);
        c->p = at;
        if (!end || end - at > LONGEST_BRACKET)
            return fails(c, "']' within 256 bytes");
        c->p = end;
        return append(c, (struct step){ .kind = BRACKET, .at = here });
    case '*':
    case '+':
    case '?':
    case '{':
        c->p = at;
        return fails(c, "something to repeat");
    case '.':
        return append(c, (struct step){ .kind = ANY });
    case '^':
        return append(c, (struct step){ .kind = BEGIN });
    case '$':
        return append(c, (struct step){ .kind = END });
    default:
        return append(c, (struct step){ .kind = LITERAL, .at = (unsigned char)*at });
    }
}

static bool piece(struct compiler *c, int depth)
{
    const int32_t start = c->n;
    if (!atom(c, depth))
        return false;
    while (*c->p && strchr("*+?{", *c->p)) {
        const char op = *c->p++;
        const bool ok =
            op == '{' ? interval(c, start) : repeat(c, start, op == '+', op == '?' ? 1 : ENDLESS);
        if (!ok)
            return false;
        c->p += *c->p == '?'; /* lazy: the same texts */
    }
    return true;
}

/* Branches up to the end or a ')': each but the last is forked around, and leaves for the end. */
static bool alternatives(struct compiler *c, int depth)
{
    const int32_t start = c->n;
    for (;;) {
        const int32_t branch = c->n;
        while (*c->p && *c->p != '|' && *c->p != ')')
            if (!piece(c, depth))
                return false;
        if (*c->p != '|')
            break;
        c->p++;
        if (!append(c, (struct step){ .kind = LEAVE }) ||
            !fork_before(c, branch, c->n - branch + 1))
            return false;
    }
    for (int32_t k = start; k < c->n; k++)
        if (c->step[k].kind == LEAVE)
            c->step[k] = (struct step){ .kind = GO, .to = c->n - k };
    return true;
}

/* ---- following ---- */

struct states {
    int32_t at[MOST_STEPS];
    int32_t n;
};

struct follower {
    struct compiler program;
    struct states   states[2];
    uint32_t        seen[2][MOST_STEPS]; /* 1 + the position at which the step was last entered */
};

static void enter(struct follower *f, uint32_t position, int32_t step)
{
    struct states *const s = &f->states[position % 2];
    if (f->seen[position % 2][step] == position + 1)
        return;
    f->seen[position % 2][step] = position + 1;
    s->at[s->n++]               = step;
}

static bool takes(const struct compiler *c, const struct step *s, char byte)
{
    const char *at = c->pattern + s->at;
    switch (s->kind) {
    case LITERAL:
        return (unsigned char)byte == s->at;
    case CLASS:
        return class_has((char)s->at, (unsigned char)byte);
    case BRACKET:
        return bracket_has(&at, (unsigned char)byte);
    default:
        return s->kind == ANY;
    }
}

/* All that can be done at one position; whether the end of the program is reached. */
static bool advance(struct follower *f, uint32_t position, char byte)
{
    const struct states *const s    = &f->states[position % 2];
    f->states[(position + 1) % 2].n = 0;
    for (int32_t k = 0; k < s->n; k++) {
        const int32_t            here = s->at[k];
        const struct step *const step = &f->program.step[here];
        if (step->kind == FOUND)
            return true;
        if (step->kind == GO || step->kind == FORK)
            enter(f, position, here + step->to);
        if (step->kind == FORK)
            enter(f, position, here + step->or_to);
        if ((step->kind == BEGIN && position == 0) || (step->kind == END && !byte))
            enter(f, position, here + 1);
        if (byte && takes(&f->program, step, byte))
            enter(f, position + 1, here + 1);
    }
    return false;
}

mxd_status mxdi_regex_begins(bool *hit, const char *pattern, const char *text,
                             const mxd_allocator *alloc, mxd_error *err)
{
    struct follower *const f  = MXDI_ALLOC(alloc, struct follower, 1);
    mxd_status             st = MXD_OK;
    if (!f)
        return mxdi_nomem(err);
    struct compiler *const c = &f->program;
    c->pattern = c->p = pattern;
    if (alternatives(c, 0) && *c->p == ')')
        c->wrong = "no ')' without its '('";
    if (!c->wrong)
        (void)append(c, (struct step){ .kind = FOUND });
    if (c->wrong) {
        st = mxdi_fail(err, MXD_E_USAGE, "regular expression '%s', at '%s': expected %s", pattern,
                       c->p, c->wrong);
    } else {
        uint32_t position = 0;
        enter(f, 0, 0);
        for (*hit = false; !*hit; position++) {
            *hit = advance(f, position, text[position]);
            if (!text[position])
                break;
        }
    }
    mxdi_free(alloc, f);
    return st;
}
