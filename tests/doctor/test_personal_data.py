"""Personal data is found and masked; ordinary text is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from row_strategies import FAST

from workbook.doctor import personal_data, secret_keys

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


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert personal_data.find(text) == [] and secret_keys.hide(text) == text


@pytest.mark.parametrize("text", PHONES)
def test_a_phone_number_is_found(text: str) -> None:
    assert [entity.kind for entity in personal_data.find(text)] == ["phone"]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Call +55 11 91234-5678 now", "Call [phone] now"),
        ("ana@example.org, ben.b@mail.example.com", "[e-mail], [e-mail]"),
        ("key sk-proj-abcdefghijklmnopqrstuvwx!", "key [key]!"),
        ("card 4111 1111 1111 1111.", "card [card number]."),
        ("IBAN DE89 3704 0044 0532 0130 00", "IBAN [bank account]"),
        ("In 2026 it cost 1234567 euros", "In 2026 it cost 1234567 euros"),
        ("ANA and Anabel met @ana", "[name] and Anabel met [name]"),
    ],
)
def test_a_mask(text: str, masked: str) -> None:
    assert personal_data.mask(text, ["Ana"]) == masked


@pytest.mark.parametrize(
    "number",
    [
        "GB29 NWBK 6016 1331 9268 19",
        "BR97 0036 0305 0000 1000 9795 493P 1",
        "NO93 8601 1117 947",
        "AO06 0044 0000 6729 5030 1010 2",  # not in SWIFT's registry, but in use
        "MZ59 0003 0108 0016 3671 0237 1",
    ],
)
def test_an_account_number_of_any_country_is_found(number: str) -> None:
    for text in (number, number.replace(" ", "")):
        assert [entity.kind for entity in personal_data.find(f"Pay {text}.")] == ["bank account"]
        damaged = text[:-1] + ("7" if text[-1] != "7" else "8")
        assert "bank account" not in [entity.kind for entity in personal_data.find(damaged)]


@FAST
@given(st.text(st.sampled_from("0123456789"), min_size=12, max_size=18))
def test_a_card_number_has_its_check_digit(digits: str) -> None:
    """Of the ten last digits one makes a card number, as ISO/IEC 7812 counts."""
    doubled = [int(digit) * 2 for digit in digits[::-2]]
    total = sum(map(int, digits[-2::-2])) + sum(number - 9 * (number > 9) for number in doubled)
    check_digit = str(-total % 10)
    for last in "0123456789":
        kinds = [entity.kind for entity in personal_data.find(digits + last)]
        is_card = last == check_digit and len(set(digits + last)) > 1
        assert ("card number" in kinds) == is_card
