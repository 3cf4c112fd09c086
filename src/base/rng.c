/* SPDX-License-Identifier: Apache-2.0
 *
 * xoshiro256** and the distributions drawn from it.
 */
#include "base/rng.h"

#include <math.h>

static uint64_t rotl(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

/* splitmix64 (Steele, Lea and Flood 2014): one step of a counter, well mixed. */
static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = *x += 0x9E3779B97F4A7C15u;
    z          = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z          = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

mxdi_rng mxdi_rng_seed(uint64_t seed)
{
    mxdi_rng r;
    for (int i = 0; i < 4; i++)
        r.s[i] = splitmix(&seed);
    return r;
}

mxdi_rng mxdi_rng_stream(uint64_t seed, uint64_t stream)
{
    uint64_t x = splitmix(&seed) + stream;
    return mxdi_rng_seed(splitmix(&x));
}

uint64_t mxdi_rng_u64(mxdi_rng *r)
{
    uint64_t *const s      = r->s;
    const uint64_t  result = rotl(s[1] * 5, 7) * 9;
    const uint64_t  t      = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t mxdi_rng_below(mxdi_rng *r, uint64_t n)
{
    const uint64_t biased = -n % n; /* 2^64 mod n: the values that would come once too often */
    uint64_t       x;
    do
        x = mxdi_rng_u64(r);
    while (x < biased);
    return x % n;
}

float mxdi_rng_f32(mxdi_rng *r)
{
    return (float)(mxdi_rng_u64(r) >> 40) * 0x1p-24f;
}

double mxdi_rng_f64(mxdi_rng *r)
{
    return (double)(mxdi_rng_u64(r) >> 11) * 0x1p-53;
}

/* The polar method (Marsaglia and Bray 1964). Its second value is dropped: no hidden state. */
double mxdi_rng_normal(mxdi_rng *r)
{
    double u, v, s;
    do {
        u = 2 * mxdi_rng_f64(r) - 1;
        v = 2 * mxdi_rng_f64(r) - 1;
        s = u * u + v * v;
    } while (s >= 1 || s == 0);
    return u * sqrt(-2 * log(s) / s);
}

void mxdi_rng_permutation(mxdi_rng *r, int64_t *order, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const size_t j = (size_t)mxdi_rng_below(r, i + 1);
        order[i]       = order[j];
        order[j]       = (int64_t)i;
    }
}
