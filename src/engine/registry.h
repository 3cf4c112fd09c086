/* SPDX-License-Identifier: Apache-2.0
 *
 * Which backends there are: those linked in (cpu, interp) and plug-ins opened by file name. One
 * registry hangs off a context; it is filled before use and then only read.
 */
#ifndef MXDI_ENGINE_REGISTRY_H
#define MXDI_ENGINE_REGISTRY_H

#include "base/alloc.h"
#include "mixdown/backend.h"

typedef struct mxdi_registry {
    const mxd_backend_api *api[16];
    void                  *library[16]; /* of a plug-in; NULL: linked in */
    uint32_t               n;
} mxdi_registry;

void mxdi_registry_init(mxdi_registry *r); /* with the linked-in ones */
void mxdi_registry_fini(mxdi_registry *r); /* closes plug-ins */
/* Open a shared object and add what it exports; refused with both numbers when its ABI is another.
 */
mxd_status mxdi_registry_load(mxdi_registry *r, const char *path, mxd_error *err);
/* By name; MXD_E_USAGE with the nearest name when there is none. */
mxd_status mxdi_registry_find(const mxd_backend_api **out, const mxdi_registry *r, const char *name,
                              mxd_error *err);
#endif
