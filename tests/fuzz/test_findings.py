"""What fuzzing found, each as a test of its own."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import pytest

from idverify.biometric.calibration import CalibrationTable
from idverify.biometric.models import ModelRegistry
from idverify.chip.pki.store_file import StoreFile
from idverify.decision import Policy
from idverify.errors import ModelError, PolicyError, TrustStoreError

NESTED = "[" * 100_000
LONG_NUMBER = "a = " + "9" * 5000
"""int() refuses more than 4300 digits with a ValueError that is no TOMLDecodeError."""


@pytest.mark.parametrize("header", [NESTED, '{"id": "x", "count": 1e999, "sections": {}}'])
def test_a_store_with_an_extreme_header_is_no_store(header: str) -> None:
    raw = header.encode()
    data = struct.pack(">8sII", b"IDVTRUST", 1, len(raw)) + raw + hashlib.sha256(raw).digest()
    with pytest.raises(TrustStoreError):
        StoreFile(data)


@pytest.mark.parametrize("text", [LONG_NUMBER, "a = " + NESTED], ids=["digits", "nesting"])
def test_an_extreme_policy_file_is_malformed(tmp_path: Path, text: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(PolicyError):
        Policy.from_toml(path)


def test_an_extreme_manifest_is_malformed(tmp_path: Path) -> None:
    path = tmp_path / "manifest.toml"
    path.write_text(LONG_NUMBER)
    with pytest.raises(ModelError):
        ModelRegistry(path)


def test_an_infinite_count_is_no_calibration() -> None:
    fields = dict.fromkeys(("id", "model", "model_sha256", "metric", "data", "protocol", "interval"), "x")
    text = json.dumps({**fields, "points": [], "genuine": 1, "impostor": 1}).replace('"genuine": 1', '"genuine": 1e999')
    with pytest.raises(ModelError):
        CalibrationTable.from_json(text)
