"""A training step as OpenAI tells of it: the sentence of its event, and the numbers.

Knows the names that metrics have there; knows nothing of records or of how they were measured.
"""

from typing import Any

_OWN = {"type", "step", "epoch", "seconds"}  # of a line of the progress; the rest is metrics
# Numbers of a reinforcement step that its event has within others.
_NESTED = {"graders", "valid_graders", "valid_errors"}


def message(entry: dict[str, Any], total: int) -> str:
    """Of a step's event.

    total: steps of the job.
    """
    if "train_loss" in entry:
        text = f"Step {entry['step']}/{total}: training loss={entry['train_loss']:.2f}"
        if "valid_loss" in entry:
            text += f", validation loss={entry['valid_loss']:.2f}"
        return text
    parts = []
    if "train_reward_mean" in entry:
        parts.append(f"train mean reward={entry['train_reward_mean']:.2f}")
    if "valid_reward_mean" in entry:
        parts.append(f"full validation mean reward={entry['valid_reward_mean']:.2f}")
        errors = entry["full_valid_mean_parse_error"]
        parts.append(f"full validation mean parse error={errors:.2f}")
    # The blank before the comma is OpenAI's own: its guide on reinforcement shows such an event.
    return f"Step {entry['step']}/{total} , {', '.join(parts)}"


def data(entry: dict[str, Any], total: int) -> dict[str, Any]:
    """Of a step's event: what was measured."""
    begin = {"step": entry["step"], "total_steps": total}
    if "train_loss" in entry:
        return begin | {k: v for k, v in entry.items() if k.startswith(("train_", "valid_"))}
    scores = {
        "graders": [
            {"name": name}
            | {
                f"{kind}_reward_mean": entry[key][name]
                for kind, key in (("train", "graders"), ("valid", "valid_graders"))
                if name in entry.get(key, {})
            }
            for name in sorted(entry.get("graders", {}) | entry.get("valid_graders", {}))
        ],
    } | {name: entry[name] for name in ("train_reward_mean", "valid_reward_mean") if name in entry}
    errors = dict(entry.get("errors", {}))
    for name, count in entry.get("valid_errors", {}).items():
        errors[f"valid_{name}"] = count
    metrics = {k: v for k, v in entry.items() if k not in _OWN | _NESTED}
    return begin | metrics | {"scores": scores, "errors": errors}


def stop(entry: dict[str, Any]) -> str:
    """Of the event that tells why a reinforcement job ended before its last step."""
    return (
        f"Stopped early after step {entry['step']}: in the last {entry['window']} steps hardly any "
        "prompt had answers with different rewards, and from equal rewards nothing is learned. "
        "Where the rewards are low, start from a model that is right now and then, or reward "
        "answers that are half right; where they are high, the work is done."
    )
