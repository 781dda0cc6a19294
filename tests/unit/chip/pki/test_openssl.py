"""The openssl command as an independent producer and as a second opinion.

It makes authorities, signers, revocation lists and security objects that this library has to judge, and it judges the
real lists and security objects beside this library. Where it cannot judge (keys with explicit curve parameters in a
path) its signature check alone is taken.
"""

from __future__ import annotations

import base64
import functools
import itertools
import shutil
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.shared import shared
from tests.unit.chip.pki.documents import groups

from idverify import _tlv
from idverify.chip.lds.files import FileId
from idverify.chip.lds.sod import EfSod
from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.cms import SignedData
from idverify.chip.pki.importer import Importer, ImportResult, ProblemReason
from idverify.chip.pki.master_list import MasterList
from idverify.chip.pki.passive_auth import PassiveAuthOptions, verify_document
from idverify.chip.pki.trust_store import EntryKind, TrustStore
from idverify.emulator.signed_data import ef_sod, security_object
from idverify.errors import IdVerifyError
from idverify.oids import Icao
from idverify.report import CheckId, CheckStatus, Reason, VerificationReport

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="needs the openssl command")

CONFIG = """
[req]
distinguished_name = dn
prompt = no
[dn]
C = UT
O = Utopia
CN = CSCA Utopia
[csca]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[dsc]
keyUsage = critical,digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[bare]
keyUsage = critical,digitalSignature
[list-signer]
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,2.23.136.1.1.3
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[ca]
default_ca = only
[only]
database = index.txt
crlnumber = crlnumber
default_crl_days = 3650
crl_extensions = crl
[crl]
authorityKeyIdentifier = keyid
"""


def openssl(*arguments: str | Path, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    command = [OPENSSL or "openssl", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, check=check, capture_output=True, timeout=60)


@dataclass
class Authority:
    """An authority that openssl made, in a folder of its own."""

    folder: Path
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1000))

    def der(self, name: str) -> bytes:
        return openssl("x509", "-in", f"{name}.pem", "-outform", "DER", cwd=self.folder).stdout

    def key(self, name: str, kind: str) -> None:
        family, *options = kind.split()
        if family == "rsa":
            extra = ["-pkeyopt", f"rsa_keygen_pubexp:{options[1]}"] if len(options) > 1 else []
            made = ["genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{options[0]}", *extra]
        else:
            made = ["ecparam", "-name", options[0], "-genkey", "-noout", *options[1:]]
        openssl(*made, "-out", f"{name}.key", cwd=self.folder)

    def csca(self, kind: str) -> None:
        (self.folder / "openssl.cnf").write_text(CONFIG)
        (self.folder / "index.txt").touch()
        (self.folder / "crlnumber").write_text("01\n")
        self.key("csca", kind)
        request = ("req", "-x509", "-new", "-key", "csca.key", "-config", "openssl.cnf", "-extensions", "csca")
        openssl(*request, "-days", "3000", "-set_serial", "1", "-sha256", "-out", "csca.pem", cwd=self.folder)

    def signer(self, name: str, kind: str, extensions: str = "dsc") -> None:
        self.key(name, kind)
        subject = ("-subj", f"/C=UT/O=Utopia/CN={name}", "-config", "openssl.cnf")
        openssl("req", "-new", "-key", f"{name}.key", *subject, "-out", f"{name}.csr", cwd=self.folder)
        issue = ("x509", "-req", "-in", f"{name}.csr", "-CA", "csca.pem", "-CAkey", "csca.key", "-sha256")
        serial = ("-set_serial", str(next(self.numbers)), "-extfile", "openssl.cnf", "-extensions", extensions)
        openssl(*issue, *serial, "-days", "900", "-out", f"{name}.pem", cwd=self.folder)

    def sign(
        self, content: bytes, *options: str, name: str = "dsc", kind: str = str(Icao.LDS_SECURITY_OBJECT)
    ) -> bytes:
        (self.folder / "content").write_bytes(content)
        signer = () if "-signer" in options else ("-signer", f"{name}.pem", "-inkey", f"{name}.key")
        what = ("cms", "-sign", "-binary", "-nodetach", "-in", "content", "-outform", "DER", "-econtent_type", kind)
        return openssl(*what, *signer, *options, cwd=self.folder).stdout

    def accepts(self, cms: bytes, *options: str) -> bool:
        (self.folder / "judged").write_bytes(cms)
        what = ("cms", "-verify", "-binary", "-inform", "DER", "-in", "judged", "-purpose", "any", "-out", "out")
        return openssl(*what, "-CAfile", "csca.pem", *options, cwd=self.folder, check=False).returncode == 0

    def crl(self, *revoked: str) -> bytes:
        for name in revoked:
            revoke = ("ca", "-config", "openssl.cnf", "-revoke", f"{name}.pem", "-cert", "csca.pem")
            openssl(*revoke, "-keyfile", "csca.key", "-md", "sha256", "-crl_reason", "keyCompromise", cwd=self.folder)
        what = ("ca", "-config", "openssl.cnf", "-gencrl", "-cert", "csca.pem", "-keyfile", "csca.key", "-md", "sha256")
        openssl(*what, "-out", "list.pem", cwd=self.folder)
        return openssl("crl", "-in", "list.pem", "-outform", "DER", cwd=self.folder).stdout


FILES = groups("UTO")
CONTENT = security_object({f.number: d for f, d in FILES.items() if f.number}, hash_name="sha256")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("openssl")


def authority(folder: Path, csca: str = "ec prime256v1", dsc: str = "ec prime256v1") -> Authority:
    return _authority(folder, csca, dsc)


@functools.cache
def _authority(folder: Path, csca: str, dsc: str) -> Authority:
    place = folder / f"{csca} {dsc}".replace(" ", "_").replace("-", "_")
    place.mkdir()
    made = Authority(place)
    made.csca(csca)
    made.signer("dsc", dsc)
    return made


def judge(
    made: Authority, cms: bytes, *, options: PassiveAuthOptions | None = None, trust: TrustStore | None = None
) -> VerificationReport:
    trust = trust or TrustStore.from_certificates([made.der("csca")])
    return verify_document({**FILES, FileId.SOD: ef_sod(cms)}, trust=trust, at=datetime.now(UTC), options=options)


def outcome(report: VerificationReport, check: CheckId) -> tuple[CheckStatus, Reason]:
    status = report.status(check)
    return status, next(c.reason for c in report.results(check) if c.status is status)


DECIDING = (CheckId.SOD_SIGNATURE, CheckId.DSC_CHAIN, CheckId.DSC_VALIDITY, CheckId.DG_HASH)
EXPLICIT = "-param_enc explicit"
PSS = ("-keyopt", "rsa_padding_mode:pss")
MASK = ("-keyopt", "rsa_mgf1_md:sha1")
COMPRESSED = "-conv_form compressed"
HYBRID = "-conv_form hybrid"


@pytest.mark.parametrize(
    ("csca", "dsc", "options"),
    [
        ("ec prime256v1", "ec prime256v1", ()),
        ("ec prime256v1", "ec prime256v1", ("-keyid",)),
        ("ec prime256v1", "ec prime256v1", ("-md", "sha1")),
        ("ec prime256v1", "ec prime256v1", ("-md", "sha224")),
        ("ec secp384r1", "ec secp384r1", ("-md", "sha384")),
        ("ec secp521r1", "ec secp521r1", ("-md", "sha512")),
        ("ec secp224r1", "ec secp224r1", ("-md", "sha224")),
        ("ec brainpoolP256r1", "ec brainpoolP256r1", ()),
        ("ec brainpoolP384r1", f"ec brainpoolP384r1 {EXPLICIT}", ("-md", "sha384")),
        (f"ec brainpoolP512r1 {EXPLICIT}", f"ec brainpoolP512r1 {EXPLICIT}", ("-md", "sha512")),
        (f"ec prime256v1 {EXPLICIT}", f"ec prime256v1 {EXPLICIT}", ("-keyid",)),
        (f"ec prime256v1 {COMPRESSED}", f"ec prime256v1 {COMPRESSED}", ()),
        (f"ec prime256v1 {EXPLICIT} {COMPRESSED}", f"ec prime256v1 {EXPLICIT} {COMPRESSED}", ()),
        (f"ec prime256v1 {HYBRID}", f"ec brainpoolP256r1 {HYBRID}", ()),
        ("ec brainpoolP224r1", "ec brainpoolP224r1", ()),
        ("ec brainpoolP320r1", "ec brainpoolP320r1", ()),
        ("rsa 2048", "rsa 2048", ()),
        ("rsa 2048", "rsa 1024", ("-md", "sha1")),
        ("rsa 2048 3", "rsa 2048 3", ("-md", "sha512")),
        ("rsa 4096", "rsa 3072", ("-md", "sha384")),
        ("rsa 2048", "rsa 2048", PSS),
        ("rsa 2048", "rsa 2048", (*PSS, "-keyopt", "rsa_pss_saltlen:0")),
        ("rsa 2048", "rsa 2048", (*PSS, "-md", "sha512", "-keyopt", "rsa_pss_saltlen:17", *MASK)),
        ("rsa 2048", "rsa 2048", (*PSS, "-md", "sha1", "-keyopt", "rsa_pss_saltlen:max")),
        ("rsa 2048", "ec prime256v1", ("-nosmimecap", "-cades")),
        ("ec prime256v1", "rsa 2048", ("-stream", "-indef")),
    ],
)  # fmt: skip
def test_documents_of_every_family_are_genuine_and_altered_ones_are_not(
    folder: Path, csca: str, dsc: str, options: tuple[str, ...]
) -> None:
    made = authority(folder, csca, dsc)
    cms = made.sign(CONTENT, *options)
    assert made.accepts(cms, "-noverify")
    report = judge(made, cms)
    assert [outcome(report, c) for c in DECIDING] == [(CheckStatus.SUCCESSFUL, Reason.OK)] * 4
    for position in (len(cms) - 5, cms.index(CONTENT[-20:]) if CONTENT in cms else len(cms) - 9):
        altered = bytearray(cms)
        altered[position] ^= 1
        assert not made.accepts(bytes(altered), "-noverify")
        assert outcome(judge(made, bytes(altered)), CheckId.SOD_SIGNATURE)[0] is CheckStatus.FAILED


def test_structures_that_are_odd_or_lack_something(folder: Path) -> None:
    made = authority(folder)
    no_attributes = judge(made, made.sign(CONTENT, "-noattr"))
    (signature,) = no_attributes.results(CheckId.SOD_SIGNATURE)
    assert signature.status is CheckStatus.SUCCESSFUL
    assert "no-signed-attributes" in signature.evidence["deviations"]
    assert outcome(judge(made, made.sign(CONTENT, "-nocerts")), CheckId.SOD_SIGNATURE) == (
        CheckStatus.FAILED, Reason.SIGNER_NOT_FOUND,
    )  # fmt: skip
    importer = Importer()
    importer.add_bytes(made.der("csca"), "csca.cer")
    importer.add_bytes(made.der("dsc"), "dsc.cer")
    importer.result()
    known = judge(made, made.sign(CONTENT, "-nocerts"), trust=importer.builder.build())
    assert outcome(known, CheckId.SOD_SIGNATURE) == (CheckStatus.SUCCESSFUL, Reason.OK)
    other_type = judge(made, made.sign(CONTENT, kind="1.2.840.113549.1.7.1"))
    assert outcome(other_type, CheckId.SOD_SIGNATURE) == (CheckStatus.FAILED, Reason.CONTENT_TYPE)
    made.signer("bare", "ec prime256v1", "bare")  # no identifiers at all
    bare = judge(made, made.sign(CONTENT, name="bare"))
    assert outcome(bare, CheckId.DSC_CHAIN) == (CheckStatus.SUCCESSFUL, Reason.OK)
    made.signer("second", "rsa 2048")
    both = ("-signer", "dsc.pem", "-inkey", "dsc.key", "-signer", "second.pem", "-inkey", "second.key")
    several = judge(made, made.sign(CONTENT, *both))
    assert [outcome(several, c)[0] for c in DECIDING] == [CheckStatus.SUCCESSFUL] * 4
    (signature,) = several.results(CheckId.SOD_SIGNATURE)
    assert "several-signers" in signature.evidence["deviations"]
    made.signer("lists", "ec prime256v1", "list-signer")
    wrong_role = judge(made, made.sign(CONTENT, name="lists"))
    assert outcome(wrong_role, CheckId.DSC_CHAIN) == (CheckStatus.FAILED, Reason.KEY_USAGE)
    itself = judge(made, made.sign(CONTENT, name="csca"))
    assert outcome(itself, CheckId.DSC_CHAIN) == (CheckStatus.FAILED, Reason.KEY_USAGE)


def test_a_stranger_beside_the_genuine_signer_neither_helps_nor_hurts(folder: Path) -> None:
    """Whoever adds a signature of his own to a genuine object has changed no signed byte."""
    made, stranger = authority(folder), authority(folder, "ec secp384r1", "ec prime256v1")
    for name in ("dsc.pem", "dsc.key"):
        (made.folder / f"x-{name}").write_bytes((stranger.folder / name).read_bytes())
    for order in (("x-dsc", "dsc"), ("dsc", "x-dsc")):
        both = [o for n in order for o in ("-signer", f"{n}.pem", "-inkey", f"{n}.key")]
        assert outcome(judge(made, made.sign(CONTENT, *both)), CheckId.DSC_CHAIN)[0] is CheckStatus.SUCCESSFUL
    alone = judge(made, stranger.sign(CONTENT))
    assert outcome(alone, CheckId.DSC_CHAIN)[0] is not CheckStatus.SUCCESSFUL


# ---- lists --------------------------------------------------------------------------------------------------------


def record(dn: str, classes: tuple[str, ...], *lines: str) -> str:
    """A record as ICAO's directory writes it: lines folded at 78 characters, base64 values behind two colons."""
    folded = []
    for line in (f"dn: {dn}", *lines, *(f"objectClass: {c}" for c in classes)):
        folded.append("\n ".join([line[:78], *(line[i : i + 77] for i in range(78, len(line), 77))]))
    return "\n".join(folded) + "\n"


def value(name: str, data: bytes) -> str:
    return f"{name}:: {base64.b64encode(data).decode()}"


BASE = "dc=data,dc=download,dc=pkd,dc=icao,dc=int"
PERSON = ("inetOrgPerson", "pkdDownload", "organizationalPerson", "top", "person")


def import_ldif(*records: str, roots: list[bytes] | None = None) -> tuple[ImportResult, TrustStore]:
    importer = Importer(roots=[Certificate.parse(r) for r in roots or []])
    raw = ("version: 1\n\n" + "\n".join(records)).encode()
    importer.add_bytes(raw, "icaopkd-001-complete.ldif")
    return importer.result(), importer.builder.build()


def test_an_icao_directory_of_openssl_s_objects(folder: Path) -> None:
    """The records of the three collections: signers and revocation lists, master lists, non-conformant signers."""
    made = authority(folder)
    made.signer("revoked", "ec prime256v1")
    made.signer("ml", "ec prime256v1", "list-signer")
    content = _tlv.encode(0x30, _tlv.encode(0x02, b"\0"), _tlv.encode(0x31, made.der("csca")))
    (made.folder / "csca-only.pem").write_bytes((made.folder / "csca.pem").read_bytes())
    master_list = made.sign(content, "-certfile", "csca-only.pem", name="ml", kind=str(Icao.CSCA_MASTER_LIST))
    assert made.accepts(master_list)
    assert MasterList.parse(master_list).verdict.ok
    serial = f"{Certificate.parse(made.der('dsc')).serial_number:X}"
    issuer = "cn=CN\\=CSCA Utopia\\,O\\=Utopia\\,C\\=UT"
    result, trust = import_ldif(
        record(f"o=dsc,c=UT,{BASE}", ("top", "organization"), "o: dsc"),
        record(f"{issuer}+sn={serial},o=dsc,c=UT,{BASE}", PERSON, "pkdVersion: 1150",
               value("userCertificate;binary", made.der("dsc")), f"sn: {serial}", "cn: CN=CSCA Utopia,O=Utopia,C=UT"),
        record(f"{issuer}+sn=AA,o=dsc,c=UT,dc=nc-data,{BASE}", PERSON, "pkdConformanceCode: ERR:X",
               value("pkdConformanceText", "không đúng".encode()),
               value("userCertificate;binary", made.der("revoked"))),
        record(f"{issuer},o=crl,c=UT,{BASE}", ("top", "pkdDownload", "cRLDistributionPoint"),
               value("certificateRevocationList;binary", made.crl("revoked")), "cn: CN=CSCA Utopia,O=Utopia,C=UT"),
        record(f"{issuer},o=ml,c=UT,{BASE}", ("pkdMasterList", "pkdDownload", "top", "person"), "pkdVersion: 70",
               value("pkdMasterListContent", master_list), "sn: 1", "cn: CN=CSCA Utopia,O=Utopia,C=UT"),
        roots=[made.der("csca")],
    )  # fmt: skip
    assert result.problems == ()
    assert trust.counts() == {EntryKind.CSCA: 1, EntryKind.DOCUMENT_SIGNER: 2, EntryKind.CRL: 1}
    good = judge(made, made.sign(CONTENT, "-nocerts"), trust=trust)
    assert [outcome(good, c)[0] for c in (*DECIDING, CheckId.DSC_REVOCATION)] == [CheckStatus.SUCCESSFUL] * 5
    revoked = judge(made, made.sign(CONTENT, name="revoked"), trust=trust)
    assert outcome(revoked, CheckId.DSC_REVOCATION) == (CheckStatus.FAILED, Reason.REVOKED)
    verdict = openssl("verify", "-CAfile", "csca.pem", "-CRLfile", "list.pem", "-crl_check", "revoked.pem",
                      cwd=made.folder, check=False)  # fmt: skip
    assert b"certificate revoked" in verdict.stderr


def test_a_delta_adds_what_it_adds_and_nothing_that_it_deletes(folder: Path) -> None:
    made = authority(folder)
    made.signer("gone", "ec prime256v1")
    dsc, gone = value("userCertificate;binary", made.der("dsc")), value("userCertificate;binary", made.der("gone"))
    result, trust = import_ldif(
        f"dn: cn=1,o=dsc,c=UT,{BASE}\nchangetype: add\nobjectClass: pkdDownload\n{dsc}\n",
        f"dn: cn=2,o=dsc,c=UT,{BASE}\nchangetype: delete\n",
        f"dn: cn=3,o=dsc,c=UT,{BASE}\nchangetype: modify\ndelete: userCertificate;binary\n{gone}\n-\n"
        f"replace: userCertificate;binary\n{dsc}\n-\n",
    )
    assert [p.reason for p in result.problems] == [ProblemReason.ISSUER_NOT_IN_STORE]
    assert [e.data for e in trust.entries()] == [made.der("dsc")]


# ---- a second opinion about what is real ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "root", "path"),
    [("de_ml_2025_06_25.ml", "de_csca_2024.cer", False), ("nl_ml_2025_12_20.ml", "nl_csca_7.cer", True)],
)
def test_openssl_agrees_about_the_real_master_lists(name: str, root: str, path: bool, tmp_path: Path) -> None:
    raw = shared(f"vectors/masterlists/{name}").read_bytes()
    made = Authority(tmp_path)
    pem = openssl("x509", "-inform", "DER", "-in", shared(f"vectors/masterlists/{root}"), cwd=tmp_path).stdout
    (tmp_path / "csca.pem").write_bytes(pem)
    # the German signer's key has explicit parameters, which openssl takes in no path: its signature only
    assert made.accepts(raw, "-no_check_time") is path
    assert made.accepts(raw, "-noverify")
    assert (tmp_path / "out").read_bytes() == SignedData.parse(raw, allow_trailing=True).content
    assert MasterList.parse(raw).verdict.ok
    altered = bytearray(raw)
    altered[len(raw) // 2] ^= 1
    assert not made.accepts(bytes(altered), "-noverify")
    assert not MasterList.parse(bytes(altered)).verdict.ok


def test_openssl_agrees_about_the_real_security_objects(tmp_path: Path) -> None:
    root = shared("vectors/sod/index.json").parent.parent
    agreed: dict[bool, int] = {True: 0, False: 0}
    for path in sorted((*root.glob("sod/**/*.bin"), *root.glob("lds/*/sod.bin"))):
        try:
            cms = EfSod.parse(path.read_bytes()).cms
            mine = SignedData.parse(cms, allow_trailing=True).verify({Icao.LDS_SECURITY_OBJECT}).ok
        except IdVerifyError:
            mine, cms = False, path.read_bytes()[4:]
        what = ("cms", "-verify", "-binary", "-noverify", "-inform", "DER", "-in", "judged", "-out", "out")
        (tmp_path / "judged").write_bytes(cms)
        theirs = openssl(*what, cwd=tmp_path, check=False).returncode == 0
        if path.parent.name == "altered" and theirs and not mine:
            continue  # this library asks for more than the signature: versions, the content type
        assert mine is theirs, path.name
        agreed[mine] += 1
    assert agreed[True] >= 5
    assert agreed[False] >= 4
