"""Clips painted frame by frame, as if by one hand."""
