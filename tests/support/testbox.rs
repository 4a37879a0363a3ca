//! A program for containers built FROM scratch: just enough behaviour to see what an Engine does with a
//! process. Built by the tests with `rustc`, static, standard library only.

use std::io::{BufRead, Read, Write};
use std::time::Duration;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |index: usize| arguments.get(index).map_or("", String::as_str);
    let mut stdout = std::io::stdout().lock();
    match argument(0) {
        // PID 1 without handlers is deaf to TERM.
        "init" => {
            println_both(&mut stdout);
            let _ = std::fs::create_dir("/outbox/exits");
            loop {
                std::thread::sleep(Duration::from_secs(3600));
            }
        }
        // Each line back, until EOF.
        "echo" => {
            for line in std::io::stdin().lock().lines() {
                writeln!(stdout, "{}", line.expect("stdin is text")).expect("stdout is open");
                stdout.flush().expect("stdout is open");
            }
        }
        // print OUT ERR CODE
        "print" => {
            write!(stdout, "{}", argument(1)).expect("stdout is open");
            stdout.flush().expect("stdout is open");
            eprint!("{}", argument(2));
            std::process::exit(argument(3).parse().expect("an exit code"));
        }
        // flood BYTES: bytes 0..=250 over and over.
        "flood" => {
            let bytes: usize = argument(1).parse().expect("a number of bytes");
            let mut buffer = std::io::BufWriter::new(stdout);
            for index in 0..bytes {
                buffer
                    .write_all(&[u8::try_from(index % 251).expect("below 251")])
                    .expect("stdout is open");
            }
        }
        // Who the Engine made us: the lines of /proc/self/status that matter, then what can be written.
        "whoami" => {
            let status = std::fs::read_to_string("/proc/self/status").expect("/proc is there");
            for line in status.lines() {
                let wanted = [
                    "Uid:",
                    "Gid:",
                    "Groups:",
                    "CapEff:",
                    "CapBnd:",
                    "NoNewPrivs:",
                ];
                if wanted.iter().any(|key| line.starts_with(key)) {
                    writeln!(
                        stdout,
                        "{}",
                        line.split_whitespace().collect::<Vec<_>>().join(" ")
                    )
                    .expect("stdout is open");
                }
            }
            for path in ["/x", "/tmp/x", "/outbox/x", "/run/lem/x"] {
                writeln!(stdout, "write {path} {}", std::fs::write(path, "x").is_ok())
                    .expect("stdout is open");
            }
        }
        // What the agent's probe says, as far as the standard library can see it.
        "probe" => {
            let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
            let status = read("/proc/self/status");
            let field = |name: &str| {
                status
                    .lines()
                    .find_map(|line| line.strip_prefix(name))
                    .unwrap_or_default()
            };
            let id = |name: &str| {
                field(name)
                    .split_whitespace()
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            };
            let uptime: f64 = read("/proc/uptime")
                .split(' ')
                .next()
                .and_then(|s| s.parse().ok())
                .unwrap_or(0.0);
            writeln!(
                stdout,
                r#"{{"uid":{},"gid":{},"groups":[],"monotonic_ns":{},"boot_id":"{}","lease_ns":{},"outbox_writable":{},"root_writable":{},"cap_eff":"{}","no_new_privs":{}}}"#,
                id("Uid:"),
                id("Gid:"),
                (uptime * 1e9) as u64,
                read("/proc/sys/kernel/random/boot_id").trim(),
                read("/run/lem/lease").trim(),
                std::fs::write("/outbox/.probe", "").and_then(|()| std::fs::remove_file("/outbox/.probe")).is_ok(),
                std::fs::write("/probe", "").is_ok(),
                id("CapEff:"),
                id("NoNewPrivs:") == "1",
            )
            .expect("stdout is open");
        }
        // Waits for EOF without a word.
        "wait" => {
            let mut rest = Vec::new();
            let _ = std::io::stdin().read_to_end(&mut rest);
        }
        other => panic!("testbox does not know `{other}`"),
    }
}

/// A line on each stream.
fn println_both(stdout: &mut impl Write) {
    writeln!(stdout, "one").expect("stdout is open");
    stdout.flush().expect("stdout is open");
    eprintln!("two");
}
