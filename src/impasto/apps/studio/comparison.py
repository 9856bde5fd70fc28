"""Blind comparison: pairs of pictures in random order, and which of the two is preferred.

    two folders, or two recipes ──> pairs ──> Comparison ──> showing (opaque) ──> vote ──> file

A browser sees tokens that are made anew for each showing. Neither they nor the pictures' bytes tell
which side a picture is of, nor what it is called.
"""

from __future__ import annotations

import hashlib
import json
import random
import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from impasto.apps.studio.preference import as_csv, sign_test, wilson
from impasto.apps.studio.refusal import Refusal
from impasto.errors import SettingsError, shown
from impasto.images.atomic import AtomicFile
from impasto.images.folders import pictures_in

__all__ = ["CHOICES", "Comparison", "Pair", "Showing", "of_folders", "of_recipes", "recipes_of"]

CHOICES = ("left", "right", "none")


@dataclass(frozen=True)
class Pair:
    """Two pictures of the same: one of each side."""

    name: str
    files: tuple[Path, Path]


@dataclass(frozen=True)
class Showing:
    """A pair on a page: random words for itself and for what is on its left and right."""

    index: int
    token: str
    tokens: tuple[str, str]


class Comparison:
    """Votes about the pairs of two sides, kept in a file after each one.

    Args:
        names: of the sides.
        pairs: what is compared.
        folder: of the file of votes, which is found again for the same sides and pairs.
    """

    def __init__(self, names: tuple[str, str], pairs: Sequence[Pair], folder: Path) -> None:
        self.names, self.pairs = names, tuple(pairs)
        listed = [[pair.name, *map(str, pair.files)] for pair in self.pairs]
        mark = hashlib.sha256(json.dumps([names, listed]).encode("utf-8", "replace")).hexdigest()
        self._file = folder / f"{mark[:16]}.json"
        self._votes: list[dict[str, Any]] = []
        # Pairs of this round, and whether they are swapped; those that are left out are missing.
        self._order = _shuffled(range(len(self.pairs)))
        self._showing: Showing | None = None
        self.round = 1
        self._load()

    @property
    def done(self) -> int:
        """Votes of this round."""
        return sum(vote["round"] == self.round for vote in self._votes)

    def progress(self) -> dict[str, Any]:
        """Numbers of pairs, without those left out, and of votes; no names."""
        return {"pairs": len(self._order), "done": self.done, "round": self.round}

    def next(self) -> dict[str, Any]:
        """The pair to look at, the same one until it is voted on, or that all are done."""
        if self.done >= len(self._order):
            return {**self.progress(), "finished": True}
        if self._showing is None:
            index = self._order[self.done][0]
            words = [secrets.token_urlsafe(18) for _ in range(3)]
            self._showing = Showing(index, words[0], (words[1], words[2]))
        showing = self._showing
        left, right = showing.tokens
        shown_now = {"pair": showing.token, "left": left, "right": right}
        return {**self.progress(), **shown_now, "finished": False}

    def picture(self, token: str) -> Path:
        """The file that a token of the pair on the page stands for; Refusal 404 for another."""
        showing = self._showing
        if showing is None or token not in showing.tokens:
            raise Refusal(404, "there is no such picture")
        swapped = self._order[self.done][1]
        return self.pairs[showing.index].files[showing.tokens.index(token) ^ swapped]

    def vote(self, pair: object, choice: object) -> dict[str, Any]:
        """Note which side of the pair on the page is preferred; the next pair.

        Raises Refusal: 409 where it is not the pair on the page, 422 for another choice.
        """
        if choice not in CHOICES:
            raise Refusal(422, f"choice is one of {', '.join(CHOICES)}")
        showing = self._on_page(pair)
        swapped = self._order[self.done][1]
        preferred = None if choice == "none" else int((choice == "right") ^ swapped)
        line = {
            "round": self.round,
            "pair": self.pairs[showing.index].name,
            "left": int(swapped),
            "choice": choice,
            "preferred": preferred,
            "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        self._write([*self._votes, line], self._order)
        self._showing = None
        return self.next()

    def leave_out(self, pair: object) -> dict[str, Any]:
        """Judge the pair on the page no more, in no round: a picture cannot be read; the next pair.

        Raises Refusal 409 where it is not the pair on the page.
        """
        index = self._on_page(pair).index
        self._write(self._votes, [each for each in self._order if each[0] != index])
        self._showing = None
        return self.next()

    def again(self) -> dict[str, Any]:
        """Begin another round, of another judge; Refusal 409 before this one is finished."""
        if self.done < len(self._order):
            raise Refusal(409, "this round is not finished")
        self.round += 1
        self._write(self._votes, _shuffled(index for index, _ in self._order))
        return self.next()

    def table(self) -> dict[str, Any]:
        """How often each side is preferred: shares of the votes that prefer one.

        `left_out` is the number of pairs that are not judged, since a picture cannot be read.
        """
        wins = [sum(vote["preferred"] == side for vote in self._votes) for side in (0, 1)]
        none = sum(vote["preferred"] is None for vote in self._votes)
        low, high = wilson(wins[0], sum(wins))
        return {
            "names": list(self.names),
            "wins": wins,
            "none": none,
            "share": wins[0] / sum(wins) if sum(wins) else None,
            "low": low,
            "high": high,
            "p": sign_test(*wins),
            "left_out": len(self.pairs) - len(self._order),
            **self.progress(),
        }

    def csv(self) -> str:
        """A line for each vote."""
        sides = (*self.names, "")
        head = ("round", "pair", "left", "right", "choice", "preferred", "time")
        lines = (
            (
                vote["round"],
                vote["pair"],
                sides[vote["left"]],
                sides[1 - vote["left"]],
                vote["choice"],
                "" if vote["preferred"] is None else sides[vote["preferred"]],
                vote["time"],
            )
            for vote in self._votes
        )
        return as_csv(head, lines)

    def _on_page(self, pair: object) -> Showing:
        """The showing of this token; Refusal 409 for another."""
        if self._showing is None or self._showing.token != pair:
            raise Refusal(409, "another pair is to be judged by now; reload the page")
        return self._showing

    def _load(self) -> None:
        """Go on where the file says; anew where there is none, or a damaged one."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(self._file.read_text("utf-8"))
            order = [(int(index), bool(swapped)) for index, swapped in kept["order"]]
            out = [int(index) for index in kept.get("left_out", [])]
            if sorted([*out, *(index for index, _ in order)]) == list(range(len(self.pairs))):
                self._order, self.round = order, int(kept["round"])
                self._votes = [dict(vote) for vote in kept["votes"]]

    def _write(self, votes: list[dict[str, Any]], order: list[tuple[int, bool]]) -> None:
        """Keep votes and the order; those in memory change only once the file has."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        out = {*range(len(self.pairs))} - {index for index, _ in order}
        kept = {"names": self.names, "round": self.round, "order": order, "votes": votes}
        kept["left_out"] = sorted(out)
        with AtomicFile(self._file) as draft:
            draft.write_text(json.dumps(kept), "utf-8")
        self._votes, self._order = votes, order


def _shuffled(indexes: Iterable[int]) -> list[tuple[int, bool]]:
    """Indexes in random order, each with whether its pair is swapped."""
    chance = random.SystemRandom()
    mixed = list(indexes)
    chance.shuffle(mixed)
    return [(index, chance.random() < 0.5) for index in mixed]


def of_folders(first: str | Path, second: str | Path, folder: Path) -> Comparison:
    """Pictures of the same name in two folders, whatever their endings.

    Raises ImageError where a folder has no pictures, SettingsError where no names are the same.
    """
    sides = [{path.stem: path.resolve() for path in pictures_in(side)} for side in (first, second)]
    pairs = [Pair(name, (sides[0][name], sides[1][name])) for name in sides[0] if name in sides[1]]
    if not pairs:
        raise SettingsError(
            f"{shown(first)} and {shown(second)} have no picture of the same name; expected some "
            f"to compare"
        )
    names = [Path(side).resolve().name or str(side) for side in (first, second)]
    if names[0] == names[1]:
        names = [str(Path(side).resolve()) for side in (first, second)]
    return Comparison((names[0], names[1]), pairs, folder)


def recipes_of(jobs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each two recipes that have painted the same pictures, and how many: `recipes`, `pairs`."""
    painted = _painted(jobs)
    names = sorted(painted)
    found = [
        {"recipes": [one, other], "pairs": len(painted[one].keys() & painted[other].keys())}
        for i, one in enumerate(names)
        for other in names[i + 1 :]
    ]
    return [each for each in found if each["pairs"]]


def of_recipes(
    jobs: Iterable[Mapping[str, Any]], recipes: tuple[str, str], results: Path, folder: Path
) -> Comparison:
    """Results of two recipes of the same pictures: the newest of each.

    `results` is the folder of job folders. Raises Refusal 422 where there are none.
    """
    painted = _painted(jobs)
    sides = [painted.get(recipe, {}) for recipe in recipes]
    same = [key for key in sides[0] if key in sides[1]]
    if not same or recipes[0] == recipes[1]:
        raise Refusal(422, "these two have not painted the same pictures; choose others")
    pairs = []
    for key in same:
        one, other = (side[key] for side in sides)
        files = (results / one["id"] / "result.png", results / other["id"] / "result.png")
        pairs.append(Pair(str(one["title"]), files))
    return Comparison(recipes, pairs, folder)


def _painted(jobs: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Finished jobs by recipe and by what they paint; `jobs` come newest first."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for job in jobs:
        asked = job["request"]
        if job["state"] in ("done", "stopped") and job["result"]:
            what = [asked.get(field) for field in ("content", "styles", "protect", "masks")]
            what.append(asked.get("settings", {}).get("size"))
            found.setdefault(asked["recipe"], {}).setdefault(json.dumps(what), job)
    return found
