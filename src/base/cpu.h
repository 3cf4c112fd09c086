/* SPDX-License-Identifier: Apache-2.0
 * Instruction sets. Selection of kernels is a pure function of such flags. */
#ifndef MXDI_BASE_CPU_H
#define MXDI_BASE_CPU_H

#include <stdbool.h>

#include "mixdown/base.h"

enum {
    MXDI_ISA_AVX2       = 1u << 0, /* with FMA and F16C */
    MXDI_ISA_AVXVNNI    = 1u << 1,
    MXDI_ISA_AVX512     = 1u << 2, /* F, BW, VL, DQ */
    MXDI_ISA_AVX512VNNI = 1u << 3,
    MXDI_ISA_AVX512BF16 = 1u << 4,
    MXDI_ISA_AMX        = 1u << 5, /* TILE, INT8, BF16 */
    MXDI_ISA_NEON       = 1u << 6,
    MXDI_ISA_DOTPROD    = 1u << 7,
    MXDI_ISA_I8MM       = 1u << 8
};

uint32_t mxdi_cpu_isa(void); /* what this CPU and OS have */
/* Flags allowed under a cap named as in docs/cli.md ("scalar", "avx2" ...): all rows up to it that
 * the CPU has. MXD_E_USAGE with the nearest name for an unknown one, MXD_E_UNSUPPORTED when the CPU
 * lacks it. */
mxd_status  mxdi_isa_cap(uint32_t *out, const char *name, mxd_error *err);
const char *mxdi_isa_name(uint32_t isa); /* the highest row in `isa`: "avx512bf16", "scalar" */
const char *mxdi_cpu_model(void);        /* "AMD EPYC ..."; static storage */
size_t      mxdi_cache_bytes(
         int level); /* data cache of one core at level 1..3; a usual size when unknown */
#endif
