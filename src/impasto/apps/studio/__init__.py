"""impasto studio: paint in the browser."""
