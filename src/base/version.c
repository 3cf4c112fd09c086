/* SPDX-License-Identifier: Apache-2.0
 *
 * What release this is.
 */
#include "base/version.h"

#include "mixdown/base.h"

const char *mxd_version(void)
{
    return MXDI_VERSION;
}
