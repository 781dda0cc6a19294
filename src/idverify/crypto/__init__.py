"""Cryptographic primitives of the field, over pyca/cryptography where it has them."""
