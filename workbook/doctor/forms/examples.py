"""Questions with their answers in the forms of other tools, as chat or pairs.

Each function takes a copy of a row, takes out what it uses, and gives the rest back with what it
made of it; None where the row is of another form.
"""

from collections.abc import Mapping
from typing import Any

from workbook.doctor.forms.tool_lists import is_foreign, tools_of
from workbook.doctor.forms.turns import (
    from_blocks,
    from_responses,
    has_foreign_blocks,
    instructions_in,
    is_turn,
    is_turns,
    messages_from,
    role_of,
    with_system,
)
from workbook.doctor.forms.values import (
    Row,
    as_text,
    decoded,
    decoded_if,
    first_key,
    is_empty,
    text_in,
)
from workbook.rows.rules import COMPLETION_KEYS

PROMPTS = (
    "prompt", "question", "instruction", "query", "input", "user", "user_prompt", "user_message",
    "human", "input_text", "text_input", "pregunta", "pergunta", "frage",
    "domanda", "вопрос", "soru", "質問", "问题", "問題", "질문",
)  # fmt: skip
COMPLETIONS = (
    "completion", "answer", "response", "output", "assistant", "assistant_response", "reply",
    "output_text", "text_output", "model_response", "respuesta", "resposta", "antwort",
    "réponse", "risposta", "ответ", "cevap", "回答", "答案", "답변",
)  # fmt: skip
SYSTEMS = ("system", "system_prompt", "system_message")
CONVERSATIONS = ("conversations", "conversation", "dialog", "dialogue", "turns", "items")
_PAIR_TURNS = (
    ("human", "assistant"),
    ("user", "assistant"),
    ("human", "gpt"),
    ("query", "response"),
)


def chat(rest: Row) -> Row | None:
    """Chat with what OpenAI's has no key or no block for: Anthropic's, Bedrock's, a `system`."""
    messages = rest.get("messages")
    if not isinstance(messages, list) or not messages:
        return None
    before = dict(rest)
    del rest["messages"]
    foreign = has_foreign_blocks(messages)
    if foreign and all(isinstance(message, Mapping) for message in messages):
        messages = [new for message in messages for new in from_blocks(message)]
    elif is_turns(messages) and any(
        "role" not in message or not message.keys() & {"content", "tool_calls", "function_call"}
        for message in messages
    ):
        if "role" not in messages[0] and "author" in messages[0] and "system" not in rest:
            rest["system"] = rest.pop("context", None)  # PaLM's
        messages = messages_from(messages)
    if instructions_in(rest.get("system")) is not None:
        messages = with_system(messages, rest.pop("system"))
    if isinstance(rest.get("toolConfig"), Mapping) and "tools" not in rest:
        settings = dict(rest.pop("toolConfig"))
        rest["tools"] = settings.pop("tools", None)
        rest |= {"toolConfig": settings} if settings else {}
    if any(map(is_foreign, rest["tools"] if isinstance(rest.get("tools"), list) else ())):
        rest["tools"] = tools_of(rest["tools"])
    if rest.get("schemaVersion") == "bedrock-conversation-2024":
        del rest["schemaVersion"]
    if rest.get("system", "") is None:
        del rest["system"]
    row = {"messages": messages, **rest}
    return None if row == before else row


def _tools(rest: Row) -> None:
    """The tools of a row in OpenAI's words; none where there are none."""
    if "tools" in rest:
        tools = tools_of(rest.pop("tools"))
        rest |= {} if is_empty(tools) else {"tools": tools}


def conversations(rest: Row) -> Row | None:
    """ShareGPT's `conversations`, with its system and its tools."""
    key = first_key(rest, CONVERSATIONS)
    turns: Any = decoded(rest.get(key)) if key else None
    pairs = _paired(turns)
    if not key or "messages" in rest or not (is_turns(turns) or pairs):
        return None
    del rest[key]
    messages = pairs or messages_from(turns)
    if any(isinstance(message["content"], list) for message in messages):
        messages = [new for message in messages for new in from_blocks(message)]
    system = first_key(rest, SYSTEMS)
    if system and text_in(rest[system]):
        messages = with_system(messages, rest.pop(system))
    _tools(rest)
    return {"messages": messages, **_full(rest)}


def _paired(turns: Any) -> list[Row]:
    """Turns that hold a question and its answer each, as messages."""
    for keys in _PAIR_TURNS:
        if (
            isinstance(turns, list)
            and turns
            and all(
                isinstance(turn, Mapping)
                and turn.keys() == set(keys)
                and all(isinstance(turn[key], str) for key in keys)
                for turn in turns
            )
        ):
            return [
                {"role": role, "content": turn[key]}
                for turn in turns
                for role, key in zip(("user", "assistant"), keys, strict=True)
            ]
    return []


def _full(rest: Row) -> Row:
    """The row without keys that hold nothing."""
    return {key: value for key, value in rest.items() if not is_empty(value)}


def asked(rest: Row) -> list[Row] | None:
    """The messages before the answer that `instruction`, `input`, `history` and `system` hold, or
    another key for a question; they are taken out of the row. None where nothing is asked."""
    key = first_key(rest, PROMPTS)
    if key is None:
        return None
    question = rest[key]
    if is_turns(question):
        del rest[key]
        messages = messages_from(question)
    elif isinstance(question, str):
        del rest[key]
        more = rest.get("input") if key in ("instruction", "query") else None
        if isinstance(more, str) and more:
            question = f"{question}\n\n{rest.pop('input')}"
        messages = [{"role": "user", "content": question}]
    else:
        return None
    messages = [*_history(rest), *messages]
    system = first_key(rest, SYSTEMS)
    if system and text_in(rest[system]):
        messages = with_system(messages, rest.pop(system))
    return messages


def _history(rest: Row) -> list[Row]:
    """Earlier rounds of a question and its answer each."""
    rounds = decoded(rest.get("history"))
    if isinstance(rounds, list) and all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 and all(isinstance(t, str) for t in pair)
        for pair in rounds
    ):
        rest.pop("history", None)
        return [
            {"role": role, "content": text}
            for pair in rounds
            for role, text in zip(("user", "assistant"), pair, strict=True)
        ]
    if is_turns(rounds):
        del rest["history"]
        return messages_from(rounds)
    return []


def alpaca(rest: Row) -> Row | None:
    """Alpaca's `instruction`, `input` and `output`, with system and history; ms-swift's `query`."""
    key = first_key(rest, ("output", "response", "answer"))
    question = first_key(rest, ("instruction", "query"))
    if not key or not question or not isinstance(rest[question], str):
        return None
    answer = rest.pop(key)
    if (question, key) == ("instruction", "response") and not rest.get("input"):
        rest["input"] = rest.pop("context", "")  # Dolly's
    messages = asked(rest)
    if messages is None or not isinstance(answer, str):
        return None
    _tools(rest)
    return {"messages": [*messages, {"role": "assistant", "content": answer}], **_full(rest)}


def message_pairs(rest: Row) -> Row | None:
    """TRL's conversational pairs: a prompt and a completion that are lists of messages."""
    prompt = decoded_if(rest.get("prompt"), is_turns)
    completion = decoded_if(rest.get("completion"), is_turns)
    if is_turns(prompt) and isinstance(completion, str):
        completion = [{"role": "assistant", "content": completion}]
    if not is_turns(completion) or not (is_turns(prompt) or isinstance(prompt, str)):
        return None
    rest["prompt"] = prompt
    del rest["completion"]
    messages = asked(rest) or []
    _tools(rest)
    return {"messages": [*messages, *messages_from(completion)], **_full(rest)}


def pair(rest: Row) -> Row | None:
    """A question and an answer under other names, or with a system message."""
    completion = first_key(rest, COMPLETIONS) or _present(rest, COMPLETIONS)
    prompt = first_key(rest, PROMPTS) or _present(rest, PROMPTS)
    system = first_key(rest, SYSTEMS)
    if not completion or not prompt or completion == prompt:
        return None
    if not isinstance(rest[completion], str) or not isinstance(rest[prompt], str):
        return None
    if (system and text_in(rest[system])) or completion == "assistant" or "history" in rest:
        answer = rest.pop(completion)
        messages = [*(asked(rest) or []), {"role": "assistant", "content": answer}]
        return {"messages": messages, **_full(rest)}
    if {prompt, completion} == COMPLETION_KEYS:
        return None
    pair = {"prompt": rest.pop(prompt), "completion": rest.pop(completion)}
    return {**pair, **_full(rest)}


def _present(row: Row, names: tuple[str, ...]) -> str | None:
    """The first of these keys that the row has, though with an empty text."""
    return next((name for name in names if row.get(name) == ""), None)


def responses(rest: Row) -> Row | None:
    """Rows of the Responses API: lists `input` and `output` of items."""
    asked_items, said = (decoded_if(rest.get(key), _is_items) for key in ("input", "output"))
    if not any(_is_items(value) for value in (asked_items, said)):
        return None
    if not all(isinstance(value, str) or _is_items(value) for value in (asked_items, said)):
        return None
    messages: list[Row] = []
    left: list[Any] = []
    for items, role in ((asked_items, "user"), (said, "assistant")):
        if isinstance(items, str):
            messages.append({"role": role, "content": items})
        else:
            more, unplaced = from_responses(items, role)
            messages += more
            left += unplaced
    del rest["input"], rest["output"]
    if isinstance(rest.get("instructions"), str):
        messages = with_system(messages, rest.pop("instructions"))
    _tools(rest)
    items_left = {"items": left} if left else {}
    return {"messages": messages, **_full(rest), **items_left}


def _is_items(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, Mapping) and ("type" in item or is_turn(item)) for item in value)
    )


def evals(rest: Row) -> Row | None:
    """Rows of OpenAI's evals: `input` is a list of messages, or a question, `ideal` what is
    expected."""
    turns, ideal = decoded_if(rest.get("input"), is_turns), rest.get("ideal")
    if isinstance(turns, str) and turns:
        turns = [{"role": "user", "content": turns}]
    if not is_turns(turns) or is_empty(ideal) or "output" in rest:
        return None
    del rest["input"], rest["ideal"]
    others = ideal[1:] if isinstance(ideal, list) else []
    answer = ideal[0] if isinstance(ideal, list) else ideal
    messages = [*messages_from(turns), {"role": "assistant", "content": as_text(answer)}]
    return {"messages": messages, **rest, **({"ideal": others} if others else {})}


def cohere(rest: Row) -> Row | None:
    """Cohere's earlier rounds in `chat_history` and the last `message`, with its answer."""
    history = decoded(rest.get("chat_history"))
    answer = first_key(rest, ("response", "completion", "answer", "text"))
    if not (isinstance(history, list) and isinstance(rest.get("message"), str) and answer):
        return None
    if isinstance(rest[answer], Mapping) and rest[answer].keys() == {"text"}:
        rest[answer] = rest[answer]["text"]
    if (history and not is_turns(history)) or not isinstance(rest[answer], str):
        return None
    del rest["chat_history"]
    messages = [
        *messages_from(history),
        {"role": "user", "content": rest.pop("message")},
        {"role": "assistant", "content": rest.pop(answer)},
    ]
    if isinstance(rest.get("preamble"), str):
        messages = with_system(messages, rest.pop("preamble"))
    return {"messages": [{**m, "role": role_of(m["role"])} for m in messages], **_full(rest)}
