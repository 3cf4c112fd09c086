/* SPDX-License-Identifier: Apache-2.0
 *
 * The CPU backend on convolutions: every form of QConv and FusedConv, blocks of one and eight
 * images, partial batches. */
#include "unit/cpu_case.h"

struct form {
    mxd_dtype x, w, y;
    int64_t   batch, c_in, h, width, c_out, kernel, stride, dilation, pad, group;
    int       residual; /* 0 none, 1 without and 2 with a quantizer in between */
    bool      bias_float, zw;
};

static int64_t out_size(int64_t in, const struct form *f)
{
    return (in + 2 * f->pad - (f->kernel - 1) * f->dilation - 1) / f->stride + 1;
}

static void geometry(cpu_case *c, const struct form *f, int rank)
{
    const int64_t k[] = { f->kernel, f->kernel }, s[] = { f->stride, f->stride },
                  d[] = { f->dilation, f->dilation };
    const int64_t p[] = { f->pad, f->pad, f->pad, f->pad };
    case_ints(c, "kernel_shape", rank, k);
    case_ints(c, "strides", rank, s);
    case_ints(c, "dilations", rank, d);
    case_ints(c, "pads", 2 * rank, p);
    case_int(c, "group", f->group);
}

static int32_t low(mxd_dtype d)
{
    int64_t lo = 0, hi = 0;
    (void)mxdi_dtype_range(d, &lo, &hi);
    return (int32_t)lo;
}

static void range(cpu_case *c, mxd_dtype d, int32_t zero, int32_t cut)
{
    int64_t lo = 0, hi = 0;
    (void)mxdi_dtype_range(d, &lo, &hi);
    case_int(c, "y_zero_point", zero < hi ? zero : hi / 2);
    case_int(c, "q_min", lo + (hi > 15 ? cut : 0));
    case_int(c, "q_max", hi - (hi > 15 ? cut : 1));
}

/* A QConv between an input and an output; 1-D where h is 0. */
static void qconv(uint64_t seed, const struct form *f)
{
    cpu_case      c;
    const int     rank = f->h ? 2 : 1;
    const int64_t oh = f->h ? out_size(f->h, f) : 0, ow = out_size(f->width, f),
                  area = f->kernel * (rank == 2 ? f->kernel : 1);
    const int64_t xd[] = { f->batch, f->c_in, rank == 2 ? f->h : f->width, f->width },
                  yd[] = { f->batch, f->c_out, rank == 2 ? oh : ow, ow };
    const int64_t wd[] = { f->c_out, f->c_in / f->group, f->kernel, f->kernel };
    case_begin(&c, seed, f->batch);
    const uint32_t x = case_input(&c, f->x, true, rank + 2, xd),
                   w = case_constant(&c, f->w, rank + 2, wd, NULL);
    const uint32_t y = case_value(&c, f->y, true, rank + 2, yd);
    const uint32_t b =
        f->bias_float ? MXD_NO_VALUE : case_constant(&c, MXD_S32, 1, &f->c_out, NULL);
    const uint32_t bf     = f->bias_float ? case_floats(&c, f->c_out, 3.0f) : MXD_NO_VALUE;
    const double   w_size = mxd_dtype_bits(f->w) == 4 ? 5.0 : 74.0,
                 x_size   = mxd_dtype_bits(f->x) == 4 ? 90.0 : 78.0;
    const float m         = (float)(mxd_dtype_bits(f->y) == 4 ? 3.0 : 50.0) /
                    (float)(sqrt((double)(area * f->c_in / f->group)) * w_size * x_size);
    const uint32_t mv  = case_floats(&c, f->c_out % 2 ? 1 : f->c_out, f->y == MXD_F32 ? 0.01f : m);
    const uint32_t r   = f->residual ? case_input(&c, f->y, true, rank + 2, yd) : MXD_NO_VALUE;
    const int32_t  z[] = { 7 };
    const int64_t  one = 1;
    const uint32_t zw  = f->zw ? case_constant(&c, MXD_S32, 1, &one, z) : MXD_NO_VALUE;
    case_node(&c, "QConv", y, INS(x, w, b, bf, mv, r, zw));
    geometry(&c, f, rank);
    case_int(&c, "x_zero_point", low(f->x) + 100);
    if (f->y != MXD_F32) {
        range(&c, f->y, low(f->y) + 120, 5);
        case_quantized(&c, y, 0.1f, low(f->y) + 120);
    }
    if (f->residual) {
        case_int(&c, "mid", f->residual == 2);
        case_int(&c, "residual_first", f->c_in % 2);
        case_int(&c, "r_zero_point", low(f->y) + 110);
        case_float(&c, "y_scale_ratio", 0.7f);
        case_float(&c, "r_scale_ratio", 1.3f);
        case_int(&c, "mid_zero_point", low(f->y) + 130);
        case_int(&c, "mid_q_min", low(f->y));
        case_int(&c, "mid_q_max", low(f->y) + 255);
    }
    case_output(&c, y);
    assert_int_equal(case_check(&c), f->y == MXD_F32 ? 0 : 1);
}

static void qconv_has_the_integers_of_its_formula(void **state)
{
    (void)state;
    static const struct form forms[] = {
        /* x     w       y        n  ci  h  w  co  k  s  d  p  g  residual */
        { MXD_U8, MXD_S8, MXD_U8, 11, 16, 7, 6, 24, 3, 1, 1, 1, 1, 0, false, false },
        { MXD_U8, MXD_S8, MXD_U8, 16, 5, 6, 7, 13, 3, 2, 1, 1, 1, 1, false, false },
        { MXD_S8, MXD_S8, MXD_S8, 9, 8, 5, 5, 16, 3, 1, 1, 1, 1, 2, false, false },
        { MXD_S8, MXD_U8, MXD_S8, 3, 9, 6, 6, 33, 1, 1, 1, 0, 1, 2, false, true },
        { MXD_U8, MXD_S4, MXD_U8, 2, 32, 8, 8, 40, 3, 1, 2, 2, 1, 0, true, false },
        { MXD_U8, MXD_U4, MXD_S8, 1, 12, 9, 4, 20, 3, 2, 1, 0, 4, 0, false, true },
        { MXD_U8, MXD_S8, MXD_U8, 1, 20, 9, 8, 20, 3, 1, 1, 1, 20, 0, false, false },
        { MXD_S8, MXD_S8, MXD_U8, 10, 16, 7, 7, 16, 5, 2, 1, 2, 16, 1, false, false },
        { MXD_U8, MXD_S8, MXD_F32, 8, 7, 4, 4, 10, 3, 1, 1, 1, 1, 0, true, false },
        { MXD_U8, MXD_S8, MXD_U8, 4, 6, 0, 19, 14, 3, 2, 1, 1, 1, 0, false, false },
        { MXD_U8, MXD_S8, MXD_U8, 9, 1, 12, 12, 6, 5, 1, 1, 2, 1, 0, false, false },
        { MXD_S4, MXD_S8, MXD_U4, 2, 8, 5, 5, 8, 3, 1, 1, 1, 1, 0, false, false },
    };
    for (size_t k = 0; k < sizeof(forms) / sizeof(forms[0]); k++)
        qconv(k + 1, &forms[k]);
}

static void fused_conv(uint64_t seed, const struct form *f, const char *compute,
                       bool integer_weights)
{
    cpu_case      c;
    const int64_t oh = out_size(f->h, f), ow = out_size(f->width, f);
    const int64_t xd[] = { f->batch, f->c_in, f->h, f->width },
                  yd[] = { f->batch, f->c_out, oh, ow };
    const int64_t wd[] = { f->c_out, f->c_in / f->group, f->kernel, f->kernel };
    case_begin(&c, seed, f->batch);
    const uint32_t x = case_input(&c, MXD_F32, true, 4, xd),
                   y = case_value(&c, MXD_F32, true, 4, yd);
    const uint32_t w = case_constant(&c, integer_weights ? MXD_S4 : MXD_F32, 4, wd, NULL),
                   b = case_floats(&c, f->c_out, 0.5f);
    const uint32_t r = f->residual ? case_input(&c, MXD_F32, true, 4, yd) : MXD_NO_VALUE;
    if (integer_weights) {
        float *const   scale = mxdi_arena_alloc(&c.g->arena, (size_t)f->c_out, sizeof(float), 64);
        int32_t *const zero  = mxdi_arena_alloc(&c.g->arena, (size_t)f->c_out, sizeof(int32_t), 64);
        for (int64_t k = 0; k < f->c_out; k++)
            scale[k] = 0.1f + 0.01f * (float)k;
        const mxd_qparams q = {
            .scale = scale, .zero_point = zero, .n = (uint32_t)f->c_out, .q_min = -8, .q_max = 7
        };
        assert_int_equal(mxdi_value_set_qparams(c.g, w, &q, NULL), MXD_OK);
    }
    case_node(&c, "FusedConv", y, INS(x, w, b, r));
    geometry(&c, f, 2);
    case_string(&c, "compute", compute);
    if (f->zw) {
        case_float(&c, "min", -0.5f);
        case_float(&c, "max", 6.0f);
    }
    case_output(&c, y);
    c.tolerance = 5e-5f; /* of a range that the clamp may have cut */
    case_check(&c);
}

static void fused_conv_is_close(void **state)
{
    (void)state;
    static const struct form forms[] = {
        { 0, 0, 0, 11, 16, 7, 6, 24, 3, 1, 1, 1, 1, 0, false, true },
        { 0, 0, 0, 16, 5, 6, 7, 13, 3, 2, 1, 1, 1, 1, false, false },
        { 0, 0, 0, 1, 9, 6, 6, 33, 1, 1, 1, 0, 1, 0, false, true },
        { 0, 0, 0, 3, 12, 9, 4, 20, 3, 2, 1, 0, 4, 0, false, false },
        { 0, 0, 0, 10, 16, 7, 7, 16, 5, 2, 1, 2, 16, 1, false, true },
        { 0, 0, 0, 1, 20, 9, 8, 20, 3, 1, 2, 2, 20, 0, false, false },
    };
    for (size_t k = 0; k < sizeof(forms) / sizeof(forms[0]); k++) {
        fused_conv(k + 1, &forms[k], "f32", k % 2 == 0);
        fused_conv(k + 1, &forms[k], "bf16", false);
        fused_conv(k + 1, &forms[k], "f16", false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(qconv_has_the_integers_of_its_formula),
        cmocka_unit_test(fused_conv_is_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
