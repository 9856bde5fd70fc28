"""What `mkdocs build` changes: pages of notebooks, search in order, nothing from other sites.

Search in pages that are read as files takes a script of the theme's from elsewhere; ours is here.
"""

import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

sys.path.insert(0, str(Path(__file__).parent))

import notebooks

_BOOST = {"reference": 0.3, "learn": 0.2}  # of pages in these folders, in results of a search
_EXPLAINING = 0.5  # the same of pages under "Explanation" in the menu
_ELSEWHERE, _HERE = "https://unpkg.com/iframe-worker/shim", "assets/worker.js"


def on_files(files: Any, *, config: Any) -> Any:
    """A page for each notebook of docs/learn, not executed, and the notebook beside it."""
    for path in notebooks.sources():
        for ending, content in ((".md", notebooks.page(path)), (".ipynb", notebooks.written(path))):
            files.append(File.generated(config, f"learn/{path.stem}{ending}", content=content))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """The page as it is; in results of a search those that say what to do come first."""
    folder = page.file.src_uri.partition("/")[0]
    explains = any(section.title == "Explanation" for section in page.ancestors)
    page.meta.setdefault("search", {"boost": _BOOST.get(folder, _EXPLAINING if explains else 1)})
    return markdown


def on_post_page(output: str, *, page: Any, config: Any) -> str:
    """The page with the address of our own script."""
    return output.replace(_ELSEWHERE, "../" * page.url.count("/") + _HERE)


def on_post_template(output: str, *, template_name: str, config: Any) -> str:
    """The same for the page of what is not found."""
    return output.replace(_ELSEWHERE, f"/{_HERE}")
