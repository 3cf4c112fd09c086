/* SPDX-License-Identifier: Apache-2.0
 *
 * Compiling a part: which values are wished blocked, the nodes lowered one after the other, outputs
 * delivered, memory planned. Emitting steps, and running those at once that depend on constants
 * alone.
 */
#include "backends/cpu/cpu_plan.h"

#include "backends/cpu/cpu_convert.h"
#include "backends/cpu/cpu_through.h"
#include "base/cpu.h"
#include "base/dtype.h"
#include "base/threads.h"

/* ---- steps ---- */

void *mxdi_cpu_new_op(mxdi_cpu_plan *p, size_t bytes)
{
    return mxdi_arena_alloc(&p->program->arena, 1, bytes, 64);
}

const char *mxdi_cpu_kernel_name(mxdi_cpu_plan *p, const char *family, const char *variant)
{
    const char *const isa = strrchr(variant, '_');
    return mxdi_arena_printf(&p->program->arena, "%s_%s", family, isa ? isa + 1 : variant);
}

void mxdi_cpu_need_scratch(mxdi_cpu_plan *p, size_t bytes)
{
    bytes = (bytes + 63) / 64 * 64;
    if (bytes > p->program->scratch_bytes)
        p->program->scratch_bytes = bytes;
}

static int64_t tensor_bytes(const mxdi_cpu_tensor *t)
{
    const int64_t size = mxd_dtype_bits(t->dtype) / 8;
    int64_t       n    = 1;
    if (t->blocked)
        return (t->images + t->l.block - 1) / t->l.block * t->l.block_stride * size;
    return mxdi_shape_count(&n, t->dim, t->rank) ? n * size : 0;
}

/* Channels, or elements, of a tensor at the size of a chunk. */
static int64_t element_count(const mxdi_cpu_tensor *t)
{
    int64_t n = 1;
    if (t->blocked)
        return t->images * t->l.h * t->l.w * t->l.channels;
    return mxdi_shape_count(&n, t->dim, t->rank) ? n : 0;
}

static const mxdi_cpu_tensor *root_of(const mxd_program *g, uint32_t t)
{
    return &g->tensor[g->tensor[t].root];
}

static bool all_constant(const mxd_program *g, const mxdi_cpu_emission *e)
{
    for (uint32_t k = 0; k < e->n_in; k++)
        if (root_of(g, e->in[k])->home != MXDI_CPU_CONSTANT)
            return false;
    for (uint32_t k = 0; k < e->n_out; k++)
        if (root_of(g, e->out[k])->home == MXDI_CPU_OUTPUT || root_of(g, e->out[k])->scaled)
            return false;
    return true;
}

/* Run a step now; what it makes is constant from here on. */
static mxd_status fold(mxdi_cpu_plan *p, const mxdi_cpu_emission *e, mxd_error *err)
{
    mxd_program *const g       = p->program;
    void **const       ptr     = MXDI_ALLOC(g->alloc, void *, g->n_tensors);
    uint8_t *const     scratch = mxdi_alloc(g->alloc, g->scratch_bytes + 1, 1);
    mxd_status         st      = ptr && scratch ? MXD_OK : mxdi_nomem(err);
    for (uint32_t k = 0; k < e->n_out && st == MXD_OK; k++) {
        mxdi_cpu_tensor *const root = &g->tensor[g->tensor[e->out[k]].root];
        root->data                  = mxdi_arena_alloc(&g->arena, root->bytes + 64, 1, 64);
        root->home                  = MXDI_CPU_CONSTANT;
        g->derived_bytes += root->bytes;
        if (!root->data)
            st = mxdi_nomem(err);
    }
    if (st == MXD_OK) {
        for (uint32_t t = 0; t < g->n_tensors; t++) {
            const mxdi_cpu_tensor *const root = root_of(g, t);
            g->tensor[t].home                 = root->home;
            g->tensor[t].data                 = root->data;
            ptr[t] = root->data ? (uint8_t *)(uintptr_t)root->data + g->tensor[t].offset : NULL;
        }
        atomic_bool          fault = false;
        const mxdi_cpu_frame f     = { g->tensor,        ptr,   g->max_batch, g->max_batch, scratch,
                                       g->scratch_bytes, &fault };
        e->kind->run(e->op, &f, 0, e->kind->tasks ? e->kind->tasks(e->op, &f) : 1, 0);
        if (fault)
            st =
                mxdi_fail(err, MXD_E_RANGE, "%s: an index or a divisor is out of range", e->kernel);
    }
    mxdi_free(g->alloc, ptr);
    mxdi_free(g->alloc, scratch);
    if (e->kind->destroy)
        e->kind->destroy(e->op);
    return st;
}

static mxd_status grow_steps(mxd_program *g, mxd_error *err)
{
    if (g->n_steps < g->cap_steps)
        return MXD_OK;
    const uint32_t       cap  = g->cap_steps ? 2 * g->cap_steps : 64;
    mxdi_cpu_step *const step = mxdi_realloc(g->alloc, g->step, g->cap_steps, cap, sizeof(*step));
    if (!step)
        return mxdi_nomem(err);
    g->step              = step;
    mxd_step *const info = mxdi_realloc(g->alloc, g->info, g->cap_steps, cap, sizeof(*info));
    if (!info)
        return mxdi_nomem(err);
    g->info                   = info;
    mxd_step_more *const more = mxdi_realloc(g->alloc, g->more, g->cap_steps, cap, sizeof(*more));
    if (!more)
        return mxdi_nomem(err);
    g->more      = more;
    g->cap_steps = cap;
    return MXD_OK;
}

static mxd_status append(mxdi_cpu_plan *p, const mxdi_cpu_emission *e, mxd_error *err)
{
    mxd_program *const g = p->program;
    MXD_TRY(grow_steps(g, err));
    uint32_t *const in =
        mxdi_arena_memdup(&g->arena, e->in, (e->n_in + (e->n_in == 0)) * sizeof(e->in[0]), 64);
    if (!in)
        return mxdi_nomem(err);
    mxdi_cpu_step *const step = &g->step[g->n_steps];
    mxd_step *const      info = &g->info[g->n_steps];
    mxd_step_more *const more = &g->more[g->n_steps++];
    /* of a chunk; of the largest batch; constants */
    int64_t       bytes = (int64_t)e->derived, all = bytes, constant = bytes;
    const int64_t times = g->samples / g->max_batch + (g->samples % g->max_batch != 0);
    *step               = (mxdi_cpu_step){ .kind     = e->kind,
                                           .op       = e->op,
                                           .in       = in,
                                           .n_in     = e->n_in,
                                           .n_out    = e->n_out,
                                           .in_place = e->in_place };
    for (uint32_t k = 0; k < e->n_in + e->n_out; k++) {
        const mxdi_cpu_tensor *const t = &g->tensor[k < e->n_in ? in[k] : e->out[k - e->n_in]];
        bytes += tensor_bytes(t);
        all += t->scaled ? tensor_bytes(t) / g->max_batch * g->samples : tensor_bytes(t) * times;
        constant += root_of(g, k < e->n_in ? in[k] : e->out[k - e->n_in])->home == MXDI_CPU_CONSTANT
                        ? tensor_bytes(t)
                        : 0;
    }
    const int64_t outputs = e->n_out ? element_count(&g->tensor[e->out[0]]) : 0;
    *more = (mxd_step_more){ e->algorithm, constant, outputs ? e->macs / outputs : 0 };
    memcpy(step->out, e->out, e->n_out * sizeof(step->out[0]));
    const double per_ns = strcmp(e->computed, "u8s8") == 0   ? 200.0
                          : strcmp(e->computed, "bf16") == 0 ? 100.0
                                                             : 50.0;
    step->ns            = e->ns > 0 ? e->ns : (double)e->macs / per_ns + (double)bytes / 20.0;
    *info               = (mxd_step){ .kernel   = e->kernel,
                                      .computed = e->computed,
                                      .bytes    = all,
                                      .reason   = e->reason,
                                      .macs     = e->n_out && g->tensor[e->out[0]].scaled
                                                      ? e->macs / g->max_batch * g->samples
                                                      : e->macs * times };
    if (p->node && !e->anonymous) {
        info->origin   = p->node->origin;
        info->n_origin = p->node->n_origin;
    }
    g->derived_bytes += e->derived;
    return MXD_OK;
}

mxd_status mxdi_cpu_emit(mxdi_cpu_plan *p, const mxdi_cpu_emission *e, mxd_error *err)
{
    static const uint32_t none[1]  = { MXD_NO_VALUE };
    mxdi_cpu_emission     emission = *e;
    if (emission.n_in == 0)
        emission.in = none;
    if (all_constant(p->program, &emission))
        return fold(p, &emission, err);
    const mxd_status st = append(p, &emission, err);
    if (st != MXD_OK && e->kind->destroy)
        e->kind->destroy(e->op);
    return st;
}

/* ---- constants ---- */

static bool by_block(const mxd_value *v, const mxd_qparams *q)
{
    return q->block > 0 && q->axis >= 0 && q->axis < v->rank;
}

/* Index of the scale of element i. */
static int64_t scale_of(const mxd_value *v, const mxd_qparams *q, int64_t i)
{
    if (q->n == 1)
        return 0;
    int64_t inner = 1, blocks = 1;
    for (int32_t k = q->axis + 1; k < v->rank; k++)
        inner *= v->dim[k];
    const int64_t along = i / inner % v->dim[q->axis];
    if (!by_block(v, q))
        return along;
    blocks = (v->dim[q->axis] + q->block - 1) / q->block;
    return (i / inner / v->dim[q->axis] * blocks + along / q->block) * inner + i % inner;
}

mxd_status mxdi_cpu_constant_f32(const float **out, mxdi_cpu_plan *p, uint32_t value,
                                 mxd_error *err)
{
    *out = NULL;
    if (value == MXD_NO_VALUE)
        return MXD_OK;
    const mxd_value *const v = &p->g->value[value];
    if (!v->data && p->value[value].plain != MXD_NO_VALUE) {
        const mxdi_cpu_tensor *const t = &p->program->tensor[p->value[value].plain];
        if (t->home == MXDI_CPU_CONSTANT && t->dtype == MXD_F32)
            *out = (const float *)(const void *)((const uint8_t *)t->data + t->offset);
        return MXD_OK;
    }
    if (!v->data && p->value[value].reshape_of != MXD_NO_VALUE)
        return mxdi_cpu_constant_f32(out, p, p->value[value].reshape_of, err);
    if (!v->data)
        return MXD_OK;
    if (v->dtype == MXD_F32) {
        *out = v->data;
        return MXD_OK;
    }
    const int64_t n = mxdi_cpu_count(v);
    float *const  x = mxdi_arena_alloc(&p->scratch, (size_t)n + 1, sizeof(float), 64);
    if (!x)
        return mxdi_nomem(err);
    for (int64_t i = 0; i < n; i++) {
        if (v->q) {
            const int64_t k = scale_of(v, v->q, i);
            if (k >= (int64_t)v->q->n)
                return mxdi_fail(err, MXD_E_SHAPE, "'%s': %u scales do not cover it", v->name,
                                 v->q->n);
            x[i] =
                (float)(mxdi_load_s64(v->data, v->dtype, i) - v->q->zero_point[k]) * v->q->scale[k];
        } else {
            x[i] = (float)mxdi_load_f64(v->data, v->dtype, i);
        }
    }
    *out = x;
    return MXD_OK;
}

mxd_status mxdi_cpu_constant_s64(const int64_t **out, mxdi_cpu_plan *p, uint32_t value,
                                 mxd_error *err)
{
    *out = NULL;
    if (value == MXD_NO_VALUE || !p->g->value[value].data)
        return MXD_OK;
    const mxd_value *const v = &p->g->value[value];
    const int64_t          n = mxdi_cpu_count(v);
    int64_t *const         x = mxdi_arena_alloc(&p->scratch, (size_t)n + 1, sizeof(int64_t), 64);
    if (!x)
        return mxdi_nomem(err);
    for (int64_t i = 0; i < n; i++)
        x[i] = mxdi_load_s64(v->data, v->dtype, i);
    *out = x;
    return MXD_OK;
}

/* ---- compiling ---- */

static mxd_status start_states(mxdi_cpu_plan *p, mxd_error *err)
{
    const mxd_graph_view *const g = p->g;
    p->value = MXDI_NEW(&p->scratch, mxdi_cpu_state, g->n_values ? g->n_values : 1);
    if (!p->value)
        return mxdi_nomem(err);
    for (uint32_t v = 0; v < g->n_values; v++) {
        p->value[v]       = (mxdi_cpu_state){ .plain      = MXD_NO_VALUE,
                                              .blocked    = MXD_NO_VALUE,
                                              .reshape_of = MXD_NO_VALUE,
                                              .output     = MXD_NO_VALUE,
                                              .inside     = MXD_NO_VALUE };
        p->program->whole = p->program->whole || (g->value[v].batch_axis > 0 && !g->value[v].data);
    }
    for (uint32_t n = 0; n < g->n_nodes; n++)
        for (uint32_t k = 0; k < g->node[n].n_in; k++)
            if (mxdi_cpu_has_in(&g->node[n], k))
                p->value[g->node[n].in[k]].n_uses++;
    for (uint32_t k = g->n_outputs; k-- > 0;)
        p->value[g->output[k]].output = k;
    for (uint32_t k = 0; k < g->n_inputs; k++)
        MXD_TRY(mxdi_cpu_take_input(p, g->input[k], k, err));
    return MXD_OK;
}

static void make_wishes(mxdi_cpu_plan *p)
{
    const mxd_graph_view *const g = p->g;
    for (uint32_t n = g->n_nodes; n-- > 0;) {
        const mxd_node *const    node = &g->node[n];
        const mxdi_cpu_op *const op   = mxdi_cpu_op_find(node);
        bool                     wish = op && op->wish == MXDI_CPU_WISH_BLOCKED;
        for (uint32_t k = 0; op && op->wish == MXDI_CPU_WISH_FOLLOW && k < node->n_out; k++)
            wish = wish || (mxdi_cpu_has_out(node, k) && p->value[node->out[k]].wish);
        for (uint32_t k = 0; wish && k < node->n_in; k++)
            if (mxdi_cpu_has_in(node, k) && mxdi_cpu_can_block(&g->value[node->in[k]]))
                p->value[node->in[k]].wish = true;
    }
}

/* Quantized values that some step leaves in memory, in the order of the steps. */
static mxd_status find_shown(mxdi_cpu_plan *p, mxd_error *err)
{
    mxd_program *const g      = p->program;
    uint32_t *const    writer = MXDI_NEW(&p->scratch, uint32_t, g->n_tensors + 1);
    g->shown                  = MXDI_NEW(&g->arena, mxdi_cpu_shown, p->g->n_values + 1);
    if (!writer || !g->shown)
        return mxdi_nomem(err);
    memset(writer, 0xFF, (g->n_tensors + 1) * sizeof(writer[0]));
    for (uint32_t s = 0; s < g->n_steps; s++)
        for (uint32_t k = 0; k < g->step[s].n_out; k++)
            writer[g->tensor[g->step[s].out[k]].root] = s;
    for (uint32_t v = 0; v < p->g->n_values; v++) {
        const mxd_value *const v_ = &p->g->value[v];
        const uint32_t         tensor =
            p->value[v].blocked != MXD_NO_VALUE ? p->value[v].blocked : p->value[v].plain;
        if (!v_->q || v_->data || !mxdi_cpu_is_byte(v_->dtype) || tensor == MXD_NO_VALUE)
            continue;
        const uint32_t step = writer[g->tensor[tensor].root];
        if (step == MXD_NO_VALUE)
            continue;
        const int64_t grow = v_->batch_axis == 0 ? g->samples : g->max_batch;
        uint32_t      k    = g->n_shown++;
        for (; k > 0 && g->shown[k - 1].step > step; k--)
            g->shown[k] = g->shown[k - 1];
        g->shown[k] = (mxdi_cpu_shown){ v, tensor, step, g->trace_bytes };
        g->trace_bytes += (size_t)(mxdi_cpu_count(v_) / g->max_batch * grow + 63) / 64 * 64 +
                          (size_t)g->max_batch;
    }
    return MXD_OK;
}

static mxd_status lower_nodes(mxdi_cpu_plan *p, const mxd_compile_options *options, mxd_error *err)
{
    for (uint32_t n = 0; n < p->g->n_nodes; n++) {
        const mxd_node *const    node = &p->g->node[n];
        const mxdi_cpu_op *const op   = mxdi_cpu_op_find(node);
        if (!op)
            return mxdi_fail(err, MXD_E_UNSUPPORTED, "%s '%s': no CPU kernel", node->op,
                             node->name);
        if (options->progress && options->progress(options->user, (double)n / p->g->n_nodes))
            return mxdi_fail(err, MXD_E_CANCELLED, "cancelled while compiling");
        p->node               = node;
        const char *const why = op->refuses(p->g, node);
        const mxd_status  st =
            why ? mxdi_fail(err, MXD_E_UNSUPPORTED, "%s", why) : op->lower(p, node, err);
        if (st != MXD_OK)
            return mxdi_wrap(err, st, "%s '%s'", node->op, node->name);
    }
    return MXD_OK;
}

static mxd_status build(mxdi_cpu_plan *p, const mxd_compile_options *options, mxd_error *err)
{
    MXD_TRY(start_states(p, err));
    make_wishes(p);
    mxdi_cpu_plan_joins(p);
    mxdi_cpu_plan_through(p);
    MXD_TRY(lower_nodes(p, options, err));
    MXD_TRY(mxdi_cpu_deliver(p, err));
    MXD_TRY(find_shown(p, err));
    return mxdi_cpu_plan_memory(p->program, err);
}

/* ---- chunks ---- */

enum {
    CHUNK_LEAST = 16, /* samples: fewer would read large weights too often */
    CHUNK_STEP  = 8   /* whole blocks */
};

/* Bytes that the widest node reads and writes per sample; 0: samples cannot be told apart. */
static int64_t widest_node(const mxd_graph_view *g)
{
    int64_t most = 0;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        int64_t bytes = 0;
        for (uint32_t k = 0; k < g->node[n].n_in + g->node[n].n_out; k++) {
            const uint32_t id =
                k < g->node[n].n_in ? g->node[n].in[k] : g->node[n].out[k - g->node[n].n_in];
            if (id == MXD_NO_VALUE || g->value[id].data)
                continue;
            if (g->value[id].batch_axis > 0)
                return 0;
            bytes += mxdi_cpu_count(&g->value[id]) *
                     (int64_t)(mxd_dtype_bits(g->value[id].dtype) + 7) / 8;
        }
        most = bytes > most ? bytes : most;
    }
    return most / g->max_batch + 1;
}

static bool can_chunk(const mxd_graph_view *g)
{
    /* what a run makes of all its samples, or of their number */
    static const char *const whole[] = { "DynamicQuantizeLinear", "Shape", "Size", "Range",
                                         "ConstantOfShape" };
    for (uint32_t n = 0; n < g->n_nodes; n++)
        for (size_t k = 0; k < sizeof(whole) / sizeof(whole[0]); k++)
            if (strcmp(g->node[n].op, whole[k]) == 0)
                return false;
    for (uint32_t k = 0; k < g->n_inputs + g->n_outputs; k++) {
        const mxd_value *const v =
            &g->value[k < g->n_inputs ? g->input[k] : g->output[k - g->n_inputs]];
        if (mxd_dtype_bits(v->dtype) < 8 || (k >= g->n_inputs && v->batch_axis != 0))
            return false;
    }
    return g->max_batch >= 2 * CHUNK_LEAST;
}

/* As many samples as keep the widest node in a thread's share of the last cache; all threads get
 * equally many chunks. */
static int64_t chunk_of(const mxd_graph_view *g, uint32_t threads)
{
    const int64_t bytes = can_chunk(g) ? widest_node(g) : 0, n = g->max_batch,
                  lanes = threads ? threads : mxdi_cores();
    if (bytes == 0)
        return n;
    int64_t fits   = (int64_t)mxdi_cache_bytes(3) / 2 / lanes / bytes;
    fits           = fits < CHUNK_LEAST ? CHUNK_LEAST : fits;
    int64_t chunks = (n + fits - 1) / fits;
    chunks         = (chunks + lanes - 1) / lanes * lanes;
    int64_t each   = ((n + chunks - 1) / chunks + CHUNK_STEP - 1) / CHUNK_STEP * CHUNK_STEP;
    each           = each < CHUNK_LEAST ? CHUNK_LEAST : each;
    return each < n ? each : n;
}

/* The part with its batch cut to a chunk. */
static mxd_status cut_part(mxd_program *program, const mxd_graph_view *part, uint32_t threads,
                           mxd_error *err)
{
    program->part      = *part;
    program->samples   = part->max_batch > 0 ? part->max_batch : 1;
    program->max_batch = program->part.max_batch =
        part->max_batch > 0 ? chunk_of(part, threads) : 1;
    const uint32_t lanes = threads ? threads : mxdi_cores();
    program->lanes =
        (program->samples + program->max_batch - 1) / program->max_batch >= (int64_t)lanes ? lanes
                                                                                           : 1;
    mxd_value *const value = MXDI_NEW(&program->arena, mxd_value, part->n_values + 1);
    if (!value)
        return mxdi_nomem(err);
    for (uint32_t v = 0; v < part->n_values; v++) {
        value[v] = part->value[v];
        if (value[v].batch_axis == 0)
            value[v].dim[0] = value[v].dim[0] / program->samples * program->max_batch;
    }
    program->part.value = value;
    return MXD_OK;
}

/* Lanes run whole chunks beside each other: a step is one thread's. */
static void take_choices(mxdi_cpu_plan *p, const mxd_compile_options *o)
{
    const uint32_t threads = o->threads ? o->threads : mxdi_cores();
    p->choices = o->struct_size > offsetof(mxd_compile_options, choices) ? o->choices : NULL;
    p->timed   = o->timed != 0;
    p->threads = p->program->lanes > 1 ? 1 : threads;
}

mxd_status mxdi_cpu_compile(mxd_program **out, mxd_device *dev, const mxd_graph_view *part,
                            const mxd_compile_options *options, mxd_error *err)
{
    *out = NULL;
    if (part->value_size != sizeof(mxd_value) || part->node_size != sizeof(mxd_node))
        return mxdi_fail(err, MXD_E_STALE, "cpu: the graph comes from another version of mixdown");
    mxd_program *const program = MXDI_ALLOC(dev->alloc, mxd_program, 1);
    if (!program)
        return mxdi_nomem(err);
    program->alloc = dev->alloc;
    program->isa   = dev->isa;
    program->exact = options->exact != 0;
    mxdi_arena_init(&program->arena, dev->alloc);
    mxdi_cpu_plan p = { .program       = program,
                        .g             = &program->part,
                        .workspace_cap = options->workspace_cap };
    mxdi_arena_init(&p.scratch, dev->alloc);
    mxd_status st = cut_part(program, part, options->threads, err);
    if (st == MXD_OK) {
        take_choices(&p, options);
        st = build(&p, options, err);
    }
    mxdi_pool_destroy(p.pool);
    mxdi_arena_fini(&p.scratch);
    if (st != MXD_OK) {
        mxdi_cpu_program_destroy(program);
        return st;
    }
    *out = program;
    return MXD_OK;
}

void mxdi_cpu_program_destroy(mxd_program *g)
{
    if (!g)
        return;
    for (uint32_t k = 0; k < g->n_steps; k++)
        if (g->step[k].kind->destroy)
            g->step[k].kind->destroy(g->step[k].op);
    mxdi_free(g->alloc, g->step);
    mxdi_free(g->alloc, g->info);
    mxdi_free(g->alloc, g->more);
    mxdi_free(g->alloc, g->tensor);
    mxdi_arena_fini(&g->arena);
    mxdi_free(g->alloc, g);
}
