// SPDX-License-Identifier: MIT
//! No circles: files of a crate whose `use` lines and paths lead back to where they began.
//!
//! A module and its submodules count as tied already, for Rust lets a submodule see what is private in the modules
//! around it: a path between the two is no part of a circle. A re-export is followed to the file that defines the name.

mod modules;

use std::path::Path;

use anyhow::{Result, bail};
use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;

use crate::docs::Files;
use host::paths::Paths;
use modules::Tree;

/// The root of the module, which cargo does not know.
const MODULE: &str = "kmod/resmem_main.rs";

/// Fails with the files of each circle.
pub fn check(paths: &Paths, files: &Files) -> Result<()> {
    let roots = files.names().filter(|name| {
        name.ends_with("/src/lib.rs") || name.ends_with("/src/main.rs") || *name == MODULE
    });
    let mut found = Vec::new();
    for root in roots {
        found.extend(circles(&paths.root.join(root))?);
    }
    if found.is_empty() {
        return Ok(());
    }
    let text: Vec<String> = found.iter().map(|files| files.join(" -> ")).collect();
    bail!(
        "files that import each other in a circle:\n  {}\n\
         move what both need into a file of its own, or hand it over as a parameter",
        text.join("\n  ")
    )
}

/// The circles of a crate, each as the names of its files below the crate's folder.
fn circles(root: &Path) -> Result<Vec<Vec<String>>> {
    let imports = Tree::read(root)?.imports();
    let graph: DiGraphMap<&str, ()> = imports
        .iter()
        .map(|(from, to)| (from.as_str(), to.as_str()))
        .collect();
    let mut found: Vec<Vec<String>> = tarjan_scc(&graph)
        .into_iter()
        .filter(|files| files.len() > 1)
        .map(|files| files.into_iter().map(str::to_owned).collect())
        .collect();
    found.iter_mut().for_each(|files| files.sort());
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn crate_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        circles(&folder.path().join("lib.rs")).unwrap()
    }

    #[test]
    fn one_direction_is_no_circle() {
        let found = crate_of(&[
            ("lib.rs", "mod a;\nmod b;\npub use a::A;"),
            ("a.rs", "use crate::b::B;\npub struct A(B);"),
            ("b.rs", "pub struct B;"),
        ]);
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn a_circle_is_found_through_a_re_export_and_a_path_in_code() {
        let found = crate_of(&[
            ("lib.rs", "mod a;\nmod b;\npub use a::A;"),
            ("a.rs", "pub struct A;\nfn f() { super::b::g() }"),
            ("b.rs", "use crate::A;\npub fn g() -> Option<A> { None }"),
        ]);
        assert_eq!(found, [["a.rs", "b.rs"]]);
    }

    #[test]
    fn a_submodule_may_use_what_is_around_it() {
        let found = crate_of(&[
            ("lib.rs", "mod a;"),
            ("a/mod.rs", "mod b;\nuse b::g;\npub struct A;"),
            ("a/b.rs", "use super::A;\npub fn g() -> Option<A> { None }"),
        ]);
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn tests_are_not_looked_at() {
        let found = crate_of(&[
            ("lib.rs", "mod a;\nmod b;"),
            (
                "a.rs",
                "pub fn f() {}\n#[cfg(test)]\nmod tests { use crate::b::g; }",
            ),
            ("b.rs", "use crate::a::f;\npub fn g() { f() }"),
        ]);
        assert!(found.is_empty(), "{found:?}");
    }
}
