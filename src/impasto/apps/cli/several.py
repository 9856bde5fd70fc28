"""Several photographs in the same style, one after the other, with one network.

    impasto stylize photo.jpg one.jpg two.jpg                  two styles, one picture
    impasto stylize one.jpg two.jpg three.jpg --style wave.jpg     one style, three pictures

The first form is the usual one; a wildcard makes it by mistake, so what is what is said before.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from impasto.apps.cli.flags import flag, with_flags
from impasto.apps.cli.inputs import STDIN, Named, file_of
from impasto.apps.cli.options import Options
from impasto.apps.cli.places import Series, numbered
from impasto.apps.cli.printing import one_line
from impasto.apps.cli.session import paint
from impasto.errors import ImageError, OutputError, SettingsError, printable
from impasto.images.names import located
from impasto.outputs import options as output_options
from impasto.outputs.names import files_at, real

__all__ = ["MOST_STYLES", "paint_in_styles", "paint_several"]

MOST_STYLES = 8  # of one picture that are not named by --style


def paint_in_styles(options: Options, content: str, styles: Sequence[str]) -> int:
    """One photograph in one or more styles; `paint` says which is which where there are several.

    Raises SettingsError without a style, or with so many that they must be photographs.
    """
    if not styles:
        raise SettingsError("STYLE is missing; expected a photograph, then a painting")
    if len(styles) > MOST_STYLES:
        raise SettingsError(
            f"the {len(styles)} pictures after the first would be its styles, and {MOST_STYLES} "
            f"are the most; to paint several photographs name the painting by --style"
        )
    return paint(options, content, styles)


def paint_several(options: Options, contents: Sequence[str], styles: Sequence[str]) -> int:
    """Each photograph in the styles; 0, or 1 if a picture failed, or 130 after Ctrl-C.

    A picture that cannot be read or written does not stop the others; any other error concerns all.
    `output` is a folder where there are several.
    """
    if len(contents) == 1:
        return paint(options, contents[0], styles)
    _check(options, [*contents, *styles])
    with _folder(options):
        return _paint_all(options, contents, styles)


def _paint_all(options: Options, contents: Sequence[str], styles: Sequence[str]) -> int:
    from impasto.objective import StyleCache

    inputs = Named(None, (*contents, *styles), options.sources)
    series = Series(StyleCache(), options.overwrite or options.resume, {*_files_read(inputs)})
    failed = 0
    for number, content in enumerate(contents, 1):
        _say(options, f"{number} of {len(contents)}: {content}")
        try:
            code = _paint(options, content, styles, series)
        except (ImageError, OutputError) as error:
            print("error:", one_line(with_flags(str(error))), file=sys.stderr)
            failed += 1
            continue
        if code:
            return code
    return int(failed > 0)


def _files_read(inputs: Named) -> Iterator[str]:
    """The files that all pictures together are painted from, past links."""
    for name in inputs.files():
        with suppress(ImageError):  # which its own picture reports
            yield from map(real, files_at(Path(os.fsdecode(located(name)))))


def _paint(options: Options, content: str, styles: Sequence[str], series: Series) -> int:
    if folder := options.outputs.get("output"):
        place = _place(Path(str(folder)), [content, *styles], series)
        options = replace(options, outputs={**options.outputs, "output": str(place)})
    return paint(options, content, styles, series=series)


@contextmanager
def _folder(options: Options) -> Iterator[None]:
    """The folder of the results, made if need be; gone again if nothing is in it at the end."""
    folder = Path(str(options.outputs.get("output", ".")))
    try:
        made = not folder.exists()
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{printable(folder)}: {error.strerror}; several photographs need a folder"
        ) from error
    try:
        yield
    finally:
        if made:
            with suppress(OSError):  # it holds results
                folder.rmdir()


def _place(folder: Path, names: Sequence[str], series: Series) -> Path:
    """The picture's place in the folder; another number where that is taken."""
    content, *styles = (Path(file_of(name)).stem for name in names)
    places = numbered(folder / f"{content}_{'+'.join(styles)}.png")
    return next(place for place in places if not series.is_taken(place))


def _check(options: Options, names: Sequence[str]) -> None:
    """SettingsError for what only one picture can have."""
    if options.distributed:
        raise SettingsError("distributed paints one photograph; got several")
    if STDIN in names:
        raise SettingsError("- is one picture; with several photographs name files")
    output = options.outputs.get("output")
    if output is not None and (options.to_stdout or _is_file(str(output))):
        raise SettingsError(
            f"--output is {printable(str(output))}; with several photographs expected a folder"
        )
    if named := [*_files_named(options)]:
        raise SettingsError(f"{', '.join(named)} is one file for several photographs; leave it out")


def _files_named(options: Options) -> Iterator[str]:
    for name, value in options.outputs.items():
        if name != "output" and output_options()[name].names_file and value != "none":
            yield flag(name)


def _is_file(name: str) -> bool:
    """Whether that names a picture rather than a folder."""
    return os.path.isfile(name) or (bool(Path(name).suffix) and not os.path.isdir(name))  # noqa: PTH112, PTH113 (Path's raise for a name that is too long)


def _say(options: Options, line: str) -> None:
    if not (options.quiet or options.as_json):
        print(one_line(line), file=sys.stderr)
