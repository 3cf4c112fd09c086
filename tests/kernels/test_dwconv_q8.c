/* SPDX-License-Identifier: Apache-2.0
 *
 * dwconv_q8: every variant this CPU runs gives what the plain definition gives, over windows, paddings, layouts, epilogues
 * and extreme values; nothing outside the outputs' pixels is written; and the definition is what a formula in here says. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "base/rng.h"
#include "kernels/dwconv_q8/dwconv_q8.h"

enum { GUARD = 128 };

struct shape { int32_t h, w, channels, block, kh, kw, sh, sw, dh, dw, ph, pw, x_extra, y_extra; };

struct problem {
    mxdi_dwconv_q8_desc d;
    int16_t *w;
    int32_t *bias;
    float   *m, *bf;
    uint8_t *x, *r;
    int64_t  blocks, y_bytes;
};

static int64_t out_of(int32_t in, int32_t k, int32_t s, int32_t dil, int32_t pad)
{
    return (in + 2 * (int64_t)pad - (k - 1) * (int64_t)dil - 1) / s + 1;
}

static mxdi_blocked layout(int32_t h, int32_t w, int32_t c, int32_t block, int32_t extra)
{
    mxdi_blocked l = { .h = h, .w = w, .channels = c, .block = block, .pitch = c + extra };
    l.block_stride = mxdi_blocked_row(&l) * h + 64;
    return l;
}

static void make(struct problem *p, const struct shape *s, int residual, bool real, bool extreme, mxdi_rng *rng)
{
    const int32_t oh = (int32_t)out_of(s->h, s->kh, s->sh, s->dh, s->ph), ow = (int32_t)out_of(s->w, s->kw, s->sw, s->dw, s->pw);
    const size_t  n = (size_t)s->channels, taps = (size_t)s->kh * (size_t)s->kw;
    p->blocks = 2;
    p->w = malloc(n * taps * sizeof(int16_t));
    p->bias = malloc(n * sizeof(int32_t));
    p->m = malloc(n * sizeof(float));
    p->bf = malloc(n * sizeof(float));
    for (size_t k = 0; k < n * taps; k++)
        p->w[k] = (int16_t)(extreme ? (mxdi_rng_u64(rng) & 1 ? -128 : 127) : (int32_t)(mxdi_rng_u64(rng) % 256) - 128);
    for (size_t k = 0; k < n; k++) {
        p->bias[k] = (int32_t)(mxdi_rng_u64(rng) % 20001) - 10000;
        p->m[k] = 0.0005f + 0.01f * mxdi_rng_f32(rng);
        p->bf[k] = 20.0f * mxdi_rng_f32(rng) - 10.0f;
    }
    p->d = (mxdi_dwconv_q8_desc){
        .x = layout(s->h, s->w, s->channels, s->block, s->x_extra), .y = layout(oh, ow, s->channels, s->block, s->y_extra),
        .window = { s->kh, s->kw, s->sh, s->sw, s->dh, s->dw, s->ph, s->pw }, .w = p->w,
        .x_zero_point = (int32_t)(mxdi_rng_u64(rng) % 3 * 127),
        .epilogue = { .bias = p->bias, .bias_float = mxdi_rng_u64(rng) & 1 && residual != 1 ? p->bf : NULL, .m = p->m, .y_zero_point = 13, .q_min = 5, .q_max = 250,
                      .residual = real ? 0 : residual, .residual_first = mxdi_rng_u64(rng) & 1, .r_zero_point = 120, .mid_zero_point = 128, .mid_q_min = 1,
                      .mid_q_max = 255, .y_scale_ratio = 0.7f, .r_scale_ratio = 0.4f, .y_float = real, .y_min = -50.0f, .y_max = INFINITY } };
    const size_t x_bytes = (size_t)(p->d.x.block_stride * p->blocks) + 128;
    p->x = malloc(x_bytes);
    for (size_t k = 0; k < x_bytes; k++)
        p->x[k] = (uint8_t)(extreme ? (mxdi_rng_u64(rng) & 1) * 255 : mxdi_rng_u64(rng));
    const size_t y_count = (size_t)(p->d.y.block_stride * p->blocks);
    p->r = malloc(y_count + 128);
    for (size_t k = 0; k < y_count + 128; k++)
        p->r[k] = (uint8_t)mxdi_rng_u64(rng);
    p->y_bytes = (int64_t)(y_count * (real ? sizeof(float) : 1));
}

static void drop(struct problem *p)
{
    free(p->w);
    free(p->bias);
    free(p->m);
    free(p->bf);
    free(p->x);
    free(p->r);
}

static uint8_t *run(const struct problem *p, uint32_t isa, const char **name)
{
    mxdi_dwconv_q8 *op = NULL;
    mxd_error       err = MXD_ERROR_INIT;
    uint8_t *const  y = malloc((size_t)p->y_bytes + 2 * GUARD);
    memset(y, 0x55, (size_t)p->y_bytes + 2 * GUARD);
    if (mxdi_dwconv_q8_create(&op, &p->d, isa, NULL, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    *name = mxdi_dwconv_q8_name(op);
    const size_t tasks = mxdi_dwconv_q8_tasks(op, p->blocks), half = tasks / 2;
    mxdi_dwconv_q8_run(op, p->x, p->d.epilogue.residual ? p->r : NULL, y + GUARD, p->blocks, half, tasks);
    mxdi_dwconv_q8_run(op, p->x, p->d.epilogue.residual ? p->r : NULL, y + GUARD, p->blocks, 0, half);
    mxdi_dwconv_q8_destroy(op);
    return y;
}

/* Channels equal `want`; lanes up to the pitch may differ; everything else is untouched. */
static void check_equal(const struct problem *p, const uint8_t *want, const uint8_t *got, const char *name)
{
    const mxdi_blocked *const l = &p->d.y;
    const int64_t size = p->d.epilogue.y_float ? 4 : 1;
    uint8_t *const pad = calloc((size_t)p->y_bytes + 2 * GUARD, 1); /* 1: may hold anything */
    for (int64_t b = 0; b < p->blocks; b++)
        for (int64_t px = 0; px < (int64_t)l->h * l->w * l->block; px++)
            memset(pad + GUARD + (b * l->block_stride + px * l->pitch + l->channels) * size, 1, (size_t)((l->pitch - l->channels) * size));
    for (int64_t k = 0; k < p->y_bytes + 2 * GUARD; k++)
        if (!pad[k] && want[k] != got[k])
            fail_msg("%s: byte %lld: expected %u, got %u (%d channels, block %d, %dx%d by %d)", name, (long long)k - GUARD, want[k], got[k], l->channels, l->block,
                     p->d.window.kh, p->d.window.kw, p->d.window.sh);
    free(pad);
}

static void compare_variants(const struct shape *s, int residual, bool real, bool extreme, mxdi_rng *rng)
{
    static const uint32_t caps[] = { MXDI_ISA_AVX2, MXDI_ISA_AVX2 | MXDI_ISA_AVXVNNI, MXDI_ISA_AVX2 | MXDI_ISA_AVX512,
                                     MXDI_ISA_AVX2 | MXDI_ISA_AVX512 | MXDI_ISA_AVX512VNNI };
    struct problem p;
    const char    *name;
    make(&p, s, residual, real, extreme, rng);
    uint8_t *const want = run(&p, 0, &name);
    assert_string_equal(name, "dwconv_q8_ref");
    for (size_t k = 0; k < sizeof(caps) / sizeof(caps[0]); k++) {
        if (caps[k] & ~mxdi_cpu_isa())
            continue;
        uint8_t *const got = run(&p, caps[k], &name);
        check_equal(&p, want, got, name);
        free(got);
    }
    free(want);
    drop(&p);
}

static void variants_match_ref(void **state)
{
    (void)state;
    mxdi_rng rng;
    rng = mxdi_rng_seed(7);
    for (int k = 0; k < 400; k++) {
        struct shape s = { .h = 1 + (int32_t)(mxdi_rng_u64(&rng) % 12), .w = 1 + (int32_t)(mxdi_rng_u64(&rng) % 14), .channels = 1 + (int32_t)(mxdi_rng_u64(&rng) % 90),
                           .block = mxdi_rng_u64(&rng) & 1 ? 8 : 1, .kh = 1 + (int32_t)(mxdi_rng_u64(&rng) % 7), .kw = 1 + (int32_t)(mxdi_rng_u64(&rng) % 7),
                           .sh = 1 + (int32_t)(mxdi_rng_u64(&rng) % 2), .sw = 1 + (int32_t)(mxdi_rng_u64(&rng) % 2), .dh = 1 + (int32_t)(mxdi_rng_u64(&rng) % 2),
                           .dw = 1 + (int32_t)(mxdi_rng_u64(&rng) % 2), .x_extra = (int32_t)(mxdi_rng_u64(&rng) % 4) };
        if (k % 3 == 0)
            s.kw = s.kh = 3, s.dw = s.dh = 1;
        if (k % 5 == 0)
            s.channels = 1 + (int32_t)(mxdi_rng_u64(&rng) % 12);
        s.y_extra = mxdi_rng_u64(&rng) & 3 ? s.x_extra : (int32_t)(mxdi_rng_u64(&rng) % 4);
        s.ph = (int32_t)(mxdi_rng_u64(&rng) % (uint64_t)(s.kh + 1));
        s.pw = (int32_t)(mxdi_rng_u64(&rng) % (uint64_t)(s.kw + 1));
        if (out_of(s.h, s.kh, s.sh, s.dh, s.ph) < 1 || out_of(s.w, s.kw, s.sw, s.dw, s.pw) < 1 || s.h + 2 * s.ph < (s.kh - 1) * s.dh + 1 ||
            s.w + 2 * s.pw < (s.kw - 1) * s.dw + 1)
            continue;
        compare_variants(&s, (int)(mxdi_rng_u64(&rng) % 3), k % 7 == 0, k % 4 == 0, &rng);
    }
}

/* The definition against docs/graph-ops.md, written out: 3x3, padding 1, zero point 127. */
static void ref_is_the_formula(void **state)
{
    (void)state;
    const struct shape s = { 5, 6, 3, 1, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1 };
    struct problem     p;
    const char        *name;
    mxdi_rng           rng;
    rng = mxdi_rng_seed(3);
    make(&p, &s, 0, false, false, &rng);
    p.d.epilogue.bias_float = NULL;
    p.d.x_zero_point = 127;
    uint8_t *const y = run(&p, 0, &name);
    for (int32_t oy = 0; oy < 5; oy++)
        for (int32_t ox = 0; ox < 6; ox++)
            for (int32_t c = 0; c < 3; c++) {
                int32_t acc = p.bias[c];
                for (int32_t t = 0; t < 9; t++) {
                    const int32_t iy = oy - 1 + t / 3, ix = ox - 1 + t % 3;
                    if (iy >= 0 && iy < 5 && ix >= 0 && ix < 6)
                        acc += (p.x[(iy * 6 + ix) * 4 + c] - 127) * p.w[c * 9 + t];
                }
                float q = rintf((float)acc * p.m[c]);
                q = q < 5 - 13 ? 5 - 13 : q > 250 - 13 ? 250 - 13 : q;
                assert_int_equal(y[GUARD + (oy * 6 + ox) * 4 + c], (int32_t)q + 13);
            }
    free(y);
    drop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(ref_is_the_formula), cmocka_unit_test(variants_match_ref) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
