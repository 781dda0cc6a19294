"""Ways to a card: one narrow protocol, several carriers."""
