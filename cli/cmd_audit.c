/* SPDX-License-Identifier: Apache-2.0
 * mixdown audit: asked and executed precision of every node. */
#include <stdio.h>

#include "cli.h"

static const char *engine_path;

static const struct opt opts[] = {
    { OPT_ARG, "ENGINE", 0, &engine_path, true, NULL, "engine or ONNX file" },
    OPT_END,
};

static mxd_status run(struct cli *c)
{
    const mxd_build_options o = cli_build_options(c);
    const mxd_audit_row    *rows;
    uint32_t                n;
    mxd_engine             *e  = NULL;
    const mxd_status        st = mxd_engine_load(&e, c->ctx, engine_path, &o, &c->err);
    if (st != MXD_OK)
        return st;
    const uint32_t mismatches = mxd_engine_audit(e, &rows, &n);
    json_object_set_new(c->result, "layers", cli_audit_json(e));
    json_object_set_new(c->result, "mismatches", json_integer(mismatches));
    if (!c->json) {
        cli_audit_table(c, e);
        printf("%u nodes, %u mismatches\n", n, mismatches);
    }
    c->exit_code = mismatches ? 1 : 0;
    mxd_engine_destroy(e);
    return MXD_OK;
}

const struct cmd cmd_audit = { "audit", run, opts,
                               "what precision was asked of each node, and what ran",
                               "Exit code 1 when some node runs otherwise than asked." };
