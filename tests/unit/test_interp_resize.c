/* SPDX-License-Identifier: Apache-2.0
 *
 * Resize and Upsample: where positions come from, in every mode of coordinates and rounding;
 * kernels at the edges and stretched; scales, sizes and regions.
 */
#include "interp_case.h"

/* x along one axis, resized to n by a scale (0: by size). */
static interp_case *resize(const char *mode, const char *place, const double *x, int64_t in,
                           double scale, int64_t n)
{
    interp_case *const c = case_of("Resize");
    case_in(c, MXD_F32, &in, 1, x, in);
    case_no_in(c);
    if (scale > 0)
        IN(c, F32, DIMS(1), scale);
    else
        case_no_in(c);
    if (scale == 0)
        IN(c, S64, DIMS(1), (double)n);
    set_string(c, "mode", mode);
    set_string(c, "coordinate_transformation_mode", place);
    case_out(c, MXD_F32, &n, 1);
    return c;
}
#define RESIZE(mode, place, x, scale, n) resize(mode, place, NUMBERS x, scale, n)

static void places(void **state)
{
    (void)state;
    interp_case *c = RESIZE("linear", "half_pixel", (1, 2), 2, 4);
    CHECK(c, 1, 1.25, 1.75, 2);
    c = RESIZE("linear", "half_pixel", (1, 2), 0.5, 1);
    CHECK(c, 1.5);
    c = RESIZE("linear", "pytorch_half_pixel", (1, 2), 0.5, 1);
    CHECK(c, 1);
    c = RESIZE("linear", "pytorch_half_pixel", (1, 2), 2, 4);
    CHECK(c, 1, 1.25, 1.75, 2);
    c = RESIZE("linear", "asymmetric", (1, 2), 2, 4);
    CHECK(c, 1, 1.5, 2, 2);
    c = RESIZE("linear", "align_corners", (1, 4), 2, 4);
    CHECK(c, 1, 2, 3, 4);
    c = RESIZE("linear", "align_corners", (1, 4), 0, 1);
    CHECK(c, 1);
    c = RESIZE("linear", "half_pixel_symmetric", (1, 2), 1.25, 2);
    CHECK_NEAR(c, 1e-6, 1.1, 1.9);
    c = RESIZE("nearest", "tf_half_pixel_for_nn", (1, 2), 2, 4);
    CHECK(c, 1, 2, 2, 2); /* 0.25 0.75 1.25 1.75 */
    c = RESIZE("nearest", "elsewhere", (1, 2), 2, 4);
    refused(c, MXD_E_INVAL);
}

/* Places 0 0.5 1 1.5 2 2.5 of three elements. */
static void nearest(const char *how, const double *want)
{
    interp_case *const c = RESIZE("nearest", "asymmetric", (1, 2, 3), 2, 6);
    set_string(c, "nearest_mode", how);
    set_int(c, "exclude_outside", 1); /* nothing to exclude */
    run(c);
    expect(c, 0, want, 6, 0);
    done(c);
}

static void nearest_modes(void **state)
{
    (void)state;
    nearest("round_prefer_floor", (const double[]){ 1, 1, 2, 2, 3, 3 });
    nearest("round_prefer_ceil", (const double[]){ 1, 2, 2, 3, 3, 3 });
    nearest("floor", (const double[]){ 1, 1, 2, 2, 3, 3 });
    nearest("ceil", (const double[]){ 1, 2, 2, 3, 3, 3 });
    interp_case *c = RESIZE("nearest", "half_pixel", (1, 2, 3, 4), 0.5, 2); /* 0.5, 2.5 */
    CHECK(c, 1, 3);
    c = RESIZE("nearest", "half_pixel", (1, 2), 2, 4);
    set_string(c, "nearest_mode", "away");
    refused(c, MXD_E_INVAL);
}

/* ---- cubic ---- */

static double keys(double a, double d)
{
    d = fabs(d);
    return d <= 1  ? ((a + 2) * d - (a + 3)) * d * d + 1
           : d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
                   : 0;
}

static void cubic(void **state)
{
    (void)state;
    const double x[] = { 3, -1, 4, 1 };
    for (int exclude = 0; exclude < 2; exclude++) {
        double want[8];
        for (int o = 0; o < 8; o++) {
            const double at = (o + 0.5) / 2 - 0.5;
            double       w = 0, sum = 0;
            for (int p = -3; p < 8; p++) {
                const int    edge = p < 0 ? 0 : p > 3 ? 3 : p;
                const double k    = exclude && p != edge ? 0 : keys(-0.5, p - at);
                w += k;
                sum += k * x[edge];
            }
            want[o] = sum / w;
        }
        interp_case *const c = resize("cubic", "half_pixel", x, 4, 2, 8);
        set_float(c, "cubic_coeff_a", -0.5f);
        set_int(c, "exclude_outside", exclude);
        run(c);
        expect(c, 0, want, 8, 1e-6);
        done(c);
    }
    interp_case *const c =
        RESIZE("cubic", "half_pixel", (0, 1, 2, 3, 4, 5), 2, 12); /* -0.75 is the default */
    run(c);
    assert_true(fabs((double)((float *)c->out[0].data)[5] - 2.25) >
                1e-3); /* only -0.5 keeps straight lines */
    done(c);
}

static void integers_are_rounded_and_saturate(void **state)
{
    (void)state;
    interp_case *c = case_of("Resize");
    IN(c, U8, DIMS(4), 0, 0, 255, 255);
    case_no_in(c);
    IN(c, F32, DIMS(1), 2);
    set_string(c, "mode", "cubic");
    OUT(c, U8, DIMS(8));
    run(c);
    assert_int_equal(((uint8_t *)c->out[0].data)[2], 0);   /* undershoots */
    assert_int_equal(((uint8_t *)c->out[0].data)[5], 255); /* overshoots */
    done(c);
    c = case_of("Resize");
    IN(c, S8, DIMS(2), 1, 2);
    case_no_in(c);
    IN(c, F32, DIMS(1), 2);
    set_string(c, "mode", "linear");
    OUT(c, S8, DIMS(4));
    CHECK(c, 1, 1, 2, 2); /* 1.25 1.75 */
}

/* ---- antialiasing ---- */

static void antialiased(void **state)
{
    (void)state;
    interp_case *c = RESIZE("linear", "half_pixel", (0, 4, 8, 12), 0.5, 2);
    set_int(c, "antialias", 1);
    CHECK(c, 2.5, 9.5); /* 1 3/4 1/4 of 2, the edge counted for what is outside */
    c = RESIZE("linear", "half_pixel", (0, 4, 8, 12), 0.5, 2);
    set_int(c, "antialias", 1);
    set_int(c, "exclude_outside", 1);
    CHECK_NEAR(c, 1e-6, (4 * 0.75 + 8 * 0.25) / 1.75, (4 * 0.25 + 8 * 0.75 + 12 * 0.75) / 1.75);
    c = RESIZE("linear", "half_pixel", (1, 2), 2, 4); /* not when it grows */
    set_int(c, "antialias", 1);
    CHECK(c, 1, 1.25, 1.75, 2);
    c = RESIZE("cubic", "half_pixel", (5, 5, 5, 5, 5, 5), 0, 2);
    set_int(c, "antialias", 1);
    CHECK_NEAR(c, 1e-6, 5, 5);
}

/* ---- several axes, regions ---- */

static void axes_in_any_order(void **state)
{
    (void)state;
    static const int64_t axes[] = { 2, 1 };
    interp_case         *c      = case_of("Resize");
    IN(c, F32, DIMS(1, 2, 2), 1, 2, 3, 4);
    case_no_in(c);
    IN(c, F32, DIMS(2), 2, 0.5);
    set_ints(c, "axes", axes, 2);
    set_string(c, "mode", "linear");
    OUT(c, F32, DIMS(1, 1, 4));
    CHECK(c, 2, 2.25, 2.75, 3);
    c = case_of("Resize"); /* one axis far down, another far up: scratch stays within its bound */
    IN_EMPTY(c, F32, DIMS(1, 65536));
    memset(c->in[0].data, 0, 65536 * sizeof(float));
    case_no_in(c);
    case_no_in(c);
    IN(c, S64, DIMS(2), 65536, 1);
    set_string(c, "mode", "linear");
    OUT(c, F32, DIMS(65536, 1));
    run(c);
    done(c);
}

static void sizes_that_keep_the_ratio(void **state)
{
    (void)state;
    /* 2 x 4 to 4 x 4: not larger is 2 x 4, not smaller 4 x 8 */
    interp_case *c = case_of("Resize");
    IN(c, F32, DIMS(2, 4), 1, 2, 3, 4, 5, 6, 7, 8);
    case_no_in(c);
    case_no_in(c);
    IN(c, S64, DIMS(2), 4, 4);
    set_string(c, "keep_aspect_ratio_policy", "not_larger");
    OUT(c, F32, DIMS(2, 4));
    CHECK(c, 1, 2, 3, 4, 5, 6, 7, 8);
    c = case_of("Resize");
    IN(c, F32, DIMS(1, 2), 1, 2);
    case_no_in(c);
    case_no_in(c);
    IN(c, S64, DIMS(2), 2, 3);
    set_string(c, "keep_aspect_ratio_policy", "not_smaller");
    OUT(c, F32, DIMS(2, 4));
    CHECK(c, 1, 1, 2, 2, 1, 1, 2, 2);
}

static void regions(void **state)
{
    (void)state;
    for (int outside = 0; outside < 2; outside++) {
        interp_case *const c = case_of("Resize");
        IN(c, F32, DIMS(5), 10, 11, 12, 13, 14);
        IN(c, F32, DIMS(2), outside ? 0 : 0.25, outside ? 1.5 : 0.75);
        case_no_in(c);
        IN(c, S64, DIMS(1), 3);
        set_string(c, "mode", "linear");
        set_string(c, "coordinate_transformation_mode", "tf_crop_and_resize");
        set_float(c, "extrapolation_value", -7.0f);
        OUT(c, F32, DIMS(3));
        if (outside)
            CHECK(c, 10, 13, -7);
        else
            CHECK(c, 11, 12, 13);
    }
    interp_case *const c = case_of("Resize");
    IN(c, F32, DIMS(2), 1, 2);
    IN(c, F32, DIMS(2), (double)NAN, 1e300);
    case_no_in(c);
    IN(c, S64, DIMS(1), 2);
    set_string(c, "coordinate_transformation_mode", "tf_crop_and_resize");
    OUT(c, F32, DIMS(2));
    CHECK(c, 0, 0);
}

static void old_versions(void **state)
{
    (void)state;
    static const float scales[] = { 1.0f, 2.0f };
    interp_case       *c        = case_of("Upsample");
    c->node.version             = 7;
    IN(c, F32, DIMS(1, 2), 1, 2);
    set_floats(c, "scales", scales, 2);
    set_string(c, "mode", "linear");
    OUT(c, F32, DIMS(1, 4));
    CHECK(c, 1, 1.5, 2, 2);
    c               = case_of("Resize");
    c->node.version = 10;
    IN(c, F32, DIMS(2), 1, 2);
    IN(c, F32, DIMS(1), 1.5);
    OUT(c, F32, DIMS(3));
    CHECK(c, 1, 1, 2); /* floor of 0 0.67 1.33 */
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    interp_case *c =
        RESIZE("linear", "half_pixel", (1, 2), 1e-30, 4); /* would be looked for far away */
    refused(c, MXD_E_SHAPE);
    c = RESIZE("linear", "half_pixel", (1, 2), -1, 4); /* neither scales nor sizes */
    set_string(c, "keep_aspect_ratio_policy", "not_larger");
    refused(c, MXD_E_INVAL);
    c = case_of("Resize");
    IN(c, F32, DIMS(2), 1, 2);
    case_no_in(c);
    IN(c, F32, DIMS(1), (double)NAN);
    OUT(c, F32, DIMS(2));
    refused(c, MXD_E_RANGE);
    c = case_of("Resize");
    IN(c, F32, DIMS(2), 1, 2);
    case_no_in(c);
    IN(c, F32, DIMS(2), 1, 1);
    OUT(c, F32, DIMS(2));
    refused(c, MXD_E_SHAPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places),
        cmocka_unit_test(nearest_modes),
        cmocka_unit_test(cubic),
        cmocka_unit_test(integers_are_rounded_and_saturate),
        cmocka_unit_test(antialiased),
        cmocka_unit_test(axes_in_any_order),
        cmocka_unit_test(sizes_that_keep_the_ratio),
        cmocka_unit_test(regions),
        cmocka_unit_test(old_versions),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
