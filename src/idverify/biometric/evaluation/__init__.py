"""Error rates, DET plots and calibration tables, measured on pictures of one's own."""

from idverify.biometric.evaluation.calibrate import calibrate_faces
from idverify.biometric.evaluation.det import plot_det
from idverify.biometric.evaluation.discard import DiscardCurve, error_versus_discard, plot_discard
from idverify.biometric.evaluation.face import FaceEvaluation, PairsFile, Ways, evaluate_faces, read_pairs
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
from idverify.biometric.evaluation.pad import PadEvaluation, PadItem, PadRate, evaluate_pad, pad_rates
from idverify.biometric.evaluation.sweep import SweepRow, sweep_faces

__all__ = [
    "DiscardCurve",
    "ErrorCurve",
    "FaceEvaluation",
    "PadEvaluation",
    "PadItem",
    "PadRate",
    "PairsFile",
    "SweepRow",
    "Ways",
    "calibrate_faces",
    "equal_error_rate",
    "error_curve",
    "error_versus_discard",
    "evaluate_faces",
    "evaluate_pad",
    "fmr_at",
    "fnmr_at",
    "fnmr_at_fmr",
    "pad_rates",
    "plot_det",
    "plot_discard",
    "read_pairs",
    "subject_bootstrap",
    "sweep_faces",
    "threshold_at_fmr",
    "wilson_interval",
]
