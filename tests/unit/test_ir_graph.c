/* SPDX-License-Identifier: Apache-2.0
 *
 * ir: the graph as a container. Building, attributes, rewriting, order, links, verification,
 * copies.
 */
#include "graph_case.h"

#include "failing_alloc.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define assert_ok(call) assert_int_equal((call), MXD_OK)

/* x -> Relu a -> Relu b -> Add(b, a) y */
static mxdi_graph *diamond(void)
{
    mxdi_graph *const g = graph_new(13);
    const uint32_t    x = graph_input(g, "x", MXD_F32, DIMS(-1, 4));
    const uint32_t    a = graph_open(g, "a"), b = graph_open(g, "b"), y = graph_open(g, "y");
    graph_node(g, "Relu", NULL, VALUES(x), VALUES(a));
    graph_node(g, "Relu", NULL, VALUES(a), VALUES(b));
    graph_node(g, "Add", "sum", VALUES(b, a), VALUES(y));
    assert_ok(mxdi_graph_add_output(g, y, NULL));
    return g;
}

static void fresh_names_are_unique(void **state)
{
    (void)state;
    mxdi_graph *const g  = graph_new(13);
    uint32_t          id = 0;
    assert_ok(mxdi_graph_add_value(&id, g, "conv_7", NULL, NULL));
    assert_ok(mxdi_graph_add_value(&id, g, "conv_7x", NULL, NULL));
    assert_ok(mxdi_graph_add_value(&id, g, "_", NULL, NULL));
    assert_ok(mxdi_graph_add_value(&id, g, NULL, "conv", NULL));
    assert_string_equal(g->value[id].name, "conv_8");
    assert_ok(mxdi_graph_add_value(&id, g, NULL, NULL, NULL));
    assert_ok(mxdi_graph_add_value(&id, g, NULL, "", NULL));
    assert_ok(mxdi_graph_add_value(&id, g, "conv_12345678901", NULL, NULL)); /* no number of ours */
    assert_ok(mxdi_graph_add_value(&id, g, NULL, "conv", NULL));
    assert_string_equal(g->value[id].name, "conv_11");
    graph_node(g, "Relu", "node_40", NULL, 0, NULL,
               0); /* what a node is called is not fresh either */
    assert_ok(mxdi_graph_add_value(&id, g, NULL, "node", NULL));
    assert_string_equal(g->value[id].name, "node_41");
    assert_ok(mxdi_graph_add_value(&id, g, "conv_123456789", NULL, NULL)); /* the longest counted */
    assert_ok(mxdi_graph_add_value(&id, g, NULL, "conv", NULL));
    assert_string_equal(g->value[id].name, "conv_123456790");
    assert_ok(mxdi_graph_verify(g, NULL));
    assert_int_equal(mxdi_graph_find_value(g, "conv_8"), 3);
    assert_int_equal(mxdi_graph_find_value(g, "nothing"), MXD_NO_VALUE);
    mxdi_graph_destroy(g);
}

static void constants_are_copied_or_borrowed(void **state)
{
    (void)state;
    mxdi_graph *const g      = graph_new(13);
    float             f[4]   = { 1, 2, 3, 4 };
    const mxd_tensor  t      = { f, MXD_F32, 2, { 2, 2 } };
    mxd_error         err    = MXD_ERROR_INIT;
    uint32_t          copied = 0, borrowed = 0, empty = 0, id = 0;
    assert_ok(mxdi_graph_add_constant(&copied, g, "copied", NULL, &t, true, NULL));
    assert_ok(mxdi_graph_add_constant(&borrowed, g, "borrowed", NULL, &t, false, NULL));
    assert_ok(mxdi_graph_add_constant(&empty, g, "empty", NULL,
                                      &(mxd_tensor){ NULL, MXD_S4, 1, { 0 } }, false, NULL));
    assert_ptr_equal(g->value[borrowed].data, f);
    assert_ptr_not_equal(g->value[copied].data, f);
    assert_memory_equal(g->value[copied].data, f, sizeof(f));
    assert_int_equal(g->value[copied].bytes, sizeof(f));
    assert_int_equal(g->value[copied].rank, 2);
    assert_non_null(g->value[empty].data);
    assert_int_equal(g->value[empty].bytes, 0);
    assert_ok(mxdi_graph_verify(g, NULL));

    const mxd_tensor bad[] = {
        { NULL, MXD_F32, 1, { 3 } },      { f, MXD_NONE, 1, { 1 } },
        { f, MXD_F32, 1, { -1 } },        { f, MXD_F32, 9, { 1 } },
        { f, MXD_F32, -1, { 1 } },        { f, MXD_F32, 3, { INT64_MAX, INT64_MAX, 4 } },
        { f, MXD_DTYPE_COUNT, 0, { 0 } },
    };
    for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
        assert_int_equal(mxdi_graph_add_constant(&id, g, "bad", NULL, &bad[k], true, &err),
                         MXD_E_INVAL);
        assert_non_null(strstr(err.msg, "'bad'"));
    }
    mxdi_graph_destroy(g);
}

static void nodes_have_names_versions_and_origins(void **state)
{
    (void)state;
    mxdi_graph *const g = diamond();
    assert_string_equal(g->node[0].name, "a");
    assert_string_equal(g->node[2].name, "sum");
    assert_string_equal(g->node[2].domain, "");
    assert_int_equal(g->node[0].version, 13);
    mxd_node      *node = NULL;
    const uint32_t none = MXD_NO_VALUE, y = mxdi_graph_find_value(g, "y"), z = graph_open(g, "z");
    assert_ok(mxdi_graph_add_node(&node, g, "QAdd", "mixdown", NULL, VALUES(y, none),
                                  VALUES(none, z), NULL));
    assert_string_equal(node->name, "z");
    assert_int_equal(node->version, 1);
    assert_int_equal(node->in[1], MXD_NO_VALUE);
    assert_ok(mxdi_node_add_origins(g, node, (const char *const[]){ "p", "q", "p" }, 3, NULL));
    assert_ok(mxdi_node_add_origins(g, node, (const char *const[]){ "q", "r" }, 2, NULL));
    assert_ok(mxdi_node_add_origins(g, node, NULL, 0, NULL));
    assert_int_equal(node->n_origin, 3);
    assert_string_equal(node->origin[0], "p");
    assert_string_equal(node->origin[1], "q");
    assert_string_equal(node->origin[2], "r");
    const mxd_graph_view view = mxdi_graph_view(g);
    assert_int_equal(view.n_nodes, 4);
    assert_ptr_equal(view.value, g->value);
    assert_int_equal(view.value_size, sizeof(mxd_value));
    mxdi_graph_destroy(g);
}

static void set_every_kind(mxdi_graph *g, mxd_node *node)
{
    const float      f[2] = { 1.5f, -2.5f };
    const mxd_tensor t    = { (void *)(uintptr_t)f, MXD_F32, 1, { 2 } };
    assert_ok(mxdi_node_set_int(g, node, "i", -3, NULL));
    assert_ok(mxdi_node_set_float(g, node, "f", 0.5f, NULL));
    assert_ok(mxdi_node_set_string(g, node, "s", "SAME_UPPER", NULL));
    assert_ok(mxdi_node_set_ints(g, node, "is", (const int64_t[]){ 1, 2, 3 }, 3, NULL));
    assert_ok(mxdi_node_set_floats(g, node, "fs", f, 2, NULL));
    assert_ok(mxdi_node_set_tensor(g, node, "t", &t, NULL));
    assert_ok(mxdi_node_set_ints(g, node, "none", NULL, 0, NULL));
}

static void check_every_kind(const mxd_node *node)
{
    uint32_t n = 0;
    assert_int_equal(node->n_attr, 7);
    assert_int_equal(mxd_node_int(node, "i", 0), -3);
    assert_true(mxd_node_float(node, "f", 0.0f) == 0.5f);
    assert_string_equal(mxd_node_string(node, "s", ""), "SAME_UPPER");
    assert_int_equal(mxd_node_attr(node, "s", MXD_ATTR_STRING)->n, 10);
    assert_int_equal(mxd_node_ints(node, "is", &n)[2], 3);
    assert_int_equal(n, 3);
    assert_true(mxd_node_attr(node, "fs", MXD_ATTR_FLOATS)->floats[1] == -2.5f);
    assert_true(((const float *)mxd_node_attr(node, "t", MXD_ATTR_TENSOR)->tensor->data)[0] ==
                1.5f);
    assert_non_null(mxd_node_ints(node, "none", &n));
    assert_int_equal(n, 0);
}

static void attributes_of_every_kind(void **state)
{
    (void)state;
    mxdi_graph *const g    = diamond();
    mxd_node *const   node = &g->node[0];
    set_every_kind(g, node);
    check_every_kind(node);
    assert_ok(mxdi_node_copy_attrs(g, &g->node[1], node, NULL));
    check_every_kind(&g->node[1]);

    assert_ok(mxdi_node_set_float(g, node, "i", 2.0f, NULL)); /* replaced, kind and all */
    assert_int_equal(node->n_attr, 7);
    assert_null(mxd_node_attr(node, "i", MXD_ATTR_INT));
    mxdi_node_remove_attr(node, "absent");
    mxdi_node_remove_attr(node, "i");
    mxdi_node_remove_attr(node, "none");
    mxdi_node_remove_attr(node, "is");
    assert_int_equal(node->n_attr, 4);
    assert_string_equal(node->attr[0].name, "f");
    assert_string_equal(node->attr[3].name, "t");
    check_every_kind(&g->node[1]); /* a copy shares nothing */

    const mxd_tensor bad = { NULL, MXD_F32, 1, { 4 } };
    assert_int_equal(mxdi_node_set_tensor(g, node, "t", &bad, NULL), MXD_E_INVAL);
    mxdi_graph_destroy(g);
}

/* Growth and removal keep order and values: capacity is told from the count alone. */
static void many_attributes(void **state)
{
    (void)state;
    mxdi_graph *const g    = diamond();
    mxd_node *const   node = &g->node[0];
    char              name[16];
    for (int round = 0; round < 3; round++) {
        for (int k = 0; k < 70; k++) {
            (void)snprintf(name, sizeof(name), "a%d", k);
            assert_ok(mxdi_node_set_int(g, node, name, k + round, NULL));
        }
        assert_int_equal(node->n_attr, 70);
        for (int k = round; k < 70; k += 2) {
            (void)snprintf(name, sizeof(name), "a%d", k);
            assert_int_equal(mxd_node_int(node, name, -1), k + round);
            mxdi_node_remove_attr(node, name);
            assert_int_equal(mxd_node_int(node, name, -1), -1);
        }
    }
    mxdi_graph_destroy(g);
}

static void uses_are_replaced_everywhere(void **state)
{
    (void)state;
    mxdi_graph *const g = diamond();
    const uint32_t    a = mxdi_graph_find_value(g, "a"), x = mxdi_graph_find_value(g, "x"),
                   y = mxdi_graph_find_value(g, "y");
    mxdi_graph_replace_uses(g, a, x);
    assert_int_equal(g->node[1].in[0], x);
    assert_int_equal(g->node[2].in[1], x);
    assert_int_equal(g->node[0].out[0], a);
    mxdi_graph_replace_uses(g, y, a);
    assert_int_equal(g->output[0], a);
    assert_true(mxdi_graph_is_output(g, a));
    assert_false(mxdi_graph_is_output(g, y));
    mxdi_graph_destroy(g);
}

static void dead_nodes_go_and_ids_close_up(void **state)
{
    (void)state;
    mxdi_graph *const g = diamond();
    const uint32_t    b = mxdi_graph_find_value(g, "b"), x = mxdi_graph_find_value(g, "x");
    const uint32_t    unused = graph_input(g, "unused", MXD_F32, DIMS(-1)), d = graph_open(g, "d"),
                   e = graph_open(g, "e");
    const uint32_t c = FLOATS(g, 1.0f);
    assert_ok(mxdi_graph_add_symbol(g, d, 0, "D", NULL));
    graph_node(g, "Neg", "dead", VALUES(b), VALUES(d));
    graph_node(g, "Add", "dead too", VALUES(d, c), VALUES(e));
    mxdi_node_remove(&g->node[2]);
    g->output[0] = b; /* now nothing but the two Relus is alive */
    assert_ok(mxdi_graph_remove_dead(g, NULL));
    assert_null(g->node[3].op);
    assert_null(g->node[4].op);
    assert_non_null(g->node[1].op);
    assert_ok(mxdi_graph_compact(g, NULL));
    assert_int_equal(g->n_nodes, 2);
    assert_int_equal(g->n_values, 4);
    assert_int_equal(g->n_symbols, 2); /* x's and unused's */
    assert_string_equal(g->value[g->input[1]].name, "unused");
    assert_string_equal(g->value[g->output[0]].name, "b");
    assert_string_equal(g->value[g->node[1].in[0]].name, "a");
    assert_int_equal(g->symbol[0].value, mxdi_graph_find_value(g, "x"));
    assert_int_equal(g->symbol[1].value, mxdi_graph_find_value(g, "unused"));
    assert_ok(mxdi_graph_verify(g, NULL));
    assert_int_equal(x, 0);
    assert_int_not_equal(unused, g->input[1]);
    mxdi_graph_destroy(g);
}

static void sorting_is_stable(void **state)
{
    (void)state;
    mxdi_graph *const g    = diamond();
    mxd_error         err  = MXD_ERROR_INIT;
    const mxd_node    was0 = g->node[0], was1 = g->node[1], was2 = g->node[2];
    assert_ok(mxdi_graph_sort(g, NULL));
    assert_string_equal(g->node[0].name, was0.name);
    assert_string_equal(g->node[1].name, was1.name);
    assert_string_equal(g->node[2].name, was2.name);
    g->node[0] = was2;
    g->node[2] = was0;
    assert_int_equal(mxdi_graph_verify(g, &err), MXD_E_INVAL);
    assert_non_null(strstr(err.msg, "before"));
    assert_ok(mxdi_graph_sort(g, NULL));
    assert_string_equal(g->node[0].name, was0.name);
    assert_string_equal(g->node[1].name, was1.name);
    assert_ok(mxdi_graph_verify(g, NULL));

    mxdi_node_set_in(&g->node[0], 0, mxdi_graph_find_value(g, "y")); /* a -> b -> sum -> a */
    assert_int_equal(mxdi_graph_sort(g, &err), MXD_E_INVAL);
    assert_non_null(strstr(err.msg, "own output"));
    mxdi_node_set_in(&g->node[0], 0, mxdi_graph_find_value(g, "a"));
    assert_int_equal(mxdi_graph_sort(g, &err), MXD_E_INVAL);
    assert_non_null(strstr(err.msg, "'a'"));
    mxdi_graph_destroy(g);
}

/* A long chain back to front: no recursion, no quadratic time. */
static void sorting_a_long_chain(void **state)
{
    (void)state;
    enum { N = 100000 };
    mxdi_graph *const g    = graph_new(13);
    uint32_t          next = graph_open(g, "y");
    assert_ok(mxdi_graph_add_output(g, next, NULL));
    for (int k = 0; k < N; k++) {
        const uint32_t in = k + 1 < N ? graph_open(g, NULL) : graph_input(g, "x", MXD_F32, DIMS(1));
        graph_node(g, "Relu", NULL, VALUES(in), VALUES(next));
        next = in;
    }
    assert_ok(mxdi_graph_sort(g, NULL));
    assert_ok(mxdi_graph_verify(g, NULL));
    assert_int_equal(g->node[0].in[0], g->input[0]);
    assert_int_equal(g->node[N - 1].out[0], g->output[0]);
    mxdi_graph_destroy(g);
}

static void links_count_and_list(void **state)
{
    (void)state;
    mxdi_graph *const g = diamond();
    mxdi_links        l = MXDI_LINKS_INIT;
    const uint32_t    a = mxdi_graph_find_value(g, "a"), b = mxdi_graph_find_value(g, "b"),
                   y = mxdi_graph_find_value(g, "y");
    const uint32_t z = graph_open(g, "z");
    graph_node(g, "Mul", "square", VALUES(b, b), VALUES(z));
    assert_ok(mxdi_links_build(&l, g, NULL));
    assert_ok(mxdi_links_build(&l, g, NULL)); /* replaces what it held */
    assert_int_equal(l.producer[0], MXD_NO_VALUE);
    assert_int_equal(l.producer[a], 0);
    assert_int_equal(l.producer[y], 2);
    assert_int_equal(l.n_uses[a], 2);
    assert_int_equal(l.first_use[a + 1] - l.first_use[a], 2);
    assert_int_equal(l.user[l.first_use[a]], 1);
    assert_int_equal(l.user[l.first_use[a] + 1], 2);
    assert_int_equal(l.n_uses[b], 3); /* twice by square */
    assert_int_equal(l.user[l.first_use[b] + 2], 3);
    assert_int_equal(l.n_uses[y], 1); /* the network's output */
    assert_int_equal(l.first_use[y + 1], l.first_use[y]);
    mxdi_links_free(&l);
    mxdi_links_free(&l);

    mxd_error err = MXD_ERROR_INIT;
    mxdi_node_set_out(&g->node[3], 0, y);
    assert_int_equal(mxdi_links_build(&l, g, &err), MXD_E_INVAL);
    assert_non_null(strstr(err.msg, "makes 'y', which 'sum' makes"));
    mxdi_node_set_out(&g->node[3], 0, 77);
    assert_int_equal(mxdi_links_build(&l, g, &err), MXD_E_INVAL);
    mxdi_node_set_in(&g->node[0], 0, 77);
    assert_int_equal(mxdi_links_build(&l, g, &err), MXD_E_INVAL);
    mxdi_graph_destroy(g);
}

/* One breach each, and a word of the message. */
static void expect_breach(mxdi_graph *g, mxd_status status, const char *word)
{
    mxd_error err = MXD_ERROR_INIT;
    assert_int_equal(mxdi_graph_verify(g, &err), status);
    if (!strstr(err.msg, word))
        fail_msg("expected '%s' in: %s", word, err.msg);
    mxdi_graph_destroy(g);
}

static void verify_names_each_breach(void **state)
{
    (void)state;
    mxdi_graph *g = diamond();
    uint32_t    c = FLOATS(g, 1, 2);
    assert_ok(mxdi_graph_verify(g, NULL));
    g->value[c].bytes = 7;
    expect_breach(g, MXD_E_SHAPE, "7 bytes");

    g                = diamond();
    g->value[1].name = "x";
    expect_breach(g, MXD_E_INVAL, "value 'x'");
    g               = diamond();
    g->node[1].name = "a";
    expect_breach(g, MXD_E_INVAL, "node 'a'");
    g                = diamond();
    g->value[1].rank = 9;
    expect_breach(g, MXD_E_INVAL, "rank");
    g                  = diamond();
    g->value[0].dim[1] = -2;
    expect_breach(g, MXD_E_SHAPE, "-2");

    g = diamond();
    mxdi_node_set_in(&g->node[0], 0, graph_open(g, "void"));
    expect_breach(g, MXD_E_INVAL, "reads 'void', which nothing makes");
    g = diamond();
    mxdi_node_set_out(&g->node[2], 0, 0);
    expect_breach(g, MXD_E_INVAL, "a network input");
    g = diamond();
    c = FLOATS(g, 1, 2);
    mxdi_node_set_out(&g->node[2], 0, c);
    expect_breach(g, MXD_E_INVAL, "a constant");
    g = diamond();
    assert_ok(mxdi_graph_add_output(g, graph_open(g, "void"), NULL));
    expect_breach(g, MXD_E_INVAL, "output 'void'");
    g = diamond();
    assert_ok(mxdi_graph_add_output(g, 99, NULL));
    expect_breach(g, MXD_E_INVAL, "99");
    g = diamond();
    assert_ok(mxdi_graph_add_input(g, 99, NULL));
    expect_breach(g, MXD_E_INVAL, "99");
    g = diamond();
    assert_ok(mxdi_graph_add_input(g, 0, NULL));
    expect_breach(g, MXD_E_INVAL, "twice");
    g = diamond();
    assert_ok(mxdi_graph_add_input(g, FLOATS(g, 1), NULL));
    expect_breach(g, MXD_E_INVAL, "a constant");
    g = diamond();
    assert_ok(mxdi_graph_add_symbol(g, 99, 0, "S", NULL));
    expect_breach(g, MXD_E_INVAL, "'S'");
}

static void verify_checks_qparams(void **state)
{
    (void)state;
    const float       scale[4] = { 1, 2, 3, 4 }, bad_scale[4] = { 1, 2, NAN, 4 };
    const int32_t     zero[4] = { 0 };
    const mxd_qparams good    = { scale, zero, 4, 1, 0, -127, 127 };
    mxd_qparams       q       = good;
    mxdi_graph       *g       = diamond();
    assert_ok(mxdi_value_set_qparams(g, 0, &q, NULL));
    assert_ptr_not_equal(g->value[0].q->scale, scale);
    assert_memory_equal(g->value[0].q->scale, scale, sizeof(scale));
    assert_ok(mxdi_graph_verify(g, NULL));
    q.n = 3;
    assert_ok(mxdi_value_set_qparams(g, 0, &q, NULL));
    expect_breach(g, MXD_E_SHAPE, "scales");
    g      = diamond();
    q      = good;
    q.axis = 2;
    assert_ok(mxdi_value_set_qparams(g, 0, &q, NULL));
    expect_breach(g, MXD_E_INVAL, "axis");
    g       = diamond();
    q       = good;
    q.scale = bad_scale;
    assert_ok(mxdi_value_set_qparams(g, 0, &q, NULL));
    expect_breach(g, MXD_E_RANGE, "scale 2");
    g       = diamond();
    q       = good;
    q.q_min = 200;
    assert_ok(mxdi_value_set_qparams(g, 0, &q, NULL));
    expect_breach(g, MXD_E_INVAL, "incomplete");
}

static void metadata_is_replaced(void **state)
{
    (void)state;
    mxdi_graph *const g = graph_new(13);
    assert_null(mxdi_graph_meta(g, "k"));
    assert_ok(mxdi_graph_set_meta(g, "k", "1", NULL));
    assert_ok(mxdi_graph_set_meta(g, "l", "2", NULL));
    assert_ok(mxdi_graph_set_meta(g, "k", "3", NULL));
    assert_int_equal(g->n_meta, 2);
    assert_string_equal(mxdi_graph_meta(g, "k"), "3");
    mxdi_graph_destroy(g);
}

static void clones_share_constants_only(void **state)
{
    (void)state;
    const float       scale = 0.5f;
    const int32_t     zero  = 3;
    const mxd_qparams q     = { &scale, &zero, 1, 0, 0, -128, 127 };
    mxdi_graph       *g = diamond(), *copy = NULL;
    const uint32_t    c = FLOATS(g, 1, 2);
    set_every_kind(g, &g->node[0]);
    assert_ok(mxdi_value_set_qparams(g, 1, &q, NULL));
    assert_ok(mxdi_graph_set_meta(g, "k", "text", NULL));
    mxdi_node_remove(&g->node[1]);
    g->max_batch = 8;
    assert_ok(mxdi_graph_clone(&copy, g, NULL));
    assert_int_equal(copy->opset, 13);
    assert_int_equal(copy->max_batch, 8);
    assert_int_equal(copy->n_values, g->n_values);
    assert_ptr_equal(copy->value[c].data, g->value[c].data);
    assert_ptr_not_equal(copy->value[c].name, g->value[c].name);
    assert_string_equal(copy->value[c].name, g->value[c].name);
    assert_ptr_not_equal(copy->value[1].q, g->value[1].q);
    assert_int_equal(copy->value[1].q->zero_point[0], 3);
    assert_int_equal(copy->n_nodes, 3);
    assert_null(copy->node[1].op);
    check_every_kind(&copy->node[0]);
    assert_string_equal(copy->node[0].origin[0], "a");
    assert_string_equal(copy->symbol[0].name, "N");
    assert_string_equal(mxdi_graph_meta(copy, "k"), "text");
    assert_int_equal(copy->next_name, g->next_name);
    assert_int_equal(copy->output[0], g->output[0]);
    g->value[1].q = NULL; /* a change here is none there */
    assert_non_null(copy->value[1].q);
    mxdi_graph_destroy(copy);
    mxdi_graph_destroy(g);
}

/* All that allocates, refused at each step in turn: no leak, no half-made object. */
static void out_of_memory_at_every_step(void **state)
{
    (void)state;
    struct failing_alloc f     = { .left = 1000000 };
    const mxd_allocator  alloc = { failing_alloc_get, failing_alloc_free, &f };
    mxdi_graph          *g     = NULL;
    assert_ok(mxdi_graph_create(&g, &alloc, NULL));
    uint32_t v[2] = { 0, 0 };
    assert_ok(mxdi_graph_add_value(&v[0], g, "x", NULL, NULL));
    assert_ok(mxdi_graph_add_input(g, v[0], NULL));
    for (int k = 0; k < 300; k++) {
        mxd_node *node = NULL;
        assert_ok(mxdi_graph_add_value(&v[1], g, NULL, "v", NULL));
        assert_ok(mxdi_graph_add_node(&node, g, "Relu", "", NULL, &v[0], 1, &v[1], 1, NULL));
        set_every_kind(g, node);
        v[0] = v[1];
    }
    assert_ok(mxdi_graph_add_output(g, v[0], NULL));
    const long held = f.live;
    mxd_status st   = MXD_E_NOMEM;
    for (long n = 0; st != MXD_OK; n++) {
        mxdi_graph *copy = NULL;
        mxd_error   err  = MXD_ERROR_INIT;
        f.left           = n;
        st               = mxdi_graph_clone(&copy, g, &err);
        if (st == MXD_OK)
            st = mxdi_graph_sort(copy, &err);
        if (st == MXD_OK)
            st = mxdi_graph_remove_dead(copy, &err);
        if (st == MXD_OK)
            st = mxdi_graph_compact(copy, &err);
        if (st == MXD_OK)
            st = mxdi_graph_verify(copy, &err);
        assert_true(st == MXD_OK || (st == MXD_E_NOMEM && err.msg[0] != '\0'));
        mxdi_graph_destroy(copy);
        assert_int_equal(f.live, held);
    }
    mxdi_graph_destroy(g);
    assert_int_equal(f.live, 0);
}

static void release_backing(void *p)
{
    ++*(int *)p;
}

static void backing_is_released_once(void **state)
{
    (void)state;
    int               released = 0;
    mxdi_graph *const g        = graph_new(13);
    mxdi_graph       *copy     = NULL;
    g->backing                 = &released;
    g->release_backing         = release_backing;
    assert_ok(mxdi_graph_clone(&copy, g, NULL));
    mxdi_graph_destroy(copy);
    assert_int_equal(released, 0);
    mxdi_graph_destroy(g);
    assert_int_equal(released, 1);
    mxdi_graph_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fresh_names_are_unique),
        cmocka_unit_test(constants_are_copied_or_borrowed),
        cmocka_unit_test(nodes_have_names_versions_and_origins),
        cmocka_unit_test(attributes_of_every_kind),
        cmocka_unit_test(many_attributes),
        cmocka_unit_test(uses_are_replaced_everywhere),
        cmocka_unit_test(dead_nodes_go_and_ids_close_up),
        cmocka_unit_test(sorting_is_stable),
        cmocka_unit_test(sorting_a_long_chain),
        cmocka_unit_test(links_count_and_list),
        cmocka_unit_test(verify_names_each_breach),
        cmocka_unit_test(verify_checks_qparams),
        cmocka_unit_test(metadata_is_replaced),
        cmocka_unit_test(clones_share_constants_only),
        cmocka_unit_test(out_of_memory_at_every_step),
        cmocka_unit_test(backing_is_released_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
