//! The program as lemctl runs it: lines in, lines out, an end with its input.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::io::Write;
use std::process::{Command, Stdio};

use lem_protocol::LoadReply;

fn converse(arguments: &[&str], lines: &str) -> Vec<LoadReply> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lem-load"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn without_a_driver_it_says_so_and_goes_on() {
    let replies = converse(
        &["--gpu", "GPU-00000000-0000-0000-0000-00000000000f"],
        "{\"request\":\"context\"}\n{\"request\":\"release\"}\n",
    );
    // With a driver, it is the GPU that is not there.
    let LoadReply::Failed { code, message } = &replies[0] else {
        panic!("{replies:?}")
    };
    assert!(
        code == "no_driver" || code == "no_such_gpu",
        "{code}: {message}"
    );
    assert!(matches!(replies[1], LoadReply::Done { .. }), "{replies:?}");
}

#[test]
fn a_simulated_wave_is_what_its_log_says() {
    let log =
        std::env::temp_dir().join(format!("lem-load-conversation-{}.log", std::process::id()));
    let _ = std::fs::remove_file(&log);
    let replies = converse(
        &["--simulate", log.to_str().unwrap()],
        "{\"request\":\"context\"}\n{\"request\":\"wave\",\"period_ms\":20,\"on_ms\":10,\"seconds\":0.1}\n{\"request\":\"quit\"}\n",
    );
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    assert!(
        matches!(
            replies[0],
            LoadReply::Ready {
                simulated: true,
                ..
            }
        ),
        "{replies:?}"
    );
    let LoadReply::Done { bursts, .. } = &replies[1] else {
        panic!("{replies:?}")
    };
    let busy: Vec<u64> = text
        .lines()
        .filter(|line| line.split(' ').nth(1) == Some("1"))
        .map(|line| line.split(' ').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(
        busy,
        bursts
            .iter()
            .map(|burst| burst.start_ns)
            .collect::<Vec<_>>()
    );
    assert_eq!(bursts.len(), 5);
}
