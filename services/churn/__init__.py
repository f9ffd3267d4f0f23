"""Churn early warning: features, training, scoring, reasons and warnings."""
