/* SPDX-License-Identifier: Apache-2.0
 *
 * Timed choices of one engine: known ones come from the engine file that it was, or from a timing
 * cache; those that it uses are kept with it, and new ones go to the cache.
 */
#include <string.h>

#include "base/error.h"
#include "engine/engine.h"

mxd_status mxdi_engine_take_choices(mxdi_engine *e, mxd_error *err)
{
    const mxdi_choices *const given = e->options.choices;
    e->known.arena = e->used.arena = &e->arena;
    for (uint32_t k = 0; given && k < given->n; k++)
        MXD_TRY(mxdi_choices_add(&e->known, &given->choice[k], err));
    if (given || !e->options.timed || !e->options.timing_cache)
        return MXD_OK;
    return mxdi_choices_load(&e->known, e->options.timing_cache, err);
}

static bool ask(mxdi_choice *out, const struct mxdi_chooser *c, const char *op, const char *shape,
                uint32_t threads, const char *const *candidate, uint32_t n)
{
    *out =
        (mxdi_choice){ .device = c->device, .op = op, .shape = shape, .threads = threads, .n = n };
    if (n > MXDI_MAX_CANDIDATES)
        return false;
    memcpy(out->candidate, candidate, n * sizeof(candidate[0]));
    return true;
}

static uint32_t find(void *user, const char *op, const char *shape, uint32_t threads,
                     const char *const *candidate, uint32_t n)
{
    const struct mxdi_chooser *const c = user;
    mxdi_choice                      question;
    if (!ask(&question, c, op, shape, threads, candidate, n))
        return n;
    const mxdi_choice *const used  = mxdi_choices_find(&c->engine->used, &question);
    const mxdi_choice *const known = used ? used : mxdi_choices_find(&c->engine->known, &question);
    if (!known)
        return n;
    if (!used && mxdi_choices_add(&c->engine->used, known, NULL) != MXD_OK)
        c->engine->choice_lost = true;
    return known->best;
}

static mxd_status record(void *user, const char *op, const char *shape, uint32_t threads,
                         const char *const *candidate, const double *ns, uint32_t n, uint32_t best,
                         mxd_error *err)
{
    const struct mxdi_chooser *const c = user;
    mxdi_choice                      choice;
    if (!ask(&choice, c, op, shape, threads, candidate, n))
        return MXD_OK;
    choice.best = best;
    for (uint32_t k = 0; k < n; k++)
        choice.ns[k] = (uint64_t)ns[k] + 1; /* 0: not kept */
    return mxdi_choices_add(&c->engine->used, &choice, err);
}

void mxdi_engine_choices_of(mxd_choices *out, struct mxdi_chooser *user, mxdi_engine *e,
                            const char *device)
{
    *user = (struct mxdi_chooser){ e, device };
    *out  = (mxd_choices){ sizeof(*out), user, find, record };
}

mxd_status mxdi_engine_keep_choices(mxdi_engine *e, mxd_error *err)
{
    const char *const path  = e->options.timing_cache;
    bool              news  = false;
    e->options.choices      = NULL; /* the caller's */
    e->options.timing_cache = NULL; /* likewise */
    if (e->choice_lost)
        return mxdi_nomem(err);
    if (!path || !e->options.timed)
        return MXD_OK;
    for (uint32_t k = 0; k < e->used.n; k++)
        if (!mxdi_choices_find(&e->known, &e->used.choice[k])) {
            MXD_TRY(mxdi_choices_add(&e->known, &e->used.choice[k], err));
            news = true;
        }
    return news ? mxdi_choices_save(&e->known, path, err) : MXD_OK;
}
