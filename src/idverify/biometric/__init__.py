"""Biometrics: pictures, models, scores, and the matching of faces.

Importing this package loads neither onnxruntime nor OpenCV; they come with the first picture.
"""

from idverify.biometric.calibration import CalibrationPoint, CalibrationTable
from idverify.biometric.codecs import (
    CHIP_FORMATS,
    FINGER_FORMATS,
    LIVE_FORMATS,
    ImageFormat,
    ImageHeader,
    decode_image,
    encode_jpeg,
    encode_jpeg2000,
    encode_png,
    encode_wsq,
    probe_image,
)
from idverify.biometric.image import MAX_PIXELS, MAX_SIDE, Image, as_image
from idverify.biometric.model_card import ModelCard, TensorSpec
from idverify.biometric.models import ModelCheck, ModelRegistry, default_registry
from idverify.biometric.score import Modality, Score

__all__ = [
    "CHIP_FORMATS",
    "FINGER_FORMATS",
    "LIVE_FORMATS",
    "MAX_PIXELS",
    "MAX_SIDE",
    "CalibrationPoint",
    "CalibrationTable",
    "Image",
    "ImageFormat",
    "ImageHeader",
    "Modality",
    "ModelCard",
    "ModelCheck",
    "ModelRegistry",
    "Score",
    "TensorSpec",
    "as_image",
    "decode_image",
    "default_registry",
    "encode_jpeg",
    "encode_jpeg2000",
    "encode_png",
    "encode_wsq",
    "probe_image",
]
