/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints: one file in the folder, replaced as a whole, so that a training killed at any
 * instant goes on from the last one to the same bits. Little-endian, as the machine has it:
 *
 *     state    struct state, which begins with "mxdtrai" and a zero, then `epochs_done` rows of
 * struct mxdi_train_epoch params   for each in the tape's order: count, w, and with gradients m,
 * with Adam v 16 bytes XXH3-128 of all before
 */
#include <stdio.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/hash.h"
#include "train/trainer_impl.h"

enum { VERSION = 1, PATH_SIZE = 4096 };

struct state {
    char     magic[8];
    uint32_t version, n_params;
    char     identity[40];
    int64_t  step, epochs_done, correct, updates;
    double   loss_sum;
};

static mxd_status path_of(char path[PATH_SIZE], const mxdi_trainer *t, mxd_error *err)
{
    const int n = snprintf(path, PATH_SIZE, "%s/state.ckpt", t->options.checkpoint);
    return n > 0 && n < PATH_SIZE
               ? MXD_OK
               : mxdi_fail(err, MXD_E_USAGE, "checkpoint '%s': the path is too long",
                           t->options.checkpoint);
}

mxd_status mxdi_checkpoint_identify(mxdi_trainer *t, mxd_error *err)
{
    mxdi_bytes                      b  = { .alloc = t->alloc };
    const mxdi_train_options *const o  = &t->options;
    bool                            ok = mxdi_bytes_printf(
                                   &b, "%lld %lld %d %d %a %a %a %a %a %d %a %a %a %d %d %d %llu %lld\n", (long long)o->epochs,
                                   (long long)o->batch, (int)o->method, (int)o->optimizer.kind, o->optimizer.lr,
                                   o->optimizer.momentum, o->optimizer.weight_decay, o->optimizer.step_lr,
                                   o->optimizer.clip_norm, (int)o->schedule, o->warm_up, (double)o->smoothing,
                                   (double)o->distill, o->kaiming, o->crop, o->flip, (unsigned long long)o->seed,
                                   (long long)t->data.source.samples);
    MXD_TRY(t->data.source.read(t->data.source.data, 0, 0, 1, t->sample, err));
    ok = ok && mxdi_bytes_append(&b, t->sample, (size_t)t->features * sizeof(float));
    ok = ok &&
         mxdi_bytes_append(&b, t->data.label, (size_t)t->data.source.samples * sizeof(int64_t));
    for (uint32_t k = 0; k < t->tape->n_params && ok; k++) {
        const mxdi_param *const p = t->tape->param[k];
        const mxdi_hash         h = mxdi_hash_bytes(p->w, (size_t)p->n * sizeof(float));
        ok = mxdi_bytes_printf(&b, "%s %lld %llx%llx\n", p->name, (long long)p->n,
                               (unsigned long long)h.high, (unsigned long long)h.low);
    }
    if (ok)
        mxdi_hash_text(t->identity, mxdi_hash_bytes(b.data, b.size));
    mxdi_bytes_free(&b);
    return ok ? MXD_OK : mxdi_nomem(err);
}

/* ---- writing ---- */

static bool append_params(mxdi_bytes *b, const mxdi_trainer *t)
{
    for (uint32_t k = 0; k < t->tape->n_params; k++) {
        const mxdi_param *const p     = t->tape->param[k];
        const size_t            bytes = (size_t)p->n * sizeof(float);
        if (!mxdi_bytes_append(b, &p->n, sizeof(p->n)) || !mxdi_bytes_append(b, p->w, bytes) ||
            (p->dw && !mxdi_bytes_append(b, t->optimizer.m[k], bytes)) ||
            (t->optimizer.v[k] && !mxdi_bytes_append(b, t->optimizer.v[k], bytes)))
            return false;
    }
    return true;
}

mxd_status mxdi_checkpoint_write(mxdi_trainer *t, mxd_error *err)
{
    const double start = mxdi_trainer_now();
    char         path[PATH_SIZE];
    mxdi_bytes   b = { .alloc = t->alloc };
    struct state s = { .magic       = "mxdtrai",
                       .version     = VERSION,
                       .n_params    = t->tape->n_params,
                       .step        = t->step,
                       .epochs_done = mxdi_trainer_epochs_done(t),
                       .correct     = t->correct,
                       .updates     = t->optimizer.updates,
                       .loss_sum    = t->loss_sum };
    memcpy(s.identity, t->identity, sizeof(t->identity));
    MXD_TRY(path_of(path, t, err));
    MXD_TRY(mxdi_mkdirs(t->options.checkpoint, err));
    bool ok = mxdi_bytes_append(&b, &s, sizeof(s)) &&
              mxdi_bytes_append(&b, t->history, (size_t)s.epochs_done * sizeof(t->history[0])) &&
              append_params(&b, t);
    if (ok) {
        const mxdi_hash h = mxdi_hash_bytes(b.data, b.size);
        ok                = mxdi_bytes_append(&b, &h, sizeof(h));
    }
    const mxd_status st = ok ? mxdi_file_write(path, b.data, b.size, err) : mxdi_nomem(err);
    mxdi_bytes_free(&b);
    if (st == MXD_OK) {
        t->fresh        = true;
        t->saved_at     = mxdi_trainer_now();
        t->save_seconds = t->saved_at - start;
    }
    return st;
}

/* ---- reading ---- */

struct cursor {
    const uint8_t *at;
    size_t         left;
};

static bool take(void *out, struct cursor *c, size_t n)
{
    if (n > c->left)
        return false;
    memcpy(out, c->at, n);
    c->at += n;
    c->left -= n;
    return true;
}

static bool take_params(struct cursor *c, mxdi_trainer *t)
{
    for (uint32_t k = 0; k < t->tape->n_params; k++) {
        mxdi_param *const p     = t->tape->param[k];
        const size_t      bytes = (size_t)p->n * sizeof(float);
        int64_t           n;
        if (!take(&n, c, sizeof(n)) || n != p->n || !take(p->w, c, bytes) ||
            (p->dw && !take(t->optimizer.m[k], c, bytes)) ||
            (t->optimizer.v[k] && !take(t->optimizer.v[k], c, bytes)))
            return false;
    }
    return c->left == 0;
}

static mxd_status parse(mxdi_trainer *t, mxdi_view file, const char *path, mxd_error *err)
{
    struct state  s;
    mxdi_hash     h;
    struct cursor c = { file.data, file.size };
    if (file.size < sizeof(s) + sizeof(h))
        return mxdi_fail(err, MXD_E_INVAL, "%s: cut short; remove it to start anew", path);
    c.left -= sizeof(h);
    memcpy(&h, file.data + c.left, sizeof(h));
    const mxdi_hash want = mxdi_hash_bytes(file.data, c.left);
    take(&s, &c, sizeof(s));
    if (memcmp(s.magic, "mxdtrai", 8) != 0 || h.low != want.low || h.high != want.high)
        return mxdi_fail(err, MXD_E_INVAL,
                         "%s: no checkpoint, or a broken one; remove it to start anew", path);
    if (s.version != VERSION || memcmp(s.identity, t->identity, sizeof(t->identity)) != 0 ||
        s.n_params != t->tape->n_params)
        return mxdi_fail(
            err, MXD_E_STALE,
            "%s: belongs to another training (network, data or options differ); remove it, or give another folder",
            path);
    if (s.epochs_done > t->options.epochs || s.epochs_done < 0 ||
        !take(t->history, &c, (size_t)s.epochs_done * sizeof(t->history[0])) || !take_params(&c, t))
        return mxdi_fail(err, MXD_E_INVAL, "%s: parameters do not fit; remove it to start anew",
                         path);
    t->step = t->resumed_from = s.step;
    t->correct                = s.correct;
    t->loss_sum               = s.loss_sum;
    t->optimizer.updates      = s.updates;
    t->fresh                  = true;
    return MXD_OK;
}

mxd_status mxdi_checkpoint_read(mxdi_trainer *t, mxd_error *err)
{
    char      path[PATH_SIZE];
    mxdi_file f = MXDI_FILE_INIT;
    MXD_TRY(path_of(path, t, err));
    if (!mxdi_path_exists(path))
        return MXD_OK;
    MXD_TRY(mxdi_file_map(&f, path, err));
    const mxd_status st = parse(t, f.bytes, path, err);
    mxdi_file_unmap(&f);
    return st;
}
