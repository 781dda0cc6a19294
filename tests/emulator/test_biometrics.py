"""Fingers and irises on emulated documents, and fingers compared on the card."""

from __future__ import annotations

import pytest

from idverify._tlv import encode as tlv
from idverify.chip.iso7816.apdu import CommandAPDU
from idverify.chip.lds.dg2 import DG2
from idverify.chip.lds.dg3 import DG3
from idverify.chip.lds.dg4 import DG4
from idverify.chip.lds.files import FileId
from idverify.chip.lds.images import ImageFormat
from idverify.chip.lds.iso19794_2 import CardTemplate, Order, OrderMethod
from idverify.chip.lds.on_card import OnCardTemplate
from idverify.emulator import (
    Card,
    OnCardFinger,
    Quirks,
    another_impression,
    chip_portrait,
    default_portrait,
    invent_minutiae,
    personalise,
)
from idverify.emulator.biometrics import finger_pattern, iris_pattern
from idverify.emulator.match_on_card import decode, similarity
from idverify.emulator.portrait import image_size
from idverify.errors import ConfigurationError
from tests.emulator.terminal import Terminal
from tests.shared import needs_shared, shared


def verify(terminal: Terminal, reference: int, minutiae: bytes, ins: int = 0x21) -> int:
    return terminal.send(CommandAPDU(0, ins, 0, reference, tlv(0x7F2E, tlv(0x81, minutiae)))).sw


def test_eac_documents_hold_fingers_and_irises() -> None:
    card = personalise("passport-eac", seed=1)
    fingers = DG3.parse(card.files[FileId.DG3])
    assert [(i.position, i.image_format) for i in fingers.images] == [(2, ImageFormat.PNG), (7, ImageFormat.PNG)]
    assert fingers.problems == ()
    irises = DG4.parse(card.files[FileId.DG4])
    assert [i.eye for i in irises.images] == [1]
    assert irises.images[0].image == iris_pattern(1)
    assert finger_pattern(1) == finger_pattern(1) != finger_pattern(2)


def test_pictures_of_ones_own() -> None:
    jpeg = chip_portrait(default_portrait(), width=90, height=120)
    wsq = b"\xff\xa0\xff\xa2\x00\x11\x00\xff\x00\x78\x00\x5a" + bytes(20)
    card = personalise("passport-eac", seed=1, fingers={1: jpeg, 6: wsq}, irises={})
    images = DG3.parse(card.files[FileId.DG3]).images
    assert [(i.image, i.width, i.height) for i in images] == [(jpeg, 90, 120), (wsq, 90, 120)]
    with pytest.raises(ConfigurationError):
        personalise("passport-eac", seed=1, fingers={1: b"BM"})
    with pytest.raises(ConfigurationError):
        personalise("passport-eac", seed=1, irises={1: b"BM"})


@pytest.mark.parametrize("edition", [":2011", "39794"])
def test_the_other_record_formats(edition: str) -> None:
    later = edition == "39794"
    names = [f"39794-{n}" if later else f"19794-{n}:2011" for n in (5, 4, 6)]
    quirks = Quirks(dg2_encoding=names[0], dg3_encoding=names[1], dg4_encoding=names[2], feature_points=20)  # type: ignore[arg-type]
    usual, card = personalise("passport-eac", seed=1), personalise("passport-eac", seed=1, quirks=quirks)
    faces = [DG2.parse(c.files[FileId.DG2]) for c in (usual, card)]
    assert faces[0].portrait.image == faces[1].portrait.image
    assert len(faces[1].data_blocks) == later
    assert len(faces[1].portrait.points) == 20
    fingers = [DG3.parse(c.files[FileId.DG3]) for c in (usual, card)]
    assert [i.image for i in fingers[0].images] == [i.image for i in fingers[1].images]
    assert fingers[1].resolutions == (500.0, 500.0)
    irises = [DG4.parse(c.files[FileId.DG4]) for c in (usual, card)]
    assert irises[1].images[0].image.endswith(irises[0].images[0].image)
    for file in (faces[1], fingers[1], irises[1]):
        assert file.problems == ()
    assert [r.edition for r in fingers[1].records] == ([] if later else [2011, 2011])


def test_39794_has_no_jpeg_for_fingers_and_irises() -> None:
    jpeg = chip_portrait(default_portrait(), width=90, height=120)
    with pytest.raises(ConfigurationError, match="expected PGM"):
        personalise("passport-eac", fingers={1: jpeg}, quirks=Quirks(dg3_encoding="39794-4"))
    with pytest.raises(ConfigurationError, match="expected PGM"):
        personalise("passport-eac", irises={1: jpeg}, quirks=Quirks(dg4_encoding="39794-6"))
    png = finger_pattern(1)
    card = personalise("passport-eac", irises={2: png}, quirks=Quirks(dg4_encoding="39794-6"))
    assert [i.image for i in DG4.parse(card.files[FileId.DG4]).images] == [png]
    with pytest.raises(ConfigurationError):
        personalise("passport-eac", irises={2: png})


@needs_shared
def test_size_of_a_real_wsq_header() -> None:
    for image in DG3.parse(shared("vectors/lds/bsi_tr03105_5/dg3.bin").read_bytes()).images:
        assert image.image_format is ImageFormat.WSQ
        assert image_size(image.image) == (image.width, image.height)


def test_similarity_tells_fingers_apart() -> None:
    for seed in range(6):
        finger = invent_minutiae(seed)
        same = [similarity(decode(finger), decode(another_impression(finger, n))) for n in range(4)]
        other = [similarity(decode(finger), decode(invent_minutiae(f"{seed} {n}"))) for n in range(4)]
        assert min(same) > 0.5
        assert max(other) < 0.3
    assert similarity(decode(invent_minutiae(1)), decode(invent_minutiae(1))) == 1


@pytest.fixture
def card() -> Card:
    return personalise("cccd-moc", seed=5)


def test_information_templates(card: Card) -> None:
    terminal = Terminal(card).pace()
    odd = terminal.send(CommandAPDU(0, 0xCB, 0x3F, 0xFF, b"\x5c\x02\x7f\x61", le=256))
    even = terminal.send(CommandAPDU(0, 0xCA, 0x7F, 0x61, le=256))
    assert odd == even
    templates = OnCardTemplate.parse(odd.data)
    assert [t.reference for t in templates] == [1, 2]
    assert (templates[0].min_minutiae, templates[0].max_minutiae) == (8, 60)
    assert templates[0].order.method is OrderMethod.Y_THEN_X
    assert terminal.send(CommandAPDU(0, 0xCA, 0x7F, 0x60, le=256)).sw == 0x6A88


def test_verify_and_retry_counter(card: Card) -> None:
    right, left = (finger.minutiae for finger in card.image.fingers)
    terminal = Terminal(card).pace()
    assert terminal.send(CommandAPDU(0, 0x20, 0, 1)).sw == 0x63C5
    assert verify(terminal, 1, another_impression(right, 1)) == 0x9000
    assert verify(terminal, 1, another_impression(right, 2), ins=0x20) == 0x9000
    assert verify(terminal, 1, left) == 0x63C4
    assert verify(terminal, 2, left) == 0x9000
    assert verify(terminal, 1, right) == 0x9000
    assert card.finger_tries_left == {1: 5, 2: 5}
    assert [verify(terminal, 1, left) for _ in range(6)] == [0x63C4, 0x63C3, 0x63C2, 0x63C1, 0x63C0, 0x6983]
    assert verify(terminal, 1, right) == 0x6983
    card.reset()
    assert verify(Terminal(card).pace(), 1, right) == 0x6983
    assert card.finger_tries_left == {1: 0, 2: 5}


def test_probes_that_the_card_does_not_take(card: Card) -> None:
    right = card.image.fingers[0].minutiae
    terminal = Terminal(card).pace()
    backwards = b"".join(right[i : i + 3] for i in reversed(range(0, len(right), 3)))
    for probe in (right[:21], right[:-1], backwards, b"", right * 2):
        assert verify(terminal, 1, probe) == 0x6A80
    assert verify(terminal, 3, right) == 0x6A88
    assert terminal.send(CommandAPDU(0, 0x21, 1, 1, b"")).sw == 0x6A86
    assert card.finger_tries_left[1] == 5  # what was no probe is no try


def test_no_comparison_without_access_or_fingers(card: Card) -> None:
    assert Terminal(card).raw("00200001") == "6982"
    without = Terminal(personalise("passport-bac")).bac()
    assert without.send(CommandAPDU(0, 0x20, 0, 1)).sw == 0x6D00


def test_probes_of_the_reader_fit(card: Card) -> None:
    finger = card.image.fingers[0]
    read = CardTemplate.parse(tlv(0x7F2E, tlv(0x81, finger.minutiae)))
    wanted = OnCardTemplate.parse(finger.information)[0]
    probe = CardTemplate(wanted.select(read.minutiae)).encode()
    terminal = Terminal(card).pace()
    assert terminal.send(CommandAPDU(0, 0x21, 0, 1, probe)).sw == 0x9000


@pytest.mark.parametrize("method", list(OrderMethod))
@pytest.mark.parametrize("descending", [False, True])
def test_orders_that_a_card_may_ask_for(method: OrderMethod, descending: bool) -> None:
    order = Order(method, descending)
    finger = OnCardFinger(3, invent_minutiae("order"), order=order)
    minutiae = CardTemplate.parse(tlv(0x81, finger.minutiae)).minutiae
    assert finger.accepts(CardTemplate(order.arrange(minutiae)).encode())
    card = personalise("passport-bac", seed=1, on_card=[finger])
    assert card.finger_tries_left == {3: 5}


def test_an_enrolled_finger_needs_minutiae() -> None:
    for minutiae in (b"", b"\0\0"):
        with pytest.raises(ConfigurationError):
            OnCardFinger(1, minutiae)
