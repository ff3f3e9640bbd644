#!/bin/bash
# Records the runs that the cost model is fitted to and judged on, on this machine's GPU:
#   scripts/record_traces.sh TOKENYARD CARD OUT [NAME...]
# writes OUT/CARD-NAME.trace.xz for every scenario of scenarios/fidelity (or the NAMEs) and for nano-vLLM's benchmark with
# Qwen3-0.6B and 4B. About two minutes on an H200; what takes two cards is left out where there is one. The tokens are left out:
# weights are random, so they say nothing, and times are the same without them.
set -eu
tokenyard=$1 card=$2 out=$3
shift 3
cd "$(dirname "$0")/.."
names=("$@")
if [ ${#names[@]} = 0 ]; then
  names=(0.6b-offline 4b-offline)
  for file in scenarios/fidelity/*.json; do names+=("$(basename "$file" .json)"); done
fi
for name in "${names[@]}"; do
  scenario=scenarios/fidelity/$name.json
  options=()
  if [[ $name == *-offline ]]; then
    scenario=scenarios/nano-vllm-bench.json
    options=(--shape "qwen3-${name%-offline}")
  fi
  needed=$(sed -n 's/.*"tensor_parallel": *\([0-9]*\).*/\1/p' "$scenario")
  if [ "${needed:-1}" -gt "$(nvidia-smi --list-gpus | wc -l)" ]; then
    echo "== $name: takes $needed cards"
    continue
  fi
  [[ $name == *-sync ]] && options+=(--no-async)
  echo "== $name"
  "$tokenyard" bench "$scenario" "${options[@]}" --trace "$out/raw.trace" 2>&1 | grep -E 'ready|throughput|Mean TTFT|Mean TPOT|P99|products|attention  |head and|host,|between' || true
  sed 's/,"tokens":\[[0-9,-]*\]//' "$out/raw.trace" | xz -9 >"$out/$card-$name.trace.xz"
  rm "$out/raw.trace"
  ls -l "$out/$card-$name.trace.xz" | awk '{print $5, "bytes"}'
done
