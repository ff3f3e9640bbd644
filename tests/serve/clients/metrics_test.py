"""/metrics by Prometheus' own parser and linter, and what else monitoring asks."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from conftest import STORY, Server
from openai import OpenAI
from prometheus_client.parser import text_string_to_metric_families

GAUGES = {"vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc"}
# As the parser names them: without the _total of their samples.
COUNTERS = {
    "vllm:prefix_cache_queries",
    "vllm:prefix_cache_hits",
    "vllm:num_preemptions",
    "vllm:prompt_tokens",
    "vllm:generation_tokens",
    "vllm:request_success",
}
HISTOGRAMS = {
    "vllm:time_to_first_token_seconds",
    "vllm:inter_token_latency_seconds",
    "vllm:e2e_request_latency_seconds",
    "vllm:request_queue_time_seconds",
    "vllm:request_inference_time_seconds",
    "vllm:request_prefill_time_seconds",
    "vllm:request_decode_time_seconds",
    "vllm:request_prompt_tokens",
    "vllm:request_generation_tokens",
    "vllm:iteration_tokens_total",
}


def test_the_names_and_kinds_are_vllm_s(server: Server) -> None:
    families = {family.name: family for family in text_string_to_metric_families(server.get("/metrics"))}
    for kind, names in (("gauge", GAUGES), ("counter", COUNTERS), ("histogram", HISTOGRAMS)):
        for name in names:
            assert families[name].type == kind, name
    for family in families.values():
        for sample in family.samples:
            assert sample.labels["model_name"] == STORY


def test_a_request_is_counted(server: Server, client: OpenAI) -> None:
    before = server.wait_until_idle()
    prompt = list(range(400, 440))
    for _ in range(2):
        client.completions.create(model=STORY, prompt=prompt, max_tokens=10, extra_body={"ignore_eos": True})
    after = server.wait_until_idle()

    def grown(name: str) -> float:
        return after[name] - before[name]

    assert grown("vllm:generation_tokens_total") == 20
    assert grown("vllm:prompt_tokens_total") == 80
    assert grown("vllm:prefix_cache_queries_total") == 80
    assert grown("vllm:prefix_cache_hits_total") == 32
    assert grown("vllm:request_success_total{length}") == 2
    assert grown("vllm:time_to_first_token_seconds_count") == 2
    assert grown("vllm:inter_token_latency_seconds_count") == 18
    assert grown("vllm:e2e_request_latency_seconds_count") == 2
    assert grown("vllm:request_generation_tokens_sum") == 20
    assert after["vllm:kv_cache_usage_perc"] == 0


def test_histograms_add_up(server: Server) -> None:
    for family in text_string_to_metric_families(server.get("/metrics")):
        if family.type != "histogram":
            continue
        buckets = [sample.value for sample in family.samples if sample.name.endswith("_bucket")]
        [count] = [sample.value for sample in family.samples if sample.name.endswith("_count")]
        assert buckets == sorted(buckets)
        assert buckets[-1] == count


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian package prometheus)")
def test_promtool_finds_nothing(server: Server) -> None:
    metrics = server.get("/metrics")
    found = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True, text=True, check=False)
    assert found.returncode in (0, 3), found.stderr  # 3: it reads them, and would have other names
    # The names are vLLM's: with a colon, and one histogram called a total. What it finds beyond is a fault.
    said = [line.strip() for line in (found.stdout + found.stderr).splitlines()]
    of_names = ("metric names should not contain ':'", 'vllm:iteration_tokens_total non-counter metrics should not have "_total" suffix')
    assert [line for line in said if line and not line.endswith(of_names)] == []


def test_health_and_version(server: Server) -> None:
    assert server.get("/health") == ""
    assert json.loads(server.get("/version"))["version"]
