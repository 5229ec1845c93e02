"""A run on a cluster of nodes with fake GPUs, of which two join and one is killed.

`python changing_cluster.py SETTINGS.json SEEN.json`, a process of its own, because a process can be connected to one
Ray only; writes how many workers it saw.
"""

import json
import logging
import os
import sys
import threading
import time
from pathlib import Path

import ray
import tiny_models
from ray.cluster_utils import Cluster

from pasd_batch.batch.driver.run import run_archive
from pasd_batch.config.run import RunSettings
from pasd_batch.runs.layout import ATTEMPTS_FOLDER

DEADLINE = time.monotonic() + 600.0
"""For all that this process waits for together; on a quiet machine it takes a minute."""


def workers_of(root):
    """Processes that have begun a shard."""
    return {json.loads(path.read_text())["worker"] for path in root.glob(f"{ATTEMPTS_FOLDER}/*/*")}


def is_alive(worker):
    return Path("/proc", worker.rpartition("/")[2]).exists()


def wait_until(condition):
    while not condition() and time.monotonic() < DEADLINE:
        time.sleep(0.2)


def main():
    settings = RunSettings.parse(json.loads(Path(sys.argv[1]).read_text()))
    root = Path(settings.output.root)
    hold = root.with_name("hold")
    hold.touch()
    os.environ["PASD_TEST_HOLD"] = str(hold)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1, num_gpus=1)
    ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    reports = []
    run = threading.Thread(
        target=lambda: reports.append(run_archive(settings, show_progress=False, loaders=tiny_models.HELD))
    )
    run.start()
    wait_until(lambda: len(workers_of(root)) >= 1)
    one = len(workers_of(root))
    nodes = [cluster.add_node(num_cpus=1, num_gpus=1) for _ in range(2)]
    wait_until(lambda: len(workers_of(root)) >= 3)
    three = len(workers_of(root))
    cluster.remove_node(nodes[0], allow_graceful=False)
    wait_until(lambda: not all(map(is_alive, workers_of(root))))
    hold.unlink()
    run.join(max(0.0, DEADLINE - time.monotonic()))
    Path(sys.argv[2]).write_text(json.dumps({"workers_on_one_node": one, "workers_on_three_nodes": three}))
    if not reports or reports[0].exit_code != 0:
        raise SystemExit(f"the run did not end well: {reports}")
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main()
