/* SPDX-License-Identifier: Apache-2.0
 *
 * The CPU backend on small networks: layouts meet, memory is shared, traces show every quantized
 * value, profiles count. */
#include "unit/cpu_case.h"

/* Quantize, convolution, pooling, a residual, mean, matrix product, softmax: as a residual network
 * has them. */
static void residual_network(cpu_case *c, int64_t batch, mxd_dtype type)
{
    const int64_t xd[] = { batch, 3, 12, 10 }, ad[] = { batch, 16, 12, 10 },
                  pd[] = { batch, 16, 6, 5 }, gd[] = { batch, 16, 1, 1 };
    const int64_t fd[] = { batch, 16 }, yd[] = { batch, 10 }, k3[] = { 3, 3 }, k1[] = { 1, 1 },
                  k2[] = { 2, 2 }, p1[] = { 1, 1, 1, 1 }, p0[4] = { 0 };
    const int64_t axes[] = { 2, 3 }, flat[] = { -1, 16 };
    const int32_t low = type == MXD_S8 ? -128 : 0;
    case_begin(c, 7, batch);
    const uint32_t x = case_input(c, MXD_F32, true, 4, xd), qx = case_value(c, type, true, 4, xd),
                   a = case_value(c, type, true, 4, ad);
    const uint32_t p = case_value(c, type, true, 4, pd), r = case_value(c, type, true, 4, pd),
                   g = case_value(c, type, true, 4, gd);
    const uint32_t f = case_value(c, type, true, 2, fd), y = case_value(c, MXD_F32, true, 2, yd),
                   s           = case_value(c, MXD_F32, true, 2, yd);
    const uint32_t quantized[] = { qx, a, p, r, g, f };
    for (size_t k = 0; k < 6; k++)
        case_quantized(c, quantized[k], 0.05f, low + 128);
    case_node(c, "QuantizeLinear", qx,
              INS(x, case_scalar(c, MXD_F32, 0.009), case_scalar(c, type, low + 128)));
    const int64_t  m16 = 16;
    const uint32_t w1  = case_constant(c, MXD_S8, DIMS(16, 3, 3, 3), NULL),
                   b1  = case_constant(c, MXD_S32, 1, &m16, NULL);
    case_node(c, "QConv", a, INS(qx, w1, b1, MXD_NO_VALUE, case_floats(c, 16, 0.002f)));
    case_ints(c, "kernel_shape", 2, k3);
    case_ints(c, "strides", 2, k1);
    case_ints(c, "dilations", 2, k1);
    case_ints(c, "pads", 4, p1);
    case_int(c, "group", 1);
    case_int(c, "x_zero_point", low + 128);
    case_int(c, "y_zero_point", low + 128);
    case_int(c, "q_min", low + 128);
    case_int(c, "q_max", low + 255);
    case_node(c, "MaxPool", p, INS(a));
    case_ints(c, "kernel_shape", 2, k2);
    case_ints(c, "strides", 2, k2);
    const uint32_t w2 = case_constant(c, MXD_S8, DIMS(16, 16, 1, 1), NULL);
    case_node(c, "QConv", r, INS(p, w2, MXD_NO_VALUE, MXD_NO_VALUE, case_floats(c, 16, 0.002f), p));
    case_ints(c, "kernel_shape", 2, k1);
    case_ints(c, "strides", 2, k1);
    case_ints(c, "dilations", 2, k1);
    case_ints(c, "pads", 4, p0);
    case_int(c, "group", 1);
    case_int(c, "mid", 1);
    case_int(c, "x_zero_point", low + 128);
    case_int(c, "r_zero_point", low + 128);
    case_int(c, "y_zero_point", low + 128);
    case_int(c, "mid_zero_point", low + 100);
    case_int(c, "q_min", low);
    case_int(c, "q_max", low + 255);
    case_int(c, "mid_q_min", low);
    case_int(c, "mid_q_max", low + 255);
    case_float(c, "y_scale_ratio", 0.7f);
    case_float(c, "r_scale_ratio", 0.9f);
    case_node(c, "QReduceMean", g, INS(r));
    case_ints(c, "axes", 2, axes);
    case_int(c, "keepdims", 1);
    case_int(c, "x_zero_point", low + 128);
    case_int(c, "y_zero_point", low + 128);
    case_int(c, "q_min", low);
    case_int(c, "q_max", low + 255);
    case_float(c, "m", 0.2f);
    case_node(c, "Reshape", f, INS(g, case_constant(c, MXD_S64, DIMS(2), flat)));
    const uint32_t w3 = case_constant(c, MXD_S8, DIMS(10, 16), NULL);
    case_node(c, "QMatMul", y,
              INS(f, w3, MXD_NO_VALUE, case_floats(c, 10, 0.1f), case_floats(c, 1, 0.001f)));
    case_int(c, "transB", 1);
    case_int(c, "x_zero_point", low + 128);
    case_node(c, "Softmax", s, INS(y));
    case_int(c, "axis", -1);
    case_output(c, s);
    case_output(c, r);
}

static void networks_agree_and_show_their_values(void **state)
{
    (void)state;
    static const int64_t   batches[] = { 1, 3, 8, 20, 71 };
    static const mxd_dtype types[]   = { MXD_U8, MXD_S8 };
    for (size_t k = 0; k < 10; k++) {
        cpu_case c;
        residual_network(&c, batches[k / 2], types[k % 2]);
        assert_int_equal(case_check(&c), 6);
    }
}

/* Two convolutions and a pool meet in a Concat: the first two write straight into it. */
static void fire_module(cpu_case *c, int64_t batch, bool integer, int64_t wide)
{
    const int64_t xd[] = { batch, 6, 7, 9 }, ad[] = { batch, 10, 7, 9 },
                  bd[] = { batch, wide, 7, 9 }, yd[] = { batch, 16 + wide, 7, 9 };
    const int64_t   k1[] = { 1, 1 }, k3[] = { 3, 3 }, p0[4] = { 0 }, p1[] = { 1, 1, 1, 1 };
    const mxd_dtype type = integer ? MXD_S8 : MXD_F32;
    case_begin(c, 5, batch);
    const uint32_t x = case_input(c, type, true, 4, xd), a = case_value(c, type, true, 4, ad),
                   b    = case_value(c, type, true, 4, bd);
    const uint32_t pool = case_value(c, type, true, 4, xd), y = case_value(c, type, true, 4, yd),
                   z = case_value(c, type, true, 4, yd);
    for (int k = 0; k < 2; k++) {
        const int64_t  out = k ? wide : 10, size = k ? 3 : 1, wd[] = { out, 6, size, size };
        const uint32_t w = case_constant(c, integer ? MXD_S8 : MXD_F32, 4, wd, NULL),
                       m = case_floats(c, out, integer ? 0.003f : 0.5f);
        if (integer)
            case_node(c, "QConv", k ? b : a, INS(x, w, MXD_NO_VALUE, MXD_NO_VALUE, m));
        else
            case_node(c, "FusedConv", k ? b : a, INS(x, w, m));
        case_ints(c, "kernel_shape", 2, k ? k3 : k1);
        case_ints(c, "strides", 2, k1);
        case_ints(c, "dilations", 2, k1);
        case_ints(c, "pads", 4, k ? p1 : p0);
        case_int(c, "group", 1);
        if (integer) {
            case_int(c, "q_min", -128);
            case_int(c, "q_max", 127);
            case_quantized(c, k ? b : a, 0.1f, 0);
        }
    }
    case_node(c, "MaxPool", pool, INS(x));
    case_ints(c, "kernel_shape", 2, k3);
    case_ints(c, "pads", 4, p1);
    case_node(c, "Concat", y, INS(a, pool, b));
    case_int(c, "axis", 1);
    case_node(c, "MaxPool", z, INS(y));
    case_ints(c, "kernel_shape", 2, k1);
    case_output(c, z);
}

static void concats_take_what_convolutions_write(void **state)
{
    (void)state;
    static const int64_t batches[] = { 1, 3, 13 };
    for (size_t k = 0; k < 6; k++) {
        cpu_case c;
        fire_module(&c, batches[k / 2], k % 2, k % 4 < 2 ? 64 : 19);
        c.tolerance = 1e-5f;
        assert_int_equal(case_check(&c), k % 2 ? 2 : 0);
    }
}

/* Samples on the second axis: everything runs at the largest batch, on copies. */
static void batches_on_another_axis(void **state)
{
    (void)state;
    cpu_case      c;
    const int64_t perm[] = { 1, 0, 2 };
    case_begin(&c, 3, 5);
    const uint32_t x         = case_input(&c, MXD_F32, true, DIMS(5, 3, 4)),
                   y         = case_value(&c, MXD_F32, false, DIMS(3, 5, 4)),
                   z         = case_value(&c, MXD_F32, false, DIMS(3, 5, 4));
    c.g->value[y].batch_axis = c.g->value[z].batch_axis = 1;
    case_node(&c, "Transpose", y, INS(x));
    case_ints(&c, "perm", 3, perm);
    case_node(&c, "Relu", z, INS(y));
    case_output(&c, z);
    case_check(&c);
}

static void claims_say_why_not(void **state)
{
    (void)state;
    cpu_case           c;
    mxd_device        *dev;
    const mxd_host_api host = { .struct_size = sizeof(host),
                                .allocator   = mxdi_default_allocator() };
    case_begin(&c, 1, 4);
    const uint32_t x = case_input(&c, MXD_F32, true, DIMS(4, 3, 5, 5, 5)),
                   y = case_value(&c, MXD_F32, true, DIMS(4, 2, 7, 7, 7));
    const uint32_t z = case_value(&c, MXD_F32, true, DIMS(4, 2, 7, 7, 7));
    case_node(&c, "ConvTranspose", y,
              INS(x, case_constant(&c, MXD_F32, DIMS(3, 2, 3, 3, 3), NULL)));
    case_node(&c, "Relu", z, INS(y));
    case_node(&c, "Quaternion", z, INS(y));
    case_output(&c, z);
    const mxd_graph_view view      = mxdi_graph_view(c.g);
    uint8_t              taken[3]  = { 0 };
    const char          *reason[3] = { NULL };
    mxd_claim            claim     = { sizeof(claim), taken, reason };
    assert_int_equal(mxdi_cpu_backend()->open(&dev, 0, NULL, &host, NULL), MXD_OK);
    assert_int_equal(mxdi_cpu_backend()->claim(dev, &view, &claim, NULL), MXD_OK);
    assert_true(!taken[0] && strstr(reason[0], "three dimensions"));
    assert_true(taken[1] && !reason[1]);
    assert_true(!taken[2] && strstr(reason[2], "no CPU kernel"));
    mxdi_cpu_backend()->close(dev);
    mxdi_graph_destroy(c.g);
}

static void devices_take_an_instruction_set(void **state)
{
    (void)state;
    const mxd_host_api host = { .struct_size = sizeof(host),
                                .allocator   = mxdi_default_allocator() };
    mxd_device        *dev;
    mxd_error          err   = MXD_ERROR_INIT;
    const mxd_option   wrong = { "isb", "avx2" }, unknown = { "isa", "avx1024" },
                     scalar = { "isa", "scalar" };
    assert_int_equal(mxdi_cpu_backend()->open(&dev, 0, &(mxd_options){ &wrong, 1 }, &host, &err),
                     MXD_E_USAGE);
    assert_null(dev);
    assert_int_equal(mxdi_cpu_backend()->open(&dev, 0, &(mxd_options){ &unknown, 1 }, &host, &err),
                     MXD_E_USAGE);
    assert_int_equal(mxdi_cpu_backend()->open(&dev, 1, NULL, &host, &err), MXD_E_USAGE);
    assert_int_equal(mxdi_cpu_backend()->open(&dev, 0, &(mxd_options){ &scalar, 1 }, &host, &err),
                     MXD_OK);
    assert_non_null(strstr(mxdi_cpu_backend()->describe(dev), "scalar"));
    mxdi_cpu_backend()->close(dev);
}

static void steps_and_profile_name_the_work(void **state)
{
    (void)state;
    cpu_case    c;
    case_engine e;
    mxd_steps   steps;
    mxd_tensor  in[1], out[2];
    uint64_t    ns[32], runs;
    int64_t     macs = 0;
    residual_network(&c, 8, MXD_U8);
    case_open(&e, &c, mxdi_cpu_backend(), NULL, 1);
    e.api->steps(e.program, &steps);
    assert_in_range(steps.n, 6, 12);
    assert_true(steps.peak_bytes > 8 * 16 * 120);
    for (uint32_t k = 0; k < steps.n; k++) {
        assert_true(steps.step[k].kernel && steps.step[k].computed && steps.step[k].bytes > 0);
        macs += steps.step[k].macs;
    }
    assert_int_equal(macs, 8 * (120 * 16 * 27 + 30 * 16 * 16 + 160));
    case_tensors(in, &c, c.g->input, 1, 8);
    case_tensors(out, &c, c.g->output, 2, 8);
    memset(in[0].data, 0, 8 * 360 * sizeof(float));
    assert_int_equal(e.api->session_profile(e.run, ns, steps.n, &runs, NULL), MXD_OK);
    assert_int_equal(runs, 0);
    for (int k = 0; k < 3; k++)
        case_drop(case_run(&e, in, out, &c));
    assert_int_equal(e.api->session_profile(e.run, ns, steps.n, &runs, NULL), MXD_OK);
    assert_int_equal(runs, 3);
    uint64_t total = 0;
    for (uint32_t k = 0; k < steps.n; k++)
        total += ns[k];
    assert_true(total > 0);
    assert_int_equal(e.api->session_profile(e.run, ns, steps.n + 1, &runs, NULL), MXD_E_INVAL);
    case_free(in, 1);
    case_free(out, 2);
    case_close(&e);
    mxdi_graph_destroy(c.g);
}

/* Refuse allocation n+1, then n+2 ...: compile and session_open fail cleanly until one run gets
 * through. */
struct failing {
    long left, live;
};

static void *failing_alloc(void *user, size_t bytes)
{
    struct failing *const f = user;
    if (f->left-- <= 0)
        return NULL;
    f->live++;
    return mxdi_default_allocator()->alloc(NULL, bytes);
}

static void failing_free(void *user, void *p)
{
    struct failing *const f = user;
    f->live -= p != NULL;
    mxdi_default_allocator()->free(NULL, p);
}

static void lack_of_memory_leaks_nothing(void **state)
{
    (void)state;
    cpu_case                  c;
    mxd_status                st      = MXD_E_NOMEM;
    const mxd_compile_options compile = { .struct_size = sizeof(compile), .threads = 1 };
    const mxd_run_options     run     = { .struct_size = sizeof(run), .threads = 1, .trace = 1 };
    residual_network(&c, 8, MXD_S8);
    const mxd_graph_view view = mxdi_graph_view(c.g);
    for (long n = 0; st != MXD_OK; n++) {
        struct failing      f       = { .left = n };
        const mxd_allocator alloc   = { failing_alloc, failing_free, &f };
        const mxd_host_api  host    = { .struct_size = sizeof(host), .allocator = &alloc };
        mxd_error           err     = MXD_ERROR_INIT;
        mxd_device         *dev     = NULL;
        mxd_program        *program = NULL;
        mxd_run            *session = NULL;
        st                          = mxdi_cpu_backend()->open(&dev, 0, NULL, &host, &err);
        if (st == MXD_OK)
            st = mxdi_cpu_backend()->compile(&program, dev, &view, &compile, &err);
        if (st == MXD_OK)
            st = mxdi_cpu_backend()->session_open(&session, program, &run, &err);
        assert_true(st == MXD_OK || (st == MXD_E_NOMEM && err.msg[0] != '\0' && !session));
        mxdi_cpu_backend()->session_close(session);
        mxdi_cpu_backend()->program_destroy(program);
        mxdi_cpu_backend()->close(dev);
        assert_int_equal(f.live, 0);
    }
    mxdi_graph_destroy(c.g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_agree_and_show_their_values),
        cmocka_unit_test(concats_take_what_convolutions_write),
        cmocka_unit_test(batches_on_another_axis),
        cmocka_unit_test(claims_say_why_not),
        cmocka_unit_test(devices_take_an_instruction_set),
        cmocka_unit_test(steps_and_profile_name_the_work),
        cmocka_unit_test(lack_of_memory_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
