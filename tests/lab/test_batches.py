"""Batches: JSON Lines in, JSON Lines out, whatever happens in between."""

import json
import time
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import openai
import pytest
from labserver import MODEL, Server, conform, offline, start
from waiting import until

from workbook.lab.ids import now
from workbook.lab.jobs.batch_output import BatchOutput
from workbook.lab.serving.types import Completion
from workbook.lab.state.records import BATCH_UNFINISHED, Batch, File
from workbook.lab.state.store import Store

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"


def line(number: int, url: str = CHAT, **body) -> dict:
    body = {"model": MODEL, "max_tokens": 4, "temperature": 0} | body
    if url == CHAT:
        body = {"messages": [{"role": "user", "content": f"Say {number}."}]} | body
    return {"custom_id": f"row-{number}", "method": "POST", "url": url, "body": body}


def create(lab: Server, lines: list, endpoint: str = CHAT, **more):
    text = "".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines)
    file = lab.client().files.create(file=("in.jsonl", text.encode()), purpose="batch")
    return lab.client().batches.create(
        input_file_id=file.id, endpoint=endpoint, completion_window="24h", **more
    )


def ended(lab: Server, batch, seconds: float = 120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        now = lab.call("GET", f"/batches/{batch.id}")[1]  # also checks it against the spec
        if now["status"] in ("completed", "failed", "expired", "cancelled"):
            return SimpleNamespace(**dict.fromkeys(openai.types.Batch.model_fields) | now)
        time.sleep(0.05)
    raise AssertionError(f"{now}; log:\n{lab.log.read_text()[-3000:]}")


def until_validated(lab: Server, batch) -> None:
    until(lambda: lab.call("GET", f"/batches/{batch.id}")[1]["status"] != "validating", pause=0.02)


def rows(lab: Server, file_id: str | None) -> dict[str, dict]:
    if file_id is None:
        return {}
    lines = [json.loads(x) for x in lab.client().files.content(file_id).text.splitlines()]
    assert len({row["custom_id"] for row in lines}) == len(lines)  # none twice
    return {row["custom_id"]: row for row in lines}


def test_a_batch_answers_every_line_or_says_why_not(lab: Server) -> None:
    lines = [line(i) for i in range(12)] + [line(12, temperature=9), line(13, stream=True)]
    batch = create(
        lab,
        lines,
        metadata={"course": "test"},
        extra_body={"output_expires_after": {"anchor": "created_at", "seconds": 3600}},
    )
    assert batch.status == "validating" and batch.expires_at == batch.created_at + 24 * 3600
    lab.client().files.delete(batch.input_file_id)  # a batch has its own hold on the bytes
    done = ended(lab, batch)
    assert done.status == "completed" and done.metadata == {"course": "test"}
    assert done.request_counts == {"total": 14, "completed": 12, "failed": 2}
    assert done.model == MODEL and done.created_at <= done.in_progress_at <= done.completed_at
    good, bad = rows(lab, done.output_file_id), rows(lab, done.error_file_id)
    assert set(good) == {f"row-{i}" for i in range(12)} and set(bad) == {"row-12", "row-13"}
    for row in good.values():
        assert row["response"]["status_code"] == 200 and row["error"] is None
        conform(row["response"]["body"], "CreateChatCompletionResponse")
    assert bad["row-12"]["response"]["status_code"] == 400
    assert bad["row-12"]["response"]["body"]["error"]["param"] == "temperature"
    assert bad["row-13"]["response"]["body"]["error"]["param"] == "stream"
    used = [row["response"]["body"]["usage"]["total_tokens"] for row in good.values()]
    assert done.usage["total_tokens"] == sum(used)
    file = lab.client().files.retrieve(done.output_file_id)
    assert file.purpose == "batch_output" and file.expires_at == file.created_at + 3600
    alone = lab.client().chat.completions.create(**line(3)["body"])
    answer = good["row-3"]["response"]["body"]["choices"][0]["message"]["content"]
    assert answer == alone.choices[0].message.content


def test_the_older_completions_too(lab: Server) -> None:
    done = ended(
        lab, create(lab, [line(i, TEXT, prompt="The capital of France is") for i in range(3)], TEXT)
    )
    texts = [
        row["response"]["body"]["choices"][0]["text"]
        for row in rows(lab, done.output_file_id).values()
    ]
    assert len(texts) == 3 and all(text.startswith(" Paris") for text in texts)
    assert done.error_file_id is None


def test_an_input_that_can_not_be_run_fails_with_line_and_reason(lab: Server) -> None:
    bad = [
        ("{", "invalid_json_line"),
        ("[]", "invalid_json_line"),
        (line(0), "duplicate_custom_id"),
        (line(4) | {"url": TEXT}, "invalid_url"),
        (line(5) | {"method": "GET"}, "invalid_method"),
        ({"custom_id": "x"}, "missing_required_parameter"),
        (line(7) | {"body": [1]}, "invalid_type"),
        (line(8, model="gpt-9"), "mismatched_model"),
    ]
    done = ended(lab, create(lab, [line(0), *(x for x, _ in bad)]))
    assert done.status == "failed" and done.output_file_id is None
    assert [(e["line"], e["code"]) for e in done.errors["data"]] == [
        (number, code) for number, (_, code) in enumerate(bad, start=2)
    ]
    for lines, code in (([line(0, model="gpt-9")], "model_not_found"), (["  "], "empty_file")):
        assert [e["code"] for e in ended(lab, create(lab, lines)).errors["data"]] == [code]


def test_batches_that_are_not_created(lab: Server) -> None:
    def refused(**more) -> tuple:
        good = {"input_file_id": "file-no", "endpoint": CHAT, "completion_window": "24h"}
        status, answer = lab.call("POST", "/batches", good | more)
        return status, answer["error"]["code"], answer["error"]["param"]

    assert refused() == (400, "file_not_found", "input_file_id")
    assert refused(endpoint="/v1/embeddings") == (400, "unsupported_endpoint", "endpoint")
    assert refused(endpoint="/v1/magic") == (400, "invalid_value", "endpoint")
    assert refused(completion_window="1h") == (400, "invalid_value", "completion_window")
    other = lab.upload("{}")
    assert refused(input_file_id=other) == (400, "invalid_file_purpose", "input_file_id")
    assert lab.call("GET", "/batches/batch_no")[0] == 404
    with pytest.raises(openai.BadRequestError):
        lab.client().files.create(file=("in.csv", b"{}"), purpose="batch")


def test_a_cancelled_batch_keeps_what_it_has(lab: Server) -> None:
    first = create(lab, [line(i, max_tokens=100, temperature=1) for i in range(200)])
    waiting = create(lab, [line(0)])
    until(lambda: lab.call("GET", f"/batches/{first.id}")[1]["request_counts"]["completed"])
    for batch in (waiting, first):
        status = lab.call("POST", f"/batches/{batch.id}/cancel")[1]["status"]
        assert status in ("cancelling", "cancelled")
    assert ended(lab, waiting).output_file_id is None
    done = ended(lab, first)
    assert done.status == "cancelled" and done.cancelled_at >= done.cancelling_at
    some = len(rows(lab, done.output_file_id))
    assert 1 <= some == done.request_counts["completed"] < 200
    assert lab.call("POST", f"/batches/{ended(lab, create(lab, [line(0)])).id}/cancel")[0] == 400
    listed = lab.call("GET", "/batches?limit=2")[1]
    assert listed["has_more"] and listed["data"][1]["id"] == waiting.id


def test_somebody_who_waits_is_answered_before_a_batch(lab: Server) -> None:
    batch = create(lab, [line(i, max_tokens=200, temperature=1) for i in range(300)])
    until_validated(lab, batch)
    began = time.monotonic()
    for _ in range(3):
        lab.client().chat.completions.create(**line(0)["body"])
    assert time.monotonic() - began < 20
    assert lab.call("POST", f"/batches/{batch.id}/cancel")[1]["status"] == "cancelling"
    ended(lab, batch)


def test_a_killed_server_goes_on_without_a_doubled_or_missing_row(tmp_path: Path) -> None:
    server = start(tmp_path / "state")
    try:
        batch = create(server, [line(i, max_tokens=16, temperature=1) for i in range(40)])
        answers = server.state / "batches" / batch.id / "output.jsonl"
        for least in (5, 20):
            end = time.monotonic() + 120
            while not answers.exists() or answers.read_bytes().count(b"\n") < least:
                assert time.monotonic() < end, server.log.read_text()[-3000:]
                time.sleep(0.01)
            server.kill()
            before = answers.read_bytes()
            with open(answers, "ab") as file:
                file.write(b'{"id": "batch_req_cut')  # as a crash may leave it
            server = start(tmp_path / "state")
        done = ended(server, batch)
        assert done.status == "completed" and done.request_counts["completed"] == 40
        assert set(rows(server, done.output_file_id)) == {f"row-{i}" for i in range(40)}
        assert server.client().files.content(done.output_file_id).read().startswith(before)
        assert not answers.parent.exists()
    finally:
        server.stop()


def test_a_batch_whose_time_is_over_says_what_was_not_reached(tmp_path: Path) -> None:
    server = start(tmp_path / "state")
    try:
        batch = create(server, [line(i, max_tokens=300, temperature=1) for i in range(60)])
        until_validated(server, batch)
        server.kill()
        store = Store(server.state)
        store.update_batch(batch.id, ["in_progress"], expires_at=1)
        assert store.get(Batch, batch.id).counts["total"] == 60
        store.close()
        server = start(tmp_path / "state")
        done = ended(server, batch)
        assert done.status == "expired" and done.request_counts["total"] == 60
        late = rows(server, done.error_file_id)
        assert {row["error"]["code"] for row in late.values()} == {"batch_expired"}
        assert len(late) + len(rows(server, done.output_file_id)) == 60
    finally:
        server.stop()


def test_a_crash_while_results_are_filed_files_them_once(tmp_path: Path, monkeypatch) -> None:
    lab, _ = offline(tmp_path)
    source = lab.store.uploads() / "x"
    source.write_text(json.dumps(line(0)) + "\n")
    file = lab.store.add_file(source, "in.jsonl", "batch")
    counts = {"total": 1, "completed": 0, "failed": 0}
    batch = Batch("batch_1", "finalizing", CHAT, file.id, "24h", 1, 2, MODEL, counts=counts)
    lab.store.add_batch(batch)
    usage = {"prompt_tokens": 3, "completion_tokens": 4}
    usage["prompt_tokens_details"] = {"cached_tokens": 1}
    with BatchOutput(lab.store.batch_folder(batch.id)) as output:
        output.add("row-0", 200, {"usage": usage})

    def crash(*_, **__) -> None:
        raise KeyboardInterrupt

    for method in ("update", "tidy_batch"):  # before the result is a record, and after
        [batch] = lab.store.batches("finalizing")
        with monkeypatch.context() as patch:
            patch.setattr(Store, method, crash)
            with pytest.raises(KeyboardInterrupt):
                lab.batch_runner._settle(batch)
        lab.store.close()
        lab, _ = offline(tmp_path)  # as after a restart
    done = lab.store.get(Batch, batch.id)
    assert done.status == "completed" and done.counts["completed"] == 1
    assert done.usage["total_tokens"] == 7
    files = lab.store.page(File)[0]
    assert [f.id for f in files] == [done.output_file, file.id]
    assert len(list((tmp_path / "files").iterdir())) == 2
    assert not list((tmp_path / "batches").iterdir()) + list(lab.store.uploads().iterdir())


class _Answering:
    """An engine that answers at once."""

    def submit(self, request) -> Future:
        future = Future()
        future.set_result(Completion("blue", [1], "stop", None))
        return future


def ready(lab, lines: list[dict], folder: str = "batch_1") -> Batch:
    """A batch that has been validated."""
    source = lab.store.uploads() / "x"
    source.write_text("".join(json.dumps(each) + "\n" for each in lines))
    file = lab.store.add_file(source, "in.jsonl", "batch")
    counts = {"total": len(lines), "completed": 0, "failed": 0}
    expires = now() + 3600
    batch = Batch(folder, "in_progress", CHAT, file.id, "24h", 1, expires, MODEL, counts=counts)
    lab.store.add_batch(batch)
    return batch


def until_ended(lab, *ids: str) -> list[Batch]:
    lab.batch_runner.start()
    try:
        until(lambda: not lab.store.batches(*BATCH_UNFINISHED), 20, 0.02)
    finally:
        lab.batch_runner.close()
    return [lab.store.get(Batch, id) for id in ids]


def test_whatever_a_row_runs_into_is_that_rows_error(tmp_path: Path) -> None:
    lab, _ = offline(tmp_path)
    plan = lab.batch_runner._plan

    def stumble(endpoint, body):
        if body.get("user") == "stumble":
            raise TypeError("'int' object is not iterable")
        return plan(endpoint, body)

    lab.batch_runner._plan = stumble
    lab.scheduler.engine.set_result(_Answering())
    lines = [line(0), line(1, user="stumble"), line(2)]
    ready(lab, lines)
    ready(lab, [line(0)], "batch_2")
    first, second = until_ended(lab, "batch_1", "batch_2")
    assert first.status == second.status == "completed"
    assert first.counts == {"total": 3, "completed": 2, "failed": 1}
    [row] = map(json.loads, lab.store.path(first.error_file).read_text().splitlines())
    assert row["custom_id"] == "row-1" and row["response"]["status_code"] == 500


@pytest.mark.parametrize("fault", ["damaged", "gone"])
def test_a_batch_that_cannot_be_carried_out_fails_and_the_next_has_its_turn(
    tmp_path: Path, fault: str
) -> None:
    lab, _ = offline(tmp_path)
    lab.scheduler.engine.set_result(_Answering())
    broken = lab.store.batch_folder(ready(lab, [line(0), line(1)]).id)
    ready(lab, [line(0)], "batch_2")
    if fault == "gone":
        (broken / "input.jsonl").unlink()
    else:
        (broken / "output.jsonl").write_bytes(b"{}\n")
    first, second = until_ended(lab, "batch_1", "batch_2")
    assert (first.status, second.status) == ("failed", "completed")
    assert first.errors[0]["code"] == "server_error"
    if fault == "damaged":
        assert lab.store.path(first.output_file).read_bytes() == b"{}\n"  # nothing is lost


def test_tokens_of_responses_are_counted_as_those_of_chat(tmp_path: Path) -> None:
    usage = {"input_tokens": 3, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 1}}
    with BatchOutput(tmp_path) as output:
        output.add("a", 200, {"usage": usage})
        output.add("b", 200, {"usage": usage})
    with BatchOutput(tmp_path) as again:
        counted = again.usage()
    assert (counted["input_tokens"], counted["output_tokens"]) == (6, 4)
    assert counted["input_tokens_details"] == {"cached_tokens": 2}
