"""Procedural painting: a brush engine, noise, colour, and one module per picture."""
