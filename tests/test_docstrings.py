"""Public functions that take or give a tensor say its shape, range or units."""

import importlib
import inspect
import pkgutil
import re

import pytest

import impasto

SAYS = re.compile(
    r"""\((?![^()]*\b(?:19|20)\d\d\b)[^(),]+,[^()]*\)|tensor\ \(\)  # (3, h, w), ()
    |\bscalars?\b|\bvectors?\b|\bmatri(?:x|ces)\b|\bsRGB\b|\bpixels?\b
    |(?:same|any)\ shape|in\ \[0,\ 1\]""",
    re.VERBOSE,
)


def modules():
    for found in pkgutil.walk_packages(impasto.__path__, "impasto."):
        if not found.name.endswith("__main__") and ".former" not in found.name:
            yield importlib.import_module(found.name)


def takes_tensors(function):
    """Whether an annotation of the function names a Tensor."""
    try:
        annotations = inspect.get_annotations(function)
    except TypeError:
        return False
    return any(re.search(r"\bTensor\b", str(value)) for value in annotations.values())


def public():
    """Name -> what is documented of it, of functions in `__all__` and methods of classes there."""
    found = {}
    for module in modules():
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if getattr(value, "__module__", None) != module.__name__:
                continue
            if inspect.isfunction(value) and takes_tensors(value):
                found[f"{module.__name__}.{name}"] = value.__doc__ or ""
            elif inspect.isclass(value):
                found |= methods(module, value)
    return found


def methods(module, owner):
    found = {}
    for name, value in vars(owner).items():
        function = getattr(value, "__func__", getattr(value, "fget", value))
        known = not name.startswith("_") or name == "__call__"
        if known and inspect.isfunction(function) and takes_tensors(function):
            inherited = inspect.getdoc(getattr(owner, name)) or ""
            key = f"{module.__name__}.{owner.__name__}.{name}"
            found[key] = f"{inherited}\n{owner.__doc__}"
    return found


PUBLIC = public()


def test_there_are_such_functions():
    assert len(PUBLIC) > 50


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_says_shape_range_or_units(name):
    assert SAYS.search(PUBLIC[name]), PUBLIC[name]
