/* SPDX-License-Identifier: Apache-2.0
 *
 * Putting integer values, constants and nodes into a graph during QDQ fusion. Nothing here decides
 * anything.
 */
#include "engine/fuse_emit.h"

#include "base/dtype.h"

bool mxdi_stored_is_small(const mxdi_stored *s)
{
    return s->found && s->affine.n == 1 && s->affine.block == 0 &&
           mxdi_dtype_range(s->affine.dtype, &(int64_t){ 0 }, &(int64_t){ 0 }) &&
           mxd_dtype_bits(s->affine.dtype) <= 8;
}

mxd_status mxdi_emit_value(uint32_t *out, mxdi_fuser *f, uint32_t like, const mxdi_qspec *spec,
                           uint32_t target, mxd_error *err)
{
    mxdi_graph *const g = f->g;
    *out                = target;
    if (target == MXD_NO_VALUE)
        MXD_TRY(mxdi_graph_add_value(out, g, NULL, g->value[like].name, err));
    mxd_value *const       v     = &g->value[*out];
    const mxd_value *const shape = &g->value[like];
    v->dtype                     = spec->dtype;
    v->rank                      = shape->rank;
    memcpy(v->dim, shape->dim, sizeof(v->dim));
    v->batch_axis = shape->batch_axis;
    if (spec->dtype == MXD_F32)
        return MXD_OK;
    const mxd_qparams q = { .scale      = &spec->s,
                            .zero_point = &spec->z,
                            .n          = 1,
                            .q_min      = spec->q_min,
                            .q_max      = spec->q_max };
    return mxdi_value_set_qparams(g, *out, &q, err);
}

mxd_status mxdi_emit_node(mxd_node **out, mxdi_fuser *f, const char *op, const char *domain,
                          const uint32_t *in, uint32_t n_in, uint32_t value_out, uint32_t origin,
                          mxd_error *err)
{
    mxdi_graph *const g = f->g;
    MXD_TRY(mxdi_graph_add_node(out, g, op, domain, NULL, in, n_in, &value_out, 1, err));
    (*out)->n_origin = 0; /* its own name is no ONNX node's */
    if (origin != MXD_NO_VALUE)
        MXD_TRY(
            mxdi_node_add_origins(g, *out, g->node[origin].origin, g->node[origin].n_origin, err));
    for (uint32_t k = f->n_path; k-- > 0;)
        MXD_TRY(mxdi_node_add_origins(g, *out, g->node[f->path[k]].origin,
                                      g->node[f->path[k]].n_origin, err));
    return MXD_OK;
}

mxd_status mxdi_emit_constant(uint32_t *out, mxdi_graph *g, mxd_dtype dtype, const void *data,
                              uint32_t n, mxd_error *err)
{
    mxd_tensor t = { .data = NULL, .dtype = dtype, .rank = 1, .dim = { n } };
    t.data       = mxdi_arena_memdup(&g->arena, data, (size_t)n * mxd_dtype_bits(dtype) / 8, 64);
    if (!t.data)
        return mxdi_nomem(err);
    return mxdi_graph_add_constant(out, g, NULL, "constant", &t, false, err);
}

mxd_status mxdi_emit_range(mxdi_fuser *f, mxd_node *node, const mxdi_qspec *spec, mxd_error *err)
{
    MXD_TRY(mxdi_node_set_int(f->g, node, "y_zero_point", spec->z, err));
    MXD_TRY(mxdi_node_set_int(f->g, node, "q_min", spec->q_min, err));
    return mxdi_node_set_int(f->g, node, "q_max", spec->q_max, err);
}
