#!/usr/bin/env bash
# Builds the page (preset web) and tests it in headless Chromium against the program of build/ci; further arguments are unittest's.
# Says so and goes on where Emscripten or Chromium is not installed.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

skip() {
  echo "the page is not tested: $1"
  exit 0
}
command -v em++ >/dev/null || skip "package emscripten is not installed"
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ||
  skip "package chromium is not installed"
# Once it has been fetched nobody is asked.
[ -d build/web/_deps/imgui-src ] || cmake --preset web -Wno-dev >build/web.log 2>&1 ||
  skip "Dear ImGui's sources cannot be fetched (build/web.log)"

build web classroom
python3 tests/web/test_classroom.py build/web/classroom build/web/classroom.html build/ci/cli/tokenyard "$@"
