"""The bound on cached positions holds while answers grow, and no answer changes by it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import tinybase
import torch

from workbook.lab.model import bases
from workbook.lab.serving import batch, kv_cache
from workbook.lab.serving.batch import Batch
from workbook.lab.serving.engine import Engine
from workbook.lab.serving.types import Request

BOUND = 512  # positions: as many as one answer of the tiny model may take


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder: Path = tmp_path_factory.mktemp("engine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBOOK_HOME", str(folder / "home"))
        patch.setenv("WORKBOOK_LAB_DEVICE", "cpu")
        engine = Engine(bases.add("tiny", tinybase.folder(folder / "hf")), dtype=torch.float32)
    yield engine
    engine.close()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Positions that there was memory for after each step."""
    positions: list[int] = []
    step = Batch.step

    def watched(self: Batch) -> None:
        step(self)
        positions.append(sum(b._cache.positions for b in self._batches.values()))

    monkeypatch.setattr(Batch, "step", watched)
    return positions


def test_answers_that_outgrow_the_memory_take_turns_and_stay_the_same(
    engine: Engine, held: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [
        Request([5 + i, 6, 7, 8 + i], 100 + 20 * i, temperature=0.9, seed=i, top_logprobs=0)
        for i in range(8)
    ]
    requests.append(Request([9] * 40, 60, temperature=0, top_logprobs=1, prompt_logprobs=True))
    alone = [engine.submit(request).result(60) for request in requests]
    monkeypatch.setattr(batch, "TOTAL_TOKENS", BOUND)
    monkeypatch.setattr(kv_cache, "TOTAL_TOKENS", BOUND)
    monkeypatch.setattr(batch, "HEADROOM", 8)
    held.clear()
    together = [future.result(60) for future in [engine.submit(r) for r in requests]]
    assert [answer.tokens for answer in together] == [answer.tokens for answer in alone]
    assert [len(a.logprobs) for a in together] == [len(a.logprobs) for a in alone]
    assert together[-1].logprobs[7].logprob == pytest.approx(alone[-1].logprobs[7].logprob, 1e-3)
    assert sum(len(answer.tokens) for answer in together) > BOUND
    assert max(held) <= BOUND


def test_an_answer_as_long_as_the_bound_runs_beside_others_that_wait(
    engine: Engine, held: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "TOTAL_TOKENS", BOUND)
    monkeypatch.setattr(kv_cache, "TOTAL_TOKENS", BOUND)
    requests = [Request([5, 6, 7 + i], 500, temperature=1, seed=i) for i in range(4)]
    futures = [engine.submit(request) for request in requests]
    futures[1].cancel()
    for future in (futures[0], *futures[2:]):
        assert future.result(120).tokens
    assert max(held) <= BOUND


def test_memory_that_one_model_has_taken_is_given_back_while_it_still_works(
    engine: Engine, held: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "CHUNK", 16)  # what is not worth giving back
    bias = dict.fromkeys(engine.tokenizer.stops, -100)
    long = engine.submit(Request([5, 6, 7], 400, logit_bias=bias, temperature=0))
    short = [engine.submit(Request([5, 6, 8 + i], 60, logit_bias=bias)) for i in range(15)]
    for future in short:
        future.result(60)
    most = max(held)
    long.result(60)
    assert held[-2] <= most / 2


def test_a_step_that_finds_no_memory_ends_its_answers_and_not_the_engine(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(batch.KVCache, "reserve", lambda *_: torch.empty(2**60))
        with pytest.raises(RuntimeError, match="memory"):
            engine.submit(Request([5, 6, 7], 4)).result(60)
    assert engine.submit(Request([5, 6, 7], 4)).result(60).text is not None
