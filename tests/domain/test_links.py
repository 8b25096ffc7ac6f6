import pytest

from app.domain.links import fill_link


@pytest.mark.parametrize(
    ("template", "link"),
    [
        ("https://example.com", "https://example.com"),
        ("https://example.com/{member_id}?c={company_id}", "https://example.com/m%2F1?c=a%26b"),
        ("x?s={step}", "x?s="),
        ("x?s={missing}", "x?s="),
    ],
)
def test_values_are_url_encoded_and_missing_ones_leave_nothing(template, link):
    assert fill_link(template, {"member_id": "m/1", "company_id": "a&b", "step": None}) == link
