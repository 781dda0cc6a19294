"""Personalisation: from a profile and a holder to a chip with files and keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date
from types import MappingProxyType
from typing import Any, Final

from idverify._tlv import encode as tlv
from idverify.chip.lds import cbeff
from idverify.chip.lds.com import EfCom
from idverify.chip.lds.dg1 import DG1
from idverify.chip.lds.dg2 import DG2
from idverify.chip.lds.dg15 import DG15
from idverify.chip.lds.files import FileId
from idverify.chip.lds.images import ImageFormat, sniff
from idverify.chip.lds.iso19794_5 import FaceImage, FaceRepresentation, FeaturePoint
from idverify.chip.lds.security_infos import (
    ActiveAuthenticationInfo,
    ChipAuthenticationDomainParameterInfo,
    ChipAuthenticationInfo,
    ChipAuthenticationPublicKeyInfo,
    PaceDomainParameterInfo,
    PaceInfo,
    SecurityInfo,
    SecurityInfos,
    TerminalAuthenticationInfo,
    standardized_algorithm_identifier,
)
from idverify.crypto import dh
from idverify.crypto.block import Cipher
from idverify.emulator import _der
from idverify.emulator._random import Rng, Seed, SeededRandom
from idverify.emulator.active_auth import ActiveAuthKey
from idverify.emulator.biometrics import dg3, dg4, finger_pattern, iris_pattern
from idverify.emulator.card import Card
from idverify.emulator.certificates import IssuedCertificate
from idverify.emulator.chip_auth import ChipAuthKey
from idverify.emulator.cv_pki import TestCvPki
from idverify.emulator.faults import Fault
from idverify.emulator.groups import DhKey, DhPrimeGroup
from idverify.emulator.holder import CitizenHolder, TravelHolder, mrz_information
from idverify.emulator.image import EMRTD_AID, CardImage
from idverify.emulator.keys import EcKey, make_key
from idverify.emulator.loading import load_image
from idverify.emulator.match_on_card import OnCardFinger, invent_minutiae
from idverify.emulator.pki import TestPki
from idverify.emulator.portrait import chip_portrait, default_portrait, image_size
from idverify.emulator.profiles import PROFILES, ChipAuthSpec, Profile
from idverify.emulator.quirks import Quirks
from idverify.emulator.terminal_auth import TerminalTrust
from idverify.errors import ConfigurationError

Holder = CitizenHolder | TravelHolder

_UNICODE_VERSION: Final = "040000"
_SIGNED: Final = frozenset(f for f in FileId if f.number is not None)


def citizen_card(
    *,
    seed: Seed = 0,
    holder: CitizenHolder | None = None,
    portrait: bytes | None = None,
    aa: str | None = "rsa-2048",
    pki: TestPki | None = None,
    quirks: Quirks | None = None,
    faults: Iterable[Fault] = (),
    rng: Rng | None = None,
    profile: str = "cccd-2021",
    **more: Any,
) -> Card:
    """An emulated Vietnamese citizen card.

    Args:
        seed: fixes holder, keys, certificates and the chip's randomness.
        holder: what the card says; an invented citizen where None.
        portrait: encoded picture for DG2, stored as it is if JPEG or JPEG 2000; the demonstration's where None.
        aa: kind of active authentication key (``rsa-2048``, ``brainpoolP256r1`` …), or None for none.
        pki: the issuing authority; one made from the seed where None.
        quirks: deviations.
        faults: what goes wrong, and when.
        rng: the chip's randomness, where it is not to follow from the seed.
        profile: another profile of the family, ``cccd-2024``.
        more: see :func:`personalise`.
    """
    return personalise(
        profile,
        seed=seed,
        holder=holder,
        portrait=portrait,
        aa=aa,
        pki=pki,
        quirks=quirks,
        faults=faults,
        rng=rng,
        **more,
    )


def personalise(
    profile: str | Profile,
    *,
    seed: Seed = 0,
    holder: Holder | None = None,
    portrait: bytes | None = None,
    pki: TestPki | None = None,
    cv_pki: TestCvPki | None = None,
    signer: IssuedCertificate | None = None,
    quirks: Quirks | None = None,
    fingers: Mapping[int, bytes] | None = None,
    irises: Mapping[int, bytes] | None = None,
    on_card: Iterable[OnCardFinger] | None = None,
    extra_files: Mapping[FileId, bytes] | None = None,
    faults: Iterable[Fault] = (),
    rng: Rng | None = None,
    sleep: Callable[[float], object] | None = None,
    **changes: Any,
) -> Card:
    """Make a card.

    Args:
        profile: one of :data:`~idverify.emulator.PROFILES` by name, or a profile of your own.
        seed: fixes everything that is not given.
        holder: what the document says: a :class:`CitizenHolder` or :class:`TravelHolder`, as the profile asks.
        portrait: encoded picture for DG2; one that is neither JPEG nor JPEG 2000 is converted (needs OpenCV).
        pki: the issuing authority.
        cv_pki: the authority of terminals that the chip trusts.
        signer: the document signer; that of ``pki`` where None.
        quirks: deviations.
        fingers: pictures for DG3 by finger position 1 … 10; test patterns in the EAC profiles where None.
        irises: pictures for DG4 by eye (1 right, 2 left); test patterns in the EAC profiles where None.
        on_card: fingers for comparison on the card; invented ones where the profile has it and None is given.
        extra_files: further files, or other contents; data groups among them are signed.
        faults: what goes wrong, and when.
        rng: the chip's randomness; follows from the seed where None.
        sleep: how the card waits.
        changes: fields of :class:`Profile` to take otherwise (``aa="secp256r1"``).

    Raises:
        ConfigurationError: no such profile, or a holder of another kind.
    """
    if isinstance(profile, str):
        if profile not in PROFILES:
            raise ConfigurationError(f"no profile {profile!r}; there are {', '.join(PROFILES)}")
        profile = PROFILES[profile]
    profile = replace(profile, **changes)
    quirks = quirks or Quirks()
    if on_card is not None:
        profile = replace(profile, on_card=True)
    maker = _Maker(profile, seed, quirks, portrait, fingers, irises, tuple(on_card or ()))
    image = maker.image(_holder(profile, seed, holder), cv_pki or TestCvPki(seed))
    authority = pki or TestPki(
        seed,
        country=profile.country,
        explicit_parameters=profile.explicit_parameters,
        hash_name=profile.hash_name,
    )
    files = {**image.files, **(extra_files or {})}
    if profile.card_security:
        files[FileId.CARD_SECURITY] = authority.card_security(maker.card_security_infos(image), signer=signer)
    image = replace(image, files=MappingProxyType(files), authority=authority, trust_anchors=authority.trust_anchors)
    image = sign(image, authority, signer=signer, profile=profile)
    stored = {f: raw for f, raw in {**image.files, **quirks.replace}.items() if f not in quirks.drop}
    image = replace(image, files=MappingProxyType(stored))
    return Card(image, faults=faults, rng=rng) if sleep is None else Card(image, faults=faults, rng=rng, sleep=sleep)


def sign(
    image: CardImage,
    authority: TestPki,
    *,
    signer: IssuedCertificate | None = None,
    profile: Profile | None = None,
) -> CardImage:
    """The same chip with EF.SOD made anew over its data groups.

    Args:
        image: the chip.
        authority: who signs; the image's own ``authority`` and ``trust_anchors`` stay.
        signer: the document signer; that of ``authority`` where None.
        profile: the profile with its versions; looked up by name where None.
    """
    profile = profile or PROFILES.get(image.profile) or Profile(name="", title="")
    quirks = image.quirks
    groups = {f: raw for f, raw in image.files.items() if f in _SIGNED and f not in quirks.sod_missing}
    if quirks.padding:
        groups = {f: raw[: len(raw) - quirks.padding] for f, raw in groups.items()}
    version = (profile.lds_version, _UNICODE_VERSION) if profile.security_object_v1 else None
    sod = authority.sod(groups, signer=signer, hash_name=profile.hash_name, lds_version=version, quirks=quirks.sod)
    return replace(image, files=MappingProxyType({**image.files, FileId.SOD: sod}))


def from_files(
    files: Mapping[FileId, bytes],
    *,
    aa_key: bytes | ActiveAuthKey | None = None,
    ca_keys: Iterable[bytes | ChipAuthKey] = (),
    can: str | None = None,
    bac: bool = True,
    terminal: TerminalTrust | None = None,
    trust_anchors: tuple[bytes, ...] = (),
    quirks: Quirks | None = None,
    seed: Seed = 0,
    faults: Iterable[Fault] = (),
    rng: Rng | None = None,
    **fields: Any,
) -> Card:
    """A card from a set of files, such as a published one with its private keys.

    Args:
        files: the files; DG1 gives the MRZ, EF.CardAccess the ways of PACE.
        aa_key: private key of DG15: PKCS #8 DER, or a ready :class:`ActiveAuthKey`.
        ca_keys: private keys of DG14: PKCS #8 DER of EC keys (then as DG14's infos say), or ready ones.
        can: card access number.
        bac: whether basic access control opens the chip.
        terminal: what terminal authentication trusts.
        trust_anchors: CSCA certificates, DER.
        quirks: deviations of the chip.
        seed: fixes the chip's randomness.
        faults, rng: as for :func:`personalise`.
        fields: further fields of :class:`CardImage`.

    Raises:
        ConfigurationError: DG1 or a key cannot be used.
        MalformedDataError: DG1, EF.CardAccess or DG14 cannot be read.
    """
    image = load_image(files, aa_key=aa_key, ca_keys=tuple(ca_keys))
    image = replace(
        image,
        can=can,
        bac=bac,
        terminal=terminal,
        trust_anchors=trust_anchors,
        quirks=quirks or Quirks(),
        seed=seed,
        **fields,
    )
    return Card(image, faults=faults, rng=rng)


def _holder(profile: Profile, seed: Seed, holder: Holder | None) -> Holder:
    kind = CitizenHolder if profile.holder == "citizen" else TravelHolder
    if holder is None:
        return kind.invent(seed)
    if not isinstance(holder, kind):
        raise ConfigurationError(f"profile {profile.name!r} needs a {kind.__name__}")
    return holder


class _Maker:
    """Everything but the signature."""

    def __init__(
        self,
        profile: Profile,
        seed: Seed,
        quirks: Quirks,
        portrait: bytes | None,
        fingers: Mapping[int, bytes] | None,
        irises: Mapping[int, bytes] | None,
        on_card: tuple[OnCardFinger, ...],
    ) -> None:
        self.profile = profile
        self.seed = seed
        self.quirks = quirks
        self._portrait = portrait
        self._fingers = fingers
        self._irises = irises
        self._on_card = on_card
        self._rng = SeededRandom(seed, "personalisation", profile.name)

    def image(self, holder: Holder, cv_pki: TestCvPki) -> CardImage:
        profile, quirks = self.profile, self.quirks
        mrz = holder.mrz
        image = CardImage(
            profile=profile.name,
            files={},
            mrz=mrz.text,
            mrz_information=mrz_information(mrz.text),
            can=holder.can if profile.can else None,
            pin=f"{self._rng.below(10**6):06d}" if profile.pin else None,
            puk=f"{self._rng.below(10**10):010d}" if profile.pin else None,
            bac=profile.bac,
            pace=profile.pace,
            active_auth=self._active_auth(),
            chip_auth=tuple(self._chip_auth(s, n) for n, s in enumerate(profile.ca)),
            terminal=TerminalTrust((cv_pki.cvca.der,), date(2022, 1, 1)) if profile.ta else None,
            fingers=self._enrolled(),
            select_mf=profile.select_mf,
            wrong_key=profile.wrong_key,
            extended_length=profile.extended_length,
            quirks=quirks,
            seed=self.seed,
            holder=holder,
        )
        return replace(image, files=MappingProxyType(self._files(holder, image, cv_pki)))

    def _active_auth(self) -> ActiveAuthKey | None:
        profile, quirks = self.profile, self.quirks
        if profile.aa is None or FileId.DG15 not in profile.groups:
            return None
        return ActiveAuthKey(
            make_key(profile.aa, self.seed, "aa"),
            profile.aa_hash,
            trailer=quirks.aa_trailer,
            smaller=quirks.aa_smaller,
            der=quirks.aa_der,
            strip_zeros=quirks.aa_strip_zeros,
        )

    def _chip_auth(self, spec: ChipAuthSpec, number: int) -> ChipAuthKey:
        key_id = spec.key_id if self.quirks.ca_key_id is None else self.quirks.ca_key_id
        key = chip_auth_key(spec.kind, self.seed, "ca", str(number))
        cipher = spec.cipher if self.quirks.ca_info else Cipher.DES3  # what a terminal takes for granted
        return ChipAuthKey(key, cipher, key_id, spec.version)

    def _files(self, holder: Holder, image: CardImage, cv_pki: TestCvPki) -> dict[FileId, bytes]:
        profile, quirks = self.profile, self.quirks
        writers: dict[FileId, Callable[[], bytes]] = {
            FileId.DG1: lambda: DG1.encode(holder.mrz),
            FileId.DG2: self._dg2,
            FileId.DG3: self._dg3,
            FileId.DG4: self._dg4,
            FileId.DG13: lambda: self._dg13(holder),
            FileId.DG14: lambda: self._dg14(image),
            FileId.DG15: lambda: DG15.encode(image.active_auth.key.spki()) if image.active_auth else b"",
            FileId.DG16: lambda: tlv(0x70, self._rng.child("dg16")(96)),
        }
        files = {group: writers[group]() for group in profile.groups}
        files = {f: raw + bytes(quirks.padding) for f, raw in files.items() if raw}
        listed = [f for f in profile.groups if f in files and f not in quirks.com_missing] + list(quirks.com_extra)
        files[FileId.COM] = EfCom.encode(listed, lds_version=profile.lds_version, unicode_version=_UNICODE_VERSION)
        if profile.pace:
            access = profile.card_access or SecurityInfos.of(self._access_infos(image)).encode()
            files[FileId.CARD_ACCESS] = access + quirks.card_access_trailing
        if profile.ta == 1 and profile.holder == "traveller":
            files[FileId.CVCA] = cv_pki.ef_cvca()
        if profile.dir:
            files[FileId.DIR] = tlv(0x61, tlv(0x4F, EMRTD_AID))
        if profile.atr_info:
            length = tlv(0x7F66, _der.integer(0xFFFF if profile.extended_length else 0x105) * 2)
            files[FileId.ATR_INFO] = tlv(0x47, bytes.fromhex("8421C0")) + length
        return files

    def _dg2(self) -> bytes:
        quirks = self.quirks
        picture = self._portrait if self._portrait is not None else default_portrait()
        if sniff(picture) not in (ImageFormat.JPEG, ImageFormat.JP2, ImageFormat.J2K):
            picture = chip_portrait(picture)
        width, height = image_size(picture)
        points = tuple(FeaturePoint(1, 0x31 + n % 14, 40 + 5 * n, 80 + 3 * n) for n in range(quirks.feature_points))
        face = replace(FaceImage.of(picture, width=width, height=height), points=points)
        if quirks.dg2_encoding == "19794-5:2011":
            face = replace(face, representation=FaceRepresentation())
        raw = DG2.encode([face], extensible=quirks.dg2_encoding == "39794-5")
        return _declare(raw, quirks.dg2_length_delta)

    def _dg3(self) -> bytes:
        fingers = self._fingers
        if fingers is None and self.profile.holder == "traveller":
            fingers = {n: finger_pattern(self.seed, width=100 + n) for n in (2, 7)}
        if not fingers:  # no finger: random bytes against recognition (ICAO 9303-10 §4.7.3.1)
            return cbeff.encode_group(0x63, (), discretionary=self._rng.child("dg3")(32))
        return dg3(fingers, encoding=self.quirks.dg3_encoding)

    def _dg4(self) -> bytes:
        irises = self._irises if self._irises is not None else {1: iris_pattern(self.seed)}
        if not irises:
            return cbeff.encode_group(0x76, (), discretionary=self._rng.child("dg4")(32))
        return dg4(irises, encoding=self.quirks.dg4_encoding)

    def _enrolled(self) -> tuple[OnCardFinger, ...]:
        if self._on_card or not self.profile.on_card:
            return self._on_card
        return (
            OnCardFinger(1, invent_minutiae(f"{self.seed!r} right"), subtype=9),
            OnCardFinger(2, invent_minutiae(f"{self.seed!r} left"), subtype=10),
        )

    def _dg13(self, holder: Holder) -> bytes:
        if not isinstance(holder, CitizenHolder):
            return tlv(0x6D, self._rng.child("dg13")(64))
        raw = holder.details.encode()
        if self.quirks.dg13_form == "standard":
            return raw
        if self.quirks.dg13_form == "foreign":  # another state's own structure
            return tlv(0x6D, _der.sequence(_der.oid("1.2.246.575.1.1"), _der.octets(self._rng.child("dg13")(40))))
        items = raw[raw.index(b"\x31\x82") :]
        return tlv(0x6D, _der.sequence(items))

    def _access_infos(self, image: CardImage) -> list[SecurityInfo]:
        infos: list[SecurityInfo] = [self._terminal_info()] if self.profile.ta else []
        if self.quirks.ca_info:
            infos += [ChipAuthenticationInfo(k.protocol, k.version, k.key_id) for k in image.chip_auth]
            infos += [_ca_parameters(k) for k in image.chip_auth if k.version >= 2]
        return [*infos, *(PaceInfo(o.protocol, 2, o.parameter_id) for o in image.pace)]

    def _repeated(self) -> list[SecurityInfo]:
        """What a fixed EF.CardAccess says of PACE's parameters, for DG14 repeats it (ICAO 9303-11 §9.2.11)."""
        fixed = self.profile.card_access
        return list(SecurityInfos.parse_card_access(fixed).pace_domain_parameters) if fixed else []

    def _terminal_info(self) -> TerminalAuthenticationInfo:
        named = self.quirks.cvca_named or self.quirks.cvca_at
        if named is None or self.profile.ta != 1:
            return TerminalAuthenticationInfo(version=self.profile.ta)
        return TerminalAuthenticationInfo(version=1, cvca_fid=named.fid, cvca_sfi=named.sfi)

    def card_security_infos(self, image: CardImage) -> bytes:
        """SecurityInfos of EF.CardSecurity: all of them, with the public keys."""
        return SecurityInfos.of([*self._access_infos(image), *self._key_infos(image)]).encode()

    def _key_infos(self, image: CardImage) -> list[SecurityInfo]:
        return [
            ChipAuthenticationPublicKeyInfo(k.public_key_protocol, _chip_spki(k), k.key_id) for k in image.chip_auth
        ]

    def _dg14(self, image: CardImage) -> bytes:
        quirks = self.quirks
        infos = [*self._access_infos(image), *self._repeated(), *self._key_infos(image)]
        if not quirks.dg14_pace:
            infos = [i for i in infos if not isinstance(i, PaceInfo | PaceDomainParameterInfo)]
        algorithm = image.active_auth.signature_oid if image.active_auth else None
        if algorithm is not None and quirks.aa_info:
            infos.append(ActiveAuthenticationInfo(algorithm))
        content = SecurityInfos.of(infos).encode()
        if quirks.dg14_long_lengths:
            return _der.long_form(0x6E, _der.long_form(0x31, b"".join(i.encode() for i in infos), 3), 4)
        return tlv(0x6E, content + quirks.dg14_trailing)


def chip_auth_key(kind: str, seed: Seed, *labels: str) -> EcKey | DhKey:
    """A chip authentication key by name: a curve, or ``dh-0`` … ``dh-2``.

    Raises:
        ConfigurationError: no such kind of key.
    """
    if kind.startswith("dh-"):
        group = dh.by_parameter_id(int(kind[3:]))
        return DhKey(group, DhPrimeGroup(group).draw(SeededRandom(seed, "key", kind, *labels)))
    key = make_key(kind, seed, *labels)
    if not isinstance(key, EcKey):
        raise ConfigurationError("chip authentication needs an elliptic curve or a Diffie-Hellman group")
    return key


def _ca_parameters(key: ChipAuthKey) -> ChipAuthenticationDomainParameterInfo:
    """The group, from which a terminal makes its ephemeral key before it has seen the chip's (TR-03110-3 §A.1.1.2)."""
    number = key.key.curve.parameter_id if isinstance(key.key, EcKey) else key.key.group.parameter_id or 0
    family = key.protocol.rpartition(".")[0]
    return ChipAuthenticationDomainParameterInfo(family, standardized_algorithm_identifier(number), key.key_id)


def _chip_spki(key: ChipAuthKey) -> bytes:
    """The public key: explicit parameters, as most chips store them."""
    return key.key.spki(explicit=True)


def _declare(raw: bytes, delta: int) -> bytes:
    """``raw`` with ``delta`` added to the length that its outermost tag declares; the bytes stay."""
    if not delta:
        return raw
    count = raw[1] & 0x7F if raw[1] & 0x80 else 0
    if not count:
        return raw[:1] + bytes([raw[1] + delta]) + raw[2:]
    length = int.from_bytes(raw[2 : 2 + count], "big") + delta
    return raw[:2] + length.to_bytes(count, "big") + raw[2 + count :]
