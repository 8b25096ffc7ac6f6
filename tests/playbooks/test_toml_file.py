"""TOML files: what is forgiven, and that whatever is refused is refused in words."""

import tomllib

import pytest

from app.playbooks.toml_file import load_toml, unusable


def load(tmp_path, document: str):
    (tmp_path / "a.toml").write_text(document, "utf-8")
    return load_toml(tmp_path / "a.toml")


@pytest.mark.parametrize(
    ("content", "reference", "hint"),
    [
        (b"a = 1\nb = c", "not-toml", 'key = "text"'),
        (b"a = " + b"9" * 5000, "not-toml", "leave it out"),
        (b'a = "\xe9"', "not-toml", "UTF-8"),
        (None, "unreadable-file", "is the name right"),
    ],
)
def test_what_is_wrong_with_one_is_told_with_the_likely_fix(tmp_path, content, reference, hint):
    path = tmp_path / "a.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises((OSError, ValueError)) as caught:
        load_toml(path)
    said = unusable("a.toml", caught.value)
    assert (said.reference, said.place) == (reference, "a.toml")
    assert hint in said.hint


def test_a_byte_order_mark_is_forgiven(tmp_path):
    assert load(tmp_path, "\ufeffx = 1") == {"x": 1}


@pytest.mark.parametrize("depth", [60, 500, 5000])
@pytest.mark.parametrize("shape", ["x = {open}{close}", "x = {tables}1{ends}", "x{dotted} = 1"])
def test_what_is_nested_too_deep_is_no_toml_of_ours(tmp_path, depth: int, shape: str):
    document = shape.format(
        open="[" * depth,
        close="]" * depth,
        tables="{ a = " * depth,
        ends=" }" * depth,
        dotted=".a" * depth,
    )
    with pytest.raises(tomllib.TOMLDecodeError, match="in each other more than 50 deep"):
        load(tmp_path, document)


@pytest.mark.parametrize(
    "number", ["9" * 5000, "9" * 1300, "0x" + "f" * 5000, "[{ a = -" + "1" * 2000 + " }]"]
)
def test_a_number_nobody_could_show_is_no_toml_of_ours(tmp_path, number: str):
    with pytest.raises(tomllib.TOMLDecodeError, match="more than a thousand digits"):
        load(tmp_path, f"x = {number}")


def test_a_number_too_large_for_any_key_is_for_that_key_to_refuse(tmp_path):
    assert load(tmp_path, "x = 99999999999999999999") == {"x": 99999999999999999999}
