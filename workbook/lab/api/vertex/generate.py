"""Vertex AI's generateContent, whole and streamed: asked and answered as chat is.

Knows Google's names for what a request and an answer hold; how an answer is written, `generation`
knows.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from workbook.lab.api.generate import GenerationEndpoint
from workbook.lab.api.vertex import contents
from workbook.lab.errors import ApiError
from workbook.lab.generation import answers
from workbook.lab.generation.plan import Plan
from workbook.lab.ids import new_id
from workbook.lab.service import Lab
from workbook.lab.serving.types import Completion, TokenLogprob
from workbook.lab.serving.types import Request as EngineRequest
from workbook.lab.state.records import Job, TuningJob, UnknownIdError

_SETTINGS = {  # Google's name: OpenAI's
    "temperature": "temperature",
    "topP": "top_p",
    "maxOutputTokens": "max_completion_tokens",
    "stopSequences": "stop",
    "seed": "seed",
    "candidateCount": "n",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
}
_READ = {"contents", "systemInstruction", "generationConfig", "labels", "safetySettings"}


class GenerateContent(GenerationEndpoint):
    """…:generateContent or …:streamGenerateContent"""

    def __init__(self, lab: Lab, stream: bool) -> None:
        super().__init__(lab, "/v1/chat/completions")
        self._stream = stream

    async def plan(self, request: Request, body: Any) -> Plan:
        if self._stream and request.query_params.get("alt") != "sse":
            raise ApiError(400, "The lab streams as server-sent events: add ?alt=sse.")
        model = await run_in_threadpool(self._model, request.path_params)
        try:
            plan = await super().plan(request, _chat(body) | {"model": model})
        except ApiError as error:
            raise _in_googles_words(error) from None
        return ContentPlan(plan, model, self._stream)

    def _model(self, place: dict[str, str]) -> str:
        if "model" in place:
            return place["model"]
        name = "projects/{project}/locations/{location}/endpoints/{id}".format(**place)
        message = f"The endpoint '{name[:200]}' was not found: it is made by a tuning job."
        try:
            tuning = self.lab.store.get(TuningJob, place["id"])
        except UnknownIdError:
            raise ApiError(404, message) from None
        model = self.lab.store.get(Job, tuning.job_id).fine_tuned_model
        if model is None or (tuning.project, tuning.location) != (
            place["project"],
            place["location"],
        ):
            raise ApiError(404, message)
        return model


def _chat(body: Any) -> dict[str, Any]:
    """A request as chat has it. Raises ApiError (400)."""
    try:
        messages = contents.messages(body)
    except contents.ContentsError as error:
        raise ApiError(400, f"Invalid request: {error}.") from None
    if other := sorted(name for name in body.keys() - _READ if body[name]):
        raise ApiError(400, f"The lab does not support '{other[0]}': leave it out.")
    config = body.get("generationConfig") or {}
    if not isinstance(config, dict):
        raise ApiError(400, "'generationConfig' must be an object.")
    config = {name: value for name, value in config.items() if value is not None}
    if config.get("responseMimeType") == "text/plain":
        del config["responseMimeType"]
    if other := sorted(config.keys() - _SETTINGS.keys()):
        message = f"The lab does not support 'generationConfig.{other[0]}': leave it out."
        raise ApiError(400, message)
    return {"messages": messages} | {_SETTINGS[name]: value for name, value in config.items()}


def _in_googles_words(error: ApiError) -> ApiError:
    """The same refusal, with the names that the request had."""
    message = error.message
    for theirs, ours in _SETTINGS.items():
        message = message.replace(f"'{ours}'", f"'generationConfig.{theirs}'")
    message = message.replace("'messages'", "'contents'")
    return ApiError(error.status, message, error.code, headers=error.headers)


@dataclass(frozen=True)
class ContentPlan:
    """A chat plan whose answer is Google's (see `plan.Plan`)."""

    chat: Plan
    model: str
    stream: bool

    @property
    def requests(self) -> list[EngineRequest]:
        return self.chat.requests

    def answer(self, completions: list[Completion]) -> dict[str, Any]:
        """A GenerateContentResponse."""
        candidates = [
            _candidate(index, completion.text, completion.finish_reason)
            for index, completion in enumerate(completions)
        ]
        return self.response(new_id(""), candidates) | self.usage(completions)

    def chunks(self) -> "ContentChunks":
        return ContentChunks(self)

    def response(self, id: str, candidates: list[dict[str, Any]]) -> dict[str, Any]:
        """A response, or a part of a stream."""
        return {"candidates": candidates, "modelVersion": self.model, "responseId": id}

    def usage(self, completions: list[Completion]) -> dict[str, Any]:
        """Tokens; the prompt's count once."""
        counts = answers.usage(len(self.requests[0].prompt), completions)
        return {
            "usageMetadata": {
                "promptTokenCount": counts.prompt_tokens,
                "candidatesTokenCount": counts.completion_tokens,
                "totalTokenCount": counts.total_tokens,
            }
        }


class ContentChunks:
    """One stream (see `plan.Chunks`): a piece of text each; the last one says why it ended."""

    named_events, ends_with_done = False, False

    def __init__(self, plan: ContentPlan) -> None:
        self._plan, self._id = plan, new_id("")
        self._reasons: dict[int, str] = {}

    def begin(self, index: int) -> Iterable[dict[str, Any]]:
        return ()

    def text(
        self, index: int, piece: str, logprobs: list[TokenLogprob]
    ) -> Iterable[dict[str, Any]]:
        if piece:
            yield self._plan.response(self._id, [_candidate(index, piece, None)])

    def end(self, index: int, completion: Completion) -> Iterable[dict[str, Any]]:
        self._reasons[index] = completion.finish_reason
        return ()

    def close(self, completions: list[Completion]) -> Iterable[dict[str, Any]]:
        ends = [_candidate(index, "", reason) for index, reason in sorted(self._reasons.items())]
        yield self._plan.response(self._id, ends) | self._plan.usage(completions)

    def failure(self, error: ApiError) -> dict[str, Any]:
        return {"error": {"code": error.status, "message": error.message, "status": "INTERNAL"}}


def _candidate(index: int, text: str, reason: str | None) -> dict[str, Any]:
    content = {"role": "model", "parts": [{"text": text}]}
    candidate: dict[str, Any] = {"index": index, "content": content}
    if reason is not None:
        candidate["finishReason"] = "MAX_TOKENS" if reason == "length" else "STOP"
    return candidate
