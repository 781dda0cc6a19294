"""A software eMRTD and its issuer, for this library's tests and for those of integrators. Never a real document."""

from idverify.emulator.pki import TestPki

__all__ = ["TestPki"]
