/* SPDX-License-Identifier: Apache-2.0
 * mixdown verify: ONNX test directories. */
#include <stdio.h>

#include "cli.h"

static struct words dirs;
static double       relative = -1.0, absolute = -1.0;

static const struct opt opts[] = {
    { OPT_REST, "DIR", 0, &dirs, true, NULL, "folder with model.onnx and test_data_set_*" },
    { OPT_NUM, "rtol", 0, &relative, false, "X", "relative tolerance (default: by op and type)" },
    { OPT_NUM, "atol", 0, &absolute, false, "X", "absolute tolerance (default: by op and type)" },
    OPT_END,
};

static mxd_status run(struct cli *c)
{
    static const char *const words[]  = { "pass", "fail", "refused" };
    int                      count[3] = { 0, 0, 0 };
    json_t *const            cases    = json_array();
    mxd_verify_options       o        = MXD_VERIFY_OPTIONS_INIT;
    o.rtol                            = relative;
    o.atol                            = absolute;
    o.backend                         = c->backend;
    o.isa                             = c->isa;
    o.threads                         = (uint32_t)c->threads;
    mxd_status st                     = MXD_OK;
    for (int k = 0; k < dirs.n && st == MXD_OK; k++) {
        mxd_verify_case v;
        st = mxd_verify(&v, c->ctx, dirs.at[k], &o, &c->err);
        if (st != MXD_OK)
            break;
        count[v.verdict]++;
        json_array_append_new(
            cases,
            json_pack("{s:o, s:s, s:o, s:o, s:o, s:o}", "name", cli_text(dirs.at[k]), "status",
                      words[v.verdict], "reason", v.reason[0] ? cli_text(v.reason) : json_null(),
                      "max_abs_error", cli_number(v.max_abs_error), "max_rel_error",
                      cli_number(v.max_rel_error), "sqnr_db", cli_number(v.sqnr_db)));
        if (!c->json)
            printf("%-7s %s%s%s\n", words[v.verdict], dirs.at[k], v.reason[0] ? ": " : "",
                   v.reason);
        if (cli_interrupted())
            st = cli_fail(c, MXD_E_CANCELLED, "interrupted after %d cases", k + 1);
    }
    json_object_set_new(c->result, "cases", cases);
    json_object_set_new(c->result, "passed", json_integer(count[MXD_PASS]));
    json_object_set_new(c->result, "failed", json_integer(count[MXD_FAIL]));
    json_object_set_new(c->result, "refused", json_integer(count[MXD_REFUSED]));
    if (!c->json && st == MXD_OK)
        printf("%d passed, %d failed, %d refused\n", count[MXD_PASS], count[MXD_FAIL],
               count[MXD_REFUSED]);
    c->exit_code = count[MXD_FAIL] ? 1 : 0;
    return st;
}

const struct cmd cmd_verify = {
    "verify", run, opts, "run ONNX test directories: pass, fail, refused",
    "Integers must be equal; floats within the tolerance; networks with quantizers inside within 25 dB of SQNR, since\n"
    "rounding ties fall differently in a float simulation. Exit code 1 when some case failed."
};
