import pytest

from tracking.recipients import normal_email, normal_phone


@pytest.mark.parametrize(
    ("text", "region", "stored"),
    [
        ("(415) 555-2671", "US", "+14155552671"),
        ("tel:+1-415-555-2671", "GB", "+14155552671"),
        ("‪+44 20 7946 0958‬", "US", "+442079460958"),
        ("+٤٤ ٢٠ ٧٩٤٦ ٠٩٥٨", "US", "+442079460958"),
        ("020 7946 0958", "GB", "+442079460958"),
        ("+447700900123", "US", "+447700900123"),
        ("07700 900123", "GB", "+447700900123"),
        ("+1 555 555 0123", "US", "+15555550123"),
    ],
)
def test_phone_is_stored_in_e164(text: str, region: str, stored: str) -> None:
    assert normal_phone(text, region) == stored


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not a phone number"),
        ("call me", "is not a phone number"),
        ("911", "wrong number of digits"),
        ("1-800-356-9377", "toll-free"),
        ("1-900-555-0199", "premium|in use"),
        ("+14155552671;ext=5", "extension"),
        ("123 456 7890", "in use"),
        ("9" * 60, "too long"),
    ],
)
def test_phone_that_no_text_reaches_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        normal_phone(text, "US")


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        (" Anna.Bell@Example.COM ", "Anna.Bell@example.com"),
        ("jo@bücher.example", "jo@xn--bcher-kva.example"),
        ("anna@town.test", "anna@town.test"),
    ],
)
def test_email_is_stored_with_an_ascii_domain(text: str, stored: str) -> None:
    assert normal_email(text) == stored


@pytest.mark.parametrize("text", ["", "anna", "anna@", "@x.org", "a b@x.org", "anna@x.org\nBcc: all@x.org", "ü@x.org"])
def test_email_that_cannot_be_written_to_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        normal_email(text)
