/* SPDX-License-Identifier: Apache-2.0
 *
 * Ops that move elements: copies, permutations, slices, pieces, padding, blocks, shapes as numbers.
 */
#include "interp_case.h"

static void copies(void **state)
{
    (void)state;
    static const char *const ops[] = { "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity" };
    for (size_t k = 0; k < sizeof(ops) / sizeof(ops[0]); k++) {
        interp_case *const c = case_of(ops[k]);
        IN(c, U4, DIMS(3), 1, 2, 15);
        OUT(c, U4, DIMS(1, 3));
        CHECK(c, 1, 2, 15);
    }
    interp_case *c = case_of("Reshape");
    IN(c, F32, DIMS(3), 1, 2, 3);
    OUT(c, F32, DIMS(4));
    refused(c, MXD_E_SHAPE);
    c = case_of("Identity");
    IN(c, F32, DIMS(1), 1);
    OUT(c, S32, DIMS(1));
    refused(c, MXD_E_DTYPE);
}

static void dropout(void **state)
{
    (void)state;
    interp_case *c = case_of("Dropout");
    IN(c, F32, DIMS(2), 1, 2);
    IN(c, F32, SCALAR, 0.75);
    OUT(c, F32, DIMS(2));
    OUT(c, BOOL, DIMS(2));
    run(c);
    WANT_OF(c, 0, 1, 2);
    WANT_OF(c, 1, 1, 1);
    done(c);
    for (int drops = 0; drops < 2; drops++) {
        c = case_of("Dropout");
        IN(c, F32, DIMS(2), 1, 2);
        IN(c, F32, SCALAR, drops ? 0.5 : 0);
        IN(c, BOOL, SCALAR, 1);
        OUT(c, F32, DIMS(2));
        if (drops)
            refused(c, MXD_E_UNSUPPORTED);
        else
            CHECK(c, 1, 2);
    }
}

static void transpose(void **state)
{
    (void)state;
    static const int64_t perm[] = { 2, 0, 1 }, twice[] = { 0, 0, 1 };
    interp_case         *c = case_of("Transpose");
    IN(c, S16, DIMS(1, 2, 3), 1, 2, 3, 4, 5, 6);
    set_ints(c, "perm", perm, 3);
    OUT(c, S16, DIMS(3, 1, 2));
    CHECK(c, 1, 4, 2, 5, 3, 6);
    c = case_of("Transpose"); /* reversed */
    IN(c, S4, DIMS(2, 3), 1, 2, 3, 4, 5, 6);
    OUT(c, S4, DIMS(3, 2));
    CHECK(c, 1, 4, 2, 5, 3, 6);
    c = case_of("Transpose");
    IN(c, F32, DIMS(1, 1, 1), 1);
    set_ints(c, "perm", twice, 3);
    OUT(c, F32, DIMS(1, 1, 1));
    refused(c, MXD_E_RANGE);
}

/* One axis of five elements 0..4. */
static void slice(int64_t start, int64_t end, int64_t step, const double *want, int64_t n)
{
    interp_case *const c = case_of("Slice");
    IN(c, F32, DIMS(5), 0, 1, 2, 3, 4);
    IN(c, S64, DIMS(1), 0);
    IN(c, S64, DIMS(1), 0);
    IN(c, S64, DIMS(1), -1);
    IN(c, S64, DIMS(1), 0);
    ((int64_t *)c->in[1].data)[0] = start;
    ((int64_t *)c->in[2].data)[0] = end;
    ((int64_t *)c->in[4].data)[0] = step;
    case_out(c, MXD_F32, &n, 1);
    run(c);
    expect(c, 0, want, n, 0);
    done(c);
}
#define SLICE(start, end, step, ...) slice(start, end, step, NUMBERS(__VA_ARGS__))

static void slices_with_any_start_and_step(void **state)
{
    (void)state;
    SLICE(1, 4, 2, 1, 3);
    SLICE(-2, INT64_MAX, 1, 3, 4);
    SLICE(-100, 2, 1, 0, 1);
    SLICE(INT64_MAX, INT64_MIN, -1, 4, 3, 2, 1, 0);
    SLICE(3, 0, -2, 3, 1);
    SLICE(-100, INT64_MIN, -1,
          0); /* ONNX clamps the start to the first element; NumPy takes none */
    SLICE(0, 5, INT64_MAX, 0);
    SLICE(4, INT64_MIN, INT64_MIN, 4);
    slice(3, 1, 1, NULL, 0);
    slice(5, 9, 1, NULL, 0);
}

static void slices_of_axes_and_old_ones(void **state)
{
    (void)state;
    static const int64_t starts[] = { 1, -1 }, ends[] = { 2, 9 };
    interp_case         *c = case_of("Slice");
    IN(c, S32, DIMS(2, 3), 1, 2, 3, 4, 5, 6);
    IN(c, S64, DIMS(2), 0, 1);
    IN(c, S64, DIMS(2), 2, 2);
    IN(c, S64, DIMS(2), 1, 0);
    OUT(c, S32, DIMS(1, 2));
    CHECK(c, 4, 5);
    c               = case_of("Slice");
    c->node.version = 9;
    IN(c, S32, DIMS(2, 3), 1, 2, 3, 4, 5, 6);
    set_ints(c, "starts", starts, 2);
    set_ints(c, "ends", ends, 2);
    OUT(c, S32, DIMS(1, 1));
    CHECK(c, 6);
    c = case_of("Slice");
    IN(c, S32, DIMS(2), 1, 2);
    IN(c, S64, DIMS(1), 0);
    IN(c, S64, DIMS(2), 1, 1);
    OUT(c, S32, DIMS(1));
    refused(c, MXD_E_SHAPE);
    c = case_of("Slice");
    IN(c, S32, DIMS(2), 1, 2);
    IN(c, S64, DIMS(1), 0);
    IN(c, S64, DIMS(1), 1);
    case_no_in(c);
    IN(c, S64, DIMS(1), 0);
    OUT(c, S32, DIMS(1));
    refused(c, MXD_E_RANGE);
}

static void concat(void **state)
{
    (void)state;
    interp_case *c = case_of("Concat");
    IN(c, U4, DIMS(2, 1), 1, 2);
    IN_EMPTY(c, U4, DIMS(2, 0));
    IN(c, U4, DIMS(2, 2), 3, 4, 5, 6);
    set_int(c, "axis", -1);
    OUT(c, U4, DIMS(2, 3));
    CHECK(c, 1, 3, 4, 2, 5, 6);
    c = case_of("Concat"); /* longer than the output */
    IN(c, F32, DIMS(2), 1, 2);
    IN(c, F32, DIMS(2), 3, 4);
    set_int(c, "axis", 0);
    OUT(c, F32, DIMS(3));
    refused(c, MXD_E_SHAPE);
    c = case_of("Concat"); /* shorter */
    IN(c, F32, DIMS(2), 1, 2);
    set_int(c, "axis", 0);
    OUT(c, F32, DIMS(3));
    refused(c, MXD_E_SHAPE);
}

static void split(void **state)
{
    (void)state;
    static const int64_t sizes[] = { 1, 2 };
    interp_case         *c       = case_of("Split");
    IN(c, F32, DIMS(2, 3), 1, 2, 3, 4, 5, 6);
    set_int(c, "axis", 1);
    set_ints(c, "split", sizes, 2);
    OUT(c, F32, DIMS(2, 1));
    OUT(c, F32, DIMS(2, 2));
    run(c);
    WANT_OF(c, 0, 1, 4);
    WANT_OF(c, 1, 2, 3, 5, 6);
    done(c);
    c = case_of("Split"); /* equal but for the last; the middle one is left out */
    IN(c, F32, DIMS(7), 1, 2, 3, 4, 5, 6, 7);
    OUT(c, F32, DIMS(3));
    case_no_out(c);
    OUT(c, F32, DIMS(1));
    run(c);
    WANT_OF(c, 0, 1, 2, 3);
    WANT_OF(c, 2, 7);
    done(c);
    c = case_of("Split");
    IN(c, F32, DIMS(3), 1, 2, 3);
    IN(c, S64, DIMS(2), 2, 2);
    set_int(c, "axis", 0);
    OUT(c, F32, DIMS(2));
    OUT(c, F32, DIMS(2));
    refused(c, MXD_E_SHAPE);
}

static void gather(void **state)
{
    (void)state;
    interp_case *c = case_of("Gather");
    IN(c, F32, DIMS(2, 3), 1, 2, 3, 4, 5, 6);
    IN(c, S64, DIMS(2, 1), -1, 0);
    set_int(c, "axis", 1);
    OUT(c, F32, DIMS(2, 2, 1));
    CHECK(c, 3, 1, 6, 4);
    c = case_of("Gather"); /* one number drops the axis */
    IN(c, F32, DIMS(2, 3), 1, 2, 3, 4, 5, 6);
    IN(c, S32, SCALAR, 1);
    OUT(c, F32, DIMS(3));
    CHECK(c, 4, 5, 6);
    for (int low = 0; low < 2; low++) {
        c = case_of("Gather");
        IN(c, F32, DIMS(3), 1, 2, 3);
        IN(c, S64, DIMS(1), low ? -4 : 3);
        OUT(c, F32, DIMS(1));
        refused(c, MXD_E_RANGE);
    }
}

static void expand_and_tile(void **state)
{
    (void)state;
    interp_case *c = case_of("Expand");
    IN(c, S8, DIMS(2, 1), 1, 2);
    IN(c, S64, DIMS(2), 2, 2);
    OUT(c, S8, DIMS(2, 2));
    CHECK(c, 1, 1, 2, 2);
    c = case_of("Tile");
    IN(c, S8, DIMS(1, 2), 1, 2);
    IN(c, S64, DIMS(2), 2, 2);
    OUT(c, S8, DIMS(2, 4));
    CHECK(c, 1, 2, 1, 2, 1, 2, 1, 2);
    c = case_of("Tile");
    IN(c, S8, DIMS(2), 1, 2);
    IN(c, S64, DIMS(1), 2);
    OUT(c, S8, DIMS(3));
    refused(c, MXD_E_SHAPE);
}

static void trilu(void **state)
{
    (void)state;
    for (int upper = 0; upper < 2; upper++) {
        interp_case *const c = case_of("Trilu");
        IN(c, S32, DIMS(1, 2, 3), 1, 2, 3, 4, 5, 6);
        IN(c, S64, SCALAR, 1);
        set_int(c, "upper", upper);
        OUT(c, S32, DIMS(1, 2, 3));
        if (upper)
            CHECK(c, 0, 2, 3, 0, 0, 6);
        else
            CHECK(c, 1, 2, 0, 4, 5, 6);
    }
}

/* ---- Pad ---- */

static interp_case *pad(const char *mode, double begin, double end, int64_t n)
{
    interp_case *const c = case_of("Pad");
    IN(c, S32, DIMS(3), 1, 2, 3);
    IN(c, S64, DIMS(2), begin, end);
    set_string(c, "mode", mode);
    case_out(c, MXD_S32, &n, 1);
    return c;
}

static void pads(void **state)
{
    (void)state;
    interp_case *c = pad("constant", 1, 2, 6);
    CHECK(c, 0, 1, 2, 3, 0, 0);
    c = pad("reflect", 2, 2, 7);
    CHECK(c, 3, 2, 1, 2, 3, 2, 1);
    c = pad("edge", 2, 1, 6);
    CHECK(c, 1, 1, 1, 2, 3, 3);
    c = pad("wrap", 4, 1, 8);
    CHECK(c, 3, 1, 2, 3, 1, 2, 3, 1);
    c = pad("constant", -1, 1, 3);
    CHECK(c, 2, 3, 0);
    c = pad("mirror", 0, 0, 3);
    refused(c, MXD_E_UNSUPPORTED);
    c = pad("constant", 1, 1, 4);
    refused(c, MXD_E_SHAPE);
    c = pad("constant", 0x1p62, -0x1p62, 3);
    refused(c, MXD_E_SHAPE);
}

static void pads_with_a_value_of_axes(void **state)
{
    (void)state;
    static const int64_t old[] = { 1, 0 };
    interp_case         *c     = case_of("Pad");
    IN(c, U8, DIMS(2, 2), 1, 2, 3, 4);
    IN(c, S64, DIMS(2), 1, 0);
    IN(c, U8, SCALAR, 128);
    IN(c, S64, DIMS(1), -1);
    OUT(c, U8, DIMS(2, 3));
    CHECK(c, 128, 1, 2, 128, 3, 4);
    c               = case_of("Pad");
    c->node.version = 2;
    IN(c, F32, DIMS(1), 7);
    set_ints(c, "pads", old, 2);
    set_float(c, "value", 0.5f);
    OUT(c, F32, DIMS(2));
    CHECK(c, 0.5, 7);
}

/* ---- blocks, shapes ---- */

static void blocks_of_pixels(void **state)
{
    (void)state;
    for (int crd = 0; crd < 2; crd++) {
        interp_case *const c = case_of("DepthToSpace");
        IN(c, U8, DIMS(1, 8, 1, 1), 0, 1, 2, 3, 4, 5, 6, 7);
        set_int(c, "blocksize", 2);
        set_string(c, "mode", crd ? "CRD" : "DCR");
        OUT(c, U8, DIMS(1, 2, 2, 2));
        if (crd)
            CHECK(c, 0, 1, 2, 3, 4, 5, 6, 7);
        else
            CHECK(c, 0, 2, 4, 6, 1, 3, 5, 7);
    }
    interp_case *c = case_of("SpaceToDepth");
    IN(c, U8, DIMS(1, 1, 2, 4), 0, 1, 2, 3, 4, 5, 6, 7);
    set_int(c, "blocksize", 2);
    OUT(c, U8, DIMS(1, 4, 1, 2));
    CHECK(c, 0, 2, 1, 3, 4, 6, 5, 7);
    c = case_of("SpaceToDepth");
    IN(c, U8, DIMS(1, 1, 1, 3), 0, 1, 2);
    set_int(c, "blocksize", 2);
    OUT(c, U8, DIMS(1, 4, 1, 1));
    refused(c, MXD_E_INVAL);
}

static void tensors_from_numbers(void **state)
{
    (void)state;
    interp_case *c = case_of("Shape");
    IN_EMPTY(c, F32, DIMS(2, 0, 5));
    set_int(c, "start", -2);
    OUT(c, S64, DIMS(2));
    CHECK(c, 0, 5);
    c = case_of("Size");
    IN(c, U8, DIMS(2, 2), 1, 2, 3, 4);
    OUT(c, S64, SCALAR);
    CHECK(c, 4);
    c = case_of("ConstantOfShape");
    IN(c, S64, DIMS(1), 3);
    case_fill(set_tensor(c, "value", MXD_S32, DIMS(1)), (const double[]){ 9 }, 1);
    OUT(c, S32, DIMS(3));
    CHECK(c, 9, 9, 9);
    c = case_of("ConstantOfShape");
    IN(c, S64, DIMS(1), 2);
    OUT(c, F32, DIMS(2));
    CHECK(c, 0, 0);
    c = case_of("Range");
    IN(c, S32, SCALAR, 10);
    IN(c, S32, SCALAR, 4);
    IN(c, S32, SCALAR, -3);
    OUT(c, S32, DIMS(2));
    CHECK(c, 10, 7);
    c = case_of("Range");
    IN(c, F32, SCALAR, 1);
    IN(c, F32, SCALAR, 2);
    IN(c, F32, SCALAR, 0.25);
    OUT(c, F32, DIMS(4));
    CHECK(c, 1, 1.25, 1.5, 1.75);
    c = case_of("Constant");
    set_float(c, "value_float", 2.5f);
    OUT(c, F32, SCALAR);
    CHECK(c, 2.5);
    c = case_of("Constant");
    case_fill(set_tensor(c, "value", MXD_U4, DIMS(3)), (const double[]){ 1, 2, 3 }, 3);
    OUT(c, U4, DIMS(3));
    CHECK(c, 1, 2, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies),
        cmocka_unit_test(dropout),
        cmocka_unit_test(transpose),
        cmocka_unit_test(slices_with_any_start_and_step),
        cmocka_unit_test(slices_of_axes_and_old_ones),
        cmocka_unit_test(concat),
        cmocka_unit_test(split),
        cmocka_unit_test(gather),
        cmocka_unit_test(expand_and_tile),
        cmocka_unit_test(trilu),
        cmocka_unit_test(pads),
        cmocka_unit_test(pads_with_a_value_of_axes),
        cmocka_unit_test(blocks_of_pixels),
        cmocka_unit_test(tensors_from_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
