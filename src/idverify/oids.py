"""Object identifiers, whole and dotted, with the clause of the standard beside each family.

Members are strings: ``SecurityProtocol.PACE_ECDH_GM_AES_128 == "0.4.0.127.0.7.2.2.4.2.2"``.
"""

from __future__ import annotations

import enum
from typing import TypeVar

_E = TypeVar("_E", bound=enum.StrEnum)


class SecurityProtocol(enum.StrEnum):
    """Object identifiers of SecurityInfos (BSI TR-03110-3 appendix A.1; ICAO 9303-11 §9.2)."""

    # public keys of chip authentication: TR-03110-3 A.1.1.2, ICAO 9303-11 §9.2.6
    PK_DH = "0.4.0.127.0.7.2.2.1.1"
    PK_ECDH = "0.4.0.127.0.7.2.2.1.2"
    # terminal authentication: TR-03110-3 A.1.1.3, A.6.4
    TA = "0.4.0.127.0.7.2.2.2"
    TA_RSA = "0.4.0.127.0.7.2.2.2.1"
    TA_RSA_V1_5_SHA_1 = "0.4.0.127.0.7.2.2.2.1.1"
    TA_RSA_V1_5_SHA_256 = "0.4.0.127.0.7.2.2.2.1.2"
    TA_RSA_PSS_SHA_1 = "0.4.0.127.0.7.2.2.2.1.3"
    TA_RSA_PSS_SHA_256 = "0.4.0.127.0.7.2.2.2.1.4"
    TA_RSA_V1_5_SHA_512 = "0.4.0.127.0.7.2.2.2.1.5"
    TA_RSA_PSS_SHA_512 = "0.4.0.127.0.7.2.2.2.1.6"
    TA_ECDSA = "0.4.0.127.0.7.2.2.2.2"
    TA_ECDSA_SHA_1 = "0.4.0.127.0.7.2.2.2.2.1"
    TA_ECDSA_SHA_224 = "0.4.0.127.0.7.2.2.2.2.2"
    TA_ECDSA_SHA_256 = "0.4.0.127.0.7.2.2.2.2.3"
    TA_ECDSA_SHA_384 = "0.4.0.127.0.7.2.2.2.2.4"
    TA_ECDSA_SHA_512 = "0.4.0.127.0.7.2.2.2.2.5"
    # chip authentication: TR-03110-3 A.1.1.2, ICAO 9303-11 §9.2.5
    CA_DH = "0.4.0.127.0.7.2.2.3.1"
    CA_DH_3DES = "0.4.0.127.0.7.2.2.3.1.1"
    CA_DH_AES_128 = "0.4.0.127.0.7.2.2.3.1.2"
    CA_DH_AES_192 = "0.4.0.127.0.7.2.2.3.1.3"
    CA_DH_AES_256 = "0.4.0.127.0.7.2.2.3.1.4"
    CA_ECDH = "0.4.0.127.0.7.2.2.3.2"
    CA_ECDH_3DES = "0.4.0.127.0.7.2.2.3.2.1"
    CA_ECDH_AES_128 = "0.4.0.127.0.7.2.2.3.2.2"
    CA_ECDH_AES_192 = "0.4.0.127.0.7.2.2.3.2.3"
    CA_ECDH_AES_256 = "0.4.0.127.0.7.2.2.3.2.4"
    # PACE: TR-03110-3 A.1.1.1, ICAO 9303-11 §9.2.1 and §9.2.2
    PACE_DH_GM = "0.4.0.127.0.7.2.2.4.1"
    PACE_DH_GM_3DES = "0.4.0.127.0.7.2.2.4.1.1"
    PACE_DH_GM_AES_128 = "0.4.0.127.0.7.2.2.4.1.2"
    PACE_DH_GM_AES_192 = "0.4.0.127.0.7.2.2.4.1.3"
    PACE_DH_GM_AES_256 = "0.4.0.127.0.7.2.2.4.1.4"
    PACE_ECDH_GM = "0.4.0.127.0.7.2.2.4.2"
    PACE_ECDH_GM_3DES = "0.4.0.127.0.7.2.2.4.2.1"
    PACE_ECDH_GM_AES_128 = "0.4.0.127.0.7.2.2.4.2.2"
    PACE_ECDH_GM_AES_192 = "0.4.0.127.0.7.2.2.4.2.3"
    PACE_ECDH_GM_AES_256 = "0.4.0.127.0.7.2.2.4.2.4"
    PACE_DH_IM = "0.4.0.127.0.7.2.2.4.3"
    PACE_DH_IM_3DES = "0.4.0.127.0.7.2.2.4.3.1"
    PACE_DH_IM_AES_128 = "0.4.0.127.0.7.2.2.4.3.2"
    PACE_DH_IM_AES_192 = "0.4.0.127.0.7.2.2.4.3.3"
    PACE_DH_IM_AES_256 = "0.4.0.127.0.7.2.2.4.3.4"
    PACE_ECDH_IM = "0.4.0.127.0.7.2.2.4.4"
    PACE_ECDH_IM_3DES = "0.4.0.127.0.7.2.2.4.4.1"
    PACE_ECDH_IM_AES_128 = "0.4.0.127.0.7.2.2.4.4.2"
    PACE_ECDH_IM_AES_192 = "0.4.0.127.0.7.2.2.4.4.3"
    PACE_ECDH_IM_AES_256 = "0.4.0.127.0.7.2.2.4.4.4"
    PACE_ECDH_CAM = "0.4.0.127.0.7.2.2.4.6"
    PACE_ECDH_CAM_AES_128 = "0.4.0.127.0.7.2.2.4.6.2"
    PACE_ECDH_CAM_AES_192 = "0.4.0.127.0.7.2.2.4.6.3"
    PACE_ECDH_CAM_AES_256 = "0.4.0.127.0.7.2.2.4.6.4"
    # restricted identification: TR-03110-3 A.1.1.4
    RI = "0.4.0.127.0.7.2.2.5"
    RI_DH = "0.4.0.127.0.7.2.2.5.1"
    RI_DH_SHA_1 = "0.4.0.127.0.7.2.2.5.1.1"
    RI_DH_SHA_224 = "0.4.0.127.0.7.2.2.5.1.2"
    RI_DH_SHA_256 = "0.4.0.127.0.7.2.2.5.1.3"
    RI_DH_SHA_384 = "0.4.0.127.0.7.2.2.5.1.4"
    RI_DH_SHA_512 = "0.4.0.127.0.7.2.2.5.1.5"
    RI_ECDH = "0.4.0.127.0.7.2.2.5.2"
    RI_ECDH_SHA_1 = "0.4.0.127.0.7.2.2.5.2.1"
    RI_ECDH_SHA_224 = "0.4.0.127.0.7.2.2.5.2.2"
    RI_ECDH_SHA_256 = "0.4.0.127.0.7.2.2.5.2.3"
    RI_ECDH_SHA_384 = "0.4.0.127.0.7.2.2.5.2.4"
    RI_ECDH_SHA_512 = "0.4.0.127.0.7.2.2.5.2.5"
    # CardInfo, eIDSecurityInfo, PrivilegedTerminalInfo: TR-03110-3 A.1.1.5 to A.1.1.7
    CARD_INFO = "0.4.0.127.0.7.2.2.6"
    EID_SECURITY = "0.4.0.127.0.7.2.2.7"
    PRIVILEGED_TERMINAL = "0.4.0.127.0.7.2.2.8"
    # ActiveAuthenticationInfo: ICAO 9303-11 §9.2.8
    ACTIVE_AUTHENTICATION = "2.23.136.1.1.5"
    # EF.CVCA / EFDirInfo: ICAO 9303-11 §9.2.9
    EF_DIR = "2.23.136.1.1.13"


class DomainParameters(enum.StrEnum):
    """Families of domain parameters (BSI TR-03110-3 A.2.1; ICAO 9303-11 §9.5)."""

    STANDARDIZED = "0.4.0.127.0.7.1.2"
    DH_PUBLIC_NUMBER = "1.2.840.10046.2.1"  # ANSI X9.42, RFC 3279 §2.3.3
    DH_PKCS3 = "1.2.840.113549.1.3.1"  # PKCS #3
    EC_PUBLIC_KEY = "1.2.840.10045.2.1"  # RFC 5480 §2.1.1
    PRIME_FIELD = "1.2.840.10045.1.1"  # ANSI X9.62
    CHARACTERISTIC_TWO_FIELD = "1.2.840.10045.1.2"


class PlainSignature(enum.StrEnum):
    """ecdsa-plain-signatures, r‖s (BSI TR-03111 §5.2.1.1)."""

    ECDSA_PLAIN_SHA1 = "0.4.0.127.0.7.1.1.4.1.1"
    ECDSA_PLAIN_SHA224 = "0.4.0.127.0.7.1.1.4.1.2"
    ECDSA_PLAIN_SHA256 = "0.4.0.127.0.7.1.1.4.1.3"
    ECDSA_PLAIN_SHA384 = "0.4.0.127.0.7.1.1.4.1.4"
    ECDSA_PLAIN_SHA512 = "0.4.0.127.0.7.1.1.4.1.5"
    ECDSA_PLAIN_RIPEMD160 = "0.4.0.127.0.7.1.1.4.1.6"


class Signature(enum.StrEnum):
    """Signature algorithms (RFC 8017 appendix C, RFC 5758 §3, RFC 4055 §3 and §5, RFC 3279 §2.2.2 and §2.3.2)."""

    RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
    SHA1_WITH_RSA = "1.2.840.113549.1.1.5"
    RSASSA_PSS = "1.2.840.113549.1.1.10"
    SHA256_WITH_RSA = "1.2.840.113549.1.1.11"
    SHA384_WITH_RSA = "1.2.840.113549.1.1.12"
    SHA512_WITH_RSA = "1.2.840.113549.1.1.13"
    SHA224_WITH_RSA = "1.2.840.113549.1.1.14"
    ECDSA_WITH_SHA1 = "1.2.840.10045.4.1"
    ECDSA_WITH_SPECIFIED = "1.2.840.10045.4.3"
    ECDSA_WITH_SHA224 = "1.2.840.10045.4.3.1"
    ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2"
    ECDSA_WITH_SHA384 = "1.2.840.10045.4.3.3"
    ECDSA_WITH_SHA512 = "1.2.840.10045.4.3.4"
    DSA = "1.2.840.10040.4.1"
    DSA_WITH_SHA1 = "1.2.840.10040.4.3"
    DSA_WITH_SHA224 = "2.16.840.1.101.3.4.3.1"
    DSA_WITH_SHA256 = "2.16.840.1.101.3.4.3.2"
    DSA_WITH_SHA384 = "2.16.840.1.101.3.4.3.3"
    DSA_WITH_SHA512 = "2.16.840.1.101.3.4.3.4"


class Hash(enum.StrEnum):
    """Hash algorithms (RFC 3279 §2.2.1, RFC 5754 §2), and MGF1 (RFC 8017 appendix B.2.1)."""

    SHA1 = "1.3.14.3.2.26"
    SHA256 = "2.16.840.1.101.3.4.2.1"
    SHA384 = "2.16.840.1.101.3.4.2.2"
    SHA512 = "2.16.840.1.101.3.4.2.3"
    SHA224 = "2.16.840.1.101.3.4.2.4"
    MGF1 = "1.2.840.113549.1.1.8"


class Cms(enum.StrEnum):
    """Cryptographic message syntax (RFC 5652 §4, §5, §11)."""

    DATA = "1.2.840.113549.1.7.1"
    SIGNED_DATA = "1.2.840.113549.1.7.2"
    CONTENT_TYPE = "1.2.840.113549.1.9.3"
    MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
    SIGNING_TIME = "1.2.840.113549.1.9.5"


class Icao(enum.StrEnum):
    """id-icao-mrtd-security (ICAO 9303-10 §4.6.2, 9303-12 §7.1.1, §8 and §9; 9303-11 §9.2.8)."""

    LDS_SECURITY_OBJECT = "2.23.136.1.1.1"
    CSCA_MASTER_LIST = "2.23.136.1.1.2"
    CSCA_MASTER_LIST_SIGNING_KEY = "2.23.136.1.1.3"
    DOCUMENT_TYPE_LIST_OLD = "2.23.136.1.1.4"
    AA_PROTOCOL_OBJECT = "2.23.136.1.1.5"
    NAME_CHANGE = "2.23.136.1.1.6.1"
    DOCUMENT_TYPE_LIST = "2.23.136.1.1.6.2"
    DEVIATION_LIST = "2.23.136.1.1.7"
    DEVIATION_LIST_SIGNING_KEY = "2.23.136.1.1.8"


class Bsi(enum.StrEnum):
    """Content types of BSI (TR-03110-3 A.1.2.5; TR-03129)."""

    SECURITY_OBJECT = "0.4.0.127.0.7.3.2.1"
    DEFECT_LIST = "0.4.0.127.0.7.3.1.5"
    ROLE_INSPECTION_SYSTEM = "0.4.0.127.0.7.3.1.2.1"
    ROLE_AUTHENTICATION_TERMINAL = "0.4.0.127.0.7.3.1.2.2"
    ROLE_SIGNATURE_TERMINAL = "0.4.0.127.0.7.3.1.2.3"


class Extension(enum.StrEnum):
    """X.509 certificate and CRL extensions (RFC 5280 §4.2, §5.2, §5.3; ICAO 9303-12 §7.1.1)."""

    SUBJECT_KEY_IDENTIFIER = "2.5.29.14"
    KEY_USAGE = "2.5.29.15"
    PRIVATE_KEY_USAGE_PERIOD = "2.5.29.16"
    SUBJECT_ALT_NAME = "2.5.29.17"
    ISSUER_ALT_NAME = "2.5.29.18"
    BASIC_CONSTRAINTS = "2.5.29.19"
    CRL_NUMBER = "2.5.29.20"
    REASON_CODE = "2.5.29.21"
    DELTA_CRL_INDICATOR = "2.5.29.27"
    ISSUING_DISTRIBUTION_POINT = "2.5.29.28"
    CERTIFICATE_ISSUER = "2.5.29.29"
    CRL_DISTRIBUTION_POINTS = "2.5.29.31"
    CERTIFICATE_POLICIES = "2.5.29.32"
    AUTHORITY_KEY_IDENTIFIER = "2.5.29.35"
    EXTENDED_KEY_USAGE = "2.5.29.37"


class NameAttribute(enum.StrEnum):
    """Attributes of distinguished names (ITU-T X.520; RFC 5280 §4.1.2.4)."""

    COMMON_NAME = "2.5.4.3"
    SERIAL_NUMBER = "2.5.4.5"
    COUNTRY = "2.5.4.6"
    LOCALITY = "2.5.4.7"
    ORGANIZATION = "2.5.4.10"
    ORGANIZATIONAL_UNIT = "2.5.4.11"


def find(family: type[_E], dotted: str) -> _E | None:
    """The member of ``family`` with that dotted identifier, or None."""
    try:
        return family(dotted)
    except ValueError:
        return None
