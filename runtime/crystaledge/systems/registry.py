"""Where each system's host pipeline is found. A new system is registered here, once."""

from __future__ import annotations

from collections.abc import Mapping

from crystaledge.system import System

HOST_PIPELINES: Mapping[System, str] = {
    System.MNEMOSYNE: "crystaledge.systems.mnemosyne:MnemosynePipeline",
    System.PHANTOM: "crystaledge.systems.phantom:PhantomPipeline",
}
