"""A run told afterwards: a sheet or a page of pictures and curves, and the film of its canvas.

Step, Step, … ── Story ── note ──> losses, a few pictures ── write ──> .png, .html
└─ Film ─── note ──> evenly spaced frames ──── close ──> .mp4, .gif, .webp
"""

from impasto.report.film import Film, check_film
from impasto.report.reels import FILMS
from impasto.report.story import Story
from impasto.report.writing import REPORTS, check_report

__all__ = ["FILMS", "REPORTS", "Film", "Story", "check_film", "check_report"]
