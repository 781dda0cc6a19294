"""EF.SOD's shell and the signed hash list."""

from __future__ import annotations

import contextlib
import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shared import shared
from tests.unit.crypto import der

from idverify.chip.lds.files import FileId
from idverify.chip.lds.sod import EfSod, SecurityObject
from idverify.emulator import signed_data
from idverify.errors import IdVerifyError, MalformedDataError, UnsupportedAlgorithmError

GROUPS = {1: b"first", 2: b"second", 14: b"third"}


@pytest.mark.parametrize("name", ["sha1", "sha224", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("info", [None, ("0108", "040000")])
def test_hash_lists_of_another_writer_are_read_and_written_alike(name: str, info: tuple[str, str] | None) -> None:
    encoded = signed_data.security_object(GROUPS, hash_name=name, lds_version=info)
    parsed = SecurityObject.parse(encoded)
    assert parsed.hash_algorithm == name
    assert parsed.hashes == {n: hashlib.new(name, data).digest() for n, data in GROUPS.items()}
    assert (parsed.lds_version, parsed.unicode_version) == (info or (None, None))
    assert parsed.version == (1 if info else 0)
    assert parsed.encode() == encoded


@pytest.mark.parametrize("version", [2, -1, 255])
def test_unknown_versions_are_refused(version: int) -> None:
    with pytest.raises(MalformedDataError, match="version"):
        SecurityObject.parse(signed_data.security_object(GROUPS, hash_name="sha256", version=version))


def hash_list(*pairs: tuple[int, bytes], algorithm: str = "2.16.840.1.101.3.4.2.1") -> bytes:
    members = (der.sequence(der.element(2, bytes([n])), der.element(4, h)) for n, h in pairs)
    return der.sequence(der.element(2, b"\0"), der.sequence(der.oid(algorithm)), der.sequence(*members))


def test_hostile_hash_lists_are_refused() -> None:
    good = bytes(32)
    assert SecurityObject.parse(hash_list((1, good), (16, good))).hashes.keys() == {1, 16}
    for pairs in (((0, good),), ((17, good),), ((1, good), (1, good)), ((1, good[:-1]),), ((1, b""),)):
        with pytest.raises(MalformedDataError):
            SecurityObject.parse(hash_list(*pairs))
    with pytest.raises(UnsupportedAlgorithmError):
        SecurityObject.parse(hash_list((1, good), algorithm="1.2.840.113549.2.5"))
    with pytest.raises(TypeError):
        SecurityObject.parse(hash_list((1, good))).hashes[2] = b""  # type: ignore[index]


def test_the_shell_is_opened_and_bytes_behind_it_are_counted() -> None:
    inner = der.sequence(b"\x05\x00")
    assert EfSod.parse(EfSod.encode(inner)).cms == inner
    assert EfSod.parse(EfSod.encode(inner) + b"\0\0").trailing == 2
    assert EfSod.parse(EfSod.encode(inner + b"\0")).trailing == 1
    indefinite = b"\x77\x80" + inner + b"\0\0"
    assert EfSod.parse(indefinite).cms == inner
    for bad in (b"", b"\x77", inner, EfSod.encode(inner)[:-1], b"\x77\x00", b"\x77\x02\x30\x05"):
        with pytest.raises(MalformedDataError):
            EfSod.parse(bad)


def test_every_shared_file_gives_the_hashes_of_the_index() -> None:
    for entry in json.loads(shared("vectors/sod/index.json").read_text()):
        if "dg_hashes" not in entry:
            continue
        sod = EfSod.parse(shared("vectors/" + entry["file"]).read_bytes())
        from idverify.chip.pki.cms import SignedData

        content = SecurityObject.parse(SignedData.parse(sod.cms).content)
        assert {str(n): h.hex() for n, h in content.hashes.items()} == entry["dg_hashes"]
        assert content.hash_algorithm == entry["dg_hash_algorithm"]
        assert content.version == entry["lds_security_object_version"]


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_mutated_bytes_give_errors_of_the_tree_only(data: st.DataObject) -> None:
    encoded = bytearray(
        EfSod.encode(signed_data.security_object(GROUPS, hash_name="sha256", lds_version=("0108", "1")))
    )
    for _ in range(data.draw(st.integers(1, 4))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(IdVerifyError):
        SecurityObject.parse(EfSod.parse(bytes(encoded)).cms)


def test_the_file_s_tag_is_the_one_of_the_table() -> None:
    assert EfSod.encode(der.sequence())[0] == FileId.SOD.tag
