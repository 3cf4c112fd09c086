/* SPDX-License-Identifier: Apache-2.0
 *
 * One node for the reference executor, in few lines: numbers in, numbers expected. All tensors lie
 * in blocks of exactly their size, and scratch is bounded by what mxdi_interp_scratch promises, so
 * that a sanitizer sees every step aside.
 */
#ifndef TESTS_UNIT_INTERP_CASE_H
#define TESTS_UNIT_INTERP_CASE_H

/* cmocka.h needs these before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "interp/interp.h"

enum { CASE_IN = 10, CASE_OUT = 4, CASE_ATTRS = 24, CASE_OTHERS = 2 };

typedef struct interp_case {
    mxd_node    node;
    mxd_attr    attr[CASE_ATTRS];
    mxd_value   value[CASE_IN + CASE_OUT];
    mxd_tensor  in[CASE_IN], out[CASE_OUT], tensor[CASE_OTHERS]; /* tensor: of attributes */
    uint32_t    in_id[CASE_IN], out_id[CASE_OUT];
    mxd_qparams q;
    uint32_t    n_tensor;
    size_t      left; /* scratch that may still be taken */
    mxd_error   err;
} interp_case;

#define DIMS(...)                       \
    ((const int64_t[]){ __VA_ARGS__ }), \
        (int32_t)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))
#define SCALAR NULL, 0
#define NUMBERS(...) \
    ((const double[]){ __VA_ARGS__ }), (int64_t)(sizeof((double[]){ __VA_ARGS__ }) / sizeof(double))

/* A node of opset 22; ops of domain "mixdown" are known by name. */
static inline interp_case *case_of(const char *op)
{
    interp_case *const c = calloc(1, sizeof(*c));
    assert_non_null(c);
    c->node = (mxd_node){ .name    = "n",
                          .op      = op,
                          .domain  = mxdi_interp_has(op, "mixdown") ? "mixdown" : "",
                          .version = 22,
                          .in      = c->in_id,
                          .out     = c->out_id,
                          .attr    = c->attr };
    for (uint32_t k = 0; k < CASE_IN + CASE_OUT; k++)
        c->value[k] = (mxd_value){ .name = "v", .batch_axis = -1 };
    return c;
}

static inline mxd_tensor case_tensor(mxd_dtype dtype, const int64_t *dim, int32_t rank)
{
    mxd_tensor t     = { .dtype = dtype, .rank = rank };
    size_t     bytes = 0;
    for (int32_t d = 0; d < rank; d++)
        t.dim[d] = dim[d];
    assert_true(mxdi_tensor_bytes(&bytes, &t));
    t.data = malloc(bytes ? bytes : 1);
    assert_non_null(t.data);
    memset(t.data, 0x5A, bytes);
    return t;
}

static inline void case_fill(mxd_tensor *t, const double *v, int64_t n)
{
    int64_t count;
    assert_true(mxdi_shape_count(&count, t->dim, t->rank));
    assert_int_equal(count, n);
    for (int64_t i = 0; i < n; i++)
        mxdi_store_f64(t->data, t->dtype, i, v[i]);
}

static inline void case_in(interp_case *c, mxd_dtype dtype, const int64_t *dim, int32_t rank,
                           const double *v, int64_t n)
{
    const uint32_t k = c->node.n_in++;
    assert_true(k < CASE_IN);
    c->in[k]          = case_tensor(dtype, dim, rank);
    c->in_id[k]       = k;
    c->value[k].dtype = dtype;
    if (n > 0)
        case_fill(&c->in[k], v, n);
}
/* The next input: type without MXD_, dims, all elements. */
#define IN(c, type, dims, ...)  case_in(c, MXD_##type, dims, NUMBERS(__VA_ARGS__))
#define IN_EMPTY(c, type, dims) case_in(c, MXD_##type, dims, NULL, 0)

static inline void case_no_in(interp_case *c)
{
    c->in_id[c->node.n_in++] = MXD_NO_VALUE;
}

/* The last input stands for reals. */
static inline void case_qparams(interp_case *c, const float *scale, const int32_t *zero, uint32_t n,
                                int32_t axis, int32_t block)
{
    c->q = (mxd_qparams){
        .scale = scale, .zero_point = zero, .n = n, .axis = axis, .block = block, .q_max = 255
    };
    c->value[c->node.n_in - 1].q = &c->q;
}

static inline void case_out(interp_case *c, mxd_dtype dtype, const int64_t *dim, int32_t rank)
{
    const uint32_t k = c->node.n_out++;
    assert_true(k < CASE_OUT);
    c->out[k]                   = case_tensor(dtype, dim, rank);
    c->out_id[k]                = CASE_IN + k;
    c->value[CASE_IN + k].dtype = dtype;
}
#define OUT(c, type, dims) case_out(c, MXD_##type, dims)

static inline void case_no_out(interp_case *c)
{
    c->out_id[c->node.n_out++] = MXD_NO_VALUE;
}

/* ---- attributes; set again, the last one counts ---- */
static inline mxd_attr *case_attr(interp_case *c, const char *name, mxd_attr_kind kind)
{
    uint32_t k = 0;
    while (k < c->node.n_attr && strcmp(c->attr[k].name, name) != 0)
        k++;
    assert_true(k < CASE_ATTRS);
    c->node.n_attr = k < c->node.n_attr ? c->node.n_attr : k + 1;
    c->attr[k]     = (mxd_attr){ .name = name, .kind = kind };
    return &c->attr[k];
}

static inline void set_int(interp_case *c, const char *name, int64_t i)
{
    case_attr(c, name, MXD_ATTR_INT)->i = i;
}

static inline void set_float(interp_case *c, const char *name, float f)
{
    case_attr(c, name, MXD_ATTR_FLOAT)->f = f;
}

static inline void set_string(interp_case *c, const char *name, const char *s)
{
    case_attr(c, name, MXD_ATTR_STRING)->s = s;
}

/* The list has to live as long as the case. */
static inline void set_ints(interp_case *c, const char *name, const int64_t *v, int32_t n)
{
    mxd_attr *const a = case_attr(c, name, MXD_ATTR_INTS);
    a->ints           = v;
    a->n              = (uint32_t)n;
}

static inline void set_floats(interp_case *c, const char *name, const float *v, uint32_t n)
{
    mxd_attr *const a = case_attr(c, name, MXD_ATTR_FLOATS);
    a->floats         = v;
    a->n              = n;
}

static inline mxd_tensor *set_tensor(interp_case *c, const char *name, mxd_dtype dtype,
                                     const int64_t *dim, int32_t rank)
{
    mxd_tensor *const t                         = &c->tensor[c->n_tensor++];
    *t                                          = case_tensor(dtype, dim, rank);
    case_attr(c, name, MXD_ATTR_TENSOR)->tensor = t;
    return t;
}

/* zero point and q-range of an output */
static inline void set_range(interp_case *c, int64_t z, int64_t lo, int64_t hi)
{
    set_int(c, "y_zero_point", z);
    set_int(c, "q_min", lo);
    set_int(c, "q_max", hi);
}

/* ---- running ---- */
static inline void *case_take(void *user, size_t bytes)
{
    interp_case *const c       = user;
    const size_t       rounded = (bytes + 63) & ~(size_t)63;
    if (rounded > c->left)
        return NULL;
    c->left -= rounded;
    return malloc(bytes ? bytes : 1);
}

static inline void case_give(void *user, void *p)
{
    (void)user;
    free(p);
}

static inline mxd_status case_run(interp_case *c)
{
    const mxd_allocator scratch = { case_take, case_give, c };
    c->err                      = (mxd_error)MXD_ERROR_INIT;
    c->left                     = mxdi_interp_scratch(&c->node, c->in, c->out);
    return mxdi_interp_node(&c->node, c->value, c->in, c->out, &scratch, &c->err);
}

static inline void run(interp_case *c)
{
    if (case_run(c) != MXD_OK)
        fail_msg("%s", c->err.msg);
}

static inline void done(interp_case *c)
{
    for (uint32_t k = 0; k < CASE_IN; k++)
        free(c->in[k].data);
    for (uint32_t k = 0; k < CASE_OUT; k++)
        free(c->out[k].data);
    for (uint32_t k = 0; k < CASE_OTHERS; k++)
        free(c->tensor[k].data);
    free(c);
}

/* It does not run, says why, and names the node. Ends the case. */
static inline void refused(interp_case *c, mxd_status status)
{
    const mxd_status got = case_run(c);
    if (got != status)
        fail_msg("expected status %d, got %d: %s", (int)status, (int)got, c->err.msg);
    assert_non_null(strstr(c->err.msg, c->node.op));
    assert_null(strchr(c->err.msg, '\n'));
    done(c);
}

/* Output k has these elements: |got - want| <= tolerance * (1 + |want|); 0: equal, NaN to NaN. */
static inline void expect(const interp_case *c, uint32_t k, const double *want, int64_t n,
                          double tolerance)
{
    const mxd_tensor *const t = &c->out[k];
    int64_t                 count;
    assert_true(mxdi_shape_count(&count, t->dim, t->rank));
    assert_int_equal(count, n);
    for (int64_t i = 0; i < n; i++) {
        const double got  = mxdi_load_f64(t->data, t->dtype, i);
        const bool   same = got == want[i] || (isnan(got) && isnan(want[i]));
        if (!same && !(fabs(got - want[i]) <= tolerance * (1 + fabs(want[i]))))
            fail_msg("%s: element %lld: expected %.9g, got %.9g", c->node.op, (long long)i, want[i],
                     got);
    }
}
#define WANT_OF(c, k, ...) expect(c, k, NUMBERS(__VA_ARGS__), 0)
/* Runs, compares output 0, ends the case. */
#define CHECK(c, ...)               \
    do {                            \
        run(c);                     \
        WANT_OF(c, 0, __VA_ARGS__); \
        done(c);                    \
    } while (0)
#define CHECK_NEAR(c, tolerance, ...)                  \
    do {                                               \
        run(c);                                        \
        expect(c, 0, NUMBERS(__VA_ARGS__), tolerance); \
        done(c);                                       \
    } while (0)
#endif
