/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the CPU backend: device, program and session, and what runs when.
 *
 * A program is a flat array of steps over tensors. A tensor is a graph value in one layout, `plain`
 * (row-major, as the graph has it) or `blocked` (kernels/layout.h); it lives in the arena, in the
 * program (constants) or in the caller's memory, and may be another name for the memory of its
 * root. Integers of 8 and 4 bits are bytes: u8 as kernels/layout.h says, signed ones + 128. A
 * session holds the arena, one pointer per tensor, scratch for each thread, and the pool.
 */
#ifndef MXDI_BACKENDS_CPU_IMPL_H
#define MXDI_BACKENDS_CPU_IMPL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"
#include "kernels/layout.h"
#include "mixdown/backend.h"

struct mxd_device {
    const mxd_allocator *alloc;
    uint32_t             isa;
    char                 description[160];
};

typedef enum mxdi_cpu_home {
    MXDI_CPU_ARENA,
    MXDI_CPU_CONSTANT, /* `data` */
    MXDI_CPU_INPUT,    /* the caller's, number `index` */
    MXDI_CPU_OUTPUT
} mxdi_cpu_home;

typedef struct mxdi_cpu_tensor {
    mxd_dtype     dtype; /* as stored: MXD_U8 for integers of 8 and 4 bits and for bool */
    uint8_t       flip;  /* 0x80: plain s8 bytes of the caller, not yet + 128 */
    bool          blocked;
    bool          scaled; /* its first axis grows with the batch */
    int32_t       rank;   /* plain: the graph's shape at the largest batch */
    int64_t       dim[MXD_MAX_RANK];
    mxdi_blocked  l;          /* blocked */
    int64_t       images;     /* blocked: at the largest batch */
    mxdi_cpu_home home;       /* of the root */
    uint32_t      root;       /* tensor whose memory this is */
    size_t        offset;     /* bytes from the root's first */
    size_t        bytes;      /* root: all that is touched, without the 64 readable bytes behind */
    size_t        at;         /* root in the arena: where */
    uint32_t      index;      /* of the caller's tensor */
    const void   *data;       /* constant */
    uint32_t      born, dies; /* root: first and last step that uses it */
} mxdi_cpu_tensor;

struct mxd_program;

/* What a step sees while it runs. */
typedef struct mxdi_cpu_frame {
    const mxdi_cpu_tensor *tensor;
    void *const           *ptr; /* of each tensor */
    int64_t                batch, max_batch;
    uint8_t               *scratch; /* thread t's at scratch + t * scratch_bytes */
    size_t                 scratch_bytes;
    atomic_bool *fault; /* set by a step that met an index, or a divisor, that its op forbids */
} mxdi_cpu_frame;

/* A kind of step. `op` is its own state: immutable, in the program's arena, with handles that
 * destroy releases. */
typedef struct mxdi_cpu_kind {
    size_t (*tasks)(const void           *op,
                    const mxdi_cpu_frame *f); /* independent pieces of work now; NULL: 1 */
    void (*run)(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end, unsigned thread);
    void (*destroy)(void *op); /* NULL: owns nothing */
} mxdi_cpu_kind;

enum { MXDI_CPU_STEP_OUT = 4 };

typedef struct mxdi_cpu_step {
    const mxdi_cpu_kind *kind;
    void                *op;
    const uint32_t      *in; /* tensors read */
    uint32_t             n_in, n_out;
    uint32_t             out[MXDI_CPU_STEP_OUT]; /* written; MXD_NO_VALUE: none */
    bool                 in_place; /* out[0] may be the memory of an input of the same layout */
    double               ns;       /* a guess of its time at the largest batch, one thread */
} mxdi_cpu_step;

/* A quantized value to show in a trace: in `tensor` once `step` has run, at `at` in the trace's
 * buffer. */
typedef struct mxdi_cpu_shown {
    uint32_t value, tensor, step;
    size_t   at;
} mxdi_cpu_shown;

/* Compiled for a chunk of samples, which is the largest batch, or a part of it that stays in the
 * caches; then the chunks of a batch run one after the other, or on several threads with an arena
 * each. */
struct mxd_program {
    const mxd_allocator *alloc;
    uint32_t             isa;
    mxdi_arena           arena;
    mxd_graph_view       part; /* values sized for a chunk; the host keeps the other arrays */
    mxdi_cpu_tensor     *tensor;
    mxdi_cpu_step       *step;
    mxd_step            *info;  /* (n_steps) */
    mxd_step_more       *more;  /* (n_steps) */
    mxdi_cpu_shown      *shown; /* ascending by step */
    uint32_t             n_tensors, n_steps, n_shown, cap_tensors, cap_steps;
    size_t               arena_bytes, scratch_bytes, derived_bytes; /* derived: panels and tables */
    size_t               trace_bytes; /* all shown values of the largest batch in graph layout */
    bool     whole; /* some batch axis is not the first: always run at the largest batch */
    bool     exact;
    int64_t  max_batch; /* samples of a chunk */
    int64_t  samples;   /* of the largest batch */
    uint32_t lanes;     /* arenas that a session of as many threads as compiled for has */
};

/* What a thread that runs chunks of its own has. */
typedef struct mxdi_cpu_lane {
    uint8_t *arena;
    void   **ptr; /* (n_tensors) */
} mxdi_cpu_lane;

struct mxd_run {
    const struct mxd_program *program;
    struct mxdi_pool         *pool; /* NULL: one thread */
    mxdi_cpu_lane            *lane; /* (lanes): one for each thread, or a single one */
    uint32_t                  lanes;
    unsigned                  threads;
    uint8_t                  *scratch;
    uint8_t                  *trace; /* buffer of traced values, or NULL */
    void         **staged; /* whole programs: (n_inputs + n_outputs) buffers of the largest batch */
    atomic_ullong *ns;     /* (n_steps) of all lanes; NULL until profiled */
    uint64_t       wall;   /* nanoseconds of the runs that ns is about */
    uint64_t       runs;
    atomic_bool    fault;
    atomic_uint    faulty; /* step that set it */
};

/* ---- sizes now (cpu_tensor.c) ---- */
static inline int64_t mxdi_cpu_grown(const mxdi_cpu_frame *f, int64_t at_largest, bool scaled)
{
    return scaled ? at_largest / f->max_batch * f->batch : at_largest;
}
static inline int64_t mxdi_cpu_images(const mxdi_cpu_frame *f, uint32_t t)
{
    return mxdi_cpu_grown(f, f->tensor[t].images, f->tensor[t].scaled);
}
static inline int64_t mxdi_cpu_blocks(const mxdi_cpu_frame *f, uint32_t t)
{
    return (mxdi_cpu_images(f, t) + f->tensor[t].l.block - 1) / f->tensor[t].l.block;
}
int64_t mxdi_cpu_elements(const mxdi_cpu_frame *f, uint32_t t); /* of a plain tensor now */

/* A tensor as n equally long runs of elements: run i begins at i / inner * outer_stride + i % inner
 * * inner_stride. */
typedef struct mxdi_cpu_spans {
    int64_t n, length, outer_stride, inner, inner_stride;
} mxdi_cpu_spans;
/* Of `n` tensors of one shape, cut alike: out[k] of t[k]. Where blocked layouts agree, lanes
 * between pixels belong to the runs; where they do not, a run is the channels of one image. */
void mxdi_cpu_spans_of(mxdi_cpu_spans *out, const mxdi_cpu_frame *f, const uint32_t *t, uint32_t n);

/* Runs cut into pieces of at most `grain` elements; piece i begins at element `at`. */
typedef struct mxdi_cpu_piece {
    int64_t at, n;
} mxdi_cpu_piece;
size_t         mxdi_cpu_pieces(const mxdi_cpu_spans *s, int64_t grain);
mxdi_cpu_piece mxdi_cpu_piece_at(const mxdi_cpu_spans *s, int64_t grain, size_t i);

/* ---- a program and its session ---- */
mxd_status mxdi_cpu_compile(mxd_program **out, mxd_device *dev, const mxd_graph_view *part,
                            const mxd_compile_options *options, mxd_error *err);
void       mxdi_cpu_program_destroy(mxd_program *program);
mxd_status mxdi_cpu_plan_memory(mxd_program *program,
                                mxd_error   *err); /* offsets of the arena's tensors */
mxd_status mxdi_cpu_claim(mxd_device *dev, const mxd_graph_view *graph, mxd_claim *out,
                          mxd_error *err);
mxd_status mxdi_cpu_session_open(mxd_run **out, const mxd_program *program,
                                 const mxd_run_options *options, mxd_error *err);
void       mxdi_cpu_session_close(mxd_run *run);
mxd_status mxdi_cpu_session_run(mxd_run *run, const mxd_tensor *in, uint32_t n_in,
                                const mxd_tensor *out, uint32_t n_out, mxd_trace_fn trace,
                                void *trace_user, mxd_error *err);
mxd_status mxdi_cpu_session_profile(mxd_run *run, uint64_t *ns, uint32_t n, uint64_t *runs,
                                    mxd_error *err);
/* Keep what a step has left of a shown value, of the chunk that begins at sample `first`; then hand
 * all of them to `fn`, in graph layout and stored type. */
void       mxdi_cpu_trace_keep(mxd_run *run, const mxdi_cpu_shown *shown, const mxdi_cpu_frame *f,
                               int64_t first);
mxd_status mxdi_cpu_trace_show(mxd_run *run, int64_t batch, mxd_trace_fn fn, void *user,
                               mxd_error *err);
#endif
