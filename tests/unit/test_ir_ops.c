/* SPDX-License-Identifier: Apache-2.0
 *
 * The op table and shape functions: every family once as it should be, and what contradicts its
 * definition refused with the status and the words that help.
 */
#include "graph_case.h"

#include <stdio.h>
#include <stdlib.h>

/* One node under test: inputs as text, attributes as text, the shape or the words of the refusal.
 * Input: "f32 2x3x4", "s64=1,-1" (a constant vector), "s64:=2" (a constant scalar), "-" (left out);
 * separated by blanks... attributes: "strides=2,2 group#4 mode:linear alpha@0.5". */
typedef struct shape_case {
    const char *op;
    int32_t     version;
    const char *in, *attrs, *want; /* "f32 1x2 | s64 1x2", or "!words" */
} shape_case;

static int32_t read_dims(int64_t *dim, const char *text)
{
    int32_t rank = 0;
    if (*text == '*')
        return 0;
    for (char *at = (char *)(uintptr_t)text; *at; at += *at == 'x' || *at == ',')
        dim[rank++] = *at == '?' ? (at++, -1) : strtoll(at, &at, 10);
    return rank;
}

/* "f32" up to one of `ends`. */
static mxd_dtype read_type(const char *text, size_t *length)
{
    char name[16] = "";
    *length       = strcspn(text, "/=:");
    memcpy(name, text, *length);
    return mxdi_dtype_parse(name);
}

static uint32_t add_input(mxdi_graph *g, const char *text)
{
    int64_t         dim[16];
    size_t          length = 0;
    const mxd_dtype type   = read_type(text, &length);
    if (*text == '-')
        return MXD_NO_VALUE;
    if (text[length] == '/') {
        const int32_t rank = read_dims(dim, text + length + 1);
        return graph_value(g, NULL, type, dim, rank);
    }
    const bool    scalar = text[length] == ':';
    const int32_t n      = read_dims(dim, text + length + (scalar ? 2 : 1));
    uint8_t       data[16 * 8];
    for (int32_t k = 0; k < n; k++)
        mxdi_store_s64(data, type, k, dim[k]);
    return graph_constant(g, NULL, type, data, (const int64_t[]){ n }, scalar ? 0 : 1);
}

static void add_attr(mxdi_graph *g, uint32_t node, char *text)
{
    char *const at   = text + strcspn(text, "=#:@");
    const char  kind = *at;
    int64_t     v[16];
    *at = '\0';
    if (kind == '=')
        graph_ints(g, node, text, v, read_dims(v, at + 1));
    else if (kind == '#')
        graph_int(g, node, text, strtoll(at + 1, NULL, 10));
    else if (kind == ':')
        graph_string(g, node, text, at + 1);
    else
        assert_int_equal(mxdi_node_set_float(g, &g->node[node], text, strtof(at + 1, NULL), NULL),
                         MXD_OK);
}

static void outputs_text(char *out, size_t size, const mxdi_graph *g, const mxd_node *node)
{
    size_t used = 0;
    out[0]      = '\0';
    for (uint32_t k = 0; k < node->n_out; k++) {
        const mxd_value *const v = &g->value[node->out[k]];
        used += (size_t)snprintf(out + used, size - used, "%s%s/", k > 0 ? " " : "",
                                 mxd_dtype_name(v->dtype));
        if (v->rank < 1)
            used += (size_t)snprintf(out + used, size - used, v->rank < 0 ? "unknown" : "*");
        for (int32_t d = 0; d < v->rank; d++)
            used += v->dim[d] < 0
                        ? (size_t)snprintf(out + used, size - used, "%s?", d > 0 ? "x" : "")
                        : (size_t)snprintf(out + used, size - used, "%s%lld", d > 0 ? "x" : "",
                                           (long long)v->dim[d]);
    }
}

static void check_case(const shape_case *c)
{
    mxdi_graph *g = graph_new(c->version);
    uint32_t    in[16], out[4], n_in = 0, n_out = 1;
    char        text[512], got[512], *rest = text;
    mxd_error   err = MXD_ERROR_INIT;
    snprintf(text, sizeof(text), "%s", c->in);
    for (char *word = strtok_r(rest, " ", &rest); word; word = strtok_r(rest, " ", &rest))
        in[n_in++] = add_input(g, word);
    for (const char *at = c->want; *c->want != '!' && *at; at++)
        n_out += *at == ' ';
    for (uint32_t k = 0; k < n_out; k++)
        out[k] = graph_open(g, NULL);
    const bool     ours   = *c->op == '+'; /* of domain "mixdown": the output has a type already */
    const uint32_t node   = graph_node(g, c->op + ours, "here", in, n_in, out, n_out);
    size_t         length = 0;
    if (ours) {
        const bool refused     = *c->want == '!';
        g->node[node].domain   = "mixdown";
        g->value[out[0]].dtype = !refused                     ? read_type(c->want, &length)
                                 : strstr(c->want, "no type") ? MXD_NONE
                                                              : MXD_U8;
    }
    snprintf(text, sizeof(text), "%s", c->attrs);
    rest = text;
    for (char *word = strtok_r(rest, " ", &rest); word; word = strtok_r(rest, " ", &rest))
        add_attr(g, node, word);
    const mxd_status st = mxdi_op_infer(g, &g->node[node], &err);
    if (*c->want == '!') {
        if (st == MXD_OK || !strstr(err.msg, c->want + 1) || !strstr(err.msg, "'here'"))
            fail_msg("%s (%s) [%s]: expected a refusal with '%s', got %d '%s'", c->op, c->in,
                     c->attrs, c->want + 1, st, err.msg);
    } else {
        outputs_text(got, sizeof(got), g, &g->node[node]);
        if (st != MXD_OK || strcmp(got, c->want) != 0)
            fail_msg("%s (%s) [%s]: expected %s, got %s %s", c->op, c->in, c->attrs, c->want, got,
                     err.msg);
    }
    mxdi_graph_destroy(g);
}

static void check_cases(const shape_case *cases, size_t n)
{
    for (size_t k = 0; k < n; k++)
        check_case(&cases[k]);
}
#define CHECK(cases) check_cases(cases, sizeof(cases) / sizeof(cases[0]))

static void windows(void **state)
{
    (void)state;
    static const shape_case cases[] = {
        { "Conv", 11, "f32/1x3x8x8 f32/4x3x3x3", "pads=1,1,1,1 strides=2,2", "f32/1x4x4x4" },
        { "Conv", 11, "f32/1x3x8x8 f32/4x3x3x3 f32/4", "dilations=2,3", "f32/1x4x4x2" },
        { "Conv", 11, "f32/1x4x9 f32/8x1x3", "group#4 auto_pad:SAME_UPPER strides=2", "f32/1x8x5" },
        { "Conv", 11, "f32/1x1x5x5x5 f32/2x1x3x3x3", "auto_pad:VALID pads=9,9,9,9,9,9",
          "f32/1x2x3x3x3" },
        { "Conv", 11, "f32/?x3x?x8 f32/4x3x3x3", "", "f32/?x4x?x6" },
        { "Conv", 11, "f32/1x3x8x8 f32/4x3x3x3 f32/3", "", "!expected shape (4), got (3)" },
        { "Conv", 11, "f32/1x3x8x8 f32/4x2x3x3", "",
          "!3 input channels, the weight wants 2 x group 1" },
        { "Conv", 11, "f32/1x4x8x8 f32/3x2x3x3", "group#2", "!multiple of group 2" },
        { "Conv", 11, "f32/1x3x8x8 f32/4x3x3x3", "group#0", "!group 0" },
        { "Conv", 11, "f32/1x3x8x8 f32/4x3x3x3", "strides=1",
          "!strides: expected 2 numbers, got 1" },
        { "Conv", 11, "f32/1x3x8x8 f32/4x3x3x3", "strides=-1,1", "!got -1" },
        { "Conv", 11, "f32/1x3x8x8 f32/4x3x3x3", "dilations=0,1", "!got 0" },
        { "Conv", 11, "f32/1x3x8x8 f32/4x3x3x3", "pads=-1,0,0,0", "!got -1" },
        { "Conv", 11, "f32/1x3x8x8 f32/4x3x3x3", "kernel_shape=3",
          "!kernel_shape: expected 2 numbers, got 1" },
        { "Conv", 11, "f32/1x3x8x8 f32/4x3x3x3", "kernel_shape=3,5",
          "!expected the weight's (3, 3), got (3, 5)" },
        { "Conv", 11, "f32/1x3x8x8 f32/4x3x3x3", "auto_pad:SAME", "!auto_pad: expected one of" },
        { "Conv", 11, "f32/1x3x2x8 f32/4x3x3x3", "", "!no larger than the padded input, 2, got 3" },
        { "Conv", 11, "f32/1x3x8x8 f32/4x3x3x3", "pads=2147483647,0,2147483647,0",
          "!at most 1073741824 bytes" },
        { "Conv", 11, "s32/1x3x8x8 s32/4x3x3x3", "", "!got s32" },
        { "Conv", 11, "f32/1x3x8x8 f16/4x3x3x3", "", "!one type" },
        { "Conv", 11, "f32/1x3x0x8 f32/4x3x1x1", "", "!spatial axes of 1" },
        { "ConvTranspose", 11, "f32/1x1x3x3 f32/1x2x3x3", "", "f32/1x2x5x5" },
        { "ConvTranspose", 11, "f32/1x1x3x3 f32/1x2x3x3", "strides=3,2 output_padding=1,1",
          "f32/1x2x10x8" },
        { "ConvTranspose", 11, "f32/1x1x3x3 f32/1x2x3x3", "strides=3,2 output_shape=10,8",
          "f32/1x2x10x8" },
        { "ConvTranspose", 11, "f32/1x1x3x3 f32/1x2x3x3", "strides=3,2 output_shape=1,2,10,8",
          "f32/1x2x10x8" },
        { "ConvTranspose", 11, "f32/1x1x3x3 f32/1x2x3x3", "strides=3,2 auto_pad:SAME_UPPER",
          "f32/1x2x9x6" },
        { "ConvTranspose", 11, "f32/1x4x3x3 f32/4x2x3x3", "group#2 pads=1,2,1,2 strides=3,2",
          "f32/1x4x7x3" },
        { "ConvTranspose", 11, "f32/1x1x3x3 f32/1x2x3x3", "pads=9,9,9,9",
          "!less than the whole output" },
        { "ConvTranspose", 11, "f32/1x1x3x3 f32/1x2x3x3", "output_padding=1,1",
          "!less than stride or dilation" },
        { "MaxPool", 12, "f32/1x3x4x4", "kernel_shape=3,3 strides=2,2 ceil_mode#1", "f32/1x3x2x2" },
        { "MaxPool", 12, "f32/1x1x2x2", "kernel_shape=1,1 strides=2,2 ceil_mode#1", "f32/1x1x1x1" },
        { "MaxPool", 12, "f32/1x1x5x5", "kernel_shape=2,2 strides=2,2 ceil_mode#1", "f32/1x1x3x3" },
        { "MaxPool", 12, "f32/1x1x3x3", "kernel_shape=2,2 strides=3,3 pads=1,1,1,1 ceil_mode#1",
          "f32/1x1x2x2" },
        { "MaxPool", 12, "u8/1x3x5x5", "kernel_shape=2,2", "u8/1x3x4x4 s64/1x3x4x4" },
        { "MaxPool", 12, "f32/1x3x5x5", "", "!'kernel_shape' is missing" },
        { "MaxPool", 12, "f32/1x3x5x5", "kernel_shape=2,2 pads=2,0,0,0",
          "!less than the kernel, 2, got 2" },
        { "MaxPool", 12, "f32/1x3x5x5", "kernel_shape=2,2 pads=2147483648,0,0,0",
          "!got 2147483648" },
        { "AveragePool", 11, "f32/1x3x32", "kernel_shape=2", "f32/1x3x31" },
        { "AveragePool", 11, "u8/1x3x32", "kernel_shape=2", "!got u8" },
        { "GlobalAveragePool", 11, "f32/2x3x5x7", "", "f32/2x3x1x1" },
        { "ConvInteger", 10, "u8/1x1x3x3 u8/1x1x2x2 u8:=1", "pads=1,1,1,1", "s32/1x1x4x4" },
        { "ConvInteger", 10, "u8/1x1x3x3 u8/1x1x2x2 s8:=1", "", "!one type" },
        { "QLinearConv", 10, "u8/1x1x7x7 f32/* u8/* s8/2x1x1x1 f32/2 s8/2 f32/* u8/* s32/2", "",
          "u8/1x2x7x7" },
        { "QLinearConv", 10, "u8/1x1x7x7 f32/* u8/* s8/2x1x1x1 f32/3 s8/2 f32/* u8/*", "",
          "!expected (1) or (2), got (3)" },
    };
    CHECK(cases);
}

static void products(void **state)
{
    (void)state;
    static const shape_case cases[] = {
        { "MatMul", 13, "f32/2x3x4 f32/4x5", "", "f32/2x3x5" },
        { "MatMul", 13, "f32/4 f32/4", "", "f32/*" },
        { "MatMul", 13, "f32/4 f32/2x4x3", "", "f32/2x3" },
        { "MatMul", 13, "f32/2x3x4 f32/4", "", "f32/2x3" },
        { "MatMul", 13, "f32/3x1x2x4 f32/5x4x6", "", "f32/3x5x2x6" },
        { "MatMul", 13, "f32/?x4 f32/4x5", "", "f32/?x5" },
        { "MatMul", 13, "f32/2x3 f32/4x5", "", "!do not multiply" },
        { "MatMul", 13, "f32/2x3x4 f32/3x4x5", "", "!do not multiply" },
        { "MatMul", 13, "f32/* f32/4x5", "", "!expected rank 1 to 8" },
        { "MatMul", 13, "u8/2x3 u8/3x2", "", "!got u8" },
        { "Gemm", 13, "f32/2x3 f32/3x4 f32/4", "", "f32/2x4" },
        { "Gemm", 13, "f32/3x2 f32/4x3 f32/2x1", "transA#1 transB#1", "f32/2x4" },
        { "Gemm", 13, "f32/2x3 f32/3x4 f32/3", "", "!does not broadcast to (2, 4)" },
        { "Gemm", 13, "f32/2x3 f32/3x4 f32/1x2x4", "", "!does not broadcast to (2, 4)" },
        { "Gemm", 13, "f32/1x2x3 f32/3x4", "", "!expected rank 2" },
        { "Gemm", 13, "f32/2x3 f32/4x3", "", "!do not multiply" },
        { "MatMulInteger", 10, "u8/4x3 s8/3x2 u8:=12 s8/2", "", "s32/4x2" },
        { "MatMulInteger", 10, "u8/4x3 s8/3x2 u8/4 s8/2", "", "s32/4x2" },
        { "MatMulInteger", 10, "u8/4x3 s8/3x2 u8/3", "", "!one for each row" },
        { "QLinearMatMul", 10, "u8/2x4 f32/1 u8/1 u8/4x3 f32/3 u8/3 f32/1 u8/1", "", "u8/2x3" },
        { "QLinearMatMul", 10, "u8/2x4 f32/1 u8/1 u8/4x3 f32/2 u8/3 f32/1 u8/1", "",
          "!one for each column" },
    };
    CHECK(cases);
}

static void elementwise(void **state)
{
    (void)state;
    static const shape_case cases[] = {
        { "Add", 13, "f32/2x1x4 f32/3x1", "", "f32/2x3x4" },
        { "Add", 13, "f32/?x4 f32/1x4", "", "f32/?x4" },
        { "Add", 13, "f32/?x4 f32/3x4", "", "f32/3x4" },
        { "Add", 13, "f32/2x3 f32/2x4", "", "!does not broadcast" },
        { "Add", 13, "f32/2 s32/2", "", "!one type" },
        { "Add", 13, "bool/2 bool/2", "", "!got bool" },
        { "Mul", 13, "f32/65536x1x4 f32/65536x1", "", "!at most 1073741824 bytes" },
        { "Equal", 13, "s64/2x1 s64/3", "", "bool/2x3" },
        { "Less", 13, "f32/2 f32/2", "", "bool/2" },
        { "And", 13, "bool/2 bool/2", "", "bool/2" },
        { "And", 13, "s8/2 s8/2", "", "!got s8" },
        { "Not", 13, "bool/2", "", "bool/2" },
        { "Pow", 13, "f32/2x3 s32/3", "", "f32/2x3" },
        { "Where", 13, "bool/2x1 f32/3 f32/1", "", "f32/2x3" },
        { "Where", 13, "f32/2x1 f32/3 f32/1", "", "!got f32" },
        { "Max", 13, "f32/2x1 f32/3 f32/1", "", "f32/2x3" },
        { "PRelu", 13, "f32/2x3x4 f32/3x1", "", "f32/2x3x4" },
        { "PRelu", 13, "f32/2x3x4 f32/5x2x3x4", "", "!does not broadcast to" },
        { "PRelu", 13, "f32/2x3x4 f32/3x5", "", "!does not broadcast to" },
        { "Clip", 13, "f32/2 f32/* f32/*", "", "f32/2" },
        { "Clip", 13, "s8/2 - s8/*", "", "s8/2" },
        { "Clip", 6, "f32/2", "min@0 max@6", "f32/2" },
        { "Clip", 13, "f32/2 f32/2", "", "!expected one element" },
        { "Cast", 13, "f32/2x3", "to#16", "bf16/2x3" },
        { "Cast", 13, "f32/2x3", "", "!'to' is missing" },
        { "Cast", 13, "f32/2x3", "to#8", "!type 8 is not supported" },
        { "Sigmoid", 13, "s8/2", "", "!expected one of f32 f16 bf16 f64, got s8" },
        { "Gelu", 20, "f32/2", "approximate:tanh", "f32/2" },
        { "Gelu", 20, "f32/2", "approximate:erf", "!expected one of none tanh, got 'erf'" },
        { "Dropout", 13, "f32/2x3", "", "f32/2x3 bool/2x3" },
        { "Dropout", 7, "f32/2x3", "ratio@0.5", "f32/2x3 f32/2x3" },
        { "Dropout", 13, "f32/2 f32=1 bool=0", "", "f32/2" },
        { "Dropout", 13, "f32/2 f32=1 bool=1", "", "!training_mode: expected a constant false" },
        { "Dropout", 13, "f32/2 f32=0 bool=1", "", "f32/2" },
        { "Dropout", 13, "f32/2 f32=1 bool/1", "", "!training_mode" },
        { "Expand", 13, "f32/3x1 s64=2,1,6", "", "f32/2x3x6" },
        { "Expand", 13, "f32/3x1 s64=3,1", "", "f32/3x1" },
        { "Expand", 13, "f32/3x1 s64=2,1", "", "!does not broadcast" },
        { "Expand", 13, "f32/3x1 s64=-1,1", "", "!-1 is negative" },
        { "Expand", 13, "f32/3x1 s64/2", "", "f32/unknown" },
    };
    CHECK(cases);
}

static void layout(void **state)
{
    (void)state;
    static const shape_case cases[] = {
        { "Reshape", 13, "f32/2x3x4 s64=4,-1", "", "f32/4x6" },
        { "Reshape", 13, "f32/2x3x4 s64=0,-1", "", "f32/2x12" },
        { "Reshape", 13, "f32/?x3x4 s64=0,12", "", "f32/?x12" },
        { "Reshape", 13, "f32/?x3x4 s64=-1,12", "", "f32/?x12" },
        { "Reshape", 14, "f32/0x3x4 s64=3,4,0", "allowzero#1", "f32/3x4x0" },
        { "Reshape", 13, "f32/2x3x4 s64=24", "", "f32/24" },
        { "Reshape", 13, "f32/1x1 s64=", "", "f32/*" },
        { "Reshape", 13, "f32/2x3x4 s64/2", "", "f32/unknown" },
        { "Reshape", 13, "f32/2x3x4 s64=5,-1", "", "!(2, 3, 4) does not reshape to (5, ?)" },
        { "Reshape", 13, "f32/2x3x4 s64=7,77", "", "!(2, 3, 4) does not reshape to (7, 77)" },
        { "Reshape", 13, "f32/2x3x4 s64=-1,-1", "", "!at most one -1" },
        { "Reshape", 13, "f32/2x3x4 s64=-2,3", "", "!at most one -1" },
        { "Reshape", 13, "f32/2x3x4 s64=1,1,1,0", "", "!0 copies dimension 3" },
        { "Reshape", 14, "f32/0x3 s64=0,-1", "allowzero#1", "!0 and -1" },
        { "Reshape", 13, "f32/2x2 s64=4611686018427387904,4611686018427387904", "",
          "!does not reshape" },
        { "Reshape", 13, "f32/2x3x4 f32/2", "", "!expected one of s32 s64, got f32" },
        { "Flatten", 13, "f32/2x3x4", "", "f32/2x12" },
        { "Flatten", 13, "f32/2x3x4", "axis#0", "f32/1x24" },
        { "Flatten", 13, "f32/2x3x4", "axis#-1", "f32/6x4" },
        { "Flatten", 13, "f32/2x3x4", "axis#3", "f32/24x1" },
        { "Flatten", 13, "f32/2x3x4", "axis#4", "!expected one in [-3, 3], got 4" },
        { "Squeeze", 13, "f32/1x3x1 s64=0", "", "f32/3x1" },
        { "Squeeze", 11, "f32/1x3x1", "axes=-1", "f32/1x3" },
        { "Squeeze", 13, "f32/1x3x1", "", "f32/3" },
        { "Squeeze", 13, "f32/1x3x1 s64=1", "", "!axis 1: expected 1, got (1, 3, 1)" },
        { "Squeeze", 13, "f32/1x3x1 s64=0,-3", "", "!named twice" },
        { "Squeeze", 13, "f32/1x3x1 s64=0", "axes=0", "!got both" },
        { "Unsqueeze", 13, "f32/3x4 s64=0,-1", "", "f32/1x3x4x1" },
        { "Unsqueeze", 11, "f32/3x4", "axes=1", "f32/3x1x4" },
        { "Unsqueeze", 13, "f32/3x4 s64=4", "", "!expected one in [-3, 3)" },
        { "Unsqueeze", 13, "f32/3x4", "", "!missing" },
        { "Unsqueeze", 13, "f32/1x1x1x1x1x1x1x1 s64=0", "", "!rank of at most 8, got 9" },
        { "Transpose", 13, "f32/2x3x4", "", "f32/4x3x2" },
        { "Transpose", 13, "s4/2x3x4", "perm=0,2,1", "s4/2x4x3" },
        { "Transpose", 13, "f32/2x3x4", "perm=0,2", "!expected 3 axes, got 2" },
        { "Transpose", 13, "f32/2x3x4", "perm=0,2,2", "!named twice" },
        { "DepthToSpace", 13, "f32/1x8x2x3", "blocksize#2", "f32/1x2x4x6" },
        { "DepthToSpace", 13, "f32/1x6x2x3", "blocksize#2", "!multiple of 4 channels" },
        { "DepthToSpace", 13, "f32/1x8x2x3", "", "!blocksize" },
        { "SpaceToDepth", 13, "f32/1x2x4x6", "blocksize#2", "f32/1x8x2x3" },
    };
    CHECK(cases);
}

static void pieces(void **state)
{
    (void)state;
    static const shape_case cases[] = {
        { "Concat", 13, "f32/2x3 f32/2x4 f32/2x0", "axis#-1", "f32/2x7" },
        { "Concat", 13, "f32/?x3 f32/2x4", "axis#1", "f32/2x7" },
        { "Concat", 13, "f32/2x3 f32/3x3", "axis#1", "!expected shape (2, ?), got (3, 3)" },
        { "Concat", 13, "f32/2x3 f32/2x3", "axis#2", "!expected one in [-2, 2)" },
        { "Concat", 13, "f32/2x3 f32/2x3", "", "!'axis' is missing" },
        { "Split", 13, "f32/6x2", "", "f32/3x2 f32/3x2" },
        { "Split", 11, "f32/6x2", "split=2,4", "f32/2x2 f32/4x2" },
        { "Split", 13, "f32/6x2 s64=2,4", "axis#0", "f32/2x2 f32/4x2" },
        { "Split", 18, "f32/7x2", "num_outputs#3", "f32/3x2 f32/3x2 f32/1x2" },
        { "Split", 18, "f32/0x2", "num_outputs#2", "f32/0x2 f32/0x2" },
        { "Split", 13, "f32/7x2", "", "f32/7x2" },
        { "Split", 13, "f32/6x2 s64=2,5", "", "!expected 1 sizes, got 2" },
        { "Split", 13, "f32/6x2 s64=5", "", "!a sum of 6, got 5" },
        { "Split", 13, "f32/6x2 s64=-1", "", "!-1" },
        { "Split", 18, "f32/6x2", "num_outputs#2", "!num_outputs: expected 1, got 2" },
        { "Slice", 13, "f32/20x10x5 s64=0,0 s64=3,10", "", "f32/3x10x5" },
        { "Slice", 13, "f32/20x10x5 s64=20,10,4 s64=0,0,1 s64=0,1,2 s64=-1,-3,-2", "",
          "f32/19x3x2" },
        { "Slice", 13, "f32/4 s64=3 s64=-9223372036854775808 s64=0 s64=-1", "", "f32/4" },
        { "Slice", 13,
          "f32/4 s64=-9223372036854775808 s64=9223372036854775807 s64=0 s64=9223372036854775807",
          "", "f32/1" },
        { "Slice", 13,
          "f32/4 s64=9223372036854775807 s64=-9223372036854775808 s64=0 s64=-9223372036854775808",
          "", "f32/1" },
        { "Slice", 13, "f32/4x5 s64=1 s64=1000 s64=-1", "", "f32/4x4" },
        { "Slice", 13, "f32/5 s64=-100 s64=-1000 s64=0 s64=-1", "", "f32/1" },
        { "Slice", 13, "f32/0 s64=-1 s64=-1000 s64=0 s64=-1", "", "f32/0" },
        { "Slice", 9, "f32/4x5", "starts=1 ends=-1 axes=1", "f32/4x3" },
        { "Slice", 13, "f32/4x5 s64=3 s64=1", "", "f32/0x5" },
        { "Slice", 13, "f32/4x5 s64=1 s64=3 s64=0 s64=0", "", "!other than 0" },
        { "Slice", 13, "f32/4x5 s64=1 s64=3,4", "", "!1 starts, 2 ends" },
        { "Slice", 13, "f32/4x5 s64=1 s64/1", "", "f32/unknown" },
        { "Slice", 13, "f32/4x5", "", "!missing" },
        { "Gather", 13, "f32/5x4 s64/2x3", "", "f32/2x3x4" },
        { "Gather", 13, "f32/5x4 s64:=-1", "axis#1", "f32/5" },
        { "Gather", 13, "f32/5x4 s64=4,5", "", "!in [-5, 5), got 5" },
        { "Gather", 13, "f32/5x4 s64=-6", "", "!got -6" },
        { "Gather", 13, "f32/5x4 f32/2", "", "!got f32" },
        { "Pad", 13, "f32/2x3 s64=0,1,0,-2", "", "f32/2x2" },
        { "Pad", 10, "f32/2x3", "pads=1,0,0,0", "f32/3x3" },
        { "Pad", 18, "f32/1x3x4x5 s64=1,2 - s64=-1", "mode:edge", "f32/1x3x4x8" },
        { "Pad", 13, "f32/2x3 s64=0,2,0,2", "mode:reflect", "f32/2x7" },
        { "Pad", 13, "f32/2x3 s64=0,3,0,0", "mode:reflect", "!less than the 3" },
        { "Pad", 13, "f32/2x3 s64=0,-2,0,-2", "", "!cut off more than the 3" },
        { "Pad", 13, "f32/2x3 s64=0,1,0", "", "!expected 4 numbers, got 3" },
        { "Pad", 13, "f32/2x3 s64=0,4611686018427387904,0,0", "", "!4611686018427387904" },
        { "Pad", 13, "f32/2x3 s64=0,0,0,0", "mode:mirror", "!mode: expected one of" },
        { "Tile", 13, "f32/2x3 s64=2,3", "", "f32/4x9" },
        { "Tile", 13, "f32/2x3 s64=2", "", "!expected 2 numbers, got 1" },
        { "Tile", 13, "f32/2x3 s64=2,-1", "", "!got -1" },
        { "Tile", 13, "f32/2x3 s64=9223372036854775807,2", "", "!repeats" },
        { "Trilu", 14, "f32/4x5 s64:=1", "upper#0", "f32/4x5" },
        { "Trilu", 14, "f32/4", "", "!expected rank 2 to 8" },
    };
    CHECK(cases);
}

static void along_axes(void **state)
{
    (void)state;
    static const shape_case cases[] = {
        { "ReduceMean", 13, "f32/2x3x4", "axes=-1", "f32/2x3x1" },
        { "ReduceMean", 18, "f32/2x3x4 s64=0,2", "keepdims#0", "f32/3" },
        { "ReduceSum", 13, "f32/2x3x4", "", "f32/1x1x1" },
        { "ReduceSum", 13, "f32/2x3x4 s64=", "noop_with_empty_axes#1", "f32/2x3x4" },
        { "ReduceSum", 13, "f32/2x3x4 s64/1", "", "f32/unknown" },
        { "ReduceMax", 13, "f32/2x3x4", "axes=3", "!expected one in [-3, 3)" },
        { "ReduceMax", 20, "bool/2x3 s64=1", "", "bool/2x1" },
        { "ArgMax", 13, "f32/2x3", "axis#1 keepdims#0", "s64/2" },
        { "ArgMax", 13, "f32/2x0", "axis#1", "!expected elements" },
        { "TopK", 11, "f32/3x4 s64=3", "axis#1", "f32/3x3 s64/3x3" },
        { "TopK", 9, "f32/3x4", "k#2", "f32/3x2 s64/3x2" },
        { "TopK", 11, "f32/3x4 s64=5", "", "!in [0, 4]" },
        { "TopK", 11, "f32/3x4", "", "!in [0, 4]" },
        { "Softmax", 13, "f32/2x3", "axis#-2", "f32/2x3" },
        { "Softmax", 13, "f32/2x3", "axis#7", "!got 7" },
        { "Softmax", 11, "f32/2", "", "!got 1" },
        { "LayerNormalization", 17, "f32/2x3x4 f32/4 f32/4", "", "f32/2x3x4 f32/2x3x1 f32/2x3x1" },
        { "LayerNormalization", 17, "f32/2x3x4 f32/3", "", "!does not broadcast" },
        { "BatchNormalization", 9, "f32/2x3x4 f32/3 f32/3 f32/3 f32/3", "epsilon@0.1",
          "f32/2x3x4" },
        { "BatchNormalization", 14, "f32/2x3 f32/3 f32/3 f32/3 f32/3", "training_mode#1",
          "f32/2x3 f32/3 f32/3" },
        { "BatchNormalization", 9, "f32/2x3x4 f32/3 f32/4 f32/3 f32/3", "",
          "!expected shape (3), got (4)" },
        { "BatchNormalization", 7, "f32/2x3x4 f32/3 f32/3 f32/3 f32/3", "spatial#0", "!spatial" },
        { "InstanceNormalization", 6, "f32/2x3x4 f32/3 f32/3", "", "f32/2x3x4" },
        { "LRN", 13, "f32/2x3x4", "", "!size" },
    };
    CHECK(cases);
}

static void resizing(void **state)
{
    (void)state;
    static const shape_case cases[] = {
        { "Resize", 13, "f32/1x1x4x4 - - s64=1,1,7,8", "", "f32/1x1x7x8" },
        { "Resize", 11, "f32/1x1x4x4 f32= f32= s64=1,1,7,8", "", "f32/1x1x7x8" },
        { "Resize", 13, "f32/1x1x4x4 - f32=1,1,2,3", "", "f32/1x1x8x12" },
        { "Resize", 10, "f32/1x1x4x4 f32=1,1,2,3", "", "f32/1x1x8x12" },
        { "Resize", 18, "f32/1x1x4x4 - f32=2,3", "axes=3,2", "f32/1x1x12x8" },
        { "Resize", 18, "f32/1x1x2x4 - - s64=7,8", "axes=2,3 keep_aspect_ratio_policy:not_larger",
          "f32/1x1x4x8" },
        { "Resize", 18, "f32/1x1x2x4 - - s64=7,8", "axes=2,3 keep_aspect_ratio_policy:not_smaller",
          "f32/1x1x7x14" },
        { "Resize", 13, "f32/1x1x4x4 - f32/4", "", "f32/unknown" },
        { "Resize", 13, "f32/1x1x4x4", "", "!got neither" },
        { "Resize", 13, "f32/1x1x4x4 - f32=1,1,2,3 s64=1,1,7,8", "", "!got both" },
        { "Resize", 13, "f32/1x1x4x4 - f32=2,3", "", "!expected 4 numbers, got 2" },
        { "Resize", 13, "f32/1x1x4x4 - f32=1,1,0,3", "", "!above 0, got 0" },
        { "Resize", 13, "f32/1x1x4x4 - - s64=1,1,-7,8", "", "!got -7" },
        { "Resize", 13, "f32/1x1x4x4 - f32=1,1,1000000000,3", "", "!too large" },
        { "Resize", 13, "f32/1x1x4x4 - f32=1,1,2,3", "mode:bilinear",
          "!mode: expected one of nearest" },
        { "Upsample", 9, "f32/1x1x2x2 f32=1,1,2,3", "", "f32/1x1x4x6" },
        { "Upsample", 9, "f32/1x1x2x2 f32=1,1,2", "", "!expected 4 numbers, got 3" },
    };
    CHECK(cases);
}

static void creating_and_quantizing(void **state)
{
    (void)state;
    static const shape_case cases[] = {
        { "Constant", 13, "", "value_ints=1,2,3", "s64/3" },
        { "Constant", 13, "", "value_float@1", "f32/*" },
        { "Constant", 13, "", "", "!expected one value, got 0" },
        { "ConstantOfShape", 9, "s64=2,3", "", "f32/2x3" },
        { "ConstantOfShape", 9, "s64=2,-3", "", "!got -3" },
        { "ConstantOfShape", 9, "s64=65536,65536", "", "!at most 1073741824 bytes" },
        { "Range", 11, "s64:=10 s64:=4 s64:=-2", "", "s64/3" },
        { "Range", 11, "f32:=1 f32:=5 f32:=2", "", "f32/2" },
        { "Range", 11, "s64:=1 s64:=5 s64:=-1", "", "s64/0" },
        { "Range", 11, "s64:=1 s64:=5 s64:=0", "", "!by 0" },
        { "Range", 11, "s64:=1 s64:=9223372036854775807 s64:=1", "", "!expected an end" },
        { "Range", 11, "s64/* s64:=5 s64:=1", "", "s64/unknown" },
        { "Shape", 13, "f32/2x3x4", "", "s64/3" },
        { "Shape", 15, "f32/2x3x4", "start#-2 end#9", "s64/2" },
        { "Size", 13, "f32/2x3x4", "", "s64/*" },
        { "QuantizeLinear", 13, "f32/2x3 f32/* s8/*", "", "s8/2x3" },
        { "QuantizeLinear", 10, "f32/2x3 f32/*", "", "u8/2x3" },
        { "QuantizeLinear", 13, "f32/2x3 f32/3 u8/3", "axis#-1", "u8/2x3" },
        { "QuantizeLinear", 21, "f32/2x8 f32/2x2 s4/2x2", "axis#1 block_size#4", "s4/2x8" },
        { "QuantizeLinear", 21, "f32/2x3 f32/*", "output_dtype#21", "u4/2x3" },
        { "QuantizeLinear", 13, "f32/2x3 f32/7 u8/7", "axis#1", "!expected shape (3), got (7)" },
        { "QuantizeLinear", 13, "f32/2x3 f32/3 u8/2", "axis#1", "!expected shape (3), got (2)" },
        { "QuantizeLinear", 13, "f32/2x3 f32/3 u8/3", "axis#2", "!expected one in [-2, 2)" },
        { "QuantizeLinear", 21, "f32/2x9 f32/2x2 s4/2x2", "axis#1 block_size#4",
          "!expected shape (2, 3)" },
        { "QuantizeLinear", 21, "f32/2x3 f32/* u8/*", "output_dtype#3", "!output_dtype" },
        { "DequantizeLinear", 13, "s8/2x3 f32/2 s8/2", "axis#0", "f32/2x3" },
        { "DequantizeLinear", 13, "s32/4 f32/4", "axis#0", "f32/4" },
        { "DequantizeLinear", 13, "s8/2x3 f32/* u8/*", "", "!one type" },
        { "DequantizeLinear", 13, "f32/2x3 f32/*", "", "!got f32" },
        { "DequantizeLinear", 23, "s8/2x3 f32/*", "output_dtype#10", "f16/2x3" },
        { "DynamicQuantizeLinear", 11, "f32/2x3", "", "u8/2x3 f32/* u8/*" },
    };
    CHECK(cases);
}

static void checking(void **state)
{
    (void)state;
    static const shape_case cases[] = {
        { "Convv", 13, "f32/1", "", "!did you mean Conv?" },
        { "Zzzzzzzzzz", 13, "f32/1", "", "!not supported" },
        { "Relu", 13, "f32/1 f32/1", "", "!expected 1 to 1 inputs, got 2" },
        { "Relu", 13, "-", "", "!input 0 is missing" },
        { "Concat", 13, "", "axis#0", "!expected 1 inputs or more, got 0" },
        { "Conv", 13, "f32/1x3x8x8 f32/4x3x3x3", "strides:xx",
          "!'strides': expected ints, got string" },
        { "Conv", 13, "f32/1x3x8x8 f32/4x3x3x3", "group@1", "!'group': expected int, got float" },
        { "Conv", 13, "f32/1x3x8x8 f32/4x3x3x3", "stride=1,1", "!'stride' is not known" },
        { "Conv", 13, "f32/1x3x8x8 f32/4x3x3x3", "rides=1,1", "!'rides' is not known" },
    };
    CHECK(cases);
}

/* Every row: unique, attribute words well-formed, shape inputs inside the arity. */
static void table_is_sound(void **state)
{
    (void)state;
    static const char *const kinds[] = { "int", "float", "string", "ints", "floats", "tensor" };
    for (size_t i = 0; i < mxdi_op_count(); i++) {
        const mxdi_op *const op = mxdi_op_at(i);
        char                 text[1024], *rest = text;
        assert_ptr_equal(mxdi_op_find(op->name, op->domain), op);
        assert_true(op->min_in <= op->max_in && op->min_out >= 1 && op->min_out <= op->max_out);
        assert_true(op->max_in >= 8 || op->shape_in >> op->max_in == 0);
        snprintf(text, sizeof(text), "%s", op->attrs);
        for (char *word = strtok_r(rest, " ", &rest); word; word = strtok_r(rest, " ", &rest)) {
            const char *const kind  = strchr(word, ':');
            bool              known = false;
            assert_non_null(kind);
            for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
                known = known || strcmp(kind + 1, kinds[k]) == 0;
            assert_true(known);
        }
    }
    assert_null(mxdi_op_at(mxdi_op_count()));
    for (int d = MXD_NONE + 1; d < MXD_DTYPE_COUNT; d++)
        assert_int_equal(mxdi_dtype_of_onnx(mxdi_dtype_to_onnx((mxd_dtype)d)), d);
    assert_int_equal(mxdi_dtype_of_onnx(8), MXD_NONE);
    assert_int_equal(mxdi_dtype_of_onnx(-1), MXD_NONE);
}

/* Padding as resolved, which shapes alone do not show. */
static void padding_is_resolved(void **state)
{
    (void)state;
    static const int64_t in[] = { 5, 6 }, kernel[] = { 3, 2 };
    mxdi_graph *const    g   = graph_new(13);
    const uint32_t       out = graph_open(g, "y");
    const uint32_t       n   = graph_node(g, "Conv", "here", NULL, 0, &out, 1);
    mxdi_window          w;
    graph_ints(g, n, "strides", DIMS(2, 1));
    graph_string(g, n, "auto_pad", "SAME_UPPER");
    assert_int_equal(mxdi_window_of(&w, &g->node[n], in, kernel, 2, NULL), MXD_OK);
    assert_true(w.pad_begin[0] == 1 && w.pad_end[0] == 1 && w.pad_begin[1] == 0 &&
                w.pad_end[1] == 1);
    assert_true(w.out[0] == 3 && w.out[1] == 6);
    graph_string(g, n, "auto_pad", "SAME_LOWER");
    assert_int_equal(mxdi_window_of(&w, &g->node[n], in, kernel, 2, NULL), MXD_OK);
    assert_true(w.pad_begin[1] == 1 && w.pad_end[1] == 0);
    /* total padding 2 * 4 + 3 - 8 = 3: the odd one goes to the beginning unless SAME_UPPER */
    graph_string(g, n, "auto_pad", "NOTSET");
    graph_ints(g, n, "output_shape", DIMS(8, 6));
    assert_int_equal(mxdi_window_transposed(&w, &g->node[n], in, kernel, 2, NULL), MXD_OK);
    assert_true(w.pad_begin[0] == 2 && w.pad_end[0] == 1 && w.pad_begin[1] == 1 &&
                w.pad_end[1] == 0);
    graph_string(g, n, "auto_pad", "SAME_UPPER");
    assert_int_equal(mxdi_window_transposed(&w, &g->node[n], in, kernel, 2, NULL), MXD_OK);
    assert_true(w.pad_begin[0] == 1 && w.pad_end[0] == 2);
    mxdi_graph_destroy(g);
}

/* Integer ops keep the type that their maker gave the output. */
static void integer_ops(void **state)
{
    (void)state;
    static const shape_case cases[] = {
        { "+QConv", 1, "u8/1x3x8x8 s8/4x3x3x3 s32/4 - f32/4", "x_zero_point#3", "s4/1x4x6x6" },
        { "+QConv", 1, "u8/1x3x8x8 s8/4x3x3x3 - f32/4 f32/1 s8/1x4x6x6 s32/4", "mid#1",
          "u8/1x4x6x6" },
        { "+QConv", 1, "u8/1x3x8x8 s8/4x3x3x3", "", "!input 4" },
        { "+QConv", 1, "u8/1x3x8x8 s8/4x3x3x3 - - f32/4", "", "!has no type" },
        { "+QMatMul", 1, "u8/5x3 s8/3x4 - - f32/4", "", "s8/5x4" },
        { "+QMatMul", 1, "u8/2x5x3 s8/4x3 s32/4 - f32/1", "transB#1", "f32/2x5x4" },
        { "+QMatMul", 1, "u8/5x3 s8/4x3 - - f32/4", "", "!do not multiply" },
        { "+QMatMul", 1, "u8/5x3 s8/4x2 - - f32/4", "transB#1", "!do not multiply" },
        { "+QAdd", 1, "u8/2x3x1 s8/3x4", "a_zero_point#1", "s8/2x3x4" },
        { "+Lookup8", 1, "u8/2x3 s8/256", "", "s8/2x3" },
        { "+Lookup8", 1, "u8/2x3 s8/3x256", "", "s8/2x3" },
        { "+Lookup8", 1, "u8/2x3 s8/16", "", "!expected shape (256), got (16)" },
        { "+Lookup8", 1, "u8/2x3 s8/2x256", "", "!expected shape (3, 256), got (2, 256)" },
        { "+LookupChannels", 1, "u8/2x3x4x5 s8/3x256", "", "s8/2x3x4x5" },
        { "+LookupChannels", 1, "u8/2x4x5x3 f32/3x256", "channels_last#1", "f32/2x3x4x5" },
        { "+LookupChannels", 1, "u8/2x4x5x3 f32/3x256", "", "!expected shape (4, 256)" },
        { "+LookupChannels", 1, "s8/2x3x4x5 s8/3x256", "", "!expected one of u8, got s8" },
        { "+QAveragePool", 1, "u8/1x2x4x4 f32/5", "kernel_shape=2,2 strides=2,2", "u8/1x2x2x2" },
        { "+QAveragePool", 1, "u8/1x2x4x4 f32/4", "kernel_shape=2,2",
          "!expected shape (5), got (4)" },
        { "+QReduceMean", 1, "u8/1x2x4x4", "axes=2,3 keepdims#0 m@0.5", "u8/1x2" },
        { "+QSoftmax", 1, "u8/2x10 s64/256", "axis#1 y_scale@0.1", "u8/2x10" },
        { "+FusedConv", 1, "f32/1x3x8x8 s4/4x3x3x3 f32/4 f32/1x4x6x6", "min@0", "f32/1x4x6x6" },
        { "+FusedConv", 1, "f32/1x3x8x8 f32/4x3x3x3 - f32/1x4x8x8", "",
          "!expected shape (1, 4, 6, 6)" },
        { "+FusedMatMul", 1, "f32/2x5x3 bf16/4x3 f32/4", "transB#1 compute:bf16", "f32/2x5x4" },
        { "QConv", 13, "u8/1x3x8x8 s8/4x3x3x3", "", "!not supported" },
    };
    CHECK(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows),
        cmocka_unit_test(products),
        cmocka_unit_test(elementwise),
        cmocka_unit_test(layout),
        cmocka_unit_test(pieces),
        cmocka_unit_test(along_axes),
        cmocka_unit_test(resizing),
        cmocka_unit_test(creating_and_quantizing),
        cmocka_unit_test(checking),
        cmocka_unit_test(table_is_sound),
        cmocka_unit_test(padding_is_resolved),
        cmocka_unit_test(integer_ops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
