/* SPDX-License-Identifier: Apache-2.0
 *
 * The CPU backend on matrix products: constant weights over rows and behind a flattened image, two
 * activations, Gemm. */
#include "unit/cpu_case.h"

static int32_t low(mxd_dtype d)
{
    int64_t lo = 0, hi = 0;
    (void)mxdi_dtype_range(d, &lo, &hi);
    return (int32_t)lo;
}

static void range(cpu_case *c, mxd_dtype d)
{
    if (d == MXD_F32)
        return;
    case_int(c, "y_zero_point", low(d) + 125);
    case_int(c, "q_min", low(d));
    case_int(c, "q_max", low(d) + 255);
}

/* QMatMul with constant weights over x of any rank. */
static void qmatmul(uint64_t seed, mxd_dtype x_type, mxd_dtype w_type, mxd_dtype y_type,
                    bool trans_b, bool bias_float, bool residual, int32_t rank, const int64_t *xd,
                    int64_t n)
{
    cpu_case      c;
    const int64_t k = xd[rank - 1], wd[] = { trans_b ? n : k, trans_b ? k : n };
    int64_t       yd[MXD_MAX_RANK];
    memcpy(yd, xd, (size_t)rank * sizeof(yd[0]));
    yd[rank - 1] = n;
    case_begin(&c, seed, xd[0]);
    const uint32_t x  = case_input(&c, x_type, true, rank, xd),
                   w  = case_constant(&c, w_type, 2, wd, NULL);
    const uint32_t y  = case_value(&c, y_type, true, rank, yd),
                   b  = bias_float ? MXD_NO_VALUE : case_constant(&c, MXD_S32, 1, &n, NULL);
    const uint32_t bf = bias_float ? case_floats(&c, n, 4.0f) : MXD_NO_VALUE;
    const uint32_t m =
        case_floats(&c, n, (y_type == MXD_F32 ? 0.1f : 50.0f) / (float)(sqrt((double)k) * 5500.0));
    const uint32_t r = residual ? case_input(&c, y_type, true, rank, yd) : MXD_NO_VALUE;
    case_node(&c, "QMatMul", y, INS(x, w, b, bf, m, r));
    case_int(&c, "transB", trans_b);
    case_int(&c, "x_zero_point", low(x_type) + 120);
    range(&c, y_type);
    if (residual) {
        case_int(&c, "mid", 0);
        case_int(&c, "r_zero_point", low(y_type) + 100);
        case_float(&c, "r_scale_ratio", 0.8f);
        case_float(&c, "y_scale_ratio", 1.0f);
    }
    case_output(&c, y);
    case_check(&c);
}

static void products_with_constant_weights(void **state)
{
    (void)state;
    static const int64_t a[] = { 11, 37 }, b[] = { 3, 20 }, d[] = { 2, 9, 24 },
                         e[] = { 5, 3, 2, 10 }, f[] = { 1, 17, 64 }, h[] = { 16, 64 };
    qmatmul(1, MXD_U8, MXD_S8, MXD_U8, false, false, false, 2, a, 19);
    qmatmul(2, MXD_S8, MXD_S8, MXD_F32, true, true, false, 2, b, 10);
    qmatmul(3, MXD_U8, MXD_S8, MXD_S8, false, true, false, 3, d, 40);
    qmatmul(4, MXD_S8, MXD_U8, MXD_U8, true, false, false, 4, e, 6);
    qmatmul(5, MXD_U8, MXD_S4, MXD_U8, false, false, true, 3, f, 33);
    qmatmul(6, MXD_U8, MXD_S8, MXD_F32, true, false, false, 2, h, 5);
}

/* A blocked image, flattened: one convolution as large as the image. */
static void behind_an_image(uint64_t seed, int64_t batch, bool integer)
{
    cpu_case      c;
    const int64_t xd[] = { batch, 6, 9, 8 }, pd[] = { batch, 6, 4, 4 }, fd[] = { batch, 96 },
                  yd[] = { batch, 10 }, two[] = { 2, 2 };
    const mxd_dtype type = integer ? MXD_U8 : MXD_F32;
    case_begin(&c, seed, batch);
    const uint32_t x      = case_input(&c, type, true, 4, xd),
                   pooled = case_value(&c, type, true, 4, pd);
    const uint32_t flat   = case_value(&c, type, true, 2, fd),
                   y      = case_value(&c, MXD_F32, true, 2, yd);
    case_node(&c, "MaxPool", pooled, INS(x));
    case_ints(&c, "kernel_shape", 2, two);
    case_ints(&c, "strides", 2, two);
    case_node(&c, "Flatten", flat, INS(pooled));
    if (integer) {
        const uint32_t w = case_constant(&c, MXD_S8, DIMS(10, 96), NULL),
                       m = case_floats(&c, 1, 0.001f);
        case_node(&c, "QMatMul", y, INS(flat, w, MXD_NO_VALUE, MXD_NO_VALUE, m));
        case_int(&c, "transB", 1);
        case_int(&c, "x_zero_point", 3);
    } else {
        const uint32_t w = case_constant(&c, MXD_F32, DIMS(96, 10), NULL),
                       b = case_floats(&c, 10, 1.0f);
        case_node(&c, "FusedMatMul", y, INS(flat, w, b));
        case_float(&c, "min", 0.0f);
    }
    case_output(&c, y);
    case_check(&c);
}

static void flattened_images_are_not_unpacked(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++)
        behind_an_image((uint64_t)k, k < 2 ? 10 : 3, k % 2 == 0);
}

static void two_activations(uint64_t seed, mxd_dtype a_type, mxd_dtype b_type, mxd_dtype y_type,
                            int32_t rank, const int64_t *ad, const int64_t *bd, bool b_batched)
{
    cpu_case   c;
    int64_t    yd[MXD_MAX_RANK];
    const bool integer = a_type != MXD_F32;
    memcpy(yd, ad, (size_t)rank * sizeof(yd[0]));
    yd[rank - 1] = bd[rank - 1];
    case_begin(&c, seed, ad[0]);
    const uint32_t a = case_input(&c, a_type, true, rank, ad),
                   b = case_input(&c, b_type, b_batched, rank, bd);
    const uint32_t y = case_value(&c, y_type, true, rank, yd);
    if (!integer) {
        case_node(&c, "MatMul", y, INS(a, b));
    } else {
        const int32_t  z[] = { low(b_type) + 9 };
        const uint32_t m   = case_floats(&c, 1,
                                         (y_type == MXD_F32 ? 0.1f : 50.0f) /
                                             (float)(sqrt((double)ad[rank - 1]) * 9000.0));
        const uint32_t zw  = case_constant(&c, MXD_S32, DIMS(1), z);
        case_node(&c, "QMatMul", y, INS(a, b, MXD_NO_VALUE, MXD_NO_VALUE, m, MXD_NO_VALUE, zw));
        case_int(&c, "x_zero_point", low(a_type) + 77);
        range(&c, y_type);
    }
    case_output(&c, y);
    case_check(&c);
}

static void products_of_two_activations(void **state)
{
    (void)state;
    static const int64_t a[] = { 3, 2, 7, 12 }, b[] = { 3, 2, 12, 9 }, c[] = { 1, 4, 5, 700 },
                         d[] = { 1, 4, 700, 6 }, e[] = { 1, 1, 12, 9 };
    two_activations(1, MXD_F32, MXD_F32, MXD_F32, 4, a, b, true);
    two_activations(2, MXD_U8, MXD_U8, MXD_U8, 4, a, b, true);
    two_activations(3, MXD_S8, MXD_U8, MXD_F32, 4, a, b, true);
    two_activations(4, MXD_U8, MXD_S8, MXD_S8, 4, c, d, true);
    two_activations(5, MXD_F32, MXD_F32, MXD_F32, 4, a, e, false);
}

/* A QMatMul of a and b that gives y. */
static void integer_product(cpu_case *c, uint32_t y, uint32_t a, uint32_t b, mxd_dtype a_type,
                            mxd_dtype y_type, int32_t zb, float scale)
{
    const uint32_t m = case_floats(c, 1, scale), zw = case_constant(c, MXD_S32, DIMS(1), &zb);
    case_node(c, "QMatMul", y, INS(a, b, MXD_NO_VALUE, MXD_NO_VALUE, m, MXD_NO_VALUE, zw));
    case_int(c, "x_zero_point", low(a_type) + 77);
    range(c, y_type);
}

static uint32_t transpose(cpu_case *c, uint32_t x, mxd_dtype type, const int64_t *to, int64_t d0,
                          int64_t d1, int64_t d2, int64_t d3)
{
    const uint32_t y = case_value(c, type, true, 4, (const int64_t[]){ d0, d1, d2, d3 });
    case_node(c, "Transpose", y, INS(x));
    case_ints(c, "perm", 4, to);
    return y;
}

/* Attention's products with their Transposes: read and written through, unless someone else wants
 * what a Transpose makes (shown) or its last axis moves (of q: apart). */
static void attention(uint64_t seed, mxd_dtype k_type, int32_t zb, bool shown, bool apart)
{
    enum { N = 3, S = 13, HEADS = 5, D = 9 };
    static const int64_t heads[] = { 0, 2, 1, 3 }, columns[] = { 0, 2, 3, 1 };
    cpu_case             c;
    case_begin(&c, seed, N);
    const uint32_t q  = apart ? case_input(&c, MXD_U8, true, DIMS(N, D, HEADS, S))
                              : case_input(&c, MXD_U8, true, DIMS(N, S, HEADS, D)),
                   k  = case_input(&c, k_type, true, DIMS(N, S, HEADS, D)),
                   v  = case_input(&c, MXD_S8, true, DIMS(N, S, HEADS, D));
    const uint32_t qt = transpose(&c, q, MXD_U8, apart ? columns : heads, N, HEADS, S, D),
                   kt = transpose(&c, k, k_type, columns, N, HEADS, D, S),
                   vt = transpose(&c, v, MXD_S8, heads, N, HEADS, S, D);
    const uint32_t s  = case_value(&c, MXD_U8, true, DIMS(N, HEADS, S, S)),
                   o  = case_value(&c, MXD_S8, true, DIMS(N, HEADS, S, D));
    integer_product(&c, s, qt, kt, MXD_U8, MXD_U8, zb, 0.003f);
    integer_product(&c, o, s, vt, MXD_U8, MXD_S8, 0, 0.003f);
    const uint32_t y = transpose(&c, o, MXD_S8, heads, N, S, HEADS, D);
    const uint32_t t = transpose(&c, s, MXD_U8, columns, N, S, S, HEADS);
    case_output(&c, y);
    case_output(&c, t);
    if (shown) {
        case_output(&c, kt);
        case_output(&c, o);
    }
    case_check(&c);
}

static void products_between_transposes(void **state)
{
    (void)state;
    attention(1, MXD_S8, 0, false, false);
    attention(2, MXD_U8, 131, false, true);
    attention(3, MXD_S8, -7, true, false);
}

static void gemm(uint64_t seed, bool trans_a, bool trans_b, bool constant, int c_rank, float alpha,
                 float beta)
{
    cpu_case      c;
    const int64_t m = 5, k = 12, n = 7, ad[] = { trans_a ? k : m, trans_a ? m : k },
                  bd[] = { trans_b ? n : k, trans_b ? k : n };
    const int64_t yd[] = { m, n }, cd[2][2] = { { n, 0 }, { m, n } };
    case_begin(&c, seed, 1);
    const uint32_t a = case_input(&c, MXD_F32, false, 2, ad);
    const uint32_t b =
        constant ? case_constant(&c, MXD_F32, 2, bd, NULL) : case_input(&c, MXD_F32, false, 2, bd);
    const uint32_t y   = case_value(&c, MXD_F32, false, 2, yd);
    const uint32_t add = c_rank == 0   ? MXD_NO_VALUE
                         : c_rank == 1 ? case_constant(&c, MXD_F32, 1, cd[0], NULL)
                                       : case_input(&c, MXD_F32, false, 2, cd[1]);
    case_node(&c, "Gemm", y, INS(a, b, add));
    case_int(&c, "transA", trans_a);
    case_int(&c, "transB", trans_b);
    case_float(&c, "alpha", alpha);
    case_float(&c, "beta", beta);
    case_output(&c, y);
    case_check(&c);
}

static void gemm_in_all_its_forms(void **state)
{
    (void)state;
    for (int k = 0; k < 24; k++)
        gemm((uint64_t)k, k & 1, k & 2, k & 4, k / 8, k % 3 ? 1.0f : 0.5f, k % 5 ? 1.0f : -2.0f);
}

/* Scales of 4-bit weights: one for each block of K, for each column, or for all. */
typedef enum scales { PER_BLOCK, PER_COLUMN, PER_TENSOR } scales;

static void set_scales(cpu_case *c, uint32_t w, scales of, int64_t k, int64_t n, int64_t block,
                       bool trans_b, bool zeros)
{
    const uint32_t count = (uint32_t)(of == PER_BLOCK ? k / block * n : of == PER_COLUMN ? n : 1);
    float *const   scale = mxdi_arena_alloc(&c->g->arena, count, sizeof(float), 64);
    int32_t *const zero  = mxdi_arena_alloc(&c->g->arena, count, sizeof(int32_t), 64);
    for (uint32_t i = 0; i < count; i++) {
        scale[i] = 0.05f + 0.01f * (float)(i % 7);
        zero[i]  = zeros ? (int32_t)(i % 3) - 1 : 0;
    }
    const int32_t     columns = trans_b ? 0 : 1;
    const mxd_qparams q       = { .scale      = scale,
                                  .zero_point = zero,
                                  .n          = count,
                                  .axis       = of == PER_BLOCK ? 1 - columns : columns,
                                  .block      = of == PER_BLOCK ? (int32_t)block : 0,
                                  .q_min      = -8,
                                  .q_max      = 7 };
    assert_int_equal(mxdi_value_set_qparams(c->g, w, &q, NULL), MXD_OK);
}

/* Weight-only, f32, bf16 and f16 arithmetic; of few rows or many, with zero points or without. */
static void weight_only(uint64_t seed, const char *compute, bool trans_b, int64_t batch, scales of,
                        int64_t block, bool zeros, bool residual)
{
    cpu_case      c;
    const int64_t k = 48, n = 20, wd[] = { trans_b ? n : k, trans_b ? k : n };
    case_begin(&c, seed, batch);
    const uint32_t x = case_input(&c, MXD_F32, true, DIMS(batch, k)),
                   y = case_value(&c, MXD_F32, true, DIMS(batch, n)),
                   r = residual ? case_input(&c, MXD_F32, true, DIMS(batch, n)) : MXD_NO_VALUE;
    const uint32_t w = case_constant(&c, MXD_S4, 2, wd, NULL), b = case_floats(&c, n, 0.5f);
    set_scales(&c, w, of, k, n, block, trans_b, zeros);
    case_node(&c, "FusedMatMul", y, INS(x, w, b, r));
    case_int(&c, "transB", trans_b);
    case_string(&c, "compute", compute);
    case_int(&c, "round_output", 1);
    case_float(&c, "min", -0.75f);
    case_output(&c, y);
    c.tolerance = strcmp(compute, "f32") == 0
                      ? 0.0f
                      : 8e-3f; /* a sum that falls on the other side of a rounding */
    case_check(&c);
}

static void weights_alone_are_integers(void **state)
{
    (void)state;
    static const char *const compute[] = { "f32", "bf16", "f16" };
    for (int k = 0; k < 54; k++)
        weight_only((uint64_t)k, compute[k / 2 % 3], k % 2, k % 4 == 3 ? 9 : k % 4 + 1,
                    (scales)(k / 6 % 3), k / 18 % 2 ? 12 : 16, k / 18 == 2, k % 5 == 0);
}

static bool has_kernel(const cpu_case *c, const char *family)
{
    case_engine e;
    mxd_steps   steps = { 0 };
    bool        found = false;
    case_open(&e, c, mxdi_cpu_backend(), NULL, 1);
    e.api->steps(e.program, &steps);
    for (uint32_t k = 0; k < steps.n; k++)
        found = found || strncmp(steps.step[k].kernel, family, strlen(family)) == 0;
    case_close(&e);
    return found;
}

/* 4-bit weights stay packed with few rows, however they are scaled; with many, or where zero points
 * make five bits of them, they are unpacked. */
static void few_rows_unpack_in_registers(void **state)
{
    (void)state;
    if (!(mxdi_cpu_isa() & MXDI_ISA_AVX512))
        skip(); /* elsewhere it does not pay for weights of a test's size */
    static const struct {
        int64_t batch, block;
        bool    zeros, packed;
        scales  of;
    } cases[] = {
        { 1, 16, false, true, PER_BLOCK },  { 4, 16, false, true, PER_COLUMN },
        { 2, 16, false, true, PER_TENSOR }, { 9, 16, false, false, PER_COLUMN },
        { 1, 12, false, false, PER_BLOCK }, { 1, 16, true, false, PER_COLUMN },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cpu_case c;
        case_begin(&c, i, cases[i].batch);
        const uint32_t x = case_input(&c, MXD_F32, true, DIMS(cases[i].batch, 48)),
                       y = case_value(&c, MXD_F32, true, DIMS(cases[i].batch, 20));
        const uint32_t w = case_constant(&c, MXD_S4, 2, (const int64_t[]){ 20, 48 }, NULL);
        set_scales(&c, w, cases[i].of, 48, 20, cases[i].block, true, cases[i].zeros);
        case_node(&c, "FusedMatMul", y, INS(x, w));
        case_int(&c, "transB", 1);
        case_string(&c, "compute", "f32");
        case_output(&c, y);
        assert_int_equal(has_kernel(&c, "matmul_w4"), cases[i].packed);
        mxdi_graph_destroy(c.g);
    }
}

/* Behind a Flatten of an image, in the order that the image has in memory. */
static void flattened_images_meet_packed_weights(void **state)
{
    (void)state;
    for (int k = 0; k < 8; k++) {
        const int64_t batch = 1 + k % 4, cin = k & 1 ? 6 : 5, n = 20;
        cpu_case      c;
        case_begin(&c, (uint64_t)k, batch);
        const uint32_t x    = case_input(&c, MXD_F32, true, DIMS(batch, 3, 4, 4)),
                       a    = case_value(&c, MXD_F32, true, DIMS(batch, cin, 4, 4)),
                       flat = case_value(&c, MXD_F32, true, DIMS(batch, cin * 16)),
                       y    = case_value(&c, MXD_F32, true, DIMS(batch, n));
        const uint32_t f = case_constant(&c, MXD_F32, 4, (const int64_t[]){ cin, 3, 1, 1 }, NULL),
                       w = case_constant(&c, MXD_S4, 2, (const int64_t[]){ n, cin * 16 }, NULL);
        set_scales(&c, w, k & 2 ? PER_COLUMN : PER_TENSOR, cin * 16, n, 0, true, false);
        case_node(&c, "Conv", a, INS(x, f));
        case_node(&c, "Flatten", flat, INS(a));
        case_node(&c, "FusedMatMul", y, INS(flat, w));
        case_int(&c, "transB", 1);
        case_string(&c, "compute", k & 4 ? "bf16" : "f32");
        case_output(&c, y);
        c.tolerance = k & 4 ? 8e-3f : 4e-6f;
        case_check(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_with_constant_weights),
        cmocka_unit_test(flattened_images_are_not_unpacked),
        cmocka_unit_test(products_of_two_activations),
        cmocka_unit_test(products_between_transposes),
        cmocka_unit_test(gemm_in_all_its_forms),
        cmocka_unit_test(weights_alone_are_integers),
        cmocka_unit_test(few_rows_unpack_in_registers),
        cmocka_unit_test(flattened_images_meet_packed_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
