"""Tokenyard in Python: simulate LLM serving, read its traces, generate text, record what a vLLM decides. docs/python.md."""

from tokenyard._tokenyard import TraceError
from tokenyard._tokenyard import version as __version__
from tokenyard.llm import LLM, Completion, SamplingParams
from tokenyard.simulation import (
    Capacity,
    Lesson,
    Probe,
    Result,
    Sweep,
    capacity,
    explain,
    scenarios,
    simulate,
    sweep,
)
from tokenyard.trace import Difference, Replay, State, Trace, diff, replay

__all__ = [
    "LLM",
    "Capacity",
    "Completion",
    "Difference",
    "Lesson",
    "Probe",
    "Replay",
    "Result",
    "SamplingParams",
    "State",
    "Sweep",
    "Trace",
    "TraceError",
    "__version__",
    "capacity",
    "diff",
    "explain",
    "replay",
    "scenarios",
    "simulate",
    "sweep",
]
