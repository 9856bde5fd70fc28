"""Programs on top of the library: command line, notebook, batch."""
