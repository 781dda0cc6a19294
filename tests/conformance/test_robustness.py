"""What breaks real readers, one test a line: each against an emulated card that behaves that way.

The number in each name is the line of the project's checklist, which was collected from the reports of users of other
readers. A test says what the library must do: cope, or say clearly what is wrong.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from idverify.chip.access.password import AccessPassword
from idverify.chip.iso7816.limits import LimitMemory
from idverify.chip.lds.dg2 import DG2
from idverify.chip.lds.dg13_vn import CitizenDetails
from idverify.chip.lds.files import FileId
from idverify.chip.lds.images import ImageFormat
from idverify.chip.lds.mrz import MrzFormat
from idverify.chip.session import ReadOptions
from idverify.crypto.block import Cipher
from idverify.emulator import (
    ActiveAuthKey,
    Card,
    ChipAuthSpec,
    CmsQuirks,
    Fault,
    FaultKind,
    PaceOption,
    Quirks,
    Scheme,
    TestPki,
    TravelHolder,
    chip_portrait,
    citizen_card,
    copied_card,
    default_portrait,
    make_key,
    personalise,
    with_active_auth_key,
    with_files,
    with_quirks,
)
from idverify.errors import (
    CardRemovedError,
    IdVerifyError,
    MalformedDataError,
    ProtocolError,
    SecureMessagingError,
    TransportError,
    WrongPasswordError,
)
from idverify.report import CheckId, CheckStatus, Reason
from tests.conformance.reading import open_session, passwords_of, read

OK = CheckStatus.SUCCESSFUL
SIGNED = (CheckId.SOD_SIGNATURE, CheckId.DSC_CHAIN, CheckId.DSC_VALIDITY)


@pytest.fixture(scope="module")
def citizen() -> Card:
    return citizen_card(seed="robustness", aa="secp256r1")


def accepted(card: Card, **options: Any) -> bool:
    """Whether the visit went through, and every signature and hash was right."""
    reading = read(card, **options)
    groups = {group: status for group, status in reading.hashes().items() if group not in ("DG3", "DG4")}
    signed = all(reading.status(check) is OK for check in SIGNED)
    return signed and len(groups) >= 2 and set(groups.values()) == {OK}


@pytest.mark.parametrize("status", [0x6D00, 0x6982, 0x6A82, 0x6A86, 0x9000])
def test_robustness_01_select_mf_refused(citizen: Card, status: int) -> None:
    reading = read(Card(with_quirks(citizen.image, select_mf=status)))
    assert reading.session.access == "pace"
    assert reading.files[FileId.CARD_ACCESS] == citizen.files[FileId.CARD_ACCESS]


@pytest.mark.parametrize("needed", [False, True])
def test_robustness_02_several_pace_infos(needed: bool) -> None:
    options = (PaceOption("GM", 12), PaceOption("GM", 13))
    card = personalise("passport-pace-many", seed=2, pace=options, quirks=Quirks(needs_parameter_id=needed))
    assert read(card).session.access == "pace"


@pytest.mark.parametrize("cipher", [Cipher.DES3, Cipher.AES128, Cipher.AES192, Cipher.AES256])
@pytest.mark.parametrize("mapping", ["GM", "IM"])
def test_robustness_03_pace_with_every_cipher(cipher: Cipher, mapping: Any) -> None:
    card = personalise("passport-pace-im", seed=3, pace=(PaceOption(mapping, 13, cipher),), ca=())
    reading = read(card)
    assert reading.session.stats.cipher == cipher.label
    with pytest.raises(WrongPasswordError):
        open_session(card.fresh(), [AccessPassword.can("000000" if card.can != "000000" else "111111")])


def test_robustness_04_integrated_mapping_only_and_chip_authentication_mapping() -> None:
    for profile in ("passport-pace-im", "passport-pace-cam"):
        assert read(personalise(profile, seed=4)).session.access == "pace"
    bare = personalise("passport-pace-im", seed=4, quirks=Quirks(empty_mapping_data=False))
    assert read(bare).session.access == "pace"


def test_robustness_05_can_and_mrz_as_passwords() -> None:
    card = personalise("eid-eac2", seed=5)
    for password in passwords_of(card):
        assert open_session(card.fresh(), [password]).access == "pace"
    wrong = AccessPassword.mrz("T22000129", "640812", "301031")
    with pytest.raises(WrongPasswordError):
        open_session(card.fresh(), [wrong])


def test_robustness_06_fall_back_to_bac_is_said_and_selects_again(citizen: Card) -> None:
    for quirks in ({"pace_status": 0x6A80}, {"pace_fails_at": 1}):
        card = Card(with_quirks(citizen.image, reselect_before_bac=True, **quirks))
        reading = read(card)
        assert reading.session.access == "bac"
        access = {c.check: c for c in reading.report.checks if c.check.value.startswith("access")}
        assert access[CheckId.ACCESS_PACE].status is CheckStatus.FAILED
        assert access[CheckId.ACCESS_BAC].reason is Reason.FALLBACK_FROM_PACE
    with pytest.raises(IdVerifyError):  # a CAN cannot fall back
        open_session(Card(with_quirks(citizen.image, pace_status=0x6A80)), [AccessPassword.can(citizen.can or "")])


@pytest.mark.parametrize("limit", [255, 192, 128, 64])
@pytest.mark.parametrize("status", [0x6700, 0x6C00])
def test_robustness_07_le_refused(citizen: Card, limit: int, status: int) -> None:
    memory = LimitMemory()
    quirks = {"extended_length": False, "refuse_le_above": limit, "refuse_le_status": status}
    card = Card(with_quirks(citizen.image, **quirks))
    first = read(card, memory=memory).session.stats.apdus
    assert accepted(card.fresh(), memory=memory)
    assert read(card.fresh(), memory=memory).session.stats.apdus <= first


def test_robustness_07_extended_length_refused(citizen: Card) -> None:
    card = Card(with_quirks(citizen.image, extended_length=False))
    assert accepted(card)
    # a card whose ATR promises what it does not keep
    liar = Card(replace(citizen.image, extended_length=True))
    liar._extended = False
    assert accepted(liar)


@pytest.mark.parametrize("style", ["get-response", "wrong-length"])
def test_robustness_08_get_response(citizen: Card, style: Any) -> None:
    assert accepted(Card(with_quirks(citizen.image, responses=style)))
    assert accepted(Card(with_quirks(citizen.image, responses=style, extended_length=False)))


def test_robustness_08_get_response_without_end(citizen: Card) -> None:
    endless = Card(with_quirks(citizen.image, responses="get-response", endless_get_response=True))
    with pytest.raises((MalformedDataError, ProtocolError)):
        open_session(endless)
    assert endless.apdu_count < 5000


@pytest.mark.parametrize("status", [0x6987, 0x6988, 0x6982, 0x6985])
@pytest.mark.parametrize("at", [0, 3, 7])
def test_robustness_09_a_secure_messaging_error_ends_the_session(citizen: Card, status: int, at: int) -> None:
    card = citizen.fresh()
    session = open_session(card, options=ReadOptions(max_recoveries=0))
    card.faults.append(Fault(FaultKind.STATUS, at=card.apdu_count + at, value=status))
    before = card._os
    with pytest.raises(IdVerifyError):
        [session.read(file) for file in (FileId.COM, FileId.SOD, FileId.DG1, FileId.DG13, FileId.DG2)]
    assert before.messaging is None  # nothing was tried again under the dead keys


def test_robustness_09_the_session_opens_anew(citizen: Card) -> None:
    reading = read(Card(with_quirks(citizen.image, sm_fails_at=6)))
    assert reading.session.stats.recoveries == 1
    assert reading.files[FileId.DG2] == citizen.files[FileId.DG2]


@pytest.mark.parametrize("style", ["warn", "short", "exact"])
@pytest.mark.parametrize("block", [100, 223, 231, 4096])
def test_robustness_10_short_last_frame(citizen: Card, style: Any, block: int) -> None:
    card = Card(with_quirks(citizen.image, end_of_file=style))
    assert accepted(card, options=ReadOptions(max_block=block))


def test_robustness_10_a_last_frame_that_is_refused_is_said(citizen: Card) -> None:
    reading = read(Card(with_quirks(citizen.image, end_of_file="refuse")))
    for file in (FileId.DG1, FileId.DG2, FileId.DG13):
        assert reading.files.get(file, citizen.files[file]) == citizen.files[file]
        assert file in reading.files or file in reading.session.unreadable


@pytest.mark.parametrize("status", [0x6982, 0x6A82, 0x6D00, 0x6F00])
def test_robustness_11_ef_dir_and_atr_info_unreadable(status: int) -> None:
    statuses = {FileId.DIR: status, FileId.ATR_INFO: status}
    card = personalise("passport-pace-cam", seed=11, quirks=Quirks(statuses=statuses))
    reading = read(card, options=ReadOptions(master_files=(FileId.DIR, FileId.ATR_INFO)))
    assert reading.session.access == "pace"
    assert reading.status(CheckId.DG_HASH) is OK


@pytest.mark.parametrize("delta", [*range(-8, 0), *range(1, 9)])
def test_robustness_12_declared_length_of_dg2_is_wrong(delta: int) -> None:
    card = citizen_card(seed=12, aa=None, quirks=Quirks(dg2_length_delta=delta))
    reading = read(card)
    raw = reading.files.get(FileId.DG2)
    if raw is None:
        assert FileId.DG2 in reading.session.unreadable  # said, not hidden
    else:
        # what is signed is the whole file: a shorter read does not match, and that is said too
        assert reading.hashes()["DG2"] is (OK if raw == card.files[FileId.DG2] else CheckStatus.FAILED)
        assert DG2.parse(raw).portrait.image[:2] == b"\xff\xd8"
    assert {k: v for k, v in reading.hashes().items() if k not in ("DG2", "DG3")}.keys() == {"DG1", "DG13", "DG14"}


def test_robustness_13_indefinite_length_in_the_sod() -> None:
    card = citizen_card(seed=13, aa=None, quirks=Quirks(sod=CmsQuirks(indefinite_length=True)))
    assert accepted(card)


@pytest.mark.parametrize(
    ("pki", "quirks"),
    [
        ({"dsc_key": "rsa-2048"}, CmsQuirks(plain_rsa=True)),
        ({"dsc_key": "rsa-2048", "dsc_scheme": Scheme("rsa-pss", "sha512", "sha256", 20)}, CmsQuirks()),
        ({"dsc_key": "rsa-2048", "dsc_scheme": Scheme("rsa-pss", "sha384")}, CmsQuirks(digest_null=True)),
        ({"dsc_scheme": Scheme("ecdsa", "sha512")}, CmsQuirks()),
    ],
)
def test_robustness_14_signature_algorithm_comes_from_signer_info(pki: dict[str, Any], quirks: CmsQuirks) -> None:
    card = citizen_card(seed=14, aa=None, pki=TestPki(14, **pki), quirks=Quirks(sod=quirks))
    assert accepted(card)


def test_robustness_15_order_of_signed_attributes_and_content_type() -> None:
    reversed_order = citizen_card(seed=15, aa=None, quirks=Quirks(sod=CmsQuirks(attributes_order="reversed")))
    assert accepted(reversed_order)
    # id-data instead of the LDS security object: the signature holds, but what is signed is not said to be an SOD
    data = citizen_card(seed=15, aa=None, quirks=Quirks(sod=CmsQuirks(content_type="1.2.840.113549.1.7.1")))
    reading = read(data)
    assert reading.failed()[CheckId.SOD_SIGNATURE] is Reason.CONTENT_TYPE
    assert reading.hashes()["DG1"] is OK
    disagree = CmsQuirks(attribute_content_type="1.2.840.113549.1.7.1")
    other = read(citizen_card(seed=15, aa=None, quirks=Quirks(sod=disagree)))
    assert other.status(CheckId.SOD_SIGNATURE) is not OK


@pytest.mark.parametrize("quirks", [CmsQuirks(issuer_strings="printable"), CmsQuirks(signer_by_key_id=True)])
def test_robustness_16_signer_identifier_of_another_form(quirks: CmsQuirks) -> None:
    assert accepted(citizen_card(seed=16, aa=None, quirks=Quirks(sod=quirks)))


@pytest.mark.parametrize("curve", ["brainpoolP256r1", "brainpoolP384r1", "secp256r1", "secp521r1", "brainpoolP224r1"])
def test_robustness_17_explicit_curve_parameters(curve: str) -> None:
    pki = TestPki(17, csca_key=curve, dsc_key=curve, explicit_parameters=True)
    assert accepted(citizen_card(seed=17, aa=None, pki=pki))


def test_robustness_18_missing_csca_link_certificates_country_codes(citizen: Card) -> None:
    stranger = TestPki("stranger", country="DE")
    missing = read(citizen.fresh(), anchors=stranger.trust_anchors)
    assert missing.status(CheckId.DSC_CHAIN) is not OK
    assert {c.reason for c in missing.report.results(CheckId.DSC_CHAIN)} == {Reason.CSCA_NOT_FOUND}
    # an impostor of the same name is no CSCA of this card either
    pki = citizen.image.authority
    assert read(citizen.fresh(), anchors=pki.impostor().trust_anchors).status(CheckId.DSC_CHAIN) is not OK
    # the document was signed under the next CSCA; the store has the old one and the link
    following = pki.issue_csca(2, name=pki.csca_name(2))
    link = pki.issue_link(pki.csca, following)
    signer = pki.issue_dsc(5, issuer=following)
    renewed = citizen_card(seed="robustness", aa=None, pki=pki, signer=signer)
    assert accepted(renewed, anchors=[pki.csca.der, link.der])
    assert read(renewed, anchors=[pki.csca.der]).status(CheckId.DSC_CHAIN) is not OK
    for country in ("VN", "vn", "VNM"):
        card = citizen_card(seed=18, aa=None, pki=TestPki(18, country=country, state="VNM"))
        assert read(card).status(CheckId.ISSUER_MRZ) is OK
    foreign = citizen_card(seed=18, aa=None, pki=TestPki(18, country="LA", state="LAO"))
    assert read(foreign).status(CheckId.ISSUER_MRZ) is CheckStatus.FAILED


@pytest.mark.parametrize("strip", [False, True])
def test_robustness_19_rsa_signatures_with_leading_zeros(strip: bool) -> None:
    pki = TestPki(19, dsc_key="rsa-2048")
    sod = CmsQuirks(leading_zero=True, strip_leading_zero=strip)
    reading = read(citizen_card(seed=19, aa=None, pki=pki, quirks=Quirks(sod=sod)))
    assert reading.status(CheckId.SOD_SIGNATURE) is OK
    card = personalise("passport-aa-rsa", seed=19, aa="rsa-1024", quirks=Quirks(aa_strip_zeros=strip))
    for number in range(6):
        assert read(Card(replace(card.image, seed=number))).status(CheckId.ACTIVE_AUTHENTICATION) is OK


@pytest.mark.parametrize(
    ("kind", "hash_name", "quirks"),
    [
        ("secp256r1", "sha256", Quirks(aa_info=False)),
        ("brainpoolP384r1", "sha384", Quirks()),
        ("secp256r1", "sha256", Quirks(aa_der=True)),
        ("secp256r1", "sha256", Quirks(aa_der=True, aa_info=False)),
        ("rsa-1024", "sha1", Quirks()),
        ("rsa-1024", "sha256", Quirks()),
        ("rsa-1024", "sha512", Quirks()),
        ("rsa-1024", "sha1", Quirks(aa_trailer="explicit")),
        ("rsa-1024", "sha256", Quirks(aa_trailer="implicit")),
        ("rsa-1024", "sha224", Quirks(aa_smaller=True)),
        ("rsa-2048-e3", "sha256", Quirks()),
    ],
)
def test_robustness_20_forms_of_active_authentication(kind: str, hash_name: str, quirks: Quirks) -> None:
    card = personalise("passport-aa-ecdsa", seed=20, aa=kind, aa_hash=hash_name, quirks=quirks)
    assert read(card).status(CheckId.ACTIVE_AUTHENTICATION) is OK
    assert read(copied_card(card)).status(CheckId.ACTIVE_AUTHENTICATION) is CheckStatus.FAILED


def test_robustness_21_chip_authentication_infos_and_success_before_the_first_exchange() -> None:
    def status(quirks: Quirks | None = None, *ca: ChipAuthSpec) -> CheckStatus:
        card = citizen_card(seed=21, aa=None, quirks=quirks, ca=ca or (ChipAuthSpec(),))
        return read(card).status(CheckId.CHIP_AUTHENTICATION)

    assert status() is OK
    assert status(Quirks(ca_info=False)) is OK
    for key_id in (0, 1, 2, 127, 128, 255, 256, 65535):
        assert status(Quirks(ca_key_id=key_id)) is OK
    assert status(None, ChipAuthSpec(key_id=1), ChipAuthSpec("secp256r1", key_id=2)) is OK
    assert status(Quirks(ca_other_key=True)) is CheckStatus.FAILED
    assert status(Quirks(ca_keeps_old_keys=True)) is CheckStatus.FAILED


def test_robustness_22_proofs_count_only_under_signed_keys(citizen: Card) -> None:
    attacker = ActiveAuthKey(make_key("secp256r1", "attacker"))
    swapped = read(with_active_auth_key(citizen, attacker))
    assert swapped.status(CheckId.ACTIVE_AUTHENTICATION) is not OK
    assert {c.reason for c in swapped.report.results(CheckId.ACTIVE_AUTHENTICATION)} == {Reason.KEY_NOT_VOUCHED}
    unsigned = citizen_card(seed=22, aa="secp256r1", quirks=Quirks(sod_missing=(FileId.DG14, FileId.DG15)))
    reading = read(unsigned)
    assert reading.status(CheckId.ACTIVE_AUTHENTICATION) is not OK
    assert reading.status(CheckId.CHIP_AUTHENTICATION) is not OK
    stranger = read(citizen.fresh(), anchors=TestPki("stranger").trust_anchors)
    assert stranger.status(CheckId.ACTIVE_AUTHENTICATION) is not OK
    hidden = read(with_files(citizen, {FileId.DG15: None}))
    assert hidden.failed()[CheckId.ACTIVE_AUTHENTICATION] is Reason.KEY_MISSING


@pytest.mark.parametrize("quirks", [Quirks(dg14_long_lengths=True), Quirks(dg14_trailing=b"\0\0\0"), Quirks(padding=5)])
def test_robustness_23_bytes_as_read_are_hashed(quirks: Quirks) -> None:
    card = citizen_card(seed=23, aa=None, quirks=quirks)
    reading = read(card)
    assert reading.hashes()["DG14"] is OK
    assert reading.status(CheckId.CHIP_AUTHENTICATION) is OK


@pytest.mark.parametrize("form", ["jpeg", "jp2", "j2k"])
@pytest.mark.parametrize("points", [0, 1, 30])
def test_robustness_24_pictures_and_feature_points(form: Any, points: int) -> None:
    picture = chip_portrait(default_portrait(), width=120, height=160, form=form)
    card = citizen_card(seed=24, aa=None, portrait=picture, quirks=Quirks(feature_points=points))
    portrait = DG2.parse(read(card).files[FileId.DG2]).portrait
    assert portrait.image == picture
    assert len(portrait.points) == points
    assert portrait.image_format is {"jpeg": ImageFormat.JPEG, "jp2": ImageFormat.JP2, "j2k": ImageFormat.J2K}[form]


def test_robustness_25_ef_com_lists_what_is_not_there(citizen: Card) -> None:
    extra = citizen_card(seed=25, aa=None, quirks=Quirks(com_extra=(FileId.DG7, FileId.DG11, FileId.DG16)))
    reading = read(extra)
    assert reading.status(CheckId.DG_HASH) is not CheckStatus.FAILED
    assert FileId.DG13 in reading.files
    assert reading.failed()[CheckId.COM_SOD] is Reason.COM_SOD_DIFFER
    unreadable = read(Card(with_quirks(citizen.image, statuses={FileId.DG13: 0x6F00})))
    assert FileId.DG2 in unreadable.files
    assert FileId.DG13 in unreadable.session.unreadable
    missing = read(citizen_card(seed=25, aa=None, quirks=Quirks(com_missing=(FileId.DG13,))))
    assert missing.hashes()["DG13"] is OK  # the SOD says that it is there


@pytest.mark.parametrize("number", ["X1", "L898902C", "AB1234567", "0000000A0"])
@pytest.mark.parametrize("form", [MrzFormat.TD1, MrzFormat.TD2, MrzFormat.TD3])
def test_robustness_26_document_numbers(number: str, form: MrzFormat) -> None:
    holder = TravelHolder.invent(26, document_number=number, form=form)
    card = personalise("passport-bac", seed=26, holder=holder)
    born, expiry = (d.strftime("%y%m%d") for d in (holder.date_of_birth, holder.date_of_expiry))
    assert open_session(card, [AccessPassword.mrz(number, born, expiry)]).access == "bac"
    if form is not MrzFormat.TD3:
        long = holder.but(document_number="D231458907349")
        card = personalise("passport-bac", seed=26, holder=long)
        assert open_session(card, [AccessPassword.mrz("D231458907349", born, expiry)]).access == "bac"


def test_robustness_27_dg2_in_iso_39794() -> None:
    card = citizen_card(seed=27, aa=None, quirks=Quirks(dg2_encoding="39794-5"))
    reading = read(card)
    assert reading.hashes()["DG2"] is OK
    assert reading.files[FileId.DG2] == card.files[FileId.DG2]


@pytest.mark.parametrize("form", ["standard", "bare", "foreign"])
def test_robustness_28_national_dg13(form: Any) -> None:
    card = citizen_card(seed=28, aa=None, quirks=Quirks(dg13_form=form))
    reading = read(card)
    assert reading.hashes()["DG13"] is OK
    raw = reading.files[FileId.DG13]
    if form == "foreign":
        with pytest.raises(MalformedDataError):
            CitizenDetails.parse(raw)
    else:
        assert CitizenDetails.parse(raw).personal_number == card.holder.number


@pytest.mark.parametrize("extended", [False, True])
def test_robustness_29_files_beyond_32767_bytes(extended: bool) -> None:
    portrait = default_portrait() + bytes(range(256)) * 200
    card = personalise("passport-bac", seed=29, portrait=portrait, extended_length=extended)
    reading = read(card)
    assert len(reading.files[FileId.DG2]) > 60000
    assert reading.hashes()["DG2"] is OK


def test_robustness_30_moved_removed_silent(citizen: Card) -> None:
    total = read(citizen.fresh()).session.stats.apdus
    for index in range(0, total, 3):
        for kind in (FaultKind.REMOVE, FaultKind.RESET):
            card = citizen.fresh(faults=[Fault(kind, at=index)])
            try:
                reading = read(card)
            except (TransportError, ProtocolError):
                continue
            assert reading.files[FileId.DG2] == citizen.files[FileId.DG2]
            assert reading.status(CheckId.SOD_SIGNATURE) is OK
            assert card.wrong_keys == 0
    gone = citizen.fresh(faults=[Fault(FaultKind.REMOVE, at=n) for n in range(6, 400)])
    with pytest.raises(CardRemovedError):
        read(gone)


def test_robustness_30_flipped_bits_are_never_believed(citizen: Card) -> None:
    total = read(citizen.fresh()).session.stats.apdus
    for index in range(total):
        card = citizen.fresh(faults=[Fault(FaultKind.FLIP, at=index, value=37 * index + 5)])
        try:
            reading = read(card)
        except (TransportError, ProtocolError, SecureMessagingError, MalformedDataError):
            continue
        for file, raw in reading.files.items():
            assert raw == citizen.files[file] or file is FileId.CARD_ACCESS


@pytest.mark.parametrize(
    "pki",
    [
        {"flaws": {"serial": -77}},
        {"flaws": {"serial": 0}},
        {"csca_scheme": Scheme("ecdsa", null_parameters=True), "dsc_scheme": Scheme("ecdsa", null_parameters=True)},
        {"flaws": {"true_byte": 1}},
        {"country": "vn", "strings": "printable"},
        {"csca_key": "rsa-2048-e3", "dsc_key": "rsa-2048"},
        {"csca_key": "rsa-2048", "hash_name": "sha1"},
    ],
)
def test_robustness_31_certificates_that_are_not_quite_der(pki: dict[str, Any]) -> None:
    assert accepted(citizen_card(seed=31, aa=None, pki=TestPki(31, **pki)))
