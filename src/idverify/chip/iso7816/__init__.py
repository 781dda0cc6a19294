"""ISO/IEC 7816-4: commands, status words, the channel and the file system."""
