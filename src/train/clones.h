/* SPDX-License-Identifier: Apache-2.0
 *
 * Loops over whole activations that are not worth a kernel family: the compiler makes a variant for
 * each vector width, and the loader takes the best. Every operation is rounded on its own, so all
 * give the same bits.
 */
#ifndef MXDI_TRAIN_CLONES_H
#define MXDI_TRAIN_CLONES_H

#if defined(__x86_64__) && defined(__ELF__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MXDI_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define MXDI_CLONES /* sanitizers' run-time is not up when the loader chooses */
#endif
#endif
