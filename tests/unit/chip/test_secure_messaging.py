from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify import _tlv
from idverify.chip.iso7816.apdu import CommandAPDU, ResponseAPDU
from idverify.chip.secure_messaging import SecureMessaging
from idverify.crypto import block
from idverify.crypto.block import Cipher
from idverify.emulator._apdu import Command
from idverify.emulator.messaging import CardMessaging
from idverify.errors import ConfigurationError, SecureMessagingError
from tests.shared import shared
from tests.vectors import load, unhex

EXAMPLE = load("sm_3des")
SELECT = CommandAPDU(0x00, 0xA4, 0x02, 0x0C, data=b"\x01\x1e")
READ = CommandAPDU(0x00, 0xB0, 0x00, 0x00, le=4)


def session() -> SecureMessaging:
    return SecureMessaging(
        Cipher.DES3, unhex(EXAMPLE["ks_enc"]), unhex(EXAMPLE["ks_mac"]), ssc=int(EXAMPLE["ssc_initial"], 16)
    )


def aes_session(cipher: Cipher = Cipher.AES128) -> SecureMessaging:
    return SecureMessaging(cipher, bytes(cipher.key_bytes), bytes(range(cipher.key_bytes)))


def respond(
    cipher: Cipher, data: bytes, sw: int, *, ssc: int = 2, odd: bool = False, raw: bytes | None = None
) -> bytes:
    """A card's protected response, made from the primitives alone."""
    size = cipher.block_bytes
    ks_enc, ks_mac = bytes(cipher.key_bytes), bytes(range(cipher.key_bytes))
    counter = ssc.to_bytes(size, "big")
    body = b""
    if data:
        iv = None if cipher is Cipher.DES3 else block.encrypt(cipher, ks_enc, counter)
        cryptogram = block.encrypt(cipher, ks_enc, block.pad(data, size), iv)
        body = _tlv.encode(0x85, cryptogram) if odd else _tlv.encode(0x87, b"\x01" + cryptogram)
    body += _tlv.encode(0x99, sw.to_bytes(2, "big"))
    if raw is not None:
        body = raw
    authenticated = counter + body
    if cipher is not Cipher.DES3:  # the 3DES code pads by itself
        authenticated = block.pad(authenticated, size)
    return body + _tlv.encode(0x8E, block.mac(cipher, ks_mac, authenticated)) + sw.to_bytes(2, "big")


def test_published_exchanges() -> None:
    sm = session()
    for exchange in EXAMPLE["exchanges"]:
        protected = sm.protect(CommandAPDU.parse(unhex(exchange["command"])))
        assert protected.to_bytes().hex() == exchange["protected_command"]
        plain = sm.unprotect(ResponseAPDU.parse(unhex(exchange["protected_response"])))
        assert plain.data.hex() == exchange["response_data"]
        assert f"{plain.sw:04x}" == exchange["response_sw"]
    assert sm.alive


def test_second_published_set() -> None:
    example = json.loads(shared("vectors/sm/nfcpassportreader_sm_3des.json").read_text())
    keys = unhex(example["ks_enc"]), unhex(example["ks_mac"])
    protect, *unprotect = example["steps"]
    sm = SecureMessaging(Cipher.DES3, *keys, ssc=int(protect["ssc_before"], 16))
    assert sm.protect(CommandAPDU.parse(unhex(protect["command"]))).data.hex() == protect["protected_data"]
    for step in unprotect:
        sm = SecureMessaging(Cipher.DES3, *keys, ssc=int(step["ssc_before"], 16) - 1)
        sm.protect(SELECT)
        plain = sm.unprotect(ResponseAPDU.parse(unhex(step["protected_response"])))
        assert (plain.data.hex(), f"{plain.sw:04x}") == (step["response_data"], step["sw"])


def test_published_aes_samples() -> None:
    """Encryption under counter 1 and the code under counter 2 of the BSI worked example."""
    example = json.loads(shared("vectors/eac/bsi_eac2_dh_aes128.json").read_text())["pace"]
    samples = example["secure_messaging_samples"]
    sm = SecureMessaging(Cipher.AES128, unhex(example["ks_enc"]), unhex(example["ks_mac"]))
    protected = sm.protect(CommandAPDU(0x00, 0x22, 0x81, 0xB6, data=unhex(samples[0]["plaintext"])))
    assert protected.data[3:].hex().startswith(samples[0]["ciphertext"])
    answer = unhex(samples[1]["authenticated_data"]) + b"\x8e\x08" + unhex(samples[1]["mac"])
    assert sm.unprotect(ResponseAPDU(answer, 0x9000)).ok


def test_every_flipped_bit_is_refused() -> None:
    for exchange, number in zip(EXAMPLE["exchanges"], range(3), strict=True):
        genuine = unhex(exchange["protected_response"])
        for bit in range(8 * len(genuine)):
            altered = bytearray(genuine)
            altered[bit // 8] ^= 1 << bit % 8
            sm = SecureMessaging(
                Cipher.DES3,
                unhex(EXAMPLE["ks_enc"]),
                unhex(EXAMPLE["ks_mac"]),
                ssc=int(EXAMPLE["ssc_initial"], 16) + 2 * number,
            )
            sm.protect(CommandAPDU.parse(unhex(exchange["command"])))
            with pytest.raises(SecureMessagingError):
                sm.unprotect(ResponseAPDU.parse(bytes(altered)))
            assert not sm.alive


@pytest.mark.parametrize("cipher", [Cipher.AES128, Cipher.AES192, Cipher.AES256, Cipher.DES3], ids=lambda c: c.label)
@pytest.mark.parametrize("odd", [False, True])
def test_every_flipped_bit_is_refused_with_every_cipher(cipher: Cipher, odd: bool) -> None:
    command = CommandAPDU(0, 0xB1 if odd else 0xB0, 0, 0, data=b"\x54\x01\0" if odd else b"", le=20)
    genuine = respond(cipher, b"twenty bytes of data", 0x9000, odd=odd)
    sm = aes_session(cipher)
    sm.protect(command)
    assert sm.unprotect(ResponseAPDU.parse(genuine)).data == b"twenty bytes of data"
    for bit in range(8 * len(genuine)):
        altered = bytearray(genuine)
        altered[bit // 8] ^= 1 << bit % 8
        sm = aes_session(cipher)
        sm.protect(command)
        with pytest.raises(SecureMessagingError):
            sm.unprotect(ResponseAPDU.parse(bytes(altered)))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.sampled_from(list(Cipher)))
def test_no_arbitrary_bytes_are_accepted(data: bytes, cipher: Cipher) -> None:
    sm = aes_session(cipher)
    sm.protect(READ)
    with pytest.raises(SecureMessagingError):
        sm.unprotect(ResponseAPDU(data, 0x9000))
    assert not sm.alive


@pytest.mark.parametrize("sw", [0x9000, 0x6987, 0x6988, 0x6982, 0x6A82, 0x6300, 0x6E00])
def test_a_plain_answer_ends_the_session(sw: int) -> None:
    sm = session()
    sm.protect(SELECT)
    with pytest.raises(SecureMessagingError, match="without protection") as caught:
        sm.unprotect(ResponseAPDU(b"", sw))
    assert f"{sw:04X}" in str(caught.value)
    for again in (lambda: sm.protect(SELECT), lambda: sm.unprotect(ResponseAPDU(b"", 0x9000))):
        with pytest.raises(SecureMessagingError, match="ended"):
            again()
    assert sm._keys is None
    assert repr(sm) == "SecureMessaging(3DES, dead)"


@pytest.mark.parametrize(
    "body",
    [
        "",  # neither cryptogram nor status
        "99019000"[:6],  # a status of one byte
        "9903900000",
        "99029000" + "99029000",
        "99029000" + "810101",
        "810101" + "99029000",
        "8701" + "01" + "99029000",  # nothing encrypted
        "8711" + "02" + "00" * 16 + "99029000",  # another padding indicator
        "8710" + "01" + "00" * 15 + "99029000",  # no whole block
        "8500" + "99029000",
        "99029000" + "8711" + "01" + "00" * 16,  # another order
        "8711" + "01" + "00" * 16,  # no status word
        "87811101" + "00" * 16 + "990290",  # cut off
        "8780",
        "99029001",  # not the plain status word
        "8711" + "01" + "00" * 16 + "99029000",  # wrong padding inside
    ],
)
def test_authentic_but_malformed_answers_end_the_session(body: str) -> None:
    """The card's code is right in all of these; what it protects is not."""
    sm = aes_session()
    sm.protect(READ)
    answer = respond(Cipher.AES128, b"", 0x9000, raw=unhex(body))
    with pytest.raises(SecureMessagingError):
        sm.unprotect(ResponseAPDU.parse(answer))
    assert not sm.alive


def test_replayed_and_reordered_answers_are_refused() -> None:
    first, second = (respond(Cipher.AES128, b"data", 0x9000, ssc=ssc) for ssc in (2, 4))
    for answers in ((first, first), (second,)):
        sm = aes_session()
        for answer in answers[:-1]:
            sm.protect(READ)
            sm.unprotect(ResponseAPDU.parse(answer))
        sm.protect(READ)
        with pytest.raises(SecureMessagingError, match="checksum"):
            sm.unprotect(ResponseAPDU.parse(answers[-1]))


def test_commands_and_answers_alternate() -> None:
    sm = session()
    with pytest.raises(SecureMessagingError, match="without a command"):
        sm.unprotect(ResponseAPDU(b"", 0x9000))
    assert not sm.alive
    sm = session()
    sm.protect(SELECT)
    with pytest.raises(SecureMessagingError, match="before the last response"):
        sm.protect(SELECT)
    assert not sm.alive


def test_protected_errors_keep_the_session() -> None:
    sm = aes_session()
    sm.protect(READ)
    assert sm.unprotect(ResponseAPDU.parse(respond(Cipher.AES128, b"", 0x6A82))).sw == 0x6A82
    sm.protect(READ)
    answer = sm.unprotect(ResponseAPDU.parse(respond(Cipher.AES128, b"end", 0x6282, ssc=4)))
    assert (answer.data, answer.sw) == (b"end", 0x6282)
    assert sm.alive


def test_lengths_and_classes() -> None:
    sm = aes_session()
    short = sm.protect(CommandAPDU(0, 0xB0, 0, 0, le=256))
    assert short.data[:3] == unhex("970100")
    assert (short.cla, short.le) == (0x0C, 256)
    assert not short.needs_extended
    extended = aes_session().protect(CommandAPDU(0x10, 0xB0, 0, 0, le=65536))
    assert extended.data[:4] == unhex("97020000")
    assert (extended.cla, extended.le) == (0x1C, 65536)
    long = aes_session().protect(CommandAPDU(0, 0x2A, 0, 0xBE, data=bytes(300)))
    assert long.needs_extended
    assert long.le == 65536
    odd = aes_session().protect(CommandAPDU(0, 0xB1, 0, 0, data=b"\x54\x02\x80\0", le=20))
    assert odd.data[:2] == unhex("8510")
    bare = aes_session().protect(CommandAPDU(0, 0x84, 0, 0))
    assert bare.data[:2] == unhex("8e08")
    assert bare.le == 256


def test_bare_header_is_padded_once() -> None:
    cipher = Cipher.AES128
    protected = aes_session().protect(CommandAPDU(0, 0x84, 0, 0))
    authenticated = (1).to_bytes(16, "big") + block.pad(unhex("0c840000"), 16)
    assert protected.data[2:] == block.mac(cipher, bytes(range(16)), authenticated)


@pytest.mark.parametrize("cipher", list(Cipher), ids=lambda c: c.label)
@pytest.mark.parametrize("limit", [256, 192, 128, 65536, 10])
def test_largest_answer(cipher: Cipher, limit: int) -> None:
    sm = aes_session(cipher)
    size = sm.max_response_data(limit)
    if limit == 256:
        assert size == (231 if cipher is Cipher.DES3 else 223)
    if size:
        assert len(respond(cipher, bytes(size), 0x9000)) - 2 <= limit
    assert len(respond(cipher, bytes(size + 1), 0x9000)) - 2 > limit
    room = sm.max_command_data(255)
    assert len(sm.protect(CommandAPDU(0, 0x2A, 0, 0, data=bytes(room), le=65536)).data) <= 255


def test_refusals_that_keep_the_session() -> None:
    sm = session()
    with pytest.raises(ConfigurationError, match="already"):
        sm.protect(CommandAPDU(0x0C, 0xB0, 0, 0))
    with pytest.raises(ConfigurationError, match="too long"):
        sm.protect(CommandAPDU(0, 0x2A, 0, 0, data=bytes(65_500)))
    assert sm.protect(SELECT).to_bytes().hex() == EXAMPLE["exchanges"][0]["protected_command"]


def test_counter_does_not_wrap() -> None:
    last = (1 << 64) - 1
    sm = SecureMessaging(Cipher.DES3, bytes(16), bytes(16), ssc=last)
    with pytest.raises(SecureMessagingError, match="used up"):
        sm.protect(SELECT)
    assert not sm.alive
    with pytest.raises(ValueError, match="block"):
        SecureMessaging(Cipher.DES3, bytes(16), bytes(16), ssc=last + 1)


def test_keys_from_a_shared_secret() -> None:
    case = next(c for c in load("primitives")["kdf"] if c.get("ks_enc", "").startswith("f5f0"))
    sm = SecureMessaging.from_shared_secret(Cipher.AES128, unhex(case["shared_secret"]))
    other = SecureMessaging(Cipher.AES128, unhex(case["ks_enc"]), unhex(case["ks_mac"]))
    assert sm.protect(SELECT) == other.protect(SELECT)


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(list(Cipher)),
    st.lists(
        st.tuples(
            st.sampled_from([0xA4, 0xB0, 0xB1, 0x86, 0x88]),
            st.binary(max_size=300),
            st.one_of(st.none(), st.integers(1, 256), st.integers(257, 65536)),
            st.binary(max_size=300),
            st.sampled_from([0x9000, 0x6282, 0x6A82, 0x63C2]),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_both_sides_understand_each_other(
    cipher: Cipher, exchanges: list[tuple[int, bytes, int | None, bytes, int]]
) -> None:
    """The chip's side is the emulator's, which has code of its own."""
    reader, chip = SecureMessaging.from_shared_secret(cipher, b"K"), CardMessaging.from_secret(b"K", cipher)
    for ins, data, le, answer, sw in exchanges:
        protected = reader.protect(CommandAPDU(0x00, ins, 0x12, 0x34, data=data, le=le))
        assert data == b"" or data not in protected.data or len(data) < 3
        seen = chip.unwrap(Command.parse(protected.to_bytes()))
        assert (seen.ins, seen.p1, seen.p2, seen.data) == (ins, 0x12, 0x34, data)
        assert seen.le == le
        plain = reader.unprotect(ResponseAPDU.parse(chip.wrap(answer, sw, ins=ins) + sw.to_bytes(2, "big")))
        assert (plain.data, plain.sw) == (answer, sw)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(Cipher)), st.binary(max_size=200), st.data())
def test_no_altered_answer_is_accepted(cipher: Cipher, answer: bytes, data: st.DataObject) -> None:
    reader, chip = SecureMessaging.from_shared_secret(cipher, b"K"), CardMessaging.from_secret(b"K", cipher)
    reader.protect(READ)
    chip.unwrap(Command.parse(SecureMessaging.from_shared_secret(cipher, b"K").protect(READ).to_bytes()))
    genuine = chip.wrap(answer, 0x9000, ins=0xB0) + b"\x90\x00"
    start = data.draw(st.integers(0, len(genuine)))
    end = data.draw(st.integers(start, len(genuine)))
    altered = genuine[:start] + data.draw(st.binary(max_size=12)) + genuine[end:]
    if altered == genuine or len(altered) < 2:
        return
    with pytest.raises(SecureMessagingError):
        reader.unprotect(ResponseAPDU.parse(altered))
    assert not reader.alive
