"""Galleries: one print against many (1:N)."""

from idverify.biometric.gallery.finger import Candidate, FingerGallery

__all__ = ["Candidate", "FingerGallery"]
