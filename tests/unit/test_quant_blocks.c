/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of a network: found where all paths meet, whatever the order and the names of nodes.
 */
#include "graph_case.h"

#include "quant/blocks.h"

typedef struct net {
    mxdi_graph *g;
    uint32_t    w;
} net;

static net net_begin(void)
{
    static const float one = 1.0f;
    net                n   = { graph_new(17), 0 };
    n.w                    = graph_constant(n.g, "w", MXD_F32, &one, DIMS(1, 1, 1, 1));
    return n;
}

static uint32_t input(const net *n, const char *name)
{
    return graph_input(n->g, name, MXD_F32, DIMS(-1, 1, 4, 4));
}

static uint32_t node(const net *n, const char *op, const uint32_t *in, uint32_t n_in)
{
    const uint32_t y = graph_open(n->g, NULL);
    graph_node(n->g, op, NULL, in, n_in, &y, 1);
    return y;
}

static uint32_t conv(const net *n, uint32_t x)
{
    return node(n, "Conv", VALUES(x, n->w));
}

static uint32_t relu(const net *n, uint32_t x)
{
    return node(n, "Relu", VALUES(x));
}

static uint32_t add(const net *n, uint32_t a, uint32_t b)
{
    return node(n, "Add", VALUES(a, b));
}

/* Every Conv counts. Ends the net. */
static uint32_t find(mxdi_block_span *out, net *n)
{
    bool             counts[32] = { false };
    mxdi_arena       arena;
    mxdi_block_span *span;
    uint32_t         found;
    mxdi_arena_init(&arena, NULL);
    assert_true(n->g->n_nodes <= 32);
    for (uint32_t k = 0; k < n->g->n_nodes; k++)
        counts[k] = mxdi_node_is(&n->g->node[k], "Conv");
    assert_int_equal(mxdi_blocks_find(&span, &found, &arena, n->g, counts, NULL), MXD_OK);
    assert_true(found <= 4);
    memcpy(out, span, found * sizeof(*span));
    mxdi_arena_fini(&arena);
    mxdi_graph_destroy(n->g);
    return found;
}

static void check(const mxdi_block_span *s, uint32_t in, uint32_t out, uint32_t first,
                  uint32_t last, uint32_t layers)
{
    assert_int_equal(s->in, in);
    assert_int_equal(s->out, out);
    assert_int_equal(s->first, first);
    assert_int_equal(s->last, last);
    assert_int_equal(s->layers, layers);
}

/* stem, a block with a shortcut, one whose shortcut is a layer too, and a tail. */
static void residual_blocks(void **state)
{
    (void)state;
    net             n = net_begin();
    mxdi_block_span s[4];
    const uint32_t  a = relu(&n, conv(&n, input(&n, "x")));                /* 0 1 */
    const uint32_t  b = conv(&n, relu(&n, conv(&n, a)));                   /* 2 3 4 */
    const uint32_t  c = relu(&n, add(&n, a, b));                           /* 5 6 */
    const uint32_t  d = conv(&n, c), e = conv(&n, c);                      /* 7 8: side by side */
    const uint32_t  f = node(&n, "Clip", VALUES(add(&n, relu(&n, d), e))); /* 9 10 11 */
    graph_output(n.g, conv(&n, node(&n, "GlobalAveragePool", VALUES(f))));
    assert_int_equal(find(s, &n), 2);
    check(&s[0], a, c, 2, 6, 2);
    check(&s[1], c, f, 7, 11, 2);
}

/* One layer, and a way around it, or none: nothing to do together. */
static void chains_have_none(void **state)
{
    (void)state;
    net             n = net_begin();
    mxdi_block_span s[4];
    uint32_t        v = input(&n, "x");
    for (int k = 0; k < 3; k++)
        v = relu(&n, conv(&n, v));
    v = add(&n, v, conv(&n, v));
    graph_output(n.g, conv(&n, v));
    assert_int_equal(find(s, &n), 0);
}

/* What leads to a second output, or comes from a second input, is passed by no path of the others.
 */
static void ends_in_the_middle(void **state)
{
    (void)state;
    mxdi_block_span s[4];
    for (int outputs = 0; outputs < 2; outputs++) {
        net            n = net_begin();
        const uint32_t x = input(&n, "x"), z = outputs ? x : input(&n, "z");
        const uint32_t a = add(&n, x, conv(&n, conv(&n, x))); /* 0 1 2 */
        const uint32_t b = add(&n, a, conv(&n, conv(&n, a))); /* 3 4 5 */
        const uint32_t c = add(&n, b, outputs ? b : z);       /* 6 */
        const uint32_t d = add(&n, c, conv(&n, conv(&n, c))); /* 7 8 9 */
        if (outputs)
            graph_output(n.g, b);
        graph_output(n.g, d);
        const uint32_t found = find(s, &n);
        if (outputs) { /* b stays alive to the end */
            assert_int_equal(found, 2);
            check(&s[0], x, a, 0, 2, 2);
            check(&s[1], a, b, 3, 5, 2);
        } else {
            assert_int_equal(found, 1);
            check(&s[0], c, d, 7, 9, 2);
        }
    }
}

/* A value that is alive over two sums joins them: one block, a branch within a branch too. */
static void blocks_within_blocks(void **state)
{
    (void)state;
    net             n = net_begin();
    mxdi_block_span s[4];
    const uint32_t  x = input(&n, "x");
    const uint32_t  a = add(&n, x, conv(&n, conv(&n, x)));
    const uint32_t  b = add(&n, a, conv(&n, a));
    const uint32_t  y = add(&n, x, b);
    graph_output(n.g, y);
    assert_int_equal(find(s, &n), 1);
    check(&s[0], x, y, 0, 5, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(residual_blocks),
        cmocka_unit_test(chains_have_none),
        cmocka_unit_test(ends_in_the_middle),
        cmocka_unit_test(blocks_within_blocks),
    };
    return cmocka_run_group_tests_name("quant_blocks", tests, NULL, NULL);
}
