"""The training process: `python -m workbook.lab.training.trainer JOB_FOLDER`.

It runs at low priority, ends with the server that started it, and writes into the job's progress
log why it failed. What it trains, `job` knows; it knows nothing of HTTP, ids or the database.
"""

import json
import os
import sys
import threading
import traceback
from pathlib import Path

import psutil
from filelock import FileLock

from workbook.lab.training import failures
from workbook.lab.training.grade_pipe import GradePipe
from workbook.lab.training.progress import Progress


def main() -> int:
    """Train the job in the folder named on the command line; failures go into its progress log."""
    folder, pipe = Path(sys.argv[1]), GradePipe()
    if "--until-stdin-closes" in sys.argv[2:]:
        threading.Thread(target=pipe.listen, daemon=True).start()
    _lower_priority()
    try:
        # They bring torch, which reads the settings made above.
        from workbook.lab.training import job, reinforcement

        with FileLock(folder / "lock"):  # a killed server's trainer may need a moment to end
            spec = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
            if spec.get("method") == "reinforcement":
                reinforcement.train(folder, pipe.grade)
            else:
                job.train(folder)
    except Exception as error:
        traceback.print_exc()
        code, message = failures.describe(error)
        try:
            Progress(folder).add("failed", code=code, message=message)
        except OSError:
            return 1  # no room to say why: the last line of the traceback is in the log
    return 0


def _lower_priority() -> None:
    """Let chat requests go first: training takes what they leave.

    Threads that wait for each other spin for some 20 microseconds, then sleep. With sleep alone a
    training on a quiet machine runs at two thirds of this speed (measured: 1,120 tokens a second
    against 1,680); with ten times the spinning, beside another busy program, at a third.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # both are read when torch is imported
    os.environ["GOMP_SPINCOUNT"] = "1000"  # the server, from which it comes, has more
    if sys.platform == "win32":
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        os.nice(15)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # all is written; torch would take a second to give its memory back bit by bit
