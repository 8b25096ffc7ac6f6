"""How errors are told: one line each, but one for all topics of which the same is wrong."""

from app.cli.telling import report
from app.domain.errors import TopicError, UserError


def missing(topic):
    return TopicError("missing-topic", topic, "there is no such topic", "make it")


def test_what_is_wrong_with_many_topics_alike_is_told_once_with_the_first_of_them_and_how_many_more(capsys):
    report([*map(missing, "abcde"), TopicError("partition-count", "f", "has too many"), missing("g")])
    assert capsys.readouterr().err == (
        "error[missing-topic] a, b, c and 3 more: there is no such topic\n  hint: make it\n"
        "error[partition-count] f: has too many\n"
    )


def test_a_few_are_all_named(capsys):
    report([missing("a"), missing("b"), missing("c")])
    assert capsys.readouterr().err.startswith("error[missing-topic] a, b, c: there")


def test_any_other_mistake_is_told_with_each_of_its_places(capsys):
    report([UserError("missing-key", f"a.toml: {key}", "must be given") for key in "abcde"])
    assert capsys.readouterr().err.count("error[missing-key] a.toml: ") == 5
