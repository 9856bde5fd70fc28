"""What `mkdocs build` changes: pages load nothing from other sites.

Search in pages that are read as files takes a script of the theme's from elsewhere; ours is here.
"""

from typing import Any

_ELSEWHERE, _HERE = "https://unpkg.com/iframe-worker/shim", "assets/worker.js"


def on_post_page(output: str, *, page: Any, config: Any) -> str:
    """The page with the address of our own script."""
    return output.replace(_ELSEWHERE, "../" * page.url.count("/") + _HERE)


def on_post_template(output: str, *, template_name: str, config: Any) -> str:
    """The same for the page of what is not found."""
    return output.replace(_ELSEWHERE, f"/{_HERE}")
