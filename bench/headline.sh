#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `make headline`: NNI's two published experiments done again, one table each. The environment, and so the command line of make,
# gives MNIST=DIR, CIFAR10=DIR (folders with the official files), and for short trials EPOCHS, ROUNDS, SAMPLES, THREADS.
set -e
. "$(dirname "$0")/python.sh"
exec "$python" "$(dirname "$0")/headline.py" ${MNIST:+--mnist "$MNIST"} ${CIFAR10:+--cifar10 "$CIFAR10"} ${EPOCHS:+--epochs "$EPOCHS"} \
    ${ROUNDS:+--rounds "$ROUNDS"} ${SAMPLES:+--samples "$SAMPLES"} ${THREADS:+--threads "$THREADS"} "$@"
