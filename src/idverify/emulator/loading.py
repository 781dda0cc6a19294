"""A chip from a published set of files and its private keys."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from idverify.chip.lds.dg1 import DG1
from idverify.chip.lds.files import FileId
from idverify.chip.lds.security_infos import SecurityInfos
from idverify.crypto.block import Cipher
from idverify.emulator.active_auth import ActiveAuthKey
from idverify.emulator.chip_auth import ChipAuthKey
from idverify.emulator.holder import mrz_information
from idverify.emulator.image import CardImage
from idverify.emulator.keys import EcKey, RsaKey
from idverify.emulator.pace import Mapping as PaceMapping
from idverify.emulator.pace import PaceOption
from idverify.errors import ConfigurationError

_CIPHERS: Final = {c.label: c for c in Cipher}


def load_image(
    files: Mapping[FileId, bytes],
    *,
    aa_key: bytes | ActiveAuthKey | None,
    ca_keys: tuple[bytes | ChipAuthKey, ...],
) -> CardImage:
    """See :func:`idverify.emulator.from_files`."""
    if FileId.DG1 not in files:
        raise ConfigurationError("the set of files has no DG1, so there is no MRZ to open the chip with")
    mrz = DG1.parse(files[FileId.DG1]).mrz.text
    return CardImage(
        profile="files",
        files=MappingProxyType(dict(files)),
        mrz=mrz,
        mrz_information=mrz_information(mrz),
        pace=_pace(files.get(FileId.CARD_ACCESS)),
        active_auth=_active(aa_key),
        chip_auth=_chip(ca_keys, files.get(FileId.DG14)),
    )


def _pace(card_access: bytes | None) -> tuple[PaceOption, ...]:
    if card_access is None:
        return ()
    names: dict[str, PaceMapping] = {"GM": "GM", "IM": "IM", "CAM": "CAM"}
    return tuple(
        PaceOption(names[info.mapping], info.parameter_id, _CIPHERS[info.cipher])
        for info in SecurityInfos.parse_card_access(card_access).pace
        if info.parameter_id is not None
    )


def _active(key: bytes | ActiveAuthKey | None) -> ActiveAuthKey | None:
    if key is None or isinstance(key, ActiveAuthKey):
        return key
    try:
        return ActiveAuthKey(RsaKey.from_pkcs8(key), "sha1")
    except ConfigurationError:
        return ActiveAuthKey(EcKey.from_pkcs8(key), "sha256")


def _chip(keys: tuple[bytes | ChipAuthKey, ...], dg14: bytes | None) -> tuple[ChipAuthKey, ...]:
    infos = SecurityInfos(())
    if dg14 is not None:
        from idverify.chip.lds.dg14 import DG14

        infos = DG14.parse(dg14).security_infos
    out: list[ChipAuthKey] = []
    for key in keys:
        if isinstance(key, ChipAuthKey):
            out.append(key)
            continue
        pair = EcKey.from_pkcs8(key)
        offered = infos.chip_authentication
        out += [ChipAuthKey(pair, _CIPHERS[i.cipher], i.key_id, i.version) for i in offered] or [
            ChipAuthKey(pair, Cipher.DES3)
        ]
    return tuple(out)
