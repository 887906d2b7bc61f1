"""A Dask cluster of three processes on this machine, until standard input closes.

Prints the scheduler's address and the workers' process numbers: `python -m tests.local_cluster`.
"""

import os
import sys


def main() -> None:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None,
            host="127.0.0.1",
        ) as cluster,
        Client(cluster) as client,
    ):  # fmt: skip
        numbers = client.run(os.getpid).values()
        print(cluster.scheduler_address, *numbers, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
