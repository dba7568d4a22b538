"""Codes of what can be wrong with one example, but for what is said in it (`of_texts`)."""

from workbook.doctor.codes.code import Code
from workbook.doctor.limits import LONG_TEXT
from workbook.rows.rules import ROLES

ROW_CODES = {
    "form": Code(
        "error",
        "The rows have the form of another tool: they were understood, but no service takes them.",
        "`report.fix()` writes them in the form that is trained on; two answers, `--to dpo`.",
        once=True,
    ),
    "host-form": Code(
        "warning",
        "The rows have the form of one host. They were read as chat; others don't take them so.",
        "Nothing for that host; for others `workbook convert --to chat`.",
        once=True,
        explains=("image-bucket",),
    ),
    "unknown-form": Code(
        "error",
        "What these rows are is known, or guessed, but not how to learn from them.",
        "Say which keys are the question and the answer: --columns prompt=…,completion=….",
        once=True,
        explains=("no-format", "key-case", "unknown-key", "prompt", "completion"),
    ),
    "judged": Code(
        "error",
        "The mark says whether an answer is good. As they stand, the bad ones are learned, too.",
        '`report.fix("judged")` keeps the good ones.',
        once=True,
        explains=("unknown-key",),
    ),
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
    "tool-order": Code(
        "error",
        "The tools' answers come directly after the message that calls them.",
        "Move the answer up, or the message between behind it.",
    ),
    "parallel-calls": Code(
        "error",
        "`parallel_tool_calls` is true or false, and stands beside `tools`.",
        "Write it without quotes, or delete it.",
    ),
    "misplaced-key": Code(
        "error", "The key belongs to a message of somebody else.", "Delete the key here."
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
        "error",
        "Two calls with the same id can't be distinguished.",
        "Give every call an id of its own.",
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
    "image-role": Code(
        "error", "Only a user's message may hold an image.", "Move the part to a user's message."
    ),
    "image-address": Code(
        "error",
        "An image is a public address, or stands in the row as `data:image/…;base64,…`.",
        "Write the address, or the image itself, in this form.",
    ),
    "image-bucket": Code(
        "error",
        "An image in a bucket (gs://, s3://) can be opened by the host of that cloud alone.",
        "Write a public address, or the image itself as `data:image/…;base64,…`.",
    ),
    "prompt-turn": Code(
        "error",
        "An example for reinforcement ends where the model's answer is due: with the user.",
        "Take away what follows the user's last message.",
    ),
    "image-limit": Code(
        "error",
        "Hosts limit the number of images in an example, and the size of each.",
        "Leave images out, or make them smaller.",
    ),
    "image-format": Code(
        "error",
        "A host reads images of some formats only (OpenAI: JPEG, PNG and WebP, in RGB or RGBA).",
        "Save the image in another format.",
    ),
    "tool-limit": Code(
        "error", "Hosts limit the number of tools in an example.", "Leave tools out."
    ),
    "name": Code(
        "error",
        "Names of functions and of speakers are short and plain.",
        "Rename it everywhere: letters, digits, `_` and `-`.",
    ),
    "host-turns": Code(
        "error",
        "This host is strict about whose turn it is.",
        "Join or reorder the messages, or add what is missing.",
    ),
    "reference": Code(
        "error",
        "The reward function of this host reads the key.",
        "Add the key: the answer that you expect, or what it is judged by.",
    ),
    "last-weight": Code(
        "warning",
        "What the example leads to is not learned, only what comes before.",
        "Give the last answer weight 1, or let the example end earlier.",
    ),
    "dpo": Code(
        "error",
        "A preference example has an `input` with `messages`, and two outputs of "
        "one assistant's message each (Azure: several).",
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
}
