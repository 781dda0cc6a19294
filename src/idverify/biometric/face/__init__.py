"""Faces: detection, alignment, embedding, quality and matching."""

from idverify.biometric.face.actions import PROMPTS, Action, Prompt, draw_actions
from idverify.biometric.face.align import ARCFACE_TEMPLATE, align_face, similarity_transform
from idverify.biometric.face.blink import BlinkLimits, BlinkWatch, eye_view
from idverify.biometric.face.cache import PortraitCache
from idverify.biometric.face.capture import Capture, CaptureEnd, CaptureOptions, CaptureStep, capture
from idverify.biometric.face.challenge import (
    ActiveChallenge,
    ChallengeOptions,
    ChallengeReason,
    ChallengeState,
    Observation,
)
from idverify.biometric.face.detect import DetectedFace, DetectorOptions, FaceDetector, main_face, rivals
from idverify.biometric.face.embed import Embedding, FaceEmbedder
from idverify.biometric.face.examiner import ChallengeResult, run_challenge
from idverify.biometric.face.matcher import FaceMatcher, FaceSample, FaceTemplate, FaceView, fuse
from idverify.biometric.face.pad import PadScore, PassivePad
from idverify.biometric.face.quality import (
    ADVICE,
    CaptureKind,
    FaceLimits,
    FaceQuality,
    LimitUse,
    QualityComponent,
    QualityMeasure,
    QualityStatus,
    assess,
    head_pose,
)
from idverify.face_limits import Limit

__all__ = [
    "ADVICE",
    "ARCFACE_TEMPLATE",
    "PROMPTS",
    "Action",
    "ActiveChallenge",
    "BlinkLimits",
    "BlinkWatch",
    "Capture",
    "CaptureEnd",
    "CaptureKind",
    "CaptureOptions",
    "CaptureStep",
    "ChallengeOptions",
    "ChallengeReason",
    "ChallengeResult",
    "ChallengeState",
    "DetectedFace",
    "DetectorOptions",
    "Embedding",
    "FaceDetector",
    "FaceEmbedder",
    "FaceLimits",
    "FaceMatcher",
    "FaceQuality",
    "FaceSample",
    "FaceTemplate",
    "FaceView",
    "Limit",
    "LimitUse",
    "Observation",
    "PadScore",
    "PassivePad",
    "PortraitCache",
    "Prompt",
    "QualityComponent",
    "QualityMeasure",
    "QualityStatus",
    "align_face",
    "assess",
    "capture",
    "draw_actions",
    "eye_view",
    "fuse",
    "head_pose",
    "main_face",
    "rivals",
    "run_challenge",
    "similarity_transform",
]
