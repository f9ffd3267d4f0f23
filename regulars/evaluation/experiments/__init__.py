"""Experiments on simulated shoppers, analysed by the code that serves."""
