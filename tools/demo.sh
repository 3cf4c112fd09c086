#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `make demo`: the main job on a small trained network, one table.
set -e
cd "$(dirname "$0")/.."
exec python3 tools/demo.py "${MIXDOWN:-build/mixdown}"
