/* SPDX-License-Identifier: Apache-2.0
 *
 * Integers whose zero points a run finds: DynamicQuantizeLinear, MatMulInteger, ConvInteger, alone
 * and as dynamic quantization writes them. */
#include "unit/cpu_case.h"

/* A byte of type `dtype`: constant, an input, or none. */
static uint32_t zero_point(cpu_case *c, mxd_dtype dtype, int kind, int64_t many)
{
    if (kind == 0)
        return MXD_NO_VALUE;
    const int32_t rank = many > 1 ? 1 : 0;
    if (kind == 1)
        return case_constant(c, dtype, rank, &many, NULL);
    return case_input(c, dtype, false, rank, &many);
}

static void product(uint64_t seed, mxd_dtype ta, mxd_dtype tb, int rank, int64_t k, int64_t n,
                    bool b_constant, int zeros, bool many)
{
    cpu_case      c;
    const int64_t batch = 3, ad[] = { batch, 2, 5, k }, bd[] = { 2, k, n },
                  yd[] = { batch, 2, 5, n };
    const int64_t a2[] = { batch, k }, y2[] = { batch, n };
    case_begin(&c, seed, batch);
    const uint32_t a      = case_input(&c, ta, true, rank, rank == 2 ? a2 : ad);
    const int32_t  b_rank = rank == 2 || b_constant ? 2 : 3;
    const uint32_t b      = b_constant ? case_constant(&c, tb, 2, bd + 1, NULL)
                                       : case_input(&c, tb, false, b_rank, b_rank == 2 ? bd + 1 : bd);
    const uint32_t y      = case_value(&c, MXD_S32, true, rank, rank == 2 ? y2 : yd);
    case_node(&c, "MatMulInteger", y,
              INS(a, b, zero_point(&c, ta, zeros, 1), zero_point(&c, tb, zeros, many ? n : 1)));
    case_output(&c, y);
    case_check(&c);
}

static void matrix_products(void **state)
{
    (void)state;
    static const mxd_dtype types[] = { MXD_U8, MXD_S8 };
    for (int k = 0; k < 48; k++)
        product((uint64_t)k, types[k & 1], types[k >> 1 & 1], k & 4 ? 4 : 2, 1 + k % 7 * 5,
                1 + k % 5 * 17, k & 8, k % 3, k & 16);
}

static void convolution(uint64_t seed, int32_t rank, int64_t groups, bool w_constant, int zeros,
                        bool many, int64_t stride, int64_t dilation, int64_t pad)
{
    cpu_case      c;
    const int64_t batch = 2, channels = 3 * groups, filters = 5 * groups, kernel = 3;
    const int64_t out  = (9 + 2 * pad - (kernel - 1) * dilation - 1) / stride + 1;
    const int64_t xd[] = { batch, channels, 9, 9 }, wd[] = { filters, 3, kernel, kernel },
                  yd[] = { batch, filters, out, out };
    case_begin(&c, seed, batch);
    const uint32_t x = case_input(&c, MXD_U8, true, rank, xd);
    const uint32_t w = w_constant ? case_constant(&c, MXD_S8, rank, wd, NULL)
                                  : case_input(&c, MXD_S8, false, rank, wd);
    const uint32_t y = case_value(&c, MXD_S32, true, rank, yd);
    case_node(&c, "ConvInteger", y,
              INS(x, w, zero_point(&c, MXD_U8, zeros, 1),
                  zero_point(&c, MXD_S8, zeros, many ? filters : 1)));
    case_int(&c, "group", groups);
    case_ints(&c, "strides", rank - 2, (const int64_t[]){ stride, stride });
    case_ints(&c, "dilations", rank - 2, (const int64_t[]){ dilation, dilation });
    case_ints(&c, "pads", 2 * (rank - 2), (const int64_t[]){ pad, pad, pad, pad });
    case_output(&c, y);
    case_check(&c);
}

static void convolutions(void **state)
{
    (void)state;
    for (int k = 0; k < 32; k++)
        convolution((uint64_t)k, k & 1 ? 3 : 4, 1 + (k >> 1 & 1) * 2, k & 4, k % 3, k & 8,
                    1 + k % 2, 1 + (k & 16) / 16, k % 3);
}

static void quantize(uint64_t seed, int32_t rank, const int64_t *dim, const float *values)
{
    cpu_case c;
    case_begin(&c, seed, dim[0]);
    const uint32_t x = values ? case_constant(&c, MXD_F32, rank, dim, values)
                              : case_input(&c, MXD_F32, true, rank, dim);
    const uint32_t y = case_value(&c, MXD_U8, !values, rank, dim),
                   s = case_value(&c, MXD_F32, false, 0, NULL),
                   z = case_value(&c, MXD_U8, false, 0, NULL);
    mxd_node *node;
    assert_int_equal(mxdi_graph_add_node(&node, c.g, "DynamicQuantizeLinear", "", NULL, &x, 1,
                                         (const uint32_t[]){ y, s, z }, 3, NULL),
                     MXD_OK);
    case_output(&c, y);
    case_output(&c, s);
    case_output(&c, z);
    c.tolerance = 0.0f;
    case_check(&c);
}

static void dynamic_ranges(void **state)
{
    (void)state;
    static const float zeros[4] = { 0 }, above[4] = { 1, 2, 3, 1 }, below[4] = { -1, -2, -3, -1 },
                       odd[4]   = { NAN, -1, 2, NAN };
    static const int64_t four[] = { 4 };
    quantize(1, 4, (const int64_t[]){ 3, 5, 7, 2 }, NULL);
    quantize(2, 2, (const int64_t[]){ 40, 1000 }, NULL); /* several pieces; not cut into chunks */
    quantize(3, 1, four, zeros);
    quantize(4, 1, four, above);
    quantize(5, 1, four, below);
    quantize(6, 1, four, odd);
}

/* x -> DynamicQuantizeLinear -> MatMulInteger -> Cast -> Mul: a layer as dynamic quantization has
 * it. */
static void dynamic_layer(void **state)
{
    (void)state;
    cpu_case      c;
    const int64_t batch = 4, k = 37, n = 50;
    case_begin(&c, 7, batch);
    const uint32_t x    = case_input(&c, MXD_F32, true, DIMS(batch, k)),
                   q    = case_value(&c, MXD_U8, true, DIMS(batch, k)),
                   s    = case_value(&c, MXD_F32, false, 0, NULL),
                   z    = case_value(&c, MXD_U8, false, 0, NULL),
                   acc  = case_value(&c, MXD_S32, true, DIMS(batch, n)),
                   real = case_value(&c, MXD_F32, true, DIMS(batch, n)),
                   y    = case_value(&c, MXD_F32, true, DIMS(batch, n));
    mxd_node *node;
    assert_int_equal(mxdi_graph_add_node(&node, c.g, "DynamicQuantizeLinear", "", NULL, &x, 1,
                                         (const uint32_t[]){ q, s, z }, 3, NULL),
                     MXD_OK);
    case_node(&c, "MatMulInteger", acc,
              INS(q, case_constant(&c, MXD_S8, 2, (const int64_t[]){ k, n }, NULL), z));
    case_node(&c, "Cast", real, INS(acc));
    case_int(&c, "to", 1);
    case_node(&c, "Mul", y, INS(real, s));
    case_output(&c, y);
    case_check(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matrix_products),
        cmocka_unit_test(convolutions),
        cmocka_unit_test(dynamic_ranges),
        cmocka_unit_test(dynamic_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
