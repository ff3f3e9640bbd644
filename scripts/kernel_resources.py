#!/usr/bin/env python3
"""Reads `cuobjdump -res-usage` of the kernels: fails where a kernel keeps anything in local memory, or asks for more shared memory
than a card of its compute capability gives without being asked.

    cuobjdump -res-usage libtokenyard_kernels.a | kernel_resources.py 80 86 90

The arguments are the compute capabilities that must be there. What a launch asks for beyond 48 KiB is held against 99 KiB by
static_asserts in the sources, and by a test that pretends such a card.
"""
import re
import sys

# ptxas reserves a frame of 8 bytes in kernels for 12.0 that nothing uses: with -v it reports no spill.
MOST_STACK = 8
# Known spills, which may shrink and not grow: prefill of fp8 with head_dim 128 is at the limit of a thread's registers; nothing
# in its inner loops is spilled (docs/kernels/attention.md).
SPILLS = {("sm_90a", "prefill_kernelILi128ELb1E"): 64, ("", "prefill_kernelILi128ELb1E"): 24}
OF_ONE_CARD = {"sm_90a"}  # what only this one runs, beside the kernels for all
MOST_SHARED = 48 * 1024 + 1024  # from 9.0 on, a kilobyte that the system keeps is counted


def name_of(symbol):
    return re.sub(r"^.*_cu_[0-9a-f]{8}[_\d]*", "", symbol)


def main():
    expected = {f"sm_{a}" for a in sys.argv[1:]}
    kernels = {}
    faults = []
    architecture = function = None
    for line in sys.stdin:
        if match := re.match(r"arch = (sm_\w+)", line):
            architecture = match[1]
        elif match := re.match(r"\s*Function (\S+):", line):
            function = name_of(match[1])
        elif match := re.search(r"REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)", line):
            registers, stack, shared, local = map(int, match.groups())
            kernels.setdefault(architecture, []).append(function)
            known = max(spill for (of, name), spill in {("", ""): MOST_STACK, **SPILLS}.items()
                        if function.startswith(name) and of in ("", architecture))
            if stack > known or local > 0:
                faults.append(f"{architecture} {function}: {stack} bytes of stack and {local} of local memory, {registers} registers")
            if shared > MOST_SHARED:
                faults.append(f"{architecture} {function}: {shared} bytes of shared memory, {MOST_SHARED} are there")
    for missing in sorted(expected - kernels.keys()):
        faults.append(f"{missing}: nothing was compiled for it")
    counts = {len(set(names)) for architecture, names in kernels.items() if architecture not in OF_ONE_CARD}
    if len(counts) > 1:
        faults.append(f"not the same kernels for all: {({a: len(set(n)) for a, n in kernels.items()})}")
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{sum(map(len, kernels.values()))} kernels for {', '.join(sorted(kernels))}: {len(faults)} faults")
    return 1 if faults else 0


sys.exit(main())
