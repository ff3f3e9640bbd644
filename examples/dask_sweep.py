"""A sweep over the workers of a Dask cluster: python dask_sweep.py [SCHEDULER:PORT]; without one, over this machine's cores.

Needs `pip install distributed`, and tokenyard on every worker.
"""

import sys

from dask.distributed import Client, LocalCluster

from tokenyard.simulation import combinations, measure


def sweep(client, scenario, vary):
    """A dict a run: the values it was given, and what it measured."""
    runs = combinations(vary)
    measured = client.gather([client.submit(measure, scenario, settings) for settings in runs])
    return [{**settings, **values} for settings, values in zip(runs, measured)]


def main():
    cluster = sys.argv[1] if len(sys.argv) > 1 else LocalCluster()
    with Client(cluster) as client:
        for run in sweep(client, "chunk-size", {"engine.max_num_batched_tokens": [256, 512, 2048]}):
            print(run["engine.max_num_batched_tokens"], round(run["p99_ttft_ms"]), round(run["p99_itl_ms"]))


if __name__ == "__main__":
    main()
