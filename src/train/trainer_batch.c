/* SPDX-License-Identifier: Apache-2.0
 *
 * The samples of a step: in an order of the epoch's own, shifted and mirrored by their place alone,
 * so that a resumed training sees what an undisturbed one does.
 */
#include <stdio.h>

#include "train/trainer_impl.h"

mxd_status mxdi_trainer_batch_init(mxdi_trainer *t, mxd_error *err)
{
    const mxd_value *const in    = &t->bound->value[t->bound->input[0]];
    const int64_t          batch = t->options.batch;
    mxd_tensor             sample;
    t->data.source.sample(&sample, t->data.source.data, 0);
    bool fits =
        sample.rank + 1 == in->rank && sample.dtype == MXD_F32 && t->data.source.n_inputs == 1;
    t->features = 1;
    for (int32_t k = 0; fits && k < sample.rank; k++) {
        fits = sample.dim[k] == in->dim[1 + k];
        t->features *= sample.dim[k];
    }
    if (!fits)
        return mxdi_fail(err, MXD_E_SHAPE,
                         "data for input '%s': float samples of the input's shape expected",
                         in->name);
    if (t->data.source.samples < batch)
        return mxdi_fail(err, MXD_E_INVAL, "data: %lld samples, a batch of %lld needs as many",
                         (long long)t->data.source.samples, (long long)batch);
    t->classes              = t->tape->value[t->tape->output].layout.channels;
    t->steps_of_epoch       = t->data.source.samples / batch;
    mxdi_arena *const arena = &t->tape->arena;
    t->sample  = mxdi_arena_alloc(arena, (size_t)(batch * t->features), sizeof(float), 64);
    t->teacher = mxdi_arena_alloc(arena, (size_t)(batch * t->classes), sizeof(float), 64);
    t->label   = MXDI_NEW(arena, int64_t, (size_t)batch);
    t->order   = MXDI_NEW(arena, int64_t, (size_t)t->data.source.samples);
    return t->sample && t->teacher && t->label && t->order ? MXD_OK : mxdi_nomem(err);
}

/* Sample `i` of the batch, dense (C, H, W), into the input: from (y + dy, x + dx), edges repeated,
 * perhaps mirrored. */
static void place(const mxdi_train_value *v, const float *from, int64_t i, int64_t dy, int64_t dx,
                  bool mirror)
{
    const mxdi_blocked *const l  = &v->layout;
    float *const              to = v->x + i / l->block * l->block_stride + i % l->block * l->pitch;
    for (int64_t c = 0; c < l->channels; c++)
        for (int64_t y = 0; y < l->h; y++)
            for (int64_t x = 0; x < l->w; x++) {
                const int64_t sx = (mirror ? l->w - 1 - x : x) + dx, sy = y + dy;
                const int64_t ix = sx < 0       ? 0
                                   : sx >= l->w ? l->w - 1
                                                : sx,
                              iy = sy < 0       ? 0
                                   : sy >= l->h ? l->h - 1
                                                : sy;
                to[y * mxdi_blocked_row(l) + x * mxdi_blocked_pixel(l) + c] =
                    from[(c * l->h + iy) * l->w + ix];
            }
}

static void place_block(void *arg, int64_t block, unsigned thread)
{
    const mxdi_trainer *const     t = arg;
    const mxdi_train_value *const v = &t->tape->value[t->tape->input];
    (void)thread;
    for (int64_t i = block * MXDI_TRAIN_BLOCK; i < (block + 1) * MXDI_TRAIN_BLOCK; i++) {
        mxdi_rng      rng = mxdi_rng_stream(t->options.seed ^ 0xA36E2EB1C432CA57u,
                                            (uint64_t)(t->step * t->options.batch + i));
        const int64_t dy  = t->options.crop ? (int64_t)mxdi_rng_below(&rng, 9) - 4 : 0,
                      dx  = t->options.crop ? (int64_t)mxdi_rng_below(&rng, 9) - 4 : 0;
        const bool mirror = t->options.flip && mxdi_rng_below(&rng, 2);
        place(v, t->sample + i * t->features, i, dy, dx, mirror);
    }
}

/* The teacher sees what the student sees: the input as placed, dense again. */
static mxd_status ask_teacher(mxdi_trainer *t, mxd_error *err)
{
    const mxdi_train_value *const v     = &t->tape->value[t->tape->input];
    const mxdi_blocked *const     l     = &v->layout;
    const mxd_value *const        shape = &t->bound->value[t->bound->input[0]];
    mxd_tensor                    in = { .data = t->sample, .dtype = MXD_F32, .rank = shape->rank };
    mxd_tensor                    out;
    memcpy(in.dim, shape->dim, sizeof(in.dim));
    for (int64_t i = 0; i < t->options.batch; i++)
        for (int64_t k = 0; k < t->features; k++) {
            const int64_t area = (int64_t)l->h * l->w;
            t->sample[i * t->features + k] =
                v->x[i / l->block * l->block_stride + k % area * mxdi_blocked_pixel(l) +
                     i % l->block * l->pitch + k / area];
        }
    MXD_TRY(mxdi_session_output(&out, t->teacher_session, 0, t->options.batch, err));
    out.data = t->teacher;
    return mxdi_session_run(t->teacher_session, &in, 1, &out, 1, err);
}

mxd_status mxdi_trainer_batch_load(mxdi_trainer *t, mxd_error *err)
{
    const int64_t epoch = t->step / t->steps_of_epoch,
                  at    = t->step % t->steps_of_epoch * t->options.batch;
    mxdi_rng rng        = mxdi_rng_stream(t->options.seed, (uint64_t)epoch + 1);
    MXD_TRY(mxdi_tape_hold(t->tape, err));
    if (at == 0 || t->resumed_from == t->step)
        mxdi_rng_permutation(&rng, t->order, (size_t)t->data.source.samples);
    for (int64_t i = 0; i < t->options.batch; i++) {
        t->label[i] = t->data.label[t->order[at + i]];
        MXD_TRY(t->data.source.read(t->data.source.data, 0, t->order[at + i], 1,
                                    t->sample + i * t->features, err));
    }
    mxdi_tape_each_block(t->tape, place_block, t);
    return t->teacher_session ? ask_teacher(t, err) : MXD_OK;
}
