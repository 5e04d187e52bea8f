// SPDX-License-Identifier: MIT
//! Packages whose sources in the checkout have changed since they were built: Buildroot does not
//! look at those of local packages and patches again by itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use super::Buildroot;
use host::step::{Key, Step};

/// Makes Buildroot forget what is out of date, so that the next make builds it again.
pub fn forget(buildroot: &Buildroot<'_>) -> Result<()> {
    let file = buildroot.output.join("resdump-keys.json");
    let known: BTreeMap<String, String> = fs::read(&file)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default();
    let now = keys(buildroot)?;
    let targets: Vec<String> = now
        .iter()
        .filter(|(package, key)| known.get(*package).is_some_and(|known| known != *key))
        .map(|(package, _)| format!("{package}-dirclean"))
        .collect();
    if !targets.is_empty() {
        let name = format!("buildroot-stale-{}", buildroot.name);
        let step = Step::start(&buildroot.logs(), &name, &targets.join(" "))?;
        step.run(buildroot.make().args(&targets))?;
        step.done();
    }
    fs::write(file, serde_json::to_string_pretty(&now)? + "\n")?;
    Ok(())
}

/// A key of what each package is made of. Fragments are followed by Buildroot itself as far as the
/// kernel goes, and not for the module.
fn keys(buildroot: &Buildroot<'_>) -> Result<BTreeMap<String, String>> {
    let root = &buildroot.paths.root;
    let external = root.join("buildroot-external");
    let common = &buildroot.board.common;
    let mut linux = buildroot.board.kconfig(buildroot.flavour)?;
    linux.push(common.join("linux/patches"));
    linux.push(external.join("linux"));
    let mut resmem = linux.clone();
    resmem.extend([root.join("kmod"), external.join("package/resmem")]);
    let resdump = vec![root.join("userland"), external.join("package/resdump")];
    let linux = vec![common.join("linux/patches"), external.join("linux")];
    [("linux", linux), ("resmem", resmem), ("resdump", resdump)]
        .into_iter()
        .map(|(package, inputs)| Ok((package.to_owned(), key(package, &inputs)?)))
        .collect()
}

fn key(package: &str, inputs: &[PathBuf]) -> Result<String> {
    let mut key = Key::new(package);
    for input in inputs {
        key = key.path(input)?;
    }
    Ok(key.finish())
}
