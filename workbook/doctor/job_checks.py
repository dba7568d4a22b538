"""What can be wrong with the job that data is for: its suffix, its metadata, its model's day."""

from collections.abc import Iterator, Mapping
from typing import Any

from workbook.doctor.lines import Problem
from workbook.prices import registry


def check(job: Mapping[str, Any], model: str | None) -> Iterator[Problem]:
    """Everything that a service would refuse.

    job: what it will be given: `suffix`, `metadata`, `on` (a date), `azure` (True).
    Raises WorkbookError for an unknown model.
    """
    on_azure = bool(job.get("azure"))
    yield from _suffix(job.get("suffix"), on_azure)
    if not _is_metadata(metadata := job.get("metadata")):
        yield "metadata", "the metadata does not fit", metadata
    if model:
        day = job.get("on") or registry.today()
        if not registry.get(model).is_tunable(day, existing_customer=True):
            yield "model-closed", f"{model} on {day}", ""


def _suffix(suffix: Any, on_azure: bool) -> Iterator[Problem]:
    if suffix is None:
        return
    longest = 18 if on_azure else 64
    if not isinstance(suffix, str) or not 1 <= len(suffix) <= longest:
        yield "suffix", f"the suffix has {len(str(suffix))} characters, not 1 to {longest}", ""
    elif on_azure and "." in suffix:
        yield "suffix", "the suffix holds a dot, which Azure refuses", suffix


def _is_metadata(value: Any) -> bool:
    """Whether it is what OpenAI takes for metadata, or nothing."""
    if value is None:
        return True
    return (
        isinstance(value, Mapping)
        and len(value) <= 16
        and all(
            isinstance(key, str) and isinstance(text, str) and len(key) <= 64 and len(text) <= 512
            for key, text in value.items()
        )
    )
