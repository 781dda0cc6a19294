"""Terminal authentication, versions 1 and 2 (ICAO 9303-11 §7.1; BSI TR-03110-1 §3.5, TR-03110-2 §3.3, TR-03110-3 §B.3).

The terminal shows a chain of card verifiable certificates that ends at a CVCA which the chip trusts, and signs what
the chip asks together with the ephemeral key of chip authentication. Version 1 follows chip authentication, version 2
goes before it and announces the ephemeral key.

What a chip lets a terminal read is the chip's decision; what is computed here beforehand only tells why it will not.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NoReturn

from idverify import _tlv
from idverify._secret import Secret
from idverify.chip.access.password import AccessPassword, PasswordKind
from idverify.chip.access.terminal_key import TerminalKey
from idverify.chip.iso7816.apdu import CardChannel, CommandAPDU
from idverify.chip.iso7816.status import meaning
from idverify.chip.lds import _der
from idverify.chip.pki.cvc import CvCertificate, CvChain, CvProblem, Role, build_chain, chain_for_chip, printable
from idverify.crypto import signature as sig
from idverify.crypto.curves import Curve
from idverify.errors import (
    ConfigurationError,
    IdVerifyError,
    MalformedDataError,
    ProtocolError,
    StatusWordError,
    TerminalKeyError,
    TerminalRefusedError,
)

CHALLENGE_BYTES: Final = 8
_MAX_CERTIFICATES: Final = 64
_PROBE_BYTES: Final = 32
_REFERENCE: Final = 0x83
_UNKNOWN_REFERENCE: Final = 0x6A88
_VERSIONS: Final = (1, 2)
_MRZ_TAIL: Final = 14  # birth and expiry with their check digits


@dataclass(frozen=True, slots=True)
class TerminalCredentials:
    """What a terminal has to show for itself.

    Attributes:
        certificate: the terminal's own certificate.
        issuers: document verifier, link and CVCA certificates, in any order. With the CVCA's own certificate
            signatures and key are checked before the chip is asked.
        key: the private key of ``certificate``.
    """

    certificate: CvCertificate
    issuers: tuple[CvCertificate, ...]
    key: TerminalKey = field(repr=False)

    @classmethod
    def load(cls, certificates: Iterable[bytes], key: TerminalKey) -> TerminalCredentials:
        """From encoded certificates in any order.

        Raises:
            ConfigurationError: none or several of them are a terminal's, or there are too many.
            MalformedDataError, UnsupportedAlgorithmError: a certificate that cannot be read.
        """
        parsed: list[CvCertificate] = []
        for raw in certificates:
            if len(parsed) >= _MAX_CERTIFICATES:
                raise ConfigurationError(f"more than {_MAX_CERTIFICATES} certificates")
            parsed.append(CvCertificate.parse(raw))
        terminals = [c for c in parsed if c.chat.role is Role.TERMINAL]
        if len(terminals) != 1:
            raise ConfigurationError(
                f"expected the certificate of one terminal, beside those of its issuers; got {len(terminals)}"
            )
        return cls(terminals[0], tuple(c for c in parsed if c is not terminals[0]), key)

    @property
    def chat(self) -> bytes:
        """Role and rights as PACE announces them, tag 7F4C (TR-03110-3 §B.1)."""
        return self.certificate.chat.encode()

    @property
    def authorities(self) -> tuple[str, ...]:
        """The CVCA that the terminal's document verifiers are under: for chips that do not say whom they trust."""
        above = [c for c in self.issuers if c.chat.role in (Role.DV_DOMESTIC, Role.DV_FOREIGN)]
        return tuple(dict.fromkeys(c.authority_reference for c in above))

    def key_belongs(self, curve: Curve | None = None) -> bool | None:
        """Whether the key signs for the certificate, found out by a signature over random bytes.

        Args:
            curve: that of the key, where it is known: it is tried beside those of the issuers' certificates.

        Returns:
            None where nothing tells the curve: the certificates of terminals and document verifiers leave it out, that
            of a CVCA names it (TR-03110-3 §D.3).

        Raises:
            TerminalKeyError: the key cannot sign as the certificate asks.
            UnsupportedAlgorithmError: the certificate asks for a signature that is not known here.
        """
        own = self.certificate.public_key
        known = [c for c in (curve, own.curve, *(c.public_key.curve for c in self.issuers)) if c is not None]
        if own.rsa is None and not known:
            return None
        candidates = []
        for one in dict.fromkeys(known) if own.rsa is None else (None,):
            with contextlib.suppress(MalformedDataError):  # the point lies on another of the curves
                candidates.append(own.resolve(one))
        message = secrets.token_bytes(_PROBE_BYTES)
        signature = self.key.sign(message, own.algorithm) if candidates else b""
        return any(sig.verify(key, own.algorithm, signature, message) for key in candidates)

    def chain(self, references: Sequence[str], on: date | None = None) -> CvChain | CvProblem:
        """The chain to show to a chip that trusts ``references``; see :func:`~idverify.chip.pki.cvc.chain_for_chip`."""
        return chain_for_chip(self.certificate, self.issuers, references, on)


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalAuthEvidence:
    """What a run left; :func:`verify_terminal_auth` judges it again.

    Attributes:
        version: 1 or 2.
        certificates: as they were shown, tag 7F21 each, the terminal's last.
        chip_identifier: ID_IC; after BAC it is the document number.
        challenge: r_IC.
        terminal_key_compressed: Comp(PK_DH,IFD).
        auxiliary: authenticated auxiliary data, tag 67, or empty.
        signature: the terminal's.
    """

    version: int
    certificates: tuple[bytes, ...] = field(repr=False)
    chip_identifier: Secret[bytes]
    challenge: bytes = field(repr=False)
    terminal_key_compressed: bytes = field(repr=False)
    auxiliary: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @property
    def message(self) -> bytes:
        """What was signed: ID_IC ‖ r_IC ‖ Comp(PK_DH,IFD) ‖ A_IFD (ICAO 9303-11 §7.1.2; TR-03110-2 §3.3.1)."""
        return self.chip_identifier.reveal() + self.challenge + self.terminal_key_compressed + self.auxiliary


def document_number_of(password: AccessPassword) -> bytes:
    """ID_IC after BAC: the document number with its check digit (ICAO 9303-11 §7.1.2).

    Raises:
        ConfigurationError: not the MRZ's password.
    """
    if password.kind is not PasswordKind.MRZ:
        raise ConfigurationError("terminal authentication after BAC needs the MRZ's document number")
    return password.value.reveal()[:-_MRZ_TAIL].encode("latin-1")


def run_terminal_auth(
    channel: CardChannel,
    credentials: TerminalCredentials,
    chain: CvChain,
    *,
    version: int,
    chip_identifier: bytes,
    terminal_key_compressed: bytes,
    auxiliary: bytes = b"",
) -> TerminalAuthEvidence:
    """Show the chain and prove that the terminal has its key (TR-03110-3 §B.3).

    Args:
        channel: the card under secure messaging: of chip authentication (or PACE-CAM) for version 1, of PACE for 2.
        credentials: the terminal's.
        chain: of :meth:`TerminalCredentials.chain`.
        version: 1 (ICAO 9303-11 §7.1) or 2 (TR-03110-2 §3.3).
        chip_identifier: ID_IC: :func:`document_number_of` after BAC, ``PaceResult.chip_identifier`` after PACE.
        terminal_key_compressed: Comp(PK_DH,IFD) of chip authentication: the run before (1) or the one to come (2).
        auxiliary: authenticated auxiliary data with its tag 67, for version 2 only.

    Returns:
        the evidence; the chip has accepted.

    Raises:
        TerminalRefusedError: the chip does not accept a certificate or the signature.
        TerminalKeyError: the key does not belong to the certificate, or cannot sign.
        UnsupportedAlgorithmError: the certificate asks for a signature that is not known here.
        ProtocolError: a challenge of another length.
        ConfigurationError: an argument that does not go with the version.
    """
    if version not in _VERSIONS or (auxiliary and version != 2):
        raise ConfigurationError(f"terminal authentication version {version} with these arguments is not known")
    if not chain.certificates or chain.certificates[-1] != credentials.certificate:
        raise ConfigurationError("the chain does not end at the terminal's certificate")
    algorithm = credentials.certificate.public_key.algorithm
    show_certificates(channel, chain.certificates)
    _set_authentication_template(channel, credentials.certificate, version, terminal_key_compressed, auxiliary)
    challenge = _get_challenge(channel)
    evidence = TerminalAuthEvidence(
        version=version,
        certificates=tuple(c.raw for c in chain.certificates),
        chip_identifier=Secret(chip_identifier),
        challenge=challenge,
        terminal_key_compressed=terminal_key_compressed,
        auxiliary=auxiliary,
        signature=b"",
    )
    signature = credentials.key.sign(evidence.message, algorithm)
    if chain.key is not None and not sig.verify(chain.key, algorithm, signature, evidence.message):
        raise TerminalKeyError("the terminal's key does not belong to its certificate")
    response = channel.send(CommandAPDU(0x00, 0x82, 0x00, 0x00, data=signature))
    if not response.ok:
        _refuse(response.sw, "EXTERNAL AUTHENTICATE", step="proof", certificate=credentials.certificate)
    return TerminalAuthEvidence(
        version=version,
        certificates=evidence.certificates,
        chip_identifier=evidence.chip_identifier,
        challenge=challenge,
        terminal_key_compressed=terminal_key_compressed,
        auxiliary=auxiliary,
        signature=signature,
    )


def show_certificates(channel: CardChannel, certificates: Iterable[CvCertificate]) -> None:
    """MSE:Set DST and PSO: Verify Certificate for each, from the trust point down (ICAO 9303-11 §7.1.5.1, §7.1.5.2).

    Raises:
        TerminalRefusedError: the chip does not know an issuer, or does not accept a certificate.
    """
    for certificate in certificates:
        issuer = _tlv.encode(_REFERENCE, certificate.authority_reference.encode("latin-1"))
        response = channel.send(CommandAPDU(0x00, 0x22, 0x81, 0xB6, data=issuer))
        if not response.ok:
            _refuse(response.sw, "MSE:Set DST", step="issuer", certificate=certificate)
        inside = _tlv.read_tlv(certificate.raw, what="CV certificate").value
        response = channel.send(CommandAPDU(0x00, 0x2A, 0x00, 0xBE, data=inside))
        if not response.ok:
            _refuse(response.sw, "PSO: Verify Certificate", step="certificate", certificate=certificate)


def _set_authentication_template(
    channel: CardChannel, certificate: CvCertificate, version: int, terminal_key: bytes, auxiliary: bytes
) -> None:
    """MSE:Set AT (ICAO 9303-11 §7.1.5.3; TR-03110-3 §B.3): version 2 names algorithm and ephemeral key too."""
    data = _tlv.encode(_REFERENCE, certificate.holder_reference.encode("latin-1"))
    if version == 2:
        oid = _tlv.read_tlv(_der.encode_oid(certificate.public_key.oid)).value
        data = _tlv.encode(0x80, oid) + data + auxiliary + _tlv.encode(0x91, terminal_key)
    response = channel.send(CommandAPDU(0x00, 0x22, 0x81, 0xA4, data=data))
    if not response.ok:
        _refuse(response.sw, "MSE:Set AT (terminal authentication)", step="terminal", certificate=certificate)


def _get_challenge(channel: CardChannel) -> bytes:
    """GET CHALLENGE (ICAO 9303-11 §7.1.5.4)."""
    response = channel.send(CommandAPDU(0x00, 0x84, 0x00, 0x00, le=CHALLENGE_BYTES))
    if not response.ok:
        raise StatusWordError(response.sw, command="GET CHALLENGE", meaning=meaning(response.sw))
    if len(response.data) != CHALLENGE_BYTES:
        raise ProtocolError(f"GET CHALLENGE: expected {CHALLENGE_BYTES} bytes, got {len(response.data)}")
    return response.data


_ADVICE: Final = {
    "issuer": "The chip does not know its issuer: get a link certificate, or a certificate under a CVCA it trusts",
    "certificate": "It may have expired by the chip's date, or its role or signature is not what the chip expects",
    "terminal": "The chip has not imported this certificate",
    "proof": "The chip does not accept the terminal's signature",
}


def _refuse(sw: int, command: str, *, step: str, certificate: CvCertificate) -> NoReturn:
    holder = printable(certificate.holder_reference)
    if step == "certificate" and sw == _UNKNOWN_REFERENCE:
        step = "issuer"
    cause = StatusWordError(sw, command=command, meaning=meaning(sw))
    raise TerminalRefusedError(
        f"{cause}, about the certificate {holder}. {_ADVICE[step]}", step=step, holder=holder, sw=sw
    ) from cause


def verify_terminal_auth(evidence: TerminalAuthEvidence, roots: Sequence[CvCertificate], on: date) -> bool:
    """Whether the evidence shows a terminal that was authorised on that day.

    Args:
        evidence: of an earlier run.
        roots: trusted CVCA certificates.
        on: the day of the run.
    """
    try:
        certificates = [CvCertificate.parse(raw) for raw in evidence.certificates[:_MAX_CERTIFICATES]]
        if not certificates:
            return False
        terminal = certificates[-1]
        chain = build_chain(terminal, certificates[:-1], roots, on)
        if not isinstance(chain, CvChain) or chain.key is None or terminal.chat.role is not Role.TERMINAL:
            return False
        return sig.verify(chain.key, terminal.public_key.algorithm, evidence.signature, evidence.message)
    except IdVerifyError:
        return False
