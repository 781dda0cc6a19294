"""Faces: detection, alignment, embedding, quality and matching."""

from idverify.biometric.face.align import ARCFACE_TEMPLATE, align_face, similarity_transform
from idverify.biometric.face.detect import DetectedFace, DetectorOptions, FaceDetector, main_face, rivals
from idverify.biometric.face.embed import Embedding, FaceEmbedder
from idverify.biometric.face.matcher import FaceMatcher, FaceSample, FaceTemplate
from idverify.biometric.face.quality import (
    ADVICE,
    CaptureKind,
    FaceQuality,
    QualityComponent,
    QualityMeasure,
    QualityStatus,
    assess,
    head_pose,
)

__all__ = [
    "ADVICE",
    "ARCFACE_TEMPLATE",
    "CaptureKind",
    "DetectedFace",
    "DetectorOptions",
    "Embedding",
    "FaceDetector",
    "FaceEmbedder",
    "FaceMatcher",
    "FaceQuality",
    "FaceSample",
    "FaceTemplate",
    "QualityComponent",
    "QualityMeasure",
    "QualityStatus",
    "align_face",
    "assess",
    "head_pose",
    "main_face",
    "rivals",
    "similarity_transform",
]
