// SPDX-License-Identifier: MIT
//! `kmod/resmem.4` has each command of the ABI with the errors that `docs/reference/abi.md` gives it, and what an SDK
//! installs beside it compiles a program.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

const ABI: &str = include_str!("../../../kmod/abi.rs");
const HEADER: &str = include_str!("../../../kmod/resmem.h");
const PAGE: &str = include_str!("../../../kmod/resmem.4");
const REFERENCE: &str = include_str!("../../../docs/reference/abi.md");

type Errors = BTreeMap<String, BTreeSet<String>>;

/// Commands of the ABI, by their names in the reference's tables.
fn commands() -> BTreeSet<String> {
    ABI.lines()
        .filter_map(|line| line.strip_prefix("pub const IOC_"))
        .filter_map(|rest| rest.split(':').next())
        .filter(|name| *name != "TYPE")
        .map(str::to_owned)
        .collect()
}

/// `.Ss RESMEM_IOC_DUMP …` and the `.It Bq Er ENAME` below it.
fn page() -> Errors {
    let mut found = Errors::new();
    let mut command = None;
    for line in PAGE.lines() {
        if let Some(title) = line.strip_prefix(".Ss RESMEM_IOC_") {
            let name = title.split(' ').next().unwrap_or(title).to_owned();
            command = Some(name.clone());
            found.entry(name).or_default();
        } else if line.starts_with(".Sh ") {
            command = None;
        } else if let (Some(errno), Some(command)) = (line.strip_prefix(".It Bq Er "), &command) {
            found
                .entry(command.clone())
                .or_default()
                .insert(errno.to_owned());
        }
    }
    found
}

/// The tables whose first column is `errno`. `see above` is of every command.
fn reference() -> Errors {
    let mut found = Errors::new();
    let mut columns: Vec<String> = Vec::new();
    for line in REFERENCE.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if !line.starts_with('|') {
            columns.clear();
        } else if cells[0] == "errno" {
            columns = cells[1..].iter().map(|cell| cell.to_string()).collect();
        } else if let Some(errno) = cells[0]
            .strip_prefix('`')
            .and_then(|cell| cell.strip_suffix('`'))
        {
            for (command, said) in columns.iter().zip(&cells[1..]) {
                let everywhere = errno == "ENOMEM" && *said == "see above";
                if !said.is_empty() && !everywhere {
                    found
                        .entry(command.clone())
                        .or_default()
                        .insert(errno.to_owned());
                }
            }
        }
    }
    found
}

#[test]
fn the_page_has_each_command() {
    let pages: BTreeSet<String> = page().into_keys().collect();
    assert_eq!(pages, commands());
}

#[test]
fn the_page_and_the_reference_give_each_command_the_same_errors() {
    let page = page();
    let reference = reference();
    assert!(reference.len() > 8, "{reference:?}");
    for (command, errors) in &reference {
        assert_eq!(page.get(command), Some(errors), "{command}");
    }
    for (command, errors) in page {
        assert!(
            errors.is_empty() || reference.contains_key(&command),
            "{command}"
        );
    }
}

/// What the page names by its macro is in the header.
#[test]
fn each_constant_of_the_page_is_in_the_header() {
    let words = PAGE.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let names: BTreeSet<&str> = words.filter(|word| word.starts_with("RESMEM_")).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        assert!(HEADER.contains(&format!("#define {name}\t")), "{name}");
    }
}

#[test]
fn an_sdk_compiles_the_examples_by_pkg_config() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let sdk = tempfile::tempdir().unwrap();
    let include = sdk.path().join("usr/include/linux");
    let packages = sdk.path().join("usr/lib/pkgconfig");
    fs::create_dir_all(&include).unwrap();
    fs::create_dir_all(&packages).unwrap();
    fs::copy(root.join("kmod/resmem.h"), include.join("resmem.h")).unwrap();
    let package = fs::read_to_string(root.join("kmod/resmem.pc")).unwrap();
    fs::write(
        packages.join("resmem.pc"),
        package.replace("@VERSION@", "1.2.3"),
    )
    .unwrap();
    let ask = |what: &str| {
        let said = Command::new("pkg-config")
            .args([what, "resmem"])
            .env("PKG_CONFIG_SYSROOT_DIR", sdk.path())
            .env("PKG_CONFIG_ALLOW_SYSTEM_CFLAGS", "1")
            .env("PKG_CONFIG_LIBDIR", &packages)
            .output()
            .unwrap();
        assert!(said.status.success(), "{said:?}");
        String::from_utf8(said.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(ask("--modversion"), "1.2.3");
    let flags = ask("--cflags");
    for example in ["dump", "export", "handover", "load", "record", "snapshot"] {
        let status = Command::new("gcc")
            .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"])
            .args(flags.split_whitespace())
            .arg(root.join(format!("kmod/examples/{example}.c")))
            .status()
            .unwrap();
        assert!(status.success(), "{example}: {flags}");
    }
}
