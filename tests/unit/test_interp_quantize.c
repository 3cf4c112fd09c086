/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX's own quantization ops: QuantizeLinear and DequantizeLinear in every granularity and type,
 * dynamic quantization, and the products on integers.
 */
#include "interp_case.h"

/* ---- QuantizeLinear ---- */

static void quantize_rounds_ties_to_even_and_saturates(void **state)
{
    (void)state;
    interp_case *const c = case_of("QuantizeLinear");
    IN(c, F32, DIMS(9), -1e9, -5, -3, -1, 1, 3, 5, 1e9, (double)NAN);
    IN(c, F32, SCALAR, 2);
    IN(c, U8, SCALAR, 2);
    OUT(c, U8, DIMS(9));
    CHECK(c, 0, 0, 0, 2, 2, 4, 4, 255, 2); /* -2.5 -1.5 -0.5 0.5 1.5 2.5 */
}

/* x / s, not x * (1 / s): 5.5 / 0.1 rounds otherwise than 5.5 * 10. */
static void quantize_divides(void **state)
{
    (void)state;
    float x = 0, s = 0;
    int   found = 0;
    for (int i = 1; i < 1000 && !found; i++)
        for (int k = 0; k < 100 && !found; k++) {
            s     = 0.01f * (float)i;
            x     = ((float)k + 0.5f) * s;
            found = rintf(x / s) != rintf(x * (1.0f / s));
        }
    assert_true(found);
    interp_case *const c = case_of("QuantizeLinear");
    IN(c, F32, DIMS(1), (double)x);
    IN(c, F32, SCALAR, (double)s);
    OUT(c, U8, DIMS(1));
    CHECK(c, (double)rintf(x / s));
}

static void quantize_to_every_type(void **state)
{
    (void)state;
    static const struct {
        mxd_dtype type;
        double    lo, hi;
    } types[] = { { MXD_U8, 0, 255 },         { MXD_S8, -128, 127 }, { MXD_U16, 0, 65535 },
                  { MXD_S16, -32768, 32767 }, { MXD_U4, 0, 15 },     { MXD_S4, -8, 7 } };
    for (size_t k = 0; k < sizeof(types) / sizeof(types[0]); k++) {
        interp_case *const c = case_of("QuantizeLinear");
        IN(c, F32, DIMS(3), -1e6, 3.2, 1e6);
        IN(c, F32, DIMS(1), 1);
        case_in(c, types[k].type, DIMS(1), (const double[]){ 1 }, 1);
        case_out(c, types[k].type, DIMS(3));
        CHECK(c, types[k].lo, 4, types[k].hi);
    }
}

static void quantize_by_axis_and_by_block(void **state)
{
    (void)state;
    interp_case *c = case_of("QuantizeLinear");
    IN(c, F32, DIMS(2, 3), 10, 10, 10, 20, 20, 20);
    IN(c, F32, DIMS(3), 1, 2, 5);
    IN(c, S8, DIMS(3), 0, 1, 2);
    set_int(c, "axis", -1);
    OUT(c, S8, DIMS(2, 3));
    CHECK(c, 10, 6, 4, 20, 11, 6);

    c = case_of("QuantizeLinear");
    IN(c, F32, DIMS(2, 3), 10, 10, 10, 20, 20, 20);
    IN(c, F32, DIMS(2), 1, 2);
    set_int(c, "axis", 0);
    OUT(c, U8, DIMS(2, 3));
    CHECK(c, 10, 10, 10, 10, 10, 10);

    c = case_of("QuantizeLinear"); /* blocks of 2 along the rows, the last one of 1 */
    IN(c, F32, DIMS(2, 3), 10, 10, 10, 20, 20, 20);
    IN(c, F32, DIMS(2, 2), 1, 2, 5, 10);
    IN(c, U8, DIMS(2, 2), 0, 1, 2, 3);
    set_int(c, "axis", 1);
    set_int(c, "block_size", 2);
    OUT(c, U8, DIMS(2, 3));
    CHECK(c, 10, 10, 6, 6, 6, 5);

    c = case_of("QuantizeLinear"); /* and down the columns */
    IN(c, F32, DIMS(3, 2), 10, 20, 30, 40, 50, 60);
    IN(c, F32, DIMS(2, 2), 1, 2, 5, 10);
    set_int(c, "axis", 0);
    set_int(c, "block_size", 2);
    OUT(c, U8, DIMS(3, 2));
    CHECK(c, 10, 10, 30, 20, 10, 6);
}

/* 16-bit operands divide in 16 bits: 2047 / 1365 = 1.49963 is a tie there. */
static void quantize_of_16_bits(void **state)
{
    (void)state;
    for (int precise = 0; precise < 2; precise++) {
        interp_case *const c = case_of("QuantizeLinear");
        IN(c, F16, DIMS(1), 2047);
        IN(c, F16, SCALAR, 1365);
        if (precise)
            set_int(c, "precision", 1);
        OUT(c, U8, DIMS(1));
        CHECK(c, precise ? 1 : 2);
    }
}

static void quantize_to_8_bit_floats(void **state)
{
    (void)state;
    for (int saturate = 0; saturate < 2; saturate++) {
        const double       most = saturate ? 448 : (double)NAN;
        interp_case *const c    = case_of("QuantizeLinear");
        IN(c, F32, DIMS(6), 2, 17 * 2, 464 * 2, 466 * 2, -1e9, (double)INFINITY);
        IN(c, F32, SCALAR, 2);
        IN(c, F8E4M3, SCALAR, 0);
        set_int(c, "saturate", saturate);
        OUT(c, F8E4M3, DIMS(6));
        CHECK(c, 1, 16, 448, most, saturate ? -448 : (double)NAN, most);
    }
}

static void quantize_refuses(void **state)
{
    (void)state;
    interp_case *c = case_of("QuantizeLinear");
    IN(c, F32, DIMS(2, 3), 1, 2, 3, 4, 5, 6);
    IN(c, F32, DIMS(2), 1, 2); /* axis 1 has 3 */
    OUT(c, U8, DIMS(2, 3));
    refused(c, MXD_E_SHAPE);
    c = case_of("QuantizeLinear");
    IN(c, F32, DIMS(3), 1, 2, 3);
    IN(c, F32, DIMS(1), 1);
    IN(c, U8, DIMS(2), 1, 2);
    OUT(c, U8, DIMS(3));
    refused(c, MXD_E_SHAPE);
    c = case_of("QuantizeLinear");
    IN(c, F32, DIMS(3), 1, 2, 3);
    IN(c, F32, DIMS(3), 1, 1, 1);
    set_int(c, "axis", 0);
    set_int(c, "block_size", INT64_MAX);
    OUT(c, U8, DIMS(3));
    refused(c, MXD_E_RANGE);
    c = case_of("QuantizeLinear");
    IN(c, F32, DIMS(1), 1);
    IN(c, F32, DIMS(1), 1);
    OUT(c, F32, DIMS(1));
    refused(c, MXD_E_UNSUPPORTED);
}

/* ---- DequantizeLinear ---- */

static void dequantize(void **state)
{
    (void)state;
    interp_case *c = case_of("DequantizeLinear");
    IN(c, U8, DIMS(3), 0, 128, 255);
    IN(c, F32, SCALAR, 0.5);
    IN(c, U8, SCALAR, 128);
    OUT(c, F32, DIMS(3));
    CHECK(c, -64, 0, 63.5);

    c = case_of("DequantizeLinear");
    IN(c, S4, DIMS(2, 3), -8, -1, 7, 1, 2, 3);
    IN(c, F32, DIMS(2), 1, 10);
    IN(c, S4, DIMS(2), 1, -1);
    set_int(c, "axis", 0);
    OUT(c, F32, DIMS(2, 3));
    CHECK(c, -9, -2, 6, 20, 30, 40);

    c = case_of("DequantizeLinear"); /* a bias */
    IN(c, S32, DIMS(2), 2147483647, -5);
    IN(c, F32, DIMS(2), 0x1p-31, 0.25);
    set_int(c, "axis", 0);
    OUT(c, F32, DIMS(2));
    CHECK(c, 1, -1.25); /* 2147483647 rounds to 2^31 */

    c = case_of("DequantizeLinear");
    IN(c, F8E4M3, DIMS(2), 0.5, 448);
    IN(c, F16, SCALAR, 2);
    OUT(c, F16, DIMS(2));
    CHECK(c, 1, 896);

    c = case_of("DequantizeLinear"); /* blocks */
    IN(c, U4, DIMS(1, 4), 1, 2, 3, 4);
    IN(c, F32, DIMS(1, 2), 1, 10);
    set_int(c, "axis", 1);
    set_int(c, "block_size", 2);
    OUT(c, F32, DIMS(1, 4));
    CHECK(c, 1, 2, 30, 40);
}

/* ---- DynamicQuantizeLinear ---- */

static interp_case *dynamic(const double *x, int64_t n)
{
    interp_case *const c = case_of("DynamicQuantizeLinear");
    case_in(c, MXD_F32, &n, 1, x, n);
    case_out(c, MXD_U8, &n, 1);
    OUT(c, F32, SCALAR);
    OUT(c, U8, SCALAR);
    run(c);
    return c;
}

static void quantize_by_the_range_at_hand(void **state)
{
    (void)state;
    interp_case *c = dynamic((const double[]){ -255, 0, 1, 3, 255 }, 5);
    WANT_OF(c, 1, 2);
    WANT_OF(c, 2, 128); /* 127.5 to even */
    WANT_OF(c, 0, 0, 128, 128, 130,
            255); /* -127.5 -> -128; 0.5 -> 0; 1.5 -> 2; 127.5 -> 128, cut */
    done(c);
    c = dynamic((const double[]){ 51, 102 }, 2); /* 0 is in the range */
    WANT_OF(c, 1, (double)(102.0f / 255.0f));
    WANT_OF(c, 2, 0);
    WANT_OF(c, 0, 128, 255);
    done(c);
    c = dynamic((const double[]){ 0, 0 }, 2); /* no range at all */
    WANT_OF(c, 1, (double)(1.0f / 255.0f));
    WANT_OF(c, 2, 0);
    WANT_OF(c, 0, 0, 0);
    done(c);
}

/* ---- products ---- */

static void conv_integer(void **state)
{
    (void)state;
    static const int64_t pads[] = { 1, 0 };
    interp_case         *c      = case_of("ConvInteger");
    IN(c, U8, DIMS(1, 1, 3), 2, 3, 4);
    IN(c, S8, DIMS(2, 1, 2), 1, 2, 3, 4);
    IN(c, U8, SCALAR, 1);
    IN(c, S8, DIMS(2), 0, 1);
    set_ints(c, "pads", pads, 2);
    OUT(c, S32, DIMS(1, 2, 3));
    CHECK(c, 2, 5, 8, 3, 8, 13);
    c = case_of("ConvInteger"); /* x has one zero point */
    IN(c, U8, DIMS(2, 1, 1), 1, 2);
    IN(c, U8, DIMS(1, 1, 1), 1);
    IN(c, U8, DIMS(2), 1, 2);
    OUT(c, S32, DIMS(2, 1, 1));
    refused(c, MXD_E_SHAPE);
}

static void matmul_integer(void **state)
{
    (void)state;
    interp_case *c = case_of("MatMulInteger");
    IN(c, U8, DIMS(2, 2), 1, 2, 3, 4);
    IN(c, S8, DIMS(2, 2), 1, 2, 3, 4);
    IN(c, U8, DIMS(2), 1, 2); /* by row */
    IN(c, S8, DIMS(2), 1, 2); /* by column */
    OUT(c, S32, DIMS(2, 2));
    CHECK(c, 2, 2, 4, 4); /* (0 1; 1 2) (0 0; 2 2) */

    c = case_of("MatMulInteger"); /* one for each row of each matrix */
    IN(c, U8, DIMS(2, 1, 2), 5, 6, 7, 8);
    IN(c, U8, DIMS(2, 1), 1, 10);
    IN(c, U8, DIMS(2, 1, 1), 5, 6);
    OUT(c, S32, DIMS(2, 1, 1));
    CHECK(c, 10, 21);
    c = case_of("MatMulInteger");
    IN(c, U8, DIMS(2, 2), 1, 2, 3, 4);
    IN(c, U8, DIMS(2, 2), 1, 2, 3, 4);
    IN(c, U8, DIMS(3), 1, 2, 3);
    OUT(c, S32, DIMS(2, 2));
    refused(c, MXD_E_SHAPE);
}

static void qlinear_conv(void **state)
{
    (void)state;
    interp_case *const c = case_of("QLinearConv");
    IN(c, U8, DIMS(1, 1, 2), 130, 126);
    IN(c, F32, SCALAR, 0.5);
    IN(c, U8, SCALAR, 128);
    IN(c, S8, DIMS(2, 1, 1), 3, 5);
    IN(c, F32, DIMS(2), 1, 2);
    IN(c, S8, DIMS(2), 0, 1);
    IN(c, F32, SCALAR, 2);
    IN(c, U8, SCALAR, 100);
    IN(c, S32, DIMS(2), 4, -5);
    OUT(c, U8, DIMS(1, 2, 2));
    /* (6 + 4) / 4 = 2.5, (-6 + 4) / 4 = -0.5; (8 - 5) / 2 = 1.5, (-8 - 5) / 2 = -6.5 */
    CHECK(c, 102, 100, 102, 94);
}

/* Scales of a by row and of b by column. */
static void qlinear_matmul(void **state)
{
    (void)state;
    interp_case *const c = case_of("QLinearMatMul");
    IN(c, U8, DIMS(2, 2), 1, 2, 3, 4);
    IN(c, F32, DIMS(2), 1, 0.5);
    IN(c, U8, DIMS(2), 0, 1);
    IN(c, S8, DIMS(2, 2), 1, 2, 3, 4);
    IN(c, F32, DIMS(2), 1, 0.25);
    IN(c, S8, DIMS(2), 0, 1);
    IN(c, F32, SCALAR, 1);
    IN(c, S8, SCALAR, -10);
    OUT(c, S8, DIMS(2, 2));
    /* (1 2; 2 3) (1 1; 3 3) = (7 7; 11 11), times 1 0.25; 0.5 0.125 */
    CHECK(c, -3, -8, -4, -9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantize_rounds_ties_to_even_and_saturates),
        cmocka_unit_test(quantize_divides),
        cmocka_unit_test(quantize_to_every_type),
        cmocka_unit_test(quantize_by_axis_and_by_block),
        cmocka_unit_test(quantize_of_16_bits),
        cmocka_unit_test(quantize_to_8_bit_floats),
        cmocka_unit_test(quantize_refuses),
        cmocka_unit_test(dequantize),
        cmocka_unit_test(quantize_by_the_range_at_hand),
        cmocka_unit_test(conv_integer),
        cmocka_unit_test(matmul_integer),
        cmocka_unit_test(qlinear_conv),
        cmocka_unit_test(qlinear_matmul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
