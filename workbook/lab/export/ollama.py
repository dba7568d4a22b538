"""The Modelfile that makes a GGUF file a model of Ollama; LM Studio reads the GGUF file alone.

Knows Ollama's commands and template language (Go's), into which ChatML is translated; other
templates are not.
"""

from pathlib import Path

from workbook.errors import WorkbookError
from workbook.lab.export.subject import Subject
from workbook.lab.model.chatml import DEFAULT_SYSTEM

_TEMPLATE = (
    "{{- range .Messages }}<|im_start|>{{ .Role }}\n"
    "{{ .Content }}<|im_end|>\n"
    "{{ end }}<|im_start|>assistant\n"
)


def write(subject: Subject, folder: Path, file_name: str) -> None:
    """Write `Modelfile` beside the GGUF file of this name.

    Raises WorkbookError for a base with a chat template of its own.
    """
    if not subject.is_chatml:
        raise WorkbookError(
            f"The chat template of {subject.base} is not ChatML, and is not translated into "
            "Ollama's language. Take the model --to gguf: its template is inside, and Ollama "
            "knows many by sight; check the first answers."
        )
    lines = [
        f"# {subject.id}, from the Fine-Tuning Workbook. ollama create NAME -f Modelfile",
        f"FROM ./{file_name}",
        f'TEMPLATE """{_TEMPLATE}"""',
        f'SYSTEM """{DEFAULT_SYSTEM}"""',
        'PARAMETER stop "<|im_end|>"',
        'PARAMETER stop "<|endoftext|>"',
        "PARAMETER temperature 0",
        "PARAMETER repeat_penalty 1.0",
        f"PARAMETER num_ctx {min(2048, subject.config['max_position_embeddings'])}",
    ]
    (folder / "Modelfile").write_text("\n".join(lines) + "\n", encoding="utf-8")
