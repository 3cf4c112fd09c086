/* SPDX-License-Identifier: Apache-2.0
 *
 * QConv and QMatMul against docs/graph-ops.md: numbers worked out by hand, at ties, at both ends of
 * the range, with every input and every form of the residual.
 */
#include "interp_case.h"

/* x (1, 1, 1, n), w (1, 1, 1, 1) of s8: one output for each element, m and the range still to be
 * set. */
static interp_case *pointwise(mxd_dtype x_type, const double *x, int64_t n, double w)
{
    interp_case *const   c        = case_of("QConv");
    const int64_t        dim[]    = { 1, 1, 1, n };
    static const int64_t kernel[] = { 1, 1 };
    case_in(c, x_type, dim, 4, x, n);
    IN(c, S8, DIMS(1, 1, 1, 1), w);
    set_ints(c, "kernel_shape", kernel, 2);
    return c;
}
#define POINTWISE(type, w, ...) pointwise(MXD_##type, NUMBERS(__VA_ARGS__), w)

static void in_b_bf(interp_case *c, const double *b, const double *bf)
{
    if (b)
        case_in(c, MXD_S32, DIMS(1), b, 1);
    else
        case_no_in(c);
    if (bf)
        case_in(c, MXD_F32, DIMS(1), bf, 1);
    else
        case_no_in(c);
}

static void rounds_ties_to_even_and_saturates(void **state)
{
    (void)state;
    interp_case *const c = POINTWISE(S8, 1, -7, -5, -3, -1, 1, 3, 5, 7, 127, -128);
    in_b_bf(c, NULL, NULL);
    IN(c, F32, DIMS(1), 0.5);
    set_range(c, 0, -3, 3);
    OUT(c, S8, DIMS(1, 1, 1, 10));
    /* -3.5 -> -4 -> -3; -2.5 -> -2; -1.5 -> -2; -0.5 -> 0 ... */
    CHECK(c, -3, -2, -2, 0, 0, 2, 2, 3, 3, -3);
}

static void zero_points_of_input_and_output(void **state)
{
    (void)state;
    interp_case *const c = POINTWISE(U8, 2, 0, 127, 128, 129, 255);
    in_b_bf(c, NULL, NULL);
    IN(c, F32, DIMS(1), 0.25);
    set_int(c, "x_zero_point", 128);
    set_range(c, 10, 0, 255);
    OUT(c, U8, DIMS(1, 1, 1, 5));
    /* (x - 128) / 2: -64 -0.5 0 0.5 63.5; + 10, at 0 at least */
    CHECK(c, 0, 10, 10, 10, 74);
}

static void zero_point_of_weights_by_channel(void **state)
{
    (void)state;
    interp_case *const   c        = case_of("QConv");
    static const int64_t kernel[] = { 1 };
    IN(c, U8, DIMS(1, 2, 1), 3, 5);
    IN(c, U8, DIMS(2, 2, 1), 10, 20, 30, 40);
    IN(c, S32, DIMS(2), 100, -100);
    case_no_in(c);
    IN(c, F32, DIMS(2), 1, 0.5);
    case_no_in(c);
    IN(c, S32, DIMS(2), 1, 2);
    set_ints(c, "kernel_shape", kernel, 1);
    set_int(c, "x_zero_point", 1);
    set_range(c, 0, -32768, 32767);
    OUT(c, S16, DIMS(1, 2, 1));
    /* 2*9 + 4*19 + 100 = 194; (2*28 + 4*38 - 100) / 2 = 54 */
    CHECK(c, 194, 54);
}

static void integer_bias_is_added_before_the_factor(void **state)
{
    (void)state;
    const double       b = -3;
    interp_case *const c = POINTWISE(S8, 1, 8, 9, 10, 11);
    in_b_bf(c, &b, NULL);
    IN(c, F32, DIMS(1), 0.5);
    set_range(c, 0, -128, 127);
    OUT(c, S8, DIMS(1, 1, 1, 4));
    CHECK(c, 2, 3, 4, 4); /* 2.5 3 3.5 4 */
}

static void float_bias(void **state)
{
    (void)state;
    const double       bf = 0.25;
    interp_case *const c  = POINTWISE(S8, 1, 1, 5, -3);
    in_b_bf(c, NULL, &bf);
    IN(c, F32, DIMS(1), 0.25);
    set_range(c, 0, -128, 127);
    OUT(c, S8, DIMS(1, 1, 1, 3));
    CHECK(c, 0, 2, 0); /* 0.5 1.5 -0.5 */
}

/* One fmaf: rounding the product first would land on the other side of a tie. */
static void float_bias_and_product_are_rounded_once(void **state)
{
    (void)state;
    float m = 0, bf = 0;
    int   found = 0;
    for (int i = 0; i < 4096 && !found; i++)
        for (int k = 0; k < 64 && !found; k++) {
            m     = 0.1f + (float)i * 0x1p-18f;
            bf    = 2.5f - 5.0f * m + (float)(k - 32) * 0x1p-25f;
            found = rintf(fmaf(5.0f, m, bf)) != rintf(5.0f * m + bf);
        }
    assert_true(found);
    const double       bias = (double)bf;
    interp_case *const c    = POINTWISE(S8, 1, 5);
    in_b_bf(c, NULL, &bias);
    IN(c, F32, DIMS(1), (double)m);
    set_range(c, 0, -128, 127);
    OUT(c, S8, DIMS(1, 1, 1, 1));
    CHECK(c, (double)rintf(fmaf(5.0f, m, bf)));
}

static void vectors_belong_to_channels(void **state)
{
    (void)state;
    static const int64_t kernel[] = { 1 };
    interp_case *const   c        = case_of("QConv");
    IN(c, S8, DIMS(2, 1, 3), 1, 2, 3, 4, 5, 6);
    IN(c, S8, DIMS(2, 1, 1), 1, 2);
    IN(c, S32, DIMS(2), 10, 20);
    IN(c, F32, DIMS(2), 0, 100);
    IN(c, F32, DIMS(2), 1, 10);
    set_ints(c, "kernel_shape", kernel, 1);
    set_range(c, 0, -32768, 32767);
    OUT(c, S16, DIMS(2, 2, 3));
    CHECK(c, 11, 12, 13, 320, 340, 360, 14, 15, 16, 380, 400, 420);
}

static void accumulator_wraps_at_32_bits(void **state)
{
    (void)state;
    const double       b = 2147483647.0;
    interp_case *const c = POINTWISE(S8, 1, 0, 1);
    in_b_bf(c, &b, NULL);
    IN(c, F32, DIMS(1), 0x1p-25);
    set_range(c, 0, -128, 127);
    OUT(c, S8, DIMS(1, 1, 1, 2));
    CHECK(c, 64, -64);
}

static void output_in_float(void **state)
{
    (void)state;
    const double       bf = 0.5;
    interp_case *const c  = POINTWISE(U8, 3, 0, 1, 2, 255);
    in_b_bf(c, NULL, &bf);
    IN(c, F32, DIMS(1), 0.1);
    set_int(c, "x_zero_point", 1);
    set_float(c, "min", 0.25f);
    set_float(c, "max", 6.0f);
    OUT(c, F32, DIMS(1, 1, 1, 4));
    CHECK(c, 0.25, 0.5, (double)fmaf(3.0f, 0.1f, 0.5f), 6);
}

static void nan_is_the_zero_point(void **state)
{
    (void)state;
    const double       bf = (double)NAN;
    interp_case *const c  = POINTWISE(S8, 1, 5);
    in_b_bf(c, NULL, &bf);
    IN(c, F32, DIMS(1), 1);
    set_range(c, 7, 0, 255);
    OUT(c, U8, DIMS(1, 1, 1, 1));
    CHECK(c, 7);
}

/* ---- residuals ---- */

/* acc 5 with m, residual 9 - 2; ratios of both. */
static interp_case *residual(float m, float y_ratio, float r_ratio)
{
    interp_case *const c = POINTWISE(S8, 1, 5);
    in_b_bf(c, NULL, NULL);
    IN(c, F32, DIMS(1), (double)m);
    IN(c, U8, DIMS(1, 1, 1, 1), 9);
    set_range(c, 3, 0, 255);
    set_int(c, "r_zero_point", 2);
    set_float(c, "y_scale_ratio", y_ratio);
    set_float(c, "r_scale_ratio", r_ratio);
    OUT(c, U8, DIMS(1, 1, 1, 1));
    return c;
}

static void residual_without_a_quantizer_between(void **state)
{
    (void)state;
    interp_case *const c = residual(0.5f, 100.0f, 2.0f); /* y_scale_ratio has no say */
    CHECK(c, 3 + 16);                                    /* 2.5 + 14: to even */
}

/* The middle quantizer rounds 2.5 to 2 and clamps; the sum is made of its integers. */
static void residual_behind_a_quantizer(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        interp_case *const c = residual(0.5f, 1.5f, 0.5f);
        set_int(c, "mid", 1);
        set_int(c, "mid_zero_point", 0);
        set_int(c, "mid_q_min", -128);
        set_int(c, "mid_q_max", 127);
        set_int(c, "residual_first", first);
        CHECK(c, 3 + 6); /* 2 * 1.5 + 7 * 0.5 = 6.5: to even */
        interp_case *const d = residual(0.5f, 1.5f, 0.5f);
        set_int(d, "mid", 1);
        set_int(d, "mid_zero_point", 4);
        set_int(d, "mid_q_min", 0);
        set_int(d, "mid_q_max", 5); /* 2 + 4 is cut to 5: 1 */
        set_int(d, "residual_first", first);
        CHECK(d, 3 + 5);
    }
}

/* A sum that is a tie in one order and beyond it in the other. */
static void order_of_the_residual_at_a_tie(void **state)
{
    (void)state;
    float ya = 0, ra = 0;
    int   found = 0;
    for (int i = 0; i < 4096 && !found; i++) /* q1 = 5, r = 7 */
        for (int k = 0; k < 64 && !found; k++) {
            ya    = 0.1f + (float)i * 0x1p-18f;
            ra    = (2.5f - 5.0f * ya) / 7.0f + (float)(k - 32) * 0x1p-29f;
            found = rintf(fmaf(5.0f, ya, 7.0f * ra)) != rintf(fmaf(7.0f, ra, 5.0f * ya));
        }
    assert_true(found);
    for (int order = 0; order < 2; order++) {
        interp_case *const c = residual(1.0f, ya, ra);
        set_int(c, "mid", 1);
        set_int(c, "mid_q_min", -128);
        set_int(c, "mid_q_max", 127);
        set_int(c, "residual_first", order);
        const float v = order ? fmaf(7.0f, ra, 5.0f * ya) : fmaf(5.0f, ya, 7.0f * ra);
        CHECK(c, 3 + (double)rintf(v));
    }
}

/* ---- windows ---- */

/* Taps outside the image add 0, not x_zero_point; strides, dilations and groups are Conv's. */
static void padding_adds_nothing(void **state)
{
    (void)state;
    static const int64_t kernel[] = { 2 }, pads[] = { 1, 1 }, strides[] = { 2 },
                         dilations[] = { 2 };
    interp_case *const c             = case_of("QConv");
    IN(c, U8, DIMS(1, 2, 4), 11, 12, 13, 14, 21, 22, 23, 24);
    IN(c, S8, DIMS(2, 1, 2), 1, 10, 2, 20);
    in_b_bf(c, NULL, NULL);
    IN(c, F32, DIMS(1), 1);
    set_ints(c, "kernel_shape", kernel, 1);
    set_ints(c, "pads", pads, 2);
    set_ints(c, "strides", strides, 1);
    set_ints(c, "dilations", dilations, 1);
    set_int(c, "group", 2);
    set_int(c, "x_zero_point", 10);
    set_range(c, 0, -32768, 32767);
    OUT(c, S16, DIMS(1, 2, 2));
    /* d = 1 2 3 4 and 11 12 13 14: positions -1, 1 and 1, 3 */
    CHECK(c, 20, 2 + 40, 240, 24 + 280);
}

static void four_bits(void **state)
{
    (void)state;
    static const int64_t kernel[] = { 1 };
    interp_case *const   c        = case_of("QConv");
    IN(c, U4, DIMS(1, 3, 1), 15, 1, 2);
    IN(c, S4, DIMS(1, 3, 1), -8, 7, 1);
    in_b_bf(c, NULL, NULL);
    IN(c, F32, DIMS(1), 1);
    set_ints(c, "kernel_shape", kernel, 1);
    set_range(c, 0, -32768, 32767);
    OUT(c, S16, DIMS(1, 1, 1));
    CHECK(c, -120 + 7 + 2);
}

/* ---- QMatMul ---- */

static void matmul_of_constants_in_both_orders(void **state)
{
    (void)state;
    for (int trans = 0; trans < 2; trans++) {
        interp_case *const c = case_of("QMatMul");
        IN(c, S8, DIMS(2, 3), 1, 2, 3, -1, 0, 4);
        if (trans)
            IN(c, S8, DIMS(2, 3), 1, 2, 3, 4, 5, 6);
        else
            IN(c, S8, DIMS(3, 2), 1, 4, 2, 5, 3, 6);
        IN(c, S32, DIMS(2), 1, -1);
        case_no_in(c);
        IN(c, F32, DIMS(2), 1, 0.5);
        case_no_in(c);
        IN(c, S32, DIMS(2), 1, 2);
        set_int(c, "transB", trans);
        set_range(c, 0, -128, 127);
        OUT(c, S8, DIMS(2, 2));
        /* columns of w 0 1 2 and 2 3 4; 8 + 1, (20 - 1) / 2; 8 + 1, (14 - 1) / 2 */
        CHECK(c, 9, 10, 9, 6);
    }
}

static void matmul_broadcasts_stacks(void **state)
{
    (void)state;
    interp_case *const c = case_of("QMatMul");
    IN(c, U8, DIMS(2, 1, 2), 130, 131, 132, 133);
    IN(c, U8, DIMS(1, 2, 1), 7, 9);
    in_b_bf(c, NULL, NULL);
    IN(c, F32, DIMS(1), 1);
    case_no_in(c);
    IN(c, S32, DIMS(1), 8);
    set_int(c, "x_zero_point", 130);
    set_range(c, 100, 0, 255);
    OUT(c, U8, DIMS(2, 1, 1));
    CHECK(c, 101, 101); /* -0 + 1, -2 + 3 */
}

/* ---- what does not fit ---- */

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    interp_case *c = POINTWISE(S8, 1, 1); /* no factor */
    set_range(c, 0, 0, 1);
    OUT(c, S8, DIMS(1, 1, 1, 1));
    refused(c, MXD_E_INVAL);

    c = POINTWISE(S8, 1, 1); /* a factor of another type */
    in_b_bf(c, NULL, NULL);
    IN(c, F16, DIMS(1), 1);
    OUT(c, S8, DIMS(1, 1, 1, 1));
    refused(c, MXD_E_DTYPE);

    c = POINTWISE(S8, 1, 1); /* two factors for one channel */
    in_b_bf(c, NULL, NULL);
    IN(c, F32, DIMS(2), 1, 1);
    OUT(c, S8, DIMS(1, 1, 1, 1));
    refused(c, MXD_E_SHAPE);

    c = POINTWISE(S8, 1, 1); /* an empty range */
    in_b_bf(c, NULL, NULL);
    IN(c, F32, DIMS(1), 1);
    set_range(c, 0, 1, 0);
    OUT(c, S8, DIMS(1, 1, 1, 1));
    refused(c, MXD_E_RANGE);

    c = POINTWISE(S8, 1, 1); /* a zero point that no type has */
    in_b_bf(c, NULL, NULL);
    IN(c, F32, DIMS(1), 1);
    set_range(c, INT64_MIN, 0, 1);
    OUT(c, S8, DIMS(1, 1, 1, 1));
    refused(c, MXD_E_RANGE);

    c               = residual(1, 1, 1); /* a residual beside a float */
    c->out[0].dtype = MXD_NONE;
    free(c->out[0].data);
    c->out[0] = case_tensor(MXD_F32, DIMS(1, 1, 1, 1));
    refused(c, MXD_E_INVAL);

    c = POINTWISE(S8, 1, 1); /* an output of another shape */
    in_b_bf(c, NULL, NULL);
    IN(c, F32, DIMS(1), 1);
    OUT(c, S8, DIMS(1, 1, 1, 2));
    refused(c, MXD_E_SHAPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_ties_to_even_and_saturates),
        cmocka_unit_test(zero_points_of_input_and_output),
        cmocka_unit_test(zero_point_of_weights_by_channel),
        cmocka_unit_test(integer_bias_is_added_before_the_factor),
        cmocka_unit_test(float_bias),
        cmocka_unit_test(float_bias_and_product_are_rounded_once),
        cmocka_unit_test(vectors_belong_to_channels),
        cmocka_unit_test(accumulator_wraps_at_32_bits),
        cmocka_unit_test(output_in_float),
        cmocka_unit_test(nan_is_the_zero_point),
        cmocka_unit_test(residual_without_a_quantizer_between),
        cmocka_unit_test(residual_behind_a_quantizer),
        cmocka_unit_test(order_of_the_residual_at_a_tie),
        cmocka_unit_test(padding_adds_nothing),
        cmocka_unit_test(four_bits),
        cmocka_unit_test(matmul_of_constants_in_both_orders),
        cmocka_unit_test(matmul_broadcasts_stacks),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
