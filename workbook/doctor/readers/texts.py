"""Plain text, one example a line, and WhatsApp exports, which are read as a whole."""

from collections.abc import Iterator

from workbook.doctor.lines import Line
from workbook.doctor.readers import consent, whatsapp
from workbook.doctor.readers.bounded_lines import bounded_lines, too_long
from workbook.doctor.readers.data_file import DataFile
from workbook.rows.rules import MAX_LINE


def text_rows(file: DataFile) -> Iterator[Line]:
    """Each line that is not empty, as a completion without a prompt."""
    with file.open_text() as stream:
        for number, text in enumerate(bounded_lines(stream), start=1):
            if len(text) > MAX_LINE:
                yield too_long(number, text)
            elif text.strip():
                yield Line(number, {"prompt": "", "completion": text.rstrip("\r\n")})


def whatsapp_rows(file: DataFile) -> Iterator[Line]:
    """Each conversation under the number of its first line."""
    with file.open_text() as stream:
        chat = whatsapp.parse(stream, file.options.get("date_order"))
    file.problems.extend(chat.problems)
    options = {
        name: value
        for name, value in file.options.items()
        if name in ("assistant", "gap_hours", "mask", "system")
    }
    without = file.options.get("without", ())
    left_out = consent.absent(chat, file.options.get("consent"), without)
    gap_hours = options.get("gap_hours", whatsapp.GAP_HOURS)
    file.problems.extend(consent.notes(left_out, chat.conversations_of(left_out, gap_hours)))
    file.problems.append(chat.sides(options.get("assistant")))
    for number, row in chat.examples(**options, without=left_out):
        yield Line(number, row)
    if chat.unanswered:
        message = (
            f"left out: messages that nobody answered, or that answer nobody ({chat.unanswered})"
        )
        file.problems.append(("lost-value", message, ""))
