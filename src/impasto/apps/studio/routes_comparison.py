"""`api/comparison`: pairs, votes, their table."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from impasto.apps.studio.bodies import json_object
from impasto.apps.studio.comparison import Comparison, of_folders, of_recipes, recipes_of
from impasto.apps.studio.darkroom import Darkroom
from impasto.apps.studio.refusal import Refusal

__all__ = ["Bench"]

_KEPT = 8  # pictures in memory


class Bench:
    """Where comparisons are made: at most one at a time, of folders or of the studio's recipes.

    Args:
        folder: the studio's; votes are below it.
        darkroom: reads the pictures.
        jobs: lists the studio's jobs, the newest first.
        folders: two folders to compare from the beginning.
    """

    def __init__(
        self,
        folder: Path,
        darkroom: Darkroom,
        jobs: Callable[[], Sequence[dict[str, Any]]],
        folders: tuple[str, str] | None = None,
    ) -> None:
        self._folder, self._darkroom, self._jobs = folder, darkroom, jobs
        self._votes = folder / "comparisons"
        self._fixed = folders is not None
        self._now: Comparison | None = of_folders(*folders, self._votes) if folders else None
        self._pictures: OrderedDict[Path, bytes] = OrderedDict()

    @property
    def routes(self) -> list[BaseRoute]:
        """For the site."""
        root = "/api/comparison"
        post = ["POST"]
        return [
            Route(root, self.state),
            Route(f"{root}.csv", self.csv),
            Route(f"{root}/choose", self.choose, methods=post),
            Route(f"{root}/next", self.next),
            Route(f"{root}/vote", self.vote, methods=post),
            Route(f"{root}/leave", self.leave, methods=post),
            Route(f"{root}/again", self.again, methods=post),
            Route(f"{root}/table", self.table),
            Route(f"{root}/pictures/{{token}}", self.picture),
        ]

    async def state(self, _: Request) -> Response:
        """Progress, or what there is to choose from."""
        now = self._now.progress() if self._now else None
        choices = [] if self._fixed else recipes_of(self._jobs())
        return JSONResponse({"comparison": now, "choices": choices, "folders": self._fixed})

    async def choose(self, request: Request) -> Response:
        """Compare two recipes."""
        recipes = (await json_object(request)).get("recipes")
        if not isinstance(recipes, list) or [type(name) for name in recipes] != [str, str]:
            raise Refusal(422, "recipes is a list of two names")
        if self._fixed:
            raise Refusal(409, "this studio compares two folders")
        chosen = (recipes[0], recipes[1])
        results = self._folder / "jobs"
        self._now = of_recipes(self._jobs(), chosen, results, self._votes)
        return JSONResponse(self._now.progress())

    async def next(self, _: Request) -> Response:
        """The pair to look at."""
        return JSONResponse(self._there().next())

    async def vote(self, request: Request) -> Response:
        """Take a vote; the next pair."""
        body = await json_object(request)
        return JSONResponse(self._there().vote(body.get("pair"), body.get("choice")))

    async def leave(self, request: Request) -> Response:
        """Leave out a pair that cannot be read; the next pair."""
        body = await json_object(request)
        return JSONResponse(self._there().leave_out(body.get("pair")))

    async def again(self, _: Request) -> Response:
        """Another round."""
        return JSONResponse(self._there().again())

    async def table(self, _: Request) -> Response:
        """The shares."""
        return JSONResponse(self._there().table())

    async def csv(self, _: Request) -> Response:
        """The votes."""
        headers = {"content-disposition": 'attachment; filename="comparison.csv"'}
        return Response(self._there().csv(), media_type="text/csv", headers=headers)

    async def picture(self, request: Request) -> Response:
        """A picture of the pair on the page: its pixels only."""
        path = self._there().picture(request.path_params["token"])
        if path not in self._pictures:
            try:
                self._pictures[path] = await self._darkroom.call("bare", str(path))
            except Refusal as error:
                raise Refusal(error.status, "a picture of this pair cannot be read") from None
        while len(self._pictures) > _KEPT:
            self._pictures.popitem(last=False)
        headers = {"cache-control": "no-store"}
        return Response(self._pictures[path], media_type="image/webp", headers=headers)

    def _there(self) -> Comparison:
        if self._now is None:
            raise Refusal(409, "nothing is compared yet; choose two recipes")
        return self._now
