"""The Playground and the blind vote, without a page: what is asked, kept and counted."""

import json
import math
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import studiohost
from hypothesis import given, settings
from hypothesis import strategies as st
from studiohost import StudioHost, job

from workbook import doctor, paths
from workbook.errors import WorkbookError
from workbook.studio import ballots, chats, comparisons
from workbook.studio.ballots import SAME, Contest, Score
from workbook.studio.chats import Question
from workbook.studio.comparisons import Comparison
from workbook.studio.host import two_of

SCHEMA = '{"type": "object"}'


@pytest.fixture(scope="module")
def server() -> Iterator[StudioHost]:
    with studiohost.serving() as server:
        yield server


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBOOK_WORK", str(tmp_path / "work"))
    return paths.work()


def test_what_is_set_is_what_is_sent() -> None:
    body = chats.body("m", Question("q", "s", 0.5, 9, SCHEMA, probabilities=True))
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert (body["temperature"], body["max_completion_tokens"]) == (0.5, 9)
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert body["logprobs"] and body["top_logprobs"] == chats.OPTIONS
    plain = chats.body("m", Question("q", " ", probabilities=False))
    assert len(plain["messages"]) == 1 and not {"logprobs", "response_format"} & set(plain)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (Question("  "), "Write a question"),
        (Question("q", schema="{"), "JSON"),
        (Question("q", schema=" "), "JSON"),
        (Question("q", schema="[1]"), "object"),
    ],
)
def test_what_can_not_be_asked_is_a_sentence(question: Question, words: str) -> None:
    with pytest.raises(WorkbookError, match=words):
        chats.body("m", question)


def test_an_answer_has_its_tokens_seconds_price_and_probabilities(server: StudioHost) -> None:
    other = {"token": "b", "logprob": math.log(0.25), "bytes": None}
    token = {"token": "a", "logprob": math.log(0.75), "bytes": None}
    server.logprobs = [{**token, "top_logprobs": [token, other]}]
    reply = chats.ask(server.host(), "gpt-4o-mini", Question("hello"))
    server.logprobs = None
    assert reply.words == "gpt-4o-mini says: hello"
    assert reply.tokens[0].share == pytest.approx(0.75)
    assert reply.tokens[0].options[1] == ("b", pytest.approx(0.25))
    assert reply.line.startswith("9 tokens in · 4 out · ") and "$0.0000" in reply.line
    unknown = chats.ask(server.host(), "nobody-knows", Question("hello"))
    assert unknown.usd is None and "price not known" in unknown.line
    assert chats.ask(server.host("lab"), "base", Question("hello")).usd == 0.0


def test_a_good_exchange_is_appended_and_nothing_is_lost(work: Path) -> None:
    (work / "mine.jsonl").write_text('{"messages": []}')  # no end of line
    threads = [
        threading.Thread(
            target=chats.append, args=(chats.example(Question(f"q{i}", "s"), "a"), "mine.jsonl")
        )
        for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = [json.loads(line) for line in (work / "mine.jsonl").read_text().splitlines()]
    assert rows[0] == {"messages": []} and len(rows) == 9
    assert sorted(row["messages"][1]["content"] for row in rows[1:]) == [f"q{i}" for i in range(8)]
    errors = [
        code for code in doctor.check(rows[1:]).codes if doctor.CODES[code].severity == "error"
    ]
    assert errors in ([], ["too-few"])


@pytest.mark.parametrize("name", ["../up.jsonl", "/tmp/up.jsonl", "a.txt", "", ".a.jsonl"])
def test_an_example_goes_to_the_work_folder_alone(name: str) -> None:
    with pytest.raises(WorkbookError, match="plain file name"):
        chats.append({"messages": []}, name)


def test_a_file_that_ends_in_half_a_line_is_left_as_it_is(work: Path) -> None:
    (work / "half.jsonl").write_text('{"messages": [\n{"mess')
    with pytest.raises(WorkbookError, match="not whole"):
        chats.append({"messages": []}, "half.jsonl")
    assert (work / "half.jsonl").read_text() == '{"messages": [\n{"mess'


@pytest.mark.parametrize(
    ("models", "a", "b", "two"),
    [
        (["base", "tuned", "other"], "", "", ("base", "tuned")),
        (["base", "tuned", "other"], "tuned", "", ("tuned", "base")),
        (["base", "tuned", "other"], "", "base", ("tuned", "base")),
        (["base", "tuned", "other"], "gone", "other", ("gone", "other")),
        (["base"], "", "", ("base", "base")),
        (["base"], "", "gone", ("base", "gone")),
    ],
)
def test_two_models_differ_where_there_are_two(
    models: list[str], a: str, b: str, two: tuple[str, str]
) -> None:
    assert two_of(models, a, b) == two


def contest(words: str = "one\ntwo\nthree", a: str = "red", b: str = "blue") -> Contest:
    return Contest(a, b, ballots.questions("", words, "", None))


def test_votes_are_kept_and_go_on_where_they_stopped(server: StudioHost) -> None:
    host, first = server.host(), contest()
    for question in first.open_questions[:2]:
        pair = first.pair(host, question)
        assert {pair.first, pair.second} == {
            f"red says: {question.messages[0]['content']}",
            f"blue says: {question.messages[0]['content']}",
        }
        first.vote(pair, "first" if pair.first.startswith("red") else "second")
    again = contest()
    assert [each.messages[0]["content"] for each in again.open_questions] == ["three"]
    assert (again.score().for_a, again.score().for_b, again.score().votes) == (2, 0, 2)
    swapped = contest(a="blue", b="red")  # the same two, by each other's letter
    assert (swapped.score().for_a, swapped.score().for_b) == (0, 2)
    third = swapped.pair(host, swapped.open_questions[0])
    swapped.vote(third, SAME)
    assert contest().score().votes == 3 and not contest().open_questions


def test_neither_side_gives_away_whose_answer_it_is(server: StudioHost) -> None:
    many = contest("\n".join(map(str, range(12))))
    host = server.host()
    sides = [many.pair(host, question).a_first for question in many.questions]
    assert 2 <= sum(sides) <= 10
    assert sides == [many.pair(host, question).a_first for question in many.questions]
    other = contest("\n".join(map(str, range(12))), "blue", "red")
    firsts = [other.pair(host, question).first for question in other.questions]
    assert firsts == [many.pair(host, question).first for question in many.questions]


@settings(max_examples=25)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 9))
def test_a_verdict_names_a_winner_only_where_chance_is_excluded(a: int, b: int, rest: int) -> None:
    score = Score("red", "blue", a, b, a + b + rest)
    if score.interval is None:
        assert a + b == 0 and "No vote" in score.verdict
        return
    share, low, high = score.interval
    assert 0 <= low <= share <= high <= 1
    assert ("by more than chance" in score.verdict) == (not low <= 0.5 <= high)
    if "by more than chance" in score.verdict:
        assert ("You prefer blue" in score.verdict) == (b > a)


def test_a_contest_that_can_not_be_is_a_sentence(work: Path) -> None:
    with pytest.raises(WorkbookError, match="two different models"):
        contest(a="red", b="red")
    with pytest.raises(WorkbookError, match="no question"):
        contest("")
    (work / "evaluations").mkdir()
    ballots.votes_file().write_text("no vote\n")
    with pytest.raises(WorkbookError, match=r"Line 1 of .* is no vote"):
        contest()
    assert ballots.votes_file().read_text() == "no vote\n"


def held_out(work: Path) -> Comparison:
    """Of two models, on a file in the work folder."""
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"q{i}"},
                {"role": "assistant", "content": "red"},
            ]
        }
        for i in range(12)
    ]
    (work / "held.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Comparison("red", "blue", "held.jsonl", "contains", limit=10)


def test_a_comparison_is_that_of_the_command(server: StudioHost, work: Path) -> None:
    asked = held_out(work)
    assert "20 answers" in comparisons.price(server.host(), asked)
    [part] = comparisons.run(server.host(), asked)
    assert part.report.shares[0][0] == 1 and part.report.shares[1][0] == 0
    assert part.report.comparison.verdict == "a is better" and len(part.report.flips) == 10
    assert part.overlaps == {"A": None, "B": None}


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (b"prompt,completion\nq1,red\n", None),
        (b'["q1"]\n{"messages": [{"role": "user", "content": "q1"}]}\n', 1),
    ],
    ids=["a table", "a row that is no example"],
)
def test_a_training_file_of_any_kind_is_no_crash(
    content: bytes, count: int | None, server: StudioHost, work: Path
) -> None:
    server.jobs = [job(1, fine_tuned_model="red")]
    server.files["file-train"] = content
    [part] = comparisons.run(server.host(), held_out(work))
    assert part.overlaps == {"A": count, "B": None}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"b": "red"}, "two different"),
        ({"file": ""}, "Choose a file"),
        ({"file": "../x.jsonl"}, "work folder"),
        ({"grader": "regex", "value": "["}, "pattern"),
        ({"grader": "number-within", "value": "near"}, "no number"),
        ({"grader": "regex", "value": ""}, "needs a pattern"),
        ({"grader": "one-of", "value": "good|"}, "two labels"),
    ],
)
def test_what_can_not_be_compared_is_a_sentence(
    more: dict, words: str, server: StudioHost, work: Path
) -> None:
    (work / "held.jsonl").write_text('{"messages": []}\n')
    asked = Comparison(**{"a": "red", "b": "blue", "file": "held.jsonl"} | more)
    with pytest.raises(WorkbookError, match=words):
        comparisons.run(server.host(), asked)
