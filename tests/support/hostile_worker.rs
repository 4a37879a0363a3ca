//! A worker that means harm. It passes the conversation on to the real one beside it, and then does to its record, its
//! outbox or its answer what the measured `batch_size` stands for. Built by the tests with `rustc`, static, standard
//! library only.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// What is measured: the attempt, and the trick.
static NOW: Mutex<(String, u32)> = Mutex::new((String::new(), 0));
/// SHA-256 of 200,000 opening brackets.
const DEEP: &str = "7725b1ee1e05d1581ed8d02dbe86c73ef63af947beb84bfd7fa74966643c8e3d";
/// What a terminal would obey: clear, title, bell, colour, another direction of writing.
const ESCAPES: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}evil";

fn main() {
    eprintln!("{ESCAPES}");
    let mut real = Command::new("/lem/real")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the real worker starts");
    let mut orders = real.stdin.take().expect("it is piped");
    let answers = real.stdout.take().expect("it is piped");
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if line.contains("\"measure\"") {
                let size = after(&line, "\"batch_size\":").and_then(|text| number(text));
                let attempt = after(&line, "\"attempt\":\"").and_then(|text| text.split('"').next());
                *NOW.lock().expect("no thread died") =
                    (attempt.unwrap_or_default().to_owned(), size.unwrap_or(0));
            }
            if writeln!(orders, "{line}").is_err() {
                break;
            }
        }
    });
    for line in BufReader::new(answers).lines().map_while(Result::ok) {
        let mut line = line;
        if line.contains("\"of\":\"measure\"") {
            let (attempt, trick) = NOW.lock().expect("no thread died").clone();
            line = play(trick, &attempt, line);
        }
        println!("{line}");
        std::io::stdout().flush().expect("stdout is open");
    }
    let _ = real.wait();
}

fn after<'a>(text: &'a str, what: &str) -> Option<&'a str> {
    text.find(what).map(|at| &text[at + what.len()..])
}

fn number(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

fn play(trick: u32, attempt: &str, line: String) -> String {
    let folder = Path::new("/outbox").join(attempt);
    let record = folder.join("record.json");
    let aside = folder.join("aside");
    match trick {
        // A link to a file of the host's.
        2 => {
            fs::remove_file(&record).expect("removed");
            symlink("/etc/passwd", &record).expect("linked");
        }
        // A second name, by which it could still be changed.
        3 => fs::hard_link(&record, &aside).expect("linked"),
        4 => {
            fs::remove_file(&record).expect("removed");
            let socket = std::os::unix::net::UnixListener::bind(&record).expect("bound");
            std::mem::forget(socket);
        }
        // A terabyte that takes no room.
        5 => fs::File::options()
            .write(true)
            .open(&record)
            .and_then(|file| file.set_len(1 << 40))
            .expect("sparse"),
        // Deeper than a reader's stack; the sum that it tells is right.
        6 => {
            fs::write(&record, "[".repeat(200_000)).expect("written");
            let (head, rest) = line.split_once("\"sha256\":\"").expect("it is told");
            let rest = &rest[rest.find('"').expect("it ends")..];
            return format!("{head}\"sha256\":\"{DEEP}{rest}");
        }
        // The folder itself is a link.
        7 => {
            let other = Path::new("/outbox/other");
            fs::rename(&folder, other).expect("renamed");
            symlink(other, &folder).expect("linked");
        }
        // An honest record among rubbish: deeper than there are descriptors, and closed to everybody.
        8 => {
            let mut deep = folder.join("deep");
            fs::create_dir(&deep).expect("made");
            std::env::set_current_dir(&deep).expect("entered");
            for _ in 0..2_000 {
                fs::create_dir("d").expect("made");
                std::env::set_current_dir("d").expect("entered");
            }
            std::env::set_current_dir("/").expect("left");
            for number in 0..300 {
                let name = format!("/outbox/{ESCAPES}-{number}").replace('\u{7}', "\n");
                fs::write(name, "rubbish").expect("written");
            }
            deep.push("closed");
            fs::create_dir(&deep).expect("made");
            fs::set_permissions(&deep, Permissions::from_mode(0)).expect("closed");
            fs::set_permissions(folder.join("deep"), Permissions::from_mode(0)).expect("closed");
        }
        // Words for a terminal instead of an answer.
        9 => {
            let head = line.split("\"event\"").next().expect("a part").to_owned();
            return format!(
                "{head}\"event\":{{\"type\":\"error\",\"code\":\"{0}\",\"message\":\"{0}\",\"hint\":\"{0}\"}}}}",
                "\\u001b[2J\\u001b]0;owned\\u0007\\u009b31m\\u202eevil"
            );
        }
        _ => {}
    }
    line
}
