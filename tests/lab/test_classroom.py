"""A lab for a classroom: what students see of each other (nothing), and how much each may have."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tinybase
from labserver import KEY, conform, rows
from starlette.routing import Route
from starlette.testclient import TestClient

from workbook.lab import students
from workbook.lab.api import app
from workbook.lab.api.azure.deployments import DeploymentEndpoints
from workbook.lab.ids import new_id, now
from workbook.lab.jobs.turns import Turns
from workbook.lab.model import bases
from workbook.lab.owner import acting_for
from workbook.lab.quotas import Limits
from workbook.lab.service import Lab
from workbook.lab.state.evals import Evals
from workbook.lab.state.records import Checkpoint, EvalItem, Job, Model
from workbook.lab.students import Students

MODEL = "tiny"
TUNED = f"ft:{MODEL}:lab:ana:12345678"
EVAL = {
    "data_source_config": {"type": "custom", "item_schema": {"type": "object"}},
    "testing_criteria": [
        {
            "type": "string_check",
            "name": "same",
            "input": "{{sample.output_text}}",
            "reference": "{{item.answer}}",
            "operation": "eq",
        }
    ],
}
RUN = {
    "data_source": {
        "type": "jsonl",
        "source": {"type": "file_content", "content": [{"item": {}, "sample": {}}]},
    }
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model's folder: its tokenizer is read in no time."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("base")
        patch.setenv("WORKBOOK_HOME", str(folder / "home"))
        return bases.add(MODEL, tinybase.folder(folder / "hf"))


Room = Callable[..., "Classroom"]


@pytest.fixture
def classroom(tmp_path: Path, base: Path) -> Room:
    """`classroom(jobs=2)` → a lab with these limits."""
    return lambda **limits: Classroom(tmp_path, base, Limits(**limits))


class Classroom:
    """A lab within this process that runs no jobs, and a client of each student."""

    def __init__(self, folder: Path, base: Path, limits: Limits) -> None:
        self.keys = students.make(folder / "keys.json", ["ana", "ben"])
        self.lab = Lab(folder / "state", base, MODEL, limits)
        self.app = app.create(self.lab, KEY, 0, students=Students(folder / "keys.json"))
        self.ana, self.ben = self.client(self.keys["ana"]), self.client(self.keys["ben"])
        self.teacher = self.client(KEY)

    def client(self, key: str) -> TestClient:
        return TestClient(self.app, "http://localhost", headers={"Authorization": f"Bearer {key}"})


def upload(client: TestClient, data: bytes = rows(10).encode(), purpose: str = "fine-tune"):
    fields = {"files": {"file": ("in.jsonl", data)}, "data": {"purpose": purpose}}
    return client.post("/v1/files", **fields)


def made(answer: Any) -> dict:
    assert answer.status_code == 200, answer.text
    return answer.json()


def everything(room: Classroom) -> dict[str, str]:
    """What Ana has, one of each kind: its id by the path that it stands in."""
    ana, store = room.ana, room.lab.store
    file = made(upload(ana))["id"]
    requests = made(upload(ana, b"{}\n", "batch"))["id"]
    announced = {"filename": "a.jsonl", "purpose": "fine-tune", "bytes": 3, "mime_type": "x/y"}
    pending = made(ana.post("/v1/uploads", json=announced))["id"]
    part = made(ana.post(f"/v1/uploads/{pending}/parts", files={"data": b"abc"}))["id"]
    job = {"model": MODEL, "training_file": file}
    job_id = made(ana.post("/v1/fine_tuning/jobs", json=job))["id"]
    window = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
    batch = made(ana.post("/v1/batches", json=window | {"input_file_id": requests}))["id"]
    evaluation = made(ana.post("/v1/evals", json=EVAL))["id"]
    run = made(ana.post(f"/v1/evals/{evaluation}/runs", json=RUN))["id"]
    with acting_for("ana"):
        adapter = store.job_folder(job_id) / "checkpoints" / "step-1"
        adapter.mkdir(parents=True)
        (adapter / "adapter.safetensors").write_bytes(bytes(1000))
        store.add(Model(TUNED, job_id, now(), adapter))
        store.add(Checkpoint(new_id("ftckpt-"), job_id, now(), 1, TUNED, {}))
        [item] = Evals(store).waiting_items(run, 0, 1)
        Evals(store).judge(item, "pass", [], {})
        assert store.get(EvalItem, item.id).done
    return {
        "/files": file,
        "/uploads": pending,
        "/fine_tuning/jobs": job_id,
        "/batches": batch,
        "/evals": evaluation,
        "/evals/{id}/runs": run,
        "/evals/{id}/runs/{run}/output_items": item.id,
        "/models": TUNED,
        "/responses": "resp_1",
        "part": part,
        "requests": requests,
    }


def walk(room: Classroom) -> list[tuple[str, Route, str]]:
    """Every route of OpenAI's paths and of Azure's, with each of its methods."""
    return [
        (mount.path, route, method)
        for mount in room.app._app.routes
        if mount.path in ("/v1", "/openai/v1")
        for route in mount.routes
        for method in sorted(route.methods)
    ]


def address(prefix: str, route: Route, ids: dict[str, str]) -> str:
    """The route's path with the ids of Ana's things."""
    parts = route.path.split("/")
    for i, part in enumerate(route.path.split("/")):
        if part == "{below:path}":  # of what the lab has none of
            parts[i] = "x"
        elif part.startswith("{"):  # the id of what stands before it
            parts[i] = ids["/".join(route.path.split("/")[:i])]
    return prefix + "/".join(parts)


def test_another_students_key_finds_nothing_on_any_route(classroom: Room) -> None:
    room = classroom()
    ids = everything(room)
    walked = 0
    for prefix, route, method in walk(room):
        if "{" not in route.path or "{model" in route.path or method == "HEAD":
            continue
        path = address(prefix, route, ids)
        unknown = {name: id[:-3] + "zzz" for name, id in ids.items()}
        stranger = room.ben.request(method, path, **body_of(route))
        nothing = room.ben.request(method, address(prefix, route, unknown), **body_of(route))
        assert stranger.status_code == 404, (method, path, stranger.text)
        conform(stranger.json(), "ErrorResponse")
        # Word for word what is said of a thing that never was.
        assert stranger.text == same(nothing.text, unknown, ids)
        walked += 1
    assert walked >= 60, walked
    for path in ("/files", "/fine_tuning/jobs", "/batches", "/evals"):
        assert made(room.ben.get(f"/v1{path}"))["data"] == []
        after = room.ben.get(f"/v1{path}", params={"after": ids[path]})
        assert after.status_code == 400 and "there is no" in after.text
    assert [model["id"] for model in made(room.ben.get("/v1/models"))["data"]] == [MODEL]
    # Ana has all of it still, and the lab's own key sees it, too.
    for client in (room.ana, room.teacher):
        for path in ("/files", "/fine_tuning/jobs", "/batches", "/evals", "/models"):
            found = made(client.get(f"/v1{path}"))["data"]
            assert ids[path] in [each["id"] for each in found], path
    events = made(room.ana.get(f"/v1/fine_tuning/jobs/{ids['/fine_tuning/jobs']}/events"))
    assert len(events["data"]) == 2


def body_of(route: Route) -> dict[str, Any]:
    if route.path.endswith("/parts"):
        return {"files": {"data": b"abc"}}
    if route.path.endswith("/complete"):
        return {"json": {"part_ids": []}}
    if route.path == "/evals/{id}/runs" and "POST" in route.methods:
        return {"json": RUN}
    return {"json": {"name": "mine"}} if "POST" in route.methods else {}


def same(text: str, unknown: dict[str, str], ids: dict[str, str]) -> str:
    for name, id in unknown.items():
        text = text.replace(id, ids[name])
    return text


def test_another_students_things_cannot_be_named_in_a_body(classroom: Room) -> None:
    room = classroom()
    ids, ben = everything(room), room.ben
    own = made(upload(ben))["id"]
    job = {"model": MODEL, "training_file": own}
    window = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
    source = {"type": "file_id", "id": ids["requests"]}
    evaluation = made(ben.post("/v1/evals", json=EVAL))["id"]
    ask = {"model": TUNED, "messages": [{"role": "user", "content": "Hi"}]}
    judge = {"type": "score_model", "name": "j", "model": TUNED, "input": ask["messages"]}
    pending = made(
        ben.post(
            "/v1/uploads",
            json={"filename": "a.jsonl", "purpose": "fine-tune", "bytes": 3, "mime_type": "x/y"},
        )
    )["id"]
    questions = {
        "type": "completions",
        "model": TUNED,
        "input_messages": {"type": "template", "template": ask["messages"]},
        "source": {"type": "file_content", "content": [{"item": {}}]},
    }
    for path, body in (
        ("/fine_tuning/jobs", job | {"training_file": ids["/files"]}),
        ("/fine_tuning/jobs", job | {"validation_file": ids["/files"]}),
        ("/fine_tuning/jobs", job | {"model": TUNED}),
        ("/batches", window | {"input_file_id": ids["requests"]}),
        (f"/evals/{evaluation}/runs", {"data_source": {"type": "jsonl", "source": source}}),
        (f"/evals/{evaluation}/runs", {"data_source": questions}),
        (f"/uploads/{pending}/complete", {"part_ids": [ids["part"]]}),
        ("/chat/completions", ask),
        ("/completions", {"model": TUNED, "prompt": "Hi"}),
        ("/responses", {"model": TUNED, "input": "Hi"}),
        ("/embeddings", {"model": TUNED, "input": "Hi"}),
        ("/fine_tuning/alpha/graders/run", {"grader": judge, "model_sample": "x"}),
        ("/fine_tuning/alpha/graders/validate", {"grader": judge}),
    ):
        answer = ben.post(f"/v1{path}", json=body)
        assert answer.status_code in (400, 404), (path, answer.text)
        text = json.dumps(body)
        for id in {*ids.values(), TUNED} & set(re.findall(r"[\w:.-]+", text)):
            text = text.replace(id, id[:-3] + "zzz")
        nothing = ben.post(f"/v1{path}", content=text, headers={"Content-Type": "application/json"})
        assert nothing.status_code == answer.status_code
        assert nothing.json()["error"]["code"] == answer.json()["error"]["code"]
    azure = ben.post(f"/openai/deployments/{TUNED}/chat/completions", json=ask)
    assert azure.status_code == 404


def test_what_a_job_makes_is_its_owners(classroom: Room) -> None:
    """The runner works for everybody, one after another."""
    room = classroom()
    ids, store = everything(room), room.lab.store
    job = store.get(Job, ids["/fine_tuning/jobs"])
    assert job.owner == "ana"
    store.update_job(job.id, ["validating_files"], status="running")
    with room.lab.job_runner._failing(job):
        room.lab.job_runner._succeed(store.get(Job, job.id), 5)
    done = made(room.ana.get(f"/v1/fine_tuning/jobs/{job.id}"))
    assert done["status"] == "succeeded", done
    [result] = done["result_files"]
    assert made(room.ana.get(f"/v1/files/{result}"))["purpose"] == "fine-tune-results"
    for path in (f"/files/{result}/content", f"/models/{done['fine_tuned_model']}"):
        assert room.ben.get(f"/v1{path}").status_code == 404


def test_a_students_key_stops_no_lab_and_a_wrong_one_does_nothing(classroom: Room) -> None:
    room = classroom()
    answer = room.ana.post("/v1/lab/stop")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "insufficient_permissions")
    answer = room.client("lab-somebody-elses-key-0000000000").get("/v1/files")
    assert answer.status_code == 401 and "whoever runs the lab" in answer.text


def test_names_that_are_the_whole_labs_are_for_whoever_runs_it(classroom: Room) -> None:
    room = classroom()
    for path in (
        "/v1/projects/p/locations/l/tuningJobs",
        "/v1beta1/projects/p/locations/l/tuningJobs",
        "/storage/v1/b/bucket/iam",
        *(route.path for route in DeploymentEndpoints(room.lab).routes()),
    ):
        answer = room.ana.get(path)
        assert answer.status_code == 404 and "This lab is shared" in answer.text, path
        assert "This lab is shared" not in room.teacher.get(path).text


# Limits


def too_many(answer: Any, code: str = "rate_limit_exceeded") -> dict:
    assert answer.status_code == 429, answer.text
    conform(answer.json(), "ErrorResponse")
    error = answer.json()["error"]
    assert error["code"] == code
    return error


def test_jobs_at_once_are_limited_by_student(classroom: Room) -> None:
    room = classroom(jobs=2)
    batch = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
    for client in (room.ana, room.ben):
        file = made(upload(client))["id"]
        requests = made(upload(client, b"{}\n", "batch"))["id"]
        evaluation = made(client.post("/v1/evals", json=EVAL))["id"]
        for path, body in (
            ("/fine_tuning/jobs", {"model": MODEL, "training_file": file}),
            ("/batches", batch | {"input_file_id": requests}),
            (f"/evals/{evaluation}/runs", RUN),
        ):
            answers = [client.post(f"/v1{path}", json=body) for _ in range(3)]
            assert [answer.status_code for answer in answers] == [200, 200, 429]
            assert "maximum of 2 active" in too_many(answers[2])["message"]
            assert int(answers[2].headers["retry-after"]) > 0


def test_stored_bytes_are_limited_and_deleting_makes_room(
    classroom: Room, tmp_path: Path, monkeypatch
) -> None:
    room = classroom(megabytes=1)
    first = made(upload(room.ana, bytes(700_000)))["id"]
    answer = upload(room.ana, bytes(700_000))
    assert "0.7 of 1 MB" in too_many(answer, "insufficient_quota")["message"]
    assert answer.headers["x-should-retry"] == "false"
    assert not list((tmp_path / "state" / "uploads").iterdir())
    made(upload(room.ben, bytes(700_000)))
    announced = {"filename": "a.jsonl", "purpose": "fine-tune", "bytes": 700_000}
    pending = made(room.ana.post("/v1/uploads", json=announced | {"mime_type": "x/y"}))["id"]
    path = f"/v1/uploads/{pending}/parts"
    too_many(room.ana.post(path, files={"data": bytes(700_000)}), "insufficient_quota")

    def in_pieces():  # without saying how much will come
        yield b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n'
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
        yield from [bytes(100_000)] * 7
        yield b"\r\n--b--\r\n"

    form = {"Content-Type": "multipart/form-data; boundary=b"}
    too_many(room.ana.post("/v1/files", content=in_pieces(), headers=form), "insufficient_quota")
    assert room.ana.delete(f"/v1/files/{first}").status_code == 200
    made(upload(room.ana, bytes(700_000)))


def test_no_training_beyond_the_stored_bytes(classroom: Room) -> None:
    room = classroom(megabytes=1)
    ids = everything(room)
    (room.lab.store.get(Model, TUNED).folder / "more").write_bytes(bytes(2**20))
    job = {"model": MODEL, "training_file": ids["/files"]}
    too_many(room.ana.post("/v1/fine_tuning/jobs", json=job), "insufficient_quota")
    assert room.ana.delete(f"/v1/models/{TUNED}").status_code == 200
    made(room.ana.post("/v1/fine_tuning/jobs", json=job))


def test_requests_a_minute_are_limited_by_student(classroom: Room) -> None:
    room = classroom(requests=5)
    answers = [room.ana.get("/v1/models") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    error = too_many(answers[5])
    assert error["type"] == "requests" and "Limit 5" in error["message"]
    assert 1 <= int(answers[5].headers["retry-after"]) <= 13
    assert room.ben.get("/v1/models").status_code == 200
    assert all(room.teacher.get("/v1/models").status_code == 200 for _ in range(9))
    assert room.ana.get("/health").status_code == 200


def test_requests_at_the_same_time_are_limited_by_student(classroom: Room) -> None:
    room = classroom(at_once=1)
    with acting_for("ana"), room.lab.quotas.request():
        assert "under way" in too_many(room.ana.get("/v1/models"))["message"]
        assert room.ben.get("/v1/models").status_code == 200
    assert room.ana.get("/v1/models").status_code == 200


def test_the_answers_that_one_student_waits_for_leave_room_for_others(classroom: Room) -> None:
    from concurrent.futures import Future

    from workbook.lab.errors import ApiError
    from workbook.lab.serving.scheduler import OF_ONE, Scheduler

    class Engine:
        def submit(self, request: None) -> Future:
            return Future()

    scheduler = Scheduler()
    scheduler.engine.set_result(Engine())
    with acting_for("ana"):
        waiting = scheduler.submit([None] * (OF_ONE + 20))  # one request may ask for as many
        with pytest.raises(ApiError, match="answers are being written"):
            scheduler.submit([None])
        for future in waiting:
            future.cancel()
        scheduler.submit([None] * OF_ONE)
        with pytest.raises(ApiError):
            scheduler.submit([None])
    with acting_for("ben"):
        scheduler.submit([None])


def test_python_graders_only_where_the_kernel_hides_files(classroom: Room, monkeypatch) -> None:
    from workbook.grading import python_grader

    room = classroom()
    grader = {"type": "python", "name": "p", "source": "def grade(sample, item): return 1.0"}
    path = "/v1/fine_tuning/alpha/graders/validate"
    monkeypatch.setattr(python_grader, "hides_files", lambda: False)
    both = {"type": "multi", "name": "m", "graders": {"p": grader}, "calculate_output": "p"}
    for each in (grader, both):
        answer = room.ana.post(path, json={"grader": each})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unsupported_grader")
        assert room.teacher.post(path, json={"grader": each}).status_code == 200
    function = {"type": "lambda", "name": "f", "lambda": {"function": "/etc/passwd"}}
    answer = room.ana.post(path, json={"grader": function})
    assert answer.status_code == 400 and "/etc/passwd" not in answer.text
    monkeypatch.setattr(python_grader, "hides_files", lambda: True)
    assert room.ana.post(path, json={"grader": grader}).status_code == 200


# Turns


def test_students_have_their_turn_one_after_another() -> None:
    turns, queue = Turns(), [("ana", n) for n in range(4)] + [("ben", 4), ("eva", 5), ("ben", 6)]
    order = []
    while queue:
        work = turns.next(queue)
        order.append(work)
        queue = [each for each in queue if each[1] != work]
    assert order == [0, 4, 5, 1, 6, 2, 3]
    assert turns.next([]) is None


def test_each_students_oldest_job_waits_for_its_turn(classroom: Room) -> None:
    room = classroom()
    store, jobs = room.lab.store, {}
    for name, client in (("ana", room.ana), ("ana", room.ana), ("ben", room.ben)):
        file = made(upload(client))["id"]
        body = {"model": MODEL, "training_file": file}
        jobs.setdefault(name, made(client.post("/v1/fine_tuning/jobs", json=body))["id"])
    first = store.first_jobs("validating_files", MODEL)
    assert [(job.owner, job.id) for job in first] == list(jobs.items())
