#!/usr/bin/env bash
# Compiles the kernels for every card they run on, and holds what the assembler made of them against what such a card has.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v nvcc >/dev/null; then
  echo "nvcc is not here: no kernels are compiled"
  exit 0
fi
cmake -S . -B build/cards -G Ninja -DCMAKE_BUILD_TYPE=Release -DTOKENYARD_WERROR=ON -DTOKENYARD_TESTS=OFF >build/cards.log ||
  { cat build/cards.log; exit 1; }
start=$SECONDS
cmake --build build/cards --target tokenyard_kernels
echo "compiled in $((SECONDS - start)) s"

# The toolkit has it, if all of it is installed; PyPI has it alone.
cuobjdump=$(command -v cuobjdump || true)
if [ -z "$cuobjdump" ]; then
  { python3 -m venv build/cards/python &&
    build/cards/python/bin/pip --disable-pip-version-check --quiet install --retries 1 --timeout 20 nvidia-cuda-cuobjdump; } || {
    echo "cuobjdump is not here, and PyPI does not give it: what the kernels use is not checked"
    exit 0
  }
  cuobjdump=$(find build/cards/python -name cuobjdump -type f | head -n 1)
  chmod +x "$cuobjdump"
fi
"$cuobjdump" -res-usage build/cards/kernels/libtokenyard_kernels.a | python3 scripts/kernel_resources.py 80 86 89 90 100 120
