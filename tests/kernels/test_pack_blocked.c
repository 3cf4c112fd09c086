/* SPDX-License-Identifier: Apache-2.0
 *
 * pack_blocked: layouts of every width and pitch, partial last blocks, ranges of lines; every
 * variant against `ref`, and packing then unpacking gives back what went in. */
#include <float.h>

#include "kernel_test.h"
#include "kernels/pack_blocked/pack_blocked.h"

struct shape {
    mxdi_blocked l;
    int64_t      images;
    size_t       dense, blocked; /* elements */
    int64_t      begin, end;
};

static struct shape random_shape(mxdi_rng *r)
{
    static const int32_t channel[] = { 1, 2, 3, 4, 6, 8, 15, 16, 17, 32, 40 };
    struct shape         s;
    s.l.channels = channel[mxdi_rng_below(r, 11)];
    s.l.h        = (int32_t)random_between(r, 1, 4);
    s.l.w        = (int32_t)random_between(r, 1, mxdi_rng_below(r, 2) ? 40 : 7);
    if (mxdi_rng_below(r, 5) == 0)
        s.l.h = s.l.w = 1;
    s.l.block = mxdi_rng_below(r, 2) ? 8 : 1;
    s.l.pitch = s.l.channels + random_between(r, 0, 1) * random_between(r, 0, 17);
    if (s.l.channels < 4 && mxdi_rng_below(r, 2))
        s.l.pitch = 4;
    s.l.block_stride = s.l.h * mxdi_blocked_row(&s.l) + random_between(r, 0, 9);
    s.images         = random_between(r, 1, 19);
    s.dense          = (size_t)(s.images * s.l.channels * s.l.h * s.l.w);
    s.blocked        = (size_t)((s.images + s.l.block - 1) / s.l.block * s.l.block_stride);
    s.begin          = 0;
    s.end            = mxdi_pack_blocked_lines(&s.l, s.images);
    if (mxdi_rng_below(r, 2)) {
        s.begin = random_between(r, 0, s.end);
        s.end   = random_between(r, s.begin, s.end);
    }
    return s;
}

static const mxdi_quantize_u8_params params = { 0.3f, 120, 3, 250, 0 };

static void clear(void *a, void *b, size_t bytes)
{
    memset(a, GUARD_BYTE, bytes);
    memset(b, GUARD_BYTE, bytes);
}

static void check_pack(const mxdi_pack_blocked *k, const struct shape *s, mxdi_rng *r)
{
    const mxdi_pack_blocked *ref = &mxdi_pack_blocked_ref;
    float                   *x = malloc(s->dense * 4), *want = guarded_new(s->blocked * 4);
    float                   *got = guarded_new(s->blocked * 4);
    uint8_t                 *x8 = malloc(s->dense), *want8 = guarded_new(s->blocked),
            *got8 = guarded_new(s->blocked);
    for (size_t i = 0; i < s->dense; i++) {
        x[i]  = i % 3 ? random_f32(r, -60, 60) : 0.3f * ((float)(i % 200) - 99.5f);
        x8[i] = random_u8(r);
    }
    ref->pack_quantize(want8, x, &s->l, s->images, &params, s->begin, s->end);
    k->pack_quantize(got8, x, &s->l, s->images, &params, s->begin, s->end);
    assert_guarded_equal(got8, want8, s->blocked);
    clear(want8, got8, s->blocked);
    ref->pack_u8(want8, x8, &s->l, s->images, 0x80, s->begin, s->end);
    k->pack_u8(got8, x8, &s->l, s->images, 0x80, s->begin, s->end);
    assert_guarded_equal(got8, want8, s->blocked);
    ref->pack_f32(want, x, &s->l, s->images, s->begin, s->end);
    k->pack_f32(got, x, &s->l, s->images, s->begin, s->end);
    assert_guarded_equal(got, want, s->blocked * 4);
    free(x);
    free(x8);
    guarded_free(want);
    guarded_free(got);
    guarded_free(want8);
    guarded_free(got8);
}

static void check_unpack(const mxdi_pack_blocked *k, const struct shape *s, mxdi_rng *r)
{
    const mxdi_pack_blocked *ref = &mxdi_pack_blocked_ref;
    float                   *x = malloc(s->blocked * 4), *want = guarded_new(s->dense * 4);
    float                   *got = guarded_new(s->dense * 4);
    uint8_t *x8 = malloc(s->blocked), *want8 = guarded_new(s->dense), *got8 = guarded_new(s->dense);
    for (size_t i = 0; i < s->blocked; i++) {
        x[i]  = random_f32(r, -60, 60);
        x8[i] = random_u8(r);
    }
    ref->unpack_u8(want8, x8, &s->l, s->images, 0x80, s->begin, s->end);
    k->unpack_u8(got8, x8, &s->l, s->images, 0x80, s->begin, s->end);
    assert_guarded_equal(got8, want8, s->dense);
    ref->unpack_f32(want, x, &s->l, s->images, s->begin, s->end);
    k->unpack_f32(got, x, &s->l, s->images, s->begin, s->end);
    assert_guarded_equal(got, want, s->dense * 4);
    clear(want, got, s->dense * 4);
    ref->unpack_dequantize(want, x8, &s->l, s->images, &params, s->begin, s->end);
    k->unpack_dequantize(got, x8, &s->l, s->images, &params, s->begin, s->end);
    assert_guarded_equal(got, want, s->dense * 4);
    free(x);
    free(x8);
    guarded_free(want);
    guarded_free(got);
    guarded_free(want8);
    guarded_free(got8);
}

static void variants_match_ref(void **state)
{
    (void)state;
    mxdi_rng r = mxdi_rng_seed(12);
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++) {
        if (!runs_here(v))
            continue;
        for (int round = 0; round < 500; round++) {
            const struct shape s = random_shape(&r);
            check_pack(mxdi_pack_blocked_variants[v], &s, &r);
            check_unpack(mxdi_pack_blocked_variants[v], &s, &r);
        }
    }
}

/* A scale of any size, sometimes the largest below a power of two. */
static float random_scale(mxdi_rng *r)
{
    const float s = ldexpf(random_f32(r, 1, 2), (int)random_between(r, -149, 126));
    return mxdi_rng_below(r, 8) ? s : nextafterf(ldexpf(1, ilogbf(s) + 1), 0);
}

/* A ratio near the middle between two integers, or anything. */
static float random_quotient(mxdi_rng *r, float scale)
{
    static const float special[] = { NAN, INFINITY, -INFINITY, FLT_MAX, -FLT_MAX,
                                     0,   -0.0f,    FLT_MIN,   1e-45f,  -1e-45f };
    if (mxdi_rng_below(r, 20) == 0)
        return special[mxdi_rng_below(r, 10)];
    float x = ((float)random_between(r, -300, 300) + 0.5f) * scale;
    for (int64_t k = random_between(r, -4, 4); k != 0; k += k < 0 ? 1 : -1)
        x = nextafterf(x, k < 0 ? -INFINITY : INFINITY);
    return mxdi_rng_below(r, 4) ? x : random_f32(r, -300, 300) * scale;
}

/* Quantizing divides truly, whatever instructions it takes for that. */
static void quotients_are_rounded_once(void **state)
{
    enum { N = 1000, SCALES = 300 };
    (void)state;
    static float       x[N];
    static uint8_t     want[4 * N], got[4 * N];
    const mxdi_blocked l = { 1, N, 1, 1, 4, 4 * N };
    mxdi_rng           r = mxdi_rng_seed(13);
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++)
        for (int round = 0; runs_here(v) && round < SCALES; round++) {
            const mxdi_quantize_u8_params p = { random_scale(&r), 128, 0, 255, 0 };
            for (size_t i = 0; i < N; i++)
                x[i] = random_quotient(&r, p.scale);
            mxdi_pack_blocked_ref.pack_quantize(want, x, &l, 1, &p, 0, 1);
            mxdi_pack_blocked_variants[v]->pack_quantize(got, x, &l, 1, &p, 0, 1);
            assert_memory_equal(got, want, sizeof(want));
        }
}

/* Two images of (2, 1, 2) in one block of 8, pitch 3: the bytes as layout.h says them. */
static void ref_is_the_layout(void **state)
{
    (void)state;
    const mxdi_blocked l    = { 1, 2, 2, 8, 3, 48 };
    const uint8_t      x[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    uint8_t            y[48], back[8], want[48] = { 0 };
    want[0] = 1, want[1] = 3, want[3] = 5, want[4] = 7;     /* pixel 0: images 0 and 1 */
    want[24] = 2, want[25] = 4, want[27] = 6, want[28] = 8; /* pixel 1 */
    mxdi_pack_blocked_ref.pack_u8(y, x, &l, 2, 0, 0, 1);
    assert_memory_equal(y, want, sizeof(y));
    mxdi_pack_blocked_ref.unpack_u8(back, y, &l, 2, 0, 0, 1);
    assert_memory_equal(back, x, sizeof(x));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(variants_match_ref),
                                        cmocka_unit_test(quotients_are_rounded_once),
                                        cmocka_unit_test(ref_is_the_layout) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
