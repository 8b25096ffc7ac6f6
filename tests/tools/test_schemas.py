"""`reengage schemas check` and the release of a schema."""

import json
import shutil

import pytest

from app.domain.errors import UserError
from app.tools.schemas import check, release
from app.wire.schemas import SchemaStore, schemas_folder


@pytest.fixture
def folder(tmp_path):
    """A copy of the shipped schemas, to change."""
    return shutil.copytree(schemas_folder(), tmp_path / "schemas")


def change(folder, name, edit):
    """Edit a current schema; `edit` gets its fields by name, and the whole."""
    path = folder / f"{name}.avsc"
    source = json.loads(path.read_text())
    edit({field["name"]: field for field in source["fields"]}, source)
    path.write_text(json.dumps(source))


def add(field):
    return lambda _, source: source["fields"].append(field)


REGION = {"name": "region", "type": ["null", "string"], "default": None, "doc": "Where."}


def test_the_shipped_schemas_read_every_released_version_and_are_released():
    assert [str(error) for error in check()] == []


class TestIncompatible:
    @pytest.mark.parametrize(
        ("name", "edit", "problem"),
        [
            (
                "CompanyStatus",
                add({"name": "region", "type": "string"}),
                "region: the field is new and has no default",
            ),
            (
                "Activity",
                lambda fields, _: fields["channel"]["type"]["symbols"].remove("WEB"),
                "channel: enum symbols are gone: {'WEB'}",
            ),
            (
                "PoolCapacity",
                lambda fields, _: fields["slots_per_day"].update(type="string"),
                "slots_per_day: reader type: string not compatible with writer type: long",
            ),
            (
                "ScoreCommand",
                lambda fields, _: fields["points"].update(type="long", default=0),
                "points: reader type: long not compatible with writer type: null",
            ),
            (
                "Activity",
                lambda fields, _: fields["attributes"]["type"]["values"].remove("double"),
                "attributes: reader union lacking writer type: DOUBLE",
            ),
            (
                "MemberSnapshot",
                lambda fields, _: fields["transfer"]["type"]["fields"].append({"name": "x", "type": "long"}),
                "transfer: fields are new and have no default: x",
            ),
        ],
    )
    def test_a_change_that_cannot_read_what_was_released_is_reported(self, folder, name, edit, problem):
        change(folder, name, edit)
        (error,) = check(folder)
        assert error.reference == "schema-incompatible"
        assert error.problem == f"it cannot read what was written with released version 0001: {problem}"
        assert error.place.endswith(".avsc")
        assert error.exit_code == 1

    def test_every_released_version_counts_not_only_the_newest(self, folder):
        change(folder, "CompanyStatus", add(REGION))
        release(folder)
        change(folder, "CompanyStatus", lambda _, source: source["fields"].remove(source["fields"][-1]))
        change(folder, "CompanyStatus", add({**REGION, "type": "string", "default": ""}))
        (error,) = check(folder)
        assert (
            "released version 0002: region: reader type: string not compatible with writer type: null"
            in error.problem
        )
        change(folder, "CompanyStatus", lambda fields, _: fields["region"].pop("default"))
        assert [error.problem.partition(": ")[0][-4:] for error in check(folder)] == ["0001", "0002"]


class TestRelease:
    def test_a_changed_schema_is_reported_until_it_is_released(self, folder):
        change(folder, "CompanyStatus", add(REGION))
        (error,) = check(folder)
        assert error.reference == "schema-not-released"
        assert error.problem == "it differs from its newest released version, 0001"
        assert release(folder) == [folder / "released" / "CompanyStatus" / "0002.avsc"]
        assert check(folder) == []
        assert release(folder) == []
        assert len(SchemaStore(folder).released("CompanyStatus")) == 2

    def test_words_may_change_without_a_release(self, folder):
        change(folder, "CompanyStatus", lambda fields, _: fields["status"].update(doc="Other words."))
        assert check(folder) == []

    def test_a_changed_default_needs_one(self, folder):
        change(folder, "ScoreCommand", lambda fields, _: fields["score"].update(default="other"))
        assert [error.reference for error in check(folder)] == ["schema-not-released"]

    def test_a_record_never_released_is_reported_and_gets_its_first_version(self, folder):
        shutil.rmtree(folder / "released" / "Activity")
        (error,) = check(folder)
        assert error.problem == "it was never released"
        assert release(folder) == [folder / "released" / "Activity" / "0001.avsc"]

    def test_nothing_is_released_while_anything_is_incompatible(self, folder):
        change(folder, "CompanyStatus", add(REGION))
        change(folder, "PoolCapacity", lambda fields, _: fields["slots_per_day"].update(type="string"))
        with pytest.raises(UserError, match="schema-incompatible"):
            release(folder)
        assert not (folder / "released" / "CompanyStatus" / "0002.avsc").exists()


class TestFiles:
    def test_a_missing_schema_is_reported(self, folder):
        (folder / "Activity.avsc").unlink()
        (error,) = check(folder)
        assert (error.reference, error.place) == ("schema-missing", str(folder / "Activity.avsc"))

    def test_released_versions_of_a_record_that_is_gone_are_reported(self, folder):
        shutil.copytree(folder / "released" / "Activity", folder / "released" / "Visit")
        (error,) = check(folder)
        assert (error.reference, error.exit_code) == ("schema-withdrawn", 1)

    @pytest.mark.parametrize("place", ["Activity.avsc", "released/Activity/0001.avsc"])
    def test_damaged_files_are_reported_and_the_others_still_checked(self, folder, place):
        (folder / place).write_text("{")
        change(folder, "PoolCapacity", lambda fields, _: fields["slots_per_day"].update(type="string"))
        errors = check(folder)
        assert [error.reference for error in errors] == ["bad-schema", "schema-incompatible"]
        assert errors[0].place == str(folder / place)
