"""A supervised program: `python supervised_process.py WHAT FOLDER`; its child does WHAT, as drivers do."""

import logging
import os
import signal
import sys
import time
from pathlib import Path

from pasd_batch.batch.driver import supervisor
from pasd_batch.batch.driver.interrupts import Interrupted, signals_as_interrupts


def work(what, folder):
    (folder / "child").write_text(str(os.getpid()))
    match what:
        case "native exit":
            os._exit(1)
        case "abort":
            os.abort()
        case "native lines":
            logging.getLogger().warning("of Python's log")
            os.write(2, b"[E] core_worker.cc: Actor MapWorker has constructor arguments in the object store and ")
            os.write(2, b"max_restarts > 0. If the arguments\n[E] raylet: something that is wrong\nno line end")
            return 0
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "raises":
            raise RuntimeError("nobody foresaw this")
        case "exits":
            sys.exit(1)
        case "done, then native exit":
            return 0
        case "obeys":
            try:
                with signals_as_interrupts():
                    (folder / "ready").touch()
                    time.sleep(60)
            except Interrupted as interrupt:
                sys.stdout.write(f"in good order after {interrupt}\n")
                return 128 + interrupt.number
        case "hangs":
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
            (folder / "ready").touch()
            time.sleep(60)
    return int(what)


def main():
    folder = Path(sys.argv[2])
    logging.basicConfig(format="%(message)s")
    if len(sys.argv) > 3:
        supervisor.END_SECONDS = float(sys.argv[3])
    code = supervisor.supervised(lambda: work(sys.argv[1], folder), lost=3, remedy="again")
    if sys.argv[1] == "done, then native exit" and (folder / "child").read_text() == str(os.getpid()):
        os._exit(1)
    sys.exit(code)


if __name__ == "__main__":
    main()
