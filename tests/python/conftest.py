from __future__ import annotations

from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def recorded() -> Path:
    """Runs of a real GPU."""
    return SOURCES / "scenarios" / "recorded"


@pytest.fixture(scope="session")
def traces(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One scenario, under two policies."""
    import tokenyard

    folder = tmp_path_factory.mktemp("traces")
    for policy in ("vllm_v1", "orca"):
        tokenyard.simulate("prefill-first", {"engine.policy": policy}, trace=folder / f"{policy}.trace")
    return {policy: folder / f"{policy}.trace" for policy in ("vllm_v1", "orca")}
