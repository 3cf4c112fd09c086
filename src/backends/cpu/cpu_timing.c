/* SPDX-License-Identifier: Apache-2.0
 *
 * Timing candidates in turns. Before each, the caches are filled with as much as a run of the whole
 * part goes through between two runs of a step: heavy weights that always stood in a cache here
 * would come from memory there. The least of a few times counts: whatever else the machine does
 * only adds.
 */
#include "backends/cpu/cpu_timing.h"

#include "base/text.h"

enum {
    LEAST_ROUNDS = 3,
    MOST_ROUNDS  = 8,
    ENOUGH_NS    = 5000000, /* of one candidate */
    MOST_EVICTED = 256 << 20,
    PIECE        = 16 << 10,
    FILL         = 0x3C /* bytes of no harm in any type: small, and normal as f32 */
};

static const double margin = 0.95; /* of the time of the best so far */

uint32_t mxdi_cpu_known(const mxdi_cpu_plan *p, const mxdi_cpu_contest *c)
{
    const uint32_t k =
        p->choices ? p->choices->find(p->choices->user, c->op, c->shape, p->threads, c->name, c->n)
                   : c->n;
    return k < c->n ? k : c->n;
}

/* What all runs share. */
struct stage {
    mxdi_cpu_frame       frame;
    void               **ptr; /* (n_tensors of the program), of those in use */
    uint8_t             *evict;
    size_t               evict_bytes; /* of each thread */
    atomic_bool          fault;
    const mxd_allocator *alloc;
    uint32_t             n_tensors;
};

static void stage_fini(struct stage *s, const mxdi_cpu_tensor *tensor)
{
    for (uint32_t t = 0; s->ptr && t < s->n_tensors; t++)
        if (tensor[t].root == t)
            mxdi_free(s->alloc, s->ptr[t]);
    mxdi_free(s->alloc, s->ptr);
    mxdi_free(s->alloc, s->frame.scratch);
    mxdi_free(s->alloc, s->evict);
}

/* Memory for the roots of the tensors in use, and pointers to all of these. */
static mxd_status stage_tensors(struct stage *s, const mxd_program *g, const uint32_t *tensor,
                                uint32_t n, mxd_error *err)
{
    for (uint32_t k = 0; k < n; k++) {
        const mxdi_cpu_tensor *const t    = &g->tensor[tensor[k]];
        const mxdi_cpu_tensor *const root = &g->tensor[t->root];
        if (!s->ptr[t->root]) {
            s->ptr[t->root] = mxdi_alloc(s->alloc, root->bytes + 64, 1);
            if (!s->ptr[t->root])
                return mxdi_nomem(err);
            memset(s->ptr[t->root], FILL, root->bytes + 64);
        }
        s->ptr[tensor[k]] = (uint8_t *)s->ptr[t->root] + t->offset;
    }
    return MXD_OK;
}

/* What passes through the caches between two runs of a step, about: all constants of the part, once
 * more for panels that are larger than they, and the step's own tensors. */
static size_t passed_bytes(const mxdi_cpu_plan *p, const uint32_t *tensor, uint32_t n)
{
    const mxd_program *const g   = p->program;
    size_t                   sum = 0;
    for (uint32_t v = 0; v < p->g->n_values && sum < MOST_EVICTED; v++)
        sum += p->g->value[v].data && p->g->value[v].bytes < MOST_EVICTED ? 2 * p->g->value[v].bytes
                                                                          : 0;
    for (uint32_t k = 0; k < n && sum < MOST_EVICTED; k++)
        sum += g->tensor[g->tensor[tensor[k]].root].bytes;
    return sum < MOST_EVICTED ? sum : MOST_EVICTED;
}

static mxd_status stage_init(struct stage *s, const mxdi_cpu_plan *p, size_t scratch,
                             const uint32_t *tensor, uint32_t n, mxd_error *err)
{
    const mxd_program *const g = p->program;
    *s                         = (struct stage){ .alloc       = g->alloc,
                                                 .n_tensors   = g->n_tensors,
                                                 .evict_bytes = passed_bytes(p, tensor, n) / p->threads + 64 };
    s->ptr                     = MXDI_ALLOC(s->alloc, void *, g->n_tensors);
    s->evict                   = mxdi_alloc(s->alloc, p->threads, s->evict_bytes);
    scratch                    = (scratch + 63) / 64 * 64;
    s->frame                   = (mxdi_cpu_frame){ .tensor        = g->tensor,
                                                   .ptr           = s->ptr,
                                                   .batch         = g->max_batch,
                                                   .max_batch     = g->max_batch,
                                                   .scratch       = mxdi_alloc(s->alloc, p->threads, scratch + 64),
                                                   .scratch_bytes = scratch,
                                                   .fault         = &s->fault };
    if (!s->ptr || !s->evict || !s->frame.scratch)
        return mxdi_nomem(err);
    return stage_tensors(s, g, tensor, n, err);
}

struct shared {
    const mxdi_cpu_candidate *candidate;
    struct stage             *stage;
};

static void run_share(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct shared *const s = arg;
    s->candidate->kind->run(s->candidate->op, &s->stage->frame, begin, end, thread);
}

/* In pieces: one large memset would go past the caches. */
static void evict_share(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct stage *const s = ((const struct shared *)arg)->stage;
    uint8_t *const            p = s->evict + thread * s->evict_bytes;
    (void)begin;
    (void)end;
    for (size_t at = 0; at < s->evict_bytes; at += PIECE)
        memset(p + at, (int)thread + 1, s->evict_bytes - at < PIECE ? s->evict_bytes - at : PIECE);
}

static double run_ns(const mxdi_cpu_plan *p, const mxdi_cpu_candidate *c, struct stage *s)
{
    struct shared shared = { c, s };
    mxdi_parallel_for(p->pool, evict_share, &shared, p->threads);
    const uint64_t start = mxdi_now_ns();
    const size_t   tasks = c->kind->tasks ? c->kind->tasks(c->op, &s->frame) : 1;
    mxdi_parallel_for(p->pool, run_share, &shared, tasks);
    return (double)(mxdi_now_ns() - start);
}

/* Least times (n). */
static void run_all(double *least, const mxdi_cpu_plan *p, const mxdi_cpu_candidate *candidate,
                    uint32_t n, struct stage *s)
{
    double spent = 0.0;
    for (uint32_t k = 0; k < n; k++)
        least[k] =
            run_ns(p, &candidate[k], s); /* pages touched, threads awake: the first is no good */
    for (int round = 0; round < MOST_ROUNDS && (round < LEAST_ROUNDS || spent < ENOUGH_NS * n);
         round++)
        for (uint32_t k = 0; k < n; k++) {
            const double ns = run_ns(p, &candidate[k], s);
            least[k]        = round == 0 || ns < least[k] ? ns : least[k];
            spent += ns;
        }
}

mxd_status mxdi_cpu_time(uint32_t *best, mxdi_cpu_plan *p, const mxdi_cpu_contest *c,
                         const mxdi_cpu_candidate *candidate, const uint32_t *tensor,
                         uint32_t n_tensors, mxd_error *err)
{
    struct stage s;
    double       least[MXDI_CPU_MAX_CANDIDATES];
    size_t       scratch = 0;
    *best                = 0;
    if (!p->pool && p->threads > 1)
        MXD_TRY(mxdi_pool_create(&p->pool, p->threads, err));
    for (uint32_t k = 0; k < c->n; k++)
        scratch = candidate[k].scratch > scratch ? candidate[k].scratch : scratch;
    mxd_status st = stage_init(&s, p, scratch, tensor, n_tensors, err);
    if (st == MXD_OK)
        run_all(least, p, candidate, c->n, &s);
    stage_fini(&s, p->program->tensor);
    if (st != MXD_OK)
        return st;
    for (uint32_t k = 1; k < c->n; k++)
        *best = least[k] < margin * least[*best] ? k : *best;
    return p->choices ? p->choices->record(p->choices->user, c->op, c->shape, p->threads, c->name,
                                           least, c->n, *best, err)
                      : MXD_OK;
}
