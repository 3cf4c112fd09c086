/* SPDX-License-Identifier: Apache-2.0
 *
 * Fusion of products and sums: convolutions with their bias, clamps and residuals, matrix products,
 * Add, and what must not be fused.
 */
#include "fuse_case.h"

enum { C = 2, H = 5, W = 6, M = 3, AREA = H * W };
static const float   sx = 0.05f, sy = 0.37f, sr = 0.11f;
static const int32_t zx = 121, zy = 7, zr = 200;
static const float   sw[M]      = { 0.02f, 0.013f, 0.031f };
static const int8_t  no_zero[M] = { 0, 0, 0 };

struct conv {
    int8_t   w[M * C * 9];
    uint32_t x, y;
};

/* Dequantized u8 input (1, C, H, W), s8 weights per channel, 3x3 with padding 1; bias MXD_NO_VALUE:
 * none. y is the float result. */
static struct conv add_conv(fuse_case *c, uint32_t bias)
{
    struct conv v;
    fuse_random(c, v.w, M * C * 9, -128, 127);
    v.x              = graph_input(c->g, "x", MXD_U8, DIMS(1, C, H, W));
    const uint32_t w = fuse_weights(c, MXD_S8, v.w, DIMS(M, C, 3, 3), sw, no_zero, M, 0);
    const uint32_t x = fuse_dequantize(c, v.x, sx, zx, MXD_U8);
    v.y = bias == MXD_NO_VALUE ? OP(c, "Conv", "conv", x, w) : OP(c, "Conv", "conv", x, w, bias);
    graph_ints(c->g, LAST(c), "pads", DIMS(1, 1, 1, 1));
    return v;
}

static int32_t acc_at(const fuse_case *c, const struct conv *v, int m, int k)
{
    return fuse_conv_at(c->in[0], zx, v->w, 0, C, H, W, m, k / W, k % W);
}

#define EACH(m, k)              \
    for (int m = 0; m < M; m++) \
        for (int k = 0; k < AREA; k++)

/* ---- Conv ---- */

static void conv_relu_with_integer_bias(void **state)
{
    (void)state;
    const int32_t     b[M]  = { 900, -1700, 33 };
    const float       sb[M] = { sx * sw[0], sx * sw[1], sx * sw[2] };
    fuse_case *const  c     = fuse_begin(1);
    const struct conv v     = add_conv(c, fuse_bias(c, b, sb, M));
    graph_output(c->g, fuse_quantize(c, OP(c, "Relu", "relu", v.y), sy, zy, MXD_U8));
    const mxdi_graph *const part = fuse_run(c);
    const mxd_node *const   node = fuse_only(part, "QConv");
    assert_int_equal(mxd_node_int(node, "q_min", -1), zy); /* Relu */
    assert_int_equal(mxd_node_int(node, "q_max", -1), 255);
    assert_true(node->in[2] != MXD_NO_VALUE && node->in[3] == MXD_NO_VALUE &&
                node->in[6] == MXD_NO_VALUE);
    EACH(m, k)
    {
        const int32_t acc = acc_at(c, &v, m, k) + b[m];
        assert_int_equal(c->out[0].u8[m * AREA + k],
                         fuse_clamp((float)acc * fuse_ratio3(sx, sw[m], sy), zy, zy, 255));
    }
    fuse_end(c);
}

/* A bias in floats, or in integers at another scale, is added in steps of the output, unrounded. */
static void conv_with_unrounded_bias(void **state)
{
    (void)state;
    const float   real[M] = { 0.9f, -2.3f, 0.05f };
    const int32_t b[M]    = { 900, -1700, 33 };
    float         sb[M], bias[M];
    for (int kind = 0; kind < 3; kind++) {
        const float factor = kind == 1 ? 2.0f : 1.00001f; /* beyond 1e-6 of s_x*s_w */
        for (int m = 0; m < M; m++) {
            sb[m]   = sx * sw[m] * factor;
            bias[m] = kind == 0 ? real[m] : (float)b[m] * sb[m];
        }
        fuse_case *const  c = fuse_begin(2);
        const struct conv v =
            add_conv(c, kind == 0 ? graph_constant(c->g, NULL, MXD_F32, real, DIMS(M))
                                  : fuse_bias(c, b, sb, M));
        graph_output(c->g, fuse_quantize(c, v.y, sy, zy, MXD_U8));
        const mxd_node *const node = fuse_only(fuse_run(c), "QConv");
        assert_true(node->in[2] == MXD_NO_VALUE && node->in[3] != MXD_NO_VALUE);
        EACH(m, k)
        {
            const float r = fmaf((float)acc_at(c, &v, m, k), fuse_ratio3(sx, sw[m], sy),
                                 fuse_ratio3(bias[m], 1.0, sy));
            assert_int_equal(c->out[0].u8[m * AREA + k], fuse_clamp(r, zy, 0, 255));
        }
        fuse_end(c);
    }
}

/* A scale within 1e-6 of s_x*s_w is the product, rounded elsewhere. */
static void conv_with_a_bias_scale_rounded_elsewhere(void **state)
{
    (void)state;
    const int32_t b[M] = { 900, -1700, 33 };
    float         sb[M];
    for (int m = 0; m < M; m++)
        sb[m] = nextafterf(sx * sw[m], 1.0f);
    fuse_case *const  c = fuse_begin(3);
    const struct conv v = add_conv(c, fuse_bias(c, b, sb, M));
    graph_output(c->g, fuse_quantize(c, v.y, sy, zy, MXD_U8));
    const mxd_node *const node = fuse_only(fuse_run(c), "QConv");
    assert_true(node->in[2] != MXD_NO_VALUE && node->in[3] == MXD_NO_VALUE);
    fuse_end(c);
}

/* Weights as others write them: u8 around a zero point, one scale, s8 output. */
static void conv_with_zero_point_of_weights(void **state)
{
    (void)state;
    fuse_case *const c = fuse_begin(4);
    int8_t           w[M * C * 9];
    const int8_t     zero = (int8_t)113;
    fuse_random(c, w, M * C * 9, -128, 127);
    const uint32_t x = graph_input(c->g, "x", MXD_U8, DIMS(1, C, H, W));
    const uint32_t q = fuse_weights(c, MXD_U8, w, DIMS(M, C, 3, 3), sw, &zero, 1, 0);
    const uint32_t y = OP(c, "Conv", "conv", fuse_dequantize(c, x, sx, zx, MXD_U8), q);
    graph_ints(c->g, LAST(c), "pads", DIMS(1, 1, 1, 1));
    graph_output(c->g, fuse_quantize(c, y, sy, -7, MXD_S8));
    const mxd_node *const node = fuse_only(fuse_run(c), "QConv");
    assert_true(node->in[6] != MXD_NO_VALUE);
    EACH(m, k)
    {
        int32_t acc = 0;
        for (int ch = 0; ch < C; ch++)
            for (int t = 0; t < 9; t++) {
                const int iy = k / W + t / 3 - 1, ix = k % W + t % 3 - 1;
                if (iy >= 0 && iy < H && ix >= 0 && ix < W)
                    acc += (c->in[0][(ch * H + iy) * W + ix] - zx) *
                           ((uint8_t)w[(m * C + ch) * 9 + t] - zero);
            }
        assert_int_equal(c->out[0].s8[m * AREA + k],
                         fuse_clamp((float)acc * fuse_ratio3(sx, sw[0], sy), -7, -128, 127));
    }
    fuse_end(c);
}

/* The outer clamp has the last word; bounds round as the quantizer rounds. */
static void conv_with_clamps(void **state)
{
    (void)state;
    fuse_case *const  c  = fuse_begin(5);
    const float       lo = -1.3f, hi = 6.1f;
    const struct conv v = add_conv(c, MXD_NO_VALUE);
    const uint32_t    y = OP(c, "Clip", "clip", v.y, fuse_scale(c, lo), fuse_scale(c, hi));
    graph_output(c->g, fuse_quantize(c, y, sy, zy, MXD_U8));
    const mxd_node *const node = fuse_only(fuse_run(c), "QConv");
    const int32_t         q_lo = zy + (int32_t)rintf(lo / sy), q_hi = zy + (int32_t)rintf(hi / sy);
    assert_int_equal(mxd_node_int(node, "q_min", -1), q_lo);
    assert_int_equal(mxd_node_int(node, "q_max", -1), q_hi);
    EACH(m, k)
    assert_int_equal(
        c->out[0].u8[m * AREA + k],
        fuse_clamp((float)acc_at(c, &v, m, k) * fuse_ratio3(sx, sw[m], sy), zy, q_lo, q_hi));
    fuse_end(c);
}

/* A float result that others read too: both are computed, each by its own definition. */
static void conv_with_two_readers(void **state)
{
    (void)state;
    fuse_case *const  c = fuse_begin(6);
    const struct conv v = add_conv(c, MXD_NO_VALUE);
    graph_output(c->g, fuse_quantize(c, v.y, sy, zy, MXD_U8));
    graph_output(c->g, v.y);
    const mxdi_graph *const part = fuse_run(c);
    assert_int_equal(graph_count(part, "QConv"), 2);
    assert_int_equal(part->n_nodes, 2);
    EACH(m, k)
    {
        const float acc = (float)acc_at(c, &v, m, k);
        assert_int_equal(c->out[0].u8[m * AREA + k],
                         fuse_clamp(acc * fuse_ratio3(sx, sw[m], sy), zy, 0, 255));
        assert_true(c->out[1].f32[m * AREA + k] == acc * fuse_ratio3(sx, sw[m], 1.0));
    }
    fuse_end(c);
}

/* Origins: the audit finds every ONNX node of what was fused. */
static void conv_knows_its_origins(void **state)
{
    (void)state;
    static const char *const want[] = { "conv", "relu", "out" };
    fuse_case *const         c      = fuse_begin(7);
    const struct conv        v      = add_conv(c, MXD_NO_VALUE);
    const uint32_t           relu   = OP(c, "Relu", "relu", v.y);
    graph_output(c->g,
                 OP(c, "QuantizeLinear", "out", relu, fuse_scale(c, sy), fuse_zero(c, MXD_U8, zy)));
    const mxd_node *const node = fuse_only(fuse_run(c), "QConv");
    for (size_t k = 0; k < sizeof(want) / sizeof(want[0]); k++) {
        bool found = false;
        for (uint32_t i = 0; i < node->n_origin; i++)
            found = found || strcmp(node->origin[i], want[k]) == 0;
        assert_true(found);
    }
    assert_int_equal(node->n_origin, 5); /* and both dequantizers */
    fuse_end(c);
}

/* ---- residuals ---- */

/* Conv + Add of a stored value, with and without a quantizer in between, in either order. */
static void conv_with_residual(void **state)
{
    (void)state;
    const float   sm = 0.21f;
    const int32_t zm = 90;
    for (int kind = 0; kind < 4; kind++) {
        const bool        middle = kind & 1, first = kind & 2; /* first: r is Add's first input */
        fuse_case *const  c   = fuse_begin(8 + (uint64_t)kind);
        const struct conv v   = add_conv(c, MXD_NO_VALUE);
        const uint32_t    r   = graph_input(c->g, "r", MXD_U8, DIMS(1, M, H, W));
        const uint32_t    a   = fuse_dequantize(c, r, sr, zr, MXD_U8);
        const uint32_t    b   = middle ? fuse_both(c, v.y, sm, zm, MXD_U8) : v.y;
        const uint32_t    sum = first ? OP(c, "Add", "add", a, b) : OP(c, "Add", "add", b, a);
        graph_output(c->g, fuse_quantize(c, OP(c, "Relu", "relu", sum), sy, zy, MXD_U8));
        const mxd_node *const node = fuse_only(fuse_run(c), "QConv");
        assert_int_equal(mxd_node_int(node, "mid", -1), middle);
        assert_int_equal(mxd_node_int(node, "residual_first", -1), first);
        EACH(m, k)
        {
            const float acc = (float)acc_at(c, &v, m, k), qr = (float)(c->in[1][m * AREA + k] - zr);
            const float q1 = (float)(fuse_clamp(acc * fuse_ratio3(sx, sw[m], sm), zm, 0, 255) - zm);
            const float ry = fuse_ratio3(sr, 1.0, sy), my = fuse_ratio3(sm, 1.0, sy);
            const float v1 = !middle  ? fmaf(qr, ry, acc * fuse_ratio3(sx, sw[m], sy))
                             : !first ? fmaf(q1, my, qr * ry)
                                      : fmaf(qr, ry, q1 * my);
            assert_int_equal(c->out[0].u8[m * AREA + k], fuse_clamp(v1, zy, zy, 255));
        }
        fuse_end(c);
    }
}

/* A middle value that others read stays, and so does the sum. */
static void conv_with_a_shared_middle(void **state)
{
    (void)state;
    const float       sm = 0.21f;
    const int32_t     zm = 90;
    fuse_case *const  c  = fuse_begin(14);
    const struct conv v  = add_conv(c, MXD_NO_VALUE);
    const uint32_t    a =
        fuse_dequantize(c, graph_input(c->g, "r", MXD_U8, DIMS(1, M, H, W)), sr, zr, MXD_U8);
    const uint32_t q = fuse_quantize(c, v.y, sm, zm, MXD_U8);
    const uint32_t y = OP(c, "Add", "add", fuse_dequantize(c, q, sm, zm, MXD_U8), a);
    graph_output(c->g, fuse_quantize(c, y, sy, zy, MXD_U8));
    graph_output(c->g, q);
    const mxdi_graph *const part = fuse_run(c);
    assert_int_equal(graph_count(part, "QConv"), 1);
    assert_int_equal(graph_count(part, "QAdd"), 1);
    EACH(m, k)
    {
        const int32_t q1 =
            fuse_clamp((float)acc_at(c, &v, m, k) * fuse_ratio3(sx, sw[m], sm), zm, 0, 255);
        const float qr = (float)(c->in[1][m * AREA + k] - zr);
        const float r =
            fmaf((float)(q1 - zm), fuse_ratio3(sm, 1.0, sy), qr * fuse_ratio3(sr, 1.0, sy));
        assert_int_equal(c->out[1].u8[m * AREA + k], q1);
        assert_int_equal(c->out[0].u8[m * AREA + k], fuse_clamp(r, zy, 0, 255));
    }
    fuse_end(c);
}

static void add_of_stored_values(void **state)
{
    (void)state;
    fuse_case *const c = fuse_begin(12);
    const uint32_t   a = graph_input(c->g, "a", MXD_U8, DIMS(1, M, AREA));
    const uint32_t   b = graph_input(c->g, "b", MXD_S8, DIMS(1, M, 1));
    const uint32_t   y = OP(c, "Add", "add", fuse_dequantize(c, a, sx, zx, MXD_U8),
                            fuse_dequantize(c, b, sr, -20, MXD_S8));
    graph_output(c->g, fuse_quantize(c, y, sy, -3, MXD_S8));
    fuse_only(fuse_run(c), "QAdd");
    EACH(m, k)
    {
        const float qa = (float)(c->in[0][m * AREA + k] - zx),
                    qb = (float)((int8_t)c->in[1][m] + 20);
        const float r  = fmaf(qa, fuse_ratio3(sx, 1.0, sy), qb * fuse_ratio3(sr, 1.0, sy));
        assert_int_equal(c->out[0].s8[m * AREA + k], fuse_clamp(r, -3, -128, 127));
    }
    fuse_end(c);
}

/* ---- matrix products ---- */

enum { I = 3, K = 21, N = 5 };

static void gemm_and_matmul(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) { /* Gemm with B as (N, K), as (K, N), MatMul */
        fuse_case *const c = fuse_begin(20 + (uint64_t)kind);
        int8_t           w[K * N];
        const int8_t     zero[N]  = { 0 };
        const float      scale[N] = { 0.01f, 0.02f, 0.03f, 0.015f, 0.011f };
        const int32_t    b[N]     = { 1, -200, 3000, 44, 0 };
        float            sb[N];
        const bool       trans = kind == 0;
        for (int n = 0; n < N; n++)
            sb[n] = sx * scale[n];
        fuse_random(c, w, K * N, -127, 127);
        const uint32_t x  = graph_input(c->g, "x", MXD_U8, DIMS(I, K));
        const uint32_t xd = fuse_dequantize(c, x, sx, zx, MXD_U8);
        const uint32_t q  = trans ? fuse_weights(c, MXD_S8, w, DIMS(N, K), scale, zero, N, 0)
                                  : fuse_weights(c, MXD_S8, w, DIMS(K, N), scale, zero, N, 1);
        uint32_t       y;
        if (kind == 2) {
            y = OP(c, "MatMul", "matmul", xd, q);
        } else {
            y = OP(c, "Gemm", "gemm", xd, q, fuse_bias(c, b, sb, N));
            graph_int(c->g, LAST(c), "transB", trans);
        }
        graph_output(c->g, fuse_quantize(c, y, sy, zy, MXD_U8));
        fuse_only(fuse_run(c), "QMatMul");
        for (int i = 0; i < I; i++)
            for (int n = 0; n < N; n++) {
                int32_t acc = kind == 2 ? 0 : b[n];
                for (int k = 0; k < K; k++)
                    acc += (c->in[0][i * K + k] - zx) * w[trans ? n * K + k : k * N + n];
                assert_int_equal(
                    c->out[0].u8[i * N + n],
                    fuse_clamp((float)acc * fuse_ratio3(sx, scale[n], sy), zy, 0, 255));
            }
        fuse_end(c);
    }
}

/* Both operands at run time: each has its zero point. */
static void matmul_of_activations(void **state)
{
    (void)state;
    fuse_case *const c = fuse_begin(24);
    const uint32_t   a = graph_input(c->g, "a", MXD_U8, DIMS(2, I, K));
    const uint32_t   b = graph_input(c->g, "b", MXD_S8, DIMS(2, K, N));
    const uint32_t   y = OP(c, "MatMul", "matmul", fuse_dequantize(c, a, sx, zx, MXD_U8),
                            fuse_dequantize(c, b, sr, -20, MXD_S8));
    graph_output(c->g, fuse_quantize(c, y, 40.0f * sy, zy, MXD_U8));
    fuse_only(fuse_run(c), "QMatMul");
    for (int k = 0; k < 2 * I * N; k++) {
        const int s = k / (I * N), i = k / N % I, n = k % N;
        int32_t   acc = 0;
        for (int j = 0; j < K; j++)
            acc +=
                (c->in[0][(s * I + i) * K + j] - zx) * ((int8_t)c->in[1][(s * K + j) * N + n] + 20);
        assert_int_equal(
            c->out[0].u8[k],
            fuse_clamp((float)acc * fuse_ratio3(sx, sr, (double)(40.0f * sy)), zy, 0, 255));
    }
    fuse_end(c);
}

/* What has no integer definition stays as it is: alpha, a float in between, per-channel
 * activations. */
static void what_stays_float(void **state)
{
    (void)state;
    fuse_case   *c = fuse_begin(25);
    int8_t       w[K * N];
    const int8_t zero  = 0;
    const float  scale = 0.02f;
    fuse_random(c, w, K * N, -127, 127);
    const uint32_t x =
        fuse_dequantize(c, graph_input(c->g, "x", MXD_U8, DIMS(I, K)), sx, zx, MXD_U8);
    const uint32_t y =
        OP(c, "Gemm", "gemm", x, fuse_weights(c, MXD_S8, w, DIMS(K, N), &scale, &zero, 1, 0));
    assert_int_equal(mxdi_node_set_float(c->g, &c->g->node[LAST(c)], "alpha", 0.5f, NULL), MXD_OK);
    graph_output(c->g, fuse_quantize(c, y, sy, zy, MXD_U8));
    const mxdi_graph *part = fuse_run(c);
    assert_int_equal(graph_count(part, "QMatMul"), 0);
    assert_int_equal(graph_count(part, "QuantizeLinear"), 1);
    fuse_end(c);

    c                       = fuse_begin(27); /* scales along the axis that is summed over */
    const float    along[N] = { 0.01f, 0.02f, 0.03f, 0.015f, 0.011f };
    const int8_t   zeros[N] = { 0 };
    const uint32_t square   = fuse_weights(c, MXD_S8, w, DIMS(N, N), along, zeros, N, 0);
    const uint32_t left =
        fuse_dequantize(c, graph_input(c->g, "x", MXD_U8, DIMS(I, N)), sx, zx, MXD_U8);
    graph_output(c->g, fuse_quantize(c, OP(c, "MatMul", "matmul", left, square), sy, zy, MXD_U8));
    part = fuse_run(c);
    assert_int_equal(graph_count(part, "QMatMul"), 0);
    fuse_end(c);

    c                   = fuse_begin(26);
    const struct conv v = add_conv(c, MXD_NO_VALUE);
    graph_output(c->g,
                 fuse_quantize(c, OP(c, "Log", "log", OP(c, "Abs", "abs", v.y)), sy, zy, MXD_U8));
    part = fuse_run(c);
    assert_int_equal(graph_count(part, "QConv"), 1); /* integers in, floats out */
    assert_int_equal(graph_count(part, "QuantizeLinear"), 1);
    assert_int_equal(graph_count(part, "Log"), 1);
    fuse_end(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv_relu_with_integer_bias),
        cmocka_unit_test(conv_with_unrounded_bias),
        cmocka_unit_test(conv_with_a_bias_scale_rounded_elsewhere),
        cmocka_unit_test(conv_with_zero_point_of_weights),
        cmocka_unit_test(conv_with_clamps),
        cmocka_unit_test(conv_with_two_readers),
        cmocka_unit_test(conv_knows_its_origins),
        cmocka_unit_test(conv_with_residual),
        cmocka_unit_test(conv_with_a_shared_middle),
        cmocka_unit_test(add_of_stored_values),
        cmocka_unit_test(gemm_and_matmul),
        cmocka_unit_test(matmul_of_activations),
        cmocka_unit_test(what_stays_float),
    };
    return cmocka_run_group_tests_name("engine_fuse", tests, NULL, NULL);
}
