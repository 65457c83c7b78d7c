"""The short verbs, one module per theme; see `penstock.cli` for what they may import."""
