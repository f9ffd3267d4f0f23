"""Offline evaluation of recommendations: what people then bought against what the serving code ranks."""
