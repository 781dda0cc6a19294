"""Whatever a chip answers, terminal authentication, chip authentication 2 and on-card comparison end in our errors."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from idverify.chip.access.chip_auth import ChipAuthChoice, run_chip_auth_2
from idverify.chip.access.domain import static_key
from idverify.chip.access.on_card import OnCardOutcome, compare_on_card, read_templates
from idverify.chip.access.terminal_auth import TerminalCredentials, run_terminal_auth
from idverify.chip.access.terminal_key import RemoteTerminalKey
from idverify.chip.iso7816.apdu import CommandAPDU, ResponseAPDU
from idverify.chip.lds.iso19794_2 import CardFormat, decode_card_minutiae
from idverify.chip.lds.on_card import OnCardTemplate
from idverify.chip.pki.cvc import CvChain
from idverify.crypto.block import Cipher
from idverify.emulator import OnCardFinger, TestCvPki, invent_minutiae
from idverify.emulator.keys import EcKey
from idverify.errors import IdVerifyError

PKI = TestCvPki("hostile")
CREDENTIALS = TerminalCredentials.load(
    (PKI.terminal.der, PKI.dv.der, PKI.cvca.der), RemoteTerminalKey(lambda m, a: PKI.terminal.sign(m))
)
CHAIN = CREDENTIALS.chain([PKI.cvca.holder])
STATIC = EcKey.of("secp256r1", 4711)
CHOICE = ChipAuthChoice("0.4.0.127.0.7.2.2.3.2.2", Cipher.AES128, STATIC.spki())
EPHEMERAL = static_key(STATIC.spki()).domain.key(42)
FINGER = invent_minutiae("hostile")
TEMPLATE = OnCardTemplate.parse(OnCardFinger(reference=1, minutiae=FINGER).information)[0]
MINUTIAE = decode_card_minutiae(FINGER, CardFormat.COMPACT)

STATUS = st.one_of(st.just(0x9000), st.integers(0x6300, 0x63FF), st.integers(0x6200, 0x6FFF))
LIKELY = st.builds(
    lambda *parts: b"".join(bytes([t, len(v)]) + v for t, v in parts),
    *[st.tuples(st.sampled_from([0x7C, 0x80, 0x81, 0x82]), st.binary(max_size=20))] * 2,
)
NESTED = st.builds(lambda inner: bytes([0x7C, len(inner)]) + inner, LIKELY)
ANSWERS = st.lists(
    st.tuples(st.one_of(st.just(b""), st.binary(max_size=40), LIKELY, NESTED), STATUS), min_size=1, max_size=10
)


class Hostile:
    """Gives the drawn answers in turn, and the last one for ever."""

    def __init__(self, answers: list[tuple[bytes, int]]) -> None:
        self.answers = answers
        self.count = 0

    def send(self, command: CommandAPDU) -> ResponseAPDU:
        data, sw = self.answers[min(self.count, len(self.answers) - 1)]
        self.count += 1
        assert self.count < 30
        return ResponseAPDU(data, sw)


@given(ANSWERS)
@settings(max_examples=150, deadline=None)
def test_terminal_authentication(answers: list[tuple[bytes, int]]) -> None:
    assert isinstance(CHAIN, CvChain)
    with contextlib.suppress(IdVerifyError):
        run_terminal_auth(
            Hostile(answers), CREDENTIALS, CHAIN, version=2, chip_identifier=b"chip", terminal_key_compressed=b"key"
        )


@given(ANSWERS)
@settings(max_examples=150, deadline=None)
def test_chip_authentication_2_proves_nothing(answers: list[tuple[bytes, int]]) -> None:
    try:
        result = run_chip_auth_2(Hostile(answers), CHOICE, EPHEMERAL)
    except IdVerifyError:
        return
    assert not result.proven
    assert not result.secure_messaging.alive


@given(ANSWERS)
@settings(max_examples=150, deadline=None)
def test_on_card_comparison(answers: list[tuple[bytes, int]]) -> None:
    with contextlib.suppress(IdVerifyError):
        read_templates(Hostile(answers))
    chip = Hostile(answers)
    with contextlib.suppress(IdVerifyError):
        result = compare_on_card(chip, TEMPLATE, MINUTIAE)
        verified = any(sw == 0x9000 for _, sw in answers)
        assert result.outcome is not OnCardOutcome.MATCH or verified
    assert chip.count <= 4  # the counter, a probe (with the other instruction where the first is unknown), the counter
