"""What fuzzing found, each as a test of its own."""

from __future__ import annotations

import hashlib
import json
import struct
import tracemalloc
from pathlib import Path

import pytest

from idverify.biometric import codecs
from idverify.biometric.calibration import CalibrationTable
from idverify.biometric.finger import records, template
from idverify.biometric.models import ModelRegistry
from idverify.chip.pki.store_file import StoreFile
from idverify.chip.pki.trust_store import TrustStore
from idverify.decision import Policy
from idverify.errors import ImageError, ModelError, PolicyError, TrustStoreError
from tests.fuzz.targets import CORPUS

NESTED = "[" * 100_000
LONG_NUMBER = "a = " + "9" * 5000
"""int() refuses more than 4300 digits with a ValueError that is no TOMLDecodeError."""


@pytest.mark.parametrize("text", [b'"\\ud800"', b'"\xed\xa0\x80"'], ids=["escaped", "raw"])
def test_a_store_whose_words_cannot_be_written_again_is_no_store(text: bytes) -> None:
    whole = (CORPUS / "store" / "store.idvstore").read_bytes()
    length = int.from_bytes(whole[12:16], "big")
    header, rest = whole[16 : 16 + length], whole[16 + length + 32 :]

    def with_id(encoded: bytes) -> bytes:
        raw = header.replace(b'"' + StoreFile(whole).id.encode() + b'"', encoded)
        return struct.pack(">8sII", b"IDVTRUST", 1, len(raw)) + raw + hashlib.sha256(raw).digest() + rest

    assert StoreFile(with_id(b'"other"')).id == "other"
    with pytest.raises(TrustStoreError, match="cannot be read"):
        StoreFile(with_id(text))


@pytest.mark.parametrize("header", [NESTED, '{"id": "x", "count": 1e999, "sections": {}}'])
def test_a_store_with_an_extreme_header_is_no_store(header: str) -> None:
    raw = header.encode()
    data = struct.pack(">8sII", b"IDVTRUST", 1, len(raw)) + raw + hashlib.sha256(raw).digest()
    with pytest.raises(TrustStoreError):
        StoreFile(data)


def test_a_jpeg_2000_box_of_nearly_two_to_the_64_bytes_ends_early() -> None:
    start = bytes.fromhex("0000000C6A5020200D0A870A")
    box = bytes.fromhex("00000001") + b"uuid" + b"\xff" * 8
    with pytest.raises(ImageError):
        codecs.probe_image(start + box + bytes(64))


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


def store_with(sections: dict[str, bytes]) -> bytes:
    """The corpus's store with some sections replaced and every checksum right."""
    whole = (CORPUS / "store" / "store.idvstore").read_bytes()
    length = int.from_bytes(whole[12:16], "big")
    fields, body, position = json.loads(whole[16 : 16 + length]), b"", 0
    data = whole[16 + length + 32 :]
    for name, entry in sorted(fields["sections"].items(), key=lambda item: item[1][0]):
        part = sections.get(name, data[entry[0] : entry[0] + entry[1]])
        entry[:] = [position, len(part), hashlib.sha256(part).hexdigest() if entry[2] else ""]
        body, position = body + part, position + len(part)
    raw = json.dumps(fields).encode()
    return struct.pack(">8sII", b"IDVTRUST", 1, len(raw)) + raw + hashlib.sha256(raw).digest() + body


def entries_of_unknown_kind() -> bytes:
    whole = (CORPUS / "store" / "store.idvstore").read_bytes()
    length = int.from_bytes(whole[12:16], "big")
    start, size, _ = json.loads(whole[16 : 16 + length])["sections"]["entries"]
    entries = bytearray(whole[16 + length + 32 :][start : start + size])
    entries[12] = 0xFF
    return bytes(entries)


def test_the_store_of_these_tests_is_readable_as_it_is() -> None:
    assert len(list(TrustStore(StoreFile(store_with({}))).entries())) == 1


@pytest.mark.parametrize("sources", [b"1", b"{}", b"null", b'"x"'])
def test_sources_that_are_no_list_are_refused(sources: bytes) -> None:
    with pytest.raises(TrustStoreError):
        StoreFile(store_with({"sources": sources}))


def test_an_entry_of_unknown_kind_is_refused() -> None:
    store = TrustStore(StoreFile(store_with({"entries": entries_of_unknown_kind()})))
    with pytest.raises(TrustStoreError):
        list(store.entries())


def test_minutiae_far_apart_cost_no_picture_of_the_space_between() -> None:
    """A record of 102 bytes spread its minutiae over 16,000 x 16,000 pixels: 1.3 GB and three seconds."""
    raw = bytes.fromhex(
        "464d520020323000000000660000012c019000c500c501000200000c40a5004dca3c40180025303c40bb012a1d3c4103006d133c"
        "402c00ded63c4023007b2e3c411a00d91e3c6e756c6c723c412a001fcb3c40190071173c411d0044943c40d600493c3c0000"
    )
    (view,) = records.decode_record(raw).views
    tracemalloc.start()
    try:
        template.make_template(view)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_both_ways_to_the_hull_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    (view,) = records.decode_record((CORPUS / "records" / "minutiae.fmr").read_bytes()).views
    place = (view.x, -view.y, view.angle, len(view))
    drawn = template._valid_cells(*place)
    monkeypatch.setattr(template, "_MAX_HULL_PIXELS", 0)
    measured = template._valid_cells(*place)
    assert drawn.any()
    assert (drawn != measured).mean() < 0.02  # the picture's distances are approximate
