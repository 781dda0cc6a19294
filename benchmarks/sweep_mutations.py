"""Every byte of EF.SOD and of every data group changed in two ways: no change may make a verdict better.

Run as ``python -m benchmarks.sweep_mutations [seconds per family]``. It prints, for each signature family, how many
changes were tried, how many were caught, and how many of those inside signed content: that must be all of them. What is
left are bytes that nobody signs (BER choices, a digest algorithm that is named twice); there the signed hashes and the
signer must have stayed the same. Exit status 1 where one change got through.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from tests.unit.chip.pki.documents import AT, document, groups

from idverify._tlv import encode
from idverify.chip.lds.files import FileId
from idverify.chip.lds.sod import EfSod
from idverify.chip.pki.cms import SignedData
from idverify.chip.pki.passive_auth import examine
from idverify.chip.pki.trust_store import TrustStore
from idverify.emulator.certificates import Scheme
from idverify.emulator.pki import TestPki
from idverify.emulator.signed_data import CmsQuirks
from idverify.report import CheckId, CheckStatus

DECIDING = (CheckId.SOD_SIGNATURE, CheckId.DSC_CHAIN, CheckId.DSC_VALIDITY, CheckId.DG_HASH)
RANK = {CheckStatus.SUCCESSFUL: 0, CheckStatus.FAILED: 2}


@dataclass
class Tally:
    """What one family gave."""

    tried: int = 0
    caught: int = 0
    signed: int = 0
    signed_caught: int = 0
    better: int = 0
    unexplained: int = 0


def families() -> dict[str, tuple[dict[FileId, bytes], TrustStore]]:
    """Documents of every signature family, with a store that trusts them."""
    brainpool = TestPki("sweep")
    nist = TestPki("sweep", csca_key="secp384r1", dsc_key="secp256r1", explicit_parameters=False)
    rsa = TestPki("sweep", csca_key="rsa-2048", dsc_key="rsa-2048")
    dsa = TestPki("sweep", csca_key="dsa-2048-256", dsc_key="dsa-2048-256")
    made = {
        "ecdsa brainpoolP256r1 explicit": (brainpool, {}),
        "ecdsa secp256r1 sha1": (nist, {"scheme": Scheme("ecdsa", "sha1"), "hash_name": "sha1"}),
        "ecdsa secp256r1 sha256": (nist, {}),
        "dsa sha256": (dsa, {}),
        "rsa pkcs1 sha256": (rsa, {}),
        "rsa pss sha256": (rsa, {"scheme": Scheme("rsa-pss", "sha256")}),
        "rsa pkcs1 indefinite lengths": (rsa, {"quirks": CmsQuirks(indefinite_length=True)}),
    }
    files = {**groups(), FileId.DG15: encode(0x6F, bytes(range(100)))}
    return {
        name: (document(pki, files, **options), TrustStore.from_certificates([pki.csca.der]))  # type: ignore[arg-type]
        for name, (pki, options) in made.items()
    }


def signed_positions(sod: bytes) -> set[int]:
    """Where the signed bytes lie in EF.SOD: content, attributes, signatures, the signer's certificate."""
    signed = SignedData.parse(EfSod.parse(sod).cms)
    (signer,) = signed.signers
    (certificate,) = signed.certificates
    half = len(signed.content) // 2
    pieces = [signer.attributes or b"", signer.signature, certificate.tbs, certificate.signature]
    pieces += [signed.content] if signed.content in sod else [signed.content[:half], signed.content[half:]]
    found: set[int] = set()
    for piece in pieces:
        start = sod.index(piece)
        found |= set(range(start, start + len(piece)))
    return found


def sweep(files: dict[FileId, bytes], trust: TrustStore, seconds: float) -> Tally:
    """Change every byte in two ways, or as many as the time allows."""
    tally, original = Tally(), examine(files, trust=trust, at=AT)
    inside = signed_positions(files[FileId.SOD])
    places = [(name, n) for name in files if name is not FileId.COM for n in range(len(files[name]))]
    started = time.monotonic()
    for name, position in places:
        for change in (0x01, 0xFF):
            if time.monotonic() - started > seconds:
                return tally
            data = bytearray(files[name])
            data[position] ^= change
            result = examine({**files, name: bytes(data)}, trust=trust, at=AT)
            accepted = all(result.report.status(c) is CheckStatus.SUCCESSFUL for c in DECIDING)
            tally.tried += 1
            tally.caught += not accepted
            if name is not FileId.SOD or position in inside:
                tally.signed += 1
                tally.signed_caught += not accepted
            elif accepted:
                same = result.signer == original.signer and dict(result.security_object.hashes) == dict(  # type: ignore[union-attr]
                    original.security_object.hashes  # type: ignore[union-attr]
                )
                tally.unexplained += not same
            tally.better += any(
                RANK.get(result.report.status(c), 1) < RANK.get(original.report.status(c), 1) for c in CheckId
            )
    return tally


def main() -> int:
    """Sweep every family and print the counts."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    clean = True
    for name, (files, trust) in families().items():
        tally = sweep(files, trust, seconds)
        good = tally.signed == tally.signed_caught and not tally.better and not tally.unexplained
        clean &= good
        print(
            f"{name}: {tally.tried} changes, {tally.caught} caught; inside signed content {tally.signed_caught} of "
            f"{tally.signed}; better than the original {tally.better}; {'ok' if good else 'NOT OK'}"
        )
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
