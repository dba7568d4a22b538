"""Chat completions: from what the engine has written to OpenAI's answer, whole or in chunks.

Built from the SDK's own types, so that no name can drift. Knows nothing of how a request is
checked, or of sockets.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from openai.types import CompletionUsage
from openai.types.chat import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionMessage,
    ChatCompletionMessageFunctionToolCall,
    ChatCompletionTokenLogprob,
)
from openai.types.chat.chat_completion import Choice, ChoiceLogprobs
from openai.types.chat.chat_completion_chunk import Choice as ChunkChoice
from openai.types.chat.chat_completion_chunk import ChoiceDelta, ChoiceDeltaToolCall
from openai.types.chat.chat_completion_chunk import (
    ChoiceDeltaToolCallFunction as DeltaFunction,
)
from openai.types.chat.chat_completion_chunk import ChoiceLogprobs as ChunkLogprobs
from openai.types.chat.chat_completion_message_function_tool_call import Function
from openai.types.chat.chat_completion_token_logprob import TopLogprob

from workbook.lab.errors import ApiError
from workbook.lab.generation import answers
from workbook.lab.generation.answers import CallText
from workbook.lab.generation.structured_output import Calls
from workbook.lab.ids import new_id, now
from workbook.lab.model.tokenizer import CALL_OPEN
from workbook.lab.serving.types import Completion, Request, TokenLogprob

FinishReason = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True)
class ChatPlan:
    """A checked request (see `plan.Plan`).

    calls: whether the answer is a tool call.
    opening: how the answer begins; it ends the prompt, so the engine's text goes on after it.
    """

    model: str
    requests: list[Request]
    calls: Calls
    opening: str
    stream: bool
    include_usage: bool

    def answer(self, completions: list[Completion]) -> dict[str, Any]:
        """A `chat.completion` object."""
        return ChatCompletion(
            id=new_id("chatcmpl-"),
            object="chat.completion",
            created=now(),
            model=self.model,
            choices=[self._choice(index, each) for index, each in enumerate(completions)],
            usage=self.usage(completions),
            service_tier="default",
            system_fingerprint=answers.fingerprint(self.model),
        ).to_dict(mode="json")

    def chunks(self) -> "ChatChunks":
        """The same as `chat.completion.chunk` objects."""
        return ChatChunks(self)

    def usage(self, completions: list[Completion]) -> CompletionUsage:
        """The prompt counts once, however many answers there are."""
        return answers.usage(len(self.requests[0].prompt), completions)

    def tool_call(self, completion: Completion) -> tuple[CallText | None, FinishReason]:
        """The tool call in an answer, if it is one, and the finish reason."""
        text = self.opening + completion.text
        if self.calls == "never" or not text.startswith(CALL_OPEN):
            return None, completion.finish_reason
        call = answers.call_text(text) or CallText("", "")  # cut off within the name
        return call, "tool_calls" if call.whole else completion.finish_reason

    def _choice(self, index: int, completion: Completion) -> Choice:
        call, finish_reason = self.tool_call(completion)
        message = ChatCompletionMessage(
            role="assistant",
            content=completion.text if call is None else None,
            refusal=None,
            annotations=[],
        )
        if call is not None:
            function = Function(name=call.name, arguments=call.arguments)
            message.tool_calls = [
                ChatCompletionMessageFunctionToolCall(
                    id=new_id("call_"), type="function", function=function
                )
            ]
        logprobs = None
        if completion.logprobs is not None:
            tokens = [_token_logprob(token) for token in completion.logprobs]
            logprobs = ChoiceLogprobs(content=tokens, refusal=None)
        return Choice(index=index, message=message, finish_reason=finish_reason, logprobs=logprobs)


class ChatChunks:
    """One stream (see `plan.Chunks`). What may become a tool call is held back until it is clear.

    As OpenAI's, the first chunk has the role, and content "" before a text or null before a call.
    """

    named_events, ends_with_done = False, True

    def __init__(self, plan: ChatPlan) -> None:
        self._plan, self._id, self._created = plan, new_id("chatcmpl-"), now()
        count = len(plan.requests)
        self._text = [plan.opening] * count  # of each answer so far
        self._sent = [0] * count  # characters of its content, or its call's arguments
        self._begun = [False] * count
        self._held: list[list[TokenLogprob]] = [[] for _ in range(count)]  # not sent yet

    def begin(self, index: int) -> Iterator[dict[str, Any]]:
        if self._plan.calls == "never":
            yield from self._begin(index)

    def text(
        self, index: int, piece: str, logprobs: list[TokenLogprob]
    ) -> Iterator[dict[str, Any]]:
        self._text[index] += piece
        self._held[index] += logprobs
        text = self._text[index]
        if self._plan.calls == "never" or not answers.may_be_call(text):
            yield from self._rest(index, text)
        elif call := answers.call_text(text):
            yield from self._rest_of_call(index, call)

    def end(self, index: int, completion: Completion) -> Iterator[dict[str, Any]]:
        call, finish_reason = self._plan.tool_call(completion)
        if call is None:
            yield from self._rest(index, completion.text)
        else:
            yield from self._rest_of_call(index, call)
        yield self._delta(index, ChoiceDelta(), finish_reason)

    def close(self, completions: list[Completion]) -> Iterator[dict[str, Any]]:
        if self._plan.include_usage:
            yield self._chunk([], self._plan.usage(completions))

    def failure(self, error: ApiError) -> dict[str, Any]:
        return error.body()

    def _begin(self, index: int) -> Iterator[dict[str, Any]]:
        if not self._begun[index]:
            self._begun[index] = True
            yield self._delta(index, ChoiceDelta(role="assistant", content="", refusal=None))

    def _rest(self, index: int, text: str) -> Iterator[dict[str, Any]]:
        """What of the text has not been sent, with its logprobs."""
        yield from self._begin(index)
        held, rest = self._held[index], text[self._sent[index] :]
        if rest or held:
            self._held[index], self._sent[index] = [], len(text)
            yield self._delta(index, ChoiceDelta(content=rest), logprobs=held)

    def _rest_of_call(self, index: int, call: CallText) -> Iterator[dict[str, Any]]:
        """The call's name once, then what of its arguments has not been sent."""
        if not self._begun[index]:
            self._begun[index] = True
            function = DeltaFunction(name=call.name, arguments="")
            first = ChoiceDeltaToolCall(
                index=0, id=new_id("call_"), type="function", function=function
            )
            delta = ChoiceDelta(role="assistant", content=None, refusal=None, tool_calls=[first])
            yield self._delta(index, delta)
        if rest := call.arguments[self._sent[index] :]:
            self._sent[index] = len(call.arguments)
            more = ChoiceDeltaToolCall(index=0, function=DeltaFunction(arguments=rest))
            yield self._delta(index, ChoiceDelta(tool_calls=[more]))

    def _delta(
        self,
        index: int,
        delta: ChoiceDelta,
        finish_reason: FinishReason | None = None,
        logprobs: list[TokenLogprob] | None = None,
    ) -> dict[str, Any]:
        tokens = [_token_logprob(token) for token in logprobs or []]
        choice = ChunkChoice(
            index=index,
            delta=delta,
            finish_reason=finish_reason,
            logprobs=ChunkLogprobs(content=tokens, refusal=None) if tokens else None,
        )
        return self._chunk([choice])

    def _chunk(
        self, choices: list[ChunkChoice], usage: CompletionUsage | None = None
    ) -> dict[str, Any]:
        chunk = ChatCompletionChunk(
            id=self._id,
            object="chat.completion.chunk",
            created=self._created,
            model=self._plan.model,
            service_tier="default",
            system_fingerprint=answers.fingerprint(self._plan.model),
            choices=choices,
        )
        if self._plan.include_usage:
            chunk.usage = usage  # null in all chunks but the last; left out where nobody asked
        return chunk.to_dict(mode="json")


def _token_logprob(token: TokenLogprob) -> ChatCompletionTokenLogprob:
    return ChatCompletionTokenLogprob(
        token=token.text,
        logprob=answers.finite_logprob(token),
        bytes=list(token.raw),
        top_logprobs=[
            TopLogprob(
                token=other.text, logprob=answers.finite_logprob(other), bytes=list(other.raw)
            )
            for other in token.top
        ],
    )
