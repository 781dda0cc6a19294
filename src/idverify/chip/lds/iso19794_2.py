"""Finger minutiae, ISO/IEC 19794-2, as the chip floor knows them: records and the card formats of on-card comparison.

The readers and writers stand in :mod:`idverify.formats`, where the biometric floor uses them too.
"""

from idverify.formats.card_minutiae import (
    DATA_TEMPLATE,
    MAX_CARD_MINUTIAE,
    CardFormat,
    CardTemplate,
    Order,
    OrderMethod,
    decode_card_minutiae,
    encode_card_minutiae,
)
from idverify.formats.minutiae import (
    MAX_MINUTIAE,
    MAX_VIEWS,
    FingerView,
    Minutia,
    MinutiaeRecord,
    MinutiaType,
    RecordFormat,
    ViewFrame,
)

__all__ = [
    "DATA_TEMPLATE",
    "MAX_CARD_MINUTIAE",
    "MAX_MINUTIAE",
    "MAX_VIEWS",
    "CardFormat",
    "CardTemplate",
    "FingerView",
    "Minutia",
    "MinutiaType",
    "MinutiaeRecord",
    "Order",
    "OrderMethod",
    "RecordFormat",
    "ViewFrame",
    "decode_card_minutiae",
    "encode_card_minutiae",
]
