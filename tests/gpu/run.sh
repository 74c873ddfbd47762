#!/usr/bin/env bash
# The first minutes on a CUDA device, every command written beforehand. Each call ends within ten
# minutes, and fails where torch, CUDA or a package is missing: nothing passes by being skipped.
#
#   bash tests/gpu/run.sh wheels [PACKAGE…]          on a machine with a network: fetch what is missing
#
#   bash tests/gpu/run.sh first                      3 min  versions, the clock, check, run quick
#   bash tests/gpu/run.sh tests [PART]               2 min  the GPU tests: clock, fused, layernorm,
#                                                           nursery, or all
#   bash tests/gpu/run.sh sweep [--table] [WIDTH…]   3 min  every variant of a kernel against its
#                                                           peers; 1 min for the table alone
#   bash tests/gpu/run.sh brief [flags of lnbench]   8 min  run brief, then `limit`
#
# The minutes are those of an H200 with 16 cores, in November 2026; a part asks first for what it needs.
#
#   bash tests/gpu/run.sh SUITE [flags of lnbench]   transformer, isovolume, decode or fused, in parts
#   bash tests/gpu/run.sh limit                      is any cold row above the copy?
#   bash tests/gpu/run.sh sanitizer                  compute-sanitizer, memcheck and racecheck
#
# The machine brings Python, torch, triton, NumPy and pytest with xdist (torch 2.11 and triton 3.6
# are enough) and needs no network: the rest comes from the folder wheels/. Reports go to $OUT, or
# reports/ without it; a suite whose time is up goes on where it stopped when it is called again.
#
# Not among the wheels: quack, whose compiler alone weighs 92 MB. Where that may travel, name
#   quack-kernels einops apache-tvm-ffi torch-c-dlpack-ext nvidia-cutlass-dsl
#   nvidia-cutlass-dsl-libs-{core,base,cu12}
set -euo pipefail
cd "$(dirname "$0")/../.."

WHEELS=${WHEELS:-wheels}
OUT=${OUT:-reports}
PYTHON=${PYTHON:-python3}
SITE=${SITE:-$PWD/.site-gpu}
MAX_TIME=${MAX_TIME:-420}

wheels() {
  mkdir -p "$WHEELS"
  "$PYTHON" -m pip download --quiet --dest "$WHEELS" --only-binary=:all: \
    --python-version "${TARGET_PYTHON:-3.12}" --implementation cp --platform manylinux_2_28_x86_64 \
    --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 --no-deps \
    msgspec typer click shellingham rich markdown-it-py mdurl Pygments typing_extensions \
    annotated-doc pydantic pydantic-core annotated-types typing-inspection ml-dtypes \
    hatchling packaging pathspec pluggy trove-classifiers \
    hypothesis sortedcontainers nvidia-ml-py liger-kernel "$@"
  ls "$WHEELS"
}

# Nothing that the machine has is replaced: torch and triton are what is measured. A venv of a venv's
# Python would not see its packages, so a folder before them on the path takes what is missing.
install() {
  "$PYTHON" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null ||
    fail "no CUDA: $PYTHON has no torch that sees a device"
  # The installed lnbench is measured, not the tree: workers know no other.
  export PYTHONSAFEPATH=1 PYTHONPATH=$SITE:$PWD/tests/gpu${PYTHONPATH:+:$PYTHONPATH}
  if [ ! -f "$SITE/.ready" ]; then
    compgen -G "$WHEELS/*.whl" >/dev/null || fail "$WHEELS/ has no wheels: run.sh wheels, and bring them"
    into_site "$WHEELS"/*.whl
    touch "$SITE/.ready"
  fi
  rm -rf build/gpu
  "$PYTHON" -m hatchling build -t wheel -d build/gpu >"$SITE/build.log" 2>&1 ||
    fail "lnbench cannot be built: $(tail -n 3 "$SITE/build.log")"
  into_site build/gpu/*.whl
  "$PYTHON" tests/gpu/machine.py || fail "this machine cannot run what is asked, see above"
}

into_site() {
  "$PYTHON" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir --upgrade \
    --target "$SITE" "$@"
}

fail() {
  echo "run.sh: $1" >&2
  exit 2
}

lnbench() {
  "$PYTHON" -m lnbench "$@"
}

tests() {
  LNBENCH_NEEDS_GPU=1 "$PYTHON" -m pytest -q -p no:cacheprovider -m gpu -n "${WORKERS:-12}" \
    --timeout 400 "tests/gpu${1:+/test_$1_cuda.py}"
}

suite() {
  local name=$1 report=$OUT/$1-cuda.json
  shift
  mkdir -p "$OUT"
  local going_on=(-o "$report")
  [ -f "$report" ] && going_on=(--resume "$report")
  lnbench run "$name" --device cuda --passes 6 --max-time "$MAX_TIME" "${going_on[@]}" "$@"
}

part=${1:-}
shift || true
case "$part" in
  wheels)
    wheels "$@"
    ;;
  first)
    install
    WORKERS=1 tests clock
    lnbench check --device cuda --shape 67x300 -b triton,torch-eager,liger
    lnbench run quick --device cuda --fast --max-time 60 -o "$OUT/first-cuda.json" --force
    ;;
  tests)
    install
    tests "$@"
    ;;
  sweep)
    install
    mkdir -p "$OUT"
    "$PYTHON" tests/gpu/sweep.py --output "$OUT/sweep-cuda.json" "$@"
    ;;
  brief)
    install
    suite brief "$@"
    "$PYTHON" tests/gpu/limit.py "$OUT/brief-cuda.json"
    ;;
  transformer | isovolume | decode | fused)
    install
    suite "$part" "$@"
    ;;
  limit)
    install
    "$PYTHON" tests/gpu/limit.py "$OUT"/*-cuda.json
    ;;
  sanitizer)
    install
    command -v compute-sanitizer >/dev/null || fail "compute-sanitizer is not installed"
    for tool in memcheck racecheck; do
      # torch's own allocator would hand out blocks larger than asked for, and hide what lies beyond.
      PYTORCH_NO_CUDA_MEMORY_CACHING=1 compute-sanitizer --tool "$tool" --error-exitcode 9 \
        "$PYTHON" tests/gpu/sanitized.py
    done
    ;;
  *)
    sed -n '2,18p' "$0" >&2
    exit 2
    ;;
esac
