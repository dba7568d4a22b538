"""The rules of a training row, one table for the doctor and the lab, and the names that they use.

Of form only: what OpenAI's interface asks of a row (`workbook/lab/openai-api.json`) and what can't
be trained on. What a text says, its length and what a whole file needs are no rules here.
`workbook.rows.validator` finds the rows that break one.
"""

from dataclasses import dataclass

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
MESSAGE_KEYS = {
    "role",
    "content",
    "name",
    "weight",
    "tool_calls",
    "tool_call_id",
    "function_call",
    "refusal",
}
CHAT_KEYS = {"messages", "tools", "parallel_tool_calls", "functions"}
BOOKKEEPING_KEYS = {
    *("id", "_id", "idx", "index", "uuid", "prompt_id", "conversation_id", "source", "dataset"),
    *("split", "metadata", "meta", "tags", "timestamp", "date", "lang", "language", "model"),
    *("temperature", "tool_choice", "score", "system", "images", "audios", "videos"),
    *("prompt", "completion", "chosen", "rejected", "weight", "label"),
}
"""Keys that people's files have beside `messages`, none of which a grader would compare with."""
COMPLETION_KEYS = {"prompt", "completion"}
OUTPUTS = ("preferred_output", "non_preferred_output")
PREFERENCE_KEYS = {"input", *OUTPUTS}
INPUT_KEYS = {"messages", "tools", "parallel_tool_calls"}
PART_TYPES = {
    "text": "text",
    "image_url": "image_url",
    "input_audio": "input_audio",
    "file": "file",
    "refusal": "refusal",
}
"""Parts of a message, and the key that each must have beside its type; it has no other."""
MAX_LINE = 4 * 2**20
"""Bytes of a line that the lab still reads; keeps memory bounded whatever is uploaded."""
MIN_EXAMPLES = 10
"""Fewer examples are refused (OpenAI's guide to supervised fine-tuning)."""


@dataclass(frozen=True)
class Rule:
    """What follows when a row breaks a rule.

    code: under which the doctor reports it (`workbook.doctor.codes`); errors, unless `apart` says.
    refused: whether the lab refuses a file with such a row.
    apart: why the two differ, where they do.
    """

    code: str
    refused: bool = True
    apart: str = ""


RULES = {
    "not-object": Rule("not-object"),
    "format": Rule("no-format"),
    "format-case": Rule("key-case"),
    "key-case": Rule("key-case"),
    "key": Rule("unknown-key"),
    "half-character": Rule("broken-character"),
    "messages": Rule("messages"),
    "message": Rule("message"),
    "role": Rule("role"),
    "text": Rule("not-text"),
    "content": Rule("content"),
    "part": Rule("part"),
    "picture-answer": Rule("image-answer"),
    "picture": Rule(
        "image",
        apart="Other services tune models that see, so the doctor only warns. The lab's model "
        "reads text alone.",
    ),
    "blank": Rule(
        "empty-content",
        refused=False,
        apart="OpenAI's interface takes empty text, and the lab learns to end at once. People "
        "hardly ever mean it, so the doctor calls it an error.",
    ),
    "picture-role": Rule("image-role"),
    "picture-address": Rule("image-address"),
    "misplaced": Rule("misplaced-key"),
    "call": Rule("tool-call"),
    "call-arguments": Rule(
        "tool-call",
        refused=False,
        apart="OpenAI's interface asks for text, and says that a model may write broken JSON. To "
        "learn from such a call is a mistake all the same.",
    ),
    "tool-answer": Rule("tool-answer"),
    "tool-order": Rule("tool-order"),
    "function-answer": Rule("tool-answer"),
    "tools": Rule("tools"),
    "parallel": Rule("parallel-calls"),
    "tool-repeated": Rule(
        "tool-repeated",
        refused=False,
        apart="The lab's model never sees a call's id; a service that pairs calls with answers "
        "can't tell two apart.",
    ),
    "tool-schema": Rule(
        "tool-schema",
        refused=False,
        apart="The lab shows a tool's description to the model as it stands. OpenAI reads it.",
    ),
    "no-assistant": Rule("no-assistant"),
    "last-turn": Rule("last-turn"),
    "weight": Rule("weight"),
    "weights-all-zero": Rule("weights-all-zero"),
    "prompt-turn": Rule("prompt-turn"),
    "prompt": Rule("prompt"),
    "completion": Rule("completion"),
    "completion-empty": Rule("empty-content"),
    "dpo": Rule("dpo"),
    "dpo-turn": Rule("dpo-turn"),
    "dpo-same": Rule("dpo-same"),
}
