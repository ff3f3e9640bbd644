#!/usr/bin/env bash
# Runs one fuzz target: scripts/fuzz.sh SECONDS PROGRAM. What an earlier run found is where this one begins.
set -euo pipefail
seconds=$1 program=$2
cd "$(dirname "$0")/.."
name=${program##*/fuzz_}
found=build/asan/found/$name
mkdir -p "$found/corpus"
if ! "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
  -artifact_prefix="$found/" "$found/corpus" "tests/fuzz/corpus/$name" >"$found/log" 2>&1; then
  tail -40 "$found/log"
  echo "fuzz_$name failed; the text that did it is in $found/" >&2
  exit 1
fi
echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$found/log") texts"
