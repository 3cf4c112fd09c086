#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `make demo`: the main job on a small trained network, one table. MIXDOWN names another program than build/mixdown.
exec python3 "$(dirname "$0")/demo.py" ${MIXDOWN:+"$MIXDOWN"}
