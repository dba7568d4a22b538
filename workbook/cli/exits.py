"""What the exit status of every command means: one table."""

DONE = 0
NO = 1
ERROR = 2
CANCELLED = 3
REFUSED = 4
INTERRUPTED = 130

MEANING = {
    DONE: "done: nothing is wrong, or the job that was followed succeeded",
    NO: "the answer is no: the data has errors, the job failed, no lab runs",
    ERROR: "the command could not be carried out",
    CANCELLED: "the job that was followed was cancelled",
    REFUSED: "refused: a file has errors, or nobody agreed",
    INTERRUPTED: "stopped with Ctrl-C (a job goes on)",
}
