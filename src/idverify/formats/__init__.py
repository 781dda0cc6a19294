"""Biometric record formats of both floors: bytes to numbers, no pictures, no I/O.

Below ``chip`` and ``biometric``, which never import each other: minutiae come from a chip and from other vendors'
systems in the same records, and are read by the same code.
"""
