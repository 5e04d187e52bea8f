// SPDX-License-Identifier: GPL-2.0

//! What a node says of its device's position in the ring, by the binding's properties `resdump,position-*`.

use kernel::{
    device::property::FwNode,
    prelude::*,
    str::CString, //
};

use crate::{
    abstractions::{
        producer::{
            Register,
            Width, //
        },
        reserved::Node, //
    },
    position::{
        Flaw,
        Kind,
        Position,
        Shape, //
    },
    progress::Source,
    refusal::Refusal,
    region::Region, //
};

/// Where the position of the device of `region` comes from, and how it is to be read; `None` where the node does not
/// say. Refusals: what the binding does not allow.
pub(crate) fn position(
    properties: &FwNode,
    node: &Node<'_>,
    region: &Region,
) -> Result<Option<(Source, Position)>, Refusal> {
    let Some(kind) = properties
        .property_read::<CString>(c"resdump,position-kind")
        .optional()
    else {
        return Ok(None);
    };
    let number = |name: &CStr, default: u32| properties.property_read::<u32>(name).or(default);
    let memory = region.memory();
    let is_program = kind.to_bytes() == b"program";
    let bits = number(c"resdump,position-bits", if is_program { 64 } else { 32 });
    let kind = match kind.to_bytes() {
        b"program" | b"counter" => Kind::Counter,
        b"offset" => Kind::Offset,
        b"address" => Kind::Address {
            base: properties
                .property_read::<u64>(c"resdump,ring-address")
                .or(memory.base()),
        },
        b"index-lap" => Kind::IndexLap {
            index_bits: number(c"resdump,position-index-bits", 0),
        },
        _ => return Err(invalid(c"its position-kind is not known")),
    };
    let shape = Shape {
        kind,
        ring: memory.size(),
        unit: number(c"resdump,position-unit", 1),
        bits,
        lead: number(c"resdump,lead-bytes", 0).into(),
        lag: number(c"resdump,lag-bytes", 0).into(),
        max_rate: number(c"resdump,max-rate", 0).into(),
    };
    let position = Position::new(shape).map_err(|flaw| invalid(cause(flaw)))?;
    if is_program {
        return Ok(Some((Source::Program, position)));
    }
    let width = Width {
        bytes: number(c"reg-io-width", if bits > 32 { 8 } else { 4 }),
        big_endian: properties.property_read_bool(c"big-endian"),
    };
    if !matches!(width.bytes, 4 | 8) {
        return Err(invalid(c"its reg-io-width is neither 4 nor 8"));
    }
    let offset: u64 = number(c"resdump,position", 0).into();
    let bytes = u64::from(width.bytes);
    let source = match node.named_reg(c"producer") {
        Some((start, size)) => {
            if offset & (bytes - 1) != 0 || size < bytes || offset > size - bytes {
                return Err(invalid(
                    c"its position is not in the register block, or not aligned",
                ));
            }
            Source::Register(Register::new(start + offset, width)?)
        }
        None => {
            let at = memory.base() + offset;
            if at & (bytes - 1) != 0 || memory.size() < bytes || offset > memory.size() - bytes {
                return Err(invalid(
                    c"its position is not in the region, or not aligned",
                ));
            }
            let (index, _) = memory.locate(offset);
            if memory.frames().pages_from(index) > 0 {
                Source::Word(offset, width)
            } else {
                Source::Register(Register::new(at, width)?)
            }
        }
    };
    Ok(Some((source, position)))
}

fn invalid(cause: &'static CStr) -> Refusal {
    Refusal::new(EINVAL, cause)
}

fn cause(flaw: Flaw) -> &'static CStr {
    match flaw {
        Flaw::Ring => c"it is too large for a ring",
        Flaw::Unit => c"it is not made of whole units of its position",
        Flaw::Bits => c"its position has too few bits for it, or more than 64",
        Flaw::Slack => c"lead and lag of its position leave nothing of it",
        Flaw::Rate => c"its position repeats, and no max-rate says how fast",
        Flaw::Wrap => c"its size does not divide what its position counts before it repeats",
    }
}
