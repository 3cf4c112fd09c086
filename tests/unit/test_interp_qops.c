/* SPDX-License-Identifier: Apache-2.0
 *
 * QAdd, Lookup8, QAveragePool, QReduceMean and QSoftmax against docs/graph-ops.md, by numbers
 * worked out by hand.
 */
#include "interp_case.h"

/* ---- QAdd ---- */

static void add_of_two_scales(void **state)
{
    (void)state;
    interp_case *const c = case_of("QAdd");
    IN(c, U8, DIMS(6), 128, 129, 130, 131, 255, 0);
    IN(c, S8, DIMS(6), 0, 0, 1, -2, 127, -128);
    set_int(c, "a_zero_point", 128);
    set_float(c, "a_scale_ratio", 0.5f);
    set_float(c, "b_scale_ratio", 2.0f);
    set_range(c, 100, 0, 255);
    OUT(c, U8, DIMS(6));
    /* 0; 0.5 -> 0; 1 + 2; 1.5 - 4 = -2.5 -> -2; 63.5 + 254 and -64 - 256: the ends */
    CHECK(c, 100, 100, 103, 98, 255, 0);
}

static void add_broadcasts(void **state)
{
    (void)state;
    interp_case *const c = case_of("QAdd");
    IN(c, S8, DIMS(2, 1), 1, 2);
    IN(c, S8, DIMS(3), 10, 20, 30);
    set_int(c, "b_zero_point", 10);
    set_float(c, "a_scale_ratio", 1.0f);
    set_float(c, "b_scale_ratio", 1.0f);
    set_range(c, 0, -128, 20);
    OUT(c, S8, DIMS(2, 3));
    CHECK(c, 1, 11, 20, 2, 12, 20);
}

/* The product of b is rounded, that of a is not. */
static void add_rounds_the_second_product(void **state)
{
    (void)state;
    float ra = 0, rb = 0;
    int   found = 0;
    for (int i = 0; i < 4096 && !found; i++)
        for (int k = 0; k < 64 && !found; k++) {
            ra    = 0.1f + (float)i * 0x1p-18f;
            rb    = (2.5f - 5.0f * ra) / 7.0f + (float)(k - 32) * 0x1p-29f;
            found = rintf(fmaf(5.0f, ra, 7.0f * rb)) != rintf(fmaf(7.0f, rb, 5.0f * ra));
        }
    assert_true(found);
    interp_case *const c = case_of("QAdd");
    IN(c, S8, DIMS(1), 5);
    IN(c, S8, DIMS(1), 7);
    set_float(c, "a_scale_ratio", ra);
    set_float(c, "b_scale_ratio", rb);
    set_range(c, 0, -128, 127);
    OUT(c, S8, DIMS(1));
    CHECK(c, (double)rintf(fmaf(5.0f, ra, 7.0f * rb)));
}

static void add_of_floats_is_refused(void **state)
{
    (void)state;
    interp_case *c = case_of("QAdd");
    IN(c, S8, DIMS(1), 1);
    IN(c, S8, DIMS(1), 1);
    set_range(c, 0, -128, 127);
    OUT(c, F32, DIMS(1));
    refused(c, MXD_E_DTYPE);
    c = case_of("QAdd");
    IN(c, F32, DIMS(1), 1);
    IN(c, S8, DIMS(1), 1);
    OUT(c, S8, DIMS(1));
    refused(c, MXD_E_UNSUPPORTED);
    c = case_of("QAdd");
    IN(c, S8, DIMS(3), 1, 2, 3);
    IN(c, S8, DIMS(2), 1, 2);
    OUT(c, S8, DIMS(3));
    refused(c, MXD_E_SHAPE);
}

/* ---- Lookup8 ---- */

static void lookup(mxd_dtype type, double lowest, double highest)
{
    interp_case *const c = case_of("Lookup8");
    double             table[256];
    for (int k = 0; k < 256; k++)
        table[k] = (double)(255 - k);
    case_in(c, type, DIMS(3), (const double[]){ lowest, 0, highest }, 3);
    case_in(c, MXD_U8, DIMS(256), table, 256);
    OUT(c, U8, DIMS(3));
    CHECK(c, 255, 255 + lowest, 255 - (highest - lowest));
}

static void lookup_begins_at_the_lowest_value(void **state)
{
    (void)state;
    lookup(MXD_U8, 0, 255);
    lookup(MXD_S8, -128, 127);
    lookup(MXD_U4, 0, 15);
    lookup(MXD_S4, -8, 7);
}

static void lookup_gives_the_tables_type(void **state)
{
    (void)state;
    interp_case *c = case_of("Lookup8");
    double       table[256];
    for (int k = 0; k < 256; k++)
        table[k] = k / 2.0 - 1;
    IN(c, U8, DIMS(2), 1, 255);
    case_in(c, MXD_F32, DIMS(256), table, 256);
    OUT(c, F32, DIMS(2));
    CHECK(c, -0.5, 126.5);

    c = case_of("Lookup8"); /* a table of another type */
    IN(c, U8, DIMS(1), 1);
    case_in(c, MXD_F32, DIMS(256), table, 256);
    OUT(c, U8, DIMS(1));
    refused(c, MXD_E_DTYPE);
    c = case_of("Lookup8"); /* 16 bits would read past its end */
    IN(c, U16, DIMS(1), 256);
    case_in(c, MXD_F32, DIMS(256), table, 256);
    OUT(c, F32, DIMS(1));
    refused(c, MXD_E_DTYPE);
    c = case_of("Lookup8"); /* too short */
    IN(c, U8, DIMS(1), 1);
    case_in(c, MXD_F32, DIMS(255), table, 255);
    OUT(c, F32, DIMS(1));
    refused(c, MXD_E_SHAPE);
}

static void lookup_by_channel(void **state)
{
    (void)state;
    interp_case *c = case_of("Lookup8");
    double       table[512];
    for (int k = 0; k < 512; k++)
        table[k] = k < 256 ? 255 - k : (k + 7) % 256;
    IN(c, S8, DIMS(2, 2), -128, -128, 127, 127);
    case_in(c, MXD_U8, DIMS(2, 256), table, 512);
    OUT(c, U8, DIMS(2, 2));
    CHECK(c, 255, 7, 0, 6);
    c = case_of("Lookup8"); /* a table for each of three, two given */
    IN(c, U8, DIMS(1, 3), 1, 2, 3);
    case_in(c, MXD_U8, DIMS(2, 256), table, 512);
    OUT(c, U8, DIMS(1, 3));
    refused(c, MXD_E_SHAPE);
}

/* ---- LookupChannels ---- */

static interp_case *lookup_channels(const int64_t *dim, int32_t rank, mxd_dtype type, bool last)
{
    interp_case *const c = case_of("LookupChannels");
    double             table[2 * 256];
    for (int k = 0; k < 2 * 256; k++)
        table[k] = (double)(k < 256 ? k : -(k - 256) / 2.0);
    case_in(c, MXD_U8, dim, rank, (const double[]){ 1, 2, 3, 4, 5, 255 }, 6);
    case_in(c, type, DIMS(2, 256), table, 2 * 256);
    if (last)
        set_int(c, "channels_last", 1);
    return c;
}

static void lookup_of_each_channel(void **state)
{
    (void)state;
    interp_case *c = lookup_channels(DIMS(1, 3, 1, 2), MXD_F32, true);
    OUT(c, F32, DIMS(1, 2, 3, 1));
    CHECK(c, 1, 3, 5, -1, -2, -127.5);
    c = lookup_channels(DIMS(1, 2, 1, 3), MXD_F32, false);
    OUT(c, F32, DIMS(1, 2, 1, 3));
    CHECK(c, 1, 2, 3, -2, -2.5, -127.5);

    c = lookup_channels(DIMS(1, 2, 1, 3), MXD_F32, true); /* a table of another size */
    OUT(c, F32, DIMS(1, 3, 2, 1));
    refused(c, MXD_E_SHAPE);
    c = lookup_channels(DIMS(1, 2, 3), MXD_F32, false);
    OUT(c, F32, DIMS(1, 2, 3));
    refused(c, MXD_E_SHAPE);
    c = lookup_channels(DIMS(1, 2, 1, 3), MXD_F32, false);
    OUT(c, U8, DIMS(1, 2, 1, 3));
    refused(c, MXD_E_DTYPE);
}

/* ---- QAveragePool ---- */

/* x (1, 1, 1, 4), kernel 3 with a pad of 1 on each side. */
static interp_case *pool(int64_t include_pad)
{
    static const int64_t kernel[] = { 1, 3 }, pads[] = { 0, 1, 0, 1 };
    interp_case *const   c = case_of("QAveragePool");
    IN(c, U8, DIMS(1, 1, 1, 4), 11, 12, 14, 18);
    IN(c, F32, DIMS(4), 0, 1, 0.5, 0.25);
    set_ints(c, "kernel_shape", kernel, 2);
    set_ints(c, "pads", pads, 4);
    set_int(c, "count_include_pad", include_pad);
    set_int(c, "x_zero_point", 10);
    set_range(c, 100, 0, 255);
    OUT(c, U8, DIMS(1, 1, 1, 4));
    return c;
}

static void pool_counts_the_image(void **state)
{
    (void)state;
    interp_case *const c = pool(0);
    CHECK(c, 102, 102, 104, 106); /* 3 / 2 = 1.5 and 7 / 4, 14 / 4 = 3.5, 12 / 2 */
}

static void pool_counts_padding(void **state)
{
    (void)state;
    interp_case *const c = pool(1);
    CHECK(c, 101, 102, 104, 103); /* 3 / 4 = 0.75, 1.75, 3.5, 3 */
}

/* The last window of ceil_mode hangs over: what is beyond the padding never counts. */
static void pool_beyond_the_padding(void **state)
{
    (void)state;
    static const int64_t kernel[] = { 2 }, strides[] = { 2 };
    interp_case *const   c = case_of("QAveragePool");
    IN(c, S8, DIMS(1, 1, 3), 1, 3, 5);
    IN(c, F32, DIMS(3), 0, 10, 100);
    set_ints(c, "kernel_shape", kernel, 1);
    set_ints(c, "strides", strides, 1);
    set_int(c, "ceil_mode", 1);
    set_int(c, "count_include_pad", 1);
    set_range(c, 0, -32768, 32767);
    OUT(c, S16, DIMS(1, 1, 2));
    CHECK(c, 400, 50);
}

static void pool_saturates_and_wants_its_factors(void **state)
{
    (void)state;
    static const int64_t kernel[] = { 1 };
    interp_case         *c        = case_of("QAveragePool");
    IN(c, S8, DIMS(1, 1, 4), -128, 127, 1, -1);
    IN(c, F32, DIMS(2), 0, 2.5);
    set_ints(c, "kernel_shape", kernel, 1);
    set_range(c, 0, -100, 100);
    OUT(c, S8, DIMS(1, 1, 4));
    CHECK(c, -100, 100, 2, -2); /* 2.5 to even */
    c = case_of("QAveragePool");
    IN(c, S8, DIMS(1, 1, 4), 0, 0, 0, 0);
    IN(c, F32, DIMS(3), 0, 1, 1);
    set_ints(c, "kernel_shape", kernel, 1);
    OUT(c, S8, DIMS(1, 1, 4));
    refused(c, MXD_E_SHAPE);
}

/* ---- QReduceMean ---- */

static void mean_along_axes(void **state)
{
    (void)state;
    static const int64_t axes[] = { 0, 2 };
    for (int64_t keep = 0; keep < 2; keep++) {
        interp_case *const c = case_of("QReduceMean");
        IN(c, U8, DIMS(2, 2, 2), 1, 2, 3, 4, 5, 6, 7, 9);
        set_ints(c, "axes", axes, 2);
        set_int(c, "keepdims", keep);
        set_int(c, "x_zero_point", 1);
        set_float(c, "m", 0.25f);
        set_range(c, 50, 0, 255);
        if (keep)
            OUT(c, U8, DIMS(1, 2, 1));
        else
            OUT(c, U8, DIMS(2));
        CHECK(c, 52, 55); /* 10 / 4 = 2.5, 19 / 4 = 4.75 */
    }
}

static void mean_saturates(void **state)
{
    (void)state;
    static const int64_t axes[] = { 1 };
    interp_case         *c      = case_of("QReduceMean");
    IN(c, S8, DIMS(2, 2), 127, 127, -128, -128);
    set_ints(c, "axes", axes, 1);
    set_float(c, "m", 1.0f);
    set_range(c, 0, -128, 127);
    OUT(c, S8, DIMS(2, 1));
    CHECK(c, 127, -128);
    c = case_of("QReduceMean"); /* the other axis is kept */
    IN(c, S8, DIMS(2, 3), 0, 0, 0, 0, 0, 0);
    set_ints(c, "axes", axes, 1);
    OUT(c, S8, DIMS(3));
    refused(c, MXD_E_SHAPE);
}

/* ---- QSoftmax ---- */

static void softmax_case(interp_case *c)
{
    static double table[256];
    for (int d = 0; d < 256; d++)
        table[d] = d == 0 ? 1000 : d == 1 ? 500 : d == 255 ? 250 : 0;
    case_in(c, MXD_S64, DIMS(256), table, 256);
    set_float(c, "y_scale", 0x1p-8f);
    set_range(c, 0, 0, 255);
}

static void softmax_along_one_axis(void **state)
{
    (void)state;
    interp_case *c = case_of("QSoftmax");
    IN(c, U8, DIMS(2, 2, 1), 7, 6, 255, 0);
    softmax_case(c);
    set_int(c, "axis", 1);
    OUT(c, U8, DIMS(2, 2, 1));
    /* 256 * 2/3, 256 * 1/3; 256 * 4/5, 256 * 1/5 */
    CHECK(c, 171, 85, 205, 51);

    c = case_of("QSoftmax"); /* neighbours along the first axis */
    IN(c, S8, DIMS(2, 2), 3, -128, 4, 127);
    softmax_case(c);
    set_int(c, "axis", 0);
    OUT(c, U8, DIMS(2, 2));
    CHECK(c, 85, 51, 171, 205);

    c = case_of("QSoftmax"); /* in steps of the output */
    IN(c, U8, DIMS(2), 7, 6);
    softmax_case(c);
    set_float(c, "y_scale", 0.0638f);
    OUT(c, U8, DIMS(2));
    CHECK(c, 10, 5); /* 10.449, 5.22 */
}

static void softmax_saturates_and_moves_zero(void **state)
{
    (void)state;
    interp_case *c = case_of("QSoftmax");
    IN(c, U8, DIMS(1, 2), 9, 3);
    softmax_case(c);
    set_range(c, -128, -128, 127);
    OUT(c, S8, DIMS(1, 2));
    CHECK(c, 127, -128); /* 256 and 0 */
    c = case_of("QSoftmax");
    IN(c, S16, DIMS(1, 2), 900, 3); /* differences would leave the table */
    softmax_case(c);
    OUT(c, S8, DIMS(1, 2));
    refused(c, MXD_E_DTYPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(add_of_two_scales),
        cmocka_unit_test(add_broadcasts),
        cmocka_unit_test(add_rounds_the_second_product),
        cmocka_unit_test(add_of_floats_is_refused),
        cmocka_unit_test(lookup_begins_at_the_lowest_value),
        cmocka_unit_test(lookup_gives_the_tables_type),
        cmocka_unit_test(lookup_by_channel),
        cmocka_unit_test(lookup_of_each_channel),
        cmocka_unit_test(pool_counts_the_image),
        cmocka_unit_test(pool_counts_padding),
        cmocka_unit_test(pool_beyond_the_padding),
        cmocka_unit_test(pool_saturates_and_wants_its_factors),
        cmocka_unit_test(mean_along_axes),
        cmocka_unit_test(mean_saturates),
        cmocka_unit_test(softmax_along_one_axis),
        cmocka_unit_test(softmax_saturates_and_moves_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
