// SPDX-License-Identifier: GPL-2.0

//! What a node says of its device's position in the ring, by the binding's properties `resdump,position-*`.

use kernel::{
    device::property::{
        FwNode,
        Property, //
    },
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

/// The properties of a node.
struct Properties<'a>(&'a FwNode);

impl Properties<'_> {
    /// The value of property `name`, if the node has it. Refused: one that is no such value.
    fn value<T: Property>(&self, name: &CStr) -> Result<Option<T>, Refusal> {
        match self.0.property_read::<T>(name).optional() {
            None if self.0.property_present(name) => Err(invalid(
                c"a property of its position is not of the type that the binding gives it",
            )),
            value => Ok(value),
        }
    }

    fn number(&self, name: &CStr, default: u32) -> Result<u32, Refusal> {
        Ok(self.value(name)?.unwrap_or(default))
    }
}

/// What the node of `region` says of its device; `None` where it does not say where that is. Refusals: what the binding
/// does not allow.
pub(crate) fn describe(
    properties: &FwNode,
    node: &Node<'_>,
    region: &Region,
) -> Result<Option<Described>, Refusal> {
    let properties = Properties(properties);
    let Some(kind) = properties.value::<CString>(c"resdump,position-kind")? else {
        return Ok(None);
    };
    let memory = region.memory();
    let is_program = kind.to_bytes() == b"program";
    let bits = properties.number(c"resdump,position-bits", if is_program { 64 } else { 32 })?;
    let kind = match kind.to_bytes() {
        b"program" | b"counter" => Kind::Counter,
        b"offset" => Kind::Offset,
        b"address" => Kind::Address {
            base: properties
                .value(c"resdump,ring-address")?
                .unwrap_or(memory.base()),
        },
        b"index-lap" => Kind::IndexLap {
            index_bits: properties.number(c"resdump,position-index-bits", 0)?,
        },
        _ => return Err(invalid(c"its position-kind is not known")),
    };
    let shape = Shape {
        kind,
        ring: memory.size(),
        unit: properties.number(c"resdump,position-unit", 1)?,
        bits,
        lead: properties.number(c"resdump,lead-bytes", 0)?.into(),
        lag: properties.number(c"resdump,lag-bytes", 0)?.into(),
        max_rate: properties.number(c"resdump,max-rate", 0)?.into(),
    };
    let position = Position::new(shape).map_err(|flaw| invalid(cause(flaw)))?;
    if position.patience() == Some(0) {
        return Err(invalid(
            c"its position repeats faster than it can be read: max-rate is too great for its size",
        ));
    }
    let width = Width {
        bytes: properties.number(c"reg-io-width", if bits > 32 { 8 } else { 4 })?,
        big_endian: properties.0.property_read_bool(c"big-endian"),
    };
    if !matches!(width.bytes, 4 | 8) {
        return Err(invalid(c"its reg-io-width is neither 4 nor 8"));
    }
    let (source, position_at) = match is_program {
        true => (Source::Program, None),
        false if bits > 8 * width.bytes => {
            return Err(invalid(c"its position has more bits than its register"))
        }
        false => {
            let at = properties.value(c"resdump,position")?;
            let (spot, at) = spot(node, region, at, width)?;
            (Source::Spot(spot), Some(at))
        }
    };
    let consumer = match properties.value(c"resdump,consumer")? {
        Some(at) if position_at == Some(at) => {
            return Err(invalid(c"its consumer register is that of its position"))
        }
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
    let (spot, _) = spot(node, region, Some(at), width)?;
    if spot.read_sleeps(region) {
        return Err(invalid(
            c"its consumer is a word, and its device does not see what processors write",
        ));
    }
    Ok(spot)
}

/// The place at byte `at`, or the first one: of the registers that the node has, of the system controller that it names,
/// where `at` is in the place of the offset there, or else of the region. With the byte at which it is.
fn spot(
    node: &Node<'_>,
    region: &Region,
    at: Option<u32>,
    width: Width,
) -> Result<(Spot, u32), Refusal> {
    const AWAY: &CStr = c"its position is not in the register block, or not aligned";
    let memory = region.memory();
    let bytes = u64::from(width.bytes);
    let first = at.unwrap_or(0);
    let offset = u64::from(first);
    let is_within = |size: u64| size >= bytes && offset <= size - bytes;
    let registers = node.named_reg(c"producer").map_err(|error| {
        Refusal::new(
            error,
            c"its reg is not named producer, or is no address of a processor's",
        )
    })?;
    if let Some((start, size)) = registers {
        if offset & (bytes - 1) != 0 || !is_within(size) {
            return Err(invalid(AWAY));
        }
        let register = Register::new(start + offset, width)?;
        return Ok((Spot::Register(register), first));
    }
    let controlled = node.syscon(at).map_err(|error| {
        Refusal::new(
            error,
            c"its syscon is no system controller with such a register of 4 bytes",
        )
    })?;
    if let Some((register, first)) = controlled {
        if width.bytes != 4 {
            return Err(invalid(c"a system controller has registers of 4 bytes"));
        }
        return Ok((Spot::Syscon(register), first));
    }
    let place = memory.base() + offset;
    if place & (bytes - 1) != 0 || !is_within(memory.size()) {
        return Err(invalid(
            c"its position is not in the region, or not aligned",
        ));
    }
    let (index, _) = memory.locate(offset);
    let spot = match memory.frames().pages_from(index) {
        0 => Spot::Register(Register::new(place, width)?),
        _ => Spot::Word(offset, width),
    };
    Ok((spot, first))
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
