#!/usr/bin/env bash
# Builds the Python package into a virtual environment of its own (build/python/venv) and tests it: the tests under
# `python -X dev`, the types with mypy --strict. Says so and goes on where Python 3.10, its venv or PyPI is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

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

pip install --no-build-isolation --no-deps --force-reinstall .
"$venv/bin/python" -X dev -m pytest -q -p no:cacheprovider "$@"
MYPYPATH= "$venv/bin/python" -m mypy --cache-dir build/python/mypy
