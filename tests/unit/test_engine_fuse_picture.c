/* SPDX-License-Identifier: Apache-2.0
 *
 * Fusion of what makes the bytes of a picture ready for a network: one LookupChannels, whose
 * numbers are those of the nodes one by one.
 */
#include "fuse_case.h"

enum { N = 2, H = 5, W = 6, C = 3, AREA = H * W };
static const float scale = 1.0f / 255, mean[C] = { 0.485f, 0.456f, 0.406f },
                   deviation[C] = { 0.229f, 0.224f, 0.225f };

/* ---- graphs ---- */

static uint32_t per_channel(fuse_case *c, const float *number, bool last)
{
    return graph_constant(c->g, NULL, MXD_F32, number, (const int64_t[]){ C, 1, 1 }, last ? 1 : 3);
}

static uint32_t to_channels_first(fuse_case *c, uint32_t x)
{
    static const int64_t perm[] = { 0, 3, 1, 2 };
    const uint32_t       y      = OP(c, "Transpose", NULL, x);
    graph_ints(c->g, LAST(c), "perm", perm, 4);
    return y;
}

static uint32_t cast(fuse_case *c, uint32_t x)
{
    const uint32_t y = OP(c, "Cast", NULL, x);
    graph_int(c->g, LAST(c), "to", 1);
    return y;
}

/* (x * scale - mean) / std */
static uint32_t scaled(fuse_case *c, uint32_t x, bool last)
{
    const uint32_t a = OP(c, "Mul", NULL, x, fuse_scale(c, scale));
    const uint32_t b = OP(c, "Sub", NULL, a, per_channel(c, mean, last));
    return OP(c, "Div", NULL, b, per_channel(c, deviation, last));
}

/* ---- what must come out ---- */

static uint8_t byte_at(const fuse_case *c, bool last, int n, int ch, int pixel)
{
    return c->in[0][last ? (n * AREA + pixel) * C + ch : (n * C + ch) * AREA + pixel];
}

static float ready(uint8_t byte, int ch)
{
    const float a = (float)byte * scale;
    const float b = a - mean[ch];
    return b / deviation[ch];
}

static void expect_floats(const fuse_case *c, int output, bool last)
{
    for (int i = 0; i < N * C * AREA; i++) {
        const int   ch   = i / AREA % C;
        const float want = ready(byte_at(c, last, i / AREA / C, ch, i % AREA), ch);
        assert_memory_equal(&c->out[output].f32[i], &want, sizeof(want));
    }
}

static void expect_integers(const fuse_case *c, int output, bool last, float s, int32_t z, int lo)
{
    for (int i = 0; i < N * C * AREA; i++) {
        const int     ch = i / AREA % C;
        const float   v  = ready(byte_at(c, last, i / AREA / C, ch, i % AREA), ch);
        const int32_t q  = fuse_clamp(v / s, z, lo, lo + 255);
        assert_int_equal(c->out[output].u8[i], (uint8_t)q);
    }
}

/* ---- tests ---- */

/* Channels last or first; the Transpose before the arithmetic or behind it; quantized to u8 and s8.
 */
static void chains_become_one_lookup(void **state)
{
    (void)state;
    for (int form = 0; form < 6; form++) {
        const bool       last = form % 3 > 0, late = form % 3 == 2, is_signed = form >= 3;
        fuse_case *const c  = fuse_begin(40 + (uint64_t)form);
        const mxd_dtype  to = is_signed ? MXD_S8 : MXD_U8;
        uint32_t         x  = last ? graph_input(c->g, "x", MXD_U8, DIMS(N, H, W, C))
                                   : graph_input(c->g, "x", MXD_U8, DIMS(N, C, H, W));
        if (last && !late)
            x = to_channels_first(c, x);
        x = scaled(c, cast(c, x), late);
        if (late)
            x = to_channels_first(c, x);
        graph_output(c->g, fuse_quantize(c, x, 0.0173f, is_signed ? -7 : 117, to));
        const mxd_node *const n = fuse_only(fuse_run(c), "LookupChannels");
        assert_int_equal(mxd_node_int(n, "channels_last", -1), last);
        assert_int_equal(n->n_origin, 5 + last);
        expect_integers(c, 0, last, 0.0173f, is_signed ? -7 : 117, is_signed ? -128 : 0);
        fuse_end(c);
    }
}

/* A float reader, and a quantizer beside it: a lookup each. */
static void floats_and_integers_side_by_side(void **state)
{
    (void)state;
    fuse_case *const c = fuse_begin(50);
    const uint32_t   x = to_channels_first(c, graph_input(c->g, "x", MXD_U8, DIMS(N, H, W, C)));
    const uint32_t   y = scaled(c, cast(c, x), false);
    graph_output(c->g, y);
    graph_output(c->g, fuse_quantize(c, y, 0.02f, 100, MXD_U8));
    const mxdi_graph *const part = fuse_run(c);
    assert_int_equal(part->n_nodes, 2);
    assert_int_equal(graph_count(part, "LookupChannels"), 2);
    expect_floats(c, 0, true);
    expect_integers(c, 1, true, 0.02f, 100, 0);
    fuse_end(c);
}

/* constant - x, constant / x and x + constant, in the order that they are written. */
static void operands_keep_their_order(void **state)
{
    (void)state;
    fuse_case *const c = fuse_begin(51);
    const uint32_t   x = cast(c, graph_input(c->g, "x", MXD_U8, DIMS(N, C, H, W)));
    const uint32_t   a = OP(c, "Sub", NULL, fuse_scale(c, 300.5f), x);
    const uint32_t   b = OP(c, "Div", NULL, per_channel(c, deviation, false), a);
    graph_output(c->g, OP(c, "Add", NULL, b, fuse_scale(c, 0.1f)));
    fuse_only(fuse_run(c), "LookupChannels");
    for (int i = 0; i < N * C * AREA; i++) {
        const float d    = deviation[i / AREA % C] / (300.5f - (float)c->in[0][i]);
        const float want = d + 0.1f;
        assert_memory_equal(&c->out[0].f32[i], &want, sizeof(want));
    }
    fuse_end(c);
}

/* Numbers that vary along rows, a layout that is neither, and values that are no bytes: as they
 * are. */
static void what_is_no_picture_stays(void **state)
{
    (void)state;
    static const int64_t swapped[] = { 0, 1, 3, 2 };
    static const float   rows[H]   = { 1, 2, 3, 4, 5 };
    for (int form = 0; form < 4; form++) {
        fuse_case *const c = fuse_begin(60 + (uint64_t)form);
        const mxd_dtype  t = form == 2 ? MXD_S8 : MXD_U8;
        uint32_t         x = form == 3 ? graph_input(c->g, "x", t, DIMS(N, 17, H, W))
                                       : graph_input(c->g, "x", t, DIMS(N, C, H, W));
        x                  = cast(c, x);
        x = form == 0 ? OP(c, "Mul", NULL, x, graph_constant(c->g, NULL, MXD_F32, rows, DIMS(H, 1)))
                      : OP(c, "Mul", NULL, x, fuse_scale(c, scale));
        if (form == 1) {
            x = OP(c, "Transpose", NULL, x);
            graph_ints(c->g, LAST(c), "perm", swapped, 4);
        }
        graph_output(c->g, fuse_quantize(c, x, 0.02f, 100, MXD_U8));
        const mxdi_graph *const part = fuse_run(c);
        assert_int_equal(graph_count(part, "QuantizeLinear"), 1);
        /* the float before the rows, or before the Transpose, still is one step */
        assert_int_equal(graph_count(part, "LookupChannels"), form < 2);
        assert_int_equal(graph_count(part, "Cast"), form >= 2);
        fuse_end(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_become_one_lookup),
        cmocka_unit_test(floats_and_integers_side_by_side),
        cmocka_unit_test(operands_keep_their_order),
        cmocka_unit_test(what_is_no_picture_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
