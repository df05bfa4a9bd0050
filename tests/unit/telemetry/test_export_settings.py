"""Where telemetry is sent to is an address without secrets; headers' secrets are references."""

import pytest

from pilothouse.config.document import parse
from pilothouse.config.load import Loaded
from pilothouse.config.plan import control_secrets_of
from pilothouse.config.references import Problems, resolve
from pilothouse.config.sections import Configuration
from pilothouse.telemetry.settings import ExportSettings, TelemetrySettings


@pytest.mark.parametrize("endpoint", ["ftp://x", "127.0.0.1:4318", "https://me:secret@example.com"])
def test_an_endpoint_that_is_none_or_holds_a_secret_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="endpoint must"):
        ExportSettings(endpoint=endpoint)


def test_a_header_in_clear_is_refused_and_a_reference_is_kept() -> None:
    text = "telemetry: {export: {headers: {x-key: %s}}}"
    clear = parse(text % "s3cret", "f.yaml")
    problems = Problems(clear)
    resolve(clear, {}, problems)
    assert "must be a reference" in problems.found[0][0]
    assert "s3cret" not in problems.found[0][0]
    named = parse(text % '"${KEY}"', "f.yaml")
    assert resolve(named, {"KEY": "s3cret"}, Problems(named)) == named.value


def test_control_is_handed_the_headers_secrets_and_no_other() -> None:
    export = ExportSettings(endpoint="http://x", headers={"a": "${ONE}", "b": "${TWO}"})
    configuration = Configuration(telemetry=TelemetrySettings(export=export))
    loaded = Loaded(configuration, parse("", "f.yaml"), {})
    handed = control_secrets_of(loaded, {"ONE": "1", "THREE": "3"})
    assert handed == {"ONE": "1"}
