/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX test sets: DIR/test_data_set_K/input_I.pb, each a TensorProto. The few fields of that
 * message are read here by hand (protobuf wire format: a varint key of field number and wire type,
 * then the value), so that data sets need nothing of the model importer.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/error.h"
#include "data/data_impl.h"

/* TensorProto of onnx.proto3. */
enum field {
    DIMS          = 1,
    DATA_TYPE     = 2,
    FLOAT_DATA    = 4,
    INT32_DATA    = 5,
    INT64_DATA    = 7,
    NAME          = 8,
    RAW_DATA      = 9,
    DOUBLE_DATA   = 10,
    UINT64_DATA   = 11,
    DATA_LOCATION = 14
};
enum wire { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

/* TensorProto.DataType, and the field that holds elements where raw_data does not. */
static const struct type_row {
    mxd_dtype  dtype;
    enum field field;
} types[] = {
    [1] = { MXD_F32, FLOAT_DATA },   [2] = { MXD_U8, INT32_DATA },
    [3] = { MXD_S8, INT32_DATA },    [4] = { MXD_U16, INT32_DATA },
    [5] = { MXD_S16, INT32_DATA },   [6] = { MXD_S32, INT32_DATA },
    [7] = { MXD_S64, INT64_DATA },   [9] = { MXD_BOOL, INT32_DATA },
    [10] = { MXD_F16, INT32_DATA },  [11] = { MXD_F64, DOUBLE_DATA },
    [16] = { MXD_BF16, INT32_DATA }, [17] = { MXD_F8E4M3, INT32_DATA },
};

/* One field of a message: its bytes, or its number. */
struct item {
    uint32_t  number, wire;
    uint64_t  value; /* of VARINT, FIXED64 and FIXED32 */
    mxdi_view bytes; /* of BYTES */
};

static bool take_varint(mxdi_view *in, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; shift < 64 && in->size; shift += 7) {
        const uint8_t b = *in->data++;
        in->size--;
        *out |= (uint64_t)(b & 0x7Fu) << shift;
        if (b < 0x80)
            return true;
    }
    return false;
}

static bool take_fixed(mxdi_view *in, uint64_t *out, size_t n)
{
    if (in->size < n)
        return false;
    *out = 0;
    memcpy(out, in->data, n);
    in->data += n;
    in->size -= n;
    return true;
}

static bool take_item(mxdi_view *in, struct item *out)
{
    uint64_t key;
    if (!take_varint(in, &key) || key > UINT32_MAX)
        return false;
    out->number = (uint32_t)key >> 3;
    out->wire   = (uint32_t)key & 7u;
    out->bytes  = (mxdi_view){ NULL, 0 };
    switch (out->wire) {
    case VARINT:
        return take_varint(in, &out->value);
    case FIXED64:
        return take_fixed(in, &out->value, 8);
    case FIXED32:
        return take_fixed(in, &out->value, 4);
    case BYTES:
        if (!take_varint(in, &out->value) || out->value > in->size)
            return false;
        out->bytes = (mxdi_view){ in->data, (size_t)out->value };
        in->data += out->value;
        in->size -= (size_t)out->value;
        return true;
    default:
        return false;
    }
}

/* What is gathered from one message. Elements outside raw_data may be packed or come one by one. */
struct proto {
    mxd_tensor t;
    uint64_t   type, location;
    mxdi_view  name, raw;
    bool       has_raw;
    int64_t    count, filled; /* elements that the shape asks for, and that came */
};

static bool add_dim(struct proto *p, uint64_t v)
{
    if (p->t.rank == MXD_MAX_RANK || v > INT64_MAX)
        return false;
    p->t.dim[p->t.rank++] = (int64_t)v;
    return true;
}

/* The first pass: everything but the elements. */
static mxd_status scan(struct proto *p, mxdi_view in, mxd_error *err)
{
    struct item it;
    bool        ok = true;
    while (in.size && ok) {
        ok = take_item(&in, &it);
        if (!ok)
            break;
        if (it.number == DIMS && it.wire == VARINT) {
            ok = add_dim(p, it.value);
        } else if (it.number == DIMS && it.wire == BYTES) {
            for (uint64_t v; ok && it.bytes.size;)
                ok = take_varint(&it.bytes, &v) && add_dim(p, v);
        } else if (it.number == DATA_TYPE && it.wire == VARINT) {
            p->type = it.value;
        } else if (it.number == DATA_LOCATION && it.wire == VARINT) {
            p->location = it.value;
        } else if (it.number == NAME && it.wire == BYTES) {
            p->name = it.bytes;
        } else if (it.number == RAW_DATA && it.wire == BYTES) {
            p->raw     = it.bytes;
            p->has_raw = true;
        }
    }
    return ok ? MXD_OK
              : mxdi_fail(err, MXD_E_PARSE, "expected a TensorProto: cut short or not one");
}

/* One element as the wire has it: integers as they are, floats as their bits. */
static void put(struct proto *p, uint64_t v)
{
    const unsigned bytes = mxd_dtype_bits(p->t.dtype) / 8;
    if (p->filled < p->count) /* little-endian: the low bytes are the element */
        memcpy((uint8_t *)p->t.data + (size_t)p->filled * bytes, &v, bytes);
    p->filled++;
}

/* The second pass: elements of the typed field. */
static bool gather(struct proto *p, mxdi_view in, enum field field)
{
    const size_t fixed = field == FLOAT_DATA ? 4 : field == DOUBLE_DATA ? 8 : 0;
    struct item  it;
    uint64_t     v;
    while (in.size) {
        if (!take_item(&in, &it))
            return false;
        if (it.number != (uint32_t)field)
            continue;
        if (it.wire != BYTES)
            put(p, it.value);
        while (it.bytes.size) {
            if (!(fixed ? take_fixed(&it.bytes, &v, fixed) : take_varint(&it.bytes, &v)))
                return false;
            put(p, v);
        }
    }
    return true;
}

static mxd_status parse(struct proto *p, mxdi_view in, mxdi_arena *arena, mxd_error *err)
{
    size_t bytes;
    MXD_TRY(scan(p, in, err));
    if (p->location)
        return mxdi_fail(err, MXD_E_UNSUPPORTED,
                         "expected the data inside the file, got external data");
    if (p->type >= sizeof(types) / sizeof(types[0]) || types[p->type].dtype == MXD_NONE)
        return mxdi_fail(err, MXD_E_UNSUPPORTED, "element type %llu is not read",
                         (unsigned long long)p->type);
    p->t.dtype = types[p->type].dtype;
    if (!mxdi_shape_count(&p->count, p->t.dim, p->t.rank) || !mxdi_tensor_bytes(&bytes, &p->t))
        return mxdi_fail(err, MXD_E_RANGE, "dimensions too large");
    if (p->has_raw) {
        if (p->raw.size != bytes)
            return mxdi_fail(err, MXD_E_PARSE, "expected %zu bytes of data, got %zu", bytes,
                             p->raw.size);
        p->t.data = (void *)(uintptr_t)p->raw.data;
        return MXD_OK;
    }
    if ((uint64_t)p->count >
        in.size) /* an element takes a byte or more: checked before memory is asked for */
        return mxdi_fail(err, MXD_E_PARSE, "expected %lld elements, got fewer: cut short",
                         (long long)p->count);
    p->t.data = mxdi_arena_alloc(arena, bytes, 1, 8);
    if (!p->t.data)
        return mxdi_nomem(err);
    if (!gather(p, in, types[p->type].field) || p->filled != p->count)
        return mxdi_fail(err, MXD_E_PARSE, "expected %lld elements, got %lld", (long long)p->count,
                         (long long)p->filled);
    return MXD_OK;
}

/* Sample `at` of the sets: field i takes what input_i.pb holds. */
static mxd_status add_input(mxdi_data *d, uint32_t i, uint32_t set, const char *path,
                            mxd_error *err)
{
    mxdi_data_field *const f = &d->field[i];
    struct proto           p = { .type = 0 };
    mxdi_view              file;
    MXD_TRY(mxdi_data_hold(d, &file, path, err));
    const mxd_status st = parse(&p, file, &d->arena, err);
    if (st != MXD_OK)
        return mxdi_wrap(err, st, "%s", path);
    if (set == 0) {
        const char *const name =
            p.name.size ? mxdi_arena_strndup(&d->arena, (const char *)p.name.data, p.name.size)
                        : NULL;
        if (p.name.size && !name)
            return mxdi_nomem(err);
        MXD_TRY(mxdi_data_field_from(d, i, name, &p.t, path, err));
        f->keep = !mxdi_dtype_is_float(p.t.dtype);
        return MXD_OK;
    }
    bool same = p.t.dtype == f->stored && p.t.rank == f->as.rank + 1;
    for (int32_t k = 0; same && k < f->as.rank; k++)
        same = p.t.dim[k + 1] == f->as.dim[k];
    const int64_t n = p.t.rank ? p.t.dim[0] : 1;
    if (!same || (i && n != d->field[0].segment[set].n))
        return mxdi_fail(err, MXD_E_SHAPE, "%s: expected the type and shape of test_data_set_0's",
                         path);
    f->segment[f->n_segments++] = (mxdi_data_segment){ p.t.data, f->segment[0].stride, n };
    return MXD_OK;
}

static bool exists(char *path, size_t size, const char *dir, uint32_t set, uint32_t input)
{
    const int n = snprintf(path, size, "%s/test_data_set_%u/input_%u.pb", dir, set, input);
    return n > 0 && (size_t)n < size && mxdi_path_exists(path);
}

mxd_status mxdi_data_open_onnx(mxdi_data *d, mxd_error *err)
{
    const char *const dir = d->spec.file[0];
    char              path[PATH_MAX];
    uint32_t          n_sets = 0, n_inputs = 0;
    while (exists(path, sizeof(path), dir, n_sets, 0))
        n_sets++;
    while (exists(path, sizeof(path), dir, 0, n_inputs))
        n_inputs++;
    if (n_sets == 0)
        return mxdi_fail(err, MXD_E_IO, "%s: expected a folder with test_data_set_0/input_0.pb",
                         dir);
    MXD_TRY(mxdi_data_make_fields(d, n_inputs, n_sets, err));
    for (uint32_t set = 0; set < n_sets; set++)
        for (uint32_t i = 0; i < n_inputs; i++) {
            (void)exists(path, sizeof(path), dir, set, i);
            MXD_TRY(add_input(d, i, set, path, err));
        }
    d->stored = 0;
    for (uint32_t set = 0; set < n_sets; set++)
        d->stored += d->field[0].segment[set].n;
    return MXD_OK;
}
