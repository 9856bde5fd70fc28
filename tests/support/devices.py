"""A device that is not here, for tests: tensors that say they are on it, computed on the CPU.

It lacks what Apple's GPUs lack: float64, and arithmetic between its tensors and the CPU's.
"""

from contextlib import contextmanager

import torch
from torch import Tensor
from torch._C import DisableTorchFunctionSubclass
from torch.overrides import TorchFunctionMode, get_default_nowrap_functions
from torch.utils._pytree import tree_leaves, tree_map

KIND = "mps"
ACROSS = (Tensor.copy_, Tensor.__getitem__, Tensor.__setitem__)  # take tensors of both devices
FACTS = {
    Tensor.device.__get__: torch.device(KIND),
    Tensor.is_cpu.__get__: False,
    Tensor.is_mps.__get__: True,
}


class Pretended(Tensor):
    """A tensor on the device; what is computed from it is on the device too."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function in FACTS:
            return FACTS[function]
        with DisableTorchFunctionSubclass():
            return cls.computed(function, args, kwargs or {})

    @classmethod
    def computed(cls, function, args, kwargs):
        """The function's result, with subclasses out of the way."""
        if function in (Tensor.cpu, Tensor.numpy, Tensor.__array__):
            return function(on_cpu(args[0]), *args[1:], **kwargs)
        if function is Tensor.to and isinstance(args[1], Tensor):  # device and dtype of another
            moved = on_cpu(args[0]).to(args[1].dtype)
            return on_device(moved) if isinstance(args[1], Pretended) else moved
        found = tensors((args, kwargs))
        if function not in ACROSS and any(t.dim() and not isinstance(t, cls) for t in found):
            name = getattr(function, "__name__", function)
            raise RuntimeError(f"{name}: expected all tensors on {KIND}, found some on the cpu")
        result = function(*args, **kwargs)
        if function in get_default_nowrap_functions():  # facts, such as `grad`
            return result
        return tree_map(lambda x: on_device(x) if isinstance(x, Tensor) else x, result)


class PretendDevice(TorchFunctionMode):
    """While it lasts, tensors can be made on the device, and moved to it and away from it."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        named = [torch.device(x) for x in tree_leaves((args, kwargs)) if names_device(x)]
        if not named or function is torch.device:
            return function(*args, **kwargs)
        args, kwargs = tree_map(
            lambda x: on_cpu(x) if isinstance(x, Pretended) else "cpu" if names_device(x) else x,
            (args, kwargs),
        )
        result = function(*args, **kwargs)
        return on_device(result) if named[0].type == KIND else result


@contextmanager
def pretended_device(monkeypatch):
    """Torch finds the device while the block lasts."""
    with monkeypatch.context() as patch, PretendDevice():
        patch.setattr("torch.backends.mps.is_available", lambda: True)
        yield torch.device(KIND)


def names_device(x):
    return isinstance(x, torch.device) or (isinstance(x, str) and x in ("cpu", KIND))


def tensors(tree):
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def on_cpu(tensor):
    return tensor.as_subclass(Tensor).clone()


def on_device(tensor):
    if tensor.dtype == torch.float64:
        raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
    return tensor if isinstance(tensor, Pretended) else tensor.as_subclass(Pretended)
