"""The logical data structure: parsers and writers of the chip's files. Never does I/O."""
