//! What a hostile worker does, and when.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::SigSet;

/// Argument of the process that is left behind.
pub const LEFT_BEHIND: &str = "left-behind";
/// Argument of a process that takes a share of the memory.
pub const EATS_ALONG: &str = "eats-along";
/// How much a flood is: far more than lemctl may hold.
const FLOOD: usize = 200 << 20;
/// What is written at once.
const PIECE: usize = 64 << 10;

/// A deed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// None.
    Behave,
    /// Deaf to every signal that can be blocked, to the window and to the end of stdin.
    Stubborn,
    /// Leaves a process in a session of its own that holds stdout and is deaf.
    Leak,
    /// The same, and dies in the window.
    LeakAndDie,
    /// Before the window begins, 200 MB on stderr (lines, escapes, no UTF-8) and 10 MB of well-formed progress.
    FloodLog,
    /// 50 MB on stdout and no end of the line.
    FloodLine,
    /// A line of a megabyte.
    LongLine,
    /// A line that is no UTF-8.
    NotUtf8,
    /// A line and a log that a terminal would obey.
    Escapes,
    /// Takes memory until the kernel ends it.
    Eat,
}

impl Deed {
    /// The deed of that name.
    pub fn named(name: &str) -> std::io::Result<Self> {
        Ok(match name {
            "" => Self::Behave,
            "stubborn" => Self::Stubborn,
            "leak" => Self::Leak,
            "leak-and-die" => Self::LeakAndDie,
            "flood-log" => Self::FloodLog,
            "flood-line" => Self::FloodLine,
            "long-line" => Self::LongLine,
            "not-utf8" => Self::NotUtf8,
            "escapes" => Self::Escapes,
            "eat" => Self::Eat,
            other => return Err(std::io::Error::other(format!("no such deed: {other}"))),
        })
    }

    /// Before the worker behind is started.
    pub fn at_start(self) -> std::io::Result<()> {
        match self {
            // The worker behind, and every thread, has the mask of who starts it.
            Self::Stubborn => SigSet::all().thread_block()?,
            Self::Leak | Self::LeakAndDie => {
                // Its stdout is that of the worker. Nobody waits for it: its parent ends, PID 1 reaps it.
                #[allow(clippy::zombie_processes, reason = "left behind: that is the deed")]
                Command::new(std::env::current_exe()?)
                    .arg(LEFT_BEHIND)
                    .stdin(Stdio::null())
                    .spawn()?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether a line of a request goes no further.
    pub fn swallows(self, line: &[u8]) -> bool {
        self == Self::Stubborn && opening(line).is_some()
    }

    /// Whether the end of stdin is none for the worker behind.
    pub fn ignores_the_end(self) -> bool {
        self == Self::Stubborn
    }

    /// When a window was asked for. `request` is how its line began.
    pub fn at_window(self, request: &[u8]) {
        match self {
            Self::Behave | Self::Stubborn | Self::Leak => {}
            Self::LeakAndDie => die(),
            Self::FloodLog => {
                flood(std::io::stderr(), &log_piece(), FLOOD);
                let mut line = request.to_vec();
                line.extend(b",\"event\":{\"type\":\"progress\",\"completed_requests\":1}}\n");
                flood(
                    std::io::stdout(),
                    &line.repeat(PIECE / line.len()),
                    FLOOD / 20,
                );
            }
            Self::FloodLine => flood(std::io::stdout().lock(), &[b'x'; PIECE], FLOOD / 4),
            Self::LongLine => say(&[&[b'x'; 1 << 20][..], b"\n"].concat()),
            Self::NotUtf8 => say(b"\xff\xfe{\"id\":\n"),
            Self::Escapes => {
                let hostile = b"\x1b[2J\x1b]0;owned\x07 \xe2\x80\xae gnp.exe\r\n";
                let _ = std::io::stderr().write_all(hostile);
                say(hostile);
            }
            Self::Eat => eat(),
        }
    }
}

/// How the line of a request for a window begins: its ids, without what is asked.
pub fn opening(line: &[u8]) -> Option<&[u8]> {
    let text = std::str::from_utf8(line).ok()?;
    let (ids, asked) = text.split_once(",\"request\":")?;
    asked
        .starts_with("{\"type\":\"measure\"")
        .then_some(ids.as_bytes())
}

/// What is left behind: a session of its own, deaf, with a child; both hold stdout for ever.
pub fn stay() -> ! {
    let _ = nix::unistd::setsid();
    let _ = SigSet::all().thread_block();
    if std::env::args().nth(2).is_none()
        && let Ok(program) = std::env::current_exe()
    {
        #[allow(
            clippy::zombie_processes,
            reason = "a grandchild that nobody waits for"
        )]
        let _ = Command::new(program).args([LEFT_BEHIND, "again"]).spawn();
    }
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

fn say(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
}

fn flood(mut to: impl Write, piece: &[u8], bytes: usize) {
    let mut written = 0;
    while written < bytes && to.write_all(piece).is_ok() {
        written += piece.len();
    }
    let _ = to.flush();
}

/// A piece of a hostile log: ordinary lines, one without an end in reach, escapes, no UTF-8.
fn log_piece() -> Vec<u8> {
    let mut piece = Vec::with_capacity(PIECE);
    while piece.len() < PIECE / 2 {
        piece.extend(
            b"INFO a line of an engine's log, as long as such lines are, and some more of it\n",
        );
    }
    piece.extend(b"\x1b[31mred\x1b[0m \xff\xfe\xc3 \x9b2J\n");
    piece.resize(PIECE, b'y');
    piece
}

/// Several take it, so that none of them is the one that the kernel must pick.
fn eat() {
    // So that a test can choose who is ended first.
    std::thread::sleep(Duration::from_secs(1));
    for _ in 0..3 {
        #[allow(clippy::zombie_processes, reason = "the kernel or the agent ends them")]
        let _ = std::env::current_exe()
            .and_then(|program| Command::new(program).arg(EATS_ALONG).spawn());
    }
    take(usize::MAX);
}

/// Takes so many pieces of 8 MiB, and keeps them.
pub fn take(pieces: usize) -> ! {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        if taken.len() < pieces {
            taken.push(vec![1; 8 << 20]);
        } else {
            std::thread::sleep(Duration::from_secs(3600));
        }
        std::hint::black_box(&taken);
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "to end in the middle is the deed"
)]
fn die() {
    std::process::exit(9);
}
