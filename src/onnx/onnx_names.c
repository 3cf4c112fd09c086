/* SPDX-License-Identifier: Apache-2.0
 *
 * Names to numbers: open addressing, at most half full.
 */
#include "base/hash.h"
#include "onnx/onnx_impl.h"

/* Where `key` is, or the free place where it belongs. */
static size_t place_of(const mxdi_onnx_names *names, const char *key)
{
    size_t at = (size_t)mxdi_hash_bytes(key, strlen(key)).low & (names->cap - 1);
    while (names->key[at] && strcmp(names->key[at], key) != 0)
        at = (at + 1) & (names->cap - 1);
    return at;
}

static bool grow(mxdi_onnx_names *names)
{
    mxdi_onnx_names more = { .cap   = names->cap ? 2 * names->cap : 64,
                             .n     = names->n,
                             .alloc = names->alloc };
    more.key             = MXDI_ALLOC(names->alloc, const char *, more.cap);
    more.number          = MXDI_ALLOC(names->alloc, uint32_t, more.cap);
    if (!more.key || !more.number) {
        mxdi_onnx_names_free(&more);
        return false;
    }
    for (size_t k = 0; k < names->cap; k++)
        if (names->key[k]) {
            const size_t at = place_of(&more, names->key[k]);
            more.key[at]    = names->key[k];
            more.number[at] = names->number[k];
        }
    mxdi_onnx_names_free(names);
    *names = more;
    return true;
}

uint32_t *mxdi_onnx_names_find(const mxdi_onnx_names *names, const char *key)
{
    if (names->cap == 0)
        return NULL;
    const size_t at = place_of(names, key);
    return names->key[at] ? &names->number[at] : NULL;
}

bool mxdi_onnx_names_put(mxdi_onnx_names *names, const char *key, uint32_t number)
{
    if (2 * (names->n + 1) > names->cap && !grow(names))
        return false;
    const size_t at   = place_of(names, key);
    names->key[at]    = key;
    names->number[at] = number;
    names->n++;
    return true;
}

void mxdi_onnx_names_free(mxdi_onnx_names *names)
{
    mxdi_free(names->alloc, names->key);
    mxdi_free(names->alloc, names->number);
    *names = (mxdi_onnx_names){ .alloc = names->alloc };
}
