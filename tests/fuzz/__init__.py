"""Fuzzing of every parser that meets foreign bytes; see :mod:`tests.fuzz.__main__`."""
