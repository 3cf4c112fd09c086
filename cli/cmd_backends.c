/* SPDX-License-Identifier: Apache-2.0
 * mixdown backends: what can run here. */
#include <stdio.h>

#include "cli.h"

static const struct opt opts[] = { OPT_END };

static mxd_status run(struct cli *c)
{
    json_t *const list = json_array();
    struct table  t    = { .cell = NULL };
    table_row(&t, "backend\tdevices\tdescription");
    for (uint32_t k = 0; k < mxd_context_backends(c->ctx); k++) {
        mxd_backend_info i;
        const mxd_status st = mxd_context_backend(&i, c->ctx, k, &c->err);
        if (st != MXD_OK)
            snprintf(i.description, sizeof(i.description), "%.255s", c->err.msg);
        json_array_append_new(list,
                              json_pack("{s:s, s:i, s:o}", "name", i.name, "devices",
                                        (int)i.devices, "description", cli_text(i.description)));
        table_row(&t, "%s\t%u\t%s", i.name, i.devices, i.description);
    }
    json_object_set_new(c->result, "backends", list);
    table_print(c, &t);
    return MXD_OK;
}

const struct cmd cmd_backends = { "backends", run, opts,
                                  "list backends, their devices and what is missing", NULL };
