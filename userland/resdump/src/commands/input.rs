// SPDX-License-Identifier: MIT

//! Options that say how a saved dump is to be read.

use std::path::PathBuf;

use crate::source::How;

/// Options of commands that read one saved dump.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct InputArgs {
    /// Where the manifest of a saved file is [default: FILE.json]
    #[arg(long, value_name = "PATH")]
    pub manifest: Option<PathBuf>,

    /// The others.
    #[command(flatten)]
    pub take: TakeArgs,
}

/// Options of commands that read several, or write a manifest themselves.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct TakeArgs {
    /// Take what is there of a saved file that is not complete
    #[arg(long, num_args = 0, default_missing_value = "true")]
    pub incomplete: Option<bool>,

    /// Take a saved file as it is, headers and all
    #[arg(long, num_args = 0, default_missing_value = "true")]
    pub raw: Option<bool>,
}

impl InputArgs {
    /// As the source has it.
    pub fn how(&self) -> How {
        How {
            manifest: self.manifest.clone(),
            ..self.take.how()
        }
    }
}

impl TakeArgs {
    /// As the source has it.
    pub fn how(self) -> How {
        How {
            manifest: None,
            incomplete: self.incomplete.is_some(),
            raw: self.raw.is_some(),
            has_options: true,
        }
    }
}
