#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Everything that bench/ measures, on a quiet machine.
set -e
exec python3 "$(dirname "$0")/peers.py" "$@"
