/* SPDX-License-Identifier: Apache-2.0
 *
 * Error text: always one line of valid UTF-8, whatever names out of a hostile file are formatted
 * into it, so that it can be printed and put into JSON as it is.
 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *mxd_status_text(mxd_status status)
{
    switch (status) {
#define MXD_X(name, value, text) \
    case MXD_##name:             \
        return text;
        MXD_STATUS_MAP(MXD_X)
#undef MXD_X
    }
    return "unknown status";
}

/* Length of the UTF-8 sequence at s (shortest form, no surrogates, RFC 3629), or 0 when it is none.
 */
static size_t utf8_length(const unsigned char *s)
{
    const unsigned char c = s[0];
    if (c < 0x80)
        return 1;
    if (c < 0xC2 || c > 0xF4)
        return 0;
    const size_t        n  = c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    const unsigned char lo = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    const unsigned char hi = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    if (s[1] < lo || s[1] > hi)
        return 0;
    for (size_t i = 2; i < n; i++)
        if (s[i] < 0x80 || s[i] > 0xBF)
            return 0;
    return n;
}

/* Control characters and bytes that are not UTF-8 become '?'. */
static void make_printable(char *text)
{
    unsigned char *s = (unsigned char *)text;
    while (*s) {
        size_t n = utf8_length(s);
        if (n == 0 || (n == 1 && (*s < 0x20 || *s == 0x7F))) {
            *s = '?';
            n  = 1;
        }
        s += n;
    }
}

/* Format into text[size]; what does not fit ends in "...", never inside a character. */
static void format_cut(char *text, size_t size, const char *format, va_list args)
{
    const int n = vsnprintf(text, size, format, args);
    if (n < 0)
        text[0] = '\0';
    if (n >= 0 && (size_t)n >= size && size > 4) {
        size_t end = size - 4;
        while (end > 0 && ((unsigned char)text[end] & 0xC0) == 0x80)
            end--;
        memcpy(text + end, "...", 4);
    }
    make_printable(text);
}

mxd_status mxdi_fail(mxd_error *err, mxd_status status, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        format_cut(err->msg, sizeof(err->msg), format, args);
        va_end(args);
        err->status = status;
    }
    return status;
}

mxd_status mxdi_nomem(mxd_error *err)
{
    return mxdi_fail(err, MXD_E_NOMEM, "%s", mxd_status_text(MXD_E_NOMEM));
}

mxd_status mxdi_fail_errno(mxd_error *err, const char *path, const char *what)
{
    char text[128];
    return mxdi_fail(err, errno == ENOMEM ? MXD_E_NOMEM : MXD_E_IO, "%s: %s: %s", path, what,
                     strerror_r(errno, text, sizeof(text)));
}

mxd_status mxdi_wrap(mxd_error *err, mxd_status status, const char *format, ...)
{
    if (err && status != MXD_OK) {
        char    place[sizeof(err->msg) / 2];
        char    told[sizeof(err->msg)];
        va_list args;
        va_start(args, format);
        format_cut(place, sizeof(place), format, args);
        va_end(args);
        memcpy(told, err->msg, sizeof(told));
        mxdi_fail(err, status, "%s: %s", place, told);
    }
    return status;
}

mxd_status mxdi_also(mxd_error *err, mxd_status status, const char *format, ...)
{
    if (err) {
        char    told[sizeof(err->msg)], more[sizeof(err->msg)];
        va_list args;
        va_start(args, format);
        format_cut(more, sizeof(more), format, args);
        va_end(args);
        if (err->status == MXD_OK)
            return mxdi_fail(err, status, "%s", more);
        memcpy(told, err->msg, sizeof(told));
        mxdi_fail(err, err->status, "%s; %s", told, more);
    }
    return status;
}
