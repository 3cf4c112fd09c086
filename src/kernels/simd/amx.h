/* SPDX-License-Identifier: Apache-2.0
 *
 * The tile registers of AMX (Intel SDM vol. 1, chapter 18) as statements: registers are literal
 * numbers, part of the instruction. Own assembly, because compilers' intrinsics do not say that a
 * load reads memory. tests/kernels/amx_emulated.h has the same names in plain C.
 */
#ifndef MXDI_KERNELS_SIMD_AMX_H
#define MXDI_KERNELS_SIMD_AMX_H

#include "kernels/simd/amx_shape.h"

/* All registers become zeros of this shape. */
static inline void amx_configure(const struct amx_shape *shape)
{
    __asm__ volatile("ldtilecfg %0" : : "m"(*shape));
}

/* Back to the state that every function expects, in which a context switch saves nothing. */
static inline void amx_release(void)
{
    __asm__ volatile("tilerelease");
}

/* Rows of register t from or to p, `row` bytes apart; 0 loads one row everywhere. */
#define amx_load(t, p, row)                                        \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t               \
                     :                                             \
                     : "r"((const void *)(p)), "r"((int64_t)(row)) \
                     : "memory")
#define amx_store(t, p, row)                                 \
    __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)"     \
                     :                                       \
                     : "r"((void *)(p)), "r"((int64_t)(row)) \
                     : "memory")

/* c (rows, 16) += a (rows, words) x b (words, 16): words of four u8 in a and s8 in b, sums modulo
 * 2^32; or of two bf16, sums in f32. */
#define amx_dot_u8s8(c, a, b) __asm__ volatile("tdpbusd %%tmm" #b ", %%tmm" #a ", %%tmm" #c : :)
#define amx_dot_bf16(c, a, b) __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #c : :)
#endif
