"""The lab's process: its port, its state folder, its log, and how it is asked and ended."""

import signal
import subprocess
import sys

import psutil
import pytest
from labserver import KEY, Server, offline, start

from workbook import paths
from workbook.cli import exits
from workbook.lab import serving_process


def command(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "workbook", "lab", *arguments],
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_port_in_use_and_a_state_in_use_are_plain_sentences(lab: Server, tmp_path) -> None:
    busy = command("serve", "--state", str(tmp_path / "other"), "--port", str(lab.port))
    assert busy.returncode == exits.ERROR and f"Port {lab.port} can't be used" in busy.stderr
    assert "Traceback" not in busy.stderr
    second = command("serve", "--state", str(lab.state))
    assert (
        second.returncode == exits.ERROR and "A lab already uses the state folder" in second.stderr
    )
    assert f"port {lab.port}" in second.stderr


def test_status_and_stop(lab: Server, tmp_path) -> None:
    status = command("status", "--state", str(lab.state))
    assert (
        status.returncode == exits.DONE
        and f":{lab.port}/v1" in status.stdout
        and KEY not in status.stdout
    )
    nothing = command("status", "--state", str(tmp_path))
    assert nothing.returncode == exits.NO and "serve" in nothing.stdout
    assert command("stop", "--state", str(tmp_path)).stdout == "No lab was running.\n"


@pytest.mark.full
def test_stop_ends_a_lab_that_answers_and_one_that_hangs(tmp_path) -> None:
    answering = start(tmp_path / "one")
    assert command("stop", "--state", str(answering.state)).stdout == "The lab has stopped.\n"
    assert answering.process.wait(10) == 0  # nothing is left to do; a busy machine may take long
    hanging = start(tmp_path / "two")
    hanging.process.send_signal(signal.SIGSTOP)
    assert command("stop", "--state", str(hanging.state)).stdout == "The lab has stopped.\n"
    assert hanging.process.wait(10) == -signal.SIGKILL
    again = start(hanging.state)
    assert again.call("GET", "/files")[0] == 200
    again.stop()


def test_the_log_has_a_line_a_request_without_secrets(lab: Server) -> None:
    lab.chat(messages=[{"role": "user", "content": "my-secret-thought"}])
    text = lab.log.read_text()
    assert "POST /v1/chat/completions 200" in text
    assert KEY not in text and "my-secret-thought" not in text and "Traceback" not in text


@pytest.mark.parametrize(
    ("quota", "threads"),
    [("200000 100000", "2"), ("50000 100000", "1"), ("1600000 100000", None), ("max 100000", None)],
)
def test_a_container_gets_as_many_threads_as_it_is_granted_cores(
    quota, threads, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(psutil, "cpu_count", lambda logical: 8)
    monkeypatch.setattr(serving_process, "_QUOTA", tmp_path / "cpu.max")
    assert serving_process._granted() == {}
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    assert serving_process._granted().get("OMP_NUM_THREADS") == threads


def test_a_device_that_is_not_there_is_one_sentence(tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.setenv("WORKBOOK_LAB_DEVICE", "tpu")
    lab, _ = offline(tmp_path)
    lab._load()
    assert "it can be auto, cpu, cuda, mps" in caplog.text and "Traceback" not in caplog.text
    assert lab.health()["status"] == "failed"


def test_the_state_is_for_its_owner_alone(lab: Server) -> None:
    assert lab.state.stat().st_mode & 0o077 == 0
    assert (lab.state / "key").stat().st_mode & 0o077 == 0
