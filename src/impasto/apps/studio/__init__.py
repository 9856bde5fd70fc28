"""impasto studio: paint in the browser.

    browser ── guard ── site: routes ──┬── pictures: Library ──── darkroom ── worker (a process)
                                       ├── studio: Studio ─ workshop: commands, queue
                                       │      ├── register: jobs in memory ── folders: on the disk
                                       │      ├── painter ── orders ──> easel (a process): a Run
                                       │      └── hearing <── what the easel tells
                                       └── feed: one stream of events for all viewers

The server imports no torch. `easel`, `sitting`, `canvases`, `worker` and `planning` belong to the
processes that do.
"""
