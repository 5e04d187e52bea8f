// SPDX-License-Identifier: MIT

use super::*;

/// All that a kernel returns.
fn all() -> impl Iterator<Item = Errno> {
    (1..=133)
        .map(Errno::from_raw)
        .filter(|&errno| errno != Errno::UnknownErrno)
}

fn every() -> impl Iterator<Item = (Errno, Doing, bool, ExitCode, &'static str)> {
    all().flat_map(|errno| {
        Doing::ALL.into_iter().flat_map(move |doing| {
            [true, false].map(|root| {
                let (status, advice) = look_up(errno, doing, root);
                (errno, doing, root, status, advice)
            })
        })
    })
}

#[test]
fn every_errno_has_a_status_and_advice_in_every_context() {
    assert!(all().count() > 125);
    for (errno, doing, _, status, advice) in every() {
        assert!(
            !matches!(status, ExitCode::Ok | ExitCode::Usage | ExitCode::Mismatch),
            "{errno} {doing:?}: {status:?}"
        );
        assert!(
            (8..=150).contains(&advice.len()) && !advice.ends_with('.'),
            "{errno} {doing:?}: {advice}"
        );
    }
}

#[test]
fn a_full_disk_is_no_space_whatever_was_being_done() {
    for (errno, doing, _, status, _) in every() {
        let full = matches!(errno, Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG);
        assert_eq!(full, status == ExitCode::NoSpace, "{errno} {doing:?}");
    }
}

#[test]
fn a_signal_is_an_interruption_whatever_was_being_done() {
    for (errno, doing, _, status, _) in every() {
        let signal = errno == Errno::EINTR;
        assert_eq!(signal, status == ExitCode::Interrupted, "{errno} {doing:?}");
    }
}

#[test]
fn the_kernel_log_is_named_only_for_what_is_in_it() {
    const LOGGED: [Errno; 6] = [
        Errno::EIO,
        Errno::EREMOTEIO,
        Errno::EILSEQ,
        Errno::ENOLINK,
        Errno::EUCLEAN,
        Errno::EBADMSG,
    ];
    for (errno, doing, _, _, advice) in every() {
        assert!(
            !advice.contains("kernel log") || LOGGED.contains(&errno),
            "{errno} {doing:?}: {advice}"
        );
    }
}

#[test]
fn root_is_not_told_to_be_root() {
    for (errno, doing, root, _, advice) in every() {
        assert!(
            !root || !advice.contains("as root"),
            "{errno} {doing:?}: {advice}"
        );
    }
}

#[test]
fn what_stands_in_the_way_of_a_target_has_advice_of_its_own() {
    let unknown = look_up(Errno::EL2HLT, Doing::OpenTarget, true).1;
    let advice: Vec<&str> = [
        Errno::ELOOP,
        Errno::EMFILE,
        Errno::ENFILE,
        Errno::ENAMETOOLONG,
        Errno::EROFS,
        Errno::EPERM,
        Errno::EACCES,
        Errno::ENOTDIR,
        Errno::EISDIR,
        Errno::ENOENT,
        Errno::EEXIST,
        Errno::ETXTBSY,
        Errno::EFBIG,
        Errno::EDQUOT,
        Errno::ENOSPC,
        Errno::ESTALE,
        Errno::ENOMEM,
        Errno::EBUSY,
        Errno::EIO,
        Errno::ENXIO,
        Errno::ENODEV,
        Errno::ENOMEDIUM,
        Errno::EUCLEAN,
        Errno::ENOKEY,
    ]
    .into_iter()
    .map(|errno| look_up(errno, Doing::OpenTarget, true).1)
    .collect();
    for (index, one) in advice.iter().enumerate() {
        assert_ne!(*one, unknown);
        assert!(!advice[..index].contains(one), "{one}");
    }
}

/// Each is printed by several commands: it names no option that one of them does not have.
#[test]
fn advice_names_options_of_all_commands_that_give_it() {
    use clap::CommandFactory;
    let mut cli = crate::cli::Cli::command();
    cli.build();
    for (errno, doing, _, _, advice) in every() {
        let own: String = advice.split('\'').step_by(2).collect();
        let words = own.split(|it: char| !it.is_ascii_alphanumeric() && it != '-');
        for word in words.filter_map(|word| word.strip_prefix("--")) {
            let commands: &[&str] = match doing {
                Doing::OpenTarget => &["dump", "snapshot", "convert", "receive", "bench", "doctor"],
                Doing::OpenFolder => &["record", "bench"],
                Doing::Load => &["load"],
                Doing::Snapshot => &["snapshot", "bench"],
                _ => &[],
            };
            let has = |name: &&str| {
                let command = cli.find_subcommand(name).unwrap();
                let word = Some(word);
                command.get_arguments().any(|arg| arg.get_long() == word)
            };
            let is_known = !commands.is_empty() && commands.iter().all(has);
            assert!(is_known, "{errno} {doing:?}: {advice}");
        }
    }
}

/// Of `load`, `play` and `record`, which have no engine to choose.
#[test]
fn advice_names_another_engine_where_there_is_a_choice() {
    for (errno, doing, _, _, advice) in every() {
        let none = [Doing::Load, Doing::OpenFolder, Doing::Position];
        assert!(
            !none.contains(&doing) || !advice.contains("engine"),
            "{errno} {doing:?}: {advice}"
        );
    }
}

#[test]
fn a_doorbell_that_was_not_rung_is_no_error_of_a_medium() {
    let (status, advice) = look_up(Errno::ENODATA, Doing::Position, true);
    assert_eq!(status, ExitCode::Engine);
    assert!(advice.contains("doorbell"), "{advice}");
}

#[test]
fn a_file_system_that_becomes_read_only_meanwhile_is_an_error_of_the_medium() {
    for doing in [Doing::Write, Doing::Sync, Doing::Transfer] {
        assert_eq!(look_up(Errno::EROFS, doing, true).0, ExitCode::Io);
    }
    let (status, _) = look_up(Errno::EROFS, Doing::OpenTarget, true);
    assert_eq!(status, ExitCode::Target);
}

#[test]
fn file_systems_that_may_copy_are_named() {
    for doing in [Doing::Transfer, Doing::Load] {
        let (status, advice) = look_up(Errno::EOPNOTSUPP, doing, true);
        assert_eq!(status, ExitCode::Target);
        assert!(advice.contains("btrfs, CIFS, 9p"), "{advice}");
    }
}

#[test]
fn an_immutable_file_is_named_to_root() {
    let (status, advice) = look_up(Errno::EPERM, Doing::OpenTarget, true);
    assert_eq!(status, ExitCode::Permission);
    assert!(advice.contains("immutable"), "{advice}");
}
