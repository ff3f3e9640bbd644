"""The notebooks run, and say what is stored in them. TOKENYARD_UPDATE_GOLDEN=1 stores what they say."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"


def texts(notebook: Any) -> list[str]:
    """What each cell says, where it does; pictures are compared where they are made. What a cell prints comes in as many
    outputs as the system's pipe makes of it."""
    said = (
        "".join(
            output.get("text") or output.get("data", {}).get("text/plain", "")
            for output in cell.get("outputs", [])
            if "image/svg+xml" not in output.get("data", {})
        )
        for cell in notebook.cells
    )
    return [text for text in said if text]


@pytest.mark.parametrize("name", ["engine-in-ten-minutes", "batching-trade-offs", "what-does-my-vllm-do"])
def test_a_notebook_says_what_is_stored(name: str) -> None:
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    stored, metadata = texts(notebook), notebook.metadata.copy()
    resources = {"metadata": {"path": str(FOLDER)}}
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", record_timing=False, resources=resources).execute()
    if os.environ.get("TOKENYARD_UPDATE_GOLDEN"):
        notebook.metadata = metadata
        nbformat.write(notebook, FOLDER / f"{name}.ipynb")
    else:
        assert texts(notebook) == stored and len(stored) > 3
