"""The Python of README and docs runs as it stands there."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import types
from pathlib import Path

import pytest

import tokenyard

SOURCES = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["README.md", "docs/python.md", "docs/regression.md"])
def test_python_of(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", (SOURCES / page).read_text(), re.M | re.S)
    assert blocks
    monkeypatch.chdir(tmp_path)
    tokenyard.simulate("chat-hour", trace="chat.trace")
    variables: dict[str, object] = {"tokenyard": tokenyard}
    for block in blocks:
        code = compile(
            block.replace('LLM("path/to/model"', "LLM(None"), page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        )
        if code.co_flags & inspect.CO_COROUTINE:
            asyncio.run(types.FunctionType(code, variables)())
        else:
            exec(code, variables)
