"""Twenty students at one real lab at the same time: uploads, chats, and training in turns."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import openai
import pytest
import tinylab
from labserver import KEY, Server, rows

from workbook import backends
from workbook.errors import WorkbookError
from workbook.lab import client as lab_client
from workbook.lab import students

NAMES = [f"student-{number:02}" for number in range(1, 21)]
HI = [{"role": "user", "content": "the question and the answer, one after another"}]


class Room:
    """The lab, with a client of each student."""

    def __init__(self, server: Server, keys: dict[str, str]) -> None:
        self.server = server
        self.clients = {name: server.client(api_key=key) for name, key in keys.items()}

    def together(self, work: Callable[[str, openai.OpenAI], object]) -> dict[str, object]:
        """What comes of the same work of all students at the same moment."""
        with ThreadPoolExecutor(len(self.clients)) as pool:
            futures = {name: pool.submit(work, name, c) for name, c in self.clients.items()}
            return {name: future.result() for name, future in futures.items()}

    def order_of_training(self, count: int, seconds: float) -> list[str]:
        """The students whose jobs began to train, in order, once there are so many."""
        until = time.monotonic() + seconds
        teacher = self.server.client(api_key=KEY)
        while time.monotonic() < until:
            started = []
            for job in teacher.fine_tuning.jobs.list(limit=100):
                events = teacher.fine_tuning.jobs.list_events(job.id, limit=100)
                order = [each for each in events if each.message == "Fine-tuning job started"]
                started += [(each.created_at, job.metadata["student"]) for each in order]
            if len(started) >= count:
                return [name for _, name in sorted(started)]
            time.sleep(0.2)
        raise AssertionError(f"only {started} began; log:\n{self.server.log.read_text()[-3000:]}")


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    folder = tmp_path_factory.mktemp("classroom")
    keys = students.make(folder / "keys.json", NAMES)
    options = ("--device", "cpu", "--host", "0.0.0.0", "--keys", str(folder / "keys.json"))
    with tinylab.serving(folder, *options) as server:
        yield Room(server, keys)


def create(name: str, client: openai.OpenAI, file: str) -> str:
    job = client.fine_tuning.jobs.create(
        model="tiny",
        training_file=file,
        seed=1,
        metadata={"student": name},
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1}}},
    )
    return job.id


def ask(client: openai.OpenAI, model: str = "tiny", messages: list = HI, **more) -> object:
    body = {"model": model, "messages": messages, "max_tokens": 4, "temperature": 0}
    return client.chat.completions.create(**body | more)


def upload(client: openai.OpenAI, name: str) -> str:
    text = rows(10).replace("Question", f"{name} asks")
    return client.files.create(file=(f"{name}.jsonl", text.encode()), purpose="fine-tune").id


def test_all_upload_and_chat_at_once_and_each_finds_their_own(room: Room) -> None:
    def work(name: str, client: openai.OpenAI) -> tuple[list[str], list[str], float]:
        mine = [upload(client, name) for _ in range(2)]
        began = time.monotonic()
        streamed = "".join(
            chunk.choices[0].delta.content or "" for chunk in ask(client, stream=True)
        )
        texts = [ask(client).choices[0].message.content for _ in range(2)]
        assert set(texts) == {streamed}
        seconds = (time.monotonic() - began) / 3
        for file in mine:
            assert f"{name} asks 1?".encode() in client.files.content(file).read()
        return mine, [file.id for file in client.files.list()], seconds

    results = room.together(work)
    for mine, listed, _ in results.values():
        assert sorted(listed) == sorted(mine)
    assert median(seconds for *_, seconds in results.values()) < 20


def test_notebooks_reach_it_by_two_variables(room: Room, monkeypatch) -> None:
    monkeypatch.setenv("WORKBOOK_LAB_URL", f"{room.server.url}/v1")
    monkeypatch.delenv("WORKBOOK_LAB_KEY", raising=False)
    with pytest.raises(WorkbookError, match="WORKBOOK_LAB_KEY is not: set it"):
        lab_client.connect()
    monkeypatch.setenv("WORKBOOK_LAB_KEY", "lab-wrong")
    with pytest.raises(WorkbookError, match="does not take the key"):
        lab_client.connect()
    monkeypatch.setenv("WORKBOOK_LAB_KEY", room.clients[NAMES[4]].api_key)
    monkeypatch.setenv("WORKBOOK_BACKEND", "lab")
    openai_client, backend = backends.connect()
    assert backend.is_lab and backend.model == "tiny"
    assert backends.called_by(openai_client) == "lab"
    file = upload(openai_client, "mine")
    assert room.clients[NAMES[4]].files.retrieve(file).id == file


def test_nobody_learns_what_another_has_asked(room: Room) -> None:
    long = [{"role": "user", "content": "the question and the answer, one after another " * 5}]
    first, second = (room.clients[name] for name in NAMES[:2])

    def cached(client: openai.OpenAI) -> int:
        return ask(client, messages=long).usage.prompt_tokens_details.cached_tokens

    assert cached(first) <= 20  # what the template gives every prompt
    assert cached(first) > 50
    assert cached(second) <= 20


def test_who_has_queued_much_lets_others_have_their_turn(room: Room) -> None:
    first, second = NAMES[:2]
    jobs = []
    for name in (first, first, first, second):
        client = room.clients[name]
        jobs.append((client, create(name, client, upload(client, name))))
    order = room.order_of_training(2, 120)
    assert order[:2] == [first, second]
    assert ask(room.clients[NAMES[2]]).choices  # answers go on meanwhile
    for client, job in jobs[1:3]:
        client.fine_tuning.jobs.cancel(job)
    done = [finished(client, job) for client, job in (jobs[0], jobs[3])]
    assert all(job.status == "succeeded" for job in done), done
    with pytest.raises(openai.NotFoundError):
        ask(room.clients[first], done[1].fine_tuned_model)
    assert ask(room.clients[second], done[1].fine_tuned_model).choices


@pytest.mark.full
def test_twenty_queue_jobs_and_use_what_was_trained(room: Room) -> None:
    before = len(room.order_of_training(0, 5))

    def begin(name: str, student: openai.OpenAI) -> list[str]:
        file = upload(student, name)
        return [create(name, student, file) for _ in range(3)]

    jobs = room.together(begin)
    order = room.order_of_training(before + 8, 300)[before:]
    assert len(set(order)) == len(order)  # nobody had a second turn, though all had more to do
    for name, student in room.clients.items():
        for job in jobs[name]:
            if student.fine_tuning.jobs.retrieve(job).status in ("validating_files", "queued"):
                student.fine_tuning.jobs.cancel(job)

    def follow(name: str, student: openai.OpenAI) -> list[str]:
        models = [finished(student, job).fine_tuned_model for job in jobs[name]]
        return [model for model in models if model and ask(student, model).choices]

    models = room.together(follow)
    assert sum(map(len, models.values())) >= 7
    for name, student in room.clients.items():
        listed = {model.id for model in student.models.list()}
        assert set(models[name]) <= listed
        assert not listed & {model for other in models if other != name for model in models[other]}


def finished(client: openai.OpenAI, job_id: str, seconds: float = 300) -> object:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        job = client.fine_tuning.jobs.retrieve(job_id)
        if job.status in ("succeeded", "failed", "cancelled"):
            return job
        time.sleep(0.5)
    raise AssertionError(f"{job_id} is still {job.status}")
