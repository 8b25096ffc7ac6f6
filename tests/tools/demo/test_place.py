"""The settings a demo gives to its worker and to `produce`."""

from pathlib import Path

from app.service.settings import load_settings
from app.tools.demo.place import environment_of


def test_settings_written_to_the_environment_load_as_the_same_settings(tmp_path):
    (tmp_path / "ca.pem").touch()
    settings = load_settings(
        {
            "REENGAGE_BROKER": "one:9092,two:9092",
            "REENGAGE_SECURITY_PROTOCOL": "SASL_SSL",
            "REENGAGE_SASL_MECHANISM": "PLAIN",
            "REENGAGE_SASL_USERNAME": "ana",
            "REENGAGE_SASL_PASSWORD": "secret",
            "REENGAGE_SSL_CAFILE": str(tmp_path / "ca.pem"),
            "REENGAGE_TOPIC_PREFIX": "acme-",
            "REENGAGE_DATA": str(tmp_path / "state"),
            "REENGAGE_GRACE": "500ms",
            "REENGAGE_IDLE": "2h",
        },
        tmp_path,
    )
    assert load_settings(environment_of(settings), tmp_path) == settings


def test_a_relative_path_is_written_so_that_it_holds_in_any_folder(tmp_path):
    settings = load_settings({"REENGAGE_DATA": "state"}, tmp_path)
    assert environment_of(settings)["REENGAGE_DATA"] == str(Path("state").absolute())
