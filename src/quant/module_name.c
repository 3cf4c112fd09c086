/* SPDX-License-Identifier: Apache-2.0
 *
 * Modules of a PyTorch export by the names it gives nodes and weights. A scope lists the modules
 * around a node from the outside in; the children of a container repeat its name.
 */
#include "quant/module_name.h"

bool mxdi_module_of_node(char out[MXDI_MODULE_NAME], const char *node)
{
    size_t      used = 0, last = 0; /* of `out`; where its last name begins */
    const char *part = node + 1;
    if (node[0] != '/')
        return false;
    for (const char *end; (end = strchr(part, '/')) != NULL; part = end + 1) {
        const size_t n     = (size_t)(end - part);
        const bool   child = used > last && n > used - last && part[used - last] == '.' &&
                           memcmp(part, out + last, used - last) == 0;
        if (!child && used > 0)
            out[used++] = '.';
        if (!child)
            last = used;
        if (n == 0 || last + n + 2 > MXDI_MODULE_NAME)
            return false;
        memcpy(out + last, part, n);
        used = last + n;
    }
    out[used] = '\0';
    return used > 0;
}

bool mxdi_module_of_weight(char out[MXDI_MODULE_NAME], const char *weight)
{
    static const char suffix[] = ".weight";
    const char       *at       = strstr(weight, suffix);
    for (const char *next = at; next; next = strstr(next + 1, suffix))
        at = next;
    const char *const rest = at ? at + sizeof(suffix) - 1 : "";
    if (!at || at == weight || (size_t)(at - weight) >= MXDI_MODULE_NAME ||
        (*rest && strncmp(rest, "_quantized", 10) != 0))
        return false;
    memcpy(out, weight, (size_t)(at - weight));
    out[at - weight] = '\0';
    return true;
}
