"""What each host asks of a training file, where hosts differ: read from `data/host_profiles.json`.

A host is one entry there; every rule carries its source, the day it was checked and a confidence.
What is not listed for a host is not known, and not checked. Knows no rows: `host_checks` does.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from workbook import paths
from workbook.errors import WorkbookError
from workbook.prices import registry

RULES: dict[str, str] = {
    "methods": "methods of training",
    "formats": "formats of rows",
    "pairs_apart": "pairs are for completion models only, chat rows for chat models only",
    "roles": "roles",
    "keys": "keys of a chat row",
    "reference_keys": "keys beside `messages` that a row must have",
    "parts": "parts of a message",
    "ends_with_text": "the last message is an answer in words, not a call",
    "strict_turns": "after the system message, user and assistant take turns",
    "answers_in_a_row": "two messages of the assistant in a row",
    "open_calls": "a call that no tool answers",
    "outputs": "roles in the outputs of a preference",
    "tools": "tools an example, at most",
    "function_name": "names of functions",
    "message_name": "names in messages",
    "images": "images an example, at most",
    "image_bytes": "bytes an image, at most",
    "image_formats": "formats of images",
    "image_modes": "modes of images",
    "image_addresses": "images by their address",
    "image_buckets": "images in buckets of its cloud",
    "image_examples": "examples with images, at most",
    "dpo_images": "images in preferences",
    "min_examples": "examples, at least",
    "max_examples": "examples, at most",
    "max_reinforcement_examples": "examples of reinforcement, at most",
    "file_bytes": "bytes a file, at most",
    "line_bytes": "bytes a line, at most",
    "byte_order_mark": "a byte order mark opens the file",
}
"""Every rule in which hosts may differ, in words."""
DEFAULT = "openai"
"""Whose rules hold where no host is named: its format is the one that others follow."""


@dataclass(frozen=True)
class HostRule:
    """One rule of one host, and where it is from."""

    value: Any
    source: str
    url: str
    checked: date
    confidence: str
    note: str = ""


@dataclass(frozen=True)
class Profile:
    """A host and its rules."""

    id: str
    label: str
    vendors: tuple[str, ...]
    """As the registry of models names it."""
    rules: Mapping[str, HostRule]

    def value(self, rule: str) -> Any:
        """What the host asks; None where that is not known. Raises KeyError for no rule."""
        assert rule in RULES, rule
        return self.rules[rule].value if rule in self.rules else None

    @property
    def unknown(self) -> list[str]:
        """The rules of which nothing is known for this host."""
        return [rule for rule in RULES if rule not in self.rules]


@cache
def all_profiles() -> dict[str, Profile]:
    """Every host's profile, by the host's short name."""
    data = json.loads(paths.data("host_profiles.json").read_text(encoding="utf-8"))
    return {id: _profile(id, host, data["sources"]) for id, host in data["hosts"].items()}


def profile(host: str | None = None, model: str | None = None) -> Profile:
    """The profile of a host; where none is named, of the model's, and OpenAI's without either.

    Raises WorkbookError for a host without one, and for an unknown model.
    """
    profiles = all_profiles()
    if host is None and model is not None:
        vendor = registry.get(model).vendor
        host = next((each.id for each in profiles.values() if vendor in each.vendors), None)
    if (name := host or DEFAULT) not in profiles:
        raise WorkbookError(f"No host {name!r}. There are: {', '.join(profiles)}.")
    return profiles[name]


def _profile(id: str, host: Mapping[str, Any], sources: Mapping[str, Any]) -> Profile:
    rules = {}
    for name, rule in host["rules"].items():
        source = sources[rule["source"]]
        rules[name] = HostRule(
            value=rule["value"],
            source=source["title"],
            url=source["url"],
            checked=date.fromisoformat(rule["checked"]),
            confidence=rule["confidence"],
            note=rule.get("note", ""),
        )
    return Profile(id, host["label"], tuple(host["vendors"]), rules)
