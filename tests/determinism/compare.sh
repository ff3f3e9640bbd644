#!/bin/sh
# The same scenarios and the same story with other compilers and optimisation levels must give the same bytes.
#   compare.sh SOURCE_DIR BUILD_DIR WRITE_TRACES    WRITE_TRACES is the program of the build to compare with
set -eu
source=$1 work=$2 reference=$3

rm -rf "$work/reference"
mkdir -p "$work/reference"
"$reference" "$source" "$work/reference"
compared=0
for kind in "g++ -O0" "clang++ -O0" "clang++ -O3" "em++ -O3"; do
  compiler=${kind% *} level=${kind#* } build=$work/${kind% *}${kind#* }
  command -v "$compiler" >/dev/null || { echo "$compiler is not installed: not compared"; continue; }
  how=-DCMAKE_CXX_COMPILER=$compiler program=$build/tests/determinism/write_traces node=
  if [ "$compiler" = em++ ]; then  # as in a web page: 32-bit sizes, another standard library, other machine code
    command -v node >/dev/null || { echo "node is not installed: em++ is not compared"; continue; }
    how=-DCMAKE_TOOLCHAIN_FILE=$source/cmake/WebToolchain.cmake program=$program.js node=node
  fi
  # Nothing but the program and what it is linked with: no GPU, no viewer, no command line.
  cmake -S "$source" -B "$build" -G Ninja "$how" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_CXX_FLAGS_RELEASE="$level" -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=16 -DTOKENYARD_VIEWER=OFF \
    -DCMAKE_CUDA_COMPILER=NOTFOUND >"$build.log" 2>&1 || { cat "$build.log"; exit 1; }
  cmake --build "$build" --target write_traces --parallel "$(nproc)" >>"$build.log" 2>&1 || { tail -40 "$build.log"; exit 1; }
  rm -rf "$build/traces"
  mkdir "$build/traces"
  $node "$program" "$source" "$build/traces"
  for file in "$work"/reference/*; do
    cmp "$file" "$build/traces/${file##*/}" || { echo "$kind gives other bytes: ${file##*/}"; exit 1; }
    compared=$((compared + 1))
  done
done
grep -hE '^(preemptions|prefix)' "$work"/reference/*.txt | sort | uniq -c
(cd "$work/reference" && sha256sum ./*.trace)
[ "$compared" -ge 11 ] || { echo "only $compared files compared"; exit 1; }
echo "$compared files are the same bytes"
