# SPDX-License-Identifier: Apache-2.0
# Sourced: $python is the interpreter that has $packages, which tools/install_deps.sh python or peers sees to.
python=python3
python3 -c "import ${packages:-numpy, onnx, onnxruntime}" 2>/dev/null || python=$(dirname "$0")/../build/venv/bin/python
