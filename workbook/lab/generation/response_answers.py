"""The Responses API: from what the engine has written to OpenAI's answer, whole or as events.

Built from the SDK's own types, so that no name can drift. Knows nothing of how a request is
checked, or of sockets.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from openai.types.responses import (
    Response,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseUsage,
)
from openai.types.responses.response_output_text import Logprob, LogprobTopLogprob
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails

from workbook.lab.errors import ApiError
from workbook.lab.generation import answers
from workbook.lab.generation.answers import CallText
from workbook.lab.generation.structured_output import Calls
from workbook.lab.ids import new_id, now
from workbook.lab.model.tokenizer import CALL_OPEN
from workbook.lab.serving.types import Completion, Request, TokenLogprob

Status = Literal["in_progress", "completed", "incomplete", "failed"]
Event = dict[str, Any]

# What an answer repeats of its request, and OpenAI's value where the request does not say.
_REPEATED: dict[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "temperature": 1.0,
    "tool_choice": "auto",
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


@dataclass(frozen=True)
class ResponsePlan:
    """A checked request (see `plan.Plan`).

    body: the request, which the answer repeats in part.
    calls: whether the answer is a tool call.
    opening: how the answer begins; it ends the prompt, so the engine's text goes on after it.
    """

    body: dict[str, Any]
    requests: list[Request]
    calls: Calls
    opening: str
    stream: bool

    def answer(self, completions: list[Completion]) -> dict[str, Any]:
        """A `response` object."""
        stages = ResponseEvents(self)
        return stages.whole(completions[0])

    def chunks(self) -> "ResponseEvents":
        """The same as events."""
        return ResponseEvents(self)

    def call_of(self, completion: Completion) -> CallText | None:
        """The tool call in an answer, if it is one."""
        text = self.opening + completion.text
        if self.calls == "never" or not text.startswith(CALL_OPEN):
            return None
        return answers.call_text(text) or CallText("", "")  # cut off within the name


@dataclass
class ResponseEvents:
    """One answer and its stream (see `plan.Chunks`): a message, or a function call.

    What may become a call is held back until it is clear.
    """

    plan: ResponsePlan
    named_events, ends_with_done = True, False
    _created: int = field(default_factory=now)
    _number: int = 0  # of the next event
    _begun: Literal["", "message", "call"] = ""
    _sent: int = 0  # characters of the text, or of the call's arguments

    def __post_init__(self) -> None:
        self._id, self._message_id = new_id("resp_", 48), new_id("msg_", 48)
        self._item_id, self._call_id = new_id("fc_", 48), new_id("call_")
        self._text = self.plan.opening
        self._held: list[TokenLogprob] = []  # not sent yet

    def whole(self, completion: Completion) -> dict[str, Any]:
        """The answer when it is complete."""
        call = self.plan.call_of(completion)
        cut = completion.finish_reason == "length" and not (call and call.whole)
        status: Status = "incomplete" if cut else "completed"
        item = self._message(completion.text, completion.logprobs, status)
        if call is not None:
            item = self._call(call, status)
        return self._response(status, [item], completion)

    def begin(self, index: int) -> Iterator[Event]:
        for kind in ("created", "in_progress"):
            yield self._event(f"response.{kind}", response=self._response("in_progress", []))
        if self.plan.calls == "never":
            yield from self._begin_message()

    def text(self, index: int, piece: str, logprobs: list[TokenLogprob]) -> Iterator[Event]:
        self._text += piece
        self._held += logprobs
        if self.plan.calls == "never" or not answers.may_be_call(self._text):
            yield from self._rest(self._text)
        elif call := answers.call_text(self._text):
            yield from self._rest_of_call(call)

    def end(self, index: int, completion: Completion) -> Iterator[Event]:
        response = self.whole(completion)
        [item] = response["output"]
        if call := self.plan.call_of(completion):
            yield from self._rest_of_call(call)
            done = "response.function_call_arguments.done"
            yield self._event(done, arguments=call.arguments)
        else:
            yield from self._rest(completion.text)
            [part] = item["content"]
            named = [_event_logprob(token) for token in completion.logprobs or []]
            place = {"content_index": 0, "text": completion.text, "logprobs": named}
            yield self._event("response.output_text.done", **place)
            yield self._event("response.content_part.done", content_index=0, part=part)
        yield self._event("response.output_item.done", item=item)
        yield self._event(f"response.{response['status']}", response=response)

    def close(self, completions: list[Completion]) -> Iterator[Event]:
        return iter(())

    def failure(self, error: ApiError) -> Event:
        """The last event of a stream that can't go on."""
        response = self._response("failed", [])
        code = "rate_limit_exceeded" if error.status == 429 else "server_error"
        response["error"] = {"code": code, "message": error.message}
        return self._event("response.failed", response=response)

    def _begin_message(self) -> Iterator[Event]:
        if not self._begun:
            self._begun = "message"
            item = self._message("", None, "in_progress") | {"content": []}
            yield self._event("response.output_item.added", item=item)
            part = self._message("", None, "in_progress")["content"][0]
            yield self._event("response.content_part.added", content_index=0, part=part)

    def _rest(self, text: str) -> Iterator[Event]:
        """What of the text has not been sent, with its logprobs."""
        yield from self._begin_message()
        held, rest = self._held, text[self._sent :]
        if rest or held:
            self._held, self._sent = [], len(text)
            named = [_event_logprob(token) for token in held]
            place = {"content_index": 0, "delta": rest, "logprobs": named}
            yield self._event("response.output_text.delta", **place)

    def _rest_of_call(self, call: CallText) -> Iterator[Event]:
        """The call's name once, then what of its arguments has not been sent."""
        if not self._begun:
            self._begun = "call"
            item = self._call(CallText(call.name, ""), "in_progress")
            yield self._event("response.output_item.added", item=item)
        if rest := call.arguments[self._sent :]:
            self._sent = len(call.arguments)
            yield self._event("response.function_call_arguments.delta", delta=rest)

    def _event(self, kind: str, **fields: Any) -> Event:
        event = {"type": kind, "sequence_number": self._number} | fields
        self._number += 1
        if "response" not in fields:
            event["output_index"] = 0
            if "item" not in fields:
                event["item_id"] = self._message_id if self._begun == "message" else self._item_id
        return event

    def _message(
        self, text: str, logprobs: list[TokenLogprob] | None, status: Any
    ) -> dict[str, Any]:
        named = [_logprob(token) for token in logprobs or []]
        part = ResponseOutputText(type="output_text", text=text, annotations=[], logprobs=named)
        message = ResponseOutputMessage(
            id=self._message_id,
            type="message",
            role="assistant",
            status=status,
            content=[part],
        )
        return _as_json(message)

    def _call(self, call: CallText, status: Any) -> dict[str, Any]:
        return _as_json(
            ResponseFunctionToolCall(
                id=self._item_id,
                type="function_call",
                call_id=self._call_id,
                name=call.name,
                arguments=call.arguments,
                status=status,
            )
        )

    def _response(
        self, status: Status, output: list[dict], completion: Completion | None = None
    ) -> dict[str, Any]:
        body = self.plan.body
        repeated = {name: body.get(name, default) for name, default in _REPEATED.items()}
        repeated["text"] = {"format": {"type": "text"}, "verbosity": "medium"} | body.get(
            "text", {}
        )
        repeated["tools"] = [
            {"description": None, "parameters": None, "strict": False} | tool
            for tool in body.get("tools", [])
        ]
        repeated["usage"] = None
        if completion is not None:
            repeated["usage"] = _as_json(_usage(len(self.plan.requests[0].prompt), completion))
            if status == "completed":
                repeated["completed_at"] = now()
        cut = {"reason": "max_output_tokens"} if status == "incomplete" else None
        response = Response.construct(
            id=self._id,
            object="response",
            created_at=self._created,
            status=status,
            error=None,
            incomplete_details=cut,
            model=body["model"],
            output=output,
            service_tier="default",
            **repeated,
        )
        return _as_json(response)


def _usage(prompt_tokens: int, completion: Completion) -> ResponseUsage:
    written = len(completion.tokens)
    cached: dict[str, Any] = {"cached_tokens": completion.cached_tokens, "cache_write_tokens": 0}
    return ResponseUsage(
        input_tokens=prompt_tokens,
        input_tokens_details=InputTokensDetails.construct(**cached),
        output_tokens=written,
        output_tokens_details=OutputTokensDetails(reasoning_tokens=0),
        total_tokens=prompt_tokens + written,
    )


def _logprob(token: TokenLogprob) -> Logprob:
    return Logprob(
        token=token.text,
        bytes=list(token.raw),
        logprob=answers.finite_logprob(token),
        top_logprobs=[
            LogprobTopLogprob(
                token=other.text, bytes=list(other.raw), logprob=answers.finite_logprob(other)
            )
            for other in token.top
        ],
    )


def _event_logprob(token: TokenLogprob) -> dict[str, Any]:
    """As events have it: without bytes."""
    return {
        "token": token.text,
        "logprob": answers.finite_logprob(token),
        "top_logprobs": [
            {"token": other.text, "logprob": answers.finite_logprob(other)} for other in token.top
        ],
    }


def _as_json(answer: Any) -> dict[str, Any]:
    json: dict[str, Any] = answer.to_dict(mode="json", warnings=False)
    return json
