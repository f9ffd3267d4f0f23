"""Processes killed and frozen under load, and what was lost or doubled counted again afterwards."""
