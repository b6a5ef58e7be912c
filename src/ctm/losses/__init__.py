"""Losses over internal ticks."""
