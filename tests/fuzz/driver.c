/* SPDX-License-Identifier: Apache-2.0
 *
 * Replays a corpus without libFuzzer: every file of the folders named on the command line goes
 * through the target once. What is found shows as a crash or a sanitizer's report; an empty or
 * missing corpus is a failure.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static int replay(const char *path)
{
    FILE *const f = fopen(path, "rb");
    if (!f)
        return 0;
    unsigned char *data = NULL;
    size_t         size = 0;
    if (fseek(f, 0, SEEK_END) == 0) {
        size = (size_t)ftell(f);
        data = malloc(size ? size : 1);
        rewind(f);
    }
    const int ok = data && fread(data, 1, size, f) == size;
    fclose(f);
    if (ok)
        LLVMFuzzerTestOneInput(data, size);
    free(data);
    return ok;
}

int main(int argc, char **argv)
{
    unsigned n = 0;
    for (int k = 1; k < argc; k++) {
        DIR *const dir = opendir(argv[k]);
        for (struct dirent *e; dir && (e = readdir(dir));) {
            char path[4096];
            if (e->d_name[0] == '.')
                continue;
            snprintf(path, sizeof(path), "%s/%s", argv[k], e->d_name);
            if (!replay(path)) {
                fprintf(stderr, "%s: cannot be read\n", path);
                return 1;
            }
            n++;
        }
        if (dir)
            closedir(dir);
    }
    printf("%u files replayed\n", n);
    return n == 0;
}
