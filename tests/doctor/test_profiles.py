"""The profiles of hosts: one entry of data each, every rule with its source."""

from datetime import date

import pytest

from workbook.doctor import profiles
from workbook.errors import WorkbookError

ALL = profiles.all_profiles()


def test_the_hosts_that_the_course_speaks_of_have_a_profile() -> None:
    assert {"openai", "azure", "bedrock-rft", "vertex", "nebius", "together", "lab"} <= set(ALL)


@pytest.mark.parametrize("host", ALL)
def test_every_rule_of_a_host_is_known_and_says_where_it_is_from(host: str) -> None:
    for name, rule in ALL[host].rules.items():
        assert name in profiles.RULES, f"no check reads {name}"
        assert rule.source and rule.url.startswith("https://")
        assert date(2026, 1, 1) <= rule.checked
        assert rule.confidence in ("A", "B", "C")


@pytest.mark.parametrize("host", ALL)
def test_what_is_not_known_of_a_host_is_said_and_has_no_value(host: str) -> None:
    profile = ALL[host]
    assert profile.unknown
    assert all(profile.value(rule) is None for rule in profile.unknown)
    assert not set(profile.unknown) & set(profile.rules)


def test_a_host_without_a_profile_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(WorkbookError, match=r"No host 'mistral'.*azure.*lab"):
        profiles.profile("mistral")


def test_openai_is_the_host_where_none_is_named() -> None:
    assert profiles.profile().id == "openai"
