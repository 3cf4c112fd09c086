/* SPDX-License-Identifier: Apache-2.0
 *
 * Calibration files of the project: {"mixdown_calibration": 1, "method", "samples", "tensors":
 * [{name, min, max, low, high, histogram, channels}]}. Numbers read back as they were written, so a
 * saved calibration quantizes to the same bits. NNI's files go to calibration_nni.c.
 */
#include <math.h>

#include "base/file.h"
#include "base/json.h"
#include "quant/calibration.h"

/* Non-empty bins as [first bin, counts ...]. */
static json_t *histogram_json(const mxdi_observer *o)
{
    int64_t counts[MXDI_BINS];
    size_t  n     = 0;
    int     first = 0, last = MXDI_BINS - 1;
    while (first < MXDI_BINS && !o->bin[first])
        first++;
    while (last > first && !o->bin[last])
        last--;
    for (int k = first; k <= last; k++)
        counts[n++] = (int64_t)o->bin[k];
    return json_pack("{s:f, s:i, s:o}", "limit", o->limit, "first", first, "counts",
                     mxdi_json_integers(counts, n));
}

static json_t *channels_json(const mxdi_tensor_stats *t)
{
    json_t *const list = json_array();
    for (uint32_t k = 0; k < t->channels; k++)
        if (json_array_append_new(
                list, json_pack("[f, f, f]", (double)t->channel_min[k], (double)t->channel_max[k],
                                t->per_channel ? t->channel_sum[k] / (double)t->per_channel
                                               : 0.0)) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

/* {input: [dims]}, -1 for the batch. */
static json_t *inputs_json(const mxdi_calibration *c)
{
    json_t *const map = json_object();
    for (uint32_t k = 0; k < c->n_inputs; k++) {
        json_t *const name = mxdi_json_text(c->input[k].name), *const dims = mxdi_json_integers(
                                                                   c->input[k].dim,
                                                                   (size_t)c->input[k].rank);
        const bool bad = json_object_set_new(map, name ? json_string_value(name) : NULL, dims) != 0;
        json_decref(name);
        if (bad) {
            json_decref(map);
            return NULL;
        }
    }
    return map;
}

static json_t *tensor_json(const mxdi_tensor_stats *t)
{
    json_t *const row = json_pack("{s:o, s:f, s:f, s:f, s:f}", "name", mxdi_json_text(t->name),
                                  "min", (double)t->min, "max", (double)t->max, "low",
                                  (double)t->low, "high", (double)t->high);
    if ((t->observer && json_object_set_new(row, "histogram", histogram_json(t->observer)) != 0) ||
        (t->channel_min && json_object_set_new(row, "channels", channels_json(t)) != 0)) {
        json_decref(row);
        return NULL;
    }
    return row;
}

mxd_status mxdi_calibration_save(const mxdi_calibration *c, const char *path, mxd_error *err)
{
    if (c->n_modules)
        return mxdi_fail(
            err, MXD_E_UNSUPPORTED,
            "%s: this calibration tells of modules, as NNI's files do; only one of tensors is written",
            path);
    json_t *const tensors = json_array();
    bool          ok      = tensors != NULL;
    for (uint32_t k = 0; k < c->n_tensors && ok; k++)
        ok = json_array_append_new(tensors, tensor_json(&c->tensor[k])) == 0;
    json_t *const root  = json_pack("{s:i, s:s, s:I, s:o, s:o}", "mixdown_calibration", 1, "method",
                                    mxdi_method_name(c->method), "samples", (json_int_t)c->samples,
                                    "inputs", inputs_json(c), "tensors", tensors);
    const mxd_status st = ok && root ? mxdi_json_save(root, path, err) : mxdi_nomem(err);
    json_decref(root);
    return st;
}

/* ---- reading ---- */

static bool finite_number(float *out, const json_t *object, const char *key)
{
    const json_t *const v = json_object_get(object, key);
    *out                  = (float)json_number_value(v);
    return json_is_number(v) && isfinite(*out);
}

static mxd_status read_histogram(mxdi_tensor_stats *t, mxdi_arena *arena, const json_t *h,
                                 mxd_error *err)
{
    const json_t *const counts = json_object_get(h, "counts");
    const json_int_t    first  = json_integer_value(json_object_get(h, "first"));
    const size_t        n      = json_array_size(counts);
    t->observer                = MXDI_NEW(arena, mxdi_observer, 1);
    if (!t->observer)
        return mxdi_nomem(err);
    t->observer->limit = json_number_value(json_object_get(h, "limit"));
    t->observer->min   = t->min;
    t->observer->max   = t->max;
    if (first < 0 || n > MXDI_BINS || (size_t)first + n > MXDI_BINS || !(t->observer->limit >= 0.0))
        return mxdi_fail(err, MXD_E_INVAL,
                         "tensor '%s': histogram of %d bins within a limit expected", t->name,
                         MXDI_BINS);
    for (size_t k = 0; k < n; k++) {
        const json_int_t count = json_integer_value(json_array_get(counts, k));
        if (count < 0)
            return mxdi_fail(err, MXD_E_INVAL, "tensor '%s': histogram with a negative count",
                             t->name);
        t->observer->bin[(size_t)first + k] = (uint64_t)count;
        t->observer->count += (uint64_t)count;
    }
    return MXD_OK;
}

static mxd_status read_channels(mxdi_tensor_stats *t, mxdi_arena *arena, const json_t *list,
                                mxd_error *err)
{
    t->channels    = (uint32_t)json_array_size(list);
    t->channel_min = MXDI_NEW(arena, float, t->channels + 1);
    t->channel_max = MXDI_NEW(arena, float, t->channels + 1);
    t->channel_sum = MXDI_NEW(arena, double, t->channels + 1);
    if (!t->channel_min || !t->channel_max || !t->channel_sum)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < t->channels; k++) {
        const json_t *const c = json_array_get(list, k);
        t->channel_min[k]     = (float)json_number_value(json_array_get(c, 0));
        t->channel_max[k]     = (float)json_number_value(json_array_get(c, 1));
        t->channel_sum[k]     = json_number_value(json_array_get(c, 2));
    }
    t->per_channel = 1; /* sums are means here */
    return MXD_OK;
}

static mxd_status read_tensor(mxdi_calibration *c, const json_t *row, mxd_error *err)
{
    mxdi_tensor_stats *const t    = &c->tensor[c->n_tensors++];
    const char *const        name = json_string_value(json_object_get(row, "name"));
    const json_t *const histogram = json_object_get(row, "histogram"), *const channels =
                                                                           json_object_get(
                                                                               row, "channels");
    if (!name)
        return mxdi_fail(err, MXD_E_INVAL, "tensor %u: a name expected", c->n_tensors - 1);
    t->name = mxdi_arena_strdup(&c->arena, name);
    if (!t->name)
        return mxdi_nomem(err);
    if (!finite_number(&t->min, row, "min") || !finite_number(&t->max, row, "max") ||
        !finite_number(&t->low, row, "low") || !finite_number(&t->high, row, "high") ||
        t->min > t->max || t->low > t->high)
        return mxdi_fail(err, MXD_E_INVAL,
                         "tensor '%s': finite min <= max and low <= high expected", name);
    if (histogram)
        MXD_TRY(read_histogram(t, &c->arena, histogram, err));
    return channels ? read_channels(t, &c->arena, channels, err) : MXD_OK;
}

static mxd_status read_inputs(mxdi_calibration *c, const json_t *map, mxd_error *err)
{
    const char *name;
    json_t     *dims;
    c->input = MXDI_NEW(&c->arena, mxdi_shape_binding, json_object_size(map) + 1);
    if (!c->input)
        return mxdi_nomem(err);
    json_object_foreach((json_t *)(uintptr_t)map, name, dims)
    {
        mxdi_shape_binding *const b = &c->input[c->n_inputs++];
        b->name                     = mxdi_arena_strdup(&c->arena, name);
        if (!b->name)
            return mxdi_nomem(err);
        if (json_array_size(dims) > MXD_MAX_RANK)
            return mxdi_fail(err, MXD_E_INVAL, "input '%s': at most %d dimensions expected", name,
                             MXD_MAX_RANK);
        b->rank = (int32_t)json_array_size(dims);
        for (int32_t d = 0; d < b->rank; d++)
            b->dim[d] = json_integer_value(json_array_get(dims, (size_t)d));
    }
    return MXD_OK;
}

static mxd_status read_own(mxdi_calibration *c, const json_t *root, mxd_error *err)
{
    const json_t *const tensors = json_object_get(root, "tensors");
    const char *const   method  = json_string_value(json_object_get(root, "method"));
    const int           m       = method ? mxdi_method_parse(method) : -1;
    if (json_integer_value(json_object_get(root, "mixdown_calibration")) != 1 ||
        !json_is_array(tensors) || m < 0)
        return mxdi_fail(
            err, MXD_E_INVAL,
            "a calibration of version 1 with method and tensors expected, or NNI's calibration_config");
    c->method  = (mxdi_method)m;
    c->samples = json_integer_value(json_object_get(root, "samples"));
    MXD_TRY(read_inputs(c, json_object_get(root, "inputs"), err));
    c->tensor = MXDI_NEW(&c->arena, mxdi_tensor_stats, json_array_size(tensors) + 1);
    if (!c->tensor)
        return mxdi_nomem(err);
    for (size_t k = 0; k < json_array_size(tensors); k++)
        MXD_TRY(read_tensor(c, json_array_get(tensors, k), err));
    return MXD_OK;
}

mxd_status mxdi_calibration_parse(mxdi_calibration **out, mxdi_view json,
                                  const mxd_allocator *alloc, mxd_error *err)
{
    json_t *root = NULL;
    *out         = NULL;
    MXD_TRY(mxdi_json_parse(&root, json, err));
    mxdi_calibration *const c  = MXDI_ALLOC(alloc, mxdi_calibration, 1);
    mxd_status              st = c ? MXD_OK : mxdi_nomem(err);
    if (c) {
        mxdi_arena_init(&c->arena, alloc);
        st = mxdi_calibration_is_nni(root) ? mxdi_calibration_read_nni(c, root, err)
                                           : read_own(c, root, err);
    }
    json_decref(root);
    if (st == MXD_OK)
        *out = c;
    else
        mxdi_calibration_destroy(c);
    return st;
}

mxd_status mxdi_calibration_load(mxdi_calibration **out, const char *path,
                                 const mxd_allocator *alloc, mxd_error *err)
{
    mxdi_file file = MXDI_FILE_INIT;
    *out           = NULL;
    MXD_TRY(mxdi_file_map(&file, path, err));
    const mxd_status st = mxdi_calibration_parse(out, file.bytes, alloc, err);
    mxdi_file_unmap(&file);
    return mxdi_wrap(err, st, "%s", path);
}
