/* SPDX-License-Identifier: Apache-2.0
 *
 * Specifications of data, as text and as the JSON file that `@FILE` names. No data file is opened:
 * what parses is looked at.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "data/data_impl.h"
#include "fuzz/fuzz_case.h"

enum { LONGEST = 1024 };

/* "@PATH" of a file with these bytes; it has no name but the process's own descriptor. */
static int hold(char path[64], const uint8_t *data, size_t size)
{
    static FILE *file;
    if (!file && !(file = tmpfile()))
        return 0;
    (void)snprintf(path, 64, "@/proc/self/fd/%d", fileno(file));
    return ftruncate(fileno(file), 0) == 0 && pwrite(fileno(file), data, size, 0) == (ssize_t)size;
}

static void read_text(const char *text)
{
    if (strlen(text) >= LONGEST)
        abort();
}

static void look_at(const mxdi_data_spec *s)
{
    const mxdi_numbers *const numbers[] = { &s->scale, &s->mean, &s->std };
    for (uint32_t k = 0; k < s->n_files; k++)
        read_text(s->file[k]);
    for (uint32_t k = 0; k < 2 * s->n_inputs; k++)
        read_text(s->inputs[k]);
    for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++)
        for (uint32_t i = 0; i < numbers[k]->n; i++)
            if (!isfinite(numbers[k]->at[i]))
                abort();
    if (s->n_shape > MXD_MAX_RANK || s->n_resize > 2 || s->n_crop > 2 || s->skip < 0 ||
        s->subset < -1)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mxdi_data_spec s;
    mxdi_arena     arena;
    mxd_error      err = MXD_ERROR_INIT;
    char           text[LONGEST], path[64];
    if (size < 1 || size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size]     = '\0';
    const int json = text[0] == '{';
    if ((json && !hold(path, data, size)) || text[0] == '@')
        return 0;
    mxdi_arena_init(&arena, &fuzz_allocator);
    if (fuzz_told(mxdi_data_spec_parse(&s, json ? path : text, &arena, &err), &err) == MXD_OK)
        look_at(&s);
    mxdi_arena_fini(&arena);
    return fuzz_end();
}
