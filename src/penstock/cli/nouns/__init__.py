"""`penstock NOUN VERB`, one module per noun; see `penstock.cli` for what they may import."""
