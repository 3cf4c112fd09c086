/* SPDX-License-Identifier: Apache-2.0
 *
 * Ops along axes and windows: pools, reductions, softmax, normalization, ArgMax, TopK.
 */
#include "interp_case.h"

/* ---- pools ---- */

static interp_case *pool(const char *op)
{
    static const int64_t kernel[] = { 2, 2 }, pads[] = { 1, 0, 0, 0 };
    interp_case *const   c = case_of(op);
    IN(c, F32, DIMS(1, 1, 2, 3), 1, -2, 3, -4, 5, 6);
    set_ints(c, "kernel_shape", kernel, 2);
    set_ints(c, "pads", pads, 4);
    OUT(c, F32, DIMS(1, 1, 2, 2));
    return c;
}

static void pools(void **state)
{
    (void)state;
    interp_case *c = pool("MaxPool");
    CHECK(c, 1, 3, 5, 6);
    c = pool("AveragePool");
    CHECK(c, -0.5, 0.5, 0, 3);
    c = pool("AveragePool");
    set_int(c, "count_include_pad", 1);
    CHECK(c, -0.25, 0.25, 0, 3);
    c = case_of("GlobalAveragePool");
    IN(c, F32, DIMS(1, 2, 2), 1, 3, 5, 9);
    OUT(c, F32, DIMS(1, 2, 1));
    CHECK(c, 2, 7);
    c = case_of("GlobalMaxPool");
    IN(c, F32, DIMS(1, 2, 2), -1, -3, 5, (double)NAN);
    OUT(c, F32, DIMS(1, 2, 1));
    CHECK(c, -1, (double)NAN);
}

static void positions_of_the_largest(void **state)
{
    (void)state;
    for (int by_column = 0; by_column < 2; by_column++) {
        interp_case *const c = pool("MaxPool");
        set_int(c, "storage_order", by_column);
        OUT(c, S64, DIMS(1, 1, 2, 2));
        run(c);
        if (by_column)
            WANT_OF(c, 1, 0, 4, 3, 5);
        else
            WANT_OF(c, 1, 0, 2, 4, 5);
        done(c);
    }
}

static void first_of_equals(void **state)
{
    (void)state;
    static const int64_t kernel[] = { 3 };
    interp_case *const   c        = case_of("MaxPool");
    IN(c, F32, DIMS(1, 1, 3), 7, 7, 7);
    set_ints(c, "kernel_shape", kernel, 1);
    OUT(c, F32, DIMS(1, 1, 1));
    OUT(c, S64, DIMS(1, 1, 1));
    run(c);
    WANT_OF(c, 0, 7);
    WANT_OF(c, 1, 0);
    done(c);
}

/* Padding is never the largest, and of integers no bit is lost. */
static void largest_of_integers(void **state)
{
    (void)state;
    static const int64_t kernel[] = { 2 }, pads[] = { 1, 1 }, strides[] = { 3 };
    interp_case         *c = case_of("MaxPool");
    IN(c, S8, DIMS(1, 1, 2), -128, -100);
    set_ints(c, "kernel_shape", kernel, 1);
    set_ints(c, "pads", pads, 2);
    OUT(c, S8, DIMS(1, 1, 3));
    CHECK(c, -128, -100, -100);
    c = case_of("MaxPool");
    IN(c, S64, DIMS(1, 1, 2), 0, 0);
    ((int64_t *)c->in[0].data)[0] = ((int64_t)1 << 53) + 1;
    ((int64_t *)c->in[0].data)[1] = 5;
    set_ints(c, "kernel_shape", kernel, 1);
    OUT(c, S64, DIMS(1, 1, 1));
    run(c);
    assert_true(((int64_t *)c->out[0].data)[0] == ((int64_t)1 << 53) + 1);
    done(c);
    c = case_of("MaxPool"); /* the last window of ceil_mode */
    IN(c, U8, DIMS(1, 1, 4), 1, 2, 3, 4);
    set_ints(c, "kernel_shape", kernel, 1);
    set_ints(c, "strides", strides, 1);
    set_int(c, "ceil_mode", 1);
    OUT(c, U8, DIMS(1, 1, 2));
    CHECK(c, 2, 4);
}

/* A window larger than anything in memory costs no more than the image. */
static void huge_windows_are_cheap(void **state)
{
    (void)state;
    static const int64_t     kernel[] = { INT32_MAX, INT32_MAX, INT32_MAX };
    static const int64_t     pads[]   = { INT32_MAX - 1, INT32_MAX - 1, INT32_MAX - 1, 0, 0, 0 };
    static const char *const ops[]    = { "MaxPool", "AveragePool" };
    for (int k = 0; k < 2; k++) {
        interp_case *const c = case_of(ops[k]);
        IN(c, F32, DIMS(1, 1, 1, 1, 1), 3);
        set_ints(c, "kernel_shape", kernel, 3);
        set_ints(c, "pads", pads, 6);
        OUT(c, F32, DIMS(1, 1, 1, 1, 1));
        CHECK(c, 3);
    }
}

/* ---- reductions ---- */

static void reduce(const char *op, mxd_dtype type, double by_row_0, double by_row_1)
{
    static const int64_t axes[] = { -1 };
    interp_case         *c      = case_of(op);
    case_in(c, type, DIMS(2, 3), (const double[]){ 1, 2, 4, 3, 3, 2 }, 6);
    c->node.version = 12;
    set_ints(c, "axes", axes, 1);
    set_int(c, "keepdims", 0);
    case_out(c, type, DIMS(2));
    CHECK(c, by_row_0, by_row_1);
    c = case_of(op); /* axes as an input */
    case_in(c, type, DIMS(2, 3), (const double[]){ 1, 2, 4, 3, 3, 2 }, 6);
    IN(c, S64, DIMS(1), 1);
    case_out(c, type, DIMS(2, 1));
    CHECK(c, by_row_0, by_row_1);
}

static void reductions(void **state)
{
    (void)state;
    reduce("ReduceSum", MXD_F32, 7, 8);
    reduce("ReduceSum", MXD_S32, 7, 8);
    reduce("ReduceMean", MXD_S32, 2, 2);
    reduce("ReduceMax", MXD_F32, 4, 3);
    reduce("ReduceMax", MXD_U8, 4, 3);
    reduce("ReduceMin", MXD_F32, 1, 2);
    reduce("ReduceMin", MXD_S8, 1, 2);
    reduce("ReduceProd", MXD_F32, 8, 18);
    reduce("ReduceProd", MXD_S64, 8, 18);
}

static void reductions_of_all_or_none(void **state)
{
    (void)state;
    for (int noop = 0; noop < 2; noop++)
        for (int given = 0; given < 2; given++) {
            interp_case *const c = case_of("ReduceMean");
            IN(c, F32, DIMS(2, 2), 1, 2, 3, 6);
            if (given)
                IN_EMPTY(c, S64, DIMS(0));
            set_int(c, "noop_with_empty_axes", noop);
            if (noop) {
                OUT(c, F32, DIMS(2, 2));
                CHECK(c, 1, 2, 3, 6);
            } else {
                OUT(c, F32, DIMS(1, 1));
                CHECK(c, 3);
            }
        }
    interp_case *c = case_of("ReduceMax"); /* of nothing: the lowest */
    IN_EMPTY(c, S8, DIMS(0));
    set_int(c, "keepdims", 0);
    OUT(c, S8, SCALAR);
    CHECK(c, -128);
    c = case_of("ReduceMin");
    IN_EMPTY(c, F32, DIMS(0));
    OUT(c, F32, DIMS(1));
    CHECK(c, (double)INFINITY);
    c = case_of("ReduceMax");
    IN(c, F32, DIMS(2), (double)NAN, 1);
    OUT(c, F32, DIMS(1));
    CHECK(c, (double)NAN);
    c = case_of("ReduceMax");
    IN(c, BOOL, DIMS(2), 0, 1);
    OUT(c, BOOL, DIMS(1));
    CHECK(c, 1);
}

static void reductions_refuse(void **state)
{
    (void)state;
    static const int64_t twice[] = { 0, -1 };
    interp_case         *c       = case_of("ReduceSum");
    IN(c, F32, DIMS(2), 1, 2);
    IN(c, S64, DIMS(1), 1);
    OUT(c, F32, DIMS(1));
    refused(c, MXD_E_RANGE);
    c = case_of("ReduceSum");
    IN(c, F32, DIMS(1), 1);
    set_ints(c, "axes", twice, 2);
    OUT(c, F32, DIMS(1));
    refused(c, MXD_E_RANGE);
    c = case_of("ReduceSum");
    IN(c, F32, DIMS(2), 1, 2);
    OUT(c, F32, DIMS(2));
    refused(c, MXD_E_SHAPE);
}

/* ---- softmax ---- */

static void softmax(void **state)
{
    (void)state;
    interp_case *c = case_of("Softmax");
    IN(c, F32, DIMS(2, 2), 0, 1000, 0.6931471806, 1000);
    set_int(c, "axis", 0);
    OUT(c, F32, DIMS(2, 2));
    CHECK_NEAR(c, 1e-7, 1.0 / 3, 0.5, 2.0 / 3, 0.5);
    c               = case_of("Softmax"); /* everything from axis 1 on */
    c->node.version = 11;
    IN(c, F32, DIMS(1, 2, 2), 0, 0, 0, 0);
    OUT(c, F32, DIMS(1, 2, 2));
    CHECK(c, 0.25, 0.25, 0.25, 0.25);
    c = case_of("Softmax"); /* the last axis */
    IN(c, F32, DIMS(1, 2, 2), 0, 0, 0, 0);
    OUT(c, F32, DIMS(1, 2, 2));
    CHECK(c, 0.5, 0.5, 0.5, 0.5);
    c = case_of("LogSoftmax");
    IN(c, F32, DIMS(2), 0, 1000);
    OUT(c, F32, DIMS(2));
    CHECK(c, -1000, 0);
}

/* ---- normalization ---- */

static void normalizations(void **state)
{
    (void)state;
    interp_case *c = case_of("BatchNormalization");
    IN(c, F32, DIMS(1, 2, 2), 1, 2, 3, 4);
    IN(c, F32, DIMS(2), 2, 3);
    IN(c, F32, DIMS(2), 10, 20);
    IN(c, F32, DIMS(2), 1, 3);
    IN(c, F32, DIMS(2), 3, 15);
    set_float(c, "epsilon", 1.0f);
    OUT(c, F32, DIMS(1, 2, 2));
    CHECK(c, 10, 11, 20, 20.75);
    c = case_of("InstanceNormalization");
    IN(c, F32, DIMS(1, 2, 2), 1, 3, 10, 16);
    IN(c, F32, DIMS(2), 1, 2);
    IN(c, F32, DIMS(2), 0, 5);
    set_float(c, "epsilon", 0.0f);
    OUT(c, F32, DIMS(1, 2, 2));
    CHECK(c, -1, 1, 3, 7);
    c = case_of("LayerNormalization");
    IN(c, F32, DIMS(2, 2), 1, 3, 10, 16);
    IN(c, F32, DIMS(2), 1, 2);
    IN(c, F32, DIMS(1), 5);
    set_float(c, "epsilon", 0.0f);
    OUT(c, F32, DIMS(2, 2));
    OUT(c, F32, DIMS(2, 1));
    OUT(c, F32, DIMS(2, 1));
    run(c);
    WANT_OF(c, 0, 4, 7, 4, 7);
    WANT_OF(c, 1, 2, 13);
    WANT_OF(c, 2, 1, (double)(1.0f / 3.0f));
    done(c);
    c = case_of("LRN"); /* two channels: itself and the next */
    IN(c, F32, DIMS(1, 2, 1), 2, 4);
    set_int(c, "size", 2);
    set_float(c, "alpha", 2.0f);
    set_float(c, "beta", 1.0f);
    OUT(c, F32, DIMS(1, 2, 1));
    CHECK(c, (double)(2.0f / 21.0f), (double)(4.0f / 17.0f));
}

static void batch_norm_in_training_is_refused(void **state)
{
    (void)state;
    interp_case *const c = case_of("BatchNormalization");
    for (int k = 0; k < 5; k++)
        IN(c, F32, DIMS(1), 1);
    set_int(c, "training_mode", 1);
    OUT(c, F32, DIMS(1));
    refused(c, MXD_E_UNSUPPORTED);
}

/* ---- choosing ---- */

static void arguments(void **state)
{
    (void)state;
    for (int last = 0; last < 2; last++) {
        interp_case *c = case_of("ArgMax");
        IN(c, F32, DIMS(2, 3), 1, 5, 5, 0, -0.0, -1);
        set_int(c, "axis", 1);
        set_int(c, "keepdims", 0);
        set_int(c, "select_last_index", last);
        OUT(c, S64, DIMS(2));
        CHECK(c, last ? 2 : 1, last);
        c = case_of("ArgMin");
        IN(c, S8, DIMS(3, 1), -128, 127, -128);
        set_int(c, "select_last_index", last);
        OUT(c, S64, DIMS(1, 1));
        CHECK(c, last ? 2 : 0);
    }
}

static void top_k(void **state)
{
    (void)state;
    for (int largest = 0; largest < 2; largest++) {
        interp_case *const c = case_of("TopK");
        IN(c, F32, DIMS(4, 1), 1, 3, 1, 2);
        IN(c, S64, DIMS(1), 3);
        set_int(c, "axis", 0);
        set_int(c, "largest", largest);
        OUT(c, F32, DIMS(3, 1));
        OUT(c, S64, DIMS(3, 1));
        run(c);
        if (largest) {
            WANT_OF(c, 0, 3, 2, 1);
            WANT_OF(c, 1, 1, 3, 0); /* of equals the first */
        } else {
            WANT_OF(c, 0, 1, 1, 2);
            WANT_OF(c, 1, 0, 2, 3);
        }
        done(c);
    }
    interp_case *c = case_of("TopK");
    IN(c, F32, DIMS(6), -1, -3, 0, (double)NAN, 2, -2);
    IN(c, S64, DIMS(1), 6);
    OUT(c, F32, DIMS(6));
    CHECK(c, (double)NAN, 2, 0, -1, -2, -3);
    c = case_of("TopK");
    IN(c, F32, DIMS(2), 1, 3);
    IN(c, S64, DIMS(1), 3);
    OUT(c, F32, DIMS(3));
    OUT(c, S64, DIMS(3));
    refused(c, MXD_E_RANGE);
    c = case_of("TopK"); /* scratch stays within its bound */
    IN_EMPTY(c, F32, DIMS(16384));
    memset(c->in[0].data, 0, 16384 * sizeof(float));
    IN(c, S64, DIMS(1), 1);
    OUT(c, F32, DIMS(1));
    CHECK(c, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pools),
        cmocka_unit_test(positions_of_the_largest),
        cmocka_unit_test(first_of_equals),
        cmocka_unit_test(largest_of_integers),
        cmocka_unit_test(huge_windows_are_cheap),
        cmocka_unit_test(reductions),
        cmocka_unit_test(reductions_of_all_or_none),
        cmocka_unit_test(reductions_refuse),
        cmocka_unit_test(softmax),
        cmocka_unit_test(normalizations),
        cmocka_unit_test(batch_norm_in_training_is_refused),
        cmocka_unit_test(arguments),
        cmocka_unit_test(top_k),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
