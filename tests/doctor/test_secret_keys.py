"""Keys are found, by the library and by our patterns, and never shown whole."""

import base64
import json
import random
import string

import pytest

from workbook.doctor import personal_data, secret_keys

DICE = random.Random(3)
WORD = string.ascii_letters + string.digits
UPPER = string.ascii_uppercase + string.digits


def any_of(number: int, letters: str = WORD) -> str:
    return "".join(DICE.choices(letters, k=number))


def web(part: dict) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


# Put together here, so that no program that looks for keys takes this file for a leak.
KEYS = {
    "OpenAI, older": f"sk-{any_of(20)}T3BlbkFJ{any_of(20)}",
    "OpenAI, project": f"sk-proj-{any_of(74, WORD + '-_')}T3BlbkFJ{any_of(74, WORD + '-_')}",
    "OpenAI, service": f"sk-svcacct-{any_of(60, WORD + '-_')}",
    "Anthropic": f"sk-ant-api03-{any_of(93, WORD + '-_')}AA",
    "AWS": f"AKIA{any_of(16, UPPER)}",
    "AWS, for a time": f"ASIA{any_of(16, UPPER)}",
    "AWS secret": f"aws_secret_access_key = '{any_of(40, WORD + '/+')}'",
    "GitHub": f"ghp_{any_of(36)}",
    "GitHub, server": f"ghs_{any_of(36)}",
    "GitHub, fine-grained": f"github_pat_{any_of(22)}_{any_of(59)}",
    "GitLab": f"glpat-{any_of(20)}",
    "Google": f"AIza{any_of(35, WORD + '-_')}",
    "Slack": f"xoxb-{any_of(12, string.digits)}-{any_of(12, string.digits)}-{any_of(24)}",
    "Slack hook": f"https://hooks.slack.com/services/T{any_of(8)}/B{any_of(8)}/{any_of(24)}",
    "Slack app": f"xapp-1-A{any_of(10, UPPER)}-{any_of(13, string.digits)}-{any_of(64, 'ab01')}",
    "Hugging Face": f"hf_{any_of(34)}",
    "Stripe": f"sk_live_{any_of(24)}",
    "Stripe, for tests": f"sk_test_{any_of(24)}",
    "Stripe, restricted": f"rk_live_{any_of(99)}",
    "SendGrid": f"SG.{any_of(22)}.{any_of(43)}",
    "Twilio": f"SK{any_of(32, 'abcdef0123456789')}",
    "Mailchimp": f"{any_of(32, 'abcdef0123456789')}-us12",
    "npm": f"npm_{any_of(36)}",
    "PyPI": f"pypi-AgEIcHlwaS5vcmc{any_of(80)}",
    "Telegram": f"{any_of(9, string.digits)}:{any_of(35)}",
    "Discord": f"M{any_of(23)}.{any_of(6)}.{any_of(27)}",
    "Azure": f"AccountKey={any_of(86)}==",
    "web token": f"{web({'alg': 'HS256', 'typ': 'JWT'})}.{web({'sub': '1'})}.{any_of(43)}",
    "private key": "-----BEGIN RSA PRIVATE KEY-----",
    "in an address": "postgres://ana:s3cretword@db.example.org/shop",
    "said": "contraseña: tigre2026",
    "Square": f"sq0csp-{any_of(43)}",
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_is_found_and_hidden_whole(kind: str) -> None:
    text = f"Use {KEYS[kind]} please."
    assert [entity.is_key for entity in personal_data.find(text)][:1] == [True]
    shown = secret_keys.hide(text)
    assert "[key]" in shown and shown.endswith(" please.") and personal_data.mask(text) == shown
    # What is left of it tells nothing: no piece of it that is long enough to be of use.
    assert not any(
        KEYS[kind][start : start + 12] in shown for start in range(len(KEYS[kind]) - 12)
    ) or kind in ("in an address", "private key")
    assert "s3cretword" not in shown


def test_each_of_the_two_lists_is_needed() -> None:
    own = list(secret_keys.OWN_KEYS.values())
    library = [key.pattern for key in secret_keys._patterns() if key.pattern not in own]
    by_own, by_library = (
        sum(any(pattern.search(key) for pattern in patterns) for key in KEYS.values())
        for patterns in (own, library)
    )
    assert 0 < by_own < len(KEYS) and 0 < by_library < len(KEYS)
