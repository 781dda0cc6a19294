"""Fingers: minutiae from pictures (LEADER), templates (Minutia Cylinder-Code), comparison, records, quality."""
