from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

import tokenyard


def test_a_sweep_over_dask_is_the_sweep() -> None:
    distributed = pytest.importorskip("dask.distributed")
    path = Path(__file__).parents[2] / "examples" / "dask_sweep.py"
    spec = importlib.util.spec_from_file_location("dask_sweep", path)
    assert spec is not None and spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)

    vary = {"engine.policy": ["orca", "vllm_v1"], "engine.max_num_seqs": [4, 8]}
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        assert example.sweep(client, "prefill-first", vary) == tokenyard.sweep("prefill-first", vary).runs
