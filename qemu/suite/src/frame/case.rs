// SPDX-License-Identifier: MIT
//! A test: its name, where it runs, what it needs, how long it may take.

use anyhow::Result;
use board::Need;

use super::bed::Bed;
use super::running::Running;

/// What a test does in a machine that it shares.
type Shared = Box<dyn FnOnce(&mut Running) -> Result<()> + Send>;
/// What a test does by itself.
type Alone = Box<dyn FnOnce() -> Result<()> + Send>;

/// Where a test runs.
pub enum Place {
    /// In a machine that it shares.
    In(Bed, Shared),
    /// In machines of its own.
    Alone(Alone),
    /// On the host, without a machine.
    Host(Alone),
}

/// A test.
pub struct Case {
    /// Its name, `bed::module::function`, without a part of the module that is the bed's name.
    pub name: String,
    /// Where it runs.
    pub place: Place,
    /// What it needs of the board or the kernel.
    pub needs: Vec<Need>,
    /// Why it cannot be run here, if so, whatever the board and the kernel are.
    pub missing: Option<String>,
    /// Seconds that it may take.
    pub limit: u64,
    /// The flavour of the image that it uses, unless all tests use another; none for a test that uses no image.
    pub flavour: Option<&'static str>,
}

/// Seconds that a test may take which says nothing else.
const LIMIT: u64 = 300;

/// Makes a [`Case`], its name written once:
///
/// - `case!(Low, function)`: a function, in the machine `Bed::Low`;
/// - `case!(Low, name, |bed| …)`: the same with a closure, or a function of another name;
/// - `case!(alone, function)`: in machines of its own;
/// - `case!(host, function)`: without a machine.
macro_rules! case {
    (alone, $name:ident) => {
        $crate::frame::Case::alone(module_path!(), stringify!($name), $name)
    };
    (host, $name:ident) => {
        $crate::frame::Case::host(module_path!(), stringify!($name), $name)
    };
    ($bed:ident, $name:ident) => {
        case!($bed, $name, $name)
    };
    ($bed:ident, $name:ident, $run:expr) => {
        $crate::frame::Case::shared(
            $crate::frame::Bed::$bed,
            module_path!(),
            stringify!($name),
            $run,
        )
    };
}
pub(crate) use case;

impl Case {
    /// A test in a machine that it shares.
    pub fn shared(
        bed: Bed,
        module: &str,
        function: &str,
        run: impl FnOnce(&mut Running) -> Result<()> + Send + 'static,
    ) -> Self {
        let module = module.split_once("::").map_or("", |(_, module)| module);
        let bed_name = bed.name();
        let parts = module.split("::").filter(|part| *part != bed_name);
        let name: Vec<&str> = [bed_name]
            .into_iter()
            .chain(parts)
            .chain([function])
            .collect();
        let mut case = Self::new(name.join("::"), Place::In(bed, Box::new(run)));
        case.needs = bed.needs();
        case.flavour = Some(bed.flavour());
        case
    }

    /// A test in machines of its own.
    pub fn alone(module: &str, function: &str, run: fn() -> Result<()>) -> Self {
        let mut case = Self::new(path(module, function), Place::Alone(Box::new(run)));
        case.needs.push(Need::Qemu);
        case.flavour = Some("appliance");
        case
    }

    /// A test without a machine.
    pub fn host(
        module: &str,
        function: &str,
        run: impl FnOnce() -> Result<()> + Send + 'static,
    ) -> Self {
        Self::new(path(module, function), Place::Host(Box::new(run)))
    }

    fn new(name: String, place: Place) -> Self {
        Self {
            name,
            place,
            needs: Vec::new(),
            missing: None,
            limit: LIMIT,
            flavour: None,
        }
    }

    /// The same test, one of several with the function's name.
    pub fn of(mut self, variant: &str) -> Self {
        self.name += &format!("::{variant}");
        self
    }

    /// The same, that needs more.
    pub fn needs(mut self, need: Need) -> Self {
        self.needs.push(need);
        self
    }

    /// The same, left out for a reason that is not the board's nor the kernel's.
    pub fn unless(mut self, missing: Option<String>) -> Self {
        self.missing = missing;
        self
    }

    /// The same, that may take so many seconds.
    pub fn limit(mut self, seconds: u64) -> Self {
        self.limit = seconds;
        self
    }

    /// The same, that uses the image of a flavour.
    pub fn flavour(mut self, flavour: &'static str) -> Self {
        self.flavour = Some(flavour);
        self
    }

    /// The machine that it shares, if it does.
    pub fn bed(&self) -> Option<Bed> {
        match self.place {
            Place::In(bed, _) => Some(bed),
            _ => None,
        }
    }
}

/// A function's path below this crate.
fn path(module: &str, function: &str) -> String {
    match module.split_once("::") {
        Some((_, module)) => format!("{module}::{function}"),
        None => function.to_owned(),
    }
}

/// Names that more than one test has.
pub fn names(cases: &[Case]) -> Vec<&str> {
    let mut names: Vec<&str> = cases.iter().map(|case| &*case.name).collect();
    names.sort_unstable();
    let twice = names.windows(2).filter(|pair| pair[0] == pair[1]);
    twice.map(|pair| pair[0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_where_the_test_runs_and_where_it_is() {
        let name = |bed, module| Case::shared(bed, module, "f", |_| Ok(())).name;
        assert_eq!(name(Bed::Low, "suite::refusals"), "low::refusals::f");
        assert_eq!(name(Bed::NoPages, "suite::no_pages"), "no_pages::f");
        assert_eq!(
            name(Bed::Faults, "suite::faults::sector"),
            "faults::sector::f"
        );
        let alone = Case::alone("suite::security::console", "f", || Ok(()));
        assert_eq!(alone.of("kernel").name, "security::console::f::kernel");
    }
}
