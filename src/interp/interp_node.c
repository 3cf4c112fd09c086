/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of reference functions, and running one node: everything that can be checked without
 * knowing the op is checked here.
 */
#include "interp/interp_impl.h"

enum { SCRATCH_FIXED = 65536 };

static const mxdi_interp_op ops[] = {
#define MXD_INTERP(name, domain, function, min_in, types, scratch) \
    { name, domain, mxdi_interp_##function, min_in, types, scratch },
#include "interp/interp_ops.inc"
#undef MXD_INTERP
};

static const mxdi_interp_op *find(const char *name, const char *domain)
{
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
        if (strcmp(ops[i].name, name) == 0 && strcmp(ops[i].domain, domain) == 0)
            return &ops[i];
    return NULL;
}

bool mxdi_interp_has(const char *op, const char *domain)
{
    return find(op, domain) != NULL;
}

static const char *const no_kernel[] = {
#define MXD_X(name, text, bits) [MXD_##name] = "no reference kernel of this op for " text,
    MXD_DTYPE_MAP(MXD_X)
#undef MXD_X
};

const char *mxdi_interp_refuses(const mxd_node *node, const mxd_value *values)
{
    const mxdi_interp_op *const op = find(node->op, node->domain);
    if (!op)
        return "no reference kernel for this op";
    for (uint32_t k = 0; k < op->min_in; k++)
        if (k >= node->n_in || node->in[k] == MXD_NO_VALUE)
            return "a required input is missing";
    if (op->min_in > 0) {
        const mxd_dtype d = values[node->in[0]].dtype;
        if ((unsigned)d >= MXD_DTYPE_COUNT)
            return no_kernel[MXD_NONE];
        if (!(op->types & 1u << d))
            return no_kernel[d];
    }
    return NULL;
}

static mxd_status check_tensor(const mxd_tensor *t, const char *what, uint32_t k, mxd_error *err)
{
    size_t bytes;
    if (!mxdi_tensor_bytes(&bytes, t))
        return mxdi_fail(err, MXD_E_SHAPE, "%s %u: expected a known shape and element type", what,
                         k);
    if (bytes && !t->data)
        return mxdi_fail(err, MXD_E_INVAL, "%s %u: expected data, got none", what, k);
    return MXD_OK;
}

static mxd_status check_call(const mxdi_interp_call *c, const mxdi_interp_op *op)
{
    const mxd_node *const node = c->node;
    for (uint32_t k = 0; k < node->n_in || k < op->min_in; k++) {
        if (mxdi_interp_given(c, k))
            MXD_TRY(check_tensor(&c->in[k], "input", k, c->err));
        else if (k < op->min_in)
            return mxdi_fail(c->err, MXD_E_INVAL, "input %u: expected a tensor, got none", k);
    }
    if (node->n_out == 0)
        return mxdi_fail(c->err, MXD_E_INVAL, "expected an output, got none");
    for (uint32_t k = 0; k < node->n_out; k++)
        if (c->out[k].data || k == 0)
            MXD_TRY(check_tensor(&c->out[k], "output", k, c->err));
    if (op->min_in > 0 && !(op->types & 1u << c->in[0].dtype))
        return mxdi_fail(c->err, MXD_E_UNSUPPORTED, "%s", no_kernel[c->in[0].dtype]);
    return MXD_OK;
}

mxd_status mxdi_interp_node(const mxd_node *node, const mxd_value *values, const mxd_tensor *in,
                            mxd_tensor *out, const mxd_allocator *alloc, mxd_error *err)
{
    void                       *scratch = NULL;
    const mxdi_interp_op *const op      = find(node->op, node->domain);
    const mxdi_interp_call      call    = { node, values, in, out, alloc, &scratch, err };
    mxd_status                  st;
    if (!op)
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "%s '%s': no reference kernel for this op",
                         node->op, node->name);
    st = check_call(&call, op);
    if (st == MXD_OK)
        st = op->run(&call);
    while (scratch) {
        void *before;
        memcpy(&before, scratch, sizeof(before));
        mxdi_free(alloc, scratch);
        scratch = before;
    }
    return mxdi_wrap(err, st, "%s '%s'", node->op, node->name);
}

size_t mxdi_interp_scratch(const mxd_node *node, const mxd_tensor *in, const mxd_tensor *out)
{
    const mxdi_interp_op *const op    = find(node->op, node->domain);
    size_t                      total = SCRATCH_FIXED;
    for (uint32_t k = 0; op && k < node->n_in + node->n_out; k++) {
        const bool        made  = k >= node->n_in;
        const uint32_t    value = made ? node->out[k - node->n_in] : node->in[k];
        const mxd_tensor *t     = made ? &out[k - node->n_in] : &in[k];
        size_t            bytes;
        if (value == MXD_NO_VALUE)
            continue;
        if (!mxdi_mul_size(&bytes, (size_t)mxdi_interp_count(t), op->scratch) ||
            bytes > PTRDIFF_MAX - total)
            return PTRDIFF_MAX; /* more than there is */
        total += bytes;
    }
    return total;
}
