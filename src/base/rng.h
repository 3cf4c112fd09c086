/* SPDX-License-Identifier: Apache-2.0
 * Random numbers that are the same everywhere for one seed: xoshiro256** (Blackman and Vigna 2018,
 * arXiv:1805.01407), its state filled by splitmix64. Not for secrets. One generator belongs to one
 * thread. */
#ifndef MXDI_BASE_RNG_H
#define MXDI_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct mxdi_rng {
    uint64_t s[4];
} mxdi_rng;

mxdi_rng mxdi_rng_seed(uint64_t seed);
/* A generator of its own for `stream`, for example an epoch or a tensor: independent of how much
 * another was used. */
mxdi_rng mxdi_rng_stream(uint64_t seed, uint64_t stream);
uint64_t mxdi_rng_u64(mxdi_rng *r);
uint64_t mxdi_rng_below(mxdi_rng *r, uint64_t n); /* uniform in [0, n), without bias; n > 0 */
float    mxdi_rng_f32(mxdi_rng *r);               /* uniform in [0, 1): a multiple of 2^-24 */
double   mxdi_rng_f64(mxdi_rng *r);               /* uniform in [0, 1): a multiple of 2^-53 */
double   mxdi_rng_normal(mxdi_rng *r);            /* mean 0, standard deviation 1 */
/* The numbers 0 .. n-1 in random order (Fisher and Yates). */
void mxdi_rng_permutation(mxdi_rng *r, int64_t *order, size_t n);
#endif
