#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A longer training of NNI's ResNet18: bench/train_resnet18.sh --cifar10 DIR [--folder DIR] [--minutes M] ...; --help tells all.
set -e
. "$(dirname "$0")/python.sh"
exec "$python" "$(dirname "$0")/train_resnet18.py" "$@"
