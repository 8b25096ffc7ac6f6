"""Reading a folder of playbooks: what is refused, and that everything is said at once."""

import pytest

from app.domain.errors import UserErrors
from app.playbooks.kinds import KINDS
from app.playbooks.loader import DEFAULTS, load_playbooks

MINIMAL = 'kind = "reengager"\n'


def problems(path) -> list[tuple[str, str, str]]:
    """(reference, place below the folder, problem) of everything found wrong."""
    with pytest.raises(UserErrors) as caught:
        load_playbooks(path)
    return [
        (error.reference, error.place.removeprefix(f"{path}/"), error.problem)
        for error in caught.value.errors
    ]


def hints(path) -> list[str]:
    with pytest.raises(UserErrors) as caught:
        load_playbooks(path)
    return [error.hint for error in caught.value.errors]


def test_the_shipped_set_loads_and_is_the_default():
    sets = [folder for folder in DEFAULTS.iterdir() if folder.is_dir()]
    apart = [playbook.name for folder in sets for playbook in load_playbooks(folder).playbooks]
    assert sorted(playbook.name for playbook in load_playbooks(None).playbooks) == sorted(apart)
    assert load_playbooks(None).hash == load_playbooks(DEFAULTS).hash


def test_each_shipped_subfolder_is_a_set_of_its_own():
    for subfolder in DEFAULTS.iterdir():
        assert load_playbooks(subfolder).playbooks


def test_the_name_is_the_file_stem_unless_given(folder):
    path = folder(first=MINIMAL, second=MINIMAL + 'name = "other"\ninactivity = { tag = "quiet" }\n')
    assert [playbook.name for playbook in load_playbooks(path).playbooks] == ["first", "other"]


def test_files_in_subfolders_belong_to_the_set_hidden_ones_do_not(folder):
    path = folder(a__one=MINIMAL)
    (path / ".git").mkdir()
    (path / ".git" / "x.toml").write_text("not a playbook")
    assert [playbook.name for playbook in load_playbooks(path).playbooks] == ["one"]


def test_everything_wrong_is_said_at_once_each_with_file_and_key_path(folder):
    path = folder(
        a=MINIMAL + "inactivity = { after = 7, chanels = [] }\ntransfer = { slots_per_day = -1 }\n",
        b='kind = "reeng"\n',
        c="kind = \n",
        policy='quiet = { form = "21:00" }\ncaps = { "1x" = 1 }\n',
    )
    assert problems(path) == [
        (
            "bad-value",
            "a.toml: inactivity.after",
            "7 is no duration; write a whole number and a unit, such as 30s, 20m, 2h, 7d or 3w",
        ),
        ("unknown-key", "a.toml: inactivity.chanels", "unknown key"),
        ("bad-value", "a.toml: transfer.slots_per_day", "-1 is not greater than or equal to 0"),
        ("unknown-kind", "b.toml: kind", "'reeng' is no kind of playbook"),
        ("not-toml", "c.toml", "is no TOML: Invalid value (at line 1, column 8)"),
        ("unknown-key", "policy.toml: quiet.form", "unknown key"),
        (
            "bad-value",
            "policy.toml: caps.1x",
            "'1x' is no duration; write a whole number and a unit, such as 30s, 20m, 2h, 7d or 3w",
        ),
    ]


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("naem = 'x'", "did you mean name?"),
        ("inactivity = { Afte = '7d' }", "did you mean after?"),
        ("setup = { zzz = 1 }", "known here: completed_by, steps"),
        ("transfer = { reset = '17:00' }", "did you mean reset_at?"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(folder, content: str, hint: str):
    assert hints(folder(a=MINIMAL + content)) == [hint]


def test_a_playbook_without_kind_is_refused(folder):
    path = folder(a="name = 'x'")
    assert problems(path) == [("missing-key", "a.toml: kind", "must be given")]
    kinds = ", ".join(f'"{kind}"' for kind in KINDS)
    assert hints(path) == [f"write kind = one of {kinds}"]


def test_two_playbooks_of_one_name_are_refused(folder):
    path = folder(a=MINIMAL, b=MINIMAL + 'name = "a"\ninactivity = { tag = "quiet" }')
    assert [reference for reference, *_ in problems(path)] == ["duplicate-playbook"]


def test_two_re_engagers_of_one_tag_are_refused(folder):
    path = folder(a=MINIMAL, b=MINIMAL)
    assert problems(path) == [
        ("shared-tag", "b.toml: inactivity.tag", f"'inactive' is also the tag of {path / 'a.toml'}")
    ]


def test_an_empty_folder_is_refused(folder):
    assert [reference for reference, *_ in problems(folder())] == ["no-playbooks"]


def test_so_is_one_with_a_policy_only(folder):
    assert [reference for reference, *_ in problems(folder(policy=""))] == ["no-playbooks"]


def test_so_is_what_is_no_folder(tmp_path):
    assert [reference for reference, *_ in problems(tmp_path / "nowhere")] == ["no-such-folder"]


def test_a_policy_in_a_subfolder_is_refused_for_it_would_hold_for_all(folder):
    path = folder(a__one=MINIMAL, a__policy="")
    assert [(reference, place) for reference, place, _ in problems(path)] == [
        ("misplaced-policy", "a/policy.toml")
    ]


def test_a_file_that_is_no_text_is_refused(folder):
    path = folder(a=MINIMAL)
    (path / "b.toml").write_bytes(b"\xff\xfe")
    assert problems(path) == [("not-toml", "b.toml", "is no UTF-8 text")]


def test_a_byte_order_mark_is_forgiven(folder):
    path = folder()
    (path / "a.toml").write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert load_playbooks(path).playbooks
