"""The budget: it counts what was used, and refuses what would exceed it."""

from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from budgets import HELLO, MODEL, REAL, ROWS, USAGE, ask, backend, confirmed_budget

from workbook import confirm
from workbook.backends import Backend
from workbook.budget import Budget, NotCountableError, OverBudgetError, charges
from workbook.errors import WorkbookError
from workbook.prices import costs, registry, tokens


def test_a_call_is_counted_by_what_it_really_used(server, yes):
    budget = confirmed_budget(server)
    assert ask(budget).choices[0].message.content == "Hi there."  # the answer is the real one
    assert (budget.spent, budget.held) == (pytest.approx(REAL), 0)
    assert budget.left == pytest.approx(1 - REAL)
    assert "0.00016" in str(budget)


def test_cached_tokens_cost_the_cached_price(server, yes):
    server.usage = USAGE | {"prompt_tokens_details": {"cached_tokens": 900}}
    budget = confirmed_budget(server)
    ask(budget)
    assert budget.spent == pytest.approx(costs.request_cost(MODEL, 1000, 10, cached_tokens=900))


def test_nothing_is_sent_before_the_confirmation(server, yes):
    budget = Budget(1.0, backend(server))
    with pytest.raises(WorkbookError, match="Nothing was sent"):
        ask(budget)
    assert not server.paths and not budget.entries
    budget.confirm("one call", 0.01)
    assert "one call" in yes[0] and "$0.01" in yes[0]
    ask(budget)
    assert len(server.paths) == 1


def test_the_backends_own_confirmation_counts(server, yes):
    """So that a notebook written for the plain client runs unchanged."""
    budget = Budget(1.0, backend(server))
    budget._backend.confirm("one call", 0.01)
    ask(budget)
    assert budget.spent == pytest.approx(REAL)


def test_a_plain_client_is_held_back_too(server, yes):
    plain = openai.OpenAI(api_key="sk-x", base_url=f"http://127.0.0.1:{server.server_port}/v1")
    budget = Budget(1.0, Backend("openai", MODEL, plain))
    with pytest.raises(WorkbookError, match=r"budget\.confirm"):
        ask(budget)
    assert not server.paths


def test_a_no_sends_nothing(server, monkeypatch):
    monkeypatch.setattr(confirm, "ask", lambda *_: "no")
    budget = Budget(1.0, backend(server))
    with pytest.raises(WorkbookError, match="Not confirmed"):
        budget.confirm("one call", 0.01)
    with pytest.raises(WorkbookError, match="Nothing was sent"):
        ask(budget)
    assert not server.paths


def test_the_call_that_could_exceed_it_is_not_sent(server, yes):
    budget = confirmed_budget(server, usd=0.02)
    with pytest.raises(OverBudgetError, match=r"may cost .* of \$0\.02"):
        ask(budget, max_completion_tokens=100_000)
    with pytest.raises(OverBudgetError):
        ask(budget, max_completion_tokens=20_000, n=3)
    small = confirmed_budget(server, usd=0.009, name="small")
    with pytest.raises(OverBudgetError):  # no limit: it may be the model's longest, 16,384 tokens
        ask(small, max_completion_tokens=None)
    assert not server.paths and budget.left == 0.02
    ask(budget)


def test_an_estimate_that_does_not_fit_is_not_even_asked_about(server, yes):
    budget = Budget(0.01, backend(server))
    with pytest.raises(OverBudgetError, match="may cost"):
        budget.confirm("a job", costs.estimate([1000] * 100, MODEL))
    assert not yes


def test_it_holds_under_concurrency(server, yes):
    most = costs.request_cost(MODEL, 30, 1000)  # about what each call can cost
    server.usage = {"prompt_tokens": 10, "completion_tokens": 1000, "total_tokens": 1010}
    budget = confirmed_budget(server, usd=10.5 * most)

    def one(_: int) -> bool:
        try:
            ask(budget, max_completion_tokens=1000)
            return True
        except OverBudgetError:
            return False

    with ThreadPoolExecutor(16) as pool:
        sent = sum(pool.map(one, range(40)))
    assert 5 <= sent == len(server.paths) < 40
    assert budget.spent <= budget.usd and budget.held == 0


def test_what_cannot_be_counted_is_refused(server, yes):
    budget = confirmed_budget(server)
    with pytest.raises(NotCountableError, match="/audio/speech"):
        budget.client.audio.speech.create(model="tts-1", input="a", voice="alloy")
    with pytest.raises(NotCountableError, match="No model"):
        budget.client.embeddings.create(model="who-knows", input="a")
    with pytest.raises(NotCountableError, match="No model"):
        budget.client.chat.completions.create(model="who-knows", messages=HELLO)
    sound = {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}
    message = {"role": "user", "content": [sound]}
    with pytest.raises(NotCountableError, match="sound"):
        budget.client.chat.completions.create(model=MODEL, messages=[message])
    assert not server.paths
    known = confirmed_budget(server, name="known", like=registry.get(MODEL))  # for unknown ones
    known.client.chat.completions.create(model="who-knows", messages=HELLO, max_completion_tokens=5)
    assert known.spent == pytest.approx(REAL)


def test_an_image_is_put_aside_at_the_most_that_it_can_cost(server, yes):
    picture = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    message = {"role": "user", "content": [picture]}
    budget = confirmed_budget(server, usd=0.02)
    with pytest.raises(OverBudgetError):
        budget.client.chat.completions.create(
            model="gpt-4o-2024-08-06",
            messages=[message] * 6,  # 1,445 tokens each at the most
            max_completion_tokens=5,
        )
    budget.client.chat.completions.create(
        model="gpt-4o-2024-08-06", messages=[message], max_completion_tokens=5
    )
    assert 0 < budget.spent < 0.01


def test_a_job_is_held_at_its_high_estimate_and_settled_by_trained_tokens(server, yes):
    budget = confirmed_budget(server)
    budget.client.fine_tuning.jobs.create(
        model=MODEL, training_file="file-1", hyperparameters={"n_epochs": 10}
    )
    one = tokens.count_example(ROWS[0], MODEL)
    billed = one * 10 * costs.default_epochs(10)
    assert budget.held == pytest.approx(costs.training_cost(billed, 1, MODEL))
    [row] = budget.compare()
    assert (row["tokens estimated"], row["trained_tokens"]) == (billed, None)
    server.job |= {"status": "succeeded", "trained_tokens": billed - 100}
    budget.client.fine_tuning.jobs.retrieve("ftjob-1")
    assert budget.held == 0
    assert budget.spent == pytest.approx(costs.training_cost(billed - 100, 1, MODEL))
    [row] = budget.compare()
    assert row["trained_tokens"] == billed - 100 and row["off by"].startswith("-")


def test_a_job_too_dear_is_not_created(server, yes):
    budget = confirmed_budget(server, usd=0.02)
    with pytest.raises(OverBudgetError):
        budget.client.fine_tuning.jobs.create(
            model=MODEL,
            training_file="file-1",
            validation_file="file-2",
            method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 50}}},
        )
    assert not server.paths


def test_a_failed_job_gives_its_money_back(server, yes):
    budget = confirmed_budget(server)
    budget.client.fine_tuning.jobs.create(model=MODEL, training_file="file-1")
    server.job |= {"status": "failed"}
    budget.client.fine_tuning.jobs.retrieve("ftjob-1")
    assert budget.left == budget.usd


def test_on_the_lab_it_counts_what_it_would_have_cost_elsewhere(server):
    like = registry.get(MODEL)
    lab = backend(server, "lab", registry.lab().id)
    budget = Budget(0.000001, lab, like=like)  # counts, and refuses nothing
    budget.client.fine_tuning.jobs.create(model=MODEL, training_file="file-1")
    budget.client.chat.completions.create(
        model="ft:" + MODEL + ":me::1", messages=HELLO, max_completion_tokens=5
    )
    tuned = costs.request_cost(like.as_tuned(), 1000, 10)
    assert budget.spent == pytest.approx(tuned) and budget.held > 0
    assert "would have cost" in str(budget)
    assert charges.cheapest_open().kind == "chat"


def test_strict_on_the_lab_refuses_without_asking(server):
    budget = Budget(0.00001, backend(server, "lab"), like=registry.get(MODEL), strict=True)
    with pytest.raises(OverBudgetError):
        ask(budget)


@pytest.mark.parametrize("usd", [0, -1, float("nan"), float("inf")])
def test_a_budget_of_nothing_is_refused(server, usd):
    with pytest.raises(WorkbookError, match="holds nothing"):
        Budget(usd, backend(server))
