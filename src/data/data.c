/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening a data set and reading scaled samples of it. Files of any kind were brought into one form
 * before (data_impl.h); order, layout, channel order and scaling are the same for all of them.
 */
#include "data/data.h"

#include <assert.h>
#include <string.h>

#include "base/dtype.h"
#include "base/error.h"
#include "base/rng.h"
#include "data/data_impl.h"

static mxd_status (*const openers[])(mxdi_data *d, mxd_error *err) = {
    [MXDI_DATA_FASHION] = mxdi_data_open_idx,     [MXDI_DATA_IDX] = mxdi_data_open_idx,
    [MXDI_DATA_CIFAR10] = mxdi_data_open_cifar10, [MXDI_DATA_NPY] = mxdi_data_open_npy,
    [MXDI_DATA_NPZ] = mxdi_data_open_npz,         [MXDI_DATA_IMAGES] = mxdi_data_open_images,
    [MXDI_DATA_ONNX] = mxdi_data_open_onnx,
};
_Static_assert(sizeof(openers) / sizeof(openers[0]) == MXDI_DATA_KINDS, "every kind opens");

static bool is_nhwc(const mxdi_data *d)
{
    return d->spec.nhwc || d->picture;
}

/* The stored dimensions become those delivered: shape= and layout= applied. */
static mxd_status shape_field(const mxdi_data *d, mxdi_data_input *in, mxd_error *err)
{
    const mxdi_data_spec *const s = &d->spec;
    int64_t                     stored, wanted;
    if (is_nhwc(d) && in->rank >= 2) {
        const int64_t c = in->dim[in->rank - 1];
        for (int32_t i = in->rank - 1; i > 0; i--)
            in->dim[i] = in->dim[i - 1];
        in->dim[0] = c;
    }
    if (s->n_shape && !d->picture) { /* what a picture has was compared when it was sized */
        const bool fits = mxdi_shape_count(&stored, in->dim, in->rank) &&
                          mxdi_shape_count(&wanted, s->shape, (int32_t)s->n_shape) &&
                          stored == wanted;
        if (!fits)
            return mxdi_fail(err, MXD_E_SHAPE,
                             "shape: expected %lld elements per sample, as in the file",
                             (long long)stored);
        in->rank = (int32_t)s->n_shape;
        memcpy(in->dim, s->shape, sizeof(in->dim));
    }
    return MXD_OK;
}

static mxd_status check_numbers(const char *key, const mxdi_numbers *v, int64_t channels,
                                mxd_error *err)
{
    if (v->n == 1 || v->n == channels)
        return MXD_OK;
    return mxdi_fail(err, MXD_E_USAGE, "%s: expected 1 or %lld numbers, one per channel, got %u",
                     key, (long long)channels, v->n);
}

static int64_t channels_of(const mxdi_data_input *in)
{
    return in->rank ? in->dim[0] : 1;
}

static mxd_status finish_field(mxdi_data *d, mxdi_data_field *f, mxd_error *err)
{
    mxdi_data_input *const in = &f->as;
    in->dtype                 = f->keep ? f->stored : MXD_F32;
    if (!f->keep) {
        MXD_TRY(shape_field(d, in, err));
        MXD_TRY(check_numbers("scale", &d->spec.scale, channels_of(in), err));
        MXD_TRY(check_numbers("mean", &d->spec.mean, channels_of(in), err));
        MXD_TRY(check_numbers("std", &d->spec.std, channels_of(in), err));
        if (d->spec.bgr && channels_of(in) != 3)
            return mxdi_fail(err, MXD_E_USAGE, "channels: expected 3 channels, got %lld",
                             (long long)channels_of(in));
    }
    if (!mxdi_shape_count(&in->elements, in->dim, in->rank) ||
        !mxdi_dtype_bytes(&in->bytes, in->dtype, in->elements))
        return mxdi_fail(err, MXD_E_RANGE, "a sample is too large");
    return in->elements
               ? MXD_OK
               : mxdi_fail(err, MXD_E_SHAPE, "expected samples with elements, got empty ones");
}

/* shuffle, then skip, then subset: so a subset of a shuffled set is a sample of all of it. */
static mxd_status choose_samples(mxdi_data *d, mxd_error *err)
{
    const mxdi_data_spec *const s = &d->spec;
    if (d->stored == 0)
        return mxdi_fail(err, MXD_E_INVAL, "expected samples, got none");
    if (s->skip >= d->stored)
        return mxdi_fail(err, MXD_E_RANGE,
                         "skip: expected less than the %lld samples there are, got %lld",
                         (long long)d->stored, (long long)s->skip);
    int64_t *const all = MXDI_NEW(&d->arena, int64_t, (size_t)d->stored);
    if (!all)
        return mxdi_nomem(err);
    if (s->shuffled) {
        mxdi_rng rng = mxdi_rng_seed(s->seed);
        mxdi_rng_permutation(&rng, all, (size_t)d->stored);
    } else {
        for (int64_t i = 0; i < d->stored; i++)
            all[i] = i;
    }
    d->order   = all + s->skip;
    d->samples = d->stored - s->skip;
    if (s->subset >= 0 && s->subset < d->samples)
        d->samples = s->subset;
    if (!d->all_labels)
        return MXD_OK;
    d->labels = MXDI_NEW(&d->arena, int64_t, (size_t)d->samples);
    if (!d->labels)
        return mxdi_nomem(err);
    for (int64_t i = 0; i < d->samples; i++)
        d->labels[i] = d->all_labels[d->order[i]];
    return MXD_OK;
}

mxd_status mxdi_data_open(mxdi_data **out, const char *spec, const mxd_allocator *alloc,
                          mxd_error *err)
{
    *out               = NULL;
    mxdi_data *const d = MXDI_ALLOC(alloc, mxdi_data, 1);
    if (!d)
        return mxdi_nomem(err);
    d->alloc = alloc;
    mxdi_arena_init(&d->arena, alloc);
    mxd_status st = mxdi_data_spec_parse(&d->spec, spec, &d->arena, err);
    if (st == MXD_OK) {
        st = openers[d->spec.kind](d, err);
        if (st == MXD_OK)
            st = choose_samples(d, err);
        for (uint32_t i = 0; st == MXD_OK && i < d->n_fields; i++)
            st = finish_field(d, &d->field[i], err);
        mxdi_wrap(err, st, "data");
    }
    if (st == MXD_OK)
        *out = d;
    else
        mxdi_data_close(d);
    return st;
}

int64_t mxdi_data_samples(const mxdi_data *d)
{
    return d->samples;
}

uint32_t mxdi_data_n_inputs(const mxdi_data *d)
{
    return d->n_fields;
}

const mxdi_data_input *mxdi_data_input_at(const mxdi_data *d, uint32_t input)
{
    assert(input < d->n_fields);
    return &d->field[input].as;
}

const int64_t *mxdi_data_labels(const mxdi_data *d)
{
    return d->labels;
}

/* One channel: n elements, `step` apart, as float. */
static void load_channel(float *out, const uint8_t *raw, mxd_dtype dtype, int64_t first,
                         int64_t step, int64_t n)
{
    if (dtype == MXD_U8) {
        for (int64_t i = 0; i < n; i++)
            out[i] = (float)raw[first + i * step];
    } else if (mxdi_dtype_is_float(dtype)) {
        for (int64_t i = 0; i < n; i++)
            out[i] = (float)mxdi_load_f64(raw, dtype, first + i * step);
    } else {
        for (int64_t i = 0; i < n; i++)
            out[i] = (float)mxdi_load_s64(raw, dtype, first + i * step);
    }
}

static float number_of(const mxdi_numbers *v, int64_t channel)
{
    return v->at[v->n == 1 ? 0 : channel];
}

/* One sample, from its bytes in the file to what the network is fed. */
static void convert(const mxdi_data *d, const mxdi_data_field *f, const uint8_t *raw, void *out)
{
    if (f->keep) {
        memcpy(out, raw, f->as.bytes);
        return;
    }
    const bool    nhwc     = is_nhwc(d);
    const int64_t channels = channels_of(&f->as), n = f->as.elements / channels;
    for (int64_t c = 0; c < channels; c++) {
        const int64_t from  = d->spec.bgr ? channels - 1 - c : c;
        float *const  y     = (float *)out + c * n;
        const float   scale = number_of(&d->spec.scale, c), mean = number_of(&d->spec.mean, c);
        const float   std = number_of(&d->spec.std, c);
        load_channel(y, raw, f->stored, nhwc ? from : from * n, nhwc ? channels : 1, n);
        for (int64_t i = 0; i < n; i++)
            y[i] = (y[i] * scale - mean) / std;
    }
}

/* The same bytes as they are. */
static void arrange(const mxdi_data *d, const mxdi_data_field *f, const uint8_t *raw, bool last,
                    uint8_t *out)
{
    const bool    nhwc     = is_nhwc(d);
    const int64_t channels = channels_of(&f->as), n = f->as.elements / channels;
    for (int64_t c = 0; c < channels; c++) {
        const int64_t  from = d->spec.bgr ? channels - 1 - c : c;
        const uint8_t *x    = raw + (nhwc ? from : from * n);
        uint8_t       *y    = out + (last ? c : c * n);
        for (int64_t i = 0; i < n; i++)
            y[i * (last ? channels : 1)] = x[i * (nhwc ? channels : 1)];
    }
}

static const uint8_t *stored_sample(const mxdi_data_field *f, int64_t at)
{
    const mxdi_data_segment *s = f->segment;
    for (; at >= s->n; s++)
        at -= s->n;
    return s->base + (size_t)at * s->stride;
}

enum form { READY, BYTES_FIRST, BYTES_LAST }; /* for the network; raw, channels first or last */

/* `index` NULL: first, first+1 ... */
static mxd_status read_samples(const mxdi_data *d, uint32_t input, const int64_t *index,
                               int64_t first, int64_t count, enum form form, uint8_t *out,
                               mxd_error *err)
{
    const mxdi_data_field *const f       = &d->field[input];
    uint8_t                     *scratch = NULL;
    mxd_status                   st      = MXD_OK;
    if (d->picture && !(scratch = mxdi_alloc(d->alloc, (size_t)f->as.elements, 1)))
        return mxdi_nomem(err);
    for (int64_t i = 0; st == MXD_OK && i < count; i++) {
        const int64_t at = d->order[index ? index[i] : first + i];
        if (d->picture)
            st = mxdi_data_read_picture(d, at, scratch, err);
        const uint8_t *const raw = scratch ? scratch : stored_sample(f, at);
        if (st == MXD_OK && form == READY)
            convert(d, f, raw, out + (size_t)i * f->as.bytes);
        else if (st == MXD_OK)
            arrange(d, f, raw, form == BYTES_LAST, out + i * f->as.elements);
    }
    mxdi_free(d->alloc, scratch);
    return st;
}

static mxd_status check_range(const mxdi_data *d, uint32_t input, int64_t first, int64_t count,
                              mxd_error *err)
{
    if (input >= d->n_fields || first < 0 || count < 0 || first > d->samples - count)
        return mxdi_fail(err, MXD_E_RANGE, "data: expected samples in 0..%lld, got %lld from %lld",
                         (long long)d->samples - 1, (long long)count, (long long)first);
    return MXD_OK;
}

mxd_status mxdi_data_read(const mxdi_data *d, uint32_t input, int64_t first, int64_t count,
                          void *out, mxd_error *err)
{
    MXD_TRY(check_range(d, input, first, count, err));
    return read_samples(d, input, NULL, first, count, READY, out, err);
}

bool mxdi_data_is_bytes(const mxdi_data *d, uint32_t input)
{
    return input < d->n_fields && !d->field[input].keep && d->field[input].stored == MXD_U8;
}

mxd_status mxdi_data_read_bytes(const mxdi_data *d, uint32_t input, int64_t first, int64_t count,
                                bool channels_last, uint8_t *out, mxd_error *err)
{
    MXD_TRY(check_range(d, input, first, count, err));
    if (!mxdi_data_is_bytes(d, input))
        return mxdi_fail(err, MXD_E_DTYPE, "data: expected u8 in the file, got %s",
                         mxd_dtype_name(d->field[input].stored));
    return read_samples(d, input, NULL, first, count, channels_last ? BYTES_LAST : BYTES_FIRST, out,
                        err);
}

mxd_status mxdi_data_gather(const mxdi_data *d, uint32_t input, const int64_t *index, int64_t count,
                            void *out, mxd_error *err)
{
    bool inside = input < d->n_fields && count >= 0;
    for (int64_t i = 0; inside && i < count; i++)
        inside = index[i] >= 0 && index[i] < d->samples;
    if (!inside)
        return mxdi_fail(err, MXD_E_RANGE, "data: expected samples in 0..%lld",
                         (long long)d->samples - 1);
    return read_samples(d, input, index, 0, count, READY, out, err);
}
