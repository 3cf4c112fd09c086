/* SPDX-License-Identifier: Apache-2.0
 *
 * Choosing loops and timing them: the best of a few short series, since all that can happen to a
 * series makes it slower. */
#include "kernels/peak/peak.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"

enum {
    SERIES    = 8,
    SERIES_NS = 150000,  /* of one series, about */
    ENOUGH_NS = 2000000, /* that two long series may take, and no more of them */
    FIRST     = 256      /* rounds of the series that finds the length of the others */
};

const mxdi_peak_row *mxdi_peak_select(const char *computed, uint32_t isa)
{
    for (size_t k = mxdi_peak_n_rows; k-- > 0;)
        if (!(mxdi_peak_rows[k].needs & ~isa) && strcmp(mxdi_peak_rows[k].computed, computed) == 0)
            return &mxdi_peak_rows[k];
    return NULL;
}

const mxdi_peak_reader *mxdi_peak_reader_select(uint32_t isa)
{
    size_t k = mxdi_peak_n_readers - 1;
    while (mxdi_peak_readers[k].needs & ~isa)
        k--;
    return &mxdi_peak_readers[k];
}

/* What each thread repeats. */
struct series {
    const mxdi_peak_row    *row;
    const mxdi_peak_reader *reader;
    const uint8_t          *memory; /* thread t's at memory + t * bytes */
    size_t                  bytes, rounds;
};

static void repeat(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct series *const s = arg;
    for (size_t k = begin; k < end; k++) {
        if (s->row)
            s->row->run(s->rounds);
        for (size_t r = 0; s->reader && r < s->rounds; r++)
            s->reader->run(s->memory + thread * s->bytes, s->bytes);
    }
}

static double time_of(struct series *s, mxdi_pool *pool)
{
    const uint64_t start = mxdi_now_ns();
    mxdi_parallel_for(pool, repeat, s, mxdi_pool_threads(pool));
    return (double)(mxdi_now_ns() - start) + 1.0;
}

/* Rounds of all threads per nanosecond. */
static double rate(struct series *s, size_t first, mxdi_pool *pool)
{
    double best = 0.0, spent = 0.0;
    s->rounds = first;
    (void)time_of(s, pool); /* threads and vector units awake, memory in its cache */
    s->rounds = (size_t)((double)first * SERIES_NS / time_of(s, pool));
    s->rounds = s->rounds ? s->rounds : 1;
    for (int k = 0; k < SERIES && (k < 2 || spent < ENOUGH_NS); k++) {
        const double ns  = time_of(s, pool);
        const double now = (double)s->rounds * mxdi_pool_threads(pool) / ns;
        best             = now > best ? now : best;
        spent += ns;
    }
    return best;
}

double mxdi_peak_compute(const mxdi_peak_row *row, mxdi_pool *pool)
{
    struct series s = { .row = row };
    return rate(&s, FIRST, pool) * row->ops;
}

mxd_status mxdi_peak_read(double *out, const mxdi_peak_reader *reader, size_t bytes,
                          mxdi_pool *pool, const mxd_allocator *alloc, mxd_error *err)
{
    struct series s   = { .reader = reader, .bytes = bytes / 512 * 512 };
    const size_t  all = s.bytes * mxdi_pool_threads(pool);
    void *const   m   = mxdi_alloc(alloc, all, 1);
    if (!m)
        return mxdi_nomem(err);
    s.memory = m;
    *out     = rate(&s, 1, pool) * (double)s.bytes;
    mxdi_free(alloc, m);
    return MXD_OK;
}
