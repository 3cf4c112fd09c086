/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of element types, and loading and storing single elements of any type.
 */
#include "base/dtype.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/half.h"

static const struct traits {
    const char *name;
    unsigned    bits;
} traits[] = {
#define MXD_X(name, text, bits) [MXD_##name] = { text, bits },
    MXD_DTYPE_MAP(MXD_X)
#undef MXD_X
};
_Static_assert(sizeof(traits) / sizeof(traits[0]) == MXD_DTYPE_COUNT, "every dtype has a row");

static bool is_known(mxd_dtype d)
{
    return (unsigned)d < MXD_DTYPE_COUNT;
}

const char *mxd_dtype_name(mxd_dtype dtype)
{
    return traits[is_known(dtype) ? dtype : MXD_NONE].name;
}

unsigned mxd_dtype_bits(mxd_dtype dtype)
{
    return is_known(dtype) ? traits[dtype].bits : 0;
}

bool mxdi_dtype_is_float(mxd_dtype d)
{
    return d == MXD_F32 || d == MXD_F16 || d == MXD_BF16 || d == MXD_F8E4M3 || d == MXD_F64;
}

bool mxdi_dtype_is_signed(mxd_dtype d)
{
    return d == MXD_S4 || d == MXD_S8 || d == MXD_S16 || d == MXD_S32 || d == MXD_S64;
}

bool mxdi_dtype_range(mxd_dtype d, int64_t *lo, int64_t *hi)
{
    const unsigned bits = mxd_dtype_bits(d);
    if (bits == 0 || mxdi_dtype_is_float(d))
        return false;
    if (mxdi_dtype_is_signed(d)) {
        *hi = (int64_t)(UINT64_MAX >> (65 - bits));
        *lo = -*hi - 1;
    } else {
        *hi = d == MXD_BOOL ? 1 : (int64_t)((1u << bits) - 1);
        *lo = 0;
    }
    return true;
}

mxd_dtype mxdi_dtype_parse(const char *name)
{
    for (int d = MXD_NONE + 1; d < MXD_DTYPE_COUNT; d++)
        if (strcmp(name, traits[d].name) == 0)
            return (mxd_dtype)d;
    return MXD_NONE;
}

bool mxdi_shape_count(int64_t *out, const int64_t *dim, int32_t rank)
{
    int64_t count = 1;
    bool    empty = false;
    for (int32_t i = 0; i < rank; i++) {
        if (dim[i] < 0)
            return false;
        if (dim[i] == 0)
            empty = true; /* the others are still checked: 0 x 2^40 x 2^40 is no shape */
        else if (__builtin_mul_overflow(count, dim[i], &count))
            return false;
    }
    *out = empty ? 0 : count;
    return true;
}

bool mxdi_dtype_bytes(size_t *out, mxd_dtype d, int64_t count)
{
    const unsigned bits = mxd_dtype_bits(d);
    if (count < 0 || bits == 0)
        return false;
    if (bits == 4) {
        *out = (size_t)count / 2 + (size_t)count % 2;
        return true;
    }
    return mxdi_mul_size(out, (size_t)count, bits / 8) && *out <= PTRDIFF_MAX;
}

bool mxdi_tensor_bytes(size_t *out, const mxd_tensor *t)
{
    int64_t count;
    return t->rank >= 0 && t->rank <= MXD_MAX_RANK && mxdi_shape_count(&count, t->dim, t->rank) &&
           mxdi_dtype_bytes(out, t->dtype, count);
}

static unsigned load_nibble(const uint8_t *data, int64_t i)
{
    return (unsigned)(data[i / 2] >> (i % 2 ? 4 : 0)) & 15u;
}

/* The bits of element i, zero-extended. Elements need not be aligned. */
static uint64_t load_bits(const void *data, mxd_dtype d, int64_t i)
{
    const uint8_t *const p = data;
    uint16_t             u16;
    uint32_t             u32;
    uint64_t             u64;
    switch (mxd_dtype_bits(d)) {
    case 4:
        return load_nibble(p, i);
    case 8:
        return p[i];
    case 16:
        memcpy(&u16, p + i * 2, 2);
        return u16;
    case 32:
        memcpy(&u32, p + i * 4, 4);
        return u32;
    case 64:
        memcpy(&u64, p + i * 8, 8);
        return u64;
    default:
        return 0;
    }
}

static void store_bits(void *data, mxd_dtype d, int64_t i, uint64_t bits)
{
    uint8_t *const p   = data;
    const uint16_t u16 = (uint16_t)bits;
    const uint32_t u32 = (uint32_t)bits;
    switch (mxd_dtype_bits(d)) {
    case 4:
        if (i % 2)
            p[i / 2] = (uint8_t)((p[i / 2] & 0x0Fu) | (bits & 15u) << 4);
        else
            p[i / 2] = (uint8_t)((p[i / 2] & 0xF0u) | (bits & 15u));
        break;
    case 8:
        p[i] = (uint8_t)bits;
        break;
    case 16:
        memcpy(p + i * 2, &u16, 2);
        break;
    case 32:
        memcpy(p + i * 4, &u32, 4);
        break;
    case 64:
        memcpy(p + i * 8, &bits, 8);
        break;
    default:
        break;
    }
}

static double float_value(mxd_dtype d, uint64_t bits)
{
    const uint32_t u32 = (uint32_t)bits;
    float          f32;
    double         f64;
    switch (d) {
    case MXD_F16:
        return mxdi_f16_to_f32((uint16_t)bits);
    case MXD_BF16:
        return mxdi_bf16_to_f32((uint16_t)bits);
    case MXD_F8E4M3:
        return mxdi_f8e4m3_to_f32((uint8_t)bits);
    case MXD_F32:
        memcpy(&f32, &u32, 4);
        return f32;
    default:
        memcpy(&f64, &bits, 8);
        return f64;
    }
}

static int64_t int_value(mxd_dtype d, uint64_t bits)
{
    if (d == MXD_BOOL)
        return bits != 0;
    if (!mxdi_dtype_is_signed(d))
        return (int64_t)bits;
    const unsigned unused = 64 - mxd_dtype_bits(d);
    return (int64_t)(bits << unused) >> unused;
}

/* Toward zero; NaN is 0, what lies outside is the nearest end. */
static int64_t truncate_f64(double v)
{
    if (isnan(v))
        return 0;
    if (v >= 0x1p63)
        return INT64_MAX;
    return v <= -0x1p63 ? INT64_MIN : (int64_t)v;
}

/* v as a float that, rounded again to 16 bits or fewer, gives v rounded once: an inexact result
 * gets an odd last bit (Boldo and Melquiond 2008, "Emulation of FMA and correctly rounded sums",
 * section 3). */
static float round_to_odd(double v)
{
    const float nearest = (float)v;
    if (isnan(v) || isinf(nearest) || (double)nearest == v)
        return nearest;
    uint32_t u;
    memcpy(&u, &nearest, 4);
    if (u & 1u)
        return nearest;
    const double toward = v - (double)nearest;
    u += (toward > 0) == (nearest > 0 || (nearest == 0 && v > 0)) ? 1u : UINT32_MAX;
    float odd;
    memcpy(&odd, &u, 4);
    return odd;
}

double mxdi_load_f64(const void *data, mxd_dtype d, int64_t i)
{
    const uint64_t bits = load_bits(data, d, i);
    return mxdi_dtype_is_float(d) ? float_value(d, bits) : (double)int_value(d, bits);
}

int64_t mxdi_load_s64(const void *data, mxd_dtype d, int64_t i)
{
    const uint64_t bits = load_bits(data, d, i);
    return mxdi_dtype_is_float(d) ? truncate_f64(float_value(d, bits)) : int_value(d, bits);
}

void mxdi_store_f64(void *data, mxd_dtype d, int64_t i, double v)
{
    const float f32 = (float)v;
    uint32_t    u32;
    uint64_t    u64;
    switch (d) {
    case MXD_F16:
        store_bits(data, d, i, mxdi_f32_to_f16(round_to_odd(v)));
        break;
    case MXD_BF16:
        store_bits(data, d, i, mxdi_f32_to_bf16(round_to_odd(v)));
        break;
    case MXD_F8E4M3:
        store_bits(data, d, i, mxdi_f32_to_f8e4m3(round_to_odd(v)));
        break;
    case MXD_F32:
        memcpy(&u32, &f32, 4);
        store_bits(data, d, i, u32);
        break;
    case MXD_F64:
        memcpy(&u64, &v, 8);
        store_bits(data, d, i, u64);
        break;
    case MXD_BOOL:
        store_bits(data, d, i, v != 0);
        break;
    default:
        store_bits(data, d, i, (uint64_t)truncate_f64(v));
        break;
    }
}

void mxdi_store_s64(void *data, mxd_dtype d, int64_t i, int64_t v)
{
    if (d == MXD_BOOL)
        store_bits(data, d, i, v != 0);
    else if (mxdi_dtype_is_float(d))
        mxdi_store_f64(data, d, i, (double)v);
    else
        store_bits(data, d, i, (uint64_t)v);
}
