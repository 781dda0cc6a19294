"""Trust: certificates, lists, paths and passive authentication."""
