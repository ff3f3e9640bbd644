#!/bin/sh
# Builds the program without CUDA, viewer, server, packed files and plots as .png, and uses what remains.
#   build.sh SOURCE_DIR BUILD_DIR
set -eu
source=$1 build=$2
absent=
for package in Boost LibLZMA PkgConfig ZLIB; do absent="$absent -DCMAKE_DISABLE_FIND_PACKAGE_$package=ON"; done
# Files of a folder are compiled together, as quickstart does it: which ones depends on what is there.
cmake -S "$source" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O0 -DCMAKE_UNITY_BUILD=ON \
  -DCMAKE_UNITY_BUILD_BATCH_SIZE=16 -DTOKENYARD_WERROR=ON -DTOKENYARD_TESTS=OFF -DTOKENYARD_VIEWER=OFF \
  -DCMAKE_CUDA_COMPILER=NOTFOUND $absent >"$build.log" 2>&1 || { cat "$build.log"; exit 1; }
cmake --build "$build" --parallel "$(nproc)" >>"$build.log" 2>&1 || { tail -40 "$build.log"; exit 1; }
cd "$build"
program=cli/tokenyard
"$program" --version
rm -f run.trace picture.svg
"$program" simulate "$source/scenarios/bursts.json" --trace run.trace >bursts.txt
"$program" view run.trace --describe
"$program" view run.trace --shot picture.svg
"$program" generate "Once upon a time" --max-tokens 8
# What is absent is said in one line.
for command in "view run.trace" "serve" "generate --backend cuda"; do
  status=0
  "$program" $command >said 2>&1 || status=$?
  [ "$status" = 2 ] && [ "$(wc -l <said)" = 1 ] || { echo "tokenyard $command: exit $status"; cat said; exit 1; }
  cat said
done
