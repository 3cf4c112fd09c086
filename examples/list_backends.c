/* SPDX-License-Identifier: Apache-2.0
 *
 * list_backends [PLUGIN.so...]: what can run here, plug-ins included.
 */
#include <stdio.h>

#include "mixdown/mixdown.h"

int main(int argc, char **argv)
{
    mxd_error    err = MXD_ERROR_INIT;
    mxd_context *ctx = NULL;
    mxd_status   st  = mxd_context_create(&ctx, NULL, &err);
    for (int k = 1; k < argc && st == MXD_OK; k++)
        st = mxd_context_load_backend(ctx, argv[k], &err);
    printf("mixdown %s\n", mxd_version());
    for (uint32_t k = 0; st == MXD_OK && k < mxd_context_backends(ctx); k++) {
        mxd_backend_info info;
        st = mxd_context_backend(&info, ctx, k, &err);
        if (st == MXD_OK)
            printf("%s: %u device%s, %s\n", info.name, info.devices, info.devices == 1 ? "" : "s",
                   info.description);
    }
    if (st != MXD_OK)
        fprintf(stderr, "list_backends: %s (%s)\n", err.msg, mxd_status_text(st));
    mxd_context_destroy(ctx);
    return st != MXD_OK;
}
