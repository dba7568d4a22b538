"""The codes of all that can be wrong with fine-tuning data, why it matters, and what to do.

Also what every check is made of: a line and a problem. What brings a code up stands in
`row_checks`, for a set in `set_checks`, for a file in `readers`.
"""

from dataclasses import dataclass
from typing import Any

from workbook.rows.rules import MIN_EXAMPLES, ROLES

LONG_TEXT = 10_000
"""Characters; the removed command-line tool dropped longer prompt/completion pairs."""
ADVISED = 50
"""The number OpenAI's guide advises to start with."""
SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Code:
    """One kind of mistake: how bad it is, why it matters, what to do."""

    severity: str
    why: str
    fix: str


CODES = {
    # The file
    "file-name": Code(
        "warning", "OpenAI takes training files by the name .jsonl only.", "Rename the file."
    ),
    "too-large": Code(
        "error", "OpenAI takes files of up to 512 MB.", "Divide the file, or choose fewer examples."
    ),
    "bom": Code(
        "note",
        "Three invisible bytes open the file. Azure asks for them, OpenAI doesn't.",
        "Save as UTF-8 without BOM, except for Azure. doctor.write does.",
    ),
    "not-utf8": Code("error", "The service reads UTF-8 only.", "Save the file as UTF-8."),
    "blank-line": Code(
        "warning",
        "JSONL has one example on every line; some services refuse this.",
        "Delete the empty line.",
    ),
    "not-json": Code(
        "error",
        "A line that can't be read stops the whole job.",
        "One object a line: double quotes, no comma at the end, no break inside.",
    ),
    "json-list": Code(
        "error",
        "JSONL is not a JSON list: each line is an object of its own.",
        "Write the elements one a line; doctor.write does.",
    ),
    "encoding": Code(
        "error",
        "The service reads UTF-8 only; this file is in something else, which was recognised.",
        "`report.fix()` writes UTF-8.",
    ),
    "compressed": Code(
        "error",
        "Training files are uploaded as they are, not compressed.",
        "Unpack the file, or let `report.fix()` write it.",
    ),
    "not-jsonl": Code(
        "error",
        "Training files are JSONL, whatever the data came in.",
        "`workbook prepare` converts it.",
    ),
    "wrong-name": Code(
        "warning", "What is in the file is not what its name says.", "Rename the file."
    ),
    "long-line": Code(
        "error",
        "The lab reads lines of up to 4 MiB; no model reads as much.",
        "Divide the example.",
    ),
    "sheets": Code(
        "warning", "Of a workbook only the first sheet is read.", "Put the examples on one sheet."
    ),
    "lost-value": Code(
        "warning",
        "A cell or a message could not be read as what it should be.",
        "Correct it in the source.",
    ),
    "repeated-key": Code(
        "warning", "Of two values with one key, only the last is read.", "Delete one of them."
    ),
    "empty-file": Code("error", "There is nothing to learn from.", "Add examples."),
    "too-few": Code(
        "error", f"Fine-tuning asks for at least {MIN_EXAMPLES} examples.", "Add examples."
    ),
    "few": Code(
        "note", f"{ADVISED} good examples are the advised start.", "Add examples if you have them."
    ),
    # The job
    "suffix": Code(
        "error", "A suffix has 1 to 64 characters (Azure: 18, and no dot).", "Choose a shorter one."
    ),
    "metadata": Code(
        "error",
        "Metadata holds up to 16 texts of 512 characters, under names of up to 64.",
        "Shorten it.",
    ),
    "model-closed": Code(
        "error",
        "The model takes no new training jobs on that day.",
        "Choose another: `models.tunable()` lists them.",
    ),
    # The row
    "key-case": Code(
        "error", "Keys are written in small letters, without spaces.", "`report.fix()` corrects it."
    ),
    "not-object": Code("error", "Every example is a JSON object: {…}.", "Rewrite this line."),
    "no-format": Code(
        "error",
        "An example has `messages` (chat) or `prompt` and `completion`.",
        "Give the example one of these formats.",
    ),
    "mixed-formats": Code(
        "error",
        "A file has one format, chat or prompt/completion.",
        "Convert: `doctor.to_chat` or `doctor.to_prompt_completion`.",
    ),
    "unknown-key": Code(
        "error",
        "Keys that the format doesn't know are refused.",
        "Delete the key, or correct its spelling.",
    ),
    "messages": Code(
        "error",
        "`messages` is a list with at least one message.",
        "Write the conversation as a list.",
    ),
    "message": Code(
        "error", "Every message is an object with `role` and `content`.", "Rewrite this message."
    ),
    "role": Code(
        "error",
        "The role says whose words these are: " + ", ".join(ROLES) + ".",
        "Use one of these roles.",
    ),
    "content": Code(
        "error",
        "Content is text (or a list of parts); only a tool call has none.",
        "Give this message its text.",
    ),
    "empty-content": Code(
        "error",
        "There is nothing to read, or nothing to learn, in it.",
        "Fill in the text, or delete the example.",
    ),
    "no-assistant": Code(
        "error",
        "The model learns from the assistant's words, and here are none.",
        "Add the answer that you wish for.",
    ),
    "last-turn": Code(
        "error",
        "The example must end with what the model shall say.",
        "End with the assistant's message.",
    ),
    "weight": Code(
        "error",
        "Weight is 1 (learn it) or 0 (don't), on assistant messages only.",
        "Use 0 or 1, and only there.",
    ),
    "weights-all-zero": Code(
        "error",
        "Nothing in this example is learned.",
        "Give one assistant message weight 1, or delete the example.",
    ),
    "tool-call": Code(
        "error",
        "A call has `id`, `type` and a `function` (`name`, `arguments`).",
        "Complete the call; `arguments` is JSON written as text.",
    ),
    "tool-answer": Code(
        "error",
        "A tool's answer names the call that it answers.",
        "Set `tool_call_id` to the id of an earlier call.",
    ),
    "tools": Code(
        "error",
        "`tools` lists objects with `type` and `function`, `functions` objects with a `name`.",
        "Write it as in a chat request.",
    ),
    "not-text": Code(
        "error",
        "`name`, `tool_call_id` and `refusal` are text.",
        "Write it in quotes, or delete it.",
    ),
    "broken-character": Code(
        "error",
        "Half of a two-part character can't be written as UTF-8.",
        "Delete or retype the character.",
    ),
    "no-user": Code(
        "warning",
        "Without a question the model learns to speak unasked.",
        "Add the user's message, if there is one.",
    ),
    "system-place": Code(
        "warning",
        "Instructions come before the conversation that they govern.",
        "Move the system message to the front.",
    ),
    "alternation": Code(
        "warning",
        "Two turns of one speaker in a row teach to speak out of turn.",
        "Join them, or add what stood between.",
    ),
    "starts-assistant": Code(
        "warning",
        "The conversation starts with the answer, to no question.",
        "Start with the user's message.",
    ),
    "tool-unanswered": Code(
        "warning",
        "After a call comes the tool's answer; some services refuse the example without it.",
        "Add the `tool` message.",
    ),
    "tool-repeated": Code(
        "error", "Two calls with one id can't be told apart.", "Give every call an id of its own."
    ),
    "tool-unknown": Code(
        "warning",
        "The function is not among the example's `tools`.",
        "Add it to `tools`, or correct the name.",
    ),
    "tool-arguments": Code(
        "warning",
        "The arguments don't fit the function's own description.",
        "Correct the arguments or the description.",
    ),
    "tool-schema": Code(
        "error", "`parameters` is a JSON Schema of an object.", "Correct the schema."
    ),
    "part": Code(
        "error",
        "A part has a known `type` and the key of that name.",
        "Write it as in a chat request.",
    ),
    "image": Code(
        "warning",
        "Only models that see can be tuned on images, and the lab on none.",
        "Delete the part, or choose such a model.",
    ),
    "image-answer": Code(
        "error",
        "The assistant can't learn to answer with a picture or a sound.",
        "Move the part to a user's message.",
    ),
    "dpo": Code(
        "error",
        "A preference example has an `input` with `messages`, and two outputs of "
        "one assistant's message each.",
        "Complete the example.",
    ),
    "dpo-same": Code(
        "error",
        "Two equal answers show no preference.",
        "Write a worse answer, or delete the example.",
    ),
    "dpo-turn": Code(
        "error",
        "The input ends where the answer is due: not with the assistant.",
        "Move the last answer to the outputs.",
    ),
    "long-text": Code(
        "warning",
        f"Pairs over {LONG_TEXT:,} characters were more than completion models could read.",
        "Shorten or divide it.",
    ),
    "upper-case": Code(
        "warning",
        "Capitals cost more tokens, and the model learns to shout.",
        '`report.fix("upper-case")` writes small letters.',
    ),
    "echo": Code(
        "warning", "An answer that repeats the question teaches to repeat.", "Write the answer."
    ),
    "prompt": Code("error", "`prompt` is text.", 'Write it in quotes; "" if there is none.'),
    "completion": Code(
        "error",
        "`completion` is the text that the model learns to write.",
        "Write the completion as text.",
    ),
    "too-long": Code(
        "warning",
        "What is beyond the model's limit is cut off, and the end is the answer.",
        "Shorten or divide the example.",
    ),
    # What is said
    "placeholder": Code(
        "warning",
        "The model learns to write the placeholder.",
        "Fill it in, or delete the example.",
    ),
    "control-character": Code(
        "warning",
        "Invisible characters are tokens too, and mean nothing.",
        "`report.fix()` removes them.",
    ),
    "wrong-characters": Code(
        "warning",
        "The text was damaged before it came here, and the damage is learned.",
        "Read the source again in its right encoding.",
    ),
    "special-token": Code(
        "warning",
        "It looks like a turn's end to some services; others read it as plain characters.",
        "Delete it, or write it differently.",
    ),
    "personal-data": Code(
        "warning",
        "What is learned may be said to anybody.",
        '`report.fix("personal-data")` masks it.',
    ),
    "secret": Code(
        "warning",
        "A key in a training file is a key given away: replace it.",
        '`report.fix("secret")` masks it; then revoke the key.',
    ),
    "harmful-words": Code(
        "warning",
        "Training files go through moderation, which can stop the job.",
        "Read the example, and delete it if it is meant as it says.",
    ),
    "refusal": Code(
        "note",
        "A model that sees many refusals learns to refuse.",
        "Keep it only if this is the answer you wish for.",
    ),
    # The set
    "refusals": Code(
        "warning",
        "More than one answer in ten refuses: the model will, too.",
        "Add answers, or delete refusals.",
    ),
    "near-duplicate": Code(
        "warning",
        "Nearly the same, it counts double, and leaks if it is also tested.",
        "Keep one of them.",
    ),
    "sampled": Code(
        "note",
        "Comparing every row with every other would take too long.",
        "Check a part of the file by itself.",
    ),
    "leakage": Code(
        "error",
        "What is trained on can't be tested on: the measure lies.",
        "Delete the row from one of the files; `doctor.split` avoids it.",
    ),
    "near-leakage": Code(
        "warning",
        "A question that was trained on, but for a few letters, tests memory.",
        "Delete the row from one of the files, if it is the same question.",
    ),
    "language-mix": Code(
        "note",
        "The model answers in the languages it saw, not always in yours.",
        "Mean it, or choose one.",
    ),
    "endings-vary": Code(
        "note",
        "Some answers end with a full stop or the like, some don't: the model will vary, too.",
        "Decide for one.",
    ),
    "user-prefix": Code(
        "note",
        "Words that stand before every question are paid for every time.",
        '`report.fix("user-prefix")` puts them into the system message, once.',
    ),
    "answer-prefix": Code(
        "note",
        "Words that open every answer are learned, and paid for.",
        '`report.fix("answer-prefix")` takes them away if not needed.',
    ),
    "same-answer": Code(
        "warning", "One answer to everything is all that will be learned.", "Add other answers."
    ),
    "open-ended": Code(
        "note",
        "All prompts are empty: the model learns a style, not to answer.",
        "Nothing, if this is what you want.",
    ),
    "no-separator": Code(
        "note",
        "Completion models need a sign where the prompt ends.",
        '`report.fix("no-separator")` adds one.',
    ),
    "no-ending": Code(
        "note",
        "Completion models need a sign where the answer ends.",
        '`report.fix("no-ending")` adds one.',
    ),
    "no-space": Code(
        "note",
        "The older vocabularies put the space before a word, so completions began with one.",
        '`report.fix("no-space")` adds it.',
    ),
    "duplicate": Code(
        "warning",
        "Repeated, it counts double, and leaks if it is also tested.",
        "Keep one of them.",
    ),
    "contradiction": Code(
        "warning",
        "The same question with different answers teaches to guess.",
        "Decide for one answer.",
    ),
    "imbalance": Code(
        "warning",
        "A model learns to say what it saw most often.",
        "Collect more of the rare answers, or use fewer of the common one.",
    ),
    "system-varies": Code(
        "note",
        "The model is tuned to the system message it saw; use the same one afterwards.",
        "Use one, unless you vary it on purpose.",
    ),
}
"""Every code that a report can hold."""


@dataclass(frozen=True)
class Line:
    """One row as it was read: its number (from 1), its value, and what reading it brought up."""

    number: int
    value: Any = None
    problems: tuple[tuple[str, str, str], ...] = ()
    """(code, message, excerpt) for each problem of reading."""
    readable: bool = True


Problem = tuple[str, str, Any]
"""What a check yields: (code, message, the value to quote)."""
