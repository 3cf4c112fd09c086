/* SPDX-License-Identifier: Apache-2.0
 *
 * Conv, ConvTranspose, MatMul, Gemm and their fused float forms: geometry, and the order of the
 * fmaf chain that interp.h promises.
 */
#include "interp_case.h"

/* ---- Conv ---- */

static void conv_with_everything(void **state)
{
    (void)state;
    static const int64_t pads[] = { 1, 0, 0, 1 }, strides[] = { 2, 1 }, dilations[] = { 1, 2 };
    interp_case *const   c = case_of("Conv");
    IN(c, F32, DIMS(1, 2, 2, 3), 1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60);
    IN(c, F32, DIMS(2, 1, 2, 2), 1, 2, 3, 4, 1, 0, 0, 1);
    IN(c, F32, DIMS(2), 0.5, -0.5);
    set_ints(c, "pads", pads, 4);
    set_ints(c, "strides", strides, 2);
    set_ints(c, "dilations", dilations, 2);
    set_int(c, "group", 2);
    OUT(c, F32, DIMS(1, 2, 1, 2));
    /* rows -1 and 0, columns (0, 2) and (1, 3): 3*1 + 4*3, 3*2; 1*30; 0 */
    CHECK(c, 15.5, 6.5, 29.5, -0.5);
}

static void conv_of_one_and_three_axes(void **state)
{
    (void)state;
    interp_case *c = case_of("Conv");
    IN(c, F16, DIMS(1, 1, 3), 1, 2, 3);
    IN(c, F16, DIMS(1, 1, 2), 1, 10);
    OUT(c, F16, DIMS(1, 1, 2));
    CHECK(c, 21, 32);
    c = case_of("Conv");
    IN(c, F32, DIMS(1, 1, 2, 2, 2), 1, 2, 3, 4, 5, 6, 7, 8);
    IN(c, F32, DIMS(1, 1, 2, 1, 2), 1, 10, 100, 1000);
    OUT(c, F32, DIMS(1, 1, 1, 2, 1));
    CHECK(c, 6521, 8743);
    c = case_of("Conv");
    IN(c, F32, DIMS(1, 1, 3), 1, 2, 3);
    IN(c, F32, DIMS(1, 1, 3), 1, 1, 1);
    set_string(c, "auto_pad", "SAME_LOWER");
    OUT(c, F32, DIMS(1, 1, 3));
    CHECK(c, 3, 6, 5);
}

/* Bias first, then taps, and for each tap the channels: sums of very unlike size tell every other
 * order. */
static void conv_is_one_chain_in_order(void **state)
{
    (void)state;
    const double       x[] = { 0x1p24, 1, 1, -0x1p24 }; /* channel 0: taps 0, 1; channel 1 */
    float              r   = 1.0f;
    interp_case *const c   = case_of("Conv");
    case_in(c, MXD_F32, DIMS(1, 2, 2), x, 4);
    IN(c, F32, DIMS(1, 2, 2), 1, 1, 1, 1);
    IN(c, F32, DIMS(1), 1);
    OUT(c, F32, DIMS(1, 1, 1));
    for (int tap = 0; tap < 2; tap++)
        for (int ch = 0; ch < 2; ch++)
            r = fmaf((float)x[ch * 2 + tap], 1.0f, r);
    assert_true(r != 3.0f); /* what exact arithmetic gives */
    CHECK(c, (double)r);
}

/* A product is not rounded before it is added. */
static void conv_uses_fmaf(void **state)
{
    (void)state;
    const double       x = 1.0 + 0x1p-12;
    interp_case *const c = case_of("Conv");
    IN(c, F32, DIMS(1, 1, 1), x);
    IN(c, F32, DIMS(1, 1, 1), x);
    IN(c, F32, DIMS(1), -1);
    OUT(c, F32, DIMS(1, 1, 1));
    CHECK(c, 0x1p-11 + 0x1p-24);
}

static void conv_refuses(void **state)
{
    (void)state;
    static const int64_t kernel[] = { 3 };
    interp_case         *c        = case_of("Conv");
    IN(c, F32, DIMS(1, 3, 2), 1, 2, 3, 4, 5, 6);
    IN(c, F32, DIMS(1, 2, 1), 1, 2);
    OUT(c, F32, DIMS(1, 1, 2));
    refused(c, MXD_E_SHAPE);
    c = case_of("Conv");
    IN(c, F32, DIMS(1, 1, 2), 1, 2);
    IN(c, F32, DIMS(1, 1, 2), 1, 2);
    set_ints(c, "kernel_shape", kernel, 1);
    OUT(c, F32, DIMS(1, 1, 1));
    refused(c, MXD_E_SHAPE);
    c = case_of("Conv");
    IN(c, F64, DIMS(1, 1, 1), 1);
    IN(c, F64, DIMS(1, 1, 1), 1);
    OUT(c, F64, DIMS(1, 1, 1));
    refused(c, MXD_E_UNSUPPORTED);
}

/* ---- ConvTranspose ---- */

static void conv_transposed(void **state)
{
    (void)state;
    static const int64_t strides[] = { 2 }, more[] = { 1 }, pads[] = { 1, 0 }, shape[] = { 4 };
    interp_case         *c = case_of("ConvTranspose");
    IN(c, F32, DIMS(1, 1, 2), 1, 2);
    IN(c, F32, DIMS(1, 1, 3), 1, 10, 100);
    IN(c, F32, DIMS(1), 0.5);
    set_ints(c, "strides", strides, 1);
    OUT(c, F32, DIMS(1, 1, 5));
    CHECK(c, 1.5, 10.5, 102.5, 20.5, 200.5);
    c = case_of("ConvTranspose");
    IN(c, F32, DIMS(1, 1, 2), 1, 2);
    IN(c, F32, DIMS(1, 1, 3), 1, 10, 100);
    set_ints(c, "strides", strides, 1);
    set_ints(c, "output_padding", more, 1);
    set_ints(c, "pads", pads, 2);
    OUT(c, F32, DIMS(1, 1, 5));
    CHECK(c, 10, 102, 20, 200, 0);
    c = case_of("ConvTranspose"); /* cut by one: at the end, unless SAME_UPPER says so */
    IN(c, F32, DIMS(1, 1, 2), 1, 2);
    IN(c, F32, DIMS(1, 1, 3), 1, 10, 100);
    set_ints(c, "strides", strides, 1);
    set_ints(c, "output_shape", shape, 1);
    OUT(c, F32, DIMS(1, 1, 4));
    CHECK(c, 10, 102, 20, 200);
    c = case_of("ConvTranspose");
    IN(c, F32, DIMS(1, 1, 2), 1, 2);
    IN(c, F32, DIMS(1, 1, 3), 1, 10, 100);
    set_ints(c, "strides", strides, 1);
    set_string(c, "auto_pad", "SAME_UPPER");
    OUT(c, F32, DIMS(1, 1, 4));
    CHECK(c, 1, 10, 102, 20);
}

static void conv_transposed_in_groups(void **state)
{
    (void)state;
    interp_case *const c = case_of("ConvTranspose");
    IN(c, F32, DIMS(1, 4, 1), 1, 2, 3, 4);
    IN(c, F32, DIMS(4, 2, 1), 1, 10, 2, 20, 3, 30, 4, 40);
    set_int(c, "group", 2);
    OUT(c, F32, DIMS(1, 4, 1));
    CHECK(c, 5, 50, 25, 250);
}

/* ---- MatMul, Gemm ---- */

static void matmul(void **state)
{
    (void)state;
    interp_case *c = case_of("MatMul");
    IN(c, F32, DIMS(2, 1, 2), 1, 2, 3, 4);
    IN(c, F32, DIMS(2, 2), 1, 2, 3, 4);
    OUT(c, F32, DIMS(2, 1, 2));
    CHECK(c, 7, 10, 15, 22);
    c = case_of("MatMul"); /* a vector on either side */
    IN(c, F32, DIMS(2), 1, 2);
    IN(c, F32, DIMS(2, 2, 1), 1, 2, 3, 4);
    OUT(c, F32, DIMS(2, 1));
    CHECK(c, 5, 11);
    c = case_of("MatMul");
    IN(c, BF16, DIMS(2, 2), 1, 2, 3, 4);
    IN(c, BF16, DIMS(2), 10, 1);
    OUT(c, BF16, DIMS(2));
    CHECK(c, 12, 34);
    c = case_of("MatMul");
    IN(c, F32, DIMS(2), 1, 2);
    IN(c, F32, DIMS(2), 3, 4);
    OUT(c, F32, SCALAR);
    CHECK(c, 11);
    c = case_of("MatMul");
    IN(c, F32, DIMS(1, 2), 1, 2);
    IN(c, F32, DIMS(3, 1), 1, 2, 3);
    OUT(c, F32, DIMS(1, 1));
    refused(c, MXD_E_SHAPE);
}

static interp_case *gemm(int ta, int tb)
{
    interp_case *const c = case_of("Gemm");
    if (ta)
        IN(c, F32, DIMS(3, 2), 1, 4, 2, 5, 3, 6);
    else
        IN(c, F32, DIMS(2, 3), 1, 2, 3, 4, 5, 6);
    if (tb)
        IN(c, F32, DIMS(2, 3), 1, 0, 1, 0, 1, 1);
    else
        IN(c, F32, DIMS(3, 2), 1, 0, 0, 1, 1, 1);
    set_int(c, "transA", ta);
    set_int(c, "transB", tb);
    return c;
}

static void gemm_in_all_orders(void **state)
{
    (void)state;
    for (int ta = 0; ta < 2; ta++)
        for (int tb = 0; tb < 2; tb++) {
            interp_case *c = gemm(ta, tb);
            OUT(c, F32, DIMS(2, 2));
            CHECK(c, 4, 5, 10, 11);
            c = gemm(ta, tb);
            IN(c, F32, DIMS(2, 1), 1, 2);
            set_float(c, "alpha", 0.5f);
            set_float(c, "beta", 10.0f);
            OUT(c, F32, DIMS(2, 2));
            CHECK(c, 12, 12.5, 25, 25.5);
        }
}

/* With alpha = 1 the chain begins at beta * C. */
static void gemm_begins_at_c(void **state)
{
    (void)state;
    interp_case *const c = case_of("Gemm");
    IN(c, F32, DIMS(1, 2), 1, -0x1p24);
    IN(c, F32, DIMS(2, 1), 1, 1);
    IN(c, F32, DIMS(1), 0x1p24);
    OUT(c, F32, DIMS(1, 1));
    CHECK(c, 0); /* 2^24 + 1 = 2^24 */
}

/* ---- fused ---- */

static void fused_conv_adds_and_clamps(void **state)
{
    (void)state;
    interp_case *const c = case_of("FusedConv");
    IN(c, F32, DIMS(1, 1, 4), 1, 2, 3, 4);
    IN(c, F32, DIMS(1, 1, 1), 2);
    IN(c, F32, DIMS(1), 1);
    IN(c, F32, DIMS(1, 1, 4), -10, 0, 0.5, 10);
    set_float(c, "min", 0.0f);
    set_float(c, "max", 8.0f);
    OUT(c, F32, DIMS(1, 1, 4));
    CHECK(c, 0, 5, 7.5, 8);
}

/* Operands are rounded to the compute type; the result only with round_output, and before the
 * residual. */
static void fused_matmul_in_16_bits(void **state)
{
    (void)state;
    const double x = 1.0 + 0x1p-8; /* bf16: 1 */
    for (int rounds = 0; rounds < 2; rounds++) {
        interp_case *const c = case_of("FusedMatMul");
        IN(c, F32, DIMS(1, 1), x);
        IN(c, F32, DIMS(2, 1), 1.5, 3);
        IN(c, F32, DIMS(2), 0x1p-12, 0x1p-12);
        IN(c, F32, DIMS(1, 2), 0x1p-13, 0);
        set_int(c, "transB", 1);
        set_string(c, "compute", "bf16");
        set_int(c, "round_output", rounds);
        OUT(c, F32, DIMS(1, 2));
        if (rounds)
            CHECK(c, 1.5 + 0x1p-13, 3);
        else
            CHECK(c, 1.5 + 0x1p-12 + 0x1p-13, 3 + 0x1p-12);
    }
    interp_case *const c = case_of("FusedMatMul");
    IN(c, F32, DIMS(1, 1), 1.0 + 0x1p-11);
    IN(c, F32, DIMS(1, 1), 3);
    set_string(c, "compute", "f16");
    OUT(c, F32, DIMS(1, 1));
    CHECK(c, 3);
    interp_case *const d = case_of("FusedMatMul");
    IN(d, F32, DIMS(1, 1), 1);
    IN(d, F32, DIMS(1, 1), 3);
    set_string(d, "compute", "f8");
    OUT(d, F32, DIMS(1, 1));
    refused(d, MXD_E_INVAL);
}

static void weights_alone_are_integers(void **state)
{
    (void)state;
    static const float   scale[] = { 0.5f, 2.0f, 0.25f, 4.0f };
    static const int32_t zero[]  = { 0, 1, 0, 1 };
    interp_case         *c       = case_of("FusedConv"); /* by channel */
    IN(c, F32, DIMS(1, 2, 1), 1, 10);
    IN(c, S4, DIMS(2, 2, 1), -8, 7, 3, 4);
    case_qparams(c, scale, zero, 2, 0, 0);
    OUT(c, F32, DIMS(1, 2, 1));
    CHECK(c, -4 + 35, 4 + 60);
    c = case_of("FusedMatMul"); /* in blocks of 2 along the input channels */
    IN(c, F32, DIMS(1, 3), 1, 1, 1);
    IN(c, S8, DIMS(3, 2), 1, 2, 3, 4, 5, 6);
    case_qparams(c, scale, zero, 4, 0, 2);
    OUT(c, F32, DIMS(1, 2));
    CHECK(c, 0.5 * 4 + 0.25 * 5, 2.0 * (1 + 3) + 4.0 * 5);
    c = case_of("FusedMatMul");
    IN(c, F32, DIMS(1, 1), 1);
    IN(c, S8, DIMS(1, 1), 1);
    OUT(c, F32, DIMS(1, 1));
    refused(c, MXD_E_INVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv_with_everything),
        cmocka_unit_test(conv_of_one_and_three_axes),
        cmocka_unit_test(conv_is_one_chain_in_order),
        cmocka_unit_test(conv_uses_fmaf),
        cmocka_unit_test(conv_refuses),
        cmocka_unit_test(conv_transposed),
        cmocka_unit_test(conv_transposed_in_groups),
        cmocka_unit_test(matmul),
        cmocka_unit_test(gemm_in_all_orders),
        cmocka_unit_test(gemm_begins_at_c),
        cmocka_unit_test(fused_conv_adds_and_clamps),
        cmocka_unit_test(fused_matmul_in_16_bits),
        cmocka_unit_test(weights_alone_are_integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
