/* SPDX-License-Identifier: Apache-2.0
 * The texts that say how an engine's inputs are fed. */
#include <string.h>

#include "api/api_objects.h"
#include "base/dtype.h"
#include "base/text.h"
#include "data/data.h"

enum { MOST_FORMATS = 64 };

/* "u8:hwc". */
static mxd_status parse_format(mxdi_input_format *out, const char *text, mxd_error *err)
{
    static const char *const words[] = { "u8:hwc", "u8:chw", "f32:chw" };
    const char *const        colon   = strchr(text, ':');
    *out                             = (mxdi_input_format){ .text = text };
    for (int d = MXD_NONE + 1; colon && d < MXD_DTYPE_COUNT; d++) {
        const char *const name = mxd_dtype_name((mxd_dtype)d);
        if (strlen(name) == (size_t)(colon - text) && memcmp(name, text, strlen(name)) == 0)
            out->dtype = (mxd_dtype)d;
    }
    out->channels_last = colon && strcmp(colon, ":hwc") == 0;
    if (out->dtype != MXD_NONE && (out->channels_last || strcmp(colon, ":chw") == 0))
        return MXD_OK;
    const char *const near = mxdi_nearest(text, words, sizeof(words) / sizeof(words[0]));
    if (near)
        return mxdi_fail(err, MXD_E_USAGE, "input format '%s' is unknown; did you mean '%s'?", text,
                         near);
    return mxdi_fail(
        err, MXD_E_USAGE,
        "input format '%s' is unknown; expected u8:hwc or u8:chw, or the network's own "
        "type with chw (f32:chw)",
        text);
}

mxd_status mxdi_api_input_formats(mxdi_build_options *out, mxdi_arena *arena, const char *formats,
                                  const char *preprocess, mxd_error *err)
{
    mxdi_data_scaling        s    = { .scale = { NULL, 0 } };
    char *const              text = mxdi_arena_strdup(arena, formats ? formats : "");
    mxdi_input_format *const list = MXDI_NEW(arena, mxdi_input_format, MOST_FORMATS);
    if (!text || !list)
        return mxdi_nomem(err);
    for (char *at = formats ? text : NULL; at;) {
        char *const comma = strchr(at, ',');
        if (comma)
            *comma = '\0';
        if (out->n_formats == MOST_FORMATS)
            return mxdi_fail(err, MXD_E_USAGE, "input formats: at most %d expected", MOST_FORMATS);
        MXD_TRY(parse_format(&list[out->n_formats++], at, err));
        at = comma ? comma + 1 : NULL;
    }
    out->format       = list;
    out->scaling_text = preprocess;
    if (preprocess) {
        const mxd_status st = mxdi_data_scaling_parse(&s, preprocess, arena, err);
        if (st != MXD_OK)
            return mxdi_wrap(err, st, "preprocess");
        out->scaling =
            (mxdi_scaling){ s.scale.at, s.mean.at, s.std.at, s.scale.n, s.mean.n, s.std.n };
    }
    return MXD_OK;
}
