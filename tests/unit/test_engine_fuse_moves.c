/* SPDX-License-Identifier: Apache-2.0
 *
 * Fusion of what is no product: joins, padding, moves, maxima, means, pools, softmax and tables.
 */
#include "fuse_case.h"

enum { C = 3, H = 5, W = 6, AREA = H * W, ALL = C * AREA };
static const float   sx = 0.05f, sy = 0.037f;
static const int32_t zx = 121, zy = 17;

static uint32_t add_input(fuse_case *c, const char *name, float s, int32_t z)
{
    return fuse_dequantize(c, graph_input(c->g, name, MXD_U8, DIMS(1, C, H, W)), s, z, MXD_U8);
}

static float real(uint8_t q, float s, int32_t z)
{
    return (float)(q - z) * s;
}

/* ---- tables ---- */

static double leaky(double v)
{
    return v < 0 ? v * (double)0.1f : v;
}

static double sigmoid(double v)
{
    return 1.0 / (1.0 + exp(-v));
}

static double hardswish(double v)
{
    return v * fmin(fmax(v / 6.0 + 0.5, 0.0), 1.0);
}

static double gelu(double v)
{
    return 0.5 * v * (1.0 + erf(v / sqrt(2.0)));
}

static double negative(double v)
{
    return -v;
}

/* Every stored value and both kinds of storage: all 256 entries of the table. */
static void functions_of_one_value(void **state)
{
    (void)state;
    static const struct {
        const char *op;
        double (*f)(double);
        float scale;
    } functions[] = {
        { "Sigmoid", sigmoid, 0.004f },
        { "Tanh", tanh, 0.008f },
        { "LeakyRelu", leaky, 0.05f },
        { "HardSwish", hardswish, 0.03f },
        { "Gelu", gelu, 0.03f },
        { "Neg", negative, 0.05f },
        { "Abs", fabs, 0.05f },
        { "Exp", exp, 1.3f },
        { "Erf", erf, 0.008f },
        { "Sqrt", sqrt, 0.01f }, /* NaN below zero: the zero point */
    };
    for (size_t n = 0; n < sizeof(functions) / sizeof(functions[0]); n++)
        for (int is_signed = 0; is_signed < 2; is_signed++) {
            fuse_case *const c    = fuse_begin(30);
            const mxd_dtype  type = is_signed ? MXD_S8 : MXD_U8;
            const int32_t    z = is_signed ? -5 : zx, lo = is_signed ? -128 : 0, hi = lo + 255;
            const uint32_t   x = graph_input(c->g, "x", type, DIMS(256));
            const uint32_t   y = OP(c, functions[n].op, NULL, fuse_dequantize(c, x, sx, z, type));
            if (strcmp(functions[n].op, "LeakyRelu") == 0)
                assert_int_equal(
                    mxdi_node_set_float(c->g, &c->g->node[LAST(c)], "alpha", 0.1f, NULL), MXD_OK);
            graph_output(c->g, fuse_quantize(c, y, functions[n].scale, z, type));
            fuse_only(fuse_run(c), "Lookup8");
            for (int k = 0; k < 256; k++) {
                const int32_t q    = is_signed ? (int8_t)c->in[0][k] : c->in[0][k];
                const float   v    = (float)functions[n].f((double)((float)(q - z) * sx));
                const int32_t want = isnan(v) ? z : fuse_clamp(v / functions[n].scale, z, lo, hi);
                assert_int_equal(is_signed ? c->out[0].s8[k] : c->out[0].u8[k], want);
            }
            fuse_end(c);
        }
}

/* Quantized again: the same parameters are no work, others a table, also with a clamp between. */
static void requantized(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        fuse_case *const c = fuse_begin(31);
        const float      s = kind == 0 ? sx : sy;
        const int32_t    z = kind == 0 ? zx : zy;
        uint32_t         y = add_input(c, "x", sx, zx);
        if (kind == 2)
            y = OP(c, "Relu", "relu", y);
        graph_output(c->g, fuse_quantize(c, y, s, z, MXD_U8));
        fuse_only(fuse_run(c), kind == 0 ? "Identity" : "Lookup8");
        for (int k = 0; k < ALL; k++)
            assert_int_equal(c->out[0].u8[k],
                             fuse_clamp(real(c->in[0][k], sx, zx) / s, z, kind == 2 ? z : 0, 255));
        fuse_end(c);
    }
}

/* ---- joins and padding ---- */

static void concat(void **state)
{
    (void)state;
    for (int same = 0; same < 2; same++) {
        fuse_case *const c  = fuse_begin(32);
        const float      sb = same ? sy : 0.02f;
        const int32_t    zb = same ? zy : 44;
        const uint32_t   a = add_input(c, "a", sy, zy), b = add_input(c, "b", sb, zb);
        const uint32_t   y = OP(c, "Concat", "concat", a, b);
        graph_int(c->g, LAST(c), "axis", 1);
        graph_output(c->g, fuse_quantize(c, y, sy, zy, MXD_U8));
        const mxdi_graph *const part = fuse_run(c);
        assert_int_equal(graph_count(part, "Concat"), 1);
        assert_int_equal(graph_count(part, "Lookup8"),
                         same ? 0 : 1); /* only where the scales differ */
        assert_int_equal(part->n_nodes, same ? 1 : 2);
        assert_memory_equal(c->out[0].u8, c->in[0], ALL);
        for (int k = 0; k < ALL; k++)
            assert_int_equal(c->out[0].u8[ALL + k],
                             fuse_clamp(real(c->in[1][k], sb, zb) / sy, zy, 0, 255));
        fuse_end(c);
    }
}

/* Filled with the zero point for 0, with its quantized form for another value. */
static void pad(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        fuse_case *const c    = fuse_begin(33);
        const float      fill = kind ? -1.7f : 0.0f;
        const uint32_t   x    = add_input(c, "x", sx, zx);
        const uint32_t   pads = INTS(c->g, 0, 0, 1, 2, 0, 0, 3, 0);
        const uint32_t   y =
            kind ? OP(c, "Pad", "pad", x, pads, fuse_scale(c, fill)) : OP(c, "Pad", "pad", x, pads);
        graph_output(c->g, fuse_quantize(c, y, sx, zx, MXD_U8));
        const mxdi_graph *const part = fuse_run(c);
        assert_int_equal(graph_count(part, "Pad"), 1);
        assert_int_equal(graph_count(part, "QuantizeLinear"), 0);
        const int32_t filled = fuse_clamp(fill / sx, zx, 0, 255);
        for (int ch = 0; ch < C; ch++)
            for (int oy = 0; oy < H + 4; oy++)
                for (int ox = 0; ox < W + 2; ox++) {
                    const int  iy = oy - 1, ix = ox - 2;
                    const bool inside = iy >= 0 && iy < H && ix >= 0;
                    assert_int_equal(c->out[0].u8[(ch * (H + 4) + oy) * (W + 2) + ox],
                                     inside ? c->in[0][(ch * H + iy) * W + ix] : filled);
                }
        fuse_end(c);
    }
}

/* ---- moves ---- */

/* Integers are moved, not reals: before a quantizer, and between a dequantizer and a product. */
static void moves_and_maxima(void **state)
{
    (void)state;
    fuse_case *c = fuse_begin(34);
    uint32_t   y = OP(c, "MaxPool", "pool", add_input(c, "x", sx, zx));
    graph_ints(c->g, LAST(c), "kernel_shape", DIMS(2, 2));
    y = OP(c, "Transpose", "transpose", y);
    graph_ints(c->g, LAST(c), "perm", DIMS(0, 2, 3, 1));
    graph_output(c->g, fuse_quantize(c, y, sx, zx, MXD_U8));
    const mxdi_graph *part = fuse_run(c);
    assert_int_equal(part->n_nodes, 2);
    for (int ch = 0; ch < C; ch++)
        for (int oy = 0; oy < H - 1; oy++)
            for (int ox = 0; ox < W - 1; ox++) {
                const uint8_t *const p   = &c->in[0][(ch * H + oy) * W + ox];
                const uint8_t        top = p[0] > p[1] ? p[0] : p[1],
                              low        = p[W] > p[W + 1] ? p[W] : p[W + 1];
                assert_int_equal(c->out[0].u8[(oy * (W - 1) + ox) * C + ch], top > low ? top : low);
            }
    fuse_end(c);

    c = fuse_begin(35);
    int8_t       w[2 * AREA];
    const int8_t zero = 0;
    const float  sw   = 0.01f;
    fuse_random(c, w, 2 * AREA, -127, 127);
    const uint32_t flat =
        OP(c, "Reshape", "reshape", add_input(c, "x", sx, zx), INTS(c->g, C, AREA));
    y = OP(c, "MatMul", "matmul", flat,
           fuse_weights(c, MXD_S8, w, DIMS(AREA, 2), &sw, &zero, 1, 0));
    graph_output(c->g, fuse_quantize(c, y, 1.0f, zy, MXD_U8));
    part = fuse_run(c);
    assert_int_equal(graph_count(part, "QMatMul"), 1);
    assert_int_equal(graph_count(part, "DequantizeLinear"), 0);
    for (int k = 0; k < C * 2; k++) {
        int32_t acc = 0;
        for (int i = 0; i < AREA; i++)
            acc += (c->in[0][k / 2 * AREA + i] - zx) * w[i * 2 + k % 2];
        assert_int_equal(c->out[0].u8[k],
                         fuse_clamp((float)acc * fuse_ratio3(sx, sw, 1.0), zy, 0, 255));
    }
    fuse_end(c);
}

/* Two activations, moved behind their dequantizers, multiply as integers. */
static void products_of_moved_activations(void **state)
{
    (void)state;
    for (int quantized = 0; quantized < 2; quantized++) {
        fuse_case *const c = fuse_begin(37);
        const uint32_t   x = add_input(c, "x", sx, zx);
        const uint32_t   t = OP(c, "Transpose", "transpose", x);
        graph_ints(c->g, LAST(c), "perm", DIMS(0, 1, 3, 2));
        const uint32_t y = OP(c, "MatMul", "matmul", x, t);
        graph_output(c->g, quantized ? fuse_quantize(c, y, sy, zy, MXD_U8) : y);
        const mxdi_graph *const part = fuse_run(c);
        assert_int_equal(graph_count(part, "QMatMul"), 1);
        assert_int_equal(graph_count(part, "DequantizeLinear"), 0);
        for (int k = 0; k < C * H * H; k++) {
            const uint8_t *const        row    = &c->in[0][k / H * W],
                                 *const column = &c->in[0][(k / H / H * H + k % H) * W];
            int32_t                     acc    = 0;
            for (int i = 0; i < W; i++)
                acc += (row[i] - zx) * (column[i] - zx);
            if (quantized)
                assert_int_equal(c->out[0].u8[k],
                                 fuse_clamp((float)acc * fuse_ratio3(sx, sx, sy), zy, 0, 255));
            else
                assert_true(c->out[0].f32[k] == (float)acc * fuse_ratio3(sx, sx, 1.0));
        }
        fuse_end(c);
    }
}

/* ---- means and pools ---- */

static void global_and_reduced_means(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        fuse_case *const c = fuse_begin(36);
        const uint32_t   x = add_input(c, "x", sx, zx);
        uint32_t         y;
        if (kind == 0) {
            y = OP(c, "GlobalAveragePool", "mean", x);
        } else {
            y = OP(c, "ReduceMean", "mean", x, kind == 1 ? INTS(c->g, -1, 2) : INTS(c->g, 1));
            graph_int(c->g, LAST(c), "keepdims", 0);
        }
        graph_output(c->g, fuse_quantize(c, y, sy, zy, MXD_U8));
        const mxd_node *const node = fuse_only(fuse_run(c), "QReduceMean");
        assert_int_equal(mxd_node_int(node, "keepdims", -1), kind == 0);
        const int outputs = kind == 2 ? AREA : C, n = kind == 2 ? C : AREA;
        for (int k = 0; k < outputs; k++) {
            int32_t sum = 0;
            for (int i = 0; i < n; i++)
                sum += c->in[0][kind == 2 ? i * AREA + k : k * AREA + i] - zx;
            assert_int_equal(
                c->out[0].u8[k],
                fuse_clamp((float)sum * fuse_ratio3(sx, 1.0, (double)sy * n), zy, 0, 255));
        }
        fuse_end(c);
    }
}

/* Windows over the edge: padding counts only when asked to. */
static void average_pool(void **state)
{
    (void)state;
    for (int counted = 0; counted < 2; counted++) {
        fuse_case *const c = fuse_begin(37);
        const uint32_t   y = OP(c, "AveragePool", "pool", add_input(c, "x", sx, zx));
        graph_ints(c->g, LAST(c), "kernel_shape", DIMS(3, 3));
        graph_ints(c->g, LAST(c), "pads", DIMS(1, 1, 1, 1));
        graph_int(c->g, LAST(c), "count_include_pad", counted);
        graph_output(c->g, fuse_quantize(c, y, sy, zy, MXD_U8));
        fuse_only(fuse_run(c), "QAveragePool");
        for (int k = 0; k < ALL; k++) {
            const int ch = k / AREA, oy = k % AREA / W, ox = k % W;
            int32_t   sum = 0;
            int       n   = 0;
            for (int t = 0; t < 9; t++) {
                const int iy = oy + t / 3 - 1, ix = ox + t % 3 - 1;
                if (iy < 0 || iy >= H || ix < 0 || ix >= W)
                    continue;
                sum += c->in[0][(ch * H + iy) * W + ix] - zx;
                n++;
            }
            const float m = fuse_ratio3(sx, 1.0, (double)sy * (counted ? 9 : n));
            assert_int_equal(c->out[0].u8[k], fuse_clamp((float)sum * m, zy, 0, 255));
        }
        fuse_end(c);
    }
}

/* ---- softmax ---- */

static void softmax(void **state)
{
    (void)state;
    const float      s = 1.0f / 256.0f;
    fuse_case *const c = fuse_begin(38);
    const uint32_t   y = OP(c, "Softmax", "softmax", add_input(c, "x", sx, zx));
    graph_int(c->g, LAST(c), "axis", -3);
    graph_output(c->g, fuse_quantize(c, y, s, 0, MXD_U8));
    const mxd_node *const node = fuse_only(fuse_run(c), "QSoftmax");
    assert_int_equal(mxd_node_int(node, "axis", -1), 1);
    for (int k = 0; k < AREA; k++) {
        uint64_t sum = 0, e[C];
        int      max = 0;
        for (int ch = 0; ch < C; ch++)
            max = c->in[0][ch * AREA + k] > max ? c->in[0][ch * AREA + k] : max;
        for (int ch = 0; ch < C; ch++) {
            e[ch] = (uint64_t)rint(16777216.0 * exp(-(double)sx * (max - c->in[0][ch * AREA + k])));
            sum += e[ch];
        }
        for (int ch = 0; ch < C; ch++)
            assert_int_equal(c->out[0].u8[ch * AREA + k],
                             fuse_clamp((float)((double)e[ch] / (double)sum) / s, 0, 0, 255));
    }
    fuse_end(c);
}

/* ---- a stored value read by several ---- */

static void one_value_many_readers(void **state)
{
    (void)state;
    fuse_case *const c = fuse_begin(39);
    const uint32_t   x = add_input(c, "x", sx, zx);
    graph_output(c->g, fuse_quantize(c, OP(c, "Sigmoid", "sigmoid", x), 0.004f, 0, MXD_U8));
    graph_output(c->g, fuse_quantize(c, OP(c, "Neg", "neg", x), sx, 255 - zx, MXD_U8));
    const mxdi_graph *const part = fuse_run(c);
    assert_int_equal(graph_count(part, "Lookup8"), 2);
    assert_int_equal(part->n_nodes, 2);
    for (int k = 0; k < ALL; k++) {
        const float v = real(c->in[0][k], sx, zx);
        assert_int_equal(c->out[0].u8[k],
                         fuse_clamp((float)sigmoid((double)v) / 0.004f, 0, 0, 255));
        assert_int_equal(c->out[1].u8[k], 255 - c->in[0][k]);
    }
    fuse_end(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_of_one_value),
        cmocka_unit_test(requantized),
        cmocka_unit_test(concat),
        cmocka_unit_test(pad),
        cmocka_unit_test(moves_and_maxima),
        cmocka_unit_test(products_of_moved_activations),
        cmocka_unit_test(global_and_reduced_means),
        cmocka_unit_test(average_pool),
        cmocka_unit_test(softmax),
        cmocka_unit_test(one_value_many_readers),
    };
    return cmocka_run_group_tests_name("engine_fuse_moves", tests, NULL, NULL);
}
