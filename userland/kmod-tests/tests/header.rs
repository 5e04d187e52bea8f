// SPDX-License-Identifier: MIT
//! `kmod/resmem.h`, the ABI for C, is the same as `kmod/abi.rs`: every constant, every structure, every
//! field, by every compiler that is here. What only one of the two has is found by their names.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use resmem::abi;

const ABI: [&str; 4] = [
    include_str!("../../../kmod/abi.rs"),
    include_str!("../../../kmod/abi/region.rs"),
    include_str!("../../../kmod/abi/ring.rs"),
    include_str!("../../../kmod/abi/transfer.rs"),
];
const HEADER: &str = include_str!("../../../kmod/resmem.h");

/// Names in Rust, and what must hold in C.
#[derive(Default)]
struct Expected {
    constants: BTreeSet<String>,
    fields: BTreeSet<(String, String)>,
    commands: BTreeSet<String>,
    assertions: String,
}

impl Expected {
    fn holds(&mut self, what: &str) {
        self.assertions += &format!("_Static_assert({what}, \"\");\n");
    }

    fn constant(&mut self, name: &str, value: u64) {
        self.constants.insert(name.to_owned());
        self.holds(&format!("RESMEM_{name} == {value}ULL"));
    }

    fn structure(&mut self, name: &str, size: usize, align: usize) {
        let c = c_name(name);
        self.holds(&format!("sizeof(struct {c}) == {size}"));
        self.holds(&format!("ALIGNOF(struct {c}) == {align}"));
    }

    fn field(&mut self, structure: &str, name: &str, offset: usize, size: usize) {
        self.fields.insert((structure.to_owned(), name.to_owned()));
        let c = c_name(structure);
        self.holds(&format!(
            "__builtin_offsetof(struct {c}, {name}) == {offset}"
        ));
        self.holds(&format!("sizeof(((struct {c} *)0)->{name}) == {size}"));
    }

    /// `direction` as in the macro's name: `IOR`, `IOW`, `IOWR`.
    fn command(&mut self, name: &str, number: u8, direction: &str, structure: &str) {
        self.commands.insert(name.to_owned());
        let (kind, c) = (abi::IOC_TYPE, c_name(structure));
        self.holds(&format!(
            "RESMEM_{name} == _{direction}({kind}, {number}, struct {c})"
        ));
    }
}

/// `RegionInfo` is `resmem_region_info`.
fn c_name(rust: &str) -> String {
    let mut name = "resmem".to_owned();
    for letter in rust.chars() {
        if letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

fn size_of_field<S, T>(_: impl Fn(&S) -> &T) -> usize {
    size_of::<T>()
}

fn expected() -> Expected {
    let mut expected = Expected::default();
    macro_rules! constants {
        ($($name:ident)*) => { $(
            #[allow(clippy::unnecessary_cast, reason = "they are of several types")]
            expected.constant(stringify!($name), abi::$name as u64);
        )* };
    }
    macro_rules! structures {
        ($($name:ident { $($field:ident)* })*) => { $(
            expected.structure(stringify!($name), size_of::<abi::$name>(), align_of::<abi::$name>());
            $( expected.field(
                stringify!($name),
                stringify!($field),
                std::mem::offset_of!(abi::$name, $field),
                size_of_field(|it: &abi::$name| &it.$field),
            ); )*
        )* };
    }
    macro_rules! commands {
        ($($name:ident $direction:ident $structure:ident)*) => { $(
            expected.command(
                stringify!($name),
                abi::$name,
                stringify!($direction),
                stringify!($structure),
            );
        )* };
    }
    constants! {
        ABI_REVISION IOC_TYPE LABEL_BYTES
        FEATURE_SNAPSHOT FEATURE_SYNC FEATURE_REGISTER FEATURE_POSITION FEATURE_EXPORT
        FEATURE_CONSUMED FEATURE_TRIGGER
        REGION_WRITABLE REGION_PAGES REGION_DEVICE_WRITES REGION_NONCOHERENT REGION_SOME_PAGES
        REGION_DEVICE_READS REGION_POSITION
        TRANSFER_STRICT TRANSFER_NO_SYNC
        CHUNK_MIN CHUNK_MAX CHUNK_DEFAULT DEPTH_MAX DEPTH_DEFAULT
        SNAPSHOT_MAX SNAPSHOT_NONE SNAPSHOT_RUNNING SNAPSHOT_DONE
        SYNC_FOR_CPU SYNC_FOR_DEVICE REGISTER_MAX REACH_MAX
        EVIDENCE_EXACT EVIDENCE_BOUNDED EVIDENCE_UNKNOWN
        POSITION_PROGRAM POSITION_INTERRUPT POSITION_BOUNDED POSITION_TRIGGER POSITION_CONSUMER
        EXPORT_WRITE EXPORT_CLOEXEC
        INFO_SIZE_VER0 TRANSFER_SIZE_VER0 SNAPSHOT_SIZE_VER0 SNAPSHOT_STATUS_SIZE_VER0 SYNC_SIZE_VER0
        POSITION_SIZE_VER0 DOORBELL_SIZE_VER0 WATCH_SIZE_VER0 EXPORT_SIZE_VER0
        CONSUMED_SIZE_VER0
    }
    structures! {
        RegionInfo { abi flags base size page_size features label reserved }
        Transfer {
            fd flags region_offset length file_offset chunk depth
            moved direct copied error reserved0 reserved
        }
        Snapshot { address length region_offset eventfd flags reserved }
        SnapshotStatus { copied state error reserved }
        RegionSync { region_offset length direction flags reserved }
        RegisterBuffer { region_offset length index }
        RingPosition {
            position time breaks raw ring lead lag max_rate patience evidence flags
            triggers trigger reserved
        }
        RingDoorbell { raw flags reserved }
        RingWatch { position eventfd flags reserved }
        RingReach { position triggers }
        RingConsumed { position flags reserved }
        RegionExport { region_offset length flags fd reserved }
    }
    commands! {
        IOC_INFO IOR RegionInfo
        IOC_DUMP IOWR Transfer
        IOC_LOAD IOWR Transfer
        IOC_SNAPSHOT IOW Snapshot
        IOC_SNAPSHOT_STATUS IOR SnapshotStatus
        IOC_SYNC IOW RegionSync
        IOC_REGISTER IOW RegisterBuffer
        IOC_POSITION IOR RingPosition
        IOC_DOORBELL IOW RingDoorbell
        IOC_WATCH IOW RingWatch
        IOC_REACH IOW RingReach
        IOC_EXPORT IOWR RegionExport
        IOC_CONSUMED IOW RingConsumed
    }
    expected
}

/// The lists above have all that the ABI has.
#[test]
fn every_name_of_the_abi_is_compared() {
    let expected = expected();
    let (mut constants, mut fields) = (BTreeSet::new(), BTreeSet::new());
    let files = ABI.map(|file| syn::parse_file(file).unwrap());
    for item in files.into_iter().flat_map(|file| file.items) {
        match item {
            syn::Item::Const(item) if item.ident != "_" => {
                constants.insert(item.ident.to_string());
            }
            syn::Item::Struct(item) => {
                for field in &item.fields {
                    let field = field.ident.as_ref().unwrap().to_string();
                    fields.insert((item.ident.to_string(), field));
                }
            }
            _ => {}
        }
    }
    assert_eq!(fields, expected.fields);
    assert_eq!(constants, &expected.constants | &expected.commands);
}

/// The header has no more: no constant, and no field, for C programs alone.
#[test]
fn every_name_of_the_header_is_in_the_abi() {
    let expected = expected();
    let defined: BTreeSet<String> = HEADER
        .lines()
        .filter_map(|line| line.strip_prefix("#define RESMEM_"))
        .filter_map(|line| Some(line.split_whitespace().next()?.to_owned()))
        .collect();
    assert_eq!(defined, &expected.constants | &expected.commands);
    let fields = HEADER
        .lines()
        .filter(|line| line.starts_with("\t__") && line.contains(';'));
    assert_eq!(fields.count(), expected.fields.len());
}

/// A compiler and its options.
type Compiler = (&'static str, Vec<String>);

/// Those of this machine, the host's own for 32 bits as well, and those of the boards.
fn compilers() -> Vec<Compiler> {
    let c11 = ["-std=c11", "-pedantic", "-xc"].map(str::to_owned);
    let mut all: Vec<Compiler> = vec![("cc", c11.to_vec())];
    if cfg!(target_arch = "x86_64") {
        // The kernel's headers are the same, and lie where only a 64-bit compiler looks.
        let folder = format!("/usr/include/{}", said("cc", "-print-multiarch").trim());
        let options = ["-m32".to_owned(), "-isystem".to_owned(), folder];
        all.push(("cc", [&c11[..], &options[..]].concat()));
    }
    for cross in ["powerpc-linux-gnu-gcc", "aarch64-linux-gnu-gcc"] {
        if is_here(cross) {
            all.push((cross, c11.to_vec()));
        }
    }
    if is_here("c++") {
        all.push(("c++", ["-std=c++11", "-xc++"].map(str::to_owned).to_vec()));
    }
    all
}

fn is_here(compiler: &str) -> bool {
    Command::new(compiler).arg("--version").output().is_ok()
}

fn said(compiler: &str, option: &str) -> String {
    let output = Command::new(compiler).arg(option).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// What the compiler complains of in `source`, with the header beside it.
fn compile((compiler, options): &Compiler, header: &str, source: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).unwrap();
        fs::write(&path, text).unwrap();
        path
    };
    write("linux/resmem.h", header);
    let program = write("compare.c", source);
    let output = Command::new(compiler)
        .args(options)
        .args(["-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I"])
        .arg(folder.path())
        .arg(program)
        .output()
        .unwrap();
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{compiler} {options:?}:\n{}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

fn program() -> String {
    format!(
        "#include <linux/resmem.h>\n\
         #ifdef __cplusplus\n#define _Static_assert static_assert\n#define ALIGNOF alignof\n\
         #else\n#define ALIGNOF _Alignof\n#endif\n{}",
        expected().assertions
    )
}

#[test]
fn the_header_says_the_same_to_every_compiler() {
    let compilers = compilers();
    for compiler in &compilers {
        compile(compiler, HEADER, &program()).unwrap();
    }
    println!("compared by {compilers:?}");
}

/// The comparison sees what it is for: a width, an alignment, a value, a direction, a number.
#[test]
fn a_header_that_differs_is_noticed() {
    let host = &compilers()[0];
    for (from, to) in [
        ("__u32\t\tchunk;", "__u64\t\tchunk;"),
        ("__u32\t\tpage_size;", "__u16\t\tpage_size;"),
        ("(64U << 10)", "(64U << 11)"),
        ("_IOWR(RESMEM_IOC_TYPE, 0x41", "_IOW(RESMEM_IOC_TYPE, 0x41"),
        ("RESMEM_IOC_TYPE, 0x43", "RESMEM_IOC_TYPE, 0x4f"),
        ("RESMEM_IOC_TYPE\t'R'", "RESMEM_IOC_TYPE\t'S'"),
    ] {
        assert!(HEADER.contains(from), "{from}");
        let changed = HEADER.replace(from, to);
        assert!(compile(host, &changed, &program()).is_err(), "{to}");
    }
}

/// 32-bit x86 aligns 64-bit numbers to 4 bytes where nothing says otherwise.
#[test]
#[cfg(target_arch = "x86_64")]
fn an_alignment_that_only_32_bit_x86_lacks_is_noticed() {
    let compilers = compilers();
    let changed = HEADER.replace("__aligned_u64", "__u64");
    compile(&compilers[0], &changed, &program()).unwrap();
    let complaint = compile(&compilers[1], &changed, &program()).unwrap_err();
    assert!(complaint.contains("static assertion failed"), "{complaint}");
}
