#!/usr/bin/env bash
# Makes the pictures of README.md and docs/ anew: scripts/pictures.sh [TOKENYARD [FOLDER]]. The same program gives the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
tokenyard=${1:-build/release/cli/tokenyard}
out=${2:-docs/pictures}
mkdir -p "$out"

"$tokenyard" view preemption-storm:crowded --at "preemption 10" --select 54 --shot "$out/viewer.png"
"$tokenyard" view paged-memory:orca_max paged-memory:paged --at 1500ms --range begin 12s --size 1600x900 --shot "$out/paging.png"
"$tokenyard" view system-prompt-storm:shared --set engine.num_blocks=601 --panels requests,blocks,prefix,why --at 1s \
  --range begin 2s --select 5 --shot "$out/prefix.png"
"$tokenyard" view --lesson chunked-prefill --page 2 --shot "$out/lesson.png"
"$tokenyard" view preemption-storm:crowded --panels requests,steps,blocks,what-if,why --at 2s --shot "$out/what-if.png"
"$tokenyard" view scenarios/recorded/vllm-0.26-h200-few-blocks.trace --at "step 1000" --shot "$out/vllm-few-blocks.png"
