"""How real chips and documents deviate: every switch of the emulator in one place.

Where the deviations that break readers are played (numbers as in ``tests/conformance/test_robustness.py``):

==  ====================================================================================================
 1  ``select_mf``
 2  profile ``passport-pace-many``, ``needs_parameter_id``
 3  ``Profile.pace`` with any cipher; ``wrong_key``, ``pace_fails_at``
 4  profiles ``passport-pace-im`` and ``passport-pace-cam``; ``empty_mapping_data``
 5  ``Profile.can``, ``Profile.pin``; profile ``eid-eac2``
 6  ``pace_status``, ``pace_fails_at``, ``reselect_before_bac``
 7  ``extended_length``, ``refuse_le_above``, ``refuse_le_status``, ``max_response``
 8  ``responses``, ``endless_get_response``
 9  ``sm_fails_at``, ``plain_errors``, :attr:`FaultKind.STATUS <idverify.emulator.FaultKind>`
10  ``end_of_file``
11  ``statuses``; ``Profile.dir``, ``Profile.atr_info``
12  ``dg2_length_delta``
13  ``CmsQuirks.indefinite_length``
14  ``CmsQuirks.plain_rsa``, ``Scheme``
15  ``CmsQuirks.attributes_order``, ``CmsQuirks.content_type``
16  ``CmsQuirks.issuer_strings``, ``CmsQuirks.signer_by_key_id``
17  ``TestPki(explicit_parameters=True)``
18  ``TestPki.issue_link``, ``TestPki(country=…)``, ``trust_anchors`` of another authority
19  ``CmsQuirks.leading_zero``, ``CmsQuirks.strip_leading_zero``, ``aa_strip_zeros``
20  ``aa_info``, ``aa_der``, ``aa_trailer``, ``aa_smaller``; ``Profile.aa_hash``
21  ``ca_info``, ``ca_key_id``, ``ca_keeps_old_keys``, ``ca_other_key``
22  ``sod_missing``, ``with_active_auth_key``
23  ``dg14_pace``, ``dg14_trailing``, ``dg14_long_lengths``, ``padding``
24  ``portrait`` in any form; ``feature_points``
25  ``com_extra``, ``com_missing``, ``drop``
26  ``TravelHolder.document_number``
27  ``dg2_encoding``
28  ``dg13_form``
29  a large ``portrait``, or ``extra_files``
30  ``Fault``
31  ``TestPki(flaws=…)``, ``Scheme.null_parameters``
==  ====================================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from idverify.chip.lds.files import FileAddress, FileId
from idverify.emulator.signed_data import STANDARD, CmsQuirks


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """Deviations of the chip and of what is stored on it. The default is a polite chip of its profile.

    Answers of the chip:
        select_mf: status word of SELECT MF; the profile's where None.
        select_application: status word of SELECT of the eMRTD application, where it is to fail.
        select_returns_control_information: SELECT without response data (P2 = 0C) is refused with 6A86.
        extended_length: whether extended APDUs are understood; the profile's where None.
        refuse_le_above: greatest Le that READ BINARY accepts; None for no limit.
        refuse_le_status: status word for a greater one; 6C00 is completed with the limit.
        max_response: greatest number of bytes in one response; None for what the length fields allow.
        responses: ``direct``; ``get-response`` announces every response with 61xx; ``wrong-length`` answers 6Cxx to
            any Le but the exact one, and 61xx where the command had data (T=0).
        endless_get_response: GET RESPONSE never comes to an end.
        end_of_file: what reading beyond the end answers: ``warn`` data and 6282, ``short`` data and 9000, ``exact``
            6Cxx with what is left (6700 above 255), ``refuse`` 6B00.
        sfi_reading: READ BINARY with a short identifier is understood.
        command_chaining: chained commands are understood.
        statuses: status word for single files, instead of their content.
        plain_errors: an error inside the secure channel is answered outside of it, and ends it.
        outer_status_ok: a protected error has 9000 outside.
        sm_fails_at: the secure channel breaks at the so-many-th protected command with 6988.

    Access control:
        pace_status: MSE:Set AT for PACE answers this status word: PACE is announced, but does not work.
        pace_fails_at: GENERAL AUTHENTICATE step 0 … 3 of PACE that answers 6A80.
        needs_parameter_id: MSE:Set AT without object 84 is refused, as with several PACEInfos.
        empty_mapping_data: the integrated mapping answers an empty object 82 (else nothing).
        reselect_before_bac: after a failed PACE, BAC needs the application selected anew.
        wrong_key: status word for a wrong key; the profile's where None.
        lock_after: so many wrong keys in a row lock the chip (6983); None for never.
        delay_after_wrong: milliseconds that each wrong key adds to the next answer.

    Chip and active authentication:
        aa_trailer, aa_smaller, aa_der, aa_strip_zeros: see :class:`~idverify.emulator.active_auth.ActiveAuthKey`.
        aa_info: write an ActiveAuthenticationInfo for an EC key.
        ca_info: write a ChipAuthenticationInfo; without it the chip does what early ones did: 3DES.
        ca_key_id: identifier of the chip authentication key; None for none.
        ca_keeps_old_keys: chip authentication answers 9000, and the old keys stay in force.
        ca_other_key: chip authentication runs with a key that is not the one of DG14.

    Files:
        com_extra: groups that EF.COM lists although they are not there.
        com_missing: groups that EF.COM leaves out.
        sod_missing: groups that EF.SOD leaves out.
        sod: deviations of the SOD's SignedData.
        dg2_length_delta: declared length of DG2 less the true one, -8 … 8.
        dg2_encoding, dg3_encoding, dg4_encoding: ISO/IEC 19794 in its edition of 2005 or 2011, or 39794.
        feature_points: so many feature points before the image of DG2.
        dg13_form: DG13 as most sources have it, with the outer SEQUENCE alone, or with identifiers of another state.
        dg14_pace: whether DG14 repeats the ways of PACE that EF.CardAccess offers, as it must.
        dg14_trailing: bytes after the SET of DG14, inside tag 6E.
        dg14_long_lengths: DG14 with lengths longer than DER allows.
        cvca_at: where the chip keeps EF.CVCA, instead of 011C.
        cvca_named: where DG14 says that it is, instead of ``cvca_at``.
        card_access_trailing: bytes after the SET of EF.CardAccess.
        padding: zero bytes after the end of every data group file (not hashed).
        replace: whole files to store instead, after the SOD was made.
        drop: files to leave away, after the SOD was made.
    """

    select_mf: int | None = None
    select_application: int | None = None
    select_returns_control_information: bool = False
    extended_length: bool | None = None
    refuse_le_above: int | None = None
    refuse_le_status: int = 0x6700
    max_response: int | None = None
    responses: Literal["direct", "get-response", "wrong-length"] = "direct"
    endless_get_response: bool = False
    end_of_file: Literal["warn", "short", "exact", "refuse"] = "warn"
    sfi_reading: bool = True
    command_chaining: bool = True
    statuses: Mapping[FileId, int] = field(default_factory=lambda: MappingProxyType({}))
    plain_errors: bool = False
    outer_status_ok: bool = False
    sm_fails_at: int | None = None

    pace_status: int | None = None
    pace_fails_at: int | None = None
    needs_parameter_id: bool = False
    empty_mapping_data: bool = True
    reselect_before_bac: bool = False
    wrong_key: int | None = None
    lock_after: int | None = None
    delay_after_wrong: int = 0

    aa_trailer: Literal["standard", "implicit", "explicit"] = "standard"
    aa_smaller: bool = False
    aa_der: bool = False
    aa_strip_zeros: bool = False
    aa_info: bool = True
    ca_info: bool = True
    ca_key_id: int | None = None
    ca_keeps_old_keys: bool = False
    ca_other_key: bool = False

    com_extra: tuple[FileId, ...] = ()
    com_missing: tuple[FileId, ...] = ()
    sod_missing: tuple[FileId, ...] = ()
    sod: CmsQuirks = STANDARD
    dg2_length_delta: int = 0
    dg2_encoding: Literal["19794-5", "19794-5:2011", "39794-5"] = "19794-5"
    dg3_encoding: Literal["19794-4", "19794-4:2011", "39794-4"] = "19794-4"
    dg4_encoding: Literal["19794-6", "19794-6:2011", "39794-6"] = "19794-6"
    feature_points: int = 0
    dg13_form: Literal["standard", "bare", "foreign"] = "standard"
    dg14_pace: bool = True
    dg14_trailing: bytes = b""
    dg14_long_lengths: bool = False
    cvca_at: FileAddress | None = None
    cvca_named: FileAddress | None = None
    card_access_trailing: bytes = b""
    padding: int = 0
    replace: Mapping[FileId, bytes] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    drop: tuple[FileId, ...] = ()
