"""Jobs in the Studio: what is sent, what it costs, the same as code, and what there is to see."""

import ast
import json
from collections.abc import Iterator

import pytest
import studiohost
from openai.types.fine_tuning import FineTuningJob
from studiohost import StudioHost, job, step

from workbook.errors import WorkbookError
from workbook.studio import job_forms, job_views
from workbook.studio.job_forms import METHODS, SETTINGS, Draft

GRADER = {"type": "string_check", "name": "g", "input": "a", "reference": "b", "operation": "eq"}


@pytest.fixture(scope="module")
def server() -> Iterator[StudioHost]:
    with studiohost.serving() as server:
        yield server


def draft(**more: object) -> Draft:
    return Draft(**{"training": "file-1", "model": "base"} | more)


def test_what_is_left_empty_is_left_to_the_host() -> None:
    assert job_forms.body(draft()) == {"model": "base", "training_file": "file-1"}


def test_each_setting_reaches_its_method_and_no_other() -> None:
    values = {setting.name: "high" if setting.choices else 2 for setting in SETTINGS}
    for method in METHODS:
        asked = draft(
            method=method, hyperparameters=values, validation="file-2", grader=json.dumps(GRADER)
        )
        part = job_forms.body(asked)["method"]
        names = {setting.name for setting in SETTINGS if method in setting.methods}
        assert part["type"] == method and set(part[method]["hyperparameters"]) == names
        assert ("grader" in part[method]) == (method == "reinforcement")


def test_every_setting_of_openai_is_explained() -> None:
    from openai.types.fine_tuning import (
        DpoHyperparameters,
        ReinforcementHyperparameters,
        SupervisedHyperparameters,
    )

    kinds = {
        "supervised": SupervisedHyperparameters,
        "dpo": DpoHyperparameters,
        "reinforcement": ReinforcementHyperparameters,
    }
    for method, kind in kinds.items():
        names = {setting.name for setting in SETTINGS if method in setting.methods}
        assert names == set(kind.model_fields)
    assert all(len(setting.explanation) > 40 for setting in SETTINGS)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"training": ""}, "training file"),
        ({"method": "reinforcement"}, "validation file"),
        ({"method": "reinforcement", "validation": "f", "grader": "{"}, "JSON"),
        ({"method": "reinforcement", "validation": "f", "grader": "[]"}, "type"),
        ({"metadata": "no sign"}, "name=value"),
        ({"suffix": "x" * 80}, "suffix"),
    ],
)
def test_what_does_not_fit_together_is_a_sentence(more: dict, words: str) -> None:
    with pytest.raises(WorkbookError, match=words):
        job_forms.body(draft(**more))


def test_the_code_is_python_that_makes_the_same_request(server: StudioHost) -> None:
    request = job_forms.body(
        draft(suffix='it\'s "me"', seed=3, hyperparameters={"n_epochs": 2}, metadata="a=b")
    )
    for name in ("lab", "compatible"):
        code = job_forms.code(request, server.host(name))
        [call] = [
            node
            for node in ast.walk(ast.parse(code))
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("jobs.create")
        ]
        again = {each.arg: ast.literal_eval(each.value) for each in call.keywords}
        assert again == request
        assert ("backend.confirm" in code) == (name != "lab")


def test_a_job_as_it_was_made_can_be_made_again() -> None:
    method = {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2, "n_epochs": "auto"}}}
    made = FineTuningJob.model_validate(job(1, method=method, metadata={"a": "b"}))
    assert job_forms.request_of(made) == {
        "model": "base",
        "training_file": "file-train",
        "seed": 7,
        "metadata": {"a": "b"},
        "method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2}}},
    }


@pytest.mark.parametrize(
    ("told", "sent"),
    [
        ({"metadata": {"why": "a, b = c"}}, {"metadata": {"why": "a, b = c"}}),
        ({"user_provided_suffix": "x" * 80}, {"suffix": "x" * 80}),
        ({"method": {"type": "supervised", "supervised": None}}, {}),
    ],
    ids=["labels that the form can't hold", "a suffix of another host", "no settings"],
)
def test_a_job_that_the_form_could_not_make_can_be_made_again(told: dict, sent: dict) -> None:
    made = FineTuningJob.model_validate(job(1, hyperparameters={"n_epochs": "auto"}) | told)
    assert job_forms.request_of(made) == {
        "model": "base",
        "training_file": "file-train",
        "seed": 7,
        **sent,
    }


def test_a_job_with_rewards_keeps_all_that_was_set() -> None:
    settings = {
        "grader": GRADER,
        "response_format": {"type": "json_object"},
        "hyperparameters": {"eval_samples": 2, "reasoning_effort": "default"},
    }
    told = job(1, method={"type": "reinforcement", "reinforcement": settings})
    assert job_forms.request_of(FineTuningJob.model_validate(told))["method"] == {
        "type": "reinforcement",
        "reinforcement": settings | {"hyperparameters": {"eval_samples": 2}},
    }


def test_a_job_of_a_host_that_tells_little_is_shown_all_the_same(server: StudioHost) -> None:
    told = job(1)
    server.jobs = [
        told,
        {name: told[name] for name in told if name not in ("hyperparameters", "seed")},
    ]
    older, bare = server.host().client.fine_tuning.jobs.list().data
    assert job_views.hyperparameters(older) == {"epochs": "3"}
    assert job_forms.request_of(older)["method"] == {
        "type": "supervised",
        "supervised": {"hyperparameters": {"n_epochs": 3}},
    }
    assert job_views.hyperparameters(bare) == {}
    assert job_forms.request_of(bare) == {"model": "base", "training_file": "file-train"}


def test_a_price_is_told_before_and_an_unknown_one_is_called_that(server: StudioHost) -> None:
    row = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    server.files["file-1"] = (json.dumps(row) + "\n").encode() * 20
    hosted = server.host()
    assert job_forms.bill(hosted, draft(model="gpt-4o-mini-2024-07-18")).line.startswith(
        "At most $"
    )
    assert "not known" in job_forms.bill(hosted, draft()).line
    assert "Nothing" in job_forms.bill(server.host("lab"), draft()).line
    assert job_forms.bill(hosted, Draft()).usd_most is None


def test_without_a_yes_nothing_is_sent(server: StudioHost) -> None:
    before = len(server.bodies)
    with pytest.raises(WorkbookError, match="Not confirmed"):
        job_forms.create(server.host(), job_forms.body(draft()), agreed=False)
    assert len(server.bodies) == before
    assert job_forms.create(server.host(), job_forms.body(draft()), agreed=True).status == "queued"


def test_of_250_jobs_only_what_may_have_changed_is_asked_for_again(server: StudioHost) -> None:
    server.jobs = [job(number) for number in range(250, 0, -1)]
    server.jobs[180] = job(70, "running")
    server.calls.clear()
    host, listing = server.host(), job_views.JobList()
    assert len(listing.look(host)) == 250 and server.calls["/fine_tuning/jobs"] == 3
    server.jobs.insert(0, job(251, "queued"))
    server.jobs[181] = job(70, "failed")
    jobs = listing.look(host)
    assert [each.id for each in jobs[:2]] == ["ftjob-0251", "ftjob-0250"]
    assert len({each.id for each in jobs}) == len(jobs) == 251
    assert next(each for each in jobs if each.id == "ftjob-0070").status == "failed"
    assert server.calls["/fine_tuning/jobs"] == 4


def test_a_watch_adds_only_what_is_new_and_sorts_figures_by_kind(server: StudioHost) -> None:
    server.jobs = [job(1, "running")]
    server.events = [step(1, 9, train_loss=2.0, train_mean_token_accuracy=0.5)]
    host, watch = server.host(), job_views.Watch("ftjob-0001")
    watch.look(host)
    newest = step(
        2, 9, train_loss=1.0, valid_loss=1.5, train_reward_mean=0.25, train_mean_reward=0.25
    )
    server.events.insert(0, newest)
    watch.look(host)
    watch.look(host)
    assert watch.series == {
        "Loss": {"training loss": [(1, 2.0), (2, 1.0)], "validation loss": [(2, 1.5)]},
        "Accuracy": {"training mean token accuracy": [(1, 0.5)]},
        "Reward": {"training reward mean": [(2, 0.25)], "training mean reward": [(2, 0.25)]},
    }
    assert list(watch.curves("Reward")) == ["training reward mean"]  # one figure, two names
    assert [event.id for event in watch.events] == ["event-2", "event-1"]
    assert (watch.step, watch.steps) == (2, 9)
    assert "training loss 1.000" in watch.words("Loss")


@pytest.mark.parametrize(
    ("message", "param", "lines"),
    [
        ("train.jsonl, line 2: no messages; line 3: empty", "training_file", [2, 3]),
        ("Invalid file format. Example 3, message 1 is empty", None, [3]),
        ("The validation file has an error on line 1.", None, [1]),
        ("The job ran out of memory.", None, []),
        ("line 99: too far", None, []),
    ],
)
def test_a_failed_job_shows_the_lines_to_blame(
    message: str, param: str | None, lines: list[int], server: StudioHost
) -> None:
    server.files |= {"file-train": b"one\ntwo\nthree\n", "file-valid": b"uno\n"}
    server.jobs = [
        job(
            1,
            "failed",
            validation_file="file-valid",
            error={"code": "invalid_training_file", "message": message, "param": param},
        )
    ]
    host = server.host()
    blames = job_views.blame(host, host.client.fine_tuning.jobs.retrieve("ftjob-0001"))
    assert [each.line for each in blames] == lines
    text = ["uno"] if "validation" in message else ["one", "two", "three"]
    assert [each.words for each in blames] == [text[line - 1] for line in lines]


def test_checkpoints_stand_beside_each_other_by_step(server: StudioHost) -> None:
    server.checkpoints = [
        {
            "id": f"ckpt-{number}",
            "object": "fine_tuning.job.checkpoint",
            "created_at": 1,
            "fine_tuned_model_checkpoint": f"ft:base:me::x:ckpt-step-{number}",
            "fine_tuning_job_id": "ftjob-0001",
            "step_number": number,
            "metrics": {
                "step": number,
                "train_loss": 3.0 / number,
                "full_valid_loss": None,
                "valid_reward_mean": 0.5 * number,
                "full_valid_mean_reward": 0.5 * number,
                "entropy": 2.0,
            },
        }
        for number in (3, 1)
    ]
    points = job_views.checkpoints(server.host(), "ftjob-0001")
    assert [point["step"] for point in points] == [1, 3]
    assert points[1]["figures"] == {"training loss": 1.0, "validation reward mean": 1.5}
