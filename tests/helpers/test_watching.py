"""Watching a job: steps and losses, live in a notebook and as a line elsewhere; the loss mask."""

from types import SimpleNamespace
from typing import Any

import httpx
import openai
import pytest

from helpers import watching
from workbook import display
from workbook.errors import WorkbookError


def metrics(step: int, **data: Any) -> SimpleNamespace:
    return SimpleNamespace(type="metrics", data={"step": step, "total_steps": 2, **data})


def job(status: str, **fields: Any) -> SimpleNamespace:
    defaults = {"id": "ftjob-1", "fine_tuned_model": None, "error": None}
    return SimpleNamespace(status=status, **defaults | fields)


def client(jobs: list[SimpleNamespace], events: list[SimpleNamespace]) -> Any:
    """A client whose job goes through these states, with these events, newest first."""
    states = iter(jobs)
    api = SimpleNamespace(
        retrieve=lambda id: next(states), list_events=lambda id, limit: iter(events)
    )
    return SimpleNamespace(fine_tuning=SimpleNamespace(jobs=api))


EVENTS = [
    metrics(2, train_loss=1.5, valid_loss=1.25),
    SimpleNamespace(type="message", data={}),
    metrics(1, train_loss=2.5),
]


def test_progress_is_a_row_a_step_in_order() -> None:
    table = watching.progress(client([], EVENTS), job("running"))
    assert table["step"].tolist() == [1, 2] and table["train_loss"].tolist() == [2.5, 1.5]
    assert table["valid_loss"].isna().tolist() == [True, False]


def test_a_job_is_followed_to_its_end_line_by_line(capsys: pytest.CaptureFixture) -> None:
    end = job("succeeded", fine_tuned_model="ft:a")
    assert watching.watch(client([job("running"), end], EVENTS), "ftjob-1", every=0) is end
    err = capsys.readouterr().err
    assert "running · step 2 of 2 · train_loss 1.500" in err
    assert "succeeded" in err and "ft:a" in err and err.endswith("\n")


def test_a_failed_job_is_returned_with_its_reason(capsys: pytest.CaptureFixture) -> None:
    failed = job("failed", error=SimpleNamespace(message="line 3 is no row"))
    assert watching.watch(client([failed], []), "ftjob-1") is failed
    assert "line 3 is no row" in capsys.readouterr().err


def test_who_stops_watching_is_told_that_the_job_goes_on_and_joins_it_again() -> None:
    end = job("succeeded", fine_tuned_model="ft:a")
    states = iter([job("running"), KeyboardInterrupt(), job("running"), end])

    def retrieve(id: str) -> SimpleNamespace:
        state = next(states)
        if isinstance(state, KeyboardInterrupt):
            raise state
        return state

    here = client([], EVENTS)
    here.fine_tuning.jobs.retrieve = retrieve
    with pytest.raises(WorkbookError, match=r"ftjob-1 goes on by itself: run this cell again"):
        watching.watch(here, "ftjob-1", every=0)
    assert watching.watch(here, "ftjob-1", every=0) is end


def test_events_without_losses_are_no_reason_to_stop(capsys: pytest.CaptureFixture) -> None:
    events = [metrics(2, reward=0.5), metrics(1, reward=0.25)]
    watching.watch(client([job("running"), job("succeeded")], events), "ftjob-1", every=0)
    assert "step 2 of 2 · 0 s" in capsys.readouterr().err


def test_a_notebook_shows_bar_and_curve_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "DRAW_SECONDS", 0)
    monkeypatch.setattr(display, "in_notebook", lambda: True)
    pictures: list[str] = []
    handle = SimpleNamespace(update=lambda picture: pictures.append(picture.data))

    def put(picture: Any, display_id: bool) -> SimpleNamespace:
        pictures.append(picture.data)
        return handle

    monkeypatch.setattr("IPython.display.display", put)
    watching.watch(client([job("running"), job("succeeded")], EVENTS), "ftjob-1", every=0)
    first, last = pictures
    assert 'aria-label="training step 2 of 2"' in first and "<progress" not in last
    assert all('alt="Loss by step, now at step 2."' in picture for picture in pictures)


def test_the_loss_mask_tells_trained_tokens_without_colour(capsys: pytest.CaptureFixture) -> None:
    tokens = [{"text": "Hi", "trained": False}, {"text": " you", "trained": True}]
    lab = SimpleNamespace(post=lambda path, body, cast_to: {"tokens": tokens})
    assert watching.show_loss_mask(lab, {"messages": []}) == tokens
    assert capsys.readouterr().out.startswith("Hi[ you]\n2 tokens; the loss is computed on 1")
    assert "text-decoration:underline" in watching._mask_html(tokens)


def test_a_host_without_a_loss_mask_gets_a_note(capsys: pytest.CaptureFixture) -> None:
    def post(path: str, body: object, cast_to: type) -> None:
        response = httpx.Response(404, request=httpx.Request("POST", "http://host"))
        raise openai.NotFoundError("no such path", response=response, body=None)

    assert watching.show_loss_mask(SimpleNamespace(post=post), {}) == []
    assert "doesn't show its tokens" in capsys.readouterr().out
