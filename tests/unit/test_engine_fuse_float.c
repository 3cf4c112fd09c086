/* SPDX-License-Identifier: Apache-2.0
 *
 * Fusion of float products: what surrounds them is taken in, and every rounding that the graph
 * writes down stays where it stood. Sums are fmaf chains in the order of docs/numerics.md.
 */
#include "fuse_case.h"

#include "base/half.h"

enum { I = 3, K = 10, N = 4 };

static void fill(fuse_case *c, float *w, int n)
{
    for (int k = 0; k < n; k++)
        w[k] = 2.0f * mxdi_rng_f32(&c->rng) - 1.0f;
}

static float half(float v, bool is_bf16)
{
    return is_bf16 ? mxdi_bf16_to_f32(mxdi_f32_to_bf16(v)) : mxdi_f16_to_f32(mxdi_f32_to_f16(v));
}

static uint32_t cast_pair(fuse_case *c, uint32_t x, int64_t type)
{
    const uint32_t down = OP(c, "Cast", NULL, x);
    graph_int(c->g, LAST(c), "to", type);
    const uint32_t up = OP(c, "Cast", NULL, down);
    graph_int(c->g, LAST(c), "to", 1);
    return up;
}

static float in_at(const fuse_case *c, int input, int k)
{
    return ((const float *)(const void *)c->in[input])[k];
}

/* Gemm + Add + Clip is one node: bias first, then k ascending, the residual, the clamp. */
static void gemm_with_everything(void **state)
{
    (void)state;
    fuse_case *const c = fuse_begin(50);
    float            w[K * N], b[N];
    fill(c, w, K * N);
    fill(c, b, N);
    const uint32_t x = graph_input(c->g, "x", MXD_F32, DIMS(I, K)),
                   r = graph_input(c->g, "r", MXD_F32, DIMS(I, N));
    uint32_t y       = OP(c, "Gemm", "gemm", x, graph_constant(c->g, "w", MXD_F32, w, DIMS(N, K)),
                          graph_constant(c->g, "b", MXD_F32, b, DIMS(N)));
    graph_int(c->g, LAST(c), "transB", 1);
    y = OP(c, "Clip", "clip", OP(c, "Add", "add", y, r), fuse_scale(c, -0.5f), fuse_scale(c, 1.5f));
    graph_output(c->g, y);
    const mxd_node *const node = fuse_only(fuse_run(c), "FusedMatMul");
    assert_true(node->in[2] != MXD_NO_VALUE && node->in[3] != MXD_NO_VALUE);
    for (int i = 0; i < I; i++)
        for (int n = 0; n < N; n++) {
            float sum = b[n];
            for (int k = 0; k < K; k++)
                sum = fmaf(in_at(c, 0, i * K + k), w[n * K + k], sum);
            sum += in_at(c, 1, i * N + n);
            assert_true(c->out[0].f32[i * N + n] == fminf(fmaxf(sum, -0.5f), 1.5f));
        }
    fuse_end(c);
}

/* MatMul of more than two axes, a row added from either side, a residual: sums begin with the row.
 */
static void matmul_with_a_row(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        fuse_case *const c = fuse_begin(54);
        float            w[K * N], b[N];
        fill(c, w, K * N);
        fill(c, b, N);
        const uint32_t x   = graph_input(c->g, "x", MXD_F32, DIMS(2, I, K)),
                       r   = graph_input(c->g, "r", MXD_F32, DIMS(2, I, N));
        const uint32_t row = graph_constant(c->g, "b", MXD_F32, b, DIMS(N));
        uint32_t       y =
            OP(c, "MatMul", "matmul", x, graph_constant(c->g, "w", MXD_F32, w, DIMS(K, N)));
        y = side ? OP(c, "Add", "row", row, y) : OP(c, "Add", "row", y, row);
        graph_output(c->g, OP(c, "Add", "residual", r, y));
        const mxd_node *const node = fuse_only(fuse_run(c), "FusedMatMul");
        assert_int_equal(node->n_origin, 3);
        for (int k = 0; k < 2 * I * N; k++) {
            float sum = b[k % N];
            for (int j = 0; j < K; j++)
                sum = fmaf(in_at(c, 0, k / N * K + j), w[j * N + k % N], sum);
            assert_true(c->out[0].f32[k] == sum + in_at(c, 1, k));
        }
        fuse_end(c);
    }
}

/* What is added along another axis is no bias. */
static void a_column_stays(void **state)
{
    (void)state;
    fuse_case *const c = fuse_begin(55);
    float            w[K * N], b[N];
    fill(c, w, K * N);
    fill(c, b, N);
    const uint32_t x = graph_input(c->g, "x", MXD_F32, DIMS(2, N, K));
    const uint32_t y =
        OP(c, "MatMul", "matmul", x, graph_constant(c->g, "w", MXD_F32, w, DIMS(K, N)));
    graph_output(c->g,
                 OP(c, "Add", "column", y, graph_constant(c->g, "b", MXD_F32, b, DIMS(N, 1))));
    const mxdi_graph *const part = fuse_run(c);
    assert_int_equal(graph_count(part, "Add"), 1);
    for (int k = 0; k < 2 * N * N; k++) {
        float sum = 0.0f;
        for (int j = 0; j < K; j++)
            sum = fmaf(in_at(c, 0, k / N * K + j), w[j * N + k % N], sum);
        assert_true(c->out[0].f32[k] == sum + b[k / N % N]);
    }
    fuse_end(c);
}

/* A value that others read is not swallowed. */
static void what_others_read_stays(void **state)
{
    (void)state;
    fuse_case *const c = fuse_begin(51);
    float            w[K * N];
    fill(c, w, K * N);
    const uint32_t x = graph_input(c->g, "x", MXD_F32, DIMS(I, K));
    const uint32_t y =
        OP(c, "MatMul", "matmul", x, graph_constant(c->g, "w", MXD_F32, w, DIMS(K, N)));
    graph_output(c->g, OP(c, "Relu", "relu", y));
    graph_output(c->g, y);
    const mxdi_graph *const part = fuse_run(c);
    assert_int_equal(graph_count(part, "FusedMatMul"), 1);
    assert_int_equal(graph_count(part, "Relu"), 1);
    for (int k = 0; k < I * N; k++) {
        float sum = 0.0f;
        for (int j = 0; j < K; j++)
            sum = fmaf(in_at(c, 0, k / N * K + j), w[j * N + k % N], sum);
        assert_true(c->out[1].f32[k] == sum && c->out[0].f32[k] == fmaxf(sum, 0.0f));
    }
    fuse_end(c);
}

/* Pairs of casts ask for 16-bit arithmetic: operands and result are rounded, sums are not. */
static void sixteen_bits(void **state)
{
    (void)state;
    for (int is_bf16 = 0; is_bf16 < 2; is_bf16++) {
        fuse_case *const c    = fuse_begin(52);
        const int64_t    type = is_bf16 ? 16 : 10;
        float            w[K * N], b[N];
        fill(c, w, K * N);
        fill(c, b, N);
        const uint32_t x = cast_pair(c, graph_input(c->g, "x", MXD_F32, DIMS(I, K)), type);
        const uint32_t q = cast_pair(c, graph_constant(c->g, "w", MXD_F32, w, DIMS(K, N)), type);
        const uint32_t y =
            OP(c, "Gemm", "gemm", x, q, graph_constant(c->g, "b", MXD_F32, b, DIMS(N)));
        graph_output(c->g, OP(c, "Relu", "relu", cast_pair(c, y, type)));
        const mxdi_graph *const part = fuse_run(c);
        const mxd_node *const   node = fuse_only(part, "FusedMatMul");
        assert_string_equal(mxd_node_string(node, "compute", ""), is_bf16 ? "bf16" : "f16");
        assert_int_equal(mxd_node_int(node, "round_output", 0), 1);
        assert_int_equal(part->value[node->in[1]].dtype,
                         is_bf16 ? MXD_BF16 : MXD_F16); /* stored once, small */
        for (int i = 0; i < I; i++)
            for (int n = 0; n < N; n++) {
                float sum = b[n];
                for (int k = 0; k < K; k++)
                    sum = fmaf(half(in_at(c, 0, i * K + k), is_bf16), half(w[k * N + n], is_bf16),
                               sum);
                assert_true(c->out[0].f32[i * N + n] == fmaxf(half(sum, is_bf16), 0.0f));
            }
        fuse_end(c);
    }
}

/* Integers alone as weights: w = scale*(q - zero), per channel and per block, computed in f32. */
static void weights_alone(void **state)
{
    (void)state;
    for (int block = 0; block < 2; block++) {
        fuse_case *const c = fuse_begin(53);
        int8_t           w[N * K];
        float            scale[N * 2];
        uint8_t          packed[N * K / 2], zeros[N * 2] = { 0 };
        fuse_random(c, w, N * K, -8, 7);
        for (int k = 0; k < N * 2; k++)
            scale[k] = 0.01f * (float)(k + 1);
        for (int k = 0; k < N * K; k += 2)
            packed[k / 2] = (uint8_t)((w[k] & 15) | (w[k + 1] & 15) << 4);
        const uint32_t x = graph_input(c->g, "x", MXD_F32, DIMS(I, K));
        const uint32_t q = graph_constant(c->g, "w", MXD_S4, packed, DIMS(N, K));
        const uint32_t s = block ? graph_constant(c->g, "s", MXD_F32, scale, DIMS(N, 2))
                                 : graph_constant(c->g, "s", MXD_F32, scale, DIMS(N));
        const uint32_t z = block ? graph_constant(c->g, "z", MXD_S4, zeros, DIMS(N, 2))
                                 : graph_constant(c->g, "z", MXD_S4, zeros, DIMS(N));
        const uint32_t d = OP(c, "DequantizeLinear", "dq", q, s, z);
        graph_int(c->g, LAST(c), "axis", block);
        if (block)
            graph_int(c->g, LAST(c), "block_size", K / 2);
        graph_output(c->g, OP(c, "Gemm", "gemm", x, d));
        graph_int(c->g, LAST(c), "transB", 1);
        const mxdi_graph *const part = fuse_run(c);
        const mxd_node *const   node = fuse_only(part, "FusedMatMul");
        assert_int_equal(part->value[node->in[1]].dtype, MXD_S4);
        for (int i = 0; i < I; i++)
            for (int n = 0; n < N; n++) {
                float sum = 0.0f;
                for (int k = 0; k < K; k++)
                    sum = fmaf(in_at(c, 0, i * K + k),
                               scale[block ? n * 2 + k / (K / 2) : n] * (float)w[n * K + k], sum);
                assert_true(fabsf(c->out[0].f32[i * N + n] - sum) <= 4e-6f);
            }
        fuse_end(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gemm_with_everything), cmocka_unit_test(matmul_with_a_row),
        cmocka_unit_test(a_column_stays),       cmocka_unit_test(what_others_read_stays),
        cmocka_unit_test(sixteen_bits),         cmocka_unit_test(weights_alone),
    };
    return cmocka_run_group_tests_name("engine_fuse_float", tests, NULL, NULL);
}
