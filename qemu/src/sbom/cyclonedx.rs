// SPDX-License-Identifier: MIT
//! The part of CycloneDX 1.6 that is used here. Nothing in it depends on when it is written.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use super::{Component, Kind};
use crate::image::Manifest;

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
pub fn document(manifest: &Manifest, components: &[Component]) -> Result<String> {
    let name = format!("resdump-{}-{}", manifest.board, manifest.flavour);
    let root = Entry {
        kind: "firmware",
        reference: name.clone(),
        name: &name,
        version: env!("CARGO_PKG_VERSION"),
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
    dependencies.extend(components.iter().map(|one| {
        Dependency {
            r#ref: reference(one),
            depends_on: components
                .iter()
                .filter(|other| one.contains.contains(&other.name))
                .map(reference)
                .collect(),
        }
    }));
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
