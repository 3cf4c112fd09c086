/* SPDX-License-Identifier: Apache-2.0
 *
 * The compiler's help for kernels whose vectors have to stay in registers. */
#ifndef MXDI_KERNELS_SIMD_INLINE_H
#define MXDI_KERNELS_SIMD_INLINE_H

#define MXD_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define MXD_UNROLL _Pragma("clang loop unroll(full)")
#else
#define MXD_UNROLL _Pragma("GCC unroll 16")
#endif
#endif
