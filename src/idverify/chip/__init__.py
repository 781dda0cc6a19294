"""The chip: transport, protocols, files and trust."""
