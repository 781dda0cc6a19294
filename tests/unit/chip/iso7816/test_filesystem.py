"""Reading files: what is read, and with how many commands."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify.chip.iso7816.channel import ChannelStack, Link
from idverify.chip.iso7816.filesystem import (
    FileReader,
    PartialFile,
    read_card_access,
    select_application,
)
from idverify.chip.iso7816.limits import CardLimits
from idverify.chip.lds.files import FileId
from idverify.chip.transport.memory import MAX_SHORT_APDU, MemoryTransport
from idverify.errors import (
    ApplicationNotFoundError,
    CardLockedError,
    FileNotFoundOnCardError,
    MalformedDataError,
    SecurityStatusError,
    StatusWordError,
)
from tests.unit.chip.fakes import FileCard, content


def opened(card: FileCard, *, limits: CardLimits | None = None, application: bool = True, **options: object):
    transport = MemoryTransport(card, max_apdu_size=options.pop("max_apdu_size", 65544))
    stack = ChannelStack(Link(transport), limits or CardLimits())
    channel = stack.plain()
    if application:
        select_application(channel)
    card.log.clear()
    card.raw_log.clear()
    settings_ = {"max_file_size": 1 << 21, "max_block": 4096, **options}
    return FileReader(channel, stack.limits, **settings_), channel, stack


@pytest.mark.parametrize("size", [6, 127, 129, 255, 256, 257, 511, 512, 513, 20_000])
def test_short_reads_take_the_arithmetic_minimum(size: int) -> None:
    card = FileCard({FileId.DG2: content(0x75, size)})
    reader, _, _ = opened(card, max_apdu_size=MAX_SHORT_APDU)
    assert bytes(reader.read(FileId.DG2).data) == card.files[FileId.DG2]
    assert len(card.log) == math.ceil(size / 256)


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(4, 3000).filter(lambda size: size not in (130, 259)),  # no DER object is so long (X.690 §10.1)
    max_le=st.sampled_from([65536, 256, 200, 192, 150, 128, 64]),
    extended=st.booleans(),
    sfi=st.booleans(),
    over_read=st.sampled_from([None, 0x6C00, 0x6700]),
    max_frame=st.sampled_from([65536, 100, 7]),
    probe=st.booleans(),
)
def test_any_card_gives_the_same_bytes(size, max_le, extended, sfi, over_read, max_frame, probe) -> None:
    if over_read == 0x6C00 and size > 255:
        over_read = None  # 6Cxx cannot say more than 256 bytes
    card = FileCard(
        {FileId.DG2: content(0x75, size)},
        max_le=max_le,
        extended=extended,
        sfi=sfi,
        over_read_sw=over_read,
        max_frame=max_frame,
    )
    reader, _, _ = opened(card, probe=65536 if probe else 0)
    partial = reader.read(FileId.DG2)
    assert bytes(partial.data) == card.files[FileId.DG2]
    assert not partial.ended_early


def test_extended_length_is_probed_once_and_used() -> None:
    files = {FileId.DG2: content(0x75, 9000), FileId.DG1: content(0x61, 95)}
    card = FileCard(files)
    reader, _, stack = opened(card, probe=65536)
    assert bytes(reader.read(FileId.DG2).data) == files[FileId.DG2]
    assert stack.limits.extended is True
    assert len(card.log) == math.ceil(9000 / 4096)
    assert card.log[0].le == 4096


def test_without_probing_no_extended_command_goes_out() -> None:
    card = FileCard({FileId.DG2: content(0x75, 9000)})
    reader, _, _ = opened(card)
    reader.read(FileId.DG2)
    assert max(c.le or 0 for c in card.log) == 256


def test_refused_extended_length_is_remembered_for_the_card() -> None:
    card = FileCard({FileId.DG2: content(0x75, 1000)}, extended=False)
    limits = CardLimits()
    reader, _, _ = opened(card, limits=limits, probe=65536)
    reader.read(FileId.DG2)
    assert len(card.raw_log) == 1 + 4  # one refused, then ceil(1000 / 256)
    assert limits.extended is False
    reader, _, _ = opened(card, limits=limits, probe=65536)
    reader.read(FileId.DG2)
    assert len(card.raw_log) == 4


@pytest.mark.parametrize(("max_le", "found"), [(255, 192), (192, 192), (130, 128), (70, 64)])
def test_refused_le_steps_down_and_is_remembered(max_le: int, found: int) -> None:
    card = FileCard({FileId.DG2: content(0x75, 5000)}, max_le=max_le, extended=False)
    limits = CardLimits()
    reader, _, _ = opened(card, limits=limits)
    assert bytes(reader.read(FileId.DG2).data) == card.files[FileId.DG2]
    reader, _, _ = opened(card, limits=limits)
    reader.read(FileId.DG2)
    assert {c.le for c in card.log} <= {found, 5000 % found}


def test_a_card_that_refuses_to_read_past_the_end_gets_the_header_first() -> None:
    files = {FileId.COM: content(0x60, 30), FileId.DG2: content(0x75, 2000)}
    card = FileCard(files, over_read_sw=0x6700)
    limits = CardLimits()
    reader, _, _ = opened(card, limits=limits)
    assert bytes(reader.read(FileId.COM).data) == files[FileId.COM]
    assert limits.over_read is False
    assert limits.max_le > 192, "the length was not too long for the card"
    card.log.clear()
    assert bytes(reader.read(FileId.COM).data) == files[FileId.COM]
    assert [c.le for c in card.log] == [8, 22]


@pytest.mark.parametrize("size", [9, 36, 100, 300])
def test_a_card_that_calls_reading_past_the_end_a_wrong_offset(size: int) -> None:
    files = {FileId.CVCA: b"\x42\x05ABCDE" + bytes(size - 7), FileId.DG1: content(0x61, size)}
    card = FileCard(files, over_read_sw=0x6B00)
    reader, _, _ = opened(card)
    for file in (FileId.DG1, FileId.CVCA):
        assert bytes(reader.read(file).data) == files[file]


def test_files_without_short_identifier_are_selected() -> None:
    card = FileCard({FileId.COM: content(0x60, 30), FileId.DG1: content(0x61, 95)}, sfi=False)
    reader, _, stack = opened(card)
    reader.read(FileId.COM)
    assert [c.ins for c in card.log] == [0xB0, 0xA4, 0xB0]
    assert stack.limits.sfi is False
    card.log.clear()
    reader.read(FileId.DG1)
    assert [c.ins for c in card.log] == [0xA4, 0xB0]


def test_absent_and_refused_files_are_different_errors() -> None:
    card = FileCard({FileId.COM: content(0x60, 30)})
    reader, _, _ = opened(card)
    reader.read(FileId.COM)
    with pytest.raises(FileNotFoundOnCardError):
        reader.read(FileId.DG11)
    card.hook = lambda c: b"\x69\x82" if c.ins == 0xB0 else None
    with pytest.raises(SecurityStatusError) as caught:
        reader.read(FileId.DG3)
    assert caught.value.sw == 0x6982
    assert "DG3" in str(caught.value)


def test_beyond_32767_bytes_odd_read_binary_is_used() -> None:
    card = FileCard({FileId.DG2: content(0x75, 70_000)})
    reader, _, _ = opened(card)
    assert bytes(reader.read(FileId.DG2).data) == card.files[FileId.DG2]
    odd = [c for c in card.log if c.ins == 0xB1]
    even = [c for c in card.log if c.ins == 0xB0]
    assert len(even) == 128  # offsets 0, 256 … 32,512
    assert odd[0].data == bytes.fromhex("54028000")
    assert odd[-1].data[:2] == b"\x54\x03", "offsets beyond 65,535 take three bytes"
    assert (odd[0].p1, odd[0].p2) == (0, 0)
    assert {c.le for c in odd[:-1]} == {256}


def test_padding_behind_the_content_is_cut() -> None:
    whole = content(0x60, 30)
    card = FileCard({FileId.COM: whole + bytes(200)})
    reader, _, _ = opened(card)
    assert bytes(reader.read(FileId.COM).data) == whole


def test_a_file_that_ends_before_its_declared_length_is_marked() -> None:
    card = FileCard({FileId.DG2: content(0x75, 600)[:-40]})
    reader, _, _ = opened(card)
    partial = reader.read(FileId.DG2)
    assert bytes(partial.data) == card.files[FileId.DG2]
    assert partial.ended_early


def test_a_declared_length_beyond_the_cap_is_refused_after_one_command() -> None:
    card = FileCard({FileId.DG2: bytes.fromhex("7584FFFFFFFF") + bytes(500)})
    reader, _, _ = opened(card)
    with pytest.raises(MalformedDataError, match="beyond the cap"):
        reader.read(FileId.DG2)
    assert len(card.log) == 1


def test_a_file_without_end_is_stopped_at_the_cap() -> None:
    card = FileCard({FileId.DIR: b""})
    card.hook = lambda c: bytes(c.le or 0) + b"\x90\x00" if c.ins == 0xB0 else None
    reader, _, _ = opened(card, application=False, max_file_size=5000)
    with pytest.raises(MalformedDataError, match="no end"):
        reader.read(FileId.DIR)
    assert len(card.log) < 30


def test_empty_answers_end_the_file() -> None:
    card = FileCard({FileId.DG2: content(0x75, 600)})
    card.hook = lambda c: b"\x90\x00" if c.ins == 0xB0 and not c.p1 & 0x80 else None
    reader, _, _ = opened(card)
    partial = reader.read(FileId.DG2)
    assert partial.ended_early
    assert len(partial.data) == 256
    assert len(card.log) == 2


def test_indefinite_length_is_read_to_the_end_and_trimmed() -> None:
    inner = b"\x30\x03\x02\x01\x05"
    sod = b"\x77\x80" + inner * 100 + b"\0\0"
    card = FileCard({FileId.SOD: sod + bytes(60)})
    reader, _, _ = opened(card)
    assert bytes(reader.read(FileId.SOD).data) == sod


def test_files_without_outer_object_are_read_to_their_end() -> None:
    card = FileCard({FileId.CVCA: b"\x42\x05ABCDE" + bytes(29)})
    reader, _, _ = opened(card)
    assert bytes(reader.read(FileId.CVCA).data) == card.files[FileId.CVCA]
    assert len(card.log) == 1


@pytest.mark.parametrize("garbage", [b"", b"\x75", b"\x75\x85\1\1\1\1\1\1\1", b"\x1f\xff\xff\xff\xff\xff\1"])
def test_an_unreadable_header_is_malformed_data(garbage: bytes) -> None:
    reader, _, _ = opened(FileCard({FileId.DG2: garbage}))
    with pytest.raises(MalformedDataError):
        reader.read(FileId.DG2)


@pytest.mark.parametrize("sfi", [True, False])
@pytest.mark.parametrize("cut", [100, 300, 40_000])
def test_an_interrupted_read_goes_on_at_its_offset(sfi: bool, cut: int) -> None:
    card = FileCard({FileId.DG2: content(0x75, 50_000)}, sfi=sfi)
    reader, _, stack = opened(card)
    stack.limits.sfi = sfi
    partial = PartialFile(FileId.DG2, bytearray(card.files[FileId.DG2][:cut]), 50_000)
    assert bytes(reader.read(FileId.DG2, partial=partial).data) == card.files[FileId.DG2]
    assert len(card.log) <= 1 + math.ceil((50_000 - cut) / 250)


def test_progress_is_told_after_every_block() -> None:
    card = FileCard({FileId.DG2: content(0x75, 600)})
    seen: list[tuple[int, int | None]] = []
    reader, _, _ = opened(card, on_bytes=lambda p: seen.append((len(p.data), p.total)))
    reader.read(FileId.DG2)
    assert seen == [(256, 600), (512, 600), (600, 600)]


# ---- EF.CardAccess and the application --------------------------------------------------------------------------

ACCESS = bytes.fromhex("31143012060A04007F0007020204020202010202010D")


def card_access(card: FileCard) -> bytes | None:
    reader, channel, _ = opened(card, application=False)
    return read_card_access(reader, channel)


@pytest.mark.parametrize("sw", [0x9000, 0x6D00, 0x6982, 0x6A82, 0x6A86])
def test_card_access_needs_no_master_file(sw: int) -> None:
    card = FileCard({FileId.CARD_ACCESS: ACCESS}, select_mf_sw=sw)
    assert card_access(card) == ACCESS
    assert not any(c.ins == 0xA4 and c.p1 == 0 for c in card.log)
    assert len(card.log) == 1


def test_card_access_by_file_identifier() -> None:
    card = FileCard({FileId.CARD_ACCESS: ACCESS}, sfi=False, select_mf_sw=0x6D00)
    assert card_access(card) == ACCESS
    assert [c.ins for c in card.log] == [0xB0, 0xA4, 0xB0]


@pytest.mark.parametrize("select_mf_sw", [0x9000, 0x6D00])
def test_a_card_that_knows_short_identifiers_is_not_asked_twice_in_one_directory(select_mf_sw: int) -> None:
    card = FileCard({FileId.COM: content(0x60, 30)}, select_mf_sw=select_mf_sw)
    assert card_access(card) is None
    assert [(c.ins, c.p1) for c in card.log] == [(0xB0, 0x9C), (0xA4, 0x00), (0xA4, 0x02)]


def test_card_access_is_found_on_a_card_that_takes_a_short_identifier_for_a_missing_file() -> None:
    card = FileCard({FileId.CARD_ACCESS: ACCESS}, sfi=True, select_mf_sw=0x6D00)
    card.hook = lambda c: b"\x6a\x82" if c.ins == 0xB0 and c.p1 & 0x80 else None
    assert card_access(card) == ACCESS


def test_card_access_behind_another_current_directory_is_found_through_the_master_file() -> None:
    card = FileCard({FileId.CARD_ACCESS: ACCESS, FileId.CVCA: b"\x42\x05ABCDE" + bytes(29)})
    reader, channel, _ = opened(card)  # the application is selected: 011C is EF.CVCA there
    assert read_card_access(reader, channel) == ACCESS


def test_a_card_without_card_access() -> None:
    assert card_access(FileCard({FileId.COM: content(0x60, 30)}, select_mf_sw=0x6D00)) is None
    assert card_access(FileCard({FileId.CARD_ACCESS: b"\0" * 40}, select_mf_sw=0x6D00)) is None


def test_a_missing_application_has_its_own_error() -> None:
    with pytest.raises(ApplicationNotFoundError, match="passport"):
        opened(FileCard({}, application=False))


@pytest.mark.parametrize(
    ("sw", "error"), [(0x6283, CardLockedError), (0x6285, CardLockedError), (0x6982, SecurityStatusError)]
)
def test_other_answers_to_select(sw: int, error: type[Exception]) -> None:
    card = FileCard({})
    card.hook = lambda c: sw.to_bytes(2, "big")
    with pytest.raises(error):
        opened(card)


def test_an_unknown_answer_to_select_says_which() -> None:
    card = FileCard({})
    card.hook = lambda c: b"\x65\x81"
    with pytest.raises(StatusWordError, match="6581"):
        opened(card)
