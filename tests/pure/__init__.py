"""The pure floor: decisions, texts and parsers, with hosts that live in memory."""
