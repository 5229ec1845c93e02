"""A training that has its first batch from a loader process, says which process that is, and waits to be killed."""

import multiprocessing
import sys
import time
from pathlib import Path

import torch
from tiny_training import settings

from pasd_batch.training.data.photo_index import load_or_create_index
from pasd_batch.training.data.process_feed import process_feed
from pasd_batch.training.loop.placement import Placement
from pasd_batch.training.worker_setup import loader_spec, open_output

if __name__ == "__main__":
    chosen = settings(Path(sys.argv[1]))
    load_or_create_index(open_output(chosen), chosen.data.sources, chosen.data.storage)
    batches = process_feed(loader_spec(chosen, Placement(torch.device("cpu"))), 1)(range(100))
    next(batches)
    (loader,) = multiprocessing.active_children()
    sys.stdout.write(f"{loader.pid}\n")
    sys.stdout.flush()
    time.sleep(600)
