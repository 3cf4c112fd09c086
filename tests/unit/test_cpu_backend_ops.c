/* SPDX-License-Identifier: Apache-2.0
 *
 * The CPU backend on everything that is no convolution or matrix product, plain and blocked. An op
 * is met blocked behind a MaxPool, which only works so. */
#include "unit/cpu_case.h"

static const int64_t one2[] = { 1, 1 };

/* The value itself, or behind a MaxPool of one pixel: the same elements, blocked. */
static uint32_t maybe_blocked(cpu_case *c, uint32_t x, bool blocked)
{
    const mxd_value v = c->g->value[x];
    if (!blocked)
        return x;
    const uint32_t y = case_value(c, v.dtype, v.batch_axis == 0, v.rank, v.dim);
    case_node(c, "MaxPool", y, INS(x));
    case_ints(c, "kernel_shape", v.rank - 2, one2);
    return y;
}

/* One op of one input: attributes are set by `set` on the node. */
typedef void (*set_fn)(cpu_case *c);

static void one_op(const char *op, mxd_dtype in, mxd_dtype out, bool blocked, int32_t x_rank,
                   const int64_t *xd, int32_t y_rank, const int64_t *yd, set_fn set,
                   uint32_t n_more, const uint32_t *more, cpu_case *c)
{
    uint32_t       all[5] = { maybe_blocked(c, case_input(c, in, true, x_rank, xd), blocked) };
    const uint32_t y      = case_value(c, out, true, y_rank, yd);
    for (uint32_t k = 0; k < n_more; k++)
        all[1 + k] = more[k];
    case_node(c, op, y, 1 + n_more, all);
    if (set)
        set(c);
    case_output(c, y);
    case_check(c);
}

static void functions_of_one_value(void **state)
{
    (void)state;
    static const char *const ops[] = { "Relu", "LeakyRelu", "HardSigmoid", "HardSwish",
                                       "Abs",  "Neg",       "Exp",         "Sigmoid",
                                       "Tanh", "Elu",       "Softplus",    "Erf",
                                       "Gelu", "Floor",     "Ceil",        "Round" };
    for (size_t k = 0; k < sizeof(ops) / sizeof(ops[0]); k++)
        for (int blocked = 0; blocked < 2; blocked++) {
            cpu_case c;
            case_begin(&c, k, 9);
            if (!mxdi_interp_has(ops[k], "")) {
                mxdi_graph_destroy(c.g);
                continue;
            }
            one_op(ops[k], MXD_F32, MXD_F32, blocked, DIMS(9, 5, 3, 4), DIMS(9, 5, 3, 4), NULL, 0,
                   NULL, &c);
        }
    cpu_case c;
    case_begin(&c, 99, 3);
    const uint32_t bounds[] = { case_scalar(&c, MXD_F32, -0.25), case_scalar(&c, MXD_F32, 0.5) };
    one_op("Clip", MXD_F32, MXD_F32, true, DIMS(3, 5, 3, 4), DIMS(3, 5, 3, 4), NULL, 2, bounds, &c);
}

static void two(const char *op, bool blocked, int32_t a_rank, const int64_t *ad, bool a_batched,
                int32_t b_rank, const int64_t *bd, bool b_batched, bool b_constant, int32_t rank,
                const int64_t *yd)
{
    cpu_case c;
    case_begin(&c, (uint64_t)b_rank + 10, yd[0]);
    const uint32_t a = maybe_blocked(&c, case_input(&c, MXD_F32, a_batched, a_rank, ad), blocked);
    const uint32_t b = b_constant ? case_constant(&c, MXD_F32, b_rank, bd, NULL)
                                  : case_input(&c, MXD_F32, b_batched, b_rank, bd);
    const uint32_t y = case_value(&c, MXD_F32, true, rank, yd);
    case_node(&c, op, y, INS(a, b));
    case_output(&c, y);
    case_check(&c);
}

static void functions_of_two_values(void **state)
{
    (void)state;
    static const char *const ops[] = { "Add", "Sub", "Mul", "Min", "Max", "PRelu" };
    for (size_t k = 0; k < sizeof(ops) / sizeof(ops[0]); k++)
        for (int blocked = 0; blocked < 2; blocked++) {
            two(ops[k], blocked, DIMS(9, 5, 3, 4), true, DIMS(9, 5, 3, 4), true, false,
                DIMS(9, 5, 3, 4));
            two(ops[k], blocked, DIMS(9, 5, 3, 4), true, DIMS(1), false, true, DIMS(9, 5, 3, 4));
            two(ops[k], blocked, DIMS(9, 5, 3, 4), true, DIMS(5, 1, 1), false, true,
                DIMS(9, 5, 3, 4));
            two(ops[k], blocked, DIMS(9, 5, 3, 4), true, DIMS(9, 5, 1, 1), true, false,
                DIMS(9, 5, 3, 4));
            two(ops[k], blocked, DIMS(9, 5, 3, 4), true, DIMS(3, 1), false, false,
                DIMS(9, 5, 3, 4));
        }
    two("Div", false, DIMS(4), true, DIMS(1), false, true, DIMS(4));
    two("Pow", false, DIMS(4, 3), true, DIMS(1), false, true, DIMS(4, 3));
}

static void qadd(bool blocked, mxd_dtype type, int32_t b_rank, const int64_t *bd, bool b_batched)
{
    cpu_case      c;
    const int32_t low = type == MXD_S8 ? -128 : 0;
    case_begin(&c, 3, 10);
    const uint32_t a = maybe_blocked(&c, case_input(&c, type, true, DIMS(10, 6, 3, 5)), blocked),
                   b = case_input(&c, type, b_batched, b_rank, bd);
    const uint32_t y = case_value(&c, type, true, DIMS(10, 6, 3, 5));
    case_node(&c, "QAdd", y, INS(a, b));
    case_int(&c, "a_zero_point", low + 10);
    case_int(&c, "b_zero_point", low + 200);
    case_int(&c, "y_zero_point", low + 120);
    case_int(&c, "q_min", low + 3);
    case_int(&c, "q_max", low + 250);
    case_float(&c, "a_scale_ratio", 0.61f);
    case_float(&c, "b_scale_ratio", 0.43f);
    case_quantized(&c, y, 0.1f, low + 120);
    case_output(&c, y);
    assert_in_range(case_check(&c), 1, 2);
}

static void sums_of_integers(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        qadd(k & 1, k & 2 ? MXD_S8 : MXD_U8, DIMS(10, 6, 3, 5), true);
        qadd(k & 1, k & 2 ? MXD_S8 : MXD_U8, DIMS(6, 1, 1), false);
    }
}

static void set_window(cpu_case *c)
{
    const int64_t k[] = { 3, 2 }, s[] = { 2, 1 }, p[] = { 1, 0, 1, 1 };
    case_ints(c, "kernel_shape", 2, k);
    case_ints(c, "strides", 2, s);
    case_ints(c, "pads", 4, p);
}

static void set_quantized_window(cpu_case *c)
{
    set_window(c);
    case_ints(c, "dilations", 2, one2);
    case_int(c, "x_zero_point", 40);
    case_int(c, "y_zero_point", 20);
    case_int(c, "q_min", 0);
    case_int(c, "q_max", 250);
}

static void set_same_upper(cpu_case *c)
{
    const int64_t k[] = { 3, 3 }, s[] = { 2, 2 };
    case_ints(c, "kernel_shape", 2, k);
    case_ints(c, "strides", 2, s);
    case_string(c, "auto_pad", "SAME_UPPER");
}

static void pools(void **state)
{
    (void)state;
    static const int64_t batches[] = { 1, 9 };
    for (size_t k = 0; k < 2; k++) {
        const int64_t n = batches[k];
        cpu_case      c;
        case_begin(&c, 1, n);
        one_op("MaxPool", MXD_F32, MXD_F32, false, DIMS(n, 7, 6, 5), DIMS(n, 7, 3, 5), set_window,
               0, NULL, &c);
        case_begin(&c, 2, n);
        one_op("MaxPool", MXD_S8, MXD_S8, false, DIMS(n, 7, 6, 5), DIMS(n, 7, 3, 5), set_window, 0,
               NULL, &c);
        case_begin(&c, 3, n);
        one_op("MaxPool", MXD_F32, MXD_F32, false, DIMS(n, 7, 6, 6), DIMS(n, 7, 3, 3),
               set_same_upper, 0, NULL, &c);
        case_begin(&c, 4, n);
        one_op("AveragePool", MXD_F32, MXD_F32, false, DIMS(n, 7, 6, 5), DIMS(n, 7, 3, 5),
               set_window, 0, NULL, &c);
        case_begin(&c, 5, n);
        const float    m[] = { 0, 0.9f, 0.45f, 0.3f, 0.225f, 0.18f, 0.15f };
        const uint32_t mv  = case_constant(&c, MXD_F32, DIMS(7), m);
        one_op("QAveragePool", MXD_U8, MXD_U8, false, DIMS(n, 7, 6, 5), DIMS(n, 7, 3, 5),
               set_quantized_window, 1, &mv, &c);
        case_begin(&c, 6, n);
        one_op("GlobalAveragePool", MXD_F32, MXD_F32, true, DIMS(n, 7, 6, 5), DIMS(n, 7, 1, 1),
               NULL, 0, NULL, &c);
    }
}

static void set_axes_12(cpu_case *c)
{
    const int64_t axes[] = { 1, 2 };
    case_ints(c, "axes", 2, axes);
    case_int(c, "keepdims", 0);
}

static void set_axes_13(cpu_case *c)
{
    const int64_t axes[] = { 1, 3 };
    case_ints(c, "axes", 2, axes);
    case_int(c, "keepdims", 1);
}

static void set_axes_from_the_end(cpu_case *c)
{
    const int64_t axes[] = { -3, -1 };
    case_ints(c, "axes", 2, axes);
    case_int(c, "keepdims", 1);
}

static void set_mean(cpu_case *c)
{
    set_axes_13(c);
    case_int(c, "x_zero_point", 100);
    case_int(c, "y_zero_point", 90);
    case_int(c, "q_min", 5);
    case_int(c, "q_max", 255);
    case_float(c, "m", 0.07f);
}

static void set_axis_1(cpu_case *c)
{
    case_int(c, "axis", 1);
}

static void set_qsoftmax(cpu_case *c)
{
    case_int(c, "axis", 2);
    case_int(c, "y_zero_point", -128);
    case_int(c, "q_min", -128);
    case_int(c, "q_max", 127);
    case_float(c, "y_scale", 1.0f / 256);
}

static void reductions_and_what_normalizes(void **state)
{
    (void)state;
    cpu_case c;
    case_begin(&c, 1, 9);
    one_op("ReduceMean", MXD_F32, MXD_F32, false, DIMS(9, 4, 3, 5), DIMS(9, 5), set_axes_12, 0,
           NULL, &c);
    case_begin(&c, 2, 9);
    one_op("ReduceMax", MXD_F32, MXD_F32, false, DIMS(9, 4, 3, 5), DIMS(9, 1, 3, 1), set_axes_13, 0,
           NULL, &c);
    case_begin(&c, 2, 9);
    one_op("ReduceSum", MXD_F32, MXD_F32, false, DIMS(9, 4, 3, 5), DIMS(9, 1, 3, 1),
           set_axes_from_the_end, 0, NULL, &c);
    case_begin(&c, 3, 1);
    one_op("QReduceMean", MXD_U8, MXD_U8, true, DIMS(1, 4, 3, 5), DIMS(1, 1, 3, 1), set_mean, 0,
           NULL, &c);
    case_begin(&c, 4, 9);
    one_op("Softmax", MXD_F32, MXD_F32, true, DIMS(9, 4, 3, 5), DIMS(9, 4, 3, 5), set_axis_1, 0,
           NULL, &c);
    case_begin(&c, 5, 3);
    int64_t e[256];
    for (int d = 0; d < 256; d++)
        e[d] = (int64_t)rint(16777216.0 * exp(-0.05 * d));
    const uint32_t table = case_constant(&c, MXD_S64, DIMS(256), e);
    one_op("QSoftmax", MXD_U8, MXD_S8, false, DIMS(3, 4, 11), DIMS(3, 4, 11), set_qsoftmax, 1,
           &table, &c);
    case_begin(&c, 6, 3);
    const uint32_t affine[] = { case_floats(&c, 11, 1.0f), case_floats(&c, 11, 0.2f) };
    c.g->opset              = 17;
    c.tolerance             = 1e-5f;
    one_op("LayerNormalization", MXD_F32, MXD_F32, false, DIMS(3, 4, 11), DIMS(3, 4, 11), NULL, 2,
           affine, &c);
    case_begin(&c, 7, 9);
    const uint32_t batch[] = { case_floats(&c, 5, 1.0f), case_floats(&c, 5, 0.2f),
                               case_floats(&c, 5, 0.1f), case_floats(&c, 5, 1.0f) };
    const uint32_t x       = case_input(&c, MXD_F32, true, DIMS(9, 5, 3, 4)),
                   y       = case_value(&c, MXD_F32, true, DIMS(9, 5, 3, 4));
    case_node(&c, "BatchNormalization", y, INS(x, batch[0], batch[1], batch[2], batch[3]));
    case_output(&c, y);
    c.tolerance = 1e-5f;
    case_check(&c);
    case_begin(&c, 8, 9);
    const uint32_t instance[] = { case_floats(&c, 5, 1.0f), case_floats(&c, 5, 0.2f) };
    c.tolerance               = 1e-5f;
    one_op("InstanceNormalization", MXD_F32, MXD_F32, false, DIMS(9, 5, 3, 4), DIMS(9, 5, 3, 4),
           NULL, 2, instance, &c);
}

static void set_perm(cpu_case *c)
{
    const int64_t perm[] = { 0, 2, 3, 1 };
    case_ints(c, "perm", 4, perm);
}

static void set_axis_m1(cpu_case *c)
{
    case_int(c, "axis", -1);
}

static void set_blocksize(cpu_case *c)
{
    case_int(c, "blocksize", 2);
}

static void set_crd(cpu_case *c)
{
    case_int(c, "blocksize", 2);
    case_string(c, "mode", "CRD");
}

static void moves(bool blocked, mxd_dtype d, int64_t n)
{
    cpu_case c;
    case_begin(&c, 1, n);
    one_op("Transpose", d, d, blocked, DIMS(n, 4, 3, 5), DIMS(n, 3, 5, 4), set_perm, 0, NULL, &c);
    case_begin(&c, 2, n);
    const int64_t starts[] = { 1, -1 }, ends[] = { 3, -100 }, axes[] = { 1, 3 },
                  steps[] = { 1, -2 };
    const uint32_t cut[]  = { case_constant(&c, MXD_S64, DIMS(2), starts),
                              case_constant(&c, MXD_S64, DIMS(2), ends),
                              case_constant(&c, MXD_S64, DIMS(2), axes) };
    const uint32_t x      = maybe_blocked(&c, case_input(&c, d, true, DIMS(n, 4, 3, 5)), blocked),
                   y      = case_value(&c, d, true, DIMS(n, 2, 3, 3));
    case_node(&c, "Slice", y,
              INS(x, cut[0], cut[1], cut[2], case_constant(&c, MXD_S64, DIMS(2), steps)));
    case_output(&c, y);
    case_check(&c);
    case_begin(&c, 3, n);
    const int64_t  pads[] = { 0, 1, 0, 2, 0, 0, 3, 1 };
    const uint32_t pad[]  = { case_constant(&c, MXD_S64, DIMS(8), pads), case_scalar(&c, d, 7) };
    one_op("Pad", d, d, blocked, DIMS(n, 4, 3, 5), DIMS(n, 5, 6, 8), NULL, 2, pad, &c);
    case_begin(&c, 4, n);
    const uint32_t a    = maybe_blocked(&c, case_input(&c, d, true, DIMS(n, 4, 3, 5)), blocked),
                   b    = case_input(&c, d, true, DIMS(n, 3, 3, 5));
    const uint32_t both = case_value(&c, d, true, DIMS(n, 7, 3, 5));
    case_node(&c, "Concat", both, INS(a, b));
    case_int(&c, "axis", 1);
    case_output(&c, both);
    case_check(&c);
    case_begin(&c, 5, n);
    const int64_t  index[] = { 2, 0, -1 };
    const uint32_t indices = case_constant(&c, MXD_S64, DIMS(3), index);
    one_op("Gather", d, d, blocked, DIMS(n, 4, 3, 5), DIMS(n, 4, 3, 3), set_axis_m1, 1, &indices,
           &c);
    case_begin(&c, 6, n);
    const uint32_t picked = case_scalar(&c, MXD_S64, -2);
    one_op("Gather", d, d, blocked, DIMS(n, 4, 3, 5), DIMS(n, 3, 5), set_axis_1, 1, &picked, &c);
    case_begin(&c, 7, n);
    if (mxdi_interp_has("DepthToSpace", "")) {
        one_op("DepthToSpace", d, d, blocked, DIMS(n, 12, 3, 2), DIMS(n, 3, 6, 4), set_blocksize, 0,
               NULL, &c);
        case_begin(&c, 8, n);
        one_op("DepthToSpace", d, d, blocked, DIMS(n, 12, 3, 2), DIMS(n, 3, 6, 4), set_crd, 0, NULL,
               &c);
        case_begin(&c, 9, n);
        one_op("SpaceToDepth", d, d, blocked, DIMS(n, 3, 6, 4), DIMS(n, 12, 3, 2), set_blocksize, 0,
               NULL, &c);
    } else {
        mxdi_graph_destroy(c.g);
    }
}

static void elements_are_moved(void **state)
{
    (void)state;
    static const mxd_dtype types[]   = { MXD_F32, MXD_U8, MXD_S8 };
    static const int64_t   batches[] = { 1, 3, 17 };
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < 3; i++)
            for (int blocked = 0; blocked < 2; blocked++)
                moves(blocked, types[k], batches[i]);
    cpu_case c;
    case_begin(&c, 9, 4);
    const int64_t  shape[] = { 4, 3, 5 };
    const uint32_t to      = case_constant(&c, MXD_S64, DIMS(3), shape);
    one_op("Expand", MXD_F32, MXD_F32, false, DIMS(4, 1, 5), DIMS(4, 3, 5), NULL, 1, &to, &c);
    case_begin(&c, 10, 4);
    const uint32_t x       = case_input(&c, MXD_F32, true, DIMS(4, 6, 2)),
                   parts[] = { case_value(&c, MXD_F32, true, DIMS(4, 4, 2)),
                               case_value(&c, MXD_F32, true, DIMS(4, 2, 2)) };
    const int64_t  sizes[] = { 4, 2 };
    const uint32_t in[]    = { x, case_constant(&c, MXD_S64, DIMS(2), sizes) };
    assert_int_equal(mxdi_graph_add_node(&c.node, c.g, "Split", "", NULL, in, 2, parts, 2, NULL),
                     MXD_OK);
    case_int(&c, "axis", 1);
    case_output(&c, parts[1]);
    case_output(&c, parts[0]);
    case_check(&c);
    case_begin(&c, 11, 4);
    const uint32_t cond = case_input(&c, MXD_BOOL, true, DIMS(4, 6, 1)),
                   left = case_input(&c, MXD_F32, true, DIMS(4, 1, 3));
    const uint32_t pick = case_value(&c, MXD_F32, true, DIMS(4, 6, 3));
    case_node(&c, "Where", pick, INS(cond, left, case_scalar(&c, MXD_F32, 3.5)));
    case_output(&c, pick);
    case_check(&c);
}

static void quantizers(void **state)
{
    (void)state;
    static const mxd_dtype types[] = { MXD_U8, MXD_S8, MXD_U4, MXD_S4 };
    for (size_t k = 0; k < 8; k++) {
        cpu_case        c;
        const mxd_dtype d       = types[k / 2];
        const bool      blocked = k % 2;
        case_begin(&c, k, 9);
        const uint32_t s = case_scalar(&c, MXD_F32, mxd_dtype_bits(d) == 4 ? 0.11 : 0.0081),
                       z = case_scalar(&c, d, 5);
        const uint32_t x = maybe_blocked(&c, case_input(&c, MXD_F32, true, DIMS(9, 5, 3, 4)),
                                         blocked),
                       q = case_value(&c, d, true, DIMS(9, 5, 3, 4));
        const uint32_t y = case_value(&c, MXD_F32, true, DIMS(9, 5, 3, 4));
        c.g->opset       = 21;
        case_quantized(&c, q, 0.1f, 5);
        case_node(&c, "QuantizeLinear", q, INS(x, s, z));
        case_node(&c, "DequantizeLinear", y, INS(q, s, z));
        case_output(&c, y);
        case_output(&c, q);
        assert_int_equal(case_check(&c), 1);
    }
    cpu_case c; /* a table, and the input's own integers as an output */
    case_begin(&c, 42, 9);
    uint8_t table[256];
    for (int k = 0; k < 256; k++)
        table[k] = (uint8_t)(k * 7 + 3);
    const uint32_t x = case_input(&c, MXD_S8, true, DIMS(9, 5, 3, 4)),
                   y = case_value(&c, MXD_U8, true, DIMS(9, 5, 3, 4));
    case_node(&c, "Lookup8", y, INS(x, case_constant(&c, MXD_U8, DIMS(256), table)));
    case_output(&c, y);
    case_check(&c);
}

/* A table for each channel of the last axis: of the caller's integers, and of a blocked value. */
static void tables_of_channels(void **state)
{
    (void)state;
    for (int blocked = 0; blocked < 2; blocked++) {
        cpu_case c;
        case_begin(&c, 43, 9);
        const uint32_t x = case_input(&c, MXD_S8, true, DIMS(9, 5, 3, 141));
        uint32_t       m = x;
        if (blocked) {
            m = case_value(&c, MXD_S8, true, DIMS(9, 5, 3, 141));
            case_node(&c, "MaxPool", m, INS(x));
            case_ints(&c, "kernel_shape", DIMS(1, 1));
        }
        const uint32_t t = case_constant(&c, MXD_S8, DIMS(141, 256), NULL);
        const uint32_t y = case_value(&c, MXD_S8, true, DIMS(9, 5, 3, 141));
        case_node(&c, "Lookup8", y, INS(m, t));
        case_output(&c, y);
        case_check(&c);
    }
}

/* Pictures of 1 to 5 channels, last or first, to u8, s8 and f32; read by a Conv, so blocked, or an
 * output. */
static void lookups_of_channels(void **state)
{
    (void)state;
    for (int form = 0; form < 30; form++) {
        const bool      last  = form & 1;
        const int64_t   ch    = form / 6 + 1;
        const mxd_dtype type  = form % 3 == 0 ? MXD_U8 : form % 3 == 1 ? MXD_S8 : MXD_F32;
        const int64_t   dim[] = { 9, last ? 3 : ch, last ? 7 : 3, last ? ch : 7 };
        cpu_case        c;
        float           table[5 * 256];
        case_begin(&c, 70 + (uint64_t)form, 9);
        for (int64_t k = 0; k < ch * 256; k++)
            if (type == MXD_F32)
                table[k] = (float)k * 0.37f - 100.0f;
            else
                ((uint8_t *)table)[k] = (uint8_t)(k * 7 + 3 + k / 256);
        const uint32_t x = case_input(&c, MXD_U8, true, 4, dim),
                       y = case_value(&c, type, true, DIMS(9, ch, 3, 7));
        case_node(&c, "LookupChannels", y, INS(x, case_constant(&c, type, DIMS(ch, 256), table)));
        case_int(&c, "channels_last", last);
        case_output(&c, y);
        c.tolerance = 0;
        case_check(&c);
    }
}

static void cast(mxd_dtype from, mxd_dtype through, mxd_dtype to)
{
    static const int64_t onnx[MXD_DTYPE_COUNT] = {
        [MXD_F32] = 1, [MXD_F16] = 10, [MXD_BF16] = 16, [MXD_S8] = 3,
        [MXD_U8] = 2,  [MXD_S32] = 6,  [MXD_S64] = 7,   [MXD_BOOL] = 9
    };
    cpu_case c;
    case_begin(&c, 5, 6);
    const uint32_t x = case_input(&c, from, true, DIMS(6, 7)),
                   m = case_value(&c, through, true, DIMS(6, 7)),
                   y = case_value(&c, to, true, DIMS(6, 7));
    case_node(&c, "Cast", m, INS(x));
    case_int(&c, "to", onnx[through]);
    case_node(&c, "Cast", y, INS(m));
    case_int(&c, "to", onnx[to]);
    case_output(&c, y);
    c.tolerance = 0;
    case_check(&c);
}

static void casts(void **state)
{
    (void)state;
    cast(MXD_F32, MXD_BF16, MXD_F32);
    cast(MXD_F32, MXD_F16, MXD_F32);
    cast(MXD_F32, MXD_S32, MXD_S64);
    cast(MXD_S8, MXD_F32, MXD_S8);
    cast(MXD_S64, MXD_S8, MXD_F32);
    cast(MXD_U8, MXD_BOOL, MXD_F32);
    cast(MXD_F32, MXD_BF16, MXD_BF16);
}

static void transposed_convolution(uint64_t seed, int64_t n, int rank, int64_t stride, int64_t pad,
                                   int64_t extra, int64_t dilation, int64_t groups)
{
    cpu_case      c;
    const int64_t k = 3, h = rank == 2 ? 4 : 5, w = 5,
                  oh   = (h - 1) * stride + (k - 1) * dilation + 1 + extra - 2 * pad;
    const int64_t ow   = (w - 1) * stride + (k - 1) * dilation + 1 + extra - 2 * pad;
    const int64_t xd[] = { n, 6, h, w }, wd[] = { 6, 4 / groups, k, k }, yd[] = { n, 4, oh, ow };
    const int64_t s[] = { stride, stride }, d[] = { dilation, dilation },
                  p[] = { pad, pad, pad, pad }, e[] = { extra, extra };
    case_begin(&c, seed, n);
    const uint32_t x = case_input(&c, MXD_F32, true, rank + 2, xd),
                   y = case_value(&c, MXD_F32, true, rank + 2, yd);
    case_node(&c, "ConvTranspose", y,
              INS(x, case_constant(&c, MXD_F32, rank + 2, wd, NULL), case_floats(&c, 4, 0.5f)));
    case_ints(&c, "strides", rank, s);
    case_ints(&c, "dilations", rank, d);
    case_ints(&c, "pads", 2 * rank, p);
    case_ints(&c, "output_padding", rank, e);
    case_int(&c, "group", groups);
    case_output(&c, y);
    c.tolerance = 1e-5f;
    case_check(&c);
}

static void transposed_convolutions(void **state)
{
    (void)state;
    transposed_convolution(1, 1, 2, 2, 0, 0, 1, 1);
    transposed_convolution(2, 9, 2, 2, 1, 1, 1, 1);
    transposed_convolution(3, 3, 1, 3, 1, 0, 1, 2);
    transposed_convolution(4, 2, 2, 1, 1, 0, 2, 1);
}

/* Ops on integers, comparisons, selections. */
static void rare(const char *op, mxd_dtype in, mxd_dtype out, uint32_t operands, bool nonzero)
{
    cpu_case c;
    case_begin(&c, 77, 3);
    const uint32_t a     = case_input(&c, in, true, DIMS(3, 4, 5)),
                   y     = case_value(&c, out, true, DIMS(3, 4, 5));
    const int64_t data[] = { 3, -2, 1, 5, 7 };
    int8_t        few[5 * 8];
    for (int k = 0; k < 5; k++)
        mxdi_store_s64(few, in, k, data[k]);
    const uint32_t b = nonzero || in == MXD_BOOL ? case_constant(&c, in, DIMS(5), few)
                                                 : case_input(&c, in, true, DIMS(3, 1, 5));
    case_node(&c, op, y, operands, (uint32_t[]){ a, b });
    case_output(&c, y);
    case_check(&c);
}

static void integers_one_by_one(void **state)
{
    (void)state;
    static const struct {
        const char *op;
        uint32_t    operands;
        bool        truth, nonzero;
    } ops[] = {
        { "Add", 2, false, false },        { "Sub", 2, false, false },
        { "Mul", 2, false, false },        { "Div", 2, false, true },
        { "Min", 2, false, false },        { "Max", 2, false, false },
        { "Equal", 2, true, false },       { "Greater", 2, true, false },
        { "LessOrEqual", 2, true, false }, { "Relu", 1, false, false },
        { "Abs", 1, false, false },        { "Neg", 1, false, false },
    };
    static const mxd_dtype types[] = { MXD_S32, MXD_S64, MXD_S8, MXD_U8 };
    for (size_t k = 0; k < sizeof(ops) / sizeof(ops[0]); k++)
        for (size_t t = 0; t < 4; t++)
            rare(ops[k].op, types[t], ops[k].truth ? MXD_BOOL : types[t], ops[k].operands,
                 ops[k].nonzero);
    rare("Equal", MXD_F32, MXD_BOOL, 2, false);
    rare("Greater", MXD_F32, MXD_BOOL, 2, true);
    rare("And", MXD_BOOL, MXD_BOOL, 2, false);
    rare("Not", MXD_BOOL, MXD_BOOL, 1, false);
}

static void selections(void **state)
{
    (void)state;
    static const mxd_dtype types[] = { MXD_F32, MXD_U8, MXD_S8, MXD_S32 };
    for (size_t t = 0; t < 8; t++) {
        cpu_case c;
        case_begin(&c, t, 4);
        const uint32_t x = case_input(&c, types[t / 2], true, DIMS(4, 6, 5)),
                       y = case_value(&c, MXD_S64, true, DIMS(4, 1, 5));
        case_node(&c, t % 2 ? "ArgMax" : "ArgMin", y, INS(x));
        case_int(&c, "axis", 1);
        case_int(&c, "select_last_index", t >= 4);
        case_output(&c, y);
        case_check(&c);
        case_begin(&c, t, 4);
        const int64_t  k      = 3;
        const uint32_t z      = case_input(&c, types[t / 2], true, DIMS(4, 6, 5)),
                       best[] = { case_value(&c, types[t / 2], true, DIMS(4, 3, 5)),
                                  case_value(&c, MXD_S64, true, DIMS(4, 3, 5)) };
        const uint32_t in[]   = { z, case_constant(&c, MXD_S64, DIMS(1), &k) };
        assert_int_equal(mxdi_graph_add_node(&c.node, c.g, "TopK", "", NULL, in, 2, best, 2, NULL),
                         MXD_OK);
        case_int(&c, "axis", 1);
        case_int(&c, "largest", t % 2);
        case_output(&c, best[0]);
        case_output(&c, best[1]);
        case_check(&c);
        case_begin(&c, t, 4);
        const uint32_t w   = case_input(&c, types[t / 2], true, DIMS(4, 6, 5)),
                       tri = case_value(&c, types[t / 2], true, DIMS(4, 6, 5));
        case_node(&c, "Trilu", tri, INS(w, case_scalar(&c, MXD_S64, (double)t - 3)));
        case_int(&c, "upper", t % 2);
        case_output(&c, tri);
        case_check(&c);
    }
}

static void set_sizes(cpu_case *c)
{
    case_string(c, "mode", "linear");
    case_string(c, "coordinate_transformation_mode", "half_pixel");
}

static void set_nearest(cpu_case *c)
{
    case_string(c, "mode", "nearest");
    case_string(c, "coordinate_transformation_mode", "asymmetric");
    case_string(c, "nearest_mode", "floor");
}

static void resizes(void **state)
{
    (void)state;
    static const int64_t batches[] = { 1, 9 };
    for (size_t k = 0; k < 2; k++)
        for (int nearest = 0; nearest < 2; nearest++) {
            cpu_case      c;
            const int64_t n = batches[k], size[] = { n, 5, 7, 3 };
            case_begin(&c, k, n);
            const uint32_t more[] = { MXD_NO_VALUE, MXD_NO_VALUE,
                                      case_constant(&c, MXD_S64, DIMS(4), size) };
            c.tolerance           = 1e-6f;
            one_op("Resize", nearest ? MXD_S8 : MXD_F32, nearest ? MXD_S8 : MXD_F32, false,
                   DIMS(n, 5, 4, 6), DIMS(n, 5, 7, 3), nearest ? set_nearest : set_sizes, 3, more,
                   &c);
        }
}

/* An index outside its axis ends the run with a message, and the next run is fine. */
static void indices_are_checked(void **state)
{
    (void)state;
    cpu_case    c;
    case_engine e;
    mxd_error   err = MXD_ERROR_INIT;
    float       y[6];
    int64_t     index[] = { 1, 0 };
    case_begin(&c, 1, 1);
    const uint32_t x = case_constant(&c, MXD_F32, DIMS(4, 3), NULL),
                   i = case_input(&c, MXD_S64, false, DIMS(2)),
                   g = case_value(&c, MXD_F32, false, DIMS(2, 3));
    case_node(&c, "Gather", g, INS(x, i));
    case_output(&c, g);
    case_open(&e, &c, mxdi_cpu_backend(), NULL, 1);
    const mxd_tensor in  = { .data = index, .dtype = MXD_S64, .rank = 1, .dim = { 2 } },
                     out = { .data = y, .dtype = MXD_F32, .rank = 2, .dim = { 2, 3 } };
    assert_int_equal(e.api->session_run(e.run, &in, 1, &out, 1, NULL, NULL, &err), MXD_OK);
    index[1] = 4;
    assert_int_equal(e.api->session_run(e.run, &in, 1, &out, 1, NULL, NULL, &err), MXD_E_RANGE);
    assert_non_null(strstr(err.msg, "gather"));
    index[1] = -4;
    assert_int_equal(e.api->session_run(e.run, &in, 1, &out, 1, NULL, NULL, &err), MXD_OK);
    assert_memory_equal(y + 3, c.g->value[x].data, 3 * sizeof(float));
    case_close(&e);
    mxdi_graph_destroy(c.g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_of_one_value),
        cmocka_unit_test(functions_of_two_values),
        cmocka_unit_test(sums_of_integers),
        cmocka_unit_test(pools),
        cmocka_unit_test(reductions_and_what_normalizes),
        cmocka_unit_test(elements_are_moved),
        cmocka_unit_test(quantizers),
        cmocka_unit_test(tables_of_channels),
        cmocka_unit_test(casts),
        cmocka_unit_test(lookups_of_channels),
        cmocka_unit_test(transposed_convolutions),
        cmocka_unit_test(integers_one_by_one),
        cmocka_unit_test(selections),
        cmocka_unit_test(resizes),
        cmocka_unit_test(indices_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
