// SPDX-License-Identifier: MIT
//! The device-tree binding: checked itself, and what boards' trees are checked against.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::python;
use board::Board;
use board::devicetree;
use host::command::{output, output_of};
use host::paths::Paths;
use host::step::Step;

const SCHEMA: &str = "resdump,resmem.yaml";

/// The files of continuous integration, and the schemas that `check-jsonschema` has for them.
const CI: [(&str, &str); 3] = [
    ("vendor.github-workflows", ".github/workflows/ci.yml"),
    ("vendor.github-workflows", ".github/workflows/nightly.yml"),
    ("vendor.gitlab-ci", ".gitlab-ci.yml"),
];

/// The schema tools.
struct Tools {
    bin: PathBuf,
    bindings: PathBuf,
}

impl Tools {
    fn install(paths: &Paths, step: &Step) -> Result<Self> {
        Ok(Self {
            bin: python::install(paths, step)?,
            bindings: paths.root.join("board/common/bindings"),
        })
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command.current_dir(&self.bindings);
        command
    }

    /// Checks a compiled tree. The tool exits with 0 whatever it finds.
    fn validate(&self, tree: &Path, name: &str) -> Result<()> {
        let mut validate = self.command("dt-validate");
        let output = output(validate.args(["-s", ".", "-l", "resmem"]).arg(tree))?;
        let findings =
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if !findings.is_empty() || !output.status.success() {
            bail!("{name} does not follow the binding:\n{findings}");
        }
        Ok(())
    }
}

/// The binding against the meta-schema, and its examples against the binding.
pub fn check(paths: &Paths) -> Result<()> {
    let logs = paths.out.join("log");
    let step = Step::start(&logs, "lint-binding", "device-tree binding")?;
    let tools = Tools::install(paths, &step)?;
    step.run(tools.command("dt-doc-validate").args(["-u", ".", SCHEMA]))?;
    let example = output_of(tools.command("dt-extract-example").arg(SCHEMA))?;
    let scratch = tempfile::tempdir()?;
    let tree = scratch.path().join("example.dtb");
    devicetree::compile(&example, &tree)?;
    tools.validate(&tree, "the binding's example")?;
    step.done();
    Ok(())
}

/// The files of continuous integration against their schemas.
pub fn check_ci(paths: &Paths) -> Result<()> {
    let step = Step::start(&paths.out.join("log"), "lint-ci", "files of CI")?;
    let tools = Tools::install(paths, &step)?;
    for (schema, file) in CI {
        step.run(
            tools
                .command("check-jsonschema")
                .args(["--builtin-schema", schema])
                .arg(paths.root.join(file)),
        )?;
    }
    step.done();
    Ok(())
}

/// A board's overlay, on an empty tree, against the binding.
pub fn board_tree(step: &Step, paths: &Paths, board: &Board) -> Result<()> {
    let Some(overlay) = board.overlay()? else {
        return Ok(());
    };
    let tools = Tools::install(paths, step)?;
    let scratch = tempfile::tempdir()?;
    let at = |name: &str| scratch.path().join(name);
    devicetree::compile(
        "/dts-v1/; / { #address-cells = <2>; #size-cells = <2>; model = \"x\"; compatible = \"x\"; };",
        &at("base.dtb"),
    )?;
    devicetree::compile(&fs::read_to_string(overlay)?, &at("board.dtbo"))?;
    devicetree::apply(&at("base.dtb"), &at("board.dtbo"), &at("board.dtb"))?;
    tools.validate(&at("board.dtb"), &format!("resmem.dtso of {}", board.name))
}
