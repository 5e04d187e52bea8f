// SPDX-License-Identifier: MIT

//! A command line that cannot be parsed, and one that asks for help: for people as clap puts it, for
//! programs as an object.

#![forbid(unsafe_code)]

use std::{
    ffi::{OsStr, OsString},
    io::{self, Write},
};

use clap::{
    CommandFactory,
    error::{ContextKind, ContextValue, ErrorKind},
};
use nix::errno::Errno;

use crate::{cli::Cli, console::Console, error::Error, exit_codes::ExitCode};

/// Prints what clap says of `arguments`, the name of the program included, and returns the status to
/// exit with.
pub fn end(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    let before_files = || {
        arguments
            .iter()
            .skip(1)
            .take_while(|argument| *argument != "--")
    };
    let json = before_files().any(|argument| argument == "--json");
    let command = before_files().find_map(|argument| known(argument));
    let console = Console::new(command.as_deref(), json);
    let text = error.render().to_string();
    if !error.use_stderr() {
        // Help, or the version: what was asked for.
        return match console.text(|out| out.write_all(text.as_bytes())) {
            Ok(()) => ExitCode::Ok,
            Err(error) => console.complain(&error),
        };
    }
    let is_empty = error.kind() == ErrorKind::InvalidValue
        && matches!(error.get(ContextKind::InvalidValue), Some(ContextValue::String(it)) if it.is_empty());
    if is_empty && !json {
        return console.complain(&as_error(error, &text, command.as_deref()));
    }
    if !json {
        // Where standard error cannot be written to, the status is all that is left.
        let _ = io::stderr().lock().write_all(text.as_bytes());
        return ExitCode::Usage;
    }
    let is_data = command
        .as_deref()
        .is_some_and(|command| output_is_data(command, &arguments[1..]));
    let console = if is_data { console.aside() } else { console };
    console.failure(&as_error(error, &text, command.as_deref()))
}

/// The command that `argument` is.
fn known(argument: &OsStr) -> Option<String> {
    let name = argument.to_str().filter(|name| !name.starts_with('-'))?;
    Cli::command()
        .find_subcommand(name)
        .map(|command| command.get_name().to_owned())
}

/// As far as can be seen without knowing which argument is what.
fn output_is_data(command: &str, arguments: &[OsString]) -> bool {
    match command {
        "send" => true,
        "dump" | "snapshot" | "receive" | "convert" => {
            arguments.iter().any(|argument| argument == "-")
        }
        _ => false,
    }
}

fn as_error(error: &clap::Error, text: &str, command: Option<&str>) -> Error {
    let subject = [
        ContextKind::InvalidArg,
        ContextKind::InvalidSubcommand,
        ContextKind::InvalidValue,
    ]
    .into_iter()
    .find_map(|kind| match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => Some(texts.join(" ")),
        _ => None,
    });
    let command = command.map_or_else(|| "resdump".into(), |command| format!("resdump {command}"));
    // What is in the way, without what the command line looks like in general.
    let reason = text.split("\n\nUsage:").next().unwrap_or(text);
    let reason = reason.split("\n\nFor more").next().unwrap_or(reason);
    let words: Vec<&str> = reason.split_whitespace().collect();
    let reason = words.join(" ");
    let reason = match reason.strip_prefix("error: ") {
        Some(reason) => format!("{reason}: see '{command} --help'"),
        None => format!("give a command: see '{command} --help'"),
    };
    Error::new(
        ExitCode::Usage,
        "wrong command line",
        subject.unwrap_or(command),
        Errno::EINVAL,
        reason,
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn of(line: &str) -> Error {
        let arguments: Vec<&str> = line.split(' ').collect();
        let error = Cli::try_parse_from(&arguments).unwrap_err();
        let command = known(arguments.get(1).unwrap_or(&"").as_ref());
        as_error(&error, &error.render().to_string(), command.as_deref())
    }

    #[test]
    fn a_usage_error_is_an_error_like_any_other() {
        let error = of("resdump show a --bogus");
        assert_eq!(error.code, ExitCode::Usage);
        assert_eq!(error.subject, "--bogus");
        assert!(
            error
                .advice
                .starts_with("unexpected argument '--bogus' found")
                && error.advice.ends_with(": see 'resdump show --help'"),
            "{error}"
        );
        assert_eq!(of("resdump dump a").what, "wrong command line");
        let empty = of("resdump dump a ").to_string();
        assert!(!empty.contains("For more information"), "{empty}");
        assert!(of("resdump").advice.starts_with("give a command"));
        for line in ["resdump show a --length x", "resdump bogus", "resdump dump"] {
            let text = of(line).to_string();
            assert_eq!(text.lines().count(), 1, "{text}");
        }
    }

    #[test]
    fn data_and_an_object_are_kept_apart() {
        let line = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert!(output_is_data("dump", &line("dump a - --x")));
        assert!(!output_is_data("dump", &line("dump a b --x")));
        assert!(output_is_data("send", &line("send")));
        assert!(!output_is_data("show", &line("show -")));
    }
}
