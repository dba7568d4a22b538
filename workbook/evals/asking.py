"""Asking a model about many examples: several at once, every answer kept as it comes.

A run that was interrupted, or that failed, goes on where it stopped: what is on disk is neither
asked nor paid for again. Knows clients and the file of answers. Knows nothing of grading.
"""

import asyncio
import concurrent.futures
import contextlib
import sys
import threading
import time
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbook.evals import batches, completions
from workbook.evals.answers import Answer, AnswerFile, key_of
from workbook.evals.errors import EvaluationError
from workbook.evals.examples import Example

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

AT_ONCE = 16
KEEP_GOING, STOP = "keep going", "stop"
_PLAIN: dict[str, tuple[Any, ...]] = {"stream": (None, False), "n": (None, 1)}


def run(
    client: "OpenAI | AsyncOpenAI",
    model: str,
    examples: Iterable[Example],
    answers: Path | str,
    *,
    at_once: int = AT_ONCE,
    on_error: str = STOP,
    through_batch: bool = False,
    progress: bool = True,
    **settings: Any,
) -> list[Answer]:
    """Ask about every example; the answers in the same order. Works in a notebook, too.

    client: any OpenAI-compatible one, synchronous or asynchronous; it retries as it is set to
    answers: the JSONL file that keeps them; it may hold those of other models and settings
    at_once: requests under way at the same time; 1 measures the latency of a single request
    on_error: "stop" raises at the first request that fails for good, when those under way have
        ended; "keep going" keeps the error in place of the answer
    through_batch: by the Batch API, at its price and in its time; `at_once` and `progress` then
        have no meaning
    settings: what else is sent with each request, such as temperature, max_completion_tokens,
        response_format, tools, seed, logprobs

    Raises EvaluationError: a request failed, and how many answers are kept; or the file can't hold
    answers.
    """
    work = arun(
        client,
        model,
        examples,
        answers,
        at_once=at_once,
        on_error=on_error,
        through_batch=through_batch,
        progress=progress,
        **settings,
    )
    return _in_a_thread(work)


async def arun(
    client: "OpenAI | AsyncOpenAI",
    model: str,
    examples: Iterable[Example],
    answers: Path | str,
    *,
    at_once: int = AT_ONCE,
    on_error: str = STOP,
    through_batch: bool = False,
    progress: bool = True,
    **settings: Any,
) -> list[Answer]:
    """As `run`, for callers that are asynchronous themselves."""
    if on_error not in (KEEP_GOING, STOP):
        raise EvaluationError(f"on_error is {STOP!r} or {KEEP_GOING!r}, not {on_error!r}.")
    if at_once < 1:
        raise EvaluationError(f"at_once is {at_once}; at least one request has to be under way.")
    if unsupported := {k for k in ("stream", "n") if settings.get(k) not in _PLAIN[k]}:
        raise EvaluationError(
            f"{unsupported.pop()!r} can't be used here: one whole answer is kept for each example. "
            "For several answers, run once for each `seed`."
        )
    host = completions.host_of(client)
    questions = _by_key(host, model, examples, settings)
    with AnswerFile(Path(answers)) as store:
        if through_batch:
            await batches.fetch(client, model, questions, store, settings)
            if on_error == STOP:
                _stop_at_errors(store, questions)
        else:
            asking = _Asking(client, model, store, settings, stop=on_error == STOP)
            await asking.ask(questions, at_once, progress)
        return [_kept(store, each, question) for each, question in questions.items()]


def _by_key(
    host: str, model: str, examples: Iterable[Example], settings: Mapping[str, Any]
) -> dict[str, Example]:
    """The examples by what makes them the same question; one asked twice gets two answers."""
    questions: dict[str, Example] = {}
    for example in examples:
        name = first = key_of(host, model, example.messages, settings)
        repeats = 1
        while name in questions:
            repeats += 1
            name = f"{first}-{repeats}"
        questions[name] = example
    return questions


def _stop_at_errors(store: AnswerFile, questions: Mapping[str, Example]) -> None:
    """Raise EvaluationError for the first row of a batch that failed."""
    for key, example in questions.items():
        answer = store.last(key)
        if answer is not None and answer.error is not None:
            raise _failed(example, answer.error, store, questions)


def _failed(
    example: Example, error: object, store: AnswerFile, questions: Mapping[str, Example]
) -> EvaluationError:
    there = sum(store.get(key) is not None for key in questions)
    return EvaluationError(
        f"The request about example {example.id!r} failed: {error} {there} of {len(questions)} "
        f"answers are kept in {store.path}; run again to go on from there."
    )


def _kept(store: AnswerFile, key: str, example: Example) -> Answer:
    answer = store.last(key)
    if answer is None:
        raise EvaluationError(f"No answer came for example {example.id!r}. Run again for it.")
    return answer


class _Asking:
    """The requests of one run."""

    def __init__(
        self, client: Any, model: str, store: AnswerFile, settings: Mapping[str, Any], stop: bool
    ) -> None:
        self._client, self._model, self._store = client, model, store
        self._settings, self._stop = settings, stop
        self._failure: tuple[Example, Exception] | None = None

    async def ask(self, questions: Mapping[str, Example], at_once: int, progress: bool) -> None:
        """Ask what is not on disk yet. Raises EvaluationError, or CancelledError at once."""
        open_ones = iter([(k, q) for k, q in questions.items() if self._store.get(k) is None])
        import openai

        asynchronous = isinstance(self._client, openai.AsyncOpenAI)
        with contextlib.ExitStack() as stack:
            pool = None
            if not asynchronous:
                pool = concurrent.futures.ThreadPoolExecutor(at_once)
                # Waiting for what is under way is done below, and not at all when interrupted.
                stack.callback(pool.shutdown, wait=False, cancel_futures=True)
            count = sum(self._store.get(k) is None for k in questions)
            bar = stack.enter_context(_progress(count, progress))
            workers = [self._work(open_ones, pool, bar) for _ in range(min(at_once, count))]
            await asyncio.gather(*workers)
        if self._failure is not None:
            example, error = self._failure
            raise _failed(example, error, self._store, questions) from error

    async def _work(
        self,
        questions: Iterator[tuple[str, Example]],
        pool: concurrent.futures.Executor | None,
        bar: Any,
    ) -> None:
        """One worker: takes the next question until there is none, or one has failed."""
        for question, example in questions:
            if self._failure is not None:
                return
            await self._one(question, example, pool)
            bar.update()

    async def _one(
        self, key: str, example: Example, pool: concurrent.futures.Executor | None
    ) -> None:
        import openai

        host, seed = completions.host_of(self._client), self._settings.get("seed")
        began = time.perf_counter()

        def create() -> Any:
            return self._client.chat.completions.create(
                model=self._model, messages=example.messages, **self._settings
            )

        try:
            if pool is None:
                completion = await create()
            else:
                completion = await asyncio.get_running_loop().run_in_executor(pool, create)
            seconds = time.perf_counter() - began
            self._store.add(
                completions.answer(completion, key, example.id, self._model, host, seed, seconds)
            )
        except Exception as error:
            # A budget's refusal or a full disk is no answer of the model's, and always stops.
            if self._stop or not isinstance(error, openai.OpenAIError):
                self._failure = self._failure or (example, error)
                return
            text, at = str(error), completions.now()
            self._store.add(Answer(key, example.id, self._model, seed, error=text, at=at))


@contextlib.contextmanager
def _progress(total: int, shown: bool) -> Iterator[Any]:
    from tqdm import tqdm

    with tqdm(
        total=total, unit="answer", file=sys.stderr, leave=False, mininterval=0.5, disable=not shown
    ) as bar:
        yield bar


def _in_a_thread(work: Coroutine[Any, Any, list[Answer]]) -> list[Answer]:
    """The value of a coroutine, also where a loop is running already, as in a notebook.

    An interrupt (Ctrl-C, the stop button) cancels it; what was answered by then is kept.
    """
    loop = asyncio.new_event_loop()
    task = loop.create_task(work)
    done = threading.Event()

    def target() -> None:
        try:
            with contextlib.suppress(BaseException):  # the value and errors are read below
                loop.run_until_complete(task)
        finally:
            done.set()

    thread = threading.Thread(target=target, name="evaluation", daemon=True)
    thread.start()
    try:
        done.wait()
    except BaseException:
        loop.call_soon_threadsafe(task.cancel)
        done.wait(10)
        raise
    finally:
        if done.is_set():
            loop.close()
    return task.result()
