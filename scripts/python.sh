#!/usr/bin/env bash
# Builds the Python package into a virtual environment of its own (build/python/venv) and tests it: the tests under
# `python -X dev`, the types with mypy --strict. Says so and goes on where Python 3.10, its venv or PyPI is missing.
#   scripts/python.sh [PYTEST'S ARGUMENTS]
#   scripts/python.sh --sanitize [PYTEST'S ARGUMENTS]   the same tests on a module with address and undefined-behaviour sanitizers
set -euo pipefail
cd "$(dirname "$0")/.."

sanitize=
if [ "${1:-}" = --sanitize ]; then sanitize=1; shift; fi

skip() {
  echo "the Python package is not tested: $1"
  exit 0
}

python=${PYTHON:-python3}
command -v "$python" >/dev/null || skip "there is no $python"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || skip "$("$python" --version) is older than 3.10"
"$python" -c 'import ensurepip, sysconfig, os; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null ||
  skip "packages python3-venv and python3-dev are not installed"

venv=build/python/venv
mkdir -p build/python
# One that was interrupted, or whose Python is gone, is made anew.
"$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear "$venv" >build/python/venv.log 2>&1 ||
  skip "no virtual environment can be made ($(tail -n 1 build/python/venv.log))"
pip() { "$venv/bin/python" -m pip --disable-pip-version-check --quiet "$@"; }
# With what is there already pip asks nobody.
tools="scikit-build-core nanobind numpy pandas pytest mypy nbclient ipykernel dask distributed"
pip install --retries 1 --timeout 20 $tools 2>build/python/pip.log || skip "pip cannot install $tools ($(tail -n 1 build/python/pip.log))"

if [ -n "$sanitize" ]; then
  command -v g++ >/dev/null || skip "g++ is not installed, whose sanitizers' libraries go into Python"
  CXX=g++ pip install --no-build-isolation --no-deps --upgrade --target build/python/sanitized . \
    -C build-dir=build/python/sanitized-build -C cmake.build-type=Debug -C install.strip=false \
    -C cmake.define.TOKENYARD_SANITIZE=address,undefined -C cmake.define.CMAKE_CXX_FLAGS_DEBUG="-O1 -g1"
  # The runtime comes first in a process whose program has none. Python itself does not free all that it has at its end.
  # Without what starts programs, notebooks and the docs' long examples, which say nothing new about the module.
  LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libstdc++.so.6)" ASAN_OPTIONS=detect_leaks=0 \
    PYTHONPATH=$PWD/build/python/sanitized "$venv/bin/python" -m pytest -q -p no:cacheprovider \
    --ignore tests/python/notebooks_test.py --ignore tests/python/docs_test.py "$@"
  exit 0
fi

pip install --no-build-isolation --no-deps --force-reinstall .
"$venv/bin/python" -X dev -m pytest -q -p no:cacheprovider "$@"
MYPYPATH= "$venv/bin/python" -m mypy --cache-dir build/python/mypy
