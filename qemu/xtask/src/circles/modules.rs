// SPDX-License-Identifier: MIT
//! The modules of a crate, and which of its files names what of which.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Item, ItemMod, ItemUse, Lit, Meta, UseTree};

/// The names of a path, the first of which is a module at the root of the crate.
type Names = Vec<String>;

/// The modules of a crate.
pub struct Tree {
    modules: BTreeMap<Names, Module>,
}

struct Module {
    /// Below the crate's folder.
    file: String,
    /// Where a name that is only re-exported here comes from.
    exported: BTreeMap<String, Names>,
    /// What the module names, as it is written.
    named: BTreeSet<Names>,
}

impl Tree {
    /// Reads the modules of the crate whose root is the file `root`.
    pub fn read(root: &Path) -> Result<Self> {
        let folder = root.parent().context("a file without a folder")?;
        let mut tree = Self {
            modules: BTreeMap::new(),
        };
        tree.read_file(folder, root, folder, Vec::new())?;
        Ok(tree)
    }

    /// `below` is the folder of the submodules.
    fn read_file(&mut self, top: &Path, file: &Path, below: &Path, name: Names) -> Result<()> {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let parsed = syn::parse_file(&text).with_context(|| file.display().to_string())?;
        let shown = file.strip_prefix(top).unwrap_or(file);
        self.read_items(top, shown, below, name, &parsed.items)
    }

    fn read_items(
        &mut self,
        top: &Path,
        file: &Path,
        below: &Path,
        name: Names,
        items: &[Item],
    ) -> Result<()> {
        let mut seen = Seen::default();
        for item in items {
            match item {
                Item::Mod(module) if is_test(&module.attrs) => {}
                Item::Mod(module) => self.read_module(top, file, below, &name, module)?,
                item => seen.visit_item(item),
            }
        }
        let module = Module {
            file: file.display().to_string(),
            exported: seen.exported,
            named: seen.named,
        };
        self.modules.insert(name, module);
        Ok(())
    }

    fn read_module(
        &mut self,
        top: &Path,
        file: &Path,
        below: &Path,
        around: &[String],
        module: &ItemMod,
    ) -> Result<()> {
        let word = module.ident.to_string();
        let name: Names = around.iter().cloned().chain([word.clone()]).collect();
        if let Some((_, items)) = &module.content {
            return self.read_items(top, file, &below.join(&word), name, items);
        }
        let given = module.attrs.iter().find_map(path_of);
        let places = match &given {
            // From the folder of the file that has the attribute.
            Some(path) => vec![top.join(file).with_file_name(path)],
            None => vec![
                below.join(format!("{word}.rs")),
                below.join(&word).join("mod.rs"),
            ],
        };
        let place = places
            .iter()
            .find(|place| place.is_file())
            .with_context(|| format!("{}: no file for mod {word}", file.display()))?;
        self.read_file(top, place, &below.join(&word), name)
    }

    /// Which file names something of which other, but for a module and one around it.
    pub fn imports(&self) -> BTreeSet<(String, String)> {
        let mut imports = BTreeSet::new();
        for (name, module) in &self.modules {
            for path in &module.named {
                let Some(path) = self.absolute(name, path) else {
                    continue;
                };
                let target = self.definition(path, 0);
                if name.starts_with(&target) || target.starts_with(name) {
                    continue;
                }
                let file = &self.modules[&target].file;
                if *file != module.file {
                    imports.insert((module.file.clone(), file.clone()));
                }
            }
        }
        imports
    }

    /// `path` as the module `name` means it; nothing for one that leads out of the crate.
    fn absolute(&self, name: &[String], path: &[String]) -> Option<Names> {
        let mut at = name.to_vec();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                at.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {}
            word => {
                at.push(word.to_owned());
                self.modules.get(&at)?;
                at.pop();
            }
        }
        while rest.first().is_some_and(|word| word == "super") {
            at.pop()?;
            rest = &rest[1..];
        }
        Some(at.into_iter().chain(rest.iter().cloned()).collect())
    }

    /// The module that defines what `path` names.
    fn definition(&self, path: Names, depth: usize) -> Names {
        let mut at = Names::new();
        for (index, word) in path.iter().enumerate() {
            let mut inner = at.clone();
            inner.push(word.clone());
            if self.modules.contains_key(&inner) {
                at = inner;
                continue;
            }
            // A re-export of itself would not end.
            if let Some(from) = self.modules[&at].exported.get(word)
                && depth < 8
                && let Some(mut from) = self.absolute(&at, from)
            {
                from.extend_from_slice(&path[index + 1..]);
                return self.definition(from, depth + 1);
            }
            break;
        }
        at
    }
}

/// What a module names.
#[derive(Default)]
struct Seen {
    exported: BTreeMap<String, Names>,
    named: BTreeSet<Names>,
}

impl Seen {
    fn take(&mut self, tree: &UseTree, before: &[String], public: bool) {
        let with = |word: &dyn ToString| -> Names {
            before.iter().cloned().chain([word.to_string()]).collect()
        };
        let mut leaf = |path: Names, name: String| {
            // `use a::{self}` names the module.
            let path = match path.last().is_some_and(|word| word == "self") && path.len() > 1 {
                true => path[..path.len() - 1].to_vec(),
                false => path,
            };
            if public {
                self.exported.insert(name, path.clone());
            }
            self.named.insert(path);
        };
        match tree {
            UseTree::Path(path) => self.take(&path.tree, &with(&path.ident), public),
            UseTree::Name(name) => leaf(with(&name.ident), name.ident.to_string()),
            UseTree::Rename(name) => leaf(with(&name.ident), name.rename.to_string()),
            UseTree::Glob(_) => leaf(before.to_vec(), "*".into()),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.take(tree, before, public);
                }
            }
        }
    }
}

impl<'a> Visit<'a> for Seen {
    fn visit_item_use(&mut self, item: &'a ItemUse) {
        let public = !matches!(item.vis, syn::Visibility::Inherited);
        self.take(&item.tree, &[], public);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let names: Names = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        if matches!(names[0].as_str(), "crate" | "super" | "self") && names.len() > 1 {
            self.named.insert(names);
        }
        visit::visit_path(self, path);
    }

    fn visit_item(&mut self, item: &'a Item) {
        if !matches!(item, Item::Fn(function) if is_test(&function.attrs)) {
            visit::visit_item(self, item);
        }
    }
}

/// `#[cfg(test)]`, or one of the kernel's unit tests.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => {
            matches!(list.tokens.to_string().as_str(), "test" | "CONFIG_KUNIT")
        }
        _ => false,
    })
}

fn path_of(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}
