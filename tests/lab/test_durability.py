"""What the lab has acknowledged survives its sudden end; a job goes on where it was."""

import json
import signal
import time
from pathlib import Path

import psutil
import pytest
from labserver import MODEL, Server, rows, start


def steps(server: Server, job_id: str) -> list[int]:
    events = server.client().fine_tuning.jobs.list_events(job_id, limit=100)
    return sorted(event.data["step"] for event in events if event.type == "metrics")


@pytest.mark.parametrize("how", ["kill", pytest.param("ctrl-c", marks=pytest.mark.full)])
def test_a_server_that_is_ended_resumes_its_job(how: str, tmp_path: Path) -> None:
    server = start(tmp_path / "state")
    file = server.upload(rows(12))
    job = server.client().fine_tuning.jobs.create(
        model=MODEL, training_file=file, seed=1, hyperparameters={"n_epochs": 3, "batch_size": 2}
    )
    until = time.monotonic() + 120
    while len(steps(server, job.id)) < 8:  # into the second epoch of six steps
        assert time.monotonic() < until, server.log.read_text()[-3000:]
        time.sleep(0.05)
    if how == "kill":
        server.kill()
        assert (server.state / "server.json").exists()  # stale, as after a power cut
    else:  # a terminal sends it to the training process, too
        tree = psutil.Process(server.process.pid)
        family = [tree, *tree.children(recursive=True)]
        for process in family:
            process.send_signal(signal.SIGINT)
        assert not psutil.wait_procs(family, timeout=10)[1]
        assert "Traceback" not in server.log.read_text()

    server = start(tmp_path / "state")
    try:
        assert server.client().files.retrieve(file).bytes == len(rows(12))
        done = server.finished(job.id)
        assert done.status == "succeeded", done.error
        assert steps(server, job.id) == list(range(1, 19))
        assert done.trained_tokens > 0 and len(done.result_files) == 1
    finally:
        server.stop()
    assert not (server.state / "server.json").exists()


@pytest.mark.full
def test_a_killed_training_process_is_started_again_then_given_up(tmp_path: Path) -> None:
    server = start(tmp_path / "state")
    try:
        job = server.client().fine_tuning.jobs.create(
            model=MODEL, training_file=server.upload(rows(30)), hyperparameters={"n_epochs": 50}
        )
        for _ in range(2):
            until, children = time.monotonic() + 60, []
            while not children:
                assert time.monotonic() < until
                children = psutil.Process(server.process.pid).children()
                time.sleep(0.02)
            children[0].kill()
            time.sleep(0.5)
        job = server.finished(job.id)
        assert (job.status, job.error.code) == ("failed", "training_process_died")
        assert "SIGKILL" in job.error.message
        assert json.loads((server.state / "server.json").read_text())["port"] == server.port
    finally:
        server.stop()
