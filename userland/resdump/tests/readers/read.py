#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads a dump with another program's library: read.py READER FILE ADDRESS LENGTH [ADDRESS LENGTH]...
prints the bytes at each address in hexadecimal, a line each. Status 3: the reader is not installed."""
import os
import sys


def pyelftools(path):
    from elftools.elf.elffile import ELFFile

    elf = ELFFile(open(path, "rb"))
    assert elf.header.e_type == "ET_CORE", elf.header.e_type

    def read(address, length):
        for segment in elf.iter_segments("PT_LOAD"):
            start = address - segment["p_paddr"]
            if 0 <= start and start + length <= segment["p_filesz"]:
                return segment.data()[start : start + length]
        raise ValueError(f"no segment has {address:#x}")

    return read


def drgn(path):
    from drgn import Program

    program = Program()
    program.set_core_dump(path)
    return lambda address, length: program.read(address, length, physical=True)


def volatility(path, layer):
    from volatility3.framework import contexts
    from volatility3.framework.layers import physical

    context = contexts.Context()
    context.config["file.location"] = "file://" + os.path.abspath(path)
    context.add_layer(physical.FileLayer(context, "file", "base"))
    context.config["memory.base_layer"] = "base"
    memory = layer(context, "memory", "memory")
    context.add_layer(memory)
    return lambda address, length: memory.read(address, length)


def volatility_elf(path):
    from volatility3.framework.layers.elf import Elf64Layer

    return volatility(path, Elf64Layer)


def volatility_lime(path):
    from volatility3.framework.layers.lime import LimeLayer

    return volatility(path, LimeLayer)


def numpy(path):
    from numpy import memmap

    bytes_of = memmap(path, "u1", "r")
    return lambda address, length: bytes_of[address : address + length]


def sigmf(path):
    from sigmf import fromfile

    return fromfile(path)


READERS = {
    "sigmf": sigmf,
    "numpy": numpy,
    "pyelftools": pyelftools,
    "drgn": drgn,
    "volatility-elf": volatility_elf,
    "volatility-lime": volatility_lime,
}


def main():
    reader, path, *places = sys.argv[1:]
    try:
        read = READERS[reader](path)
    except ImportError as error:
        print(error, file=sys.stderr)
        sys.exit(3)
    for address, length in zip(places[::2], places[1::2]):
        print(bytes(read(int(address, 0), int(length, 0))).hex())


main()
