/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a path really leads. For names that come from files of others.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

bool mxdi_path_inside(const char *folder, const char *path)
{
    char real_folder[PATH_MAX], real_path[PATH_MAX];
    if (!realpath(folder, real_folder) || !realpath(path, real_path))
        return false;
    const size_t n = strcmp(real_folder, "/") == 0
                         ? 0
                         : strlen(real_folder); /* the root's slash is the separator */
    return strncmp(real_folder, real_path, n) == 0 && real_path[n] == '/';
}
