"""Holders, files, signatures and attacks: what is personalised is what a verifier finds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify.chip import cccd
from idverify.chip.lds.com import EfCom
from idverify.chip.lds.dg1 import DG1
from idverify.chip.lds.dg2 import DG2
from idverify.chip.lds.dg13_vn import CitizenDetails
from idverify.chip.lds.dg14 import DG14
from idverify.chip.lds.files import FileId
from idverify.chip.lds.mrz import MrzFormat
from idverify.chip.pki.passive_auth import verify_document
from idverify.chip.pki.trust_store import TrustStore
from idverify.emulator import (
    CCCD_CARD_ACCESS,
    PROFILES,
    ActiveAuthKey,
    Card,
    CitizenHolder,
    Quirks,
    TestPki,
    TravelHolder,
    chip_portrait,
    citizen_card,
    default_portrait,
    expired_dsc,
    flip_byte,
    foreign_csca,
    make_key,
    other_dsc,
    personalise,
    with_active_auth_key,
    with_files,
)
from idverify.emulator.holder import expiry_by_law, mrz_information
from idverify.emulator.portrait import image_size
from idverify.errors import ConfigurationError
from idverify.report import CheckId, CheckStatus, VerificationReport

AT = datetime(2026, 6, 1, tzinfo=UTC)
SIGNED = (FileId.DG1, FileId.DG2, FileId.DG13, FileId.DG14, FileId.DG15)


@pytest.fixture(scope="module")
def citizen() -> Card:
    return citizen_card(seed="documents", aa="secp256r1")


def verify(card: Card, anchors: tuple[bytes, ...] | None = None) -> VerificationReport:
    trust = TrustStore.from_certificates(anchors or card.trust_anchors)
    return verify_document(card.files, trust=trust, at=AT)


def failed(report: VerificationReport) -> set[CheckId]:
    return {c.check for c in report.checks if c.status in (CheckStatus.FAILED, CheckStatus.UNDETERMINED)}


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_passes_passive_authentication(name: str) -> None:
    card = personalise(name, seed="passive")
    report = verify(card)
    assert failed(report) == set()
    assert report.status(CheckId.SOD_SIGNATURE) is CheckStatus.SUCCESSFUL
    assert report.status(CheckId.DSC_CHAIN) is CheckStatus.SUCCESSFUL
    assert report.status(CheckId.DG_HASH) is CheckStatus.SUCCESSFUL
    assert report.status(CheckId.ISSUER_MRZ) is CheckStatus.SUCCESSFUL


def test_the_same_seed_gives_the_same_card(citizen: Card) -> None:
    again, other = citizen_card(seed="documents", aa="secp256r1"), citizen_card(seed="other", aa="secp256r1")
    assert citizen.files == again.files
    assert citizen.files[FileId.SOD] != other.files[FileId.SOD]
    assert citizen.mrz != other.mrz
    challenges = [
        card.fresh().process(b"\x00\xa4\x04\x0c\x07\xa0\x00\x00\x02\x47\x10\x01") for card in (citizen, again)
    ]
    assert challenges[0] == challenges[1]


def test_files_of_the_citizen_card(citizen: Card) -> None:
    files = citizen.files
    assert files[FileId.CARD_ACCESS] == CCCD_CARD_ACCESS
    groups = EfCom.parse(files[FileId.COM]).data_groups
    assert [g.label for g in groups] == ["DG1", "DG2", "DG3", "DG13", "DG14", "DG15"]
    mrz = DG1.parse(files[FileId.DG1]).mrz
    details = CitizenDetails.parse(files[FileId.DG13])
    assert mrz.check_digits_ok
    assert cccd.is_citizen_card(mrz)
    assert cccd.cross_check(DG1.parse(files[FileId.DG1]), details).status is CheckStatus.SUCCESSFUL
    assert citizen.can == citizen.holder.number[-6:] == cccd.can_from_number(citizen.holder.number).reveal()
    portrait = DG2.parse(files[FileId.DG2]).portrait
    assert portrait.image == default_portrait()
    assert (portrait.width, portrait.height) == image_size(portrait.image) == (300, 400)
    infos = DG14.parse(files[FileId.DG14]).security_infos
    assert infos.chip_authentication_keys[0].public_key == citizen.image.chip_auth[0].key.spki(explicit=True)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_invented_citizens_are_consistent(seed: int) -> None:
    holder = CitizenHolder.invent(seed)
    number = cccd.parse_number(holder.number)
    assert (number.birth_year, number.sex) == (holder.date_of_birth.year, holder.sex)
    assert number.warnings == ()
    assert holder.number[6:8] == "99"
    assert holder.mrz.check_digits_ok
    assert holder.mrz.problems == ()
    assert CitizenDetails.parse(holder.details.encode()) == holder.details
    assert holder.date_of_expiry is None or holder.date_of_expiry > AT.date()
    qr = cccd.parse_qr(holder.qr)
    assert qr.number.digits == holder.number
    assert mrz_information(holder.mrz.text)[:9] == holder.number[-9:]
    assert CitizenHolder.invent(seed) == holder


def test_known_fields_are_kept() -> None:
    holder = CitizenHolder.invent(1, sex="F", date_of_birth=date(1960, 2, 29), full_name="Đỗ Thị Ứng")
    assert holder.number[3] == "1"
    assert holder.number[4:6] == "60"
    assert holder.date_of_expiry is None
    assert holder.mrz.date_of_expiry == "991231"
    assert (holder.mrz.surname, holder.mrz.given_names) == ("DO", "THI UNG")


@pytest.mark.parametrize(
    ("born", "issued", "expiry"),
    [
        (date(2000, 5, 5), date(2022, 1, 1), date(2025, 5, 5)),
        (date(2000, 5, 5), date(2023, 6, 1), date(2040, 5, 5)),
        (date(1984, 5, 5), date(2022, 1, 1), date(2024, 5, 5)),
        (date(1984, 5, 5), date(2022, 6, 1), date(2044, 5, 5)),
        (date(1963, 5, 5), date(2022, 1, 1), None),
        (date(1972, 2, 29), date(2022, 1, 1), date(2032, 2, 28)),
    ],
)
def test_expiry_by_law(born: date, issued: date, expiry: date | None) -> None:
    assert expiry_by_law(born, issued) == expiry


def test_mrz_information_of_long_numbers() -> None:
    # examples of ICAO 9303-11 appendix D.2
    td2 = "I<UTOSTEVENSON<<PETER<JOHN<<<<<<<<<<D23145890<UTO3407127M95071227349<<<8"
    td1 = "I<UTOD23145890<7349<<<<<<<<<<<3407127M9507122UTO<<<<<<<<<<<2STEVENSON<<PETER<JOHN<<<<<<<<<"
    for text in (td2, td1):
        assert mrz_information(text) == "D23145890734934071279507122"


@pytest.mark.parametrize("form", [MrzFormat.TD1, MrzFormat.TD2, MrzFormat.TD3])
@pytest.mark.parametrize("number", ["X1", "AB12CD", "D23145890"])
def test_documents_of_every_size_open_by_bac(form: MrzFormat, number: str) -> None:
    from tests.emulator.terminal import Terminal

    holder = TravelHolder.invent(1, form=form, document_number=number)
    assert Terminal(personalise("passport-bac", seed=1, holder=holder)).bac().read(1)
    if form is not MrzFormat.TD3:
        long = holder.but(document_number="D231458907349")
        assert Terminal(personalise("passport-bac", seed=1, holder=long)).bac().read(1)


def test_portraits_of_every_kind(citizen: Card) -> None:
    for form in ("jpeg", "jp2", "j2k"):
        picture = chip_portrait(default_portrait(), width=120, height=160, max_bytes=9000, form=form)  # type: ignore[arg-type]
        assert image_size(picture) == (120, 160)
        card = citizen_card(seed=1, aa=None, portrait=picture)
        assert DG2.parse(card.files[FileId.DG2]).portrait.image == picture
    png = b"\x89PNG\r\n\x1a\n"
    with pytest.raises(ConfigurationError):
        citizen_card(seed=1, aa=None, portrait=png)
    with pytest.raises(ConfigurationError):
        chip_portrait(default_portrait(), max_bytes=100)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"\xff\xd8\xff\xc0", b"\xff\x4f\xff\x51\0", b"GIF89a"])
def test_size_of_broken_pictures_is_unknown(data: bytes) -> None:
    assert image_size(data) == (0, 0)


def test_usage_errors() -> None:
    with pytest.raises(ConfigurationError, match="no profile"):
        personalise("nothing")
    with pytest.raises(ConfigurationError, match="CitizenHolder"):
        personalise("cccd-2021", holder=TravelHolder.invent(1))
    with pytest.raises(ConfigurationError, match="no such kind of key"):
        citizen_card(aa="secp1")
    with pytest.raises(ConfigurationError, match="has no DG5"):
        flip_byte(citizen_card(aa=None), FileId.DG5)


# ---- attacks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", SIGNED)
@pytest.mark.parametrize("offset", [-1, -20])
def test_a_flipped_byte_fails_the_hash(citizen: Card, file: FileId, offset: int) -> None:
    report = verify(flip_byte(citizen, file, offset))
    assert CheckId.DG_HASH in failed(report)
    bad = [c.subject for c in report.results(CheckId.DG_HASH) if c.status is CheckStatus.FAILED]
    assert bad == [file.label]


@pytest.mark.parametrize("offset", [-1, -40, 200, 700])
def test_a_flipped_byte_in_the_sod_never_passes(citizen: Card, offset: int) -> None:
    assert failed(verify(flip_byte(citizen, FileId.SOD, offset)))


@pytest.mark.parametrize(
    ("attack", "check"),
    [
        (foreign_csca, CheckId.DSC_CHAIN),
        (expired_dsc, CheckId.DSC_VALIDITY),
        (lambda c: other_dsc(c, key_usage=(5,)), CheckId.DSC_CHAIN),
        (lambda c: with_active_auth_key(c, ActiveAuthKey(make_key("secp256r1", "attacker"))), CheckId.DG_HASH),
        (lambda c: with_files(c, {FileId.SOD: None}), CheckId.SOD_SIGNATURE),
    ],
)
def test_attacks_fail_where_they_should(citizen: Card, attack: Callable[[Card], Card], check: CheckId) -> None:
    attacked = attack(citizen)
    assert attacked.trust_anchors == citizen.trust_anchors
    report = verify(attacked)
    assert report.status(check) is not CheckStatus.SUCCESSFUL


def test_another_document_signer_of_the_same_authority_passes(citizen: Card) -> None:
    assert failed(verify(other_dsc(citizen))) == set()


def test_the_foreign_csca_has_every_name_right(citizen: Card) -> None:
    pki = TestPki("documents", country="VN")
    assert pki.trust_anchors == citizen.trust_anchors
    assert (
        verify(foreign_csca(citizen), pki.impostor().trust_anchors).status(CheckId.DSC_CHAIN) is CheckStatus.SUCCESSFUL
    )


def test_a_key_that_the_sod_leaves_out_is_not_vouched_for() -> None:
    card = citizen_card(seed=2, aa="secp256r1", quirks=Quirks(sod_missing=(FileId.DG15,)))
    report = verify(card)
    hashes = {c.subject: c.status for c in report.results(CheckId.DG_HASH)}
    assert hashes.get("DG15") is not CheckStatus.SUCCESSFUL
    assert hashes["DG14"] is CheckStatus.SUCCESSFUL


def test_replaced_and_dropped_files() -> None:
    quirks = Quirks(replace={FileId.DG13: b"\x6d\x00"}, drop=(FileId.DG2,), com_extra=(FileId.DG7,))
    card = citizen_card(seed=3, aa=None, quirks=quirks)
    assert card.files[FileId.DG13] == b"\x6d\x00"
    assert FileId.DG2 not in card.files
    assert FileId.DG7 in EfCom.parse(card.files[FileId.COM]).data_groups


def test_padding_is_not_hashed() -> None:
    card = citizen_card(seed=3, aa=None, quirks=Quirks(padding=6))
    assert card.files[FileId.DG13].endswith(bytes(6))
    whole = {f: raw[:-6] if f.number else raw for f, raw in card.files.items()}
    trust = TrustStore.from_certificates(card.trust_anchors)
    assert failed(verify_document(whole, trust=trust, at=AT)) == set()


def test_the_emulator_loads_neither_opencv_nor_onnxruntime() -> None:
    code = (
        "import sys; from idverify.emulator import citizen_card; citizen_card(aa=None).process(b'\\0\\xa4\\0\\0');"
        "assert not {'cv2', 'onnxruntime', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
