#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs what a make target lacks: tools/install_deps.sh GROUP..., with the groups build, test, python, peers, format, tidy,
# fuzz, mutants, data and aarch64. Silent when nothing is missing; with apt and the right to use it, installs; otherwise says
# what is missing and fails. `python` puts numpy, onnx and onnxruntime into build/venv unless python3 has them; `peers` openvino
# too; `aarch64` the libraries of the cross build into build/sysroot-aarch64, not into the system.
set -u
cd "$(dirname "$0")/.." || exit 1

missing=()
need_command() { command -v "$1" >/dev/null 2>&1 || missing+=("$2"); }
need_pc() { pkg-config --exists "$1" 2>/dev/null || missing+=("$2"); }
need_path() { [ -e "$1" ] || missing+=("$2"); }

need_build() {
    need_command gcc gcc
    need_command cmake cmake
    need_command ninja ninja-build
    need_command pkg-config pkg-config
    need_command protoc-c protobuf-c-compiler
    need_pc jansson libjansson-dev
    need_pc libprotobuf-c libprotobuf-c-dev
    need_pc zlib zlib1g-dev
    need_pc liblzma liblzma-dev
    need_pc libzip libzip-dev
    need_pc libjpeg libjpeg-dev
    need_pc libpng libpng-dev
    need_pc libxxhash libxxhash-dev
    need_pc libpcre2-8 libpcre2-dev
}

need_group() {
    case "$1" in
    build) need_build ;;
    test) need_pc cmocka libcmocka-dev; need_command g++ g++; need_command python3 python3 ;;
    python | peers) need_command python3 python3; python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv) ;;
    format) need_command clang-format clang-format ;;
    fuzz) need_command clang clang ;;
    tidy) need_command clang-tidy clang-tidy ;;
    mutants) need_command patch patch ;;
    data) need_path /usr/share/datasets/fashion-mnist dataset-fashion-mnist ;;
    aarch64) need_command aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu; need_command qemu-aarch64 qemu-user ;;
    *) echo "install_deps.sh: group: expected build, test, python, peers, format, tidy, fuzz, mutants, data or aarch64, got $1" >&2; exit 2 ;;
    esac
}

install_missing() {
    local run=()
    if [ "$(id -u)" != 0 ]; then
        if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then run=(sudo); else return 1; fi
    fi
    command -v apt-get >/dev/null 2>&1 || return 1
    echo "installing ${missing[*]}" >&2
    "${run[@]}" apt-get update -qq >&2 && \
        "${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

python_packages() { # NAME...: by pip, of the same name when imported
    local packages="import $(IFS=,; echo "$*")"
    python3 -c "$packages" 2>/dev/null && return
    [ -x build/venv/bin/python ] && build/venv/bin/python -c "$packages" 2>/dev/null && return
    python3 -m venv build/venv && build/venv/bin/pip install -q "$@" && return
    echo "missing: the Python packages $* (python3 -m pip install $*)" >&2
    return 1
}

# Debian's packages for arm64, unpacked. apt works in a folder of its own: the system's packages and their lists stay as
# they are, and no right is needed. Links to /... are made relative to the folder.
aarch64_sysroot() {
    local root=build/sysroot-aarch64 apt=build/apt-aarch64 link
    [ -e "$root/complete" ] && return
    mkdir -p "$root" "$apt/lists/partial" "$apt/archives/partial" && : >"$apt/status" || return 1
    local options=(-qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State="$PWD/$apt"
        -o Dir::State::status="$PWD/$apt/status" -o Dir::Cache="$PWD/$apt" -o APT::Sandbox::User= -o Acquire::Retries=2)
    echo "unpacking the libraries for arm64 into $root" >&2
    apt-get "${options[@]}" update >&2 && \
        apt-get "${options[@]}" install -y --download-only --no-install-recommends libjansson-dev libprotobuf-c-dev \
            zlib1g-dev liblzma-dev libzip-dev libjpeg-dev libpng-dev libxxhash-dev libpcre2-dev libcmocka-dev >&2 && \
        find "$apt/archives" -name '*.deb' -exec dpkg-deb -x {} "$root" \; && [ -e "$root/usr/include/cmocka.h" ] || {
        echo "missing: packages for arm64 (libjansson-dev and the others of docs/dependencies.md) from apt" >&2
        return 1
    }
    find "$root" -lname '/*' | while read -r link; do
        ln -sfnr "$root$(readlink "$link")" "$link"
    done
    rm -r "$apt" && : >"$root/complete"
}

for group in "$@"; do need_group "$group"; done
if [ "${#missing[@]}" -gt 0 ] && ! install_missing; then
    echo "missing: ${missing[*]} (names of Debian packages)" >&2
    echo "  on Debian or Ubuntu: apt-get install ${missing[*]}" >&2
    exit 1
fi
for group in "$@"; do
    case "$group" in
    python) python_packages numpy onnx onnxruntime || exit 1 ;;
    peers) python_packages numpy onnx onnxruntime openvino || exit 1 ;;
    aarch64) aarch64_sysroot || exit 1 ;;
    esac
done
