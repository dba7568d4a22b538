"""Keys and personal data are found, by the libraries and by our patterns; ordinary text is not."""

import base64
import json
import random
import string

import pytest

from workbook.doctor import personal_data

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
ORDINARY = [
    "The price is 1,299.00 EUR, order 4155552671, invoice 2026-000123456.",
    "Call me about order 2026-11-21-0042 tomorrow.",
    "Call 5 of 12 at 10 30 20?",
    "Call the function with 123 456 789 rows.",
    "task-force-international-committee-2026",
    "https://example.com/a-very-long-path/with-many-words-2026/index.html?order=123456789",
    "APARTAMENTOS EN MADRID, APERTURA2026",
    "2026-11-21T06:25:00+00:00",
    "Tel Aviv 2026: 12 345 678 people",
    "ISBN 978-3-16-148410-0",
    "The total was 1 234 567 and 2 345 678.",
    "id 123e4567-e89b-12d3-a456-426614174000",
    "sha256 " + "ab12" * 16,
    "Password: ________",
    "Forgot your password? Click here.",
    "Llame por el pedido 12345678.",
    "Score 12-15, 15-12, 30-28",
    "Cell 12 34 56 of the table",
    "Coordinates +40.416775 -3.703790",
    "2147483647 and 4294967296",
    "Tracking 1Z999AA10123456784",
    "data:image/png;base64," + "iVBORw0KGgo" * 20,
    "Desk-top, sk-ip and task-based-work-in-2026-for-everybody",
    "a:b@c",
    "R$ 1.234,56 a 12x",
]
PHONES = [
    "Call (415) 555-2671 now.",
    "Mi móvil es 612 345 678.",
    "Me liga no 11 91234-5678",
    "WhatsApp: 55 1234 5678",
    "phone 020 7946 0958",
    "+55 11 91234-5678",
]


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_is_found_and_hidden_whole(kind: str) -> None:
    text = f"Use {KEYS[kind]} please."
    assert [each.secret for each in personal_data.find(text)][:1] == [True]
    shown = personal_data.hide(text)
    assert "[key]" in shown and shown.endswith(" please.") and personal_data.mask(text) == shown
    # What is left of it tells nothing: no piece of it that is long enough to be of use.
    assert not any(
        KEYS[kind][start : start + 12] in shown for start in range(len(KEYS[kind]) - 12)
    ) or kind in ("in an address", "private key")
    assert "s3cretword" not in shown


def test_each_of_the_two_lists_is_needed() -> None:
    own = list(personal_data.OWN_SECRETS.values())
    library = [pattern for _, pattern, _ in personal_data._patterns() if pattern not in own]
    by_own, by_library = (
        sum(any(pattern.search(key) for pattern in its) for key in KEYS.values())
        for its in (own, library)
    )
    assert 0 < by_own < len(KEYS) and 0 < by_library < len(KEYS)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert personal_data.find(text) == [] and personal_data.hide(text) == text


@pytest.mark.parametrize("text", PHONES)
def test_a_phone_number_is_found(text: str) -> None:
    assert [each.kind for each in personal_data.find(text)] == ["phone"]
