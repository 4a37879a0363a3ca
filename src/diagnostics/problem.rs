//! Problems of a text file: many in one report, each pointing at its place.

use std::fmt;

use super::harmless_line;

/// Where something stands in a text: a run of characters on one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// First character of the line, from 1.
    pub column: u32,
    /// Characters on that line, at least 1.
    pub width: u32,
}

impl Place {
    /// The first character of a text.
    pub const START: Self = Self {
        line: 1,
        column: 1,
        width: 1,
    };
}

/// One thing that is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What is wrong, in one sentence with the values involved.
    pub message: String,
    /// What would mend it.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem without a hint.
    pub fn new(place: Place, message: impl Into<String>) -> Self {
        Self {
            place,
            message: message.into(),
            hint: None,
        }
    }

    /// The same problem with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The name among `known` that was likely meant by `name`, if any is near.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST_NAME {
        return None;
    }
    let wanted = name.to_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::jaro_winkler(&wanted, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(score, _)| *score >= 0.84)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}

/// Problems beyond this many are counted, not shown.
const SHOWN: usize = 100;
/// Longest message or hint that is shown whole, in characters: both quote what stands in the file.
const MESSAGE: usize = 2_000;
/// Longest name that another is proposed for, in bytes: looking for one costs the product of both lengths.
const LONGEST_NAME: usize = 100;
/// Longest part of a source line that is shown, in characters.
const SNIPPET: usize = 96;

/// Every problem of one file, in the order of their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProblemReport {
    file: String,
    problems: Vec<Problem>,
    /// What is shown of the source lines of the first problems. All may stand in one line of a megabyte: no line is
    /// kept whole.
    snippets: Vec<Snippet>,
}

impl ProblemReport {
    /// A report on a file: `text` is what it holds, for the snippets. Equal problems are kept once.
    #[must_use]
    pub fn new(file: &str, text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|left, right| {
            left.place
                .cmp(&right.place)
                .then_with(|| left.message.cmp(&right.message))
        });
        problems.dedup();
        let lines: Vec<&str> = text.lines().collect();
        let line_of = |place: Place| {
            let line = usize::try_from(place.line)
                .ok()
                .and_then(|line| lines.get(line.checked_sub(1)?));
            line.copied().unwrap_or_default()
        };
        let snippets = problems.iter().take(SHOWN);
        let snippets = snippets
            .map(|problem| snippet(line_of(problem.place), problem.place))
            .collect();
        Self {
            file: file.to_owned(),
            problems,
            snippets,
        }
    }

    /// The file, as the user named it.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The problems, in the order of their places.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter()
    }
}

/// For each problem `file:line:column: message`, the line, a caret under the place, and the hint. No colour.
impl fmt::Display for ProblemReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        write!(
            f,
            "{} has {count} problem{}",
            self.file,
            if count == 1 { "" } else { "s" }
        )?;
        for (problem, snippet) in self.problems.iter().zip(&self.snippets) {
            let Place {
                line: number,
                column,
                ..
            } = problem.place;
            write!(
                f,
                "\n{}:{number}:{column}: {}",
                self.file,
                plain(&problem.message)
            )?;
            let gutter = number.to_string();
            let blank = " ".repeat(gutter.len());
            if !snippet.shown.trim().is_empty() {
                write!(
                    f,
                    "\n  {gutter} | {}\n  {blank} | {}{}",
                    snippet.shown,
                    " ".repeat(snippet.indent),
                    "^".repeat(snippet.width)
                )?;
            }
            if let Some(hint) = &problem.hint {
                write!(f, "\n  {blank} = {}", plain(hint))?;
            }
        }
        if count > SHOWN {
            write!(f, "\n… and {} more", count - SHOWN)?;
        }
        Ok(())
    }
}

/// A message or hint: bounded, one line, harmless.
fn plain(text: &str) -> String {
    let mut shown: String = text.chars().take(MESSAGE).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    harmless_line(&shown).into_owned()
}

/// The part of a line to show, how far the caret is indented in it, and how wide it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Snippet {
    shown: String,
    indent: usize,
    width: usize,
}

/// The snippet of a line for a place in it.
fn snippet(line: &str, place: Place) -> Snippet {
    let characters: Vec<char> = line
        .chars()
        .map(|c| if c == '\t' { ' ' } else { c })
        .collect();
    let at = (place.column as usize)
        .saturating_sub(1)
        .min(characters.len());
    let width = (place.width as usize).clamp(1, (characters.len() - at).max(1));
    let from = if characters.len() <= SNIPPET {
        0
    } else {
        at.saturating_sub(SNIPPET / 3)
    };
    let to = characters.len().min(from + SNIPPET);
    let mut shown: String = characters[from..to].iter().collect();
    shown = harmless_line(shown.trim_end()).into_owned();
    let mut indent = at - from;
    if from > 0 {
        shown.insert(0, '…');
        indent += 1;
    }
    if to < characters.len() {
        shown.push('…');
    }
    Snippet {
        shown,
        indent,
        width: width.min(SNIPPET.saturating_sub(at - from)).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: u32, column: u32, width: u32) -> Place {
        Place {
            line,
            column,
            width,
        }
    }

    #[test]
    fn problems_come_in_the_order_of_their_places_with_carets() {
        let text = "name: x\ncycels: 2\n";
        let report = ProblemReport::new(
            "a.yaml",
            text,
            vec![
                Problem::new(place(2, 1, 6), "unknown key `cycels`").hint("did you mean `cycles`?"),
                Problem::new(place(1, 7, 1), "too short"),
            ],
        );
        assert_eq!(
            report.to_string(),
            "a.yaml has 2 problems\n\
             a.yaml:1:7: too short\n  1 | name: x\n    |       ^\n\
             a.yaml:2:1: unknown key `cycels`\n  2 | cycels: 2\n    | ^^^^^^\n    = did you mean `cycles`?"
        );
    }

    #[test]
    fn long_lines_are_cut_around_the_caret_and_escapes_are_made_harmless() {
        let text = format!("{}\u{1b}[31mX{}", "a".repeat(300), "b".repeat(300));
        let report = ProblemReport::new(
            "a.yaml",
            &text,
            vec![Problem::new(place(1, 306, 1), "here")],
        );
        let shown = report.to_string();
        assert!(!shown.contains('\u{1b}'));
        let lines: Vec<&str> = shown.lines().collect();
        let caret = lines[3].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[2].chars().nth(caret), Some('X'));
        assert!(lines[2].chars().count() < 110);
    }

    #[test]
    fn places_outside_of_the_text_do_not_panic() {
        let report = ProblemReport::new("a.yaml", "", vec![Problem::new(place(9, 90, 9), "odd")]);
        assert_eq!(report.to_string(), "a.yaml has 1 problem\na.yaml:9:90: odd");
    }

    #[test]
    fn only_near_names_are_proposed() {
        let known = ["concurrency", "batch_size"];
        assert_eq!(nearest("concurency", known), Some("concurrency"));
        assert_eq!(nearest("batch-size", known), Some("batch_size"));
        assert_eq!(nearest("temperature", known), None);
    }
}
