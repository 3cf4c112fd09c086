/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of one integer and its channel become tables, whatever arithmetic with constants stands
 * between the quantizers; what depends on more than that stays float.
 */
#include "fuse_case.h"

enum { ROWS = 70, D = 21 };

static const float   sx = 0.03f, sy = 0.05f;
static const int32_t zx = 128, zy = 40;

static uint32_t add_input(fuse_case *c)
{
    return fuse_dequantize(c, graph_input(c->g, "x", MXD_U8, DIMS(2, ROWS / 2, D)), sx, zx, MXD_U8);
}

static void random_row(fuse_case *c, float *row, float lo, float hi)
{
    for (int k = 0; k < D; k++)
        row[k] = lo + (hi - lo) * mxdi_rng_f32(&c->rng);
}

static float real(const fuse_case *c, int k)
{
    return (float)(c->in[0][k] - zx) * sx;
}

static float gelu(float v)
{
    return (float)((double)v * 0.5 * (1.0 + erf((double)v / sqrt(2.0))));
}

/* A bias behind a quantizer, then a function: one table for each channel. */
static void row_then_function(void **state)
{
    (void)state;
    fuse_case *const c = fuse_begin(80);
    float            row[D];
    random_row(c, row, -2, 2);
    const uint32_t b = graph_constant(c->g, "b", MXD_F32, row, DIMS(1, D));
    const uint32_t y = OP(c, "Gelu", "gelu", OP(c, "Add", "add", b, add_input(c)));
    graph_output(c->g, fuse_quantize(c, y, sy, zy, MXD_U8));
    const mxdi_graph *const part = fuse_run(c);
    const mxd_node *const   node = fuse_only(part, "Lookup8");
    assert_int_equal(part->value[node->in[1]].rank, 2);
    assert_int_equal(part->value[node->in[1]].dim[0], D);
    assert_int_equal(node->n_origin, 3);
    for (int k = 0; k < ROWS * D; k++)
        assert_int_equal(c->out[0].u8[k],
                         fuse_clamp(gelu(real(c, k) + row[k % D]) / sy, zy, 0, 255));
    fuse_end(c);
}

static float by(int op, float a, float b)
{
    return op == 0 ? a + b : op == 1 ? a - b : op == 2 ? a * b : a / b;
}

/* Every operation, with the constant on either side, of one element and of a row; Relu narrows. */
static void arithmetic(void **state)
{
    (void)state;
    static const char *const name[] = { "Add", "Sub", "Mul", "Div" };
    for (int form = 0; form < 16; form++) {
        const int        op    = form / 4;
        const bool       first = form % 2, alike = form / 2 % 2;
        fuse_case *const c = fuse_begin(81);
        float            row[D];
        random_row(c, row, 0.5f, 3);
        const uint32_t x = add_input(c);
        const uint32_t k =
            alike ? fuse_scale(c, row[0]) : graph_constant(c->g, "row", MXD_F32, row, DIMS(D));
        const uint32_t y = first ? OP(c, name[op], "op", k, x) : OP(c, name[op], "op", x, k);
        graph_output(c->g, fuse_quantize(c, OP(c, "Relu", "relu", y), sy, zy, MXD_U8));
        const mxdi_graph *const part = fuse_run(c);
        assert_int_equal(part->value[fuse_only(part, "Lookup8")->in[1]].rank, alike ? 1 : 2);
        for (int i = 0; i < ROWS * D; i++) {
            const float v = real(c, i), w = alike ? row[0] : row[i % D];
            assert_int_equal(c->out[0].u8[i],
                             fuse_clamp((first ? by(op, w, v) : by(op, v, w)) / sy, zy, zy, 255));
        }
        fuse_end(c);
    }
}

/* A column, a row for each sample, an operand that is no constant. */
static void what_needs_more_than_the_channel_stays(void **state)
{
    (void)state;
    for (int form = 0; form < 3; form++) {
        fuse_case *const c = fuse_begin(82);
        float            v[ROWS];
        for (int k = 0; k < ROWS; k++)
            v[k] = mxdi_rng_f32(&c->rng);
        const uint32_t x = add_input(c);
        const uint32_t k = form == 0   ? graph_constant(c->g, "k", MXD_F32, v, DIMS(ROWS / 2, 1))
                           : form == 1 ? graph_constant(c->g, "k", MXD_F32, v, DIMS(2, 1, D))
                                       : OP(c, "Sigmoid", "sigmoid", x);
        graph_output(c->g, fuse_quantize(c, OP(c, "Mul", "mul", x, k), sy, zy, MXD_U8));
        assert_int_equal(graph_count(fuse_run(c), "Mul"), 1);
        fuse_end(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_then_function),
        cmocka_unit_test(arithmetic),
        cmocka_unit_test(what_needs_more_than_the_channel_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
