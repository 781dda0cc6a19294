"""The published JSON Schema says what the library writes."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import jsonschema
import pytest

from idverify.decision import Outcome
from idverify.report import CheckId, CheckStatus, Reason

SCHEMA: dict[str, Any] = json.loads(
    resources.files("idverify.presentation").joinpath("report.schema.json").read_text(encoding="utf-8")
)


def test_the_schema_is_a_schema_and_knows_every_word() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    check = SCHEMA["properties"]["checks"]["items"]["properties"]
    assert check["check"]["enum"] == [c.value for c in CheckId]
    assert check["status"]["enum"] == [s.value for s in CheckStatus]
    assert SCHEMA["properties"]["decision"]["properties"]["outcome"]["enum"] == [o.value for o in Outcome]


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_a_stable_code(reason: Reason) -> None:
    jsonschema.validate(reason.value, SCHEMA["properties"]["checks"]["items"]["properties"]["reason"])
