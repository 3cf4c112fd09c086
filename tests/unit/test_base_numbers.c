/* SPDX-License-Identifier: Apache-2.0
 *
 * base: element types, small floats, random numbers.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/dtype.h"
#include "base/half.h"
#include "base/rng.h"

static float from_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, 4);
    return f;
}

/* A small format described by its decoder: encoding must give the nearest code, ties to the even
 * code. */
struct format {
    unsigned codes; /* finite non-negative codes are 0 .. codes-1, in rising order */
    float (*decode)(unsigned code);
    unsigned (*encode)(float f);
    unsigned sign;
};

static float f16_decode(unsigned c)
{
    return mxdi_f16_to_f32((uint16_t)c);
}
static unsigned f16_encode(float f)
{
    return mxdi_f32_to_f16(f);
}
static float bf16_decode(unsigned c)
{
    return mxdi_bf16_to_f32((uint16_t)c);
}
static unsigned bf16_encode(float f)
{
    return mxdi_f32_to_bf16(f);
}
static float f8_decode(unsigned c)
{
    return mxdi_f8e4m3_to_f32((uint8_t)c);
}
static unsigned f8_encode(float f)
{
    return mxdi_f32_to_f8e4m3(f);
}

static void small_floats_round_to_nearest_even(void **state)
{
    (void)state;
    static const struct format formats[] = {
        { 0x7C00, f16_decode, f16_encode, 0x8000 },
        { 0x7F80, bf16_decode, bf16_encode, 0x8000 },
        { 0x7F, f8_decode, f8_encode, 0x80 },
    };
    for (size_t k = 0; k < 3; k++) {
        const struct format *const f = &formats[k];
        for (unsigned c = 0; c < f->codes; c++) {
            const float here = f->decode(c);
            assert_int_equal(f->encode(here), c);
            assert_int_equal(f->encode(-here), c | f->sign);
            if (c + 1 == f->codes)
                break;
            const float above = f->decode(c + 1);
            const float half  = here + (above - here) / 2; /* exact: one more bit of mantissa */
            assert_true(here < half && half < above);
            assert_int_equal(f->encode(half), c % 2 ? c + 1 : c);
            assert_int_equal(f->encode(nextafterf(half, 0)), c);
            assert_int_equal(f->encode(nextafterf(half, INFINITY)), c + 1);
            assert_int_equal(f->encode(-half), (c % 2 ? c + 1 : c) | f->sign);
        }
    }
}

static void small_floats_known_values(void **state)
{
    (void)state;
    assert_true(mxdi_f16_to_f32(0x3C00) == 1.0f && mxdi_f16_to_f32(0x7BFF) == 65504.0f);
    assert_true(mxdi_f16_to_f32(0x0001) == 0x1p-24f && mxdi_f16_to_f32(0xFC00) == -INFINITY);
    assert_int_equal(mxdi_f32_to_f16(65519.996f), 0x7BFF);
    assert_int_equal(mxdi_f32_to_f16(65520.0f), 0x7C00);
    assert_int_equal(mxdi_f32_to_f16(-INFINITY), 0xFC00);
    assert_int_equal(mxdi_f32_to_f16(0x1p-25f), 0);
    assert_int_equal(mxdi_f32_to_f16(nextafterf(0x1p-25f, 1)), 1);
    assert_int_equal(mxdi_f32_to_bf16(3.4028235e38f), 0x7F80); /* rounds up to infinity */
    assert_int_equal(mxdi_f32_to_f8e4m3(448.0f), 0x7E);
    const float too_large[] = { 449.0f, 464.5f, 480.0f, 511.0f, 512.0f, 1e9f };
    for (size_t k = 0; k < sizeof(too_large) / sizeof(too_large[0]); k++) { /* never NaN */
        assert_int_equal(mxdi_f32_to_f8e4m3(too_large[k]), 0x7E);
        assert_int_equal(mxdi_f32_to_f8e4m3(-too_large[k]), 0xFE);
    }
    assert_int_equal(mxdi_f32_to_f8e4m3(-INFINITY), 0xFE);
    assert_true(mxdi_f8e4m3_to_f32(0x01) == 0x1p-9f && mxdi_f8e4m3_to_f32(0x38) == 1.0f);
    assert_int_equal(mxdi_f32_to_f8e4m3(0x1p-10f), 0);
    for (uint32_t nan = 0x7F800001u; nan < 0x7FFFFFFFu; nan += 0x12345) {
        assert_true(isnan(mxdi_f16_to_f32(mxdi_f32_to_f16(from_bits(nan)))));
        assert_true(isnan(mxdi_bf16_to_f32(mxdi_f32_to_bf16(from_bits(nan)))));
        assert_true(isnan(mxdi_f8e4m3_to_f32(mxdi_f32_to_f8e4m3(from_bits(nan | 0x80000000u)))));
    }
}

static void dtype_facts(void **state)
{
    (void)state;
    int64_t lo, hi;
    assert_string_equal(mxd_dtype_name(MXD_S8), "s8");
    assert_string_equal(mxd_dtype_name((mxd_dtype)77), "none");
    assert_string_equal(mxd_dtype_name((mxd_dtype)-1), "none");
    assert_int_equal(mxd_dtype_bits(MXD_U4), 4);
    assert_int_equal(mxd_dtype_bits((mxd_dtype)77), 0);
    for (int d = MXD_NONE + 1; d < MXD_DTYPE_COUNT; d++)
        assert_int_equal(mxdi_dtype_parse(mxd_dtype_name((mxd_dtype)d)), d);
    assert_int_equal(mxdi_dtype_parse("none"), MXD_NONE);
    assert_int_equal(mxdi_dtype_parse("int8"), MXD_NONE);
    assert_true(mxdi_dtype_range(MXD_S8, &lo, &hi) && lo == -128 && hi == 127);
    assert_true(mxdi_dtype_range(MXD_U4, &lo, &hi) && lo == 0 && hi == 15);
    assert_true(mxdi_dtype_range(MXD_S4, &lo, &hi) && lo == -8 && hi == 7);
    assert_true(mxdi_dtype_range(MXD_S32, &lo, &hi) && lo == INT32_MIN && hi == INT32_MAX);
    assert_true(mxdi_dtype_range(MXD_S64, &lo, &hi) && lo == INT64_MIN && hi == INT64_MAX);
    assert_true(mxdi_dtype_range(MXD_U16, &lo, &hi) && lo == 0 && hi == 65535);
    assert_true(mxdi_dtype_range(MXD_BOOL, &lo, &hi) && lo == 0 && hi == 1);
    assert_false(mxdi_dtype_range(MXD_F16, &lo, &hi));
    assert_true(mxdi_dtype_is_float(MXD_F8E4M3) && !mxdi_dtype_is_float(MXD_S8));
    assert_true(mxdi_dtype_is_signed(MXD_S4) && !mxdi_dtype_is_signed(MXD_BOOL));
}

static void sizes_are_checked(void **state)
{
    (void)state;
    int64_t       n     = -1;
    size_t        bytes = 0;
    const int64_t big[] = { INT64_MAX, 2 }, zero[] = { 0, INT64_MAX },
                  hidden[] = { 0, INT64_MAX, 2 }, negative[] = { 2, -1 };
    assert_true(mxdi_shape_count(&n, NULL, 0) && n == 1);
    assert_true(mxdi_shape_count(&n, (const int64_t[]){ 2, 3, 4 }, 3) && n == 24);
    assert_true(mxdi_shape_count(&n, zero, 2) && n == 0);
    assert_false(mxdi_shape_count(&n, big, 2));
    assert_false(mxdi_shape_count(&n, hidden, 3));
    assert_false(mxdi_shape_count(&n, negative, 2));
    assert_true(mxdi_dtype_bytes(&bytes, MXD_S4, 5) && bytes == 3);
    assert_true(mxdi_dtype_bytes(&bytes, MXD_F32, 5) && bytes == 20);
    assert_false(mxdi_dtype_bytes(&bytes, MXD_F64, INT64_MAX / 2));
    assert_false(mxdi_dtype_bytes(&bytes, MXD_NONE, 1));
    assert_false(mxdi_dtype_bytes(&bytes, MXD_S8, -1));
    const mxd_tensor t = { NULL, MXD_U4, 2, { 3, 3 } };
    assert_true(mxdi_tensor_bytes(&bytes, &t) && bytes == 5);
}

static void elements_load_and_store(void **state)
{
    (void)state;
    uint8_t raw[80];
    for (int d = MXD_NONE + 1; d < MXD_DTYPE_COUNT; d++) {
        int64_t lo = -448, hi = 448; /* f8e4m3 holds both */
        (void)mxdi_dtype_range((mxd_dtype)d, &lo, &hi);
        memset(raw, 0, sizeof(raw));
        for (int64_t i = 0; i < 9; i++) /* raw + 1: elements need not be aligned */
            mxdi_store_s64(raw + 1, (mxd_dtype)d, i, i % 3 == 0 ? lo : i % 3 == 1 ? hi : 1);
        for (int64_t i = 0; i < 9; i++)
            assert_int_equal(mxdi_load_s64(raw + 1, (mxd_dtype)d, i), i % 3 == 0   ? lo
                                                                      : i % 3 == 1 ? hi
                                                                                   : 1);
        assert_true(mxdi_load_f64(raw + 1, (mxd_dtype)d, 0) == (double)lo);
        mxdi_store_f64(raw + 1, (mxd_dtype)d, 1, 1.0);
        assert_true(mxdi_load_f64(raw + 1, (mxd_dtype)d, 1) == 1.0);
        assert_int_equal(mxdi_load_s64(raw + 1, (mxd_dtype)d, 2), 1);
        assert_int_equal(raw[0], 0);
    }
    int8_t s8 = 0;
    mxdi_store_s64(&s8, MXD_S8, 0, 200); /* wraps */
    assert_int_equal(s8, -56);
    mxdi_store_f64(&s8, MXD_S8, 0, -3.9); /* toward zero */
    assert_int_equal(s8, -3);
    mxdi_store_f64(&s8, MXD_S8, 0, NAN);
    assert_int_equal(s8, 0);
    const float big = 1e30f;
    assert_int_equal(mxdi_load_s64(&big, MXD_F32, 0), INT64_MAX);
    uint8_t truth = 0;
    mxdi_store_f64(&truth, MXD_BOOL, 0, 0.25);
    assert_int_equal(truth, 1);
}

/* binary64 to 16 bits is rounded once: through binary32 these would land on a tie first and then go
 * to even. */
static void double_to_half_rounds_once(void **state)
{
    (void)state;
    uint16_t h = 0;
    for (int sign = -1; sign <= 1; sign += 2) {
        const uint16_t bit = sign < 0 ? 0x8000u : 0u;
        mxdi_store_f64(&h, MXD_F16, 0, sign * (1 + 0x1p-11 + 0x1p-40));
        assert_int_equal(h, 0x3C01u | bit);
        mxdi_store_f64(&h, MXD_F16, 0, sign * (1 + 0x3p-11 - 0x1p-40));
        assert_int_equal(h, 0x3C01u | bit);
        mxdi_store_f64(&h, MXD_F16, 0, sign * (1 + 0x1p-11 + 0x1p-23 - 0x1p-30));
        assert_int_equal(h, 0x3C01u | bit);
        mxdi_store_f64(&h, MXD_F16, 0, sign * (1 + 0x1p-11));
        assert_int_equal(h, 0x3C00u | bit);
        mxdi_store_f64(&h, MXD_BF16, 0, sign * (1 + 0x1p-8 + 0x1p-50));
        assert_int_equal(h, 0x3F81u | bit);
        mxdi_store_f64(&h, MXD_BF16, 0,
                       sign * 0x1.000001p-134); /* just over half of the least subnormal */
        assert_int_equal(h, 0x0001u | bit);
        mxdi_store_f64(&h, MXD_BF16, 0, sign * 1e-200);
        assert_int_equal(h, bit);
        mxdi_store_f64(&h, MXD_F16, 0, sign * 1e300);
        assert_int_equal(h, 0x7C00u | bit);
    }
}

static void random_numbers_are_reproducible(void **state)
{
    (void)state;
    mxdi_rng known = {
        { 1, 2, 3, 4 }
    }; /* the first outputs of the authors' xoshiro256starstar.c from this state */
    assert_true(mxdi_rng_u64(&known) == 11520u);
    assert_true(mxdi_rng_u64(&known) == 0u);
    assert_true(mxdi_rng_u64(&known) == 1509978240u);
    assert_true(mxdi_rng_u64(&known) == 1215971899390074240u);

    mxdi_rng a = mxdi_rng_seed(7), b = mxdi_rng_seed(7), c = mxdi_rng_stream(7, 1),
             d = mxdi_rng_stream(1, 7);
    assert_true(mxdi_rng_u64(&a) == mxdi_rng_u64(&b));
    assert_true(mxdi_rng_u64(&c) != mxdi_rng_u64(&d));
    double sum = 0, squares = 0;
    int    seen[10] = { 0 };
    for (int i = 0; i < 20000; i++) {
        const double z = mxdi_rng_normal(&a);
        const float  u = mxdi_rng_f32(&a);
        assert_true(u >= 0 && u < 1);
        sum += z;
        squares += z * z;
        seen[mxdi_rng_below(&a, 10)]++;
    }
    assert_true(fabs(sum / 20000) < 0.04 && fabs(squares / 20000 - 1) < 0.06); /* 5 sigma */
    for (int i = 0; i < 10; i++)
        assert_in_range(seen[i], 1780, 2220);
    int64_t order[100];
    uint8_t met[100] = { 0 };
    bool    moved    = false;
    mxdi_rng_permutation(&a, order, 100);
    for (int i = 0; i < 100; i++) {
        assert_in_range(order[i], 0, 99);
        assert_int_equal(met[order[i]]++, 0);
        moved = moved || order[i] != i;
    }
    assert_true(moved);
}

/* All orders of three come as often, those that leave elements where they are too. */
static void permutations_are_uniform(void **state)
{
    (void)state;
    mxdi_rng r           = mxdi_rng_seed(3);
    int      seen[3 * 3] = { 0 };
    for (int k = 0; k < 6000; k++) {
        int64_t order[3];
        mxdi_rng_permutation(&r, order, 3);
        seen[order[0] * 3 + order[1]]++;
    }
    for (int first = 0; first < 3; first++)
        for (int second = 0; second < 3; second++)
            if (first != second)
                assert_in_range(seen[first * 3 + second], 856, 1144); /* 5 sigma */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_floats_round_to_nearest_even),
        cmocka_unit_test(small_floats_known_values),
        cmocka_unit_test(dtype_facts),
        cmocka_unit_test(sizes_are_checked),
        cmocka_unit_test(elements_load_and_store),
        cmocka_unit_test(double_to_half_rounds_once),
        cmocka_unit_test(random_numbers_are_reproducible),
        cmocka_unit_test(permutations_are_uniform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
