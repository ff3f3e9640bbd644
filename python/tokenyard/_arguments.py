"""What callers give, checked and in the form the extension module takes."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Union

PathLike = Union[str, "os.PathLike[str]"]
Scenario = Union[PathLike, Mapping[str, Any]]

PACKAGED_SCENARIOS = Path(__file__).parent / "scenarios"


def wrong_type(name: str, expected: str, found: object) -> TypeError:
    return TypeError(f"{name}: expected {expected}, found {found!r:.200}")


def path_text(name: str, path: PathLike) -> str:
    if not isinstance(path, (str, os.PathLike)):
        raise wrong_type(name, "a path", path)
    text = os.fspath(path)
    if not isinstance(text, str):
        raise wrong_type(name, "a path as text", path)
    if "\0" in text:
        raise ValueError(f"{name}: expected a path, found one with a null character")
    return text


def scenario_folders() -> list[Path]:
    """$TOKENYARD_SCENARIOS, ./scenarios, those of this package."""
    chosen = os.environ.get("TOKENYARD_SCENARIOS")
    return [*([Path(chosen)] if chosen else []), Path("scenarios"), PACKAGED_SCENARIOS]


def scenario_names() -> list[str]:
    return sorted({path.stem for folder in scenario_folders() for path in folder.glob("*.json")})


def find_scenario(name: str) -> str:
    """`name` when it is a file, else NAME.json of the first folder that has it."""
    if os.path.isfile(name) or "/" in name or "." in name:
        return name
    for folder in scenario_folders():
        if name and (folder / f"{name}.json").is_file():
            return str(folder / f"{name}.json")
    close = difflib.get_close_matches(name, scenario_names(), 1)
    raise ValueError(
        f"{name}: expected a file or a scenario's name, found no {name}.json in "
        + ", ".join(str(folder) for folder in scenario_folders())
        + (f"; did you mean {close[0]}?" if close else "")
    )


def source(scenario: Scenario) -> tuple[str, str]:
    """The path of a file and no text, or no path and the text of a scenario given as a dict."""
    if isinstance(scenario, Mapping):
        try:
            return "", json.dumps(dict(scenario), allow_nan=False)
        except TypeError as error:
            raise TypeError(f"scenario: expected what JSON has: {error}") from None
        except ValueError as error:
            raise ValueError(f"scenario: expected finite numbers: {error}") from None
    if not isinstance(scenario, (str, os.PathLike)):
        raise wrong_type("scenario", "a name, a path or a dict", scenario)
    return find_scenario(path_text("scenario", scenario)), ""


def overrides(settings: Mapping[str, Any] | None, name: str = "set") -> list[str]:
    """{"engine.num_blocks": 700} as the command line's "engine.num_blocks=700"."""
    if settings is None:
        return []
    if not isinstance(settings, Mapping):
        raise wrong_type(name, 'a dict such as {"engine.num_blocks": 700}', settings)
    out = []
    for path, value in settings.items():
        if not isinstance(path, str):
            raise wrong_type(name, "a path such as engine.num_blocks", path)
        try:
            out.append(f"{path}={json.dumps(value, allow_nan=False)}")
        except TypeError:
            raise wrong_type(f"{name}: {path}", "a number, a text, a list or a dict", value) from None
        except ValueError:
            raise ValueError(f"{name}: {path}: expected a finite number, found {value!r}") from None
    return out


def goodput_words(goodput: Mapping[str, float] | None) -> list[str]:
    """{"ttft": 500}, in milliseconds, as the command line's "ttft:500"."""
    if goodput is None:
        return []
    if not isinstance(goodput, Mapping):
        raise wrong_type("goodput", 'a dict of milliseconds such as {"ttft": 500}', goodput)
    for name, limit in goodput.items():
        if isinstance(limit, bool) or not isinstance(limit, (int, float)):
            raise wrong_type(f"goodput: {name}", "milliseconds", limit)
    return [f"{name}:{limit!r}" for name, limit in goodput.items()]
