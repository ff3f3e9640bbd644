#!/bin/sh
# The same scenarios with other compilers and optimisation levels must give the same bytes. Without GPU and viewer, which have no
# part in it.
#   compare.sh SOURCE_DIR BUILD_DIR TOKENYARD    TOKENYARD is the build to compare with
set -eu
source=$1 work=$2 reference=$3
scenario=$source/scenarios/chat-hour.json

# traces PROGRAM FOLDER: one trace a policy, with a pool so small that preemption, eviction and moves happen.
traces() {
  mkdir -p "$2"
  for run in "vllm_v1 queue_order=priority" "vllm_v1 free_order=lru_all" "nano_vllm" "orca reservation=pow2" "static"; do
    # shellcheck disable=SC2086
    set -- "$1" "$2" $run
    file=$2/$(echo "$run" | tr ' =' '__').trace
    "$1" simulate "$scenario" --policy "$3" --trace "$file" --set engine.num_blocks=700 \
      workload.0.duration_s=300 workload.1.duration_s=300 workload.2.duration_s=300 \
      ${4:+engine.$4} >"$file.txt"
  done
  "$1" generate --backend cpu --seed 3 --max-tokens 80 >"$2/story.txt" 2>"$2/story.log" || { cat "$2/story.log"; exit 1; }
}

traces "$reference" "$work/reference"
compared=0
for compiler in g++ clang++; do
  command -v "$compiler" >/dev/null || { echo "$compiler is not installed: not compared"; continue; }
  for level in -O0 -O3; do
    build=$work/$compiler$level
    cmake -S "$source" -B "$build" -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_BUILD_TYPE=Release \
      -DCMAKE_CXX_FLAGS_RELEASE="$level" -DTOKENYARD_TESTS=OFF -DTOKENYARD_VIEWER=OFF -DCMAKE_CUDA_COMPILER=NOTFOUND >"$build.log" 2>&1 || { cat "$build.log"; exit 1; }
    cmake --build "$build" --target tokenyard --parallel "$(nproc)" >>"$build.log" 2>&1 || { tail -40 "$build.log"; exit 1; }
    traces "$build/cli/tokenyard" "$build/traces"
    for file in "$work"/reference/*.trace "$work"/reference/*.txt; do
      # The trace's own path stands in the table's last line.
      if [ "${file##*.}" = txt ]; then
        grep -v '^trace: ' "$file" >"$work/a"; grep -v '^trace: ' "$build/traces/${file##*/}" >"$work/b"
      else
        cp "$file" "$work/a"; cp "$build/traces/${file##*/}" "$work/b"
      fi
      cmp "$work/a" "$work/b" || { echo "$compiler $level gives other bytes: ${file##*/}"; exit 1; }
      compared=$((compared + 1))
    done
  done
done
cat "$work"/reference/*.txt | grep -E '^(Preemptions|Prefix)' | sort | uniq -c
(cd "$work/reference" && sha256sum ./*.trace)
[ "$compared" -ge 20 ] || { echo "only $compared files compared"; exit 1; }
echo "$compared files are the same bytes"
