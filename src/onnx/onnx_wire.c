/* SPDX-License-Identifier: Apache-2.0
 *
 * From bytes to messages. The wire format is walked once before protobuf-c sees it: protobuf-c lets
 * some malformed input pass, says nothing of what is wrong with the rest, and merges messages that
 * are given again in time proportional to all that came before. After the walk only memory can be
 * missing.
 */
#include "onnx/onnx_impl.h"

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };
enum { MOST_MERGES = 8 }; /* times that a message which occurs once may be continued */

typedef struct walk {
    const uint8_t *begin; /* of the file */
    mxd_error     *err;
} walk;

typedef struct field {
    uint32_t  number, wire;
    mxdi_view payload; /* of BYTES */
} field;

static mxd_status malformed(const walk *w, const uint8_t *at, const char *message, const char *what)
{
    return mxdi_fail(w->err, MXD_E_PARSE, "not an ONNX file: byte %zu: %s: %s",
                     (size_t)(at - w->begin), message, what);
}

static bool read_varint(uint64_t *out, mxdi_view *rest)
{
    *out = 0;
    for (size_t k = 0; k < rest->size && k < 10; k++) {
        *out |= (uint64_t)(rest->data[k] & 0x7f) << (7 * k);
        if (rest->data[k] < 0x80) {
            *rest = (mxdi_view){ rest->data + k + 1, rest->size - k - 1 };
            return true;
        }
    }
    return false;
}

static bool skip(mxdi_view *rest, uint64_t n)
{
    if (n > rest->size)
        return false;
    *rest = (mxdi_view){ rest->data + n, rest->size - (size_t)n };
    return true;
}

/* The next field of a message that is not at its end; what is wrong with it, or NULL. */
static const char *next_field(field *f, mxdi_view *rest)
{
    uint64_t tag = 0, n = 0;
    if (!read_varint(&tag, rest) || tag > UINT32_MAX)
        return "expected the tag of a field";
    f->number = (uint32_t)tag >> 3;
    f->wire   = (uint32_t)tag & 7;
    if (f->number == 0)
        return "expected a field, got number 0";
    switch (f->wire) {
    case VARINT:
        return read_varint(&n, rest) ? NULL : "the integer does not end";
    case FIXED64:
        return skip(rest, 8) ? NULL : "the file ends inside a number";
    case FIXED32:
        return skip(rest, 4) ? NULL : "the file ends inside a number";
    case BYTES:
        if (!read_varint(&n, rest))
            return "the length does not end";
        f->payload = (mxdi_view){ rest->data, (size_t)n };
        return n <= INT32_MAX && skip(rest, n) ? NULL : "the length runs past the end";
    default:
        return "expected wire type 0, 1, 2 or 5";
    }
}

static uint32_t wire_of(const ProtobufCFieldDescriptor *d)
{
    switch (d->type) {
    case PROTOBUF_C_TYPE_FLOAT:
        return FIXED32;
    case PROTOBUF_C_TYPE_DOUBLE:
        return FIXED64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return BYTES;
    default:
        return VARINT;
    }
}

/* Numbers one after the other fill the payload exactly. */
static bool packed_is_whole(mxdi_view payload, uint32_t wire)
{
    uint64_t ignored = 0;
    if (wire != VARINT)
        return payload.size % (wire == FIXED32 ? 4 : 8) == 0;
    while (payload.size > 0)
        if (!read_varint(&ignored, &payload))
            return false;
    return true;
}

/* Recursion ends with the schema, in which no message contains itself.
 * NOLINTNEXTLINE(misc-no-recursion) */
static mxd_status check_message(const walk *w, mxdi_view rest,
                                const ProtobufCMessageDescriptor *type)
{
    unsigned merges = 0;
    while (rest.size > 0) {
        const uint8_t *const at    = rest.data;
        field                f     = { 0, 0, { NULL, 0 } };
        const char *const    wrong = next_field(&f, &rest);
        if (wrong)
            return malformed(w, at, type->short_name, wrong);
        const ProtobufCFieldDescriptor *const d =
            protobuf_c_message_descriptor_get_field(type, f.number);
        if (!d)
            continue;
        const bool packed =
            f.wire == BYTES && wire_of(d) != BYTES && d->label == PROTOBUF_C_LABEL_REPEATED;
        if (packed ? !packed_is_whole(f.payload, wire_of(d)) : f.wire != wire_of(d))
            return malformed(w, at, d->name, "the wire type does not fit the field");
        if (d->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        if (d->label != PROTOBUF_C_LABEL_REPEATED && ++merges > MOST_MERGES)
            return malformed(w, at, d->name, "given again too often");
        MXD_TRY(check_message(w, f.payload, d->descriptor));
    }
    return MXD_OK;
}

static void *arena_alloc(void *arena, size_t size)
{
    return mxdi_arena_alloc(arena, size > 0 ? size : 1, 1, size < 64 ? 16 : 64);
}

static void arena_keeps(void *arena, void *p)
{
    (void)arena;
    (void)p;
}

mxd_status mxdi_onnx_unpack(ProtobufCMessage **out, const ProtobufCMessageDescriptor *type,
                            mxdi_view bytes, mxdi_arena *arena, mxd_error *err)
{
    ProtobufCAllocator alloc = { arena_alloc, arena_keeps, arena };
    if (bytes.size == 0)
        return mxdi_fail(err, MXD_E_PARSE, "not an ONNX file: it is empty");
    MXD_TRY(check_message(&(walk){ bytes.data, err }, bytes, type));
    *out = protobuf_c_message_unpack(type, &alloc, bytes.size, bytes.data);
    return *out ? MXD_OK : mxdi_nomem(err);
}
