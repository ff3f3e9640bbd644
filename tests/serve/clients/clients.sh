#!/bin/sh
# Clients that others wrote, from PyPI, against `tokenyard serve`: one of the two lists of requirements in an environment of its own,
# and the tests that use it. 77: they cannot be had here.
#   clients.sh TOKENYARD WORK_DIR REQUIREMENTS TEST...
set -eu
TOKENYARD=$1 work=$2 requirements=$3
shift 3
export TOKENYARD PYTHONDONTWRITEBYTECODE=1

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "skipped: the clients need Python 3.11"; exit 77; }
python3 -c 'import ensurepip, venv' 2>/dev/null || { echo "skipped: the package python3-venv is not installed"; exit 77; }

# Made anew when the list has changed, or when it was not finished.
mkdir -p "$work"
if ! cmp -s "$requirements" "$work/installed"; then
  rm -rf "$work/venv" "$work/installed"
  python3 -m venv "$work/venv"
  if ! "$work/venv/bin/pip" install --quiet --disable-pip-version-check --retries 2 --requirement "$requirements" >"$work/pip.log" 2>&1; then
    cat "$work/pip.log"
    # pip says so of a connection that failed, and goes on as if there were no such package.
    if grep -q 'after connection broken by' "$work/pip.log"; then echo "skipped: PyPI is not reachable"; exit 77; fi
    exit 1
  fi
  cp "$requirements" "$work/installed"
fi
exec "$work/venv/bin/python" -m pytest -q -rs --disable-warnings -p no:cacheprovider "$@"
