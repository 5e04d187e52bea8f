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
    progress::{
        Described,
        Source, //
    },
    refusal::Refusal,
    region::Region,
    spot::Spot, //
};

/// What the node of `region` says of its device; `None` where it does not say where that is. Refusals: what the binding
/// does not allow.
pub(crate) fn describe(
    properties: &FwNode,
    node: &Node<'_>,
    region: &Region,
) -> Result<Option<Described>, Refusal> {
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
    let width = Width {
        bytes: number(c"reg-io-width", if bits > 32 { 8 } else { 4 }),
        big_endian: properties.property_read_bool(c"big-endian"),
    };
    if !matches!(width.bytes, 4 | 8) {
        return Err(invalid(c"its reg-io-width is neither 4 nor 8"));
    }
    let source = match is_program {
        true => Source::Program,
        false => {
            let at = number(c"resdump,position", 0);
            let at = properties
                .property_present(c"resdump,position")
                .then_some(at);
            Source::Spot(spot(node, region, at, width)?)
        }
    };
    let consumer = match properties
        .property_read::<u32>(c"resdump,consumer")
        .optional()
    {
        Some(at) => Some(consumer(node, region, at, width)?),
        None => None,
    };
    Ok(Some(Described {
        source,
        consumer,
        position,
    }))
}

/// Where the device reads what was taken: `at` bytes from where [`spot`] begins to count.
fn consumer(node: &Node<'_>, region: &Region, at: u32, width: Width) -> Result<Spot, Refusal> {
    if width.bytes != 4 {
        return Err(invalid(c"its consumer register has more than 32 bits"));
    }
    let spot = spot(node, region, Some(at), width)?;
    if spot.read_sleeps(region) {
        return Err(invalid(
            c"its consumer is a word, and its device does not see what processors write",
        ));
    }
    Ok(spot)
}

/// The place at byte `at`, or the first one: of the registers that the node has, of the system controller that it names,
/// where `at` is in the place of the offset there, or else of the region.
fn spot(node: &Node<'_>, region: &Region, at: Option<u32>, width: Width) -> Result<Spot, Refusal> {
    const AWAY: &CStr = c"its position is not in the register block, or not aligned";
    let memory = region.memory();
    let bytes = u64::from(width.bytes);
    let offset = u64::from(at.unwrap_or(0));
    let is_within = |size: u64| size >= bytes && offset <= size - bytes;
    if let Some((start, size)) = node.named_reg(c"producer") {
        if offset & (bytes - 1) != 0 || !is_within(size) {
            return Err(invalid(AWAY));
        }
        return Ok(Spot::Register(Register::new(start + offset, width)?));
    }
    let controlled = node.syscon(at).map_err(|error| {
        Refusal::new(
            error,
            c"its syscon is no system controller with such a register of 4 bytes",
        )
    })?;
    if let Some(register) = controlled {
        if width.bytes != 4 {
            return Err(invalid(c"a system controller has registers of 4 bytes"));
        }
        return Ok(Spot::Syscon(register));
    }
    let place = memory.base() + offset;
    if place & (bytes - 1) != 0 || !is_within(memory.size()) {
        return Err(invalid(
            c"its position is not in the region, or not aligned",
        ));
    }
    let (index, _) = memory.locate(offset);
    match memory.frames().pages_from(index) {
        0 => Ok(Spot::Register(Register::new(place, width)?)),
        _ => Ok(Spot::Word(offset, width)),
    }
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
