/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of one element and of broadcast inputs, Cast, Clip: every op of the tables, floats at
 * the places where they differ from what one would write first, integers at the ends of their
 * types.
 */
#include "interp_case.h"

/* ---- one input ---- */

static void unary(const char *op, const double *x, int64_t n, const double *want, double tolerance)
{
    interp_case *const c = case_of(op);
    case_in(c, MXD_F32, &n, 1, x, n);
    case_out(c, MXD_F32, &n, 1);
    run(c);
    expect(c, 0, want, n, tolerance);
    done(c);
}
#define UNARY(op, tolerance, x, ...) \
    unary(op, NUMBERS x, (const double[]){ __VA_ARGS__ }, tolerance)

static void functions_of_one_float(void **state)
{
    (void)state;
    const double inf = (double)INFINITY, nan = (double)NAN;
    UNARY("Abs", 0, (-1.5, 0, -inf), 1.5, 0, inf);
    UNARY("Ceil", 0, (-1.5, 1.2), -1, 2);
    UNARY("Elu", 1e-7, (-1, 2), -0.6321205588, 2);
    UNARY("Erf", 1e-7, (0.5, -inf), 0.5204998778, -1);
    UNARY("Exp", 1e-7, (1, -inf), 2.7182818285, 0);
    UNARY("Floor", 0, (-1.5, 1.8), -2, 1);
    UNARY("Gelu", 1e-7, (1, -1), 0.8413447461, -0.1586552539);
    UNARY("HardSigmoid", 1e-7, (-5, 0, 1, 5), 0, 0.5, 0.7, 1);
    UNARY("HardSwish", 1e-7, (-4, -1, 1, 4), 0, -1.0 / 3, 2.0 / 3, 4);
    UNARY("LeakyRelu", 1e-9, (-2, 3), -0.02, 3);
    UNARY("Log", 1e-7, (1, 0, -1), 0, -inf, nan);
    UNARY("Neg", 0, (-1, 2), 1, -2);
    UNARY("Reciprocal", 0, (4, 0), 0.25, inf);
    UNARY("Relu", 0, (-1, 2, nan), 0, 2, nan);
    UNARY("Round", 0, (0.5, 1.5, 2.5, -0.5), 0, 2, 2, 0);
    UNARY("Sigmoid", 1e-7, (0, 1, -200), 0.5, 0.7310585786, 0);
    UNARY("Sign", 0, (-3, 0, 3), -1, 0, 1);
    UNARY("Softplus", 1e-7, (0, 100, -100), 0.6931471806, 100, 0);
    UNARY("Softsign", 0, (3, -1), 0.75, -0.5);
    UNARY("Sqrt", 1e-7, (2, -1), 1.4142135624, nan);
    UNARY("Tanh", 1e-7, (1, inf), 0.7615941560, 1);
}

static void attributes_of_one_float(void **state)
{
    (void)state;
    interp_case *c = case_of("HardSigmoid");
    IN(c, F32, DIMS(2), 1, -1);
    set_float(c, "alpha", 0.25f);
    set_float(c, "beta", 0.125f);
    OUT(c, F32, DIMS(2));
    CHECK(c, 0.375, 0);
    c = case_of("Gelu");
    IN(c, F32, DIMS(1), 1);
    set_string(c, "approximate", "tanh");
    OUT(c, F32, DIMS(1));
    CHECK_NEAR(c, 1e-7, 0.8411919906);
    c = case_of("Gelu");
    IN(c, F32, DIMS(1), 1);
    set_string(c, "approximate", "sine");
    OUT(c, F32, DIMS(1));
    refused(c, MXD_E_INVAL);
    c = case_of("Elu");
    IN(c, F32, DIMS(1), -1);
    set_float(c, "alpha", 2.0f);
    OUT(c, F32, DIMS(1));
    CHECK_NEAR(c, 1e-7, -1.2642411177);
}

static void functions_of_one_integer(void **state)
{
    (void)state;
    interp_case *c = case_of("Abs");
    IN(c, S8, DIMS(3), -128, -5, 5);
    OUT(c, S8, DIMS(3));
    CHECK(c, -128, 5, 5); /* 128 wraps */
    c = case_of("Neg");
    IN(c, S32, DIMS(2), -2147483648.0, 7);
    OUT(c, S32, DIMS(2));
    CHECK(c, -2147483648.0, -7);
    c = case_of("Relu");
    IN(c, S32, DIMS(2), -1, 2);
    OUT(c, S32, DIMS(2));
    CHECK(c, 0, 2);
    c = case_of("Sign");
    IN(c, S64, DIMS(3), -9, 0, 9);
    OUT(c, S64, DIMS(3));
    CHECK(c, -1, 0, 1);
    c = case_of("Erf"); /* allowed by ONNX; truncated */
    IN(c, S32, DIMS(2), 0, 9);
    OUT(c, S32, DIMS(2));
    CHECK(c, 0, 1);
    c = case_of("Not");
    IN(c, BOOL, DIMS(2), 0, 1);
    OUT(c, BOOL, DIMS(2));
    CHECK(c, 1, 0);
}

static void half_floats_are_rounded_once(void **state)
{
    (void)state;
    interp_case *c = case_of("Exp");
    IN(c, F16, DIMS(1), 1);
    OUT(c, F16, DIMS(1));
    CHECK(c, 2.71875);
    c = case_of("Sqrt");
    IN(c, BF16, DIMS(1), 2);
    OUT(c, BF16, DIMS(1));
    CHECK(c, 1.4140625);
}

/* ---- several inputs ---- */

static void binary(const char *op, mxd_dtype type, mxd_dtype out, double a, double b, double want)
{
    interp_case *const c = case_of(op);
    case_in(c, type, DIMS(1), &a, 1);
    case_in(c, type, DIMS(1), &b, 1);
    case_out(c, out, DIMS(1));
    CHECK(c, want);
}

static void functions_of_two_floats(void **state)
{
    (void)state;
    const double nan = (double)NAN;
    binary("Add", MXD_F32, MXD_F32, 1.5, 2, 3.5);
    binary("Sub", MXD_F32, MXD_F32, 1.5, 2, -0.5);
    binary("Mul", MXD_F32, MXD_F32, 1.5, 2, 3);
    binary("Div", MXD_F32, MXD_F32, 3, 2, 1.5);
    binary("Pow", MXD_F32, MXD_F32, 2, 0.5, (double)sqrtf(2.0f));
    binary("PRelu", MXD_F32, MXD_F32, -2, 0.5, -1);
    binary("PRelu", MXD_F32, MXD_F32, 2, 0.5, 2);
    binary("Max", MXD_F32, MXD_F32, 1, nan, nan);
    binary("Max", MXD_F32, MXD_F32, nan, 1, nan);
    binary("Min", MXD_F32, MXD_F32, nan, 1, nan);
    binary("Min", MXD_F32, MXD_F32, 1, nan, nan);
    binary("Max", MXD_F32, MXD_F32, 1, 2, 2);
    binary("Min", MXD_F32, MXD_F32, 1, 2, 1);
    binary("Sum", MXD_F32, MXD_F32, 1, 2, 3);
    binary("Mean", MXD_F32, MXD_F32, 1, 2, 1.5);
    binary("Equal", MXD_F32, MXD_BOOL, nan, nan, 0);
    binary("Greater", MXD_F32, MXD_BOOL, 2, 1, 1);
    binary("Greater", MXD_F32, MXD_BOOL, 1, 1, 0);
    binary("GreaterOrEqual", MXD_F32, MXD_BOOL, 1, 1, 1);
    binary("Less", MXD_F32, MXD_BOOL, 1, 1, 0);
    binary("LessOrEqual", MXD_F32, MXD_BOOL, 1, 1, 1);
}

static void functions_of_two_integers(void **state)
{
    (void)state;
    binary("Add", MXD_S8, MXD_S8, 127, 1, -128);
    binary("Sub", MXD_U8, MXD_U8, 0, 1, 255);
    binary("Mul", MXD_S32, MXD_S32, 65536, 65537, 65536);
    binary("Div", MXD_S32, MXD_S32, -7, 2, -3);
    binary("Div", MXD_S32, MXD_S32, -2147483648.0, -1, -2147483648.0);
    binary("Pow", MXD_S32, MXD_S32, 3, 4, 81);
    binary("Pow", MXD_S32, MXD_S32, 2, -1, 0);
    binary("Pow", MXD_S32, MXD_S32, -1, -3, -1);
    binary("Equal", MXD_S64, MXD_BOOL, 5, 5, 1);
    binary("Less", MXD_U8, MXD_BOOL, 200, 100, 0);
    binary("And", MXD_BOOL, MXD_BOOL, 1, 0, 0);
    binary("Or", MXD_BOOL, MXD_BOOL, 1, 0, 1);
    interp_case *c = case_of("Div");
    IN(c, S32, DIMS(1), 1);
    IN(c, S32, DIMS(1), 0);
    OUT(c, S32, DIMS(1));
    refused(c, MXD_E_RANGE);
    c = case_of("Div"); /* the one quotient that overflows wraps */
    IN(c, S64, DIMS(1), 0);
    IN(c, S64, DIMS(1), -1);
    ((int64_t *)c->in[0].data)[0] = INT64_MIN;
    OUT(c, S64, DIMS(1));
    run(c);
    assert_true(((int64_t *)c->out[0].data)[0] == INT64_MIN);
    done(c);
    c = case_of("Pow"); /* of two types; the base's counts */
    IN(c, S32, DIMS(2), 2, 3);
    IN(c, F32, DIMS(2), 0.5, 2);
    OUT(c, S32, DIMS(2));
    CHECK(c, 1, 9);
}

static void inputs_broadcast(void **state)
{
    (void)state;
    interp_case *c = case_of("Sub");
    IN(c, F32, DIMS(2, 1), 10, 20);
    IN(c, F32, DIMS(3), 1, 2, 3);
    OUT(c, F32, DIMS(2, 3));
    CHECK(c, 9, 8, 7, 19, 18, 17);
    c = case_of("Max");
    IN(c, F32, SCALAR, 2);
    IN(c, F32, DIMS(3), 1, 2, 3);
    IN(c, F32, DIMS(2, 1), 0, 9);
    OUT(c, F32, DIMS(2, 3));
    CHECK(c, 2, 2, 3, 9, 9, 9);
    c = case_of("Where");
    IN(c, BOOL, DIMS(2, 1), 1, 0);
    IN(c, S64, DIMS(2), 1, 2);
    IN(c, S64, SCALAR, -1);
    OUT(c, S64, DIMS(2, 2));
    CHECK(c, 1, 2, -1, -1);
    c = case_of("Add");
    IN(c, F32, DIMS(2), 1, 2);
    IN(c, F32, DIMS(3), 1, 2, 3);
    OUT(c, F32, DIMS(3));
    refused(c, MXD_E_SHAPE);
    c = case_of("Add");
    IN(c, F32, DIMS(1), 1);
    IN(c, S32, DIMS(1), 1);
    OUT(c, F32, DIMS(1));
    refused(c, MXD_E_DTYPE);
}

/* ---- Clip, Cast ---- */

static void clip(void **state)
{
    (void)state;
    interp_case *c = case_of("Clip");
    IN(c, F32, DIMS(4), -3, 0, 3, (double)NAN);
    IN(c, F32, SCALAR, -1);
    IN(c, F32, SCALAR, 2);
    OUT(c, F32, DIMS(4));
    CHECK(c, -1, 0, 2, (double)NAN);
    c = case_of("Clip"); /* min above max: max */
    IN(c, S8, DIMS(2), -3, 100);
    IN(c, S8, SCALAR, 5);
    IN(c, S8, SCALAR, 2);
    OUT(c, S8, DIMS(2));
    CHECK(c, 2, 2);
    c = case_of("Clip");
    IN(c, F32, DIMS(2), -3, 100);
    IN(c, F32, SCALAR, 5);
    IN(c, F32, SCALAR, 2);
    OUT(c, F32, DIMS(2));
    CHECK(c, 2, 2);
    c = case_of("Clip"); /* one end alone */
    IN(c, S32, DIMS(2), -3, 100);
    case_no_in(c);
    IN(c, S32, SCALAR, 2);
    OUT(c, S32, DIMS(2));
    CHECK(c, -3, 2);
    c               = case_of("Clip");
    c->node.version = 6;
    IN(c, F32, DIMS(2), -3, 100);
    set_float(c, "min", 0.5f);
    OUT(c, F32, DIMS(2));
    CHECK(c, 0.5, 100);
}

static void casts(void **state)
{
    (void)state;
    interp_case *c = case_of("Cast");
    IN(c, F32, DIMS(4), -1.9, 1.9, 3e9, (double)NAN);
    OUT(c, S64, DIMS(4));
    CHECK(c, -1, 1, 3e9, 0);
    c = case_of("Cast");
    IN(c, S32, DIMS(3), 300, -1, 127);
    OUT(c, U8, DIMS(3));
    CHECK(c, 44, 255, 127);
    c = case_of("Cast");
    IN(c, F32, DIMS(3), 0, 0.1, (double)NAN);
    OUT(c, BOOL, DIMS(3));
    CHECK(c, 0, 1, 1);
    c = case_of("Cast");
    IN(c, F32, DIMS(3), 1.0 + 0x1p-11, 1.0 + 3 * 0x1p-11, 1e6);
    OUT(c, F16, DIMS(3));
    CHECK(c, 1, 1.0 + 0x1p-9, (double)INFINITY); /* ties to even */
    c = case_of("Cast");
    IN(c, U8, DIMS(3), 7, 8, 255);
    OUT(c, S4, DIMS(3));
    CHECK(c, 7, -8, -1);
    c = case_of("Cast");
    IN(c, S4, DIMS(3), -8, 7, 1);
    OUT(c, F32, DIMS(3));
    CHECK(c, -8, 7, 1);
    for (int saturate = 0; saturate < 2; saturate++) {
        c = case_of("Cast");
        IN(c, F32, DIMS(3), 464, 465, -1000);
        set_int(c, "saturate", saturate);
        OUT(c, F8E4M3, DIMS(3));
        CHECK(c, 448, saturate ? 448 : (double)NAN, saturate ? -448 : (double)NAN);
    }
}

/* 2^53 + 2^29 + 1 is above a tie of binary32; binary64 on the way would make it one. */
static void casts_of_64_bits_round_once(void **state)
{
    (void)state;
    interp_case *const c = case_of("Cast");
    IN(c, S64, DIMS(1), 0);
    ((int64_t *)c->in[0].data)[0] = ((int64_t)1 << 53) + ((int64_t)1 << 29) + 1;
    OUT(c, F32, DIMS(1));
    CHECK(c, 0x1p53 + 0x1p30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_of_one_float),
        cmocka_unit_test(attributes_of_one_float),
        cmocka_unit_test(functions_of_one_integer),
        cmocka_unit_test(half_floats_are_rounded_once),
        cmocka_unit_test(functions_of_two_floats),
        cmocka_unit_test(functions_of_two_integers),
        cmocka_unit_test(inputs_broadcast),
        cmocka_unit_test(clip),
        cmocka_unit_test(casts),
        cmocka_unit_test(casts_of_64_bits_round_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
