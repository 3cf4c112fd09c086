/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of the CPU backend, and its device: an instruction set and an allocator. */
#include "backends/cpu/cpu_backend.h"

#include <stdio.h>

#include "backends/cpu/cpu_impl.h"
#include "base/alloc.h"
#include "base/cpu.h"

static mxd_status probe(uint32_t *n_devices, char *description, size_t description_bytes,
                        mxd_error *err)
{
    (void)err;
    *n_devices = 1;
    if (description && description_bytes)
        (void)snprintf(description, description_bytes, "%s, %s", mxdi_cpu_model(),
                       mxdi_isa_name(mxdi_cpu_isa()));
    return MXD_OK;
}

static mxd_status open_device(mxd_device **out, uint32_t index, const mxd_options *options,
                              const mxd_host_api *host, mxd_error *err)
{
    uint32_t isa = mxdi_cpu_isa();
    *out         = NULL;
    if (index != 0)
        return mxdi_fail(err, MXD_E_USAGE, "cpu: expected device 0, got %u", index);
    for (uint32_t k = 0; options && k < options->n; k++) {
        if (strcmp(options->option[k].key, "isa") != 0)
            return mxdi_fail(err, MXD_E_USAGE, "cpu: expected option 'isa', got '%s'",
                             options->option[k].key);
        if (options->option[k].value)
            MXD_TRY(mxdi_isa_cap(&isa, options->option[k].value, err));
    }
    mxd_device *const dev = MXDI_ALLOC(host->allocator, mxd_device, 1);
    if (!dev)
        return mxdi_nomem(err);
    dev->alloc = host->allocator;
    dev->isa   = isa;
    (void)snprintf(dev->description, sizeof(dev->description), "%s, %s", mxdi_cpu_model(),
                   mxdi_isa_name(isa));
    *out = dev;
    return MXD_OK;
}

static void close_device(mxd_device *dev)
{
    if (dev)
        mxdi_free(dev->alloc, dev);
}

static const char *describe(const mxd_device *dev)
{
    return dev->description;
}

static void constraints(const mxd_device *dev, mxd_constraints *out)
{
    (void)dev;
    out->compute_dtypes =
        1u << MXD_F32 | 1u << MXD_BF16 | 1u << MXD_S8 | 1u << MXD_U8 | 1u << MXD_S4;
    out->symmetric_only = out->signed_activations = out->quantize_every_output =
        out->quantize_residual                    = 0;
}

static void steps(const mxd_program *program, mxd_steps *out)
{
    const size_t lanes = program->lanes;
    *out               = (mxd_steps){ program->info, program->n_steps,
                                      program->arena_bytes * lanes + program->scratch_bytes * lanes +
                                          program->derived_bytes,
                                      program->more };
}

const mxd_backend_api *mxdi_cpu_backend(void)
{
    static const mxd_backend_api api = {
        .abi             = MXD_BACKEND_ABI,
        .struct_size     = sizeof(mxd_backend_api),
        .name            = "cpu",
        .probe           = probe,
        .open            = open_device,
        .close           = close_device,
        .describe        = describe,
        .constraints     = constraints,
        .claim           = mxdi_cpu_claim,
        .compile         = mxdi_cpu_compile,
        .program_destroy = mxdi_cpu_program_destroy,
        .steps           = steps,
        .session_open    = mxdi_cpu_session_open,
        .session_close   = mxdi_cpu_session_close,
        .session_run     = mxdi_cpu_session_run,
        .session_profile = mxdi_cpu_session_profile,
    };
    return &api;
}
