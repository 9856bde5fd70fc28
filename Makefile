# Two commands from a fresh clone; each sets up what it needs in .venv.
#   make demo    paint a bundled photograph, with a report and a film, and say where they are
#   make test    everything that continuous integration runs
#   make test-browser    the studio's page in a real Chromium alone
#   make gallery paint the pictures of docs/gallery.md again; make clips those of docs/film.md
#   make docs    build the site of docs/ into site/, to be read without a network
#   make notebooks    write the notebooks of docs/learn into out/notebooks; make notebooks-run executes
#                them there in a real kernel
#   make manual  write the manual page and the reference again
#   make release-check    install the wheel into a clean environment and paint with it, and the
#                container's steps

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-browser release-check samples gallery clips docs notebooks notebooks-run manual clean

demo: .venv/installed
	@mkdir -p out
	@$(BIN)/impasto demo --output out/demo.png --overwrite

test: .venv/developed
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/test

test-browser: .venv/developed
	@$(BIN)/python -m pytest tests/studio -m browser --durations 10

release-check: .venv/developed
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/check_release
	@$(BIN)/python scripts/check_container.py

samples: .venv/developed
	$(BIN)/python scripts/paint_styles.py
	$(BIN)/python scripts/extract_photos.py

gallery: .venv/developed
	$(BIN)/python scripts/paint_gallery.py

docs: .venv/developed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "site/index.html"

notebooks: .venv/developed
	@$(BIN)/python scripts/notebooks.py out/notebooks

notebooks-run: .venv/developed
	@$(BIN)/python scripts/notebooks.py out/notebooks --run $(NAMES)

manual: .venv/developed
	$(BIN)/python scripts/write_manual.py
	$(BIN)/python scripts/write_reference.py
	$(BIN)/python scripts/draw_house.py

clips: .venv/developed
	$(BIN)/python scripts/paint_clips.py

clean:
	rm -rf .venv build dist out site

.venv/bin/pip:
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml constraints.txt | .venv/bin/pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[report,video]'
	@touch $@

.venv/developed: pyproject.toml constraints.txt | .venv/bin/pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@ .venv/installed
