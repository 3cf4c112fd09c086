/* SPDX-License-Identifier: Apache-2.0
 *
 * Gelu and LayerNormalization are found where they are written out, in each of their spellings, and
 * nothing is that only looks like them.
 */
#include "fuse_case.h"

enum { ROWS = 6, D = 21 };

static const float root = 1.41421356f, step = 0.05f;

/* The spellings: x/sqrt(2) or x*sqrt(1/2); which two of {x, erf + 1, 1/2} meet first. */
static uint32_t gelu(fuse_case *c, uint32_t x, int spelling, float half)
{
    const bool     times = spelling % 2;
    const uint32_t h     = fuse_scale(c, half);
    const uint32_t s     = times ? OP(c, "Mul", "scale", fuse_scale(c, 1 / root), x)
                                 : OP(c, "Div", "scale", x, fuse_scale(c, root));
    const uint32_t e     = OP(c, "Add", "plus", OP(c, "Erf", "erf", s), fuse_scale(c, 1.0f));
    switch (spelling / 2) {
    case 0:
        return OP(c, "Mul", "half", OP(c, "Mul", "times", x, e), h);
    case 1:
        return OP(c, "Mul", "times", OP(c, "Mul", "half", h, e), x);
    default:
        return OP(c, "Mul", "times", OP(c, "Mul", "half", x, h), e);
    }
}

static int32_t gelu_step(float x)
{
    const double v = (double)x;
    return fuse_clamp((float)(v * 0.5 * erfc(-v * sqrt(0.5))) / step, 40, 0, 255);
}

static float in_at(const fuse_case *c, int k)
{
    return ((const float *)(const void *)c->in[0])[k];
}

static void gelu_in_six_spellings(void **state)
{
    (void)state;
    for (int spelling = 0; spelling < 6; spelling++) {
        fuse_case *const c = fuse_begin(60);
        const uint32_t   x = graph_input(c->g, "x", MXD_F32, DIMS(ROWS, D));
        graph_output(c->g, fuse_quantize(c, gelu(c, x, spelling, 0.5f), step, 40, MXD_U8));
        const mxdi_graph *const part = fuse_run(c);
        assert_int_equal(part->n_nodes, 2);
        assert_string_equal(part->node[0].op, "Gelu");
        assert_int_equal(part->node[0].n_origin, 5);
        for (int k = 0; k < ROWS * D; k++)
            assert_int_equal(c->out[0].u8[k], gelu_step(in_at(c, k)));
        fuse_end(c);
    }
}

static void gelu_between_quantizers_is_a_table(void **state)
{
    (void)state;
    fuse_case *const c = fuse_begin(61);
    const uint32_t   q = graph_input(c->g, "x", MXD_U8, DIMS(ROWS, D));
    const uint32_t   x = fuse_dequantize(c, q, 0.03f, 128, MXD_U8);
    graph_output(c->g, fuse_quantize(c, gelu(c, x, 0, 0.5f), step, 40, MXD_U8));
    fuse_only(fuse_run(c), "Lookup8");
    for (int k = 0; k < ROWS * D; k++)
        assert_int_equal(c->out[0].u8[k], gelu_step((float)(c->in[0][k] - 128) * 0.03f));
    fuse_end(c);
}

/* Another factor, or a value inside that is wanted. */
static void what_is_no_gelu_stays(void **state)
{
    (void)state;
    for (int shown = 0; shown < 2; shown++) {
        fuse_case *const c = fuse_begin(62);
        const uint32_t   x = graph_input(c->g, "x", MXD_F32, DIMS(ROWS, D));
        const uint32_t   y = gelu(c, x, 0, shown ? 0.5f : 0.25f);
        graph_output(c->g, fuse_quantize(c, y, step, 40, MXD_U8));
        if (shown)
            graph_output(c->g,
                         fuse_quantize(c, graph_find(c->g, "plus")->out[0], step, 40, MXD_U8));
        assert_int_equal(graph_count(fuse_run(c), "Erf"), 1);
        fuse_end(c);
    }
}

/* Ways to write it; the last two are something else. */
enum { BY_POW, BY_MUL, COUNTED_AXIS, OTHER_AXIS, UPSIDE_DOWN, FORMS };

static uint32_t layer_norm(fuse_case *c, uint32_t x, int form, const float *scale,
                           const float *shift)
{
    const int64_t  axis = form == OTHER_AXIS ? 1 : form == COUNTED_AXIS ? 2 : -1;
    const uint32_t m    = OP(c, "ReduceMean", "mean", x, INTS(c->g, axis));
    const uint32_t d    = OP(c, "Sub", "sub", x, m);
    const uint32_t s    = form != BY_MUL ? OP(c, "Pow", "square", d, fuse_scale(c, 2.0f))
                                         : OP(c, "Mul", "square", d, d);
    const uint32_t v    = OP(c, "ReduceMean", "variance", s, INTS(c->g, axis));
    const uint32_t e    = OP(c, "Sqrt", "sqrt", OP(c, "Add", "epsilon", v, fuse_scale(c, 0.25f)));
    const uint32_t n = form == UPSIDE_DOWN ? OP(c, "Div", "div", e, d) : OP(c, "Div", "div", d, e);
    return OP(c, "Add", "shift",
              OP(c, "Mul", "scale", graph_constant(c->g, "scale", MXD_F32, scale, DIMS(D)), n),
              graph_constant(c->g, "shift", MXD_F32, shift, DIMS(D)));
}

static void check_rows(const fuse_case *c, const float *scale, const float *shift)
{
    for (int r = 0; r < ROWS; r++) {
        double mean = 0, variance = 0;
        for (int k = 0; k < D; k++)
            mean += (double)in_at(c, r * D + k) / D;
        for (int k = 0; k < D; k++)
            variance += pow((double)in_at(c, r * D + k) - mean, 2) / D;
        for (int k = 0; k < D; k++) {
            const double v = ((double)in_at(c, r * D + k) - mean) / sqrt(variance + 0.25);
            assert_int_equal(
                c->out[0].u8[r * D + k],
                fuse_clamp((float)(v * (double)scale[k] + (double)shift[k]) / step, 100, 0, 255));
        }
    }
}

static void layer_normalization(void **state)
{
    (void)state;
    for (int form = 0; form < FORMS; form++) {
        fuse_case *const c = fuse_begin(63);
        float            scale[D], shift[D];
        for (int k = 0; k < D; k++) {
            scale[k] = 0.5f + mxdi_rng_f32(&c->rng);
            shift[k] = mxdi_rng_f32(&c->rng) - 0.5f;
        }
        const uint32_t x = graph_input(c->g, "x", MXD_F32, DIMS(2, ROWS / 2, D));
        const uint32_t y = layer_norm(c, x, form, scale, shift);
        graph_output(c->g, fuse_quantize(c, y, step, 100, MXD_U8));
        const mxdi_graph *const part = fuse_run(c);
        assert_int_equal(graph_count(part, "LayerNormalization"), form < OTHER_AXIS);
        assert_int_equal(part->n_nodes, form < OTHER_AXIS ? 2 : 10);
        if (form < OTHER_AXIS) {
            assert_int_equal(part->node[0].n_origin, 9);
            check_rows(c, scale, shift);
        }
        fuse_end(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gelu_in_six_spellings),
        cmocka_unit_test(gelu_between_quantizers_is_a_table),
        cmocka_unit_test(what_is_no_gelu_stays),
        cmocka_unit_test(layer_normalization),
    };
    return cmocka_run_group_tests_name("engine_fuse_idiom", tests, NULL, NULL);
}
