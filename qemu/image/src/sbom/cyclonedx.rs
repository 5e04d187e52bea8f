// SPDX-License-Identifier: MIT
//! The part of CycloneDX 1.6 that is used here. Nothing in it depends on when it is written.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Value, to_value};

use super::{Component, Kind};
use board::image::Manifest;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    bom_format: &'static str,
    spec_version: &'static str,
    version: u32,
    metadata: Metadata<'a>,
    components: Vec<Entry<'a>>,
    dependencies: Vec<Dependency>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    component: Entry<'a>,
}

#[derive(Serialize)]
struct Entry<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref")]
    reference: String,
    name: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<Licence<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<Property<'a>>,
}

#[derive(Serialize)]
struct Hash<'a> {
    alg: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
struct Licence<'a> {
    expression: &'a str,
}

#[derive(Serialize)]
struct Property<'a> {
    name: &'static str,
    value: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    r#ref: String,
    depends_on: Vec<String>,
}

/// The document of an image.
pub fn document(manifest: &Manifest, version: &str, components: &[Component]) -> Result<String> {
    let name = format!("resdump-{}-{}", manifest.board, manifest.flavour);
    let root = Entry {
        kind: "firmware",
        reference: name.clone(),
        name: &name,
        version,
        hashes: hash(&manifest.files, "sdcard.img"),
        licenses: Vec::new(),
        purl: None,
        properties: Vec::new(),
    };
    let mut dependencies = vec![Dependency {
        r#ref: name.clone(),
        depends_on: components
            .iter()
            .filter(|one| one.kind != Kind::Library)
            .map(reference)
            .collect(),
    }];
    dependencies.extend(components.iter().map(|one| dependency(one, components)));
    let document = Document {
        bom_format: "CycloneDX",
        spec_version: "1.6",
        version: 1,
        metadata: Metadata { component: root },
        components: components
            .iter()
            .map(|one| entry(&manifest.files, one))
            .collect(),
        dependencies,
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// Adds components to a document of another generator's. They are what its component `package` contains,
/// which is not added once more.
pub fn add(document: &mut Value, package: &str, contained: &[Component]) -> Result<()> {
    let own = |one: &&Component| one.name == package;
    let mut entries = Vec::new();
    let mut dependencies = Vec::new();
    let no_files = BTreeMap::new();
    for one in contained.iter().filter(|one| !own(one)) {
        entries.push(to_value(entry(&no_files, one))?);
        dependencies.push(to_value(dependency(one, contained))?);
    }
    let mut contains: Vec<String> = match contained.iter().find(own) {
        Some(one) => dependency(one, contained).depends_on,
        None => Vec::new(),
    };
    // Programs of the package besides the one that it is named for.
    let others = contained.iter().filter(|one| one.kind == Kind::Application);
    contains.extend(others.filter(|one| !own(one)).map(reference));
    list(document, "components")?.extend(entries);
    let known = list(document, "dependencies")?;
    let of_package = known.iter_mut().find(|one| one["ref"] == package);
    let of_package = of_package.with_context(|| format!("the document has no {package}"))?;
    list(of_package, "dependsOn")?.extend(contains.into_iter().map(Value::from));
    known.extend(dependencies);
    Ok(())
}

fn list<'a>(value: &'a mut Value, name: &str) -> Result<&'a mut Vec<Value>> {
    let list = value.get_mut(name).and_then(Value::as_array_mut);
    list.with_context(|| format!("the document has no {name}"))
}

fn dependency(component: &Component, all: &[Component]) -> Dependency {
    Dependency {
        r#ref: reference(component),
        depends_on: all
            .iter()
            .filter(|other| component.contains.contains(&other.name))
            .map(reference)
            .collect(),
    }
}

fn reference(component: &Component) -> String {
    let own = || format!("{}@{}", component.name, component.version);
    component.purl.clone().unwrap_or_else(own)
}

fn entry<'a>(hashes: &'a BTreeMap<String, String>, component: &'a Component) -> Entry<'a> {
    Entry {
        kind: match component.kind {
            Kind::Application => "application",
            Kind::Library => "library",
            Kind::OperatingSystem => "operating-system",
            Kind::Data => "data",
        },
        reference: reference(component),
        name: &component.name,
        version: &component.version,
        hashes: component
            .files
            .iter()
            .filter_map(|file| file.rsplit('/').next())
            .flat_map(|file| hash(hashes, file))
            .collect(),
        licenses: vec![Licence {
            expression: &component.licence,
        }],
        purl: component.purl.as_deref(),
        properties: component
            .files
            .iter()
            .map(|file| Property {
                name: "resdump:file",
                value: file,
            })
            .collect(),
    }
}

fn hash<'a>(hashes: &'a BTreeMap<String, String>, file: &str) -> Vec<Hash<'a>> {
    let hash = hashes.get(file).map(|content| Hash {
        alg: "SHA-256",
        content,
    });
    hash.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn component(name: &str, kind: Kind, contains: &[&str]) -> Component {
        Component {
            name: name.to_owned(),
            version: "1".to_owned(),
            kind,
            licence: "MIT".to_owned(),
            purl: (kind == Kind::Library).then(|| format!("pkg:cargo/{name}@1")),
            files: Vec::new(),
            contains: contains.iter().map(|name| (*name).to_owned()).collect(),
            texts: Vec::new(),
        }
    }

    #[test]
    fn crates_are_added_to_the_package_that_contains_them() {
        let crates = [
            component("dumper", Kind::Application, &["clap"]),
            component("grow", Kind::Application, &["libc"]),
            component("clap", Kind::Library, &["libc"]),
            component("libc", Kind::Library, &[]),
        ];
        let mut document = json!({
            "components": [{ "bom-ref": "dumper" }, { "bom-ref": "busybox" }],
            "dependencies": [{ "ref": "dumper", "dependsOn": ["rustc"] }],
        });
        add(&mut document, "dumper", &crates).unwrap();
        let names = document["components"].as_array().unwrap().iter();
        let names: Vec<&str> = names.map(|one| one["bom-ref"].as_str().unwrap()).collect();
        let (clap, libc) = ("pkg:cargo/clap@1", "pkg:cargo/libc@1");
        assert_eq!(names, ["dumper", "busybox", "grow@1", clap, libc]);
        let depends = |at: usize| document["dependencies"][at]["dependsOn"].clone();
        assert_eq!(depends(0), json!(["rustc", clap, "grow@1"]));
        assert_eq!(depends(1), json!([libc]));
        assert_eq!(depends(2), json!([libc]));
        assert!(add(&mut document, "another", &crates).is_err());
    }
}
