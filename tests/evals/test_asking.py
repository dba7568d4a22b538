"""What is asked is kept, and never asked twice: interruptions, failures, other settings."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import openai
import pytest
from echo import Echo
from waiting import until

from workbook import evals, paths
from workbook.evals import asking
from workbook.evals.answers import Answer, AnswerFile
from workbook.evals.errors import EvaluationError
from workbook.evals.examples import Example

Examples = list[Example]


def texts(answers: list[Answer]) -> list[str | None]:
    return [answer.text for answer in answers]


@pytest.mark.parametrize("kind", [openai.OpenAI, openai.AsyncOpenAI])
def test_answers_come_in_order_and_a_second_run_asks_nothing(
    server: Echo, examples: Examples, store: Path, kind: type
) -> None:
    for _ in range(2):
        answers = asking.run(server.client(kind), "m", examples, store, progress=False)
        assert texts(answers) == [f"echo q{i}" for i in range(20)]
    assert set(server.asked.values()) == {1} and len(server.asked) == 20
    assert answers[3].prompt_tokens == 10 and answers[3].usd == 0.0
    assert answers[3].seconds is not None and answers[3].finish_reason == "stop"


def test_another_model_setting_or_seed_is_asked_anew_and_kept_beside(
    server: Echo, examples: Examples, store: Path
) -> None:
    client = server.client()
    asking.run(client, "m", examples, store, progress=False, temperature=0)
    asking.run(client, "n", examples, store, progress=False, temperature=0)
    asking.run(client, "m", examples, store, progress=False, temperature=0, seed=1)
    asking.run(client, "m", examples, store, progress=False, temperature=0)
    assert set(server.asked.values()) == {3}
    seeds = [json.loads(line).get("seed") for line in store.read_text().splitlines()]
    assert seeds.count(1) == 20 and len(seeds) == 60


def test_a_notebooks_own_loop_is_no_hindrance(
    server: Echo, examples: Examples, store: Path
) -> None:
    async def cell() -> list[Answer]:
        return asking.run(server.client(), "m", examples, store, progress=False)

    assert len(asyncio.run(cell())) == 20


def test_a_failing_request_stops_the_run_and_the_rest_is_kept(
    server: Echo, examples: Examples, store: Path
) -> None:
    server.failing = {"q19"}
    with pytest.raises(EvaluationError, match=r"'19' failed.*q19 is refused.*19 of 20 answers"):
        asking.run(server.client(), "m", examples, store, progress=False)
    server.failing = set()
    assert len(asking.run(server.client(), "m", examples, store, progress=False)) == 20
    assert server.asked.pop("q19") == 2 and set(server.asked.values()) == {1}


def test_no_new_request_is_sent_after_one_has_failed(
    server: Echo, examples: Examples, store: Path
) -> None:
    server.failing = {"q0"}
    with pytest.raises(EvaluationError):
        asking.run(server.client(), "m", examples, store, at_once=1, progress=False)
    assert server.asked.total() == 1


def test_errors_are_kept_in_place_where_the_run_should_keep_going(
    server: Echo, examples: Examples, store: Path
) -> None:
    server.failing = {"q7"}
    for times in (1, 2):  # an error is asked for again
        answers = asking.run(
            server.client(), "m", examples, store, on_error="keep going", progress=False
        )
        assert answers[7].text is None and "q7 is refused" in str(answers[7].error)
        assert texts(answers).count(None) == 1 and server.asked["q7"] == times


def test_what_is_no_answer_of_the_models_always_stops(
    examples: Examples, server: Echo, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(AnswerFile, "add", full)
    with pytest.raises(EvaluationError, match="No space left"):
        asking.run(server.client(), "m", examples, store, on_error="keep going", progress=False)


def test_no_more_requests_are_under_way_than_allowed(
    server: Echo, examples: Examples, store: Path
) -> None:
    server.slow = 0.02
    asking.run(server.client(), "m", examples, store, at_once=3, progress=False)
    assert server.most == 3


def test_the_same_question_twice_gets_two_answers(server: Echo, store: Path) -> None:
    twins = [Example(id, [{"role": "user", "content": "same"}]) for id in "ab"]
    for _ in range(2):
        answers = asking.run(server.client(), "m", twins, store, progress=False, temperature=1)
        assert [answer.id for answer in answers] == ["a", "b"]
    assert server.asked["same"] == 2


KILLED = """
import sys, openai
from workbook.evals import asking
from workbook.evals.examples import Example
examples = [Example(str(i), [{"role": "user", "content": f"q{i}"}]) for i in range(40)]
client = openai.OpenAI(base_url=sys.argv[1], api_key="none", max_retries=0)
print("go", flush=True)
asking.run(client, "m", examples, sys.argv[2], at_once=2, progress=False)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_or_interrupted_run_goes_on_where_it_stopped(
    server: Echo, store: Path, how: signal.Signals
) -> None:
    server.slow = 0.05
    command = [sys.executable, "-c", KILLED, server.url, str(store)]
    process = subprocess.Popen(
        command, cwd=paths.ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None and process.stdout.readline()
    until(lambda: server.asked.total() >= 12, 20, 0.005)
    process.send_signal(how)
    process.wait(20)
    kept = len(store.read_bytes().splitlines())
    assert kept >= 8
    server.slow = 0.0
    examples = [Example(str(i), [{"role": "user", "content": f"q{i}"}]) for i in range(40)]
    assert len(asking.run(server.client(), "m", examples, store, progress=False)) == 40
    assert server.asked.total() <= 40 + 2  # the two that were under way


def test_two_runs_do_not_write_to_one_file(server: Echo, examples: Examples, store: Path) -> None:
    server.slow = 0.1
    first = threading.Thread(
        target=asking.run, args=(server.client(), "m", examples, store), kwargs={"progress": False}
    )
    first.start()
    until(lambda: server.asked, pause=0.005)
    with pytest.raises(EvaluationError, match="Another run writes"):
        asking.run(server.client(), "m", examples, store, progress=False)
    first.join()


def test_a_line_that_was_cut_off_is_written_anew(
    server: Echo, examples: Examples, store: Path
) -> None:
    asking.run(server.client(), "m", examples, store, at_once=1, progress=False)
    data = store.read_bytes()
    store.write_bytes(data[:-9])
    asking.run(server.client(), "m", examples, store, progress=False)
    assert server.asked["q19"] == 2 and server.asked.total() == 21
    assert [json.loads(line)["id"] for line in store.read_bytes().splitlines()][-1] == "19"


def test_a_file_of_something_else_is_left_alone(
    server: Echo, examples: Examples, store: Path
) -> None:
    store.write_text('{"messages": []}\n')
    with pytest.raises(EvaluationError, match=r"Line 1 .* no answer of an evaluation"):
        asking.run(server.client(), "m", examples, store, progress=False)
    assert store.read_text() == '{"messages": []}\n'


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stream": True}, "'stream' can't be used"),
        ({"n": 2}, "'n' can't be used"),
        ({"at_once": 0}, "at least one request"),
        ({"on_error": "go"}, "on_error is"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_sent(
    server: Echo, examples: Examples, store: Path, options: dict, words: str
) -> None:
    with pytest.raises(EvaluationError, match=words):
        asking.run(server.client(), "m", examples, store, **options)
    assert not server.asked and not store.exists()


def test_the_package_names_what_is_used() -> None:
    assert evals.run is asking.run
