/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading engine files: docs/engine-format.md. The file stays mapped and constants point into it.
 * Every count is bounded by the bytes that are left before anything is allocated for it.
 */
#include "base/dtype.h"
#include "base/file.h"
#include "base/json.h"
#include "engine/engine.h"
#include "engine/engine_format.h"

struct reader {
    mxdi_view   graph, data;
    size_t      at;
    bool        bad; /* ran past the end or met an impossible value */
    mxdi_graph *g;
};

static const void *get(struct reader *r, size_t n)
{
    if (r->bad || n > r->graph.size - r->at) {
        r->bad = true;
        return NULL;
    }
    r->at += n;
    return r->graph.data + (r->at - n);
}

static void get_into(struct reader *r, void *out, size_t n)
{
    const void *const p = get(r, n);
    memset(out, 0, n);
    if (p)
        memcpy(out, p, n);
}

static uint8_t get_u8(struct reader *r)
{
    uint8_t v;
    get_into(r, &v, sizeof(v));
    return v;
}
static uint32_t get_u32(struct reader *r)
{
    uint32_t v;
    get_into(r, &v, sizeof(v));
    return v;
}
static int32_t get_i32(struct reader *r)
{
    int32_t v;
    get_into(r, &v, sizeof(v));
    return v;
}
static uint64_t get_u64(struct reader *r)
{
    uint64_t v;
    get_into(r, &v, sizeof(v));
    return v;
}

/* A count of items of at least `least` bytes each. */
static uint32_t get_count(struct reader *r, size_t least)
{
    const uint32_t n = get_u32(r);
    if (n > (r->graph.size - r->at) / least)
        r->bad = true;
    return r->bad ? 0 : n;
}

static const char *get_str(struct reader *r)
{
    const uint32_t    n = get_count(r, 1);
    const char *const p = get(r, n);
    const char *const s = p && !memchr(p, 0, n) ? mxdi_arena_strndup(&r->g->arena, p, n) : NULL;
    r->bad              = r->bad || !s;
    return s ? s : "";
}

static void *get_array(struct reader *r, uint32_t *n, size_t size)
{
    *n                     = get_count(r, size);
    const void *const p    = get(r, *n * size);
    void *const       copy = p ? mxdi_arena_memdup(&r->g->arena, p, *n * size, 8) : NULL;
    r->bad                 = r->bad || !copy;
    return copy;
}

static void get_shape(struct reader *r, mxd_dtype *dtype, int32_t *rank, int64_t *dim)
{
    const uint8_t d = get_u8(r);
    *rank           = get_i32(r);
    *dtype          = d < MXD_DTYPE_COUNT ? (mxd_dtype)d : MXD_NONE;
    if (d >= MXD_DTYPE_COUNT || *rank < -1 || *rank > MXD_MAX_RANK)
        r->bad = true;
    else if (*rank > 0)
        get_into(r, dim, (size_t)*rank * sizeof(dim[0]));
}

static bool is_zero(const uint8_t *p, size_t n)
{
    for (size_t k = 0; k < n; k++)
        if (p[k])
            return false;
    return true;
}

/* Bytes of the data section that hold exactly such a tensor, with zeros up to the next one. */
static const void *get_data(struct reader *r, mxd_dtype dtype, int32_t rank, const int64_t *dim,
                            size_t *bytes)
{
    const uint64_t offset = get_u64(r), n = get_u64(r);
    int64_t        count;
    size_t         want;
    if (r->bad || offset % MXDI_ENGINE_ALIGN || offset > r->data.size ||
        n > r->data.size - offset || rank < 0 || dtype == MXD_NONE ||
        !mxdi_shape_count(&count, dim, rank) || !mxdi_dtype_bytes(&want, dtype, count) ||
        want != n) {
        r->bad = true;
        return NULL;
    }
    const size_t left = r->data.size - (size_t)offset - want,
                 pad  = (MXDI_ENGINE_ALIGN - want % MXDI_ENGINE_ALIGN) % MXDI_ENGINE_ALIGN;
    if (left < pad || !is_zero(r->data.data + offset + want, pad)) {
        r->bad = true;
        return NULL;
    }
    *bytes = want;
    return r->data.data + offset;
}

static mxd_status read_value(struct reader *r, mxd_error *err)
{
    uint32_t  id;
    mxd_value v = { .rank = -1, .batch_axis = -1 };
    v.name      = get_str(r);
    get_shape(r, &v.dtype, &v.rank, v.dim);
    const uint8_t constant = get_u8(r);
    r->bad                 = r->bad || constant > 1;
    if (constant)
        v.data = get_data(r, v.dtype, v.rank, v.dim, &v.bytes);
    if (r->bad)
        return MXD_OK;
    MXD_TRY(mxdi_graph_add_value(&id, r->g, v.name, NULL, err));
    v.name          = r->g->value[id].name;
    r->g->value[id] = v;
    return MXD_OK;
}

static mxd_status read_attr(struct reader *r, mxd_node *node, mxd_error *err)
{
    const char *const name = get_str(r);
    uint32_t          n;
    switch (get_u8(r)) {
    case MXD_ATTR_INT:
        return mxdi_node_set_int(r->g, node, name, (int64_t)get_u64(r), err);
    case MXD_ATTR_FLOAT: {
        float f;
        get_into(r, &f, sizeof(f));
        return mxdi_node_set_float(r->g, node, name, f, err);
    }
    case MXD_ATTR_STRING:
        return mxdi_node_set_string(r->g, node, name, get_str(r), err);
    case MXD_ATTR_INTS: {
        const int64_t *const v = get_array(r, &n, sizeof(int64_t));
        return r->bad ? MXD_OK : mxdi_node_set_ints(r->g, node, name, v, n, err);
    }
    case MXD_ATTR_FLOATS: {
        const float *const v = get_array(r, &n, sizeof(float));
        return r->bad ? MXD_OK : mxdi_node_set_floats(r->g, node, name, v, n, err);
    }
    case MXD_ATTR_TENSOR: {
        mxd_tensor t = { .data = NULL };
        size_t     bytes;
        get_shape(r, &t.dtype, &t.rank, t.dim);
        t.data = (void *)(uintptr_t)get_data(r, t.dtype, t.rank, t.dim, &bytes); /* only read */
        return r->bad ? MXD_OK : mxdi_node_set_tensor(r->g, node, name, &t, err);
    }
    default:
        r->bad = true;
        return MXD_OK;
    }
}

static void check_ids(struct reader *r, const uint32_t *id, uint32_t n, bool optional)
{
    for (uint32_t k = 0; k < n && !r->bad; k++)
        r->bad = id[k] >= r->g->n_values && !(optional && id[k] == MXD_NO_VALUE);
}

static mxd_status read_node(struct reader *r, mxd_error *err)
{
    uint32_t          n_in, n_out;
    const char *const name = get_str(r), *const op = get_str(r), *const domain = get_str(r);
    const int32_t         version = get_i32(r);
    const uint32_t *const in      = get_array(r, &n_in, sizeof(uint32_t));
    check_ids(r, in, n_in, true);
    const uint32_t *const out = get_array(r, &n_out, sizeof(uint32_t));
    check_ids(r, out, n_out, true);
    if (r->bad || op[0] == '\0' || n_out == 0) {
        r->bad = true;
        return MXD_OK;
    }
    mxd_node *node;
    MXD_TRY(mxdi_graph_add_node(&node, r->g, op, domain, name, in, n_in, out, n_out, err));
    node->version         = version;
    const uint32_t n_attr = get_count(r, 6);
    for (uint32_t k = 0; k < n_attr && !r->bad; k++)
        MXD_TRY(read_attr(r, node, err));
    const uint32_t n_origin = get_count(r, 4);
    node->n_origin          = 0;
    for (uint32_t k = 0; k < n_origin && !r->bad; k++) {
        const char *const origin = get_str(r);
        MXD_TRY(mxdi_node_add_origins(r->g, node, &origin, 1, err));
    }
    return MXD_OK;
}

static mxd_status read_ends(struct reader *r, mxd_error *err)
{
    uint32_t n;
    for (int output = 0; output < 2; output++) {
        const uint32_t *const id = get_array(r, &n, sizeof(uint32_t));
        check_ids(r, id, n, false);
        for (uint32_t k = 0; k < n && !r->bad; k++)
            MXD_TRY(output ? mxdi_graph_add_output(r->g, id[k], err)
                           : mxdi_graph_add_input(r->g, id[k], err));
    }
    n = get_count(r, 12);
    for (uint32_t k = 0; k < n && !r->bad; k++) {
        const uint32_t value = get_u32(r);
        const int32_t  axis  = get_i32(r);
        check_ids(r, &value, 1, false);
        const char *const name = get_str(r);
        if (!r->bad && (axis < 0 || axis >= r->g->value[value].rank))
            r->bad = true;
        if (!r->bad)
            MXD_TRY(mxdi_graph_add_symbol(r->g, value, axis, name, err));
    }
    n = get_count(r, 8);
    for (uint32_t k = 0; k < n && !r->bad; k++) {
        const char *const key = get_str(r), *const text = get_str(r);
        r->bad = r->bad || mxdi_graph_meta(r->g, key);
        MXD_TRY(mxdi_graph_set_meta(r->g, key, text, err));
    }
    return MXD_OK;
}

static mxd_status read_graph(struct reader *r, mxd_error *err)
{
    r->g->name  = get_str(r);
    r->g->opset = get_i32(r);
    uint32_t n  = get_count(r, 10);
    for (uint32_t k = 0; k < n && !r->bad; k++)
        MXD_TRY(read_value(r, err));
    n = get_count(r, 32);
    for (uint32_t k = 0; k < n && !r->bad; k++)
        MXD_TRY(read_node(r, err));
    MXD_TRY(read_ends(r, err));
    if (r->bad || r->at != r->graph.size)
        return mxdi_fail(err, MXD_E_PARSE, "engine file: the graph section is broken near byte %zu",
                         r->at);
    MXD_TRY(mxdi_graph_sort(r->g, err));
    return mxdi_graph_verify(r->g, err);
}

/* ---- header and metadata ---- */

/* The section at `field`, offset and bytes, behind `*end`, which moves to its own end; zeros stand
 * between. */
static mxd_status section(mxdi_view *out, size_t *end, mxdi_view file, const uint64_t *field,
                          const char *what, mxd_error *err)
{
    if (field[0] > file.size || field[1] > file.size - field[0])
        return mxdi_fail(err, MXD_E_PARSE, "engine file: the %s section lies outside the file",
                         what);
    if (field[0] < *end)
        return mxdi_fail(err, MXD_E_PARSE,
                         "engine file: the %s section begins at %llu, at %zu or later expected",
                         what, (unsigned long long)field[0], *end);
    if (!is_zero(file.data + *end, (size_t)field[0] - *end))
        return mxdi_fail(err, MXD_E_PARSE, "engine file: the gap before the %s section is not zero",
                         what);
    *out = (mxdi_view){ file.data + field[0], (size_t)field[1] };
    *end = (size_t)field[0] + (size_t)field[1];
    return MXD_OK;
}

static mxd_status open_sections(mxdi_view *meta, struct reader *r, mxdi_view file, mxd_error *err)
{
    uint32_t version[2];
    uint64_t field[7];
    size_t   end = MXDI_ENGINE_HEADER;
    if (file.size < MXDI_ENGINE_HEADER || memcmp(file.data, MXDI_ENGINE_MAGIC, 8) != 0)
        return mxdi_fail(err, MXD_E_PARSE, "not an engine file: no %s at its start",
                         MXDI_ENGINE_MAGIC);
    memcpy(version, file.data + 8, sizeof(version));
    memcpy(field, file.data + 16, sizeof(field));
    if (version[0] != MXDI_ENGINE_VERSION)
        return mxdi_fail(err, MXD_E_STALE,
                         "engine file of version %u, this mixdown reads %d; build it again",
                         version[0], MXDI_ENGINE_VERSION);
    if (version[1] != MXDI_ENGINE_HEADER)
        return mxdi_fail(
            err, MXD_E_PARSE,
            "engine file: a header of %d bytes expected, got %u; the file is damaged, build it again",
            MXDI_ENGINE_HEADER, version[1]);
    if (field[0] != file.size)
        return mxdi_fail(err, MXD_E_PARSE, "engine file: %s, %llu bytes expected, got %zu",
                         field[0] > file.size ? "cut short" : "too long",
                         (unsigned long long)field[0], file.size);
    const mxdi_hash sum = mxdi_engine_checksum(file);
    if (memcmp(file.data + MXDI_ENGINE_CHECKSUM, &sum.low, 8) != 0 ||
        memcmp(file.data + MXDI_ENGINE_CHECKSUM + 8, &sum.high, 8) != 0)
        return mxdi_fail(err, MXD_E_PARSE,
                         "engine file: checksum differs, the file is damaged; build it again");
    if (!is_zero(file.data + MXDI_ENGINE_FIELDS, MXDI_ENGINE_CHECKSUM - MXDI_ENGINE_FIELDS))
        return mxdi_fail(err, MXD_E_PARSE, "engine file: bytes %d to %d of the header are not zero",
                         MXDI_ENGINE_FIELDS, MXDI_ENGINE_CHECKSUM - 1);
    MXD_TRY(section(meta, &end, file, field + 1, "metadata", err));
    MXD_TRY(section(&r->graph, &end, file, field + 3, "graph", err));
    MXD_TRY(section(&r->data, &end, file, field + 5, "data", err));
    if (end != file.size)
        return mxdi_fail(err, MXD_E_PARSE, "engine file: %zu bytes behind the data",
                         file.size - end);
    return field[5] % MXDI_ENGINE_ALIGN
               ? mxdi_fail(err, MXD_E_PARSE, "engine file: data not aligned")
               : MXD_OK;
}

static mxd_status read_shapes(mxdi_build_options *o, mxdi_arena *arena, const json_t *shapes,
                              mxd_error *err)
{
    const char               *name;
    json_t                   *dims;
    mxdi_shape_binding *const b = MXDI_NEW(arena, mxdi_shape_binding, json_object_size(shapes) + 1);
    if (!b)
        return mxdi_nomem(err);
    o->shape = b;
    json_object_foreach((json_t *)(uintptr_t)shapes, name, dims)
    {
        mxdi_shape_binding *const s = &b[o->n_shapes++];
        if (json_array_size(dims) > MXD_MAX_RANK)
            return mxdi_fail(err, MXD_E_PARSE, "engine file: shape of '%s'", name);
        s->name = mxdi_arena_strdup(arena, name);
        if (!s->name)
            return mxdi_nomem(err);
        s->rank = (int32_t)json_array_size(dims);
        for (int32_t d = 0; d < s->rank; d++)
            s->dim[d] = json_integer_value(json_array_get(dims, (size_t)d));
    }
    return MXD_OK;
}

/* None where the key is missing: nothing was timed. */
static mxd_status read_choices(mxdi_build_options *o, mxdi_arena *arena, const json_t *choices,
                               mxd_error *err)
{
    mxdi_choices *const list = MXDI_NEW(arena, mxdi_choices, 1);
    if (!list)
        return mxdi_nomem(err);
    list->arena = arena;
    o->choices  = list;
    return choices ? mxdi_wrap(err, mxdi_choices_read(list, choices, false, err), "engine file")
                   : MXD_OK;
}

static mxd_status read_options(mxdi_build_options *o, char model_hash[33], mxdi_arena *arena,
                               mxdi_view meta, mxd_error *err)
{
    json_t *m = NULL;
    MXD_TRY(mxdi_json_parse(&m, meta, err));
    const json_t *const      batch   = json_object_get(m, "batch");
    const char *const        backend = json_string_value(json_object_get(m, "backend")),
                      *const isa     = json_string_value(json_object_get(m, "isa"));
    const char *const        hash    = json_string_value(json_object_get(m, "model_hash"));
    mxd_status               st      = MXD_OK;
    if (!backend || json_array_size(batch) > MXDI_MAX_PLANS || !hash || strlen(hash) > 32)
        st =
            mxdi_fail(err, MXD_E_PARSE, "engine file: metadata lacks backend, batch or model_hash");
    *o = (mxdi_build_options){ .threads =
                                   (uint32_t)json_integer_value(json_object_get(m, "threads")),
                               .exact = json_is_true(json_object_get(m, "exact")),
                               .timed = json_is_true(json_object_get(m, "timed")),
                               .workspace_cap =
                                   (size_t)json_integer_value(json_object_get(m, "workspace")) };
    for (size_t k = 0; st == MXD_OK && k < json_array_size(batch); k++)
        o->batch[o->n_batches++] = json_integer_value(json_array_get(batch, k));
    if (st == MXD_OK) {
        memcpy(model_hash, hash, strlen(hash) + 1);
        o->backend = mxdi_arena_strdup(arena, backend);
        o->isa     = isa ? mxdi_arena_strdup(arena, isa) : NULL;
        st         = o->backend && (o->isa || !isa)
                         ? read_shapes(o, arena, json_object_get(m, "shapes"), err)
                         : mxdi_nomem(err);
    }
    if (st == MXD_OK)
        st = read_choices(o, arena, json_object_get(m, "choices"), err);
    json_decref(m);
    return st;
}

/* ---- loading ---- */

static void release_file(void *backing)
{
    mxdi_file_unmap(backing);
    free(backing);
}

bool mxdi_engine_is_file(const char *path)
{
    mxdi_file f = MXDI_FILE_INIT;
    if (mxdi_file_map(&f, path, NULL) != MXD_OK)
        return false;
    const bool is = f.bytes.size >= 8 && memcmp(f.bytes.data, MXDI_ENGINE_MAGIC, 8) == 0;
    mxdi_file_unmap(&f);
    return is;
}

mxd_status mxdi_engine_parse(mxdi_graph **out, mxdi_build_options *options, char model_hash[33],
                             mxdi_view file, const mxd_allocator *alloc, mxd_error *err)
{
    struct reader r = { .at = 0 };
    mxdi_view     meta;
    *out = NULL;
    MXD_TRY(open_sections(&meta, &r, file, err));
    MXD_TRY(mxdi_graph_create(&r.g, alloc, err));
    mxd_status st = read_options(options, model_hash, &r.g->arena, meta, err);
    if (st == MXD_OK)
        st = read_graph(&r, err);
    if (st != MXD_OK) {
        mxdi_graph_destroy(r.g);
        return st;
    }
    *out = r.g;
    return MXD_OK;
}

mxd_status mxdi_engine_load(mxdi_engine **out, const char *path, const char *backend,
                            const char *isa, const mxdi_registry *registry,
                            const mxd_allocator *alloc, mxd_error *err)
{
    mxdi_build_options options;
    mxdi_graph        *graph    = NULL;
    char               hash[33] = "";
    *out                        = NULL;
    mxdi_file *const file       = malloc(sizeof(*file));
    if (!file)
        return mxdi_nomem(err);
    *file         = (mxdi_file)MXDI_FILE_INIT;
    mxd_status st = mxdi_file_map(file, path, err);
    if (st == MXD_OK)
        st = mxdi_wrap(err, mxdi_engine_parse(&graph, &options, hash, file->bytes, alloc, err),
                       "%s", path);
    if (st != MXD_OK) {
        release_file(file);
        return st;
    }
    graph->backing         = file;
    graph->release_backing = release_file;
    options.backend        = backend ? backend : options.backend;
    options.isa            = isa ? isa : options.isa;
    st                     = mxdi_engine_build(out, graph, &options, registry, alloc, err);
    if (st != MXD_OK)
        return mxdi_wrap(err, st, "%s", path);
    memcpy((*out)->model_hash, hash, sizeof(hash));
    return MXD_OK;
}
