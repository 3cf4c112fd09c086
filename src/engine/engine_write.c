/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing engine files: docs/engine-format.md.
 */
#include "base/dtype.h"
#include "base/file.h"
#include "base/json.h"
#include "engine/engine.h"
#include "engine/engine_format.h"

/* The graph section grows in `graph`; constants are collected as pieces of the data section. */
struct writer {
    mxdi_bytes graph;
    struct {
        const void *data;
        size_t      bytes;
        uint64_t    offset;
    } * piece;
    size_t               n_pieces, cap_pieces;
    uint64_t             data_bytes;
    const mxd_allocator *alloc;
    bool                 nomem;
};

static void put(struct writer *w, const void *data, size_t n)
{
    if (!mxdi_bytes_append(&w->graph, data, n))
        w->nomem = true;
}

static void put_u8(struct writer *w, uint8_t v)
{
    put(w, &v, sizeof(v));
}
static void put_u32(struct writer *w, uint32_t v)
{
    put(w, &v, sizeof(v));
}
static void put_i32(struct writer *w, int32_t v)
{
    put(w, &v, sizeof(v));
}
static void put_u64(struct writer *w, uint64_t v)
{
    put(w, &v, sizeof(v));
}

static void put_str(struct writer *w, const char *s)
{
    const size_t n = s ? strlen(s) : 0;
    put_u32(w, (uint32_t)n);
    put(w, s ? s : "", n);
}

/* Reserve room in the data section and write where: the same bytes once, however often they are
 * used. */
static void put_data(struct writer *w, const void *data, size_t bytes)
{
    for (size_t k = 0; k < w->n_pieces; k++)
        if (w->piece[k].data == data && w->piece[k].bytes == bytes) {
            put_u64(w, w->piece[k].offset);
            put_u64(w, bytes);
            return;
        }
    if (w->n_pieces == w->cap_pieces) {
        void *const grown = mxdi_realloc(w->alloc, w->piece, w->cap_pieces, 2 * w->cap_pieces + 16,
                                         sizeof(w->piece[0]));
        if (!grown) {
            w->nomem = true;
            return;
        }
        w->piece      = grown;
        w->cap_pieces = 2 * w->cap_pieces + 16;
    }
    w->piece[w->n_pieces].data     = data;
    w->piece[w->n_pieces].bytes    = bytes;
    w->piece[w->n_pieces++].offset = w->data_bytes;
    put_u64(w, w->data_bytes);
    put_u64(w, bytes);
    w->data_bytes += (bytes + MXDI_ENGINE_ALIGN - 1) / MXDI_ENGINE_ALIGN * MXDI_ENGINE_ALIGN;
}

static void put_shape(struct writer *w, mxd_dtype dtype, int32_t rank, const int64_t *dim)
{
    put_u8(w, (uint8_t)dtype);
    put_i32(w, rank);
    if (rank > 0)
        put(w, dim, (size_t)rank * sizeof(dim[0]));
}

static void put_attr(struct writer *w, const mxd_attr *a)
{
    put_str(w, a->name);
    put_u8(w, (uint8_t)a->kind);
    switch (a->kind) {
    case MXD_ATTR_INT:
        put(w, &a->i, sizeof(a->i));
        break;
    case MXD_ATTR_FLOAT:
        put(w, &a->f, sizeof(a->f));
        break;
    case MXD_ATTR_STRING:
        put_str(w, a->s);
        break;
    case MXD_ATTR_INTS:
        put_u32(w, a->n);
        put(w, a->ints, a->n * sizeof(a->ints[0]));
        break;
    case MXD_ATTR_FLOATS:
        put_u32(w, a->n);
        put(w, a->floats, a->n * sizeof(a->floats[0]));
        break;
    case MXD_ATTR_TENSOR: {
        size_t bytes = 0;
        w->nomem     = !mxdi_tensor_bytes(&bytes, a->tensor) || w->nomem;
        put_shape(w, a->tensor->dtype, a->tensor->rank, a->tensor->dim);
        put_data(w, a->tensor->data, bytes);
        break;
    }
    }
}

static void put_node(struct writer *w, const mxd_node *n)
{
    put_str(w, n->name);
    put_str(w, n->op);
    put_str(w, n->domain);
    put_i32(w, n->version);
    put_u32(w, n->n_in);
    put(w, n->in, n->n_in * sizeof(n->in[0]));
    put_u32(w, n->n_out);
    put(w, n->out, n->n_out * sizeof(n->out[0]));
    put_u32(w, n->n_attr);
    for (uint32_t k = 0; k < n->n_attr; k++)
        put_attr(w, &n->attr[k]);
    put_u32(w, n->n_origin);
    for (uint32_t k = 0; k < n->n_origin; k++)
        put_str(w, n->origin[k]);
}

static void put_graph(struct writer *w, const mxdi_graph *g)
{
    put_str(w, g->name);
    put_i32(w, g->opset);
    put_u32(w, g->n_values);
    for (uint32_t k = 0; k < g->n_values; k++) {
        const mxd_value *const v = &g->value[k];
        put_str(w, v->name);
        put_shape(w, v->dtype, v->rank, v->dim);
        put_u8(w, v->data != NULL);
        if (v->data)
            put_data(w, v->data, v->bytes);
    }
    put_u32(w, g->n_nodes);
    for (uint32_t k = 0; k < g->n_nodes; k++)
        put_node(w, &g->node[k]);
    put_u32(w, g->n_inputs);
    put(w, g->input, g->n_inputs * sizeof(g->input[0]));
    put_u32(w, g->n_outputs);
    put(w, g->output, g->n_outputs * sizeof(g->output[0]));
    put_u32(w, g->n_symbols);
    for (uint32_t k = 0; k < g->n_symbols; k++) {
        put_u32(w, g->symbol[k].value);
        put_i32(w, g->symbol[k].axis);
        put_str(w, g->symbol[k].name);
    }
    put_u32(w, g->n_meta);
    for (uint32_t k = 0; k < g->n_meta; k++) {
        put_str(w, g->meta[k].key);
        put_str(w, g->meta[k].text);
    }
}

/* ---- metadata ---- */

static json_t *audit_json(const mxdi_engine *e)
{
    json_t *const rows = json_array();
    for (uint32_t k = 0; k < e->n_audit; k++) {
        const mxdi_audit_row *const r = &e->audit[k];
        json_t *const               row =
            json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "node", mxdi_json_text(r->node),
                      "op", mxdi_json_text(r->op), "asked", mxdi_json_text(r->asked), "stored",
                      mxdi_json_text(r->stored), "computed", mxdi_json_text(r->computed), "verdict",
                      mxdi_json_text(r->verdict), "kernel", mxdi_json_text(r->kernel), "reason",
                      mxdi_json_text(r->reason));
        if (json_array_append_new(rows, row) != 0) {
            json_decref(rows);
            return NULL;
        }
    }
    return rows;
}

static json_t *shapes_json(const mxdi_engine *e)
{
    json_t *const shapes = json_object();
    for (uint32_t k = 0; k < e->options.n_shapes; k++) {
        json_t *const name = mxdi_json_text(e->shape[k].name), *const dims = mxdi_json_integers(
                                                                   e->shape[k].dim,
                                                                   (size_t)e->shape[k].rank);
        const bool bad =
            json_object_set_new(shapes, name ? json_string_value(name) : NULL, dims) != 0;
        json_decref(name);
        if (bad) {
            json_decref(shapes);
            return NULL;
        }
    }
    return shapes;
}

static bool metadata(mxdi_bytes *out, const mxdi_engine *e)
{
    json_t *const m = json_pack(
        "{s:s, s:s, s:s, s:o, s:s, s:I, s:o, s:o, s:b, s:b, s:o, s:I, s:o, s:I}", "mixdown",
        mxd_version(), "model_hash", e->model_hash, "backend", e->options.backend, "isa",
        mxdi_json_text(e->options.isa), "device", e->api->describe(e->device), "threads",
        (json_int_t)e->options.threads, "batch",
        mxdi_json_integers(e->options.batch, e->options.n_batches), "shapes", shapes_json(e),
        "exact", (int)e->options.exact, "timed", (int)e->options.timed, "choices",
        mxdi_choices_json(&e->used, false), "workspace", (json_int_t)e->options.workspace_cap,
        "layers", audit_json(e), "mismatches", (json_int_t)e->mismatches);
    const bool ok = m && mxdi_json_format(out, m);
    json_decref(m);
    return ok;
}

/* ---- the file ---- */

mxdi_hash mxdi_engine_checksum(mxdi_view file)
{
    uint8_t         head[MXDI_ENGINE_CHECKSUM + 16];
    const mxdi_hash body =
        mxdi_hash_bytes(file.data + MXDI_ENGINE_HEADER, file.size - MXDI_ENGINE_HEADER);
    memcpy(head, file.data, MXDI_ENGINE_CHECKSUM);
    memcpy(head + MXDI_ENGINE_CHECKSUM, &body.low, 8);
    memcpy(head + MXDI_ENGINE_CHECKSUM + 8, &body.high, 8);
    return mxdi_hash_bytes(head, sizeof(head));
}

static bool assemble(mxdi_bytes *file, const struct writer *w, const mxdi_bytes *meta)
{
    uint64_t field[14] = { 0 };
    bool     ok        = mxdi_bytes_append(file, field, MXDI_ENGINE_CHECKSUM) &&
              mxdi_bytes_append(file, field, MXDI_ENGINE_HEADER - MXDI_ENGINE_CHECKSUM);
    field[2] = file->size;
    field[3] = meta->size;
    ok       = ok && mxdi_bytes_append(file, meta->data, meta->size) &&
         mxdi_bytes_pad(file, MXDI_ENGINE_ALIGN);
    field[4] = file->size;
    field[5] = w->graph.size;
    ok       = ok && mxdi_bytes_append(file, w->graph.data, w->graph.size) &&
         mxdi_bytes_pad(file, MXDI_ENGINE_ALIGN);
    field[6] = file->size;
    field[7] = w->data_bytes;
    for (size_t k = 0; ok && k < w->n_pieces; k++)
        ok = mxdi_bytes_append(file, w->piece[k].data, w->piece[k].bytes) &&
             mxdi_bytes_pad(file, MXDI_ENGINE_ALIGN);
    if (!ok)
        return false;
    const uint32_t version[2] = { MXDI_ENGINE_VERSION, MXDI_ENGINE_HEADER };
    field[1]                  = file->size;
    memcpy(file->data, MXDI_ENGINE_MAGIC, 8);
    memcpy(file->data + 8, version, sizeof(version));
    memcpy(file->data + 16, field + 1, 7 * sizeof(field[0]));
    const mxdi_hash sum = mxdi_engine_checksum((mxdi_view){ file->data, file->size });
    memcpy(file->data + MXDI_ENGINE_CHECKSUM, &sum.low, 8);
    memcpy(file->data + MXDI_ENGINE_CHECKSUM + 8, &sum.high, 8);
    return true;
}

mxd_status mxdi_engine_write(mxdi_bytes *out, const mxdi_engine *e, mxd_error *err)
{
    struct writer w = { .graph = { .alloc = e->alloc }, .alloc = e->alloc };
    put_graph(&w, e->graph);
    mxdi_bytes meta = { .alloc = e->alloc };
    const bool ok   = !w.nomem && metadata(&meta, e) && assemble(out, &w, &meta);
    mxdi_bytes_free(&meta);
    mxdi_free(w.alloc, w.piece);
    mxdi_bytes_free(&w.graph);
    return ok ? MXD_OK : mxdi_nomem(err);
}

mxd_status mxdi_engine_save(const mxdi_engine *e, const char *path, uint64_t *bytes, mxd_error *err)
{
    mxdi_bytes file = { .alloc = e->alloc };
    mxd_status st   = mxdi_engine_write(&file, e, err);
    if (st == MXD_OK)
        st = mxdi_file_write(path, file.data, file.size, err);
    *bytes = file.size;
    mxdi_bytes_free(&file);
    return st;
}
