/* SPDX-License-Identifier: Apache-2.0
 * For tests that make files: a folder of its own for each test, which is the working directory
 * while it runs. */
#ifndef MXDI_TESTS_TEST_FOLDER_H
#define MXDI_TESTS_TEST_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int enter_folder(void **state)
{
    char path[] = "/tmp/mixdown_test_XXXXXX";
    if (!mkdtemp(path) || chdir(path) != 0)
        return -1;
    *state = strdup(path);
    return *state ? 0 : -1;
}

static int leave_folder(void **state)
{
    char command[64];
    (void)snprintf(command, sizeof(command), "rm -rf %s", (char *)*state);
    free(*state);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)
#endif
