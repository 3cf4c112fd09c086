/* SPDX-License-Identifier: Apache-2.0
 *
 * What the CPU backend runs by plain loops or by other ops' kernels: tensors made from shapes,
 * three spatial axes, weights that a run makes, rare functions. */
#include "unit/cpu_case.h"

/* y = op(inputs), attributes to follow. */
static uint32_t result(cpu_case *c, const char *op, mxd_dtype dtype, bool batched, int32_t rank,
                       const int64_t *dim, uint32_t n_in, const uint32_t *in)
{
    const uint32_t y = case_value(c, dtype, batched, rank, dim);
    case_node(c, op, y, n_in, in);
    return y;
}

static void finish(cpu_case *c, uint32_t y, float tolerance)
{
    case_output(c, y);
    c->tolerance = tolerance;
    case_check(c);
}

/* ---- from shapes ---- */

/* Every batch from 1 to the largest has its own shape. */
static void shapes_of_a_batch(void **state)
{
    (void)state;
    for (int k = 0; k < 3; k++) {
        cpu_case c;
        case_begin(&c, (uint64_t)k, 40);
        const uint32_t x = case_input(&c, MXD_F32, true, DIMS(40, 3, 5));
        const uint32_t y = k == 2 ? result(&c, "Size", MXD_S64, false, 0, NULL, INS(x))
                                  : result(&c, "Shape", MXD_S64, false, DIMS(k ? 2 : 3), INS(x));
        if (k)
            case_int(&c, "start", -2);
        case_output(&c, y);
        case_output(&c, result(&c, "Relu", MXD_F32, true, DIMS(40, 3, 5), INS(x)));
        case_check(&c);
    }
}

static void filled_and_counted(void **state)
{
    (void)state;
    static const mxd_dtype types[] = { MXD_F32, MXD_S64, MXD_S32, MXD_U8, MXD_S8 };
    for (size_t k = 0; k < sizeof(types) / sizeof(types[0]); k++) {
        cpu_case   c;
        int64_t    v   = 0;
        mxd_tensor one = { &v, types[k], 1, { 1 } };
        case_begin(&c, k, 9);
        mxdi_store_f64(&v, types[k], 0, 3.0);
        const uint32_t x     = case_input(&c, MXD_F32, true, DIMS(9, 4));
        const uint32_t shape = result(&c, "Shape", MXD_S64, false, DIMS(2), INS(x));
        const uint32_t y = result(&c, "ConstantOfShape", types[k], true, DIMS(9, 4), INS(shape));
        assert_int_equal(mxdi_node_set_tensor(c.g, c.node, "value", &one, NULL), MXD_OK);
        case_output(&c, y);
        if (types[k] != MXD_U8 && types[k] != MXD_S8) {
            const uint32_t start = case_input(&c, types[k], false, 0, NULL);
            case_output(&c, result(&c, "Range", types[k], false, DIMS(7),
                                   INS(start, case_scalar(&c, types[k], 100),
                                       case_scalar(&c, types[k], 3))));
        }
        case_check(&c);
    }
}

/* ---- windows ---- */

static void convolution(uint64_t seed, int32_t rank, int64_t groups, bool run_time, bool bias,
                        const char *op)
{
    cpu_case      c;
    const int64_t batch = 2, channels = 2 * groups, filters = 3 * groups,
                  stride = 1 + (int64_t)seed % 2, out = (6 + 2 - 2 - 1) / stride + 1;
    const int64_t xd[] = { batch, channels, 6, 6, 6 }, wd[] = { filters, 2, 3, 3, 3 },
                  yd[]      = { batch, filters, out, out, out };
    const int64_t strides[] = { stride, stride, stride }, pads[] = { 1, 1, 1, 1, 1, 1 };
    case_begin(&c, seed, batch);
    const uint32_t x     = case_input(&c, MXD_F32, true, rank, xd);
    const uint32_t w     = run_time ? case_input(&c, MXD_F32, false, rank, wd)
                                    : case_constant(&c, MXD_F32, rank, wd, NULL);
    const uint32_t b     = !bias      ? MXD_NO_VALUE
                           : run_time ? case_input(&c, MXD_F32, false, DIMS(filters))
                                      : case_floats(&c, filters, 0.5f);
    const bool     fused = strcmp(op, "FusedConv") == 0;
    const uint32_t r     = fused ? case_input(&c, MXD_F32, true, rank, yd) : MXD_NO_VALUE;
    const uint32_t y     = result(&c, op, MXD_F32, true, rank, yd, INS(x, w, b, r));
    case_int(&c, "group", groups);
    case_ints(&c, "kernel_shape", rank - 2, wd + 2);
    case_ints(&c, "strides", rank - 2, strides);
    case_ints(&c, "pads", 2 * (rank - 2), pads);
    if (fused) {
        case_ints(&c, "dilations", rank - 2, (const int64_t[]){ 1, 1, 1 });
        case_float(&c, "max", 0.75f);
    }
    finish(&c, y, 0.0f);
}

static void convolutions(void **state)
{
    (void)state;
    for (int k = 0; k < 12; k++) {
        convolution((uint64_t)k, 5, 1 + k % 2, k & 2, k & 4, "Conv");
        convolution((uint64_t)k, 3 + k % 2, 1 + k / 2 % 2, true, k & 4, "Conv");
    }
    convolution(1, 5, 2, false, true, "FusedConv");
}

static void pools(void **state)
{
    (void)state;
    for (int k = 0; k < 12; k++) {
        cpu_case      c;
        const bool    max    = k & 1;
        const int64_t stride = 1 + k / 2 % 2, out = (7 + 2 - 3) / stride + 1;
        case_begin(&c, (uint64_t)k, 3);
        const uint32_t x = case_input(&c, MXD_F32, true, DIMS(3, 2, 7, 7, 7));
        const uint32_t y = result(&c, max ? "MaxPool" : "AveragePool", MXD_F32, true,
                                  DIMS(3, 2, out, out, out), INS(x));
        case_ints(&c, "kernel_shape", 3, (const int64_t[]){ 3, 3, 3 });
        case_ints(&c, "strides", 3, (const int64_t[]){ stride, stride, stride });
        case_ints(&c, "pads", 6, (const int64_t[]){ 1, 1, 1, 1, 1, 1 });
        if (!max)
            case_int(&c, "count_include_pad", k & 4);
        finish(&c, y, 1e-6f);
    }
    for (int k = 0; k < 2; k++) {
        cpu_case c;
        case_begin(&c, (uint64_t)k, 3);
        const uint32_t x = case_input(&c, MXD_F32, true, DIMS(3, 5, 2, 3, 4));
        finish(&c,
               result(&c, k ? "GlobalMaxPool" : "GlobalAveragePool", MXD_F32, true,
                      DIMS(3, 5, 1, 1, 1), INS(x)),
               1e-6f);
    }
}

static void cubic_resizes(void **state)
{
    (void)state;
    static const char *const modes[]    = { "half_pixel", "align_corners", "asymmetric",
                                            "pytorch_half_pixel" };
    static const int64_t     sizes[][2] = { { 8, 12 }, { 3, 4 }, { 5, 7 }, { 1, 2 } };
    for (int k = 0; k < 16; k++) {
        cpu_case      c;
        const int64_t h = sizes[k / 4][0], w = sizes[k / 4][1];
        case_begin(&c, (uint64_t)k, 9);
        c.g->opset           = 18;
        const uint32_t x     = case_input(&c, MXD_F32, true, DIMS(9, 3, 4, 6));
        const int64_t  all[] = { 9, 3, h, w }, four = 4;
        const uint32_t y =
            result(&c, "Resize", MXD_F32, true, DIMS(9, 3, h, w),
                   INS(x, MXD_NO_VALUE, MXD_NO_VALUE, case_constant(&c, MXD_S64, 1, &four, all)));
        c.node->version = 18;
        case_string(&c, "mode", "cubic");
        case_string(&c, "coordinate_transformation_mode", modes[k % 4]);
        case_int(&c, "exclude_outside", k & 1);
        finish(&c, y, 2e-6f);
    }
}

/* ---- functions ---- */

static void rare_functions(void **state)
{
    (void)state;
    for (int k = 0; k < 8; k++) {
        cpu_case      c;
        const int64_t d[] = { 9, 4, 3, 5 };
        case_begin(&c, (uint64_t)k, 9);
        const uint32_t x = case_input(&c, MXD_F32, true, 4, d),
                       z = case_input(&c, MXD_F32, true, 4, d);
        uint32_t y;
        switch (k) {
        case 0:
            y = result(&c, "Sign", MXD_F32, true, 4, d, INS(x));
            break;
        case 1:
            y = result(&c, "Softsign", MXD_F32, true, 4, d, INS(x));
            break;
        case 2:
            y = result(&c, "Mean", MXD_F32, true, 4, d, INS(x, z));
            break;
        case 3:
            y = result(&c, "Mean", MXD_F32, true, 4, d, INS(x, z, case_floats(&c, 5, 1.0f)));
            break;
        case 4:
            y = result(&c, "Mean", MXD_F32, true, 4, d, INS(x));
            break;
        case 5:
            y = result(&c, "ReduceProd", MXD_F32, true, DIMS(9, 4), INS(x));
            case_ints(&c, "axes", 2, (const int64_t[]){ 2, 3 });
            case_int(&c, "keepdims", 0);
            break;
        case 6:
            y = result(&c, "LRN", MXD_F32, true, 4, d, INS(x));
            case_int(&c, "size", 3);
            break;
        default:
            y = result(&c, "LRN", MXD_F32, true, 4, d, INS(x));
            case_int(&c, "size", 4);
            case_float(&c, "alpha", 0.5f);
            case_float(&c, "beta", 0.6f);
            case_float(&c, "bias", 1.5f);
        }
        if (k != 2 && k != 3)
            case_output(&c, result(&c, "Relu", MXD_F32, true, 4, d, INS(z)));
        finish(&c, y, 1e-6f);
    }
    cpu_case c;
    case_begin(&c, 9, 3);
    const uint32_t x = case_input(&c, MXD_S32, true, DIMS(3, 4));
    finish(&c, result(&c, "Sign", MXD_S32, true, DIMS(3, 4), INS(x)), 0.0f);
}

static void tiles(void **state)
{
    (void)state;
    static const int64_t   times[][3] = { { 1, 2, 3 }, { 1, 1, 4 }, { 1, 5, 1 }, { 1, 1, 1 } };
    static const mxd_dtype types[]    = { MXD_F32, MXD_S8, MXD_S64 };
    for (size_t k = 0; k < 12; k++) {
        cpu_case             c;
        const int64_t *const t = times[k % 4], three = 3;
        case_begin(&c, k, 9);
        const uint32_t x = case_input(&c, types[k / 4], true, DIMS(9, 3, 2));
        finish(&c,
               result(&c, "Tile", types[k / 4], true, DIMS(9, 3 * t[1], 2 * t[2]),
                      INS(x, case_constant(&c, MXD_S64, 1, &three, t))),
               0.0f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_of_a_batch),
        cmocka_unit_test(filled_and_counted),
        cmocka_unit_test(convolutions),
        cmocka_unit_test(pools),
        cmocka_unit_test(cubic_resizes),
        cmocka_unit_test(rare_functions),
        cmocka_unit_test(tiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
