"""`workbook jobs`, against a real lab that serves a tiny model."""

import io
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
import tinybase
from labserver import KEY, Server, rows, start

from workbook import backends, cli
from workbook.cli import exits
from workbook.errors import WorkbookError
from workbook.jobs import follow, send
from workbook.lab.model import bases
from workbook.prices import costs, estimates


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The lab that every backend of these tests leads to."""
    folder = tmp_path_factory.mktemp("jobs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBOOK_HOME", str(folder / "home"))
        patch.setenv("WORKBOOK_BASE_URL", "http://127.0.0.1/v1")  # its port follows
        patch.setenv("WORKBOOK_API_KEY", KEY)
        bases.add("tiny", tinybase.folder(folder / "hf"))
        server = start(folder / "home" / "lab", "--base", "tiny")
        patch.setenv("WORKBOOK_BASE_URL", f"{server.url}/v1")
        yield server
        server.stop()


@pytest.fixture
def run(lab: Server, capsys: pytest.CaptureFixture[str]):
    """`run("list")` → (exit status, standard output, standard error)."""

    def command(*arguments: str) -> tuple[int, str, str]:
        status = cli.main(["jobs", *map(str, arguments)])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return status, out, err

    return command


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "train.jsonl"
    path.write_text(rows(12))
    return path


def test_a_job_from_file_to_results(run, file: Path, lab: Server, tmp_path, monkeypatch) -> None:
    status, out, err = run(
        "create",
        file,
        "--validation",
        file,
        "--epochs",
        2,
        "--batch-size",
        6,
        "--suffix",
        "Mine",
        "--seed",
        3,
        "--metadata",
        "a=b=c",
        "--json",
        "--follow",
        "--every",
        "0.2",
    )
    assert status == 0
    created, *events, job = map(json.loads, out.splitlines())
    assert created["id"] == job["id"] and created["object"] == job["object"] == "fine_tuning.job"
    assert {event["object"] for event in events} == {"fine_tuning.job.event"}
    assert [e["data"]["step"] for e in events if e["type"] == "metrics"] == [1, 2, 3, 4]
    assert job["status"] == "succeeded" and job["metadata"] == {"a": "b=c"} and job["seed"] == 3
    assert job["hyperparameters"]["n_epochs"] == 2 and ":mine:" in job["fine_tuned_model"]
    assert "step 4 of 4 · train_loss" in err and "valid_loss" in err and "12 examples" in err

    status, out, _ = run("follow", job["id"])
    assert status == 0 and out.startswith(f"succeeded: {job['fine_tuned_model']}\n")
    assert run("list")[1].split()[0] == job["id"]
    assert json.loads(run("list", "--json", "--limit", 1)[1])[0]["id"] == job["id"]
    shown = run("show", job["id"])[1]
    assert "n_epochs 2" in shown and "a=b=c" in shown and "successfully completed" in shown

    [row] = [row for row in json.loads(run("costs", "--json")[1]) if row["job"] == job["id"]]
    assert row["trained_tokens"] == job["trained_tokens"] and row["tokens estimated"] > 0
    assert row["expected"].startswith("$") and row["cost"].startswith("$") and row["off by"]
    assert f"{job['id']} | tiny | " in run("costs")[1]

    table = run("results", job["id"])[1].splitlines()
    assert table[0].startswith("step,train_loss") and len(table) == 5
    numbers = json.loads(run("results", job["id"], "--json")[1])
    assert [row["step"] for row in numbers] == [1, 2, 3, 4] and numbers[3]["valid_loss"] > 0
    saved = tmp_path / "result.csv"
    assert run("results", job["id"], "--save", saved)[0] == 0
    assert saved.read_text().splitlines() == table
    assert run("results", job["id"], "--save", saved)[0] == 2

    monkeypatch.setattr(sys, "stderr", screen := io.StringIO())
    monkeypatch.setattr(screen, "isatty", lambda: True)
    assert cli.main(["jobs", "follow", job["id"]]) == 0
    assert "step 4 of 4 100%|" in screen.getvalue() and "\nFine-tuning job" in screen.getvalue()


def test_upload_and_then_a_job_on_its_id(run, file: Path, lab: Server) -> None:
    status, out, _ = run("upload", file)
    assert status == 0 and "uploaded train.jsonl" in out
    id = json.loads(run("upload", file, "--json")[1])["id"]
    assert lab.client().files.content(id).read() == file.read_bytes()
    status, out, _ = run("create", id, "--json")
    assert status == 0 and json.loads(out)["training_file"] == id
    assert run("cancel", json.loads(out)["id"])[0] == 0


def test_a_file_with_errors_is_refused_unless_forced(run, tmp_path, lab: Server) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(rows(11) + "{oops\n")
    before = len(list(lab.client().files.list()))
    for command in ("upload", "create"):
        status, out, err = run(command, path)
        assert status == exits.REFUSED and not out
        assert f"{path}:12: error[not-json]" in err and "--force" in err
    assert len(list(lab.client().files.list())) == before
    status, out, _ = run("create", path, "--force", "--follow")
    assert status == exits.NO and "bad.jsonl, line 12" in out


def test_a_file_is_held_to_the_rules_of_the_host_that_it_goes_to(run, tmp_path) -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    asked = {
        "messages": [{"role": "user", "content": [picture]}, {"role": "assistant", "content": "A."}]
    }
    path = tmp_path / "seen.jsonl"
    path.write_text(rows(12) + json.dumps(asked) + "\n")
    for command in (("upload", path), ("create", path, "--model", "gpt-4o-2024-08-06")):
        status, _, err = run(*command, "--backend", "lab")
        assert status == exits.REFUSED and "The lab takes none" in err
    status, _, err = run("create", path, "--backend", "azure", "--suffix", "a.b")
    assert status == exits.REFUSED and "Azure refuses" in err and "takes none" not in err


def test_ctrl_c_leaves_the_job_running(run, file: Path, monkeypatch) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(follow, "time", SimpleNamespace(sleep=interrupt))
        status, out, err = run("create", file, "--epochs", 50, "--follow", "--backend", "lab")
    id = out.split()[1].rstrip(":")
    assert status == exits.INTERRUPTED
    assert f"the job goes on. Follow it again: workbook jobs follow {id} --backend lab" in err
    assert "finished" not in run("show", id)[1]
    assert run("cancel", id)[:2] == (0, f"{id}: cancelled\n")
    assert run("follow", id)[:2] == (exits.CANCELLED, "cancelled\n")
    status, _, err = run("results", id)
    assert status == 2 and "no result file" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "ftjob-none"], "404, fine_tune_not_found"),
        (["create", "file-none1234"], "file_not_found"),
        (["create", "/no/such.jsonl"], "/no/such.jsonl"),
        (["upload", "data.csv"], "workbook prepare"),
        (["create", "train.jsonl", "--beta", "0.2"], "--method dpo"),
        (["create", "train.jsonl", "--method", "dpo"], "no preferences"),
        (["create", "train.jsonl", "--method", "reinforcement"], "needs --grader"),
        (["create", "train.jsonl", "--grader", "g.json"], "--method reinforcement"),
        (["create", "train.jsonl", "--model", "unknown"], "tunes tiny"),
        (["create", "train.jsonl", "--backend", "compatible"], "WORKBOOK_MODEL is not set"),
    ],
)
def test_a_mistake_is_a_sentence(arguments, said, run, file: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.jsonl").write_text(rows(12))
    Path("data.csv").write_text("prompt,completion\n" + "a,b\n" * 12)
    status, out, err = run(*arguments)
    assert status == exits.ERROR and not out and "error: " in err and said in err


def test_a_reinforcement_job_takes_its_grader_from_a_file(run, tmp_path: Path) -> None:
    file, grader = tmp_path / "prompts.jsonl", tmp_path / "grader.json"
    row = {"messages": [{"role": "user", "content": "Say a."}], "letter": "a"}
    file.write_text((json.dumps(row) + "\n") * 12)
    check = {"type": "string_check", "name": "a", "operation": "ilike"}
    check |= {"input": "{{sample.output_text}}", "reference": "{{item.letter}}"}
    grader.write_text(json.dumps(check))
    create = ["create", file, "--method", "reinforcement", "--validation", file, "--epochs", 1]
    status, out, err = run(*create, "--grader", grader, "--json")
    assert status == 0, err
    assert json.loads(out)["method"]["reinforcement"]["grader"] == check
    assert run(*create[:2], "--epochs", 1)[0] == exits.ERROR  # rows for another method
    grader.write_text("[]")
    for wrong in (grader, tmp_path / "none.json"):
        status, out, err = run(*create, "--grader", wrong)
        assert status == exits.ERROR and str(wrong) in err


def test_wrong_options_end_with_the_usage(run, file: Path) -> None:
    for wrong in (["--epochs", "0"], ["--metadata", "nothing"], ["--method", "magic"]):
        status, out, err = run("create", file, *wrong)
        assert status == exits.ERROR and not out and "Usage: workbook jobs create" in err


# Hosts that cost money


def test_a_hosted_job_needs_a_yes(run, file: Path, lab: Server, monkeypatch) -> None:
    hosted = ("create", file, "--backend", "compatible", "--model", "tiny")
    monkeypatch.setenv("WORKBOOK_MODEL", "tiny")
    before = len(list(lab.client().files.list()))
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    status, out, err = run(*hosted)
    assert status == exits.REFUSED and "price that is not known" in err and "--yes" in err
    for answer, expected in (("no\n", exits.REFUSED), ("yes\n", 0)):
        monkeypatch.setattr(sys, "stdin", typed := io.StringIO(answer))
        monkeypatch.setattr(typed, "isatty", lambda: True)
        assert len(list(lab.client().files.list())) == before
        assert run(*hosted)[0] == expected
    status, out, _ = run(*hosted, "--yes", "--json")
    assert status == 0 and json.loads(out)["model"] == "tiny"
    for job in lab.client().fine_tuning.jobs.list():
        if job.status not in ("succeeded", "failed", "cancelled"):
            run("cancel", job.id)


def test_the_price_of_a_hosted_job_is_told_before_anything_is_sent(
    run, file, lab, monkeypatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    id = lab.upload(file.read_text())
    model = "gpt-4o-mini-2024-07-18"
    for what in (file, id):
        status, _, err = run(
            "create", what, "--backend", "compatible", "--model", model, "--epochs", 7
        )
        backend = backends.Backend("compatible", model, lab.client())
        expected = backend.training_usd(
            backend.count(map(json.loads, file.read_text().splitlines())), 7
        )
        assert status == exits.REFUSED and f"(${expected:.4f} expected; 7 epochs)" in err


def test_a_job_is_planned_at_the_most_with_its_validation_and_held_to_a_limit(
    run, file, lab, monkeypatch
) -> None:
    """And refused before anything is uploaded; where its price is not known, too."""
    model = "gpt-4o-mini-2024-07-18"
    data = [json.loads(line) for line in file.read_text().splitlines()]
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    before = len(list(lab.client().files.list()))

    def most(*options: str) -> str:
        hosted = ("create", file, "--backend", "compatible", "--model", model, *options)
        status, _, err = run(*hosted)
        assert status == exits.REFUSED and len(list(lab.client().files.list())) == before
        return err

    alone = estimates.job(data, model, 7)
    both = estimates.job(data, model, 7, validation=data)
    assert f"at most {costs.usd(alone.usd_high)} " in most("--epochs", "7")
    assert f"at most {costs.usd(both.usd_high)} " in most("--epochs", "7", "--validation", file)
    over = most("--epochs", "7", "--validation", file, "--max-usd", str(both.usd_high * 0.99))
    assert "can cost" in over and "fewer --epochs" in over
    fits = most("--epochs", "7", "--validation", file, "--max-usd", str(both.usd_high * 1.01))
    assert "--yes" in fits
    chosen_by_the_host = most("--max-usd", str(alone.usd_high / 7 * 24))
    assert "most epochs that a host chooses" in chosen_by_the_host
    monkeypatch.setenv("WORKBOOK_MODEL", "tiny")
    status, _, err = run(
        "create", file, "--backend", "compatible", "--model", "tiny", "--max-usd", "5", "--yes"
    )
    assert status == exits.REFUSED and "is not known" in err
    assert len(list(lab.client().files.list())) == before


class Azure:
    """As much of Azure's service as a job needs, and what it was sent."""

    base_url = httpx.URL("https://me.openai.azure.com/openai/v1/")

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.body: dict = {}
        self.files = SimpleNamespace(
            create=lambda file, purpose: (
                self.sent.append(file[1].read()) or SimpleNamespace(id="f")
            ),
            wait_for_processing=lambda id: SimpleNamespace(id=id),
        )
        jobs = SimpleNamespace(create=lambda **body: self.body.update(body) or body)
        self.fine_tuning = SimpleNamespace(jobs=jobs)


@pytest.mark.parametrize("marked", [False, True], ids=["plain", "with a mark"])
def test_azure_gets_its_mark_its_training_type_and_its_own_price(
    tmp_path, capsys, marked: bool
) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" * marked + rows(12).encode())
    before, azure = path.read_bytes(), Azure()
    backend = backends.Backend("azure", "gpt-4o-mini-2024-07-18", azure)
    options = send.JobOptions(
        str(path), training_type="developerTier", suffix="mine", n_epochs=2, host="azure"
    )
    send.create(options, lambda: backend, agreed=True)
    assert [data.count(b"\xef\xbb\xbf") for data in azure.sent] == [1]
    assert azure.sent[0].startswith(b"\xef\xbb\xbf{") and path.read_bytes() == before
    assert azure.body["extra_body"] == {"trainingType": "developerTier"}
    assert "price that is not known here on Azure" in capsys.readouterr().err
    for refused in (
        send.JobOptions(str(path), suffix="longer-than-eighteen-letters", host="azure"),
        send.JobOptions(str(path), suffix="a.b", host="azure"),
        send.JobOptions("file-abcdefgh", suffix="a.b", host="azure"),
    ):
        with pytest.raises(WorkbookError):
            send.create(refused, lambda: backend, agreed=True)
    with pytest.raises(WorkbookError, match="--backend azure"):
        send.create(replace(options, host="lab"), lambda: backend)
    assert len(azure.sent) == 1


def test_a_wrong_key_is_not_shown(run, monkeypatch) -> None:
    monkeypatch.setenv("WORKBOOK_API_KEY", "lab-a-wrong-key-of-mine")
    monkeypatch.setenv("WORKBOOK_MODEL", "tiny")
    status, _, err = run("list", "--backend", "compatible")
    assert status == 2 and "WORKBOOK_API_KEY" in err and "wrong-key" not in err
