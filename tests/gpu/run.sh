#!/usr/bin/env bash
# The checks that need a CUDA device, in parts of under ten minutes:
#
#   bash tests/gpu/run.sh wheels [PACKAGE…]          on a machine with a network: fetch what is missing
#   bash tests/gpu/run.sh tests [PART]               the GPU tests: clock, fused or layernorm, or all
#   bash tests/gpu/run.sh sanitizer                  compute-sanitizer, memcheck and racecheck
#   bash tests/gpu/run.sh SUITE [flags of lnbench]   transformer, isovolume, decode or fused
#   bash tests/gpu/run.sh limit                      is any cold row above the copy?
#
# Without a device the tests are skipped, and the other parts say what is missing.
#
# The machine brings Python, torch and triton (2.11 and 3.6 are enough) and needs no network: the
# rest comes from the folder wheels/. Reports go to $OUT, or reports/ without it; a suite whose time
# is up goes on where it stopped when it is called again.
#
# Not among the wheels: quack, whose compiler alone weighs 92 MB. Where that may travel, name
#   quack-kernels einops apache-tvm-ffi torch-c-dlpack-ext nvidia-cutlass-dsl
#   nvidia-cutlass-dsl-libs-{core,base,cu12}
set -euo pipefail
cd "$(dirname "$0")/../.."

WHEELS=${WHEELS:-wheels}
OUT=${OUT:-reports}
PYTHON=${PYTHON:-python3}
VENV=${VENV:-.venv-gpu}
SECONDS_EACH=540

wheels() {
  mkdir -p "$WHEELS"
  "$PYTHON" -m pip download --quiet --dest "$WHEELS" --only-binary=:all: \
    --python-version "${TARGET_PYTHON:-3.12}" --implementation cp --platform manylinux_2_28_x86_64 \
    --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 --no-deps \
    msgspec typer click shellingham rich markdown-it-py mdurl Pygments typing_extensions \
    annotated-doc ml-dtypes PyYAML hatchling editables packaging pathspec pluggy trove-classifiers \
    pytest pytest-timeout iniconfig hypothesis sortedcontainers \
    nvidia-ml-py liger-kernel "$@"
  ls "$WHEELS"
}

install() {
  [ -f "$VENV/.ready" ] && return
  "$PYTHON" -m venv --system-site-packages "$VENV"
  # Nothing that the machine has is replaced: torch and triton are what is measured.
  "$VENV/bin/python" -m pip install --quiet --no-index --find-links "$WHEELS" --no-deps \
    "$WHEELS"/*.whl
  "$VENV/bin/python" -m pip install --quiet --no-index --no-deps --no-build-isolation -e .
  touch "$VENV/.ready"
}

case "${1:-}" in
  wheels)
    shift
    wheels "$@"
    ;;
  tests)
    install
    "$VENV/bin/python" -m pytest -q -m gpu "tests/gpu${2:+/test_$2_cuda.py}" --timeout 120
    ;;
  sanitizer)
    install
    for tool in memcheck racecheck; do
      # torch's own allocator would hand out blocks larger than asked for, and hide what lies beyond.
      PYTORCH_NO_CUDA_MEMORY_CACHING=1 compute-sanitizer --tool "$tool" --error-exitcode 9 \
        "$VENV/bin/python" tests/gpu/sanitized.py
    done
    ;;
  transformer | isovolume | decode | fused)
    install
    suite=$1
    shift
    mkdir -p "$OUT"
    report=$OUT/$suite-cuda.json
    going_on=(-o "$report")
    [ -f "$report" ] && going_on=(--resume "$report")
    "$VENV/bin/lnbench" run "$suite" --device cuda --passes 6 --max-time "$SECONDS_EACH" \
      "${going_on[@]}" "$@"
    ;;
  limit)
    install
    "$VENV/bin/python" tests/gpu/limit.py "$OUT"/*-cuda.json
    ;;
  *)
    sed -n '2,14p' "$0" >&2
    exit 2
    ;;
esac
