# SPDX-License-Identifier: Apache-2.0
# Sourced: $python is the interpreter that has the packages which tools/install_deps.sh python sees to.
python=python3
python3 -c 'import numpy, onnx, onnxruntime' 2>/dev/null || python=$(dirname "$0")/../build/venv/bin/python
