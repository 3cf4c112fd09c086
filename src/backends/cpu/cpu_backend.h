/* SPDX-License-Identifier: Apache-2.0
 *
 * The CPU engine as a backend: compiled kernels of src/kernels over one planned arena. Device
 * option "isa": the cap of the instruction set, named as in base/cpu.h. */
#ifndef MXDI_BACKENDS_CPU_BACKEND_H
#define MXDI_BACKENDS_CPU_BACKEND_H

#include "mixdown/backend.h"

const mxd_backend_api *mxdi_cpu_backend(void);
#endif
