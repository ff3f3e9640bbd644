"""The extension's rows as numpy structured arrays; the fields are those of python/src/tables.h, in its order. Times in ns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas

Table = npt.NDArray[np.void]


def _numbers(*names: str) -> list[tuple[str, str]]:
    return [(name, "<i8") for name in names]


REQUESTS = np.dtype(
    [
        *_numbers("arrival", "joined", "first_token", "last_token", "ended", "prompt_tokens", "output_tokens"),
        *_numbers("cached_tokens", "preemptions", "priority"),
        ("finish_reason", "<U12"),
    ]
)
STEPS = np.dtype(
    _numbers("step", "start", "end", "duration", "rows", "tokens", "prefill_tokens", "hit_tokens")
    + _numbers("admitted", "preempted", "finished", "running", "waiting", "free_blocks")
)
EVENTS = np.dtype(
    [
        *_numbers("step", "at", "request", "other", "tokens", "needed", "available"),
        ("kind", "<U12"),
        ("why", "<U16"),
    ]
)
BLOCKS = np.dtype(_numbers("references", "owner", "index", "findable"))


def view(rows: npt.NDArray[np.uint8], dtype: np.dtype[np.void]) -> Table:
    return rows.view(dtype)


class Tables:
    """A run as numpy structured arrays: `requests`, `steps`, `events`; `ids` names the requests. Times in nanoseconds."""

    def __init__(
        self,
        ids: list[str],
        requests: npt.NDArray[np.uint8],
        steps: npt.NDArray[np.uint8],
        events: npt.NDArray[np.uint8],
    ) -> None:
        self.ids = ids
        self.requests = view(requests, REQUESTS)
        self.steps = view(steps, STEPS)
        self.events = view(events, EVENTS)

    def requests_frame(self) -> pandas.DataFrame:
        """Of pandas, indexed by id."""
        return _frame(self.requests, self.ids)

    def steps_frame(self) -> pandas.DataFrame:
        return _frame(self.steps)

    def events_frame(self) -> pandas.DataFrame:
        return _frame(self.events)


def pandas_module() -> Any:
    try:
        import pandas
    except ImportError:
        raise ImportError("a DataFrame needs pandas: pip install pandas") from None
    return pandas


def _frame(rows: Table, index: list[str] | None = None) -> pandas.DataFrame:
    pandas = pandas_module()
    columns: dict[str, Any] = {name: rows[name] for name in rows.dtype.names or ()}
    return pandas.DataFrame(columns, index=None if index is None else pandas.Index(index, name="id"))
