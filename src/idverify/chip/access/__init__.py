"""Access to the chip and proofs of its genuineness: BAC, PACE, active, chip and terminal authentication."""
