/* SPDX-License-Identifier: Apache-2.0
 * The release, written once: the build system reads it from here. */
#ifndef MXDI_BASE_VERSION_H
#define MXDI_BASE_VERSION_H

#define MXDI_VERSION "0.1.0"
#endif
