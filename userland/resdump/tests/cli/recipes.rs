// SPDX-License-Identifier: MIT

//! The commands of docs/how-to/recipes.md, word for word. A recipe whose tool is missing is left out by name; with
//! `RESDUMP_TOOLS=all` that is a failure.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
    thread,
};

use sha2::Digest;

use crate::bench::Bench;

/// The blocks of commands of a section.
fn blocks(heading: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/how-to/recipes.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = rest.split("\n## ").next().unwrap();
    let mut blocks = vec![String::new()];
    for line in section.lines() {
        match line.strip_prefix("    ") {
            Some(command) => *blocks.last_mut().unwrap() += &format!("{command}\n"),
            None if blocks.last().unwrap().is_empty() => {}
            None => blocks.push(String::new()),
        }
    }
    blocks.retain(|block| !block.is_empty());
    assert!(!blocks.is_empty(), "{heading}");
    blocks
}

/// Whether all `tools` are there.
fn have(tools: &[&str]) -> bool {
    let missing: Vec<&&str> = tools
        .iter()
        .filter(|tool| {
            let look = format!("command -v {tool}");
            let found = Command::new("sh").args(["-c", &look]).output().unwrap();
            !found.status.success()
        })
        .collect();
    if missing.is_empty() {
        return true;
    }
    assert!(
        std::env::var_os("RESDUMP_TOOLS").is_none_or(|wanted| wanted != "all"),
        "missing: {missing:?}"
    );
    eprintln!("left out: not installed: {missing:?}");
    false
}

/// Runs a recipe with a saved file in the place of the region.
fn run(bench: &Bench, commands: &str) -> Output {
    let own = bench.path("bin");
    fs::create_dir_all(&own).unwrap();
    let _ = std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_resdump"), own.join("resdump"));
    let path = format!("{}:{}", own.display(), std::env::var("PATH").unwrap());
    let commands = commands.replace(
        "dump capture ",
        &format!("dump {} ", bench.path("saved").display()),
    );
    let output = Command::new("bash")
        .args(["-eu", "-o", "pipefail", "-c", &commands])
        .current_dir(bench.folder.path())
        .env("PATH", path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{commands}\n{output:?}");
    output
}

fn same(bench: &Bench) {
    assert_eq!(fs::read(bench.path("capture.raw")).unwrap(), bench.bytes);
}

fn program(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn split() {
    if !have(&["bash", "split", "sha256sum"]) {
        return;
    }
    let bench = Bench::new(5 << 20);
    for block in blocks("In pieces") {
        run(&bench, &block.replace("100M", "2M"));
    }
    same(&bench);
    assert!(bench.path("capture.raw.aa").exists() && bench.path("capture.raw.ac").exists());
    // A piece that is missing or damaged is noticed.
    let check = blocks("In pieces").pop().unwrap();
    fs::write(bench.path("capture.raw.ab"), [0; 100]).unwrap();
    let output = Command::new("bash")
        .args(["-eu", "-o", "pipefail", "-c", &check])
        .current_dir(bench.folder.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
}

#[test]
fn age() {
    if !have(&["bash", "age", "age-keygen"]) {
        return;
    }
    let bench = Bench::new(300_000);
    for block in blocks("Encrypted") {
        run(&bench, &block);
    }
    same(&bench);
}

/// The tool for this is a web server; what it is given is looked at here.
#[test]
fn curl_put() {
    if !have(&["bash", "curl"]) {
        return;
    }
    let bench = Bench::new(300_000);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut from = BufReader::new(stream.try_clone().unwrap());
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(from.read_line(&mut head).unwrap() > 0);
        }
        if head.to_lowercase().contains("100-continue") {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        }
        let mut body = Vec::new();
        loop {
            let mut line = String::new();
            from.read_line(&mut line).unwrap();
            let length = usize::from_str_radix(line.trim(), 16).unwrap();
            let mut chunk = vec![0; length + 2];
            from.read_exact(&mut chunk).unwrap();
            if length == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..length]);
        }
        stream
            .write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        (head, body)
    });
    for block in blocks("To a web server") {
        run(&bench, &block.replace("server:8000", &address.to_string()));
    }
    let (head, body) = server.join().unwrap();
    assert!(head.starts_with("PUT /capture.raw "), "{head}");
    assert_eq!(body, bench.bytes);
    let sum = sha2::Sha256::digest(&body);
    let said = fs::read_to_string(bench.path("capture.log")).unwrap();
    let hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(said.contains(&hex), "{said}");
}

#[test]
fn ssh() {
    if !have(&["bash", "ssh", "ssh-keygen", "/usr/sbin/sshd"]) {
        return;
    }
    let bench = Bench::new(300_000);
    let path = |name: &str| bench.path(name).display().to_string();
    for key in ["host", "user"] {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f", &path(key)])
            .status();
        assert!(made.unwrap().success());
    }
    fs::copy(bench.path("user.pub"), bench.path("authorized")).unwrap();
    let server = format!(
        "HostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\n\
         SetEnv PATH={}:/usr/bin:/bin\n",
        path("host"),
        path("authorized"),
        path("bin"),
    );
    fs::write(bench.path("sshd.conf"), server).unwrap();
    // Without the folder that a service makes for it, the daemon does not start.
    let _ = fs::create_dir_all("/run/sshd");
    let client = format!(
        "#!/bin/sh\nexec /usr/bin/ssh -F none -i {} -o StrictHostKeyChecking=no \
         -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o User=$(id -un) \
         -o ProxyCommand='/usr/sbin/sshd -i -f {}' \"$@\"\n",
        path("user"),
        path("sshd.conf"),
    );
    program(&bench.path("bin/ssh"), &client);
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    for block in blocks("Over ssh") {
        let block = block
            .replace("root@board", "board")
            .replace("5000", &port.to_string());
        let block = block.replace("cd /dumps\n", "");
        run(&bench, &block);
        same(&bench);
        fs::remove_file(bench.path("capture.raw")).unwrap();
        let _ = fs::remove_file(bench.path("capture.raw.json"));
    }
}
