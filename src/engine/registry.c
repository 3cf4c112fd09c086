/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of backends of one context.
 */
#include "engine/registry.h"

#include <dlfcn.h>
#include <string.h>

#include "backends/cpu/cpu_backend.h"
#include "base/error.h"
#include "base/text.h"
#include "interp/interp.h"

enum { MAX_BACKENDS = sizeof(((mxdi_registry *)0)->api) / sizeof(((mxdi_registry *)0)->api[0]) };

void mxdi_registry_init(mxdi_registry *r)
{
    memset(r, 0, sizeof(*r));
    r->api[r->n++] = mxdi_cpu_backend();
    r->api[r->n++] = mxdi_interp_backend();
}

void mxdi_registry_fini(mxdi_registry *r)
{
    for (uint32_t k = 0; k < r->n; k++)
        if (r->library[k])
            dlclose(r->library[k]);
    r->n = 0;
}

static mxd_status add(mxdi_registry *r, const char *path, void *library, mxd_error *err)
{
    mxd_backend_entry entry;
    void *const       symbol = dlsym(library, MXD_BACKEND_ENTRY);
    if (!symbol)
        return mxdi_fail(err, MXD_E_INVAL, "%s: exports no %s, so it is no backend", path,
                         MXD_BACKEND_ENTRY);
    memcpy(&entry, &symbol, sizeof(entry));
    const mxd_backend_api *const api = entry();
    if (!api || api->abi != MXD_BACKEND_ABI)
        return mxdi_fail(err, MXD_E_STALE, "%s: backend ABI %u expected, got %u; build it again",
                         path, MXD_BACKEND_ABI, api ? api->abi : 0);
    if (!MXD_BACKEND_HAS(api, session_profile)) /* the last of those that are not optional */
        return mxdi_fail(err, MXD_E_INVAL, "%s: its table ends before session_profile", path);
    for (uint32_t k = 0; k < r->n; k++)
        if (strcmp(r->api[k]->name, api->name) == 0)
            return mxdi_fail(err, MXD_E_INVAL, "%s: a backend named '%s' is there already", path,
                             api->name);
    r->api[r->n]       = api;
    r->library[r->n++] = library;
    return MXD_OK;
}

mxd_status mxdi_registry_load(mxdi_registry *r, const char *path, mxd_error *err)
{
    if (r->n == MAX_BACKENDS)
        return mxdi_fail(err, MXD_E_INVAL, "%s: more than %d backends", path, MAX_BACKENDS);
    void *const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return mxdi_fail(err, MXD_E_IO, "%s", dlerror());
    const mxd_status st = add(r, path, library, err);
    if (st != MXD_OK)
        dlclose(library);
    return st;
}

mxd_status mxdi_registry_find(const mxd_backend_api **out, const mxdi_registry *r, const char *name,
                              mxd_error *err)
{
    const char *names[MAX_BACKENDS];
    for (uint32_t k = 0; k < r->n; k++) {
        names[k] = r->api[k]->name;
        if (strcmp(names[k], name) == 0) {
            *out = r->api[k];
            return MXD_OK;
        }
    }
    const char *const near = mxdi_nearest(name, names, r->n);
    return mxdi_fail(err, MXD_E_USAGE, "no backend '%s'%s%s%s; `mixdown backends` lists them", name,
                     near ? ", perhaps '" : "", near ? near : "", near ? "'" : "");
}
