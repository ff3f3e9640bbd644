"""What /openapi.json promises: Schemathesis makes right and wrong requests of it, and looks at what comes back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from conftest import Server


def test_the_server_keeps_what_its_document_says(server: Server, tmp_path: Path) -> None:
    program = Path(sys.executable).parent / "schemathesis"
    options = ["--max-examples", "10", "--seed", "1", "--continue-on-failure", "--no-color", "--generation-database", "none"]
    # A prompt and an answer that together exceed the context are refused; that each may be so long is all a schema can say.
    options += ["--exclude-checks", "positive_data_acceptance"]
    found = subprocess.run(
        [program, "run", server.root + "/openapi.json", *options],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "No issues found" in found.stdout
    server.wait_until_idle()
