/* SPDX-License-Identifier: Apache-2.0
 * Precision names and their meaning. */
#include "quant/precision.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

static const char *const examples[] = { "f32",  "bf16",   "f16",     "w8a8",   "w4a8",
                                        "w4a4", "w4-f32", "w4-bf16", "w8-f32", "w8-bf16" };

static mxd_status unsupported(mxd_error *err, const char *name, const char *instead)
{
    return mxdi_fail(err, MXD_E_UNSUPPORTED,
                     "precision '%s': understood, but nothing here executes it; use %s", name,
                     instead);
}

mxd_status mxdi_precision_parse(mxdi_precision *out, const char *name, mxd_error *err)
{
    static const struct {
        const char    *name;
        mxdi_precision p;
    } fixed[] = {
        { "f32", { 0, 0, MXD_F32 } }, { "32", { 0, 0, MXD_F32 } },  { "bf16", { 0, 0, MXD_BF16 } },
        { "16", { 0, 0, MXD_BF16 } }, { "f16", { 0, 0, MXD_F16 } }, { "8", { 8, 8, MXD_F32 } },
        { "4", { 4, 4, MXD_F32 } },
    };
    unsigned w, a;
    char     type[8], end;
    *out = MXDI_PRECISION_F32;
    for (size_t k = 0; k < sizeof(fixed) / sizeof(fixed[0]); k++)
        if (strcmp(name, fixed[k].name) == 0) {
            *out = fixed[k].p;
            return MXD_OK;
        }
    if (strcmp(name, "tf32") == 0 || strcmp(name, "f8") == 0)
        return unsupported(err, name, "bf16");
    if (sscanf(name, "w%ua%u%c", &w, &a, &end) == 2) {
        if (w > 8 || a > 8)
            return w <= 32 && a <= 32
                       ? unsupported(err, name, "bf16 for 16 bits, or w8a8")
                       : mxdi_fail(err, MXD_E_USAGE, "precision '%s': 2 to 8 bits expected", name);
        if (w < 2 || a < 2)
            return mxdi_fail(err, MXD_E_USAGE, "precision '%s': 2 to 8 bits expected", name);
        *out = (mxdi_precision){ (uint8_t)w, (uint8_t)a, MXD_F32 };
        return MXD_OK;
    }
    if (sscanf(name, "w%u-%7s", &w, type) == 2 && w >= 2 && w <= 8 &&
        (strcmp(type, "f32") == 0 || strcmp(type, "bf16") == 0 || strcmp(type, "f16") == 0)) {
        *out = (mxdi_precision){ (uint8_t)w, 0,
                                 strcmp(type, "f32") == 0   ? MXD_F32
                                 : strcmp(type, "f16") == 0 ? MXD_F16
                                                            : MXD_BF16 };
        return MXD_OK;
    }
    const char *const near = mxdi_nearest(name, examples, sizeof(examples) / sizeof(examples[0]));
    return mxdi_fail(
        err, MXD_E_USAGE,
        "no precision '%s'%s%s%s; f32 bf16 f16, wXaY with 2 to 8 bits, or wX-f32, wX-bf16", name,
        near ? ", perhaps '" : "", near ? near : "", near ? "'" : "");
}

void mxdi_precision_text(char out[16], mxdi_precision p)
{
    if (mxdi_precision_is_integer(p))
        snprintf(out, 16, "w%ua%u", p.w_bits, p.a_bits);
    else if (p.w_bits)
        snprintf(out, 16, "w%u-%s", p.w_bits, mxd_dtype_name(p.compute));
    else
        snprintf(out, 16, "%s", mxd_dtype_name(p.compute));
}
