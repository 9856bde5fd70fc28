"""Settings of the machine: network, arithmetic, device, memory."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ByteSize

from impasto.settings.fields import Device, EncoderName, Tile, knob

__all__ = ["MachineSettings"]


class MachineSettings(BaseModel):
    """Which network measures, where and in which arithmetic."""

    encoder: EncoderName = knob(
        "Network", "name of the network; see `impasto weights list`", default="vgg19"
    )
    pooling: Literal["max", "avg", "l2"] = knob("Network", "pooling of the network", default="max")
    padding: Literal["zero", "replicate", "replicate-all"] = knob(
        "Network",
        "what surrounds the picture: zero, the mean colour; replicate, its edge; replicate-all, "
        "the edge at every layer, so that the network sees no border",
        default="zero",
    )
    precision: Literal["auto", "bf16", "fast32", "fp32", "fp64"] = knob(
        "Network",
        "arithmetic: fp32 gives the digits of other PyTorch programs, fast32 is faster; auto is "
        "bf16 where the hardware multiplies it, otherwise fast32",
        default="auto",
    )
    device: Device = knob(
        "Network",
        "where it runs; auto is the fastest device that works, cuda:1 the second graphics card",
        default="auto",
        pixels=False,
    )
    threads: int = knob(
        "Network", "CPU threads; 0 is one per core", default=0, ge=0, le=1024, pixels=False
    )
    tile: Tile = knob(
        "Network",
        "longest side of a tile in pixels; off paints in one piece, auto fits the memory. The "
        "result is the same",
        default="auto",
        pixels=False,
    )
    memory: ByteSize = knob(
        "Network",
        "maximum memory of the process, such as 4GB; 0 is what is free",
        default=ByteSize(0),
        ge=0,
        pixels=False,
    )
