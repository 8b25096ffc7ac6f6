"""Reading a folder of playbooks: what is refused, and that everything is said at once."""

import errno
from pathlib import Path

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


@pytest.mark.parametrize(
    "wrong",
    [
        'kind = "reengager"\nx = 1',
        'kind = "reengager"\ninactivity = { after = 7 }',
        'kind = "reengr"',
        'Kind = "reengager"',
        "",
    ],
)
def test_what_is_wrong_with_a_file_does_not_hide_that_another_has_its_name(folder, wrong: str):
    path = folder(a=wrong, b='kind = "points"\nfloor = 0\nname = "a"')
    assert problems(path)[-1] == ("duplicate-playbook", "b.toml: name", f"'a' is also {path / 'a.toml'}")


def test_an_unknown_key_does_not_hide_keys_that_contradict_each_other(folder):
    path = folder(
        a='kind = "score"\nfoo = 1\nwhen = "< 5"\n'
        'actions = [{ do = "open_workflow", x = 1 }, { do = "open_workflow" }]'
    )
    assert [place for _, place, _ in problems(path)] == [
        "a.toml: actions[0].x",
        "a.toml: foo",
        "a.toml: actions",
    ]


def test_nor_does_a_bad_value_hide_a_floor_above_the_ceiling(folder):
    path = folder(a='kind = "points"\nfloor = 5\nceiling = 1\nscore = 7')
    assert [place for _, place, _ in problems(path)] == ["a.toml: score", "a.toml: floor"]


def test_nor_what_several_playbooks_have_wrong_together(folder):
    path = folder(a=MINIMAL + "x = 1", b=MINIMAL + "x = 1")
    assert [reference for reference, *_ in problems(path)] == ["unknown-key", "unknown-key", "shared-tag"]


def test_nothing_wrong_is_said_twice(folder):
    path = folder(a='kind = "points"\nx = 1\ndecay = { points = 0 }\nfloor = "low"')
    assert len(problems(path)) == len(set(problems(path))) == 4


def test_a_misspelt_kind_does_not_hide_what_else_is_wrong(folder):
    path = folder(a='kind = "scores"\nwhen = "< twenty"\nactions = []', b='Kind = "score"\nwhen = "< 5"')
    assert [(reference, place) for reference, place, _ in problems(path)] == [
        ("unknown-kind", "a.toml: kind"),
        ("bad-value", "a.toml: when"),
        ("bad-value", "a.toml: actions"),
        ("unknown-key", "b.toml: Kind"),
        ("missing-key", "b.toml: actions"),
    ]
    assert (hints(path)[0], hints(path)[3]) == ("did you mean score?", "did you mean kind?")


def test_an_empty_folder_is_refused(folder):
    assert [reference for reference, *_ in problems(folder())] == ["no-playbooks"]


def test_so_is_one_with_a_policy_only(folder):
    assert [reference for reference, *_ in problems(folder(policy=""))] == ["no-playbooks"]


def test_so_is_what_is_no_folder(tmp_path):
    assert [reference for reference, *_ in problems(tmp_path / "nowhere")] == ["no-such-folder"]


def test_a_name_no_folder_can_have_is_no_folder(tmp_path):
    assert [reference for reference, *_ in problems(tmp_path / ("x" * 300))] == ["no-such-folder"]


def test_what_links_to_nothing_or_in_a_circle_is_refused(folder):
    path = folder(a=MINIMAL)
    (path / "b.toml").symlink_to("nowhere.toml")
    (path / "circle").symlink_to("circle")
    (path / "sub").symlink_to("nowhere")
    assert sorted(problems(path)) == [
        ("unreadable-file", "b.toml", "cannot be read: No such file or directory"),
        ("unreadable-file", "circle", "cannot be read: Too many levels of symbolic links"),
        ("unreadable-file", "sub", "cannot be read: No such file or directory"),
    ]
    assert set(hints(path)) == {
        f"it is a link to {target}; remove it, or mend it" for target in ("nowhere", "nowhere.toml", "circle")
    }


@pytest.mark.parametrize("closed", [".", "sub"])
def test_a_folder_that_may_not_be_looked_into_is_refused(folder, monkeypatch, closed: str):
    path = folder(a=MINIMAL, sub__b=MINIMAL)
    refuse(monkeypatch, "iterdir", path / closed)
    assert problems(path)[0][0::2] == ("unreadable-file", "cannot be read: Permission denied")
    assert hints(path) == ["let this user read it"]
    assert len(problems(path)) == 1


def test_so_is_what_may_not_be_looked_at(folder, monkeypatch):
    path = folder(a=MINIMAL, sub__b=MINIMAL)
    refuse(monkeypatch, "stat", path / "sub")
    assert problems(path) == [("unreadable-file", "sub", "cannot be read: Permission denied")]


def refuse(monkeypatch, method: str, path: Path) -> None:
    """Have a method of `Path` fail for one path, as for a user without the right; root has it always."""
    allowed = getattr(Path, method)

    def guarded(self: Path, **keys):
        if self == path:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return allowed(self, **keys)

    monkeypatch.setattr(Path, method, guarded)


def test_hidden_links_and_folders_are_left_alone(folder):
    path = folder(a=MINIMAL, sub__b='kind = "points"\nfloor = 0')
    for hidden in (path / "..data", path / "sub" / ".lock"):
        hidden.symlink_to("nowhere")
    assert [playbook.name for playbook in load_playbooks(path).playbooks] == ["a", "b"]


def test_a_playbook_one_folder_too_deep_is_refused(folder):
    path = folder(a=MINIMAL)
    (path / "sub" / "more").mkdir(parents=True)
    (path / "sub" / "more" / "b.toml").write_text(MINIMAL)
    assert problems(path) == [
        (
            "misplaced-playbook",
            "sub/more/b.toml",
            "lies too deep: playbooks are read from the folder and its subfolders only",
        )
    ]
    assert hints(path) == [f"move it to {path / 'sub'}"]


def test_a_playbook_whose_suffix_has_capitals_is_refused_for_it_would_be_left_out(folder):
    path = folder(a=MINIMAL, sub__b='kind = "points"\nfloor = 0')
    for file in ("y.TOML", "sub/Policy.Toml"):
        (path / file).write_text("")
    (path / "Folder.TOML").mkdir()
    assert problems(path) == [
        ("misplaced-playbook", "y.TOML", "ends in .TOML, and would be left out"),
        ("misplaced-playbook", "sub/Policy.Toml", "ends in .Toml, and would be left out"),
    ]
    assert hints(path) == ["name it y.toml", "name it Policy.toml"]


def test_so_is_one_that_lies_deeper_still_and_a_link_back_up_is_not_followed(folder):
    path = folder(a=MINIMAL)
    deep = path / "sub" / "more" / "still" / "deeper"
    deep.mkdir(parents=True)
    (deep / "b.toml").write_text(MINIMAL)
    (deep / "up").symlink_to(path, target_is_directory=True)
    assert [(reference, place) for reference, place, _ in problems(path)] == [
        ("misplaced-playbook", "sub/more/still/deeper/b.toml")
    ]


def test_a_policy_in_a_subfolder_is_refused_for_it_would_hold_for_all(folder):
    path = folder(a__one=MINIMAL, a__policy="")
    assert [(reference, place) for reference, place, _ in problems(path)] == [
        ("misplaced-policy", "a/policy.toml")
    ]


def test_a_file_that_is_no_text_is_refused(folder):
    path = folder(a=MINIMAL)
    (path / "b.toml").write_bytes(b'kind = "points"\nname = "\xe9"')
    assert problems(path) == [("not-toml", "b.toml", "is no UTF-8 text (at line 2)")]
    assert hints(path) == ["save it as UTF-8"]


def test_a_byte_order_mark_is_forgiven(folder):
    path = folder()
    (path / "a.toml").write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert load_playbooks(path).playbooks
