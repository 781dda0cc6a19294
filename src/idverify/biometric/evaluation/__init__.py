"""Error rates, DET plots and calibration tables, measured on pictures of one's own."""

from idverify.biometric.evaluation.calibrate import calibrate_faces
from idverify.biometric.evaluation.det import plot_det
from idverify.biometric.evaluation.face import FaceEvaluation, PairsFile, evaluate_faces, read_pairs
from idverify.biometric.evaluation.metrics import (
    ErrorCurve,
    equal_error_rate,
    error_curve,
    fmr_at,
    fnmr_at,
    fnmr_at_fmr,
    subject_bootstrap,
    threshold_at_fmr,
    wilson_interval,
)

__all__ = [
    "ErrorCurve",
    "FaceEvaluation",
    "PairsFile",
    "calibrate_faces",
    "equal_error_rate",
    "error_curve",
    "evaluate_faces",
    "fmr_at",
    "fnmr_at",
    "fnmr_at_fmr",
    "plot_det",
    "read_pairs",
    "subject_bootstrap",
    "threshold_at_fmr",
    "wilson_interval",
]
